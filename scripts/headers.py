"""Make the times and scores in the bundled recipes' headers anew: `make headers`, or `scripts/headers.py NAME ...`.

Each run is a whole `convscope train` of its own, one after the other; nothing else should run beside it. What was
measured is added to benchmarks/headers.jsonl, a line a run, and a header says what the newest runs of its recipe gave:
10 seeds where a run takes under 1 minute, 3 under 10, 1 under 30; a longer recipe is said not to be run.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from convscope import files, recipe
from convscope.evaluate.intervals import wilson
from convscope.report.numbers import seconds
from convscope.run import environment, now

ROOT = Path(__file__).resolve().parent.parent
LOG = ROOT / "benchmarks" / "headers.jsonl"
DATA = {"cifar10": "cifar10-jpeg"}
"""What stands in for data that can't be had here; the header says so."""


def run(name: str, seed: int) -> dict[str, Any]:
    """One training in a process of its own: its score, and the seconds from start to end of the process."""
    data = DATA.get(recipe.load(recipe.bundled()[name]).data)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "convscope", "train", name, "--seed", str(seed), "--json"]
        command += ["--out", str(Path(folder) / "run"), *(["--data", data] if data else [])]
        began = time.perf_counter()
        out = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
        took = time.perf_counter() - began
    records = [json.loads(line) for line in out.splitlines()]
    tested = next(record for record in records if record["kind"] == "tested")
    trained = next(record["elapsed"] for record in reversed(records) if record["kind"] == "epoch")
    here = environment()
    about = {"recipe": name, "seed": seed, "data": data or "", "k": tested["k"], "n": tested["n"], "seconds": took}
    return {**about, "trained_seconds": trained, "processor": here["processor"], "cpu_flags": here["cpu_flags"],
            "cores": here["cores"], "versions": here["versions"], "time": here["time"]}  # fmt: skip


def seeds_for(took: float) -> int:
    """How many seeds a recipe is run with, from the seconds of its first run."""
    return 10 if took < 60 else 3 if took < 600 else 1


def lines(runs: list[dict[str, Any]]) -> dict[str, str]:
    """The words behind `# Time:` and `# Score:`."""
    took = statistics.median(one["seconds"] for one in runs)
    first = runs[0]
    amx = " with AMX" if "amx_bf16" in first["cpu_flags"] else ""
    cores = f"{first['cores']} cores of a server CPU{amx}, PyTorch {first['versions']['torch'].partition('+')[0]}"
    many = f"median of {len(runs)} runs" if len(runs) > 1 else "one run"
    n = first["n"]
    shares = [100 * one["k"] / one["n"] for one in runs]
    if len(runs) > 1:
        spread = f"standard deviation {statistics.stdev(shares):.2f} points, {min(shares):.2f} to {max(shares):.2f} %"
        score = f"{statistics.mean(shares):.2f} %, mean of {len(runs)} seeds on {n} test pictures each; {spread}"
    else:
        low, high = wilson(first["k"], n)
        score = f"{shares[0]:.2f} % ({first['k']} of {n}; 95 % interval {100 * low:.2f} to {100 * high:.2f} %), one run"
    if first["data"]:
        score += f"; on {first['data']}, a re-encoded copy that can't be downloaded: run make headers for yours"
    return {"Time": f"{seconds(took)} ({many}, the whole command; {cores})", "Score": score}


def rewrite(text: str, new: dict[str, str]) -> str:
    """A recipe with the two entries of its header replaced, wrapped to 120 columns."""
    for word, what in new.items():
        head = f"# {word}:".ljust(12)
        wrapped, line = [], head
        for part in what.split():
            if len(line) + 1 + len(part) > 118:
                wrapped.append(line.rstrip())
                line = "#".ljust(12)
            line += part if line.endswith(" ") and len(line) == 12 else f" {part}"
        wrapped.append(line)
        text = re.sub(
            rf"^# {word}:.*\n(?:#          .*\n)*", "\n".join(wrapped) + "\n", text, count=1, flags=re.MULTILINE
        )
    return text


def main() -> None:
    """Measure the recipes that are named (all unless any is), and rewrite their headers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, help="so many, whatever a run takes")
    parser.add_argument("--only-write", action="store_true", help="rewrite the headers from the log")
    given = parser.parse_args()
    for name in given.names or [name for name in recipe.bundled() if name != "folder"]:
        if not given.only_write:
            session, seed, seeds = now(), 0, 1
            while seed < seeds:
                one = {"session": session, **run(name, seed)}
                files.append_line(LOG, one)
                print(json.dumps(one), flush=True)
                seed, seeds = seed + 1, given.seeds or (seeds_for(one["seconds"]) if seed == 0 else seeds)
        logged = [one for one in files.read_lines(LOG) if one["recipe"] == name]
        if logged:
            path = recipe.bundled()[name]
            newest = [one for one in logged if one["session"] == logged[-1]["session"]]
            files.write_text(path, rewrite(path.read_text(encoding="utf-8"), lines(newest)))


if __name__ == "__main__":
    main()
