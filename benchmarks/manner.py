"""How well are photographs of handwritten digits read, with the manner and without?

    python benchmarks/manner.py runs/mnist-short            # any model of MNIST
    python benchmarks/manner.py runs/mnist-short --keep photographs

The photographs are made here from test pictures of MNIST: pen strokes on grey paper that is lit from one side, turned a
little, anywhere on a page of any size, with grain, blur and JPEG. Nobody's handwriting and no camera is in it beyond
that, so the figures say what the manner does to light, size and place; real photographs may be harder. `RANGES` was
written before the first measurement and nothing was tuned on these photographs. They are predicted through the
classifier, as `convscope predict` does, and paired with their own test pictures, which are the most that can be had.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import convscope
import records
from convscope import draws
from convscope.report.numbers import score_line

RANGES: dict[str, tuple[float, float]] = {
    "width": (300, 1600),  # of the page, in pixels
    "shape": (0.6, 1.6),  # its height over its width
    "figure": (0.25, 0.7),  # the digit's picture of 28 x 28, as a share of the page's shorter side
    "across": (0, 1),  # where it lies, from one edge of the page to the other
    "down": (0, 1),
    "turn": (-10, 10),  # degrees
    "edge": (0.35, 0.65),  # the grey at which a stroke ends: more is thinner
    "paper": (140, 240),  # its brightness where it is lightest
    "shade": (0, 0.5),  # how much darker it is at the darkest corner
    "from": (0, 360),  # degrees: where the light comes from
    "ink": (0.1, 0.6),  # the ink's brightness, as a share of the paper's
    "blur": (0.3, 1.5),  # pixels
    "noise": (1, 10),  # grey values, a standard deviation
    "quality": (60, 95),  # JPEG
}


def photograph(picture: NDArray[np.uint8], seed: int, row: int) -> tuple[Image.Image, int]:
    """A page with a test picture (28, 28) on it, "L", and the quality with which it is to be packed."""
    named = draws.uniform(seed, 0, np.array([row]), "photograph", len(RANGES))[0].tolist()
    of = {name: low + (high - low) * u for (name, (low, high)), u in zip(RANGES.items(), named, strict=True)}
    wide, high = round(of["width"]), round(of["width"] * of["shape"])
    side = round(of["figure"] * min(wide, high))
    figure = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
    figure = figure.rotate(of["turn"], Image.Resampling.BICUBIC)  # in its black margin, so that nothing is cut off
    page = Image.new("L", (wide, high))
    page.paste(figure, (round(of["across"] * (wide - side)), round(of["down"] * (high - side))))
    ink = np.clip((np.asarray(page, np.float32) / 255 - of["edge"]) * 4 + 0.5, 0, 1)  # a pen's edge is sharp
    down, across = np.mgrid[0:high, 0:wide] / (max(wide, high) - 1) - 0.5
    angle = math.radians(of["from"])
    lit = down * math.sin(angle) + across * math.cos(angle)
    paper = of["paper"] * (1 - of["shade"] * (lit.max() - lit) / np.ptp(lit))
    seen = Image.fromarray((paper * (1 - ink * (1 - of["ink"]))).astype(np.uint8))
    blurred = np.asarray(seen.filter(ImageFilter.GaussianBlur(of["blur"])), np.float64)
    noise = np.random.default_rng(draws.key(seed, "noise", row)).normal(0, of["noise"], (high, wide))
    return Image.fromarray(np.clip(np.rint(blurred + noise), 0, 255).astype(np.uint8)), round(of["quality"])


def measured(model: str, folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Right answers of `count` test pictures, of their photographs, and of these as they are."""
    classifier = convscope.load(model)
    if classifier.preprocess.manner != "mnist":
        raise SystemExit(f"the model must have the manner of MNIST. {model} has {classifier.preprocess.manner}.")
    test = convscope.data("mnist").test
    rows = draws.order(seed, 0, np.arange(len(test)), "photographed")[:count]
    paths, truth = [], [test.classes[label] for label in test.labels[rows]]
    for row in rows.tolist():
        paths.append(folder / f"{row:05d} {test.classes[test.labels[row]]}.jpg")
        page, quality = photograph(test.images[row, 0], seed, row)
        page.save(paths[-1], quality=quality)
    right = {"pictures": _right(classifier.predict([test.images[row, 0] for row in rows]), truth)}
    right["photographs"] = _right(classifier.predict(paths), truth)
    classifier.preprocess = classifier.preprocess.replace(manner=None)
    right["as is"] = _right(classifier.predict(paths), truth)
    assert classifier.path is not None
    digest = hashlib.sha256(classifier.path.read_bytes()).hexdigest()
    return {"model": {"sha256": digest, **classifier.score}, "n": count, "seed": seed, "ranges": RANGES, "right": right}


def _right(said: list[convscope.Prediction], truth: list[str]) -> int:
    return sum(one.label == label for one, label in zip(said, truth, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a run's folder or a .safetensors file, of MNIST")
    parser.add_argument("--n", type=int, default=200, help="photographs (200)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of pictures and of all that is done to them")
    parser.add_argument("--keep", type=Path, help="an empty folder for the photographs")
    parser.add_argument("--dry", action="store_true", help="keep no record")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = measured(arguments.model, folder, arguments.n, arguments.seed)
    names = {"pictures": "their own test pictures", "photographs": "photographs, in the manner", "as is": "as they are"}
    for key, k in found["right"].items():
        print(f"{names[key]:28} {score_line(k, found['n'])}")
    if not arguments.dry:
        records.append("manner", {"machine": records.machine(1), **found})


if __name__ == "__main__":
    main()
