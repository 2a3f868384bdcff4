"""How often do the checks of an attribution pass a map that they should pass, and one that they shouldn't?

    python benchmarks/trust.py runs/digits runs/mnist       # models whose test pictures are at hand

For each of the first test pictures in a drawn order: the map of the trained network with all its checks; the map of the
network with shuffled weights, checked as what it is, which nothing should trust; and that same map held against the
trained network, by deletion and insertion, which it passes where it finds the deciding place by luck.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import convscope
import records
from convscope import draws
from convscope.explain import attribute, trust
from convscope.report.numbers import score_line

METHODS = ("gradcam", "integrated-gradients")
CURVES = ("deletion", "insertion", "deletion and insertion")
NAMES = {
    "trusted": "maps of the trained network that pass all checks",
    "both curves": "of these, deletion and insertion alone",
    "shuffled, trusted": "maps of shuffled weights that pass as its own",
    "shuffled, held against the trained": "and deletion and insertion of the trained one",
}


def measured(model: str, method: str, count: int, seed: int) -> dict[str, Any]:
    """Counts of `count` test pictures, by the names of NAMES."""
    classifier = convscope.load(model)
    data = classifier.score["data"]
    test = convscope.data(data).test
    rows = draws.order(seed, 0, np.arange(len(test)), "attributed")[:count]
    network, preprocess = classifier.network, classifier.preprocess
    found = dict.fromkeys(NAMES, 0)
    for row in rows.tolist():
        picture = test.images[row]
        own = attribute.attribute(classifier, picture, method)
        found["trusted"] += own.trusted
        found["both curves"] += all(check.passed for check in own.checks if check.name in CURVES)
        other = trust.shuffled(network, 99, row)
        found["shuffled, trusted"] += attribute.attribute((other, preprocess), picture, method).trusted
        map = attribute.attribute((other, preprocess), picture, method, target=own.target, check=False).map
        blank, x = attribute.nothing(preprocess, picture[None]), preprocess.to_input(picture[None])
        found["shuffled, held against the trained"] += all(
            check.passed for check in trust.curves(network, x, blank, map, own.target)
        )
    return {"method": method, "data": data, "n": len(rows), "seed": seed, "passed": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="runs' folders or .safetensors files")
    parser.add_argument("--n", type=int, default=40, help="test pictures of each (40)")
    parser.add_argument("--seed", type=int, default=0, help="of their draw")
    parser.add_argument("--dry", action="store_true", help="keep no record")
    arguments = parser.parse_args()
    for model in arguments.models:
        for method in METHODS:
            found = measured(model, method, arguments.n, arguments.seed)
            print(f"{found['data']}, {method}")
            for key, k in found["passed"].items():
                print(f"  {NAMES[key]:48} {score_line(k, found['n'])}")
            if not arguments.dry:
                records.append("trust", {"machine": records.machine(1), **found})


if __name__ == "__main__":
    main()
