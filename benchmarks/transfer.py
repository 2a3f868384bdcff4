"""A thousand small photographs: a start from published weights against a training from scratch, within the same time.

    python benchmarks/transfer.py --choose             # which network is trained from scratch: by validation alone
    python benchmarks/transfer.py --draws 0 7          # seven draws, about two and a half minutes each
    python benchmarks/transfer.py                      # the table of what is measured already

Each draw takes 120 pictures a class of the training part of `cifar10-jpeg`, by its number; 15 % of them are set aside
to choose by. Both arms train on the same pictures with the same split for the same budget (features and the reading
of weights are part of it), on a machine that does nothing else. Both are scored once, on the same 2 000 of the 10 000
test pictures, 200 a class, which are the same for all draws: at 128 pixels a side or more all of them would take
minutes. Each line of transfer.jsonl is one arm of one draw; what stands there isn't run again.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import convscope
from convscope import files
from convscope.run import Stopped, Tested

RESULTS = Path(__file__).with_suffix(".jsonl")
A_CLASS, TEST_A_CLASS = 120, 200
SCRATCH: dict[str, dict[str, Any]] = {
    # the recipe of any folder, as it is but for its length
    "folder": {"from": "none"},
    # He et al. 2016, 20 layers for CIFAR-10
    "resnet20": {"from": "none", "network": "resnet20", "train.batch_size": 32, "train.label_smoothing": 0.1},
    # small networks: few steps fit into a minute on a processor, and few pictures tell many weights nothing
    "three layers": {
        "from": "none",
        "network": "conv 3x3 32 bias=no, bn, relu, maxpool 2, conv 3x3 64 bias=no, bn, relu, maxpool 2, "
        "conv 3x3 128 bias=no, bn, relu, gap, dropout 0.2, dense",
        "train.batch_size": 32,
    },
    "six layers": {
        "from": "none",
        "network": "2 * (conv 3x3 32 bias=no, bn, relu), maxpool 2, 2 * (conv 3x3 64 bias=no, bn, relu), maxpool 2, "
        "2 * (conv 3x3 128 bias=no, bn, relu), gap, dropout 0.3, dense",
        "train.batch_size": 32,
    },
    "six layers, steeper": {
        "from": "none",
        "network": "2 * (conv 3x3 32 bias=no, bn, relu), maxpool 2, 2 * (conv 3x3 64 bias=no, bn, relu), maxpool 2, "
        "2 * (conv 3x3 128 bias=no, bn, relu), gap, dropout 0.3, dense",
        "train.batch_size": 32,
        "optimizer.learning_rate": 0.01,
    },
}
CHOSEN = "folder"
"""The candidate with the most right answers on the validation pictures of three draws that are not measured (100 to
102); see --choose."""
CHOOSING = range(100, 103)
START = {"from": "efficientnet_lite0"}
COMMON = {"augment.flip": True, "augment.shift": 4, "split.validation": 0.15, "split.test": 0.0}
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Two-sided 5 % points of Student's t, by the number of draws (one more than the degrees of freedom)."""


def write_draw(draw: int, whole: convscope.DataSet, to: Path, tested: bool) -> Path:
    """A folder of class folders, as somebody would bring it: train/, and test/ where this is to be scored."""
    generator = np.random.default_rng(draw)
    labels = whole.train.labels
    rows = np.concatenate([generator.choice(np.flatnonzero(labels == c), A_CLASS, replace=False) for c in range(10)])
    parts = [("train", whole.train, rows)]
    if tested:
        of = np.random.default_rng(0)
        wanted = [of.choice(np.flatnonzero(whole.test.labels == c), TEST_A_CLASS, replace=False) for c in range(10)]
        parts.append(("test", whole.test, np.concatenate(wanted)))
    for part, images, wanted_rows in parts:
        for row in wanted_rows.tolist():
            folder = to / part / whole.classes[int(images.labels[row])]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images.images[row].transpose(1, 2, 0)).save(folder / f"{row:05d}.png")
    return to


