"""How good is a plain method beside the demo's network? SVC(gamma=0.001) on the very splits of the recipe `digits`.

    .venv/bin/python benchmarks/digits_svc.py

For the split seeds 0 to 9 the support vector machine of scikit-learn's own digits example is trained on all that the
recipe's network may use (training and validation pictures), and again on the training pictures alone, and scored on the
test pictures. The network's scores of the same splits are read from benchmarks/headers.jsonl, where `make headers`
keeps what it measured.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
from sklearn.svm import SVC

from convscope import files
from convscope.data.images import ImageSet
from convscope.data.store import load
from convscope.report.numbers import score_line

LOG = Path(__file__).parent / "headers.jsonl"
SEEDS = range(10)


def flat(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    """(N, 64) in the data's own units of 0 to 16, and the labels."""
    return images.images.reshape(len(images), -1) / 255 * 16, images.labels


def main() -> None:
    """Print k of n for each method, summed over the splits, and the spread."""
    rows: dict[str, list[tuple[int, int]]] = {"SVC, training + validation": [], "SVC, training alone": []}
    for seed in SEEDS:
        data = load("digits", seed=seed)
        test, labels = flat(data.test)
        parts = [flat(data.train), flat(data.validation)]
        both = np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
        for name, (x, y) in zip(rows, (both, parts[0]), strict=True):
            right = int((SVC(gamma=0.001).fit(x, y).predict(test) == labels).sum())
            rows[name].append((right, len(labels)))
    logged = [one for one in files.read_lines(LOG) if one["recipe"] == "digits"] if LOG.exists() else []
    newest = {one["seed"]: (one["k"], one["n"]) for one in logged if one["session"] == logged[-1]["session"]}
    if all(seed in newest for seed in SEEDS):
        rows["recipe digits"] = [newest[seed] for seed in SEEDS]
    for name, scores in rows.items():
        shares = [100 * k / n for k, n in scores]
        total = score_line(sum(k for k, _ in scores), sum(n for _, n in scores))
        print(f"{name:27}  mean {statistics.mean(shares):.2f} %, deviation {statistics.stdev(shares):.2f}, "
              f"{min(shares):.2f} to {max(shares):.2f} %; all together {total}")  # fmt: skip
    print("the splits overlap, so the interval of all together is too narrow; the deviation is between splits")


if __name__ == "__main__":
    main()
