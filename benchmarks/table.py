"""The tables of the benchmarks, made from their records: the newest record of each row, and nothing else.

    python benchmarks/table.py            print them
    python benchmarks/table.py --write    and put them between the marks in README.md and its translations

The marks are `<!-- benchmarks -->` and `<!-- /benchmarks -->`, each on a line of its own; a file without them is left
as it is. Records of quick runs are for looking: they count only where --quick says so.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import records
from convscope import files

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"


def times(found: tuple[float, float, float]) -> str:
    """`12 (10 to 14)`; without an interval where there is none."""
    mean, low, high = found
    digits = 0 if mean >= 20 else 1 if mean >= 3 else 2
    return f"{mean:.{digits}f}" + (f" ({low:.{digits}f} to {high:.{digits}f})" if low > 0 and high < math.inf else "")


def rows(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown, after the empty line that it needs."""
    return ["", *(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines))]


CLOCK_SINCE = "2026-11-23T020000Z"
"""Since then our training time counts the network's making too: whitening, and what PyTorch loads with an optimizer."""
CLOCK_NOTE = (
    "\\* Measured before our clock counted the network's making (0.4 to 2 s): these ratios are too high by that."
)
VOID = {("2026-11-23T010501Z", "plain PyTorch, bfloat16 autocast"): "its casts never changed, so it learned nothing"}
"""(time of a record, rival) to why that measurement doesn't hold."""


def accuracy_rows(found: list[dict[str, Any]]) -> Iterator[list[str]]:
    """Task, accuracy to reach, ours, peer, how many times faster warm and cold, ours in seconds."""
    for _, record in sorted(records.latest(found, "row").items()):
        task = record["row"] + (" *" if record["time"] < CLOCK_SINCE else "")
        ours = [run for run in record["runs"]["ours"] if "k" in run]
        if not ours:
            yield [task, "", "not run", "", "", "", ""]
            continue
        scores, warm = [run["k"] / run["n"] for run in ours], [run["warm"] for run in ours]
        bound = records.lower_bound(scores)
        told = f"{statistics.fmean(scores):.2%} (n {len(ours)}" + (f", at least {bound:.2%})" if bound > 0 else ")")
        seconds = f"{statistics.fmean(warm):.1f} / {statistics.fmean(run['cold'] for run in ours):.1f} s"
        target = "" if record["target"] is None else f"{record['target']:.2%}"
        if target and bound < record["target"]:
            target += ", not shown"
        if "svc" in ours[0]:
            pairs = [run["k"] / run["n"] - run["svc"][0] / run["svc"][1] for run in ours]
            mean, low, high = (100 * x for x in records.interval(pairs))
            difference = f"SVC(gamma=0.001): ours is {mean:+.2f} points ({low:+.2f} to {high:+.2f}), paired"
            yield [task, target, told, difference, "", "", seconds]
        for name, peer in record["peers"].items():
            if "absent" in peer:
                yield [task, target, told, f"{name}: not here ({short(peer['absent'])})", "", "", seconds]
                continue
            seen = f"{peer['steps']} steps, n {len(peer['warm'])}"
            seen += f", {peer['accuracy']:.2%}" if peer["seen"] else f", reckoned, accuracy {peer['accuracy']}"
            cold = times(records.unpaired_ratio(peer["cold"], [run["cold"] for run in ours])) if peer["seen"] else ""
            yield [task, target, told, f"{name} ({seen})", times(records.unpaired_ratio(peer["warm"], warm)),
                   cold, seconds]  # fmt: skip
        if not record["peers"] and not record.get("rivals") and "svc" not in ours[0]:
            yield [task, target, told, "none was run", "", "", seconds]
        for name in record.get("rivals", ()):
            if why := VOID.get((record["time"], name)):
                yield [task, target, told, f"the same recipe, {name}: not valid, {why}", "", "", seconds]
                continue
            other = [run for run in record["runs"].get(name, ()) if "warm" in run]
            if not other:
                yield [task, target, told, f"the same recipe, {name}: not here", "", "", seconds]
                continue
            ratios = [
                times(records.unpaired_ratio([run[key] for run in other], [run[key] for run in ours]))
                if all(key in run for run in other)
                else ""
                for key in ("warm", "cold")
            ]
            reckoned = ", reckoned" if any(run.get("reckoned") for run in other) else ""
            counted = f"the same recipe, {name} (n {len(other)}{reckoned})"
            yield [task, target, told, counted, *ratios, seconds]


def square_rows(found: list[dict[str, Any]]) -> Iterator[list[str]]:
    for record in records.latest(found, "row").values():
        cells = {
            key: [run["warm"] for run in runs if "warm" in run and "absent" not in run]
            for key, runs in record["cells"].items()
        }
        base = cells.get("ours, kernels")
        shown = [
            times(records.unpaired_ratio(cells[key], base)) if base and cells.get(key) else "not here"
            for key in ("theirs, plain", "theirs, kernels", "ours, plain", "ours, kernels")
        ]
        yield [record["row"], *shown, str(len(base or ()))]


