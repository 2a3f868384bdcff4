"""Photographs of the lab's views for the docs: `scripts/screenshots.py`, into docs/lab/.

Each view in both languages, both themes and three widths, of the lab's own network of the digits, in Debian's Chromium.
Needs Playwright. A picture's name says what it is: try-en-light-1280.png.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parents[1] / "docs" / "lab"
WIDTHS = {360: 780, 1280: 900, 2560: 1400}
VIEWS = {
    "write": ("view=write", ".layers tbody tr"),
    "try": ("view=try&where=digits:17&layer=conv2&cell=3,4,4", ".strip-layer"),
    "judge": ("view=judge", ".why .checks li"),
    "learn": ("view=learn&lesson=receptive-field", ".lesson .task"),
}
OWN = "lab-digits"


def started(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The lab in an empty folder, and the link that opens it."""
    environment = {**os.environ, "CONVSCOPE_CACHE": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([sys.executable, "-m", "convscope", "lab", "--no-browser"], cwd=folder, env=environment,
                               text=True, encoding="utf-8", stdout=subprocess.PIPE)  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+/-/open\?code=\S+", line):
            return process, found.group()
    raise SystemExit("the lab didn't start.")


def kept(picture: bytes, path: Path) -> None:
    """A photograph with 256 colours, small marks' among them: a third of the bytes."""
    few = (
        Image.open(io.BytesIO(picture))
        .convert("RGB")
        .quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    few.save(path, optimize=True)


def photographs(page: Any, origin: str) -> None:
    """All of them, over a page that is let in."""
    for _ in range(400):  # two minutes
        if page.evaluate("async () => (await (await fetch('/api/models')).json())[0]?.state") == "done":
            break
        page.wait_for_timeout(300)
    else:
        raise SystemExit("the lab's own network isn't trained.")
    for theme in ("light", "dark"):
        page.evaluate("theme => localStorage.setItem('convscope-theme', theme)", theme)
        for lang in ("en", "zh"):
            for name, (state, mark) in VIEWS.items():
                for width, height in WIDTHS.items():
                    page.set_viewport_size({"width": width, "height": height})
                    page.goto("about:blank")
                    page.goto(f"{origin}/#{state}&model={OWN}&lang={lang}")
                    page.wait_for_selector(mark)
                    page.wait_for_timeout(900)
                    page.evaluate("scrollTo(0, 0)")
                    page.wait_for_timeout(300)
                    kept(page.screenshot(), FOLDER / f"{name}-{lang}-{theme}-{width}.png")


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder:
        process, link = started(Path(folder))
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page()
                page.goto(link)
                photographs(page, link.partition("/-/")[0])
                browser.close()
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
