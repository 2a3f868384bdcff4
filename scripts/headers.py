"""Make the times and scores in the bundled recipes' headers anew: `make headers`, or `scripts/headers.py NAME ...`.

Each run is a whole `convscope train` of its own: 10 seeds where a run takes under 1 minute, 3 under 10, 1 under 30; a
longer recipe is said not to be run. What was measured is added to benchmarks/headers.jsonl, a line a run, and a header
says what the newest session of its recipe gave. A time counts where nothing else ran: `--beside` says that something
does, and `--pace` measures how fast a recipe goes when alone, for 20 seconds, and reckons the rest.
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
from convscope.report.numbers import grouped, plural, seconds
from convscope.run import environment, now

ROOT = Path(__file__).resolve().parent.parent
LOG = ROOT / "benchmarks" / "headers.jsonl"
BENCHMARKS = ROOT / "benchmarks" / "records" / "time_to_accuracy.jsonl"
DATA = {"cifar10": "cifar10-jpeg"}
"""What stands in for data that can't be had here; the header says so."""


def command(name: str, seed: int, out: Path) -> list[str]:
    """`convscope train NAME` with one JSON record a line."""
    data = DATA.get(recipe.load(recipe.bundled()[name]).data)
    words = [sys.executable, "-m", "convscope", "train", name, "--seed", str(seed), "--json", "--out", str(out)]
    return [*words, *(["--data", data] if data else [])]


def here(name: str) -> dict[str, Any]:
    """What a measurement hangs on beside the recipe."""
    found = environment()
    about = {key: found[key] for key in ("processor", "cpu_flags", "cores", "versions", "time")}
    return {"recipe": name, "data": DATA.get(recipe.load(recipe.bundled()[name]).data, ""), **about}


def run(name: str, seed: int) -> dict[str, Any]:
    """One training in a process of its own: its score, and the seconds from start to end of the process."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        words = command(name, seed, Path(folder) / "run")
        out = subprocess.run(words, check=True, capture_output=True, encoding="utf-8").stdout
        took = time.perf_counter() - began
    tested = next(record for record in map(json.loads, out.splitlines()) if record["kind"] == "tested")
    return {**here(name), "seed": seed, "k": tested["k"], "n": tested["n"], "seconds": took}


def pace(name: str) -> dict[str, Any]:
    """How long a recipe takes here, reckoned from its first 20 seconds of training."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        words = command(name, 0, Path(folder) / "run")
        with subprocess.Popen(words, stdout=subprocess.PIPE, encoding="utf-8") as process:
            assert process.stdout is not None
            total, step, elapsed, before = 0, 0, 0.0, 0.0
            for record in map(json.loads, process.stdout):
                if record["kind"] == "forecast":
                    total, before = record["steps"], time.perf_counter() - began
                elif record["kind"] == "step":
                    step, elapsed = record["step"], record["elapsed"]
                    if elapsed > 20:
                        process.terminate()
                        break
        whole = time.perf_counter() - began
    reckoned = whole if step == total else before + elapsed / step * total
    return {**here(name), "pace_seconds": reckoned, "steps": step, "of_steps": total}


def seeds_for(took: float) -> int:
    """How many seeds a recipe is run with, from the seconds of its first run."""
    return 10 if took < 60 else 3 if took < 600 else 1


def lines(runs: list[dict[str, Any]], paces: list[dict[str, Any]]) -> dict[str, str]:
    """The words behind `# Time:` and `# Score:`, from the runs of one session and the measured paces."""
    first = runs[0]
    alone = [one["seconds"] for one in runs if not one.get("beside")]
    if alone:
        many = f"median of {len(alone)} runs, the whole command" if len(alone) > 1 else "one run, the whole command"
        took = f"{seconds(statistics.median(alone))} ({many}"
    elif paces and paces[-1]["steps"] == paces[-1]["of_steps"]:
        took = f"{seconds(paces[-1]['pace_seconds'])} (one run, the whole command"
    elif paces:
        part = f"{grouped(paces[-1]['steps'])} of {plural(paces[-1]['of_steps'], 'step')}"
        took = f"about {seconds(paces[-1]['pace_seconds'])} (reckoned from {part}"
    else:
        took = "not measured (the scores below are of runs beside others"
    amx = " with AMX" if "amx_bf16" in first["cpu_flags"] else ""
    took += f"; {first['cores']} cores of a server CPU{amx}, PyTorch {first['versions']['torch'].partition('+')[0]})"
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
    return {"Time": took, "Score": score}


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


def write(name: str) -> None:
    """Rewrite a recipe's header from the log."""
    logged = [one for one in files.read_lines(LOG) if one["recipe"] == name] if LOG.exists() else []
    runs = [one for one in logged if "k" in one]
    if runs:
        newest = [one for one in runs if one["session"] == runs[-1]["session"]]
        path = recipe.bundled()[name]
        words = lines(newest, [one for one in logged if "pace_seconds" in one])
        files.write_text(path, rewrite(path.read_text(encoding="utf-8"), words))


def taken(log: Path = BENCHMARKS) -> list[dict[str, Any]]:
    """Our own runs of the newest record of each row of `benchmarks/time_to_accuracy.py`, as lines of the log: those are
    whole commands too, on a machine with nothing else to do. A quick session's are not taken; a record is a session, so
    that runs of a recipe before and after a change are never pooled."""
    newest = {one["row"]: one for one in files.read_lines(log) if not one.get("quick")}
    found = []
    for record in newest.values():
        for one in record["runs"]["ours"]:
            name = one["command"].split()[2]
            if "k" in one and name in recipe.bundled():
                kept = {key: one[key] for key in ("seed", "k", "n")}
                session = f"benchmarks {record['row']} {record['time']}"
                found.append({"session": session, **here(name), **kept, "seconds": one["whole"]})
    return found


def main() -> None:
    """Measure the recipes that are named (all unless any is), and rewrite their headers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, help="so many, whatever a run takes")
    parser.add_argument("--beside", action="store_true", help="something else runs: the times don't count")
    parser.add_argument("--pace", action="store_true", help="measure the pace alone")
    parser.add_argument("--only-write", action="store_true", help="rewrite the headers from the log")
    parser.add_argument("--from-benchmarks", action="store_true", help="take the runs of the newest benchmarks")
    given = parser.parse_args()
    if given.from_benchmarks:
        known = {one.get("session") for one in files.read_lines(LOG)} if LOG.exists() else set()
        runs = [one for one in taken() if one["session"] not in known]
        for one in runs:
            files.append_line(LOG, one)
        for name in dict.fromkeys(one["recipe"] for one in runs):
            write(name)
        return
    for name in given.names or [name for name in recipe.bundled() if name != "folder"]:
        session, seed, seeds = now(), 0, 0 if given.pace or given.only_write else 1
        if given.pace:
            files.append_line(LOG, pace(name))
        while seed < seeds:
            one = {"session": session, **run(name, seed), **({"beside": True} if given.beside else {})}
            files.append_line(LOG, one)
            print(json.dumps(one), flush=True)
            seed, seeds = seed + 1, given.seeds or (seeds_for(one["seconds"]) if seed == 0 else seeds)
        write(name)


if __name__ == "__main__":
    main()