def pace_rows(found: list[dict[str, Any]]) -> tuple[list[list[str]], list[list[str]]]:
    """One line a network and batch: pictures a second of ours, and ours over each peer; and the means over all rows."""
    names: list[str] = []
    cells: dict[tuple[str, int], dict[str, str]] = {}
    means: dict[str, list[float]] = {}
    newest = records.latest(
        [{**record, "peer": told["peer"], "told": told} for record in found for told in record["peers"]],
        "network", "batch", "isa", "threads", "peer",
    )  # fmt: skip
    for (network, batch, _, _, name), record in newest.items():
        line = cells.setdefault((network, batch), {})
        if name == "ours":
            pace = rates(record["told"], batch)
            line["ours"] = f"{statistics.fmean(pace):,.0f}".replace(",", " ") if pace else "not here"
            line["way"] = record["told"].get("way", "")
            continue
        if name not in names:
            names.append(name)
        ours = next((rates(told, batch) for told in record["peers"] if told["peer"] == "ours"), [])
        theirs = rates(record["told"], batch)
        if not ours or not theirs:
            line[name] = "not here" if not theirs else "ours is not here"
            continue
        found_ratio = records.ratio(ours, theirs)
        means.setdefault(name, []).append(found_ratio[0])
        line[name] = f"{times(found_ratio)}, {record['told']['way']}, n {len(theirs)}"
    lines = [
        [
            network,
            str(batch),
            f"{line.get('ours', '')} ({line.get('way', '')})",
            *(line.get(name, "") for name in names),
        ]
        for (network, batch), line in cells.items()
    ]
    whole = [["geometric mean", "", "", *(f"{records.together(means[n]):.2f}" if n in means else "" for n in names)]]
    return [["network", "batch", "ours, pictures/s", *names]], [*lines, *whole]


def rates(told: dict[str, Any], batch: int) -> list[float]:
    """Pictures a second of each block; empty where there are none or one failed."""
    seconds = told.get("seconds") or []
    return [] if None in seconds else [batch * told["steps_a_block"] / s for s in seconds]


def start_rows(record: dict[str, Any]) -> Iterator[list[str]]:
    seconds = record["seconds"]
    for name, mine in seconds.items():
        if name in record["absent"] or not mine:
            yield [name, "not here", "", ""]
            continue
        more = ""
        if name not in ("python", "import torch") and "import torch" in seconds:
            pairs = [a - b for a, b in zip(mine, seconds["import torch"], strict=True)]
            more = "{:+.2f} ({:+.2f} to {:+.2f})".format(*records.interval(pairs))
        yield [name, f"{statistics.fmean(mine):.2f}", more, str(len(mine))]


def short(text: str) -> str:
    """Why something is missing, in a cell."""
    return text.replace("|", "/")[:80]


def absences(found: list[dict[str, Any]]) -> list[str]:
    """Why peers of the newest records are missing, once each."""
    told = {t["peer"]: t.get("absent") for record in found for t in record["peers"]}
    return [f"{name}: not here ({short(why)})" for name, why in told.items() if why]


def tables(folder: Path = records.RECORDS, *, quick: bool = False) -> str:
    """All tables in Markdown; "" where nothing has been measured."""
    kept = {
        bench: [one for one in records.read(bench, folder) if quick or not one.get("quick")]
        for bench in ("time_to_accuracy", "square", "steps", "prediction", "cold_start", "loading")
    }
    parts: list[str] = []
    if kept["time_to_accuracy"]:
        head = ("task", "to reach", "ours", "peer", "times our training time", "times our whole time",
                "ours, training / in all")  # fmt: skip
        lines = list(accuracy_rows(kept["time_to_accuracy"]))
        parts += ["**Time to accuracy**", *rows(head, lines), ""]
        parts += [CLOCK_NOTE, ""] if any(line[0].endswith("*") for line in lines) else []
    if kept["square"]:
        head = ("task", "their recipe, plain PyTorch", "their recipe, our step", "our recipe, plain PyTorch",
                "our recipe, our step", "n")  # fmt: skip
        parts += ["**Recipe and step apart**, training time as a multiple of ours; theirs reckoned from its pace",
                  *rows(head, list(square_rows(kept["square"]))), ""]  # fmt: skip
    for bench, title in (("steps", "Training steps"), ("prediction", "Prediction")):
        for isa in dict.fromkeys(one["isa"] for one in kept[bench]):
            of = [one for one in kept[bench] if one["isa"] == isa]
            head, lines = pace_rows(of)
            more = f", no instructions above {isa}" if isa else ""
            parts += [f"**{title}**{more}: ours over each peer, pictures a second", *rows(head[0], lines), ""]
            parts += [*absences(of), ""] if absences(of) else []
    if kept["cold_start"]:
        head = ("command", "seconds", "above `import torch`", "n")
        parts += ["**Cold start**", *rows(head, list(start_rows(kept["cold_start"][-1]))), ""]
    if kept["loading"]:
        record = kept["loading"][-1]
        lines = [
            [name, f"{statistics.fmean(s):.1f}", f"{record['files'] / statistics.fmean(s):.0f}", str(len(s))]
            for name, s in record["seconds"].items()
        ]
        title = f"**Loading {record['files']} JPEG files** of 32 x 32"
        parts += [title, *rows(("", "seconds", "files a second", "n"), lines), ""]
    return "\n".join(parts).strip()


def between_marks(text: str, made: str) -> str | None:
    """The text with the tables between its marks; None where it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{BEGIN}\n{made}\n{END}{after}" if begin and end else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put them into README.md and its translations")
    parser.add_argument("--quick", action="store_true", help="records of quick runs count too")
    options = parser.parse_args()
    made = tables(quick=options.quick)
    print(made or "no records yet: make bench")
    for path in sorted(ROOT.glob("README*.md")) if options.write and made else ():
        whole = between_marks(path.read_text(encoding="utf-8"), made)
        if whole is None:
            print(f"{path.name} has no marks {BEGIN} and {END}: left as it is")
        else:
            files.write_text(path, whole)


if __name__ == "__main__":
    main()
