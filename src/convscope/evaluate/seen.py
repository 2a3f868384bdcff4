"""Which pictures a model has seen before: a score on these would be too good.

Knows run folders, whose split.csv names the content of every picture, and image sets.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convscope.data import split
from convscope.data.images import DataSet, ImageSet
from convscope.errors import ConvscopeError
from convscope.run import Run

LEARNED = ("train", "validation")


def run_of(model: Path) -> Run | None:
    """The run that a model lies in, if it lies in one whose split is known."""
    try:
        found = Run(model if model.is_dir() else model.parent)
    except ConvscopeError:
        return None
    return found if found.split_path.is_file() else None


def overlap(images: ImageSet, run: Run, parts: tuple[str, ...]) -> NDArray[np.bool_]:
    """(N,) bool: which pictures have the content of one that stood in these parts of a run's split."""
    if images.hashes is None:
        return np.zeros(len(images), bool)
    kept = split.load(run.split_path)
    rows = np.concatenate([kept.rows(part) for part in parts])
    known = {digest.tobytes() for digest in kept.hashes[rows]}
    return np.array([digest.tobytes() in known for digest in images.hashes], bool)


def without_learned(images: ImageSet, run: Run | None, data: str) -> tuple[ImageSet, tuple[str, ...]]:
    """The pictures that a model of this run never saw in training, and a sentence about the others.

    Raises ConvscopeError where none is left.
    """
    if run is None:
        return images, (
            f"the model lies in no run's folder: whether it has learned from pictures of {data} isn't known",
        )
    met = overlap(images, run, LEARNED)
    if met.all():
        raise ConvscopeError(
            f"a score needs pictures that the model never saw. It was trained on all {len(images)} of {data}, or "
            "chosen by them. Give others, or evaluate the run's folder without --data: it knows what was set aside."
        )
    if not met.any():
        return images, ()
    left_out = (
        f"{int(met.sum())} of {len(images)} pictures were left out: the model was trained on them, or chosen by them"
    )
    return images.subset(np.flatnonzero(~met).astype(np.int64)), (left_out,)


def refuse_learned(images: ImageSet, model: Path | None) -> None:
    """Raises ConvscopeError where a model was trained on one of these pictures, as far as that is known."""
    run = run_of(model) if model is not None else None
    if run is None:
        return
    met = int(overlap(images, run, ("train",)).sum())
    if met:
        raise ConvscopeError(
            f"a score needs pictures that the model never saw. It was trained on {met} of these {len(images)}. Score "
            "the test part of its own split, or say evaluate(classifier, images, seen=True) to see how it has learned."
        )


def refuse_head_start(data: DataSet, model: str) -> str:
    """What is to be said of weights to start from: a sentence where it isn't known what they have learned.

    Raises ConvscopeError where they have learned from pictures that are to be validation or test here.
    """
    run = run_of(Path(model))
    if run is None:
        return f"what {model} has learned from isn't known: if it knows pictures of this data, the score is too good"
    known = {"test": LEARNED, "validation": ("train",)}  # to choose by the same pictures again is no head start
    for part, learned in known.items():
        images: ImageSet = getattr(data, part)
        met = int(overlap(images, run, learned).sum()) if len(images) else 0
        if met:
            raise ConvscopeError(
                f"weights to start from must not know the {part} pictures. {model} was trained on {met} of these "
                f"{len(images)}. Use its own data, split and seed (they stand in {run.recipe_path}), or other pictures."
            )
    return ""


def gone(run: Run) -> str:
    """The place of the folder or .csv that a run was trained on, where nothing is there any more; else ""."""
    data = str(run.recipe.get("data", ""))
    place = data if Path(data).exists() else re.sub(r"\[[^\]]*\]$", "", data)
    return place if re.search(r"[/\\]", place) and not Path(place).exists() else ""


def refuse_gone(run: Run) -> None:
    """Raises ConvscopeError where the folder or .csv that a run was trained on is no longer where it was."""
    place = gone(run)
    if place:
        raise ConvscopeError(
            f"the data of {run.path} must be there. It was at {place}, where nothing is now; if it has moved, give its "
            "place: --data NEW."
        )


def as_begun(data: DataSet, run: Run) -> tuple[DataSet, str]:
    """The pictures with which a run was begun, as they were then, and a sentence where others have joined since.

    Raises ConvscopeError where one is gone.
    """
    listed = split.load(run.split_path)
    same, left_out = data.as_listed(listed)
    if not left_out:
        return same, ""
    return same, f"{left_out} pictures have joined the data since the run was begun; they are left out here"