def trained(pictures: Path, out: Path, settings: dict[str, Any], budget: float, seed: int) -> dict[str, Any]:
    """One training to its end: validation and test score, and what it took."""
    line: dict[str, Any] = {}
    for record in convscope.train_records(
        str(pictures), settings={**COMMON, **settings, "train.budget": budget, "seed": seed}, out=out
    ):
        if isinstance(record, Tested):
            line |= {"k": record.k, "n": record.n, "loss": round(record.loss, 4)}
        elif isinstance(record, Stopped):
            line |= {"epochs": record.epoch, "steps": record.step}
    run = convscope.Run(out)
    if run.validation is not None:
        line |= {"validation_k": run.validation[0], "validation_n": run.validation[1]}
    own = run.recipe
    return line | {"size": own["input"]["size"][0], "thaw": own["train"]["thaw"], "parameters": _parameters(run)}


def _parameters(run: convscope.Run) -> int:
    return sum(p.numel() for p in run.classifier.network.parameters())


def measured() -> list[dict[str, Any]]:
    return list(files.read_lines(RESULTS)) if RESULTS.is_file() else []


def jobs(arguments: argparse.Namespace) -> Iterator[tuple[int, str, dict[str, Any]]]:
    if arguments.choose:
        yield from ((draw, name, SCRATCH[name]) for draw in CHOOSING for name in SCRATCH)
    elif arguments.draws:
        first, end = arguments.draws
        for draw in range(first, end):
            arms = [("from scratch", SCRATCH[CHOSEN]), ("from trained weights", START)]
            yield from ((draw, name, settings) for name, settings in (arms if draw % 2 else reversed(arms)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, nargs=2, metavar=("FIRST", "END"), help="carry out draws FIRST to END - 1")
    parser.add_argument("--choose", action="store_true", help="try the candidates from scratch on validation pictures")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds a training (60)")
    arguments = parser.parse_args()
    done = {(line["draw"], line["arm"], line["budget"]) for line in measured()}
    wanted = [job for job in jobs(arguments) if (job[0], job[1], arguments.budget) not in done]
    if wanted:
        whole = convscope.data("cifar10-jpeg", validation=0.0)
    for draw, name, settings in wanted:
        with tempfile.TemporaryDirectory() as temporary:
            place = Path(temporary)
            pictures = write_draw(draw, whole, place / "pictures", tested=not arguments.choose)
            found = trained(pictures, place / "run", settings, arguments.budget, draw)
        line = {"draw": draw, "arm": name, "budget": arguments.budget, **found}
        files.append_line(RESULTS, line)
        print(json.dumps(line), flush=True)
    table(measured(), arguments.budget)


def interval(values: list[float]) -> str:
    """Mean and its 95 % interval over draws, in per cent."""
    mean = sum(values) / len(values)
    if len(values) not in T_95:
        return f"{mean:.1f} %"
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = T_95[len(values)] * deviation / math.sqrt(len(values))
    return f"{mean:.1f} % ({mean - half:.1f} to {mean + half:.1f})"


def table(lines: list[dict[str, Any]], budget: float) -> None:
    """What stands in transfer.jsonl for a budget: the choice on validation pictures, then the draws."""
    lines = [line for line in lines if line["budget"] == budget]
    print(f"\nbudget {budget:g} s a training; {A_CLASS} pictures a class, 15 % of them to choose by\n")
    for name in SCRATCH:
        tried = [line for line in lines if line["arm"] == name and line["draw"] in CHOOSING]
        if tried:
            k, n = (sum(line[key] for line in tried) for key in ("validation_k", "validation_n"))
            print(f"validation, {name:20} {k} of {n}, {100 * k / n:.1f} %  ({len(tried)} draws)")
    arms = {
        arm: {line["draw"]: 100 * line["k"] / line["n"] for line in lines if line["arm"] == arm}
        for arm in ("from scratch", "from trained weights")
    }
    both = sorted(set.intersection(*map(set, arms.values())))
    if not both:
        return
    print(f"\ntest, {10 * TEST_A_CLASS} pictures; mean over {len(both)} draws and its 95 % interval (Student's t)")
    for arm, scores in arms.items():
        print(f"  {arm:22} {interval([scores[draw] for draw in both])}")
    differences = [arms["from trained weights"][draw] - arms["from scratch"][draw] for draw in both]
    print(f"  difference, paired     {interval(differences).replace(' %', ' points', 1)}")
    wins = sum(difference > 0 for difference in differences)
    print(f"  trained weights are ahead in {wins} of {len(both)} draws")


if __name__ == "__main__":
    main()
