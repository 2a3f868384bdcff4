"""How fast is the lab? A stroke of the pen to changed maps, the first view, a training beside one in the terminal.

    python benchmarks/lab.py                 # needs Playwright and Debian's Chromium

A stroke: the mouse goes over the square in 200 moves at the pace of a hand; a move counts from its own event to the end
of the drawing that shows it (`performance.measure` in try.js). Idle, and while a training goes on. The first view: from
the first request of a server that is just up to the first maps drawn, by the browser's clock. A training: the digits
for 30 epochs, in pairs, one from the page that watches it and one in the terminal, both with snapshots; the seconds
are those of the run's own log. Maps: the page's own drawing of 64 maps of 32 x 32, by the browser's clock.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

import records
from convscope.run import Finished, Run

NET = "conv 3x3 16, bn, relu, maxpool 2, conv 3x3 32, bn, relu, dense 10"
EPOCHS = 30
PACE = 0.04  # seconds between two moves: what a mouse and a hand do at ease


def started(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The lab in a folder, and the link that opens it."""
    environment = {**os.environ, "CONVSCOPE_CACHE": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([sys.executable, "-m", "convscope", "lab", "--no-browser"], cwd=folder, env=environment,
                               text=True, encoding="utf-8", stdout=subprocess.PIPE)  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+/-/open\?code=\S+", line):
            return process, found.group()
    raise SystemExit("the lab didn't start.")


def asked(page: Any, path: str, body: Any = None) -> Any:
    """What the server answers the page."""
    return page.evaluate(
        """async ([path, body]) => (await fetch(path, body === null ? {} : {
            method: "POST", body: JSON.stringify(body), headers: {"Content-Type": "application/json"}})).json()""",
        [path, body],
    )


def until(page: Any, what: Callable[[], bool], most: float = 120) -> None:
    """Waits, at most so many seconds."""
    end = time.monotonic() + most
    while not what():
        if time.monotonic() > end:
            raise SystemExit(f"the lab didn't get there in {most:.0f} s.")
        page.wait_for_timeout(100)


def state(page: Any, model: str) -> str:
    """Of a model."""
    return str(asked(page, f"/api/models/{model}")["state"])


DRAWN = """async () => {
    const { colours, paint, tiles } = await import("/paint.js");
    const lie = tiles([64, 32, 32], 268, true), canvas = document.createElement("canvas");
    const values = new Uint8Array(64 * 32 * 32).map((_, i) => i % 251), found = [];
    for (let turn = 0; turn < 20; turn++) {
        const began = performance.now();
        paint(canvas, values, lie, colours(-1, 2));
        found.push(performance.now() - began);
    }
    return found;
}"""
"""Milliseconds of 20 drawings of 64 maps."""


def stroke(page: Any, origin: str, moves: int = 200) -> list[float]:
    """Milliseconds from each move that was shown to its maps."""
    page.goto("about:blank")
    page.goto(f"{origin}/#view=try&model=lab-digits")
    page.wait_for_selector(".strip-layer canvas")
    page.wait_for_timeout(800)
    page.get_by_role("button", name="Clear").click()
    page.evaluate("performance.clearMeasures()")
    box = page.locator("canvas.pad").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    for turn in range(moves):
        part = turn / moves
        x, y = (0.3 + 0.8 * part, 0.2) if part < 0.5 else (0.7 - 0.5 * (part - 0.5), 0.2 + 1.3 * (part - 0.5))
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        time.sleep(PACE)
    page.mouse.up()
    page.wait_for_timeout(500)
    found: list[float] = page.evaluate("performance.getEntriesByName('stroke to maps').map((entry) => entry.duration)")
    return found


def trained_in_the_lab(page: Any, seed: int) -> Path:
    """A run's name, once the page's training has ended; the page watches it."""
    body = {"text": NET, "data": "digits", "epochs": EPOCHS, "seed": seed, "augment": None}
    made: str = asked(page, "/api/train", body)["id"]
    page.evaluate("id => { location.hash = `view=write&model=${id}`; }", made)
    until(page, lambda: state(page, made) in ("done", "failed", "stopped"), 300)
    return Path("runs") / made


def seconds(run: Path) -> float:
    """From start to end, by the run's log."""
    return next(record.elapsed for record in Run(run).records if isinstance(record, Finished))


def measured(folder: Path, pairs: int) -> dict[str, Any]:
    """Everything, in an empty folder."""
    found: dict[str, Any] = {}
    process, link = started(folder)
    origin = link.partition("/-/")[0]
    try:
        with sync_playwright() as playwright:
            program = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en")
            page.goto(link)
            until(page, lambda: state(page, "lab-digits") == "done")
            found["64 maps"] = page.evaluate(DRAWN)
            found["stroke, idle"] = stroke(page, origin)
            body = {"text": NET, "data": "digits", "epochs": 5000, "seed": 0, "augment": None}
            long = asked(page, "/api/train", body)["id"]
            until(page, lambda: state(page, long) == "training")
            page.wait_for_timeout(4000)
            found["stroke, training"] = stroke(page, origin)
            asked(page, f"/api/runs/{long}/end", {})
            page.wait_for_timeout(3000)
            found["training, lab"], found["training, terminal"] = [], []
            for seed in range(pairs):
                found["training, lab"].append(seconds(folder / trained_in_the_lab(page, seed)))
                out = folder / "runs" / f"terminal-{seed}"
                words = [*f"digits --snapshots --epochs {EPOCHS} --seed {seed}".split(), f"--net={NET}", "-o", str(out)]
                environment = {**os.environ, "CONVSCOPE_CACHE": str(folder / "cache")}
                subprocess.run([sys.executable, "-m", "convscope", "train", *words], cwd=folder, env=environment,
                               stdout=subprocess.DEVNULL, check=True)  # fmt: skip
                found["training, terminal"].append(seconds(out))
            browser.close()
    finally:
        process.terminate()
        process.wait(30)
    found["first view"] = [first_view(folder) for _ in range(pairs)]
    return found


FIRST = """new MutationObserver((_, watch) => {
  if (!document.querySelector(".strip-layer canvas")) return;
  watch.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.firstMaps = performance.now(); }));
}).observe(document, { childList: true, subtree: true });"""
"""Notes when the first maps have been drawn, in milliseconds from the navigation's start."""


def first_view(folder: Path) -> float:
    """Seconds from the browser's first request of a server that is just up to the first maps drawn."""
    process, link = started(folder)
    try:
        with sync_playwright() as playwright:
            program = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.add_init_script(FIRST)
            page.goto(link)
            until(page, lambda: page.evaluate("window.firstMaps") is not None)
            taken = page.evaluate("window.firstMaps")
            browser.close()
            return float(taken) / 1000
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5, help="trainings of each kind (5)")
    parser.add_argument("--dry", action="store_true", help="keep no record")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), arguments.pairs)
    for name in ("stroke, idle", "stroke, training"):
        times = sorted(found[name])
        print(f"{name}: median {statistics.median(times):.0f} ms, 95th percentile "
              f"{times[int(0.95 * len(times))]:.0f} ms, n {len(times)}")  # fmt: skip
    print(f"64 maps drawn: median {statistics.median(found['64 maps']):.1f} ms, n {len(found['64 maps'])}")
    mean, low, high = records.ratio(found["training, lab"], found["training, terminal"])
    print(f"training, lab / terminal: {mean:.3f} ({low:.3f} to {high:.3f}), n {arguments.pairs} pairs")
    views = found["first view"]
    print(f"first view: median {statistics.median(views):.2f} s, at most {max(views):.2f} s, n {len(views)}")
    if not arguments.dry:
        records.append("lab", {"machine": records.machine(2), **found})


if __name__ == "__main__":
    main()
