"""A network over its test pictures: what it takes for what, and which mistakes it is surest of.

Reads what a training has kept (`predictions.npz`): the test pictures aren't looked at again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from convscope.data.images import ImageSet
from convscope.errors import ConvscopeError
from convscope.evaluate.metrics import confusion, mistakes, score
from convscope.evaluate.predictions import Predictions
from convscope.explain.explanation import class_number
from convscope.lab import pictures
from convscope.lab.shelf import Shelf
from convscope.run import Run

WORST, IN_CELL = 24, 60


def judge(shelf: Shelf, id: object) -> dict[str, Any]:
    """Confusion matrix (row: what it is, column: what was said), score, and the surest mistakes with their pictures."""
    run, said = _said(shelf, id)
    found = score(said)
    shown = mistakes(said, WORST)
    images = _pictures(shelf, run, said, [one.row for one in shown])
    return {
        "classes": list(said.classes), "matrix": confusion(said).tolist(), "score": found.to_json(),
        "worst": [
            {"index": one.id, "label": one.label, "said": one.predicted, "probability": one.probability,
             "picture": picture}
            for one, picture in zip(shown, images, strict=True)
        ],
    }  # fmt: skip


def cell_pictures(shelf: Shelf, id: object, label: object, answer: object) -> list[dict[str, Any]]:
    """The pictures of one cell of the matrix, the surest first. label, answer: classes, by name or number."""
    run, said = _said(shelf, id)
    numbers = []
    for what, value in (("label", label), ("said", answer)):
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ConvscopeError(f"{what} must be a class, by its name or its number. Got {value!r:.40}.")
        numbers.append(class_number(said.classes, value))
    rows = np.flatnonzero((said.labels == numbers[0]) & (said.predicted == numbers[1]))
    sure = said.probabilities[rows, said.predicted[rows]]
    rows = rows[np.argsort(-sure, kind="stable")][:IN_CELL]
    images = _pictures(shelf, run, said, [int(row) for row in rows])
    return [
        {"index": int(said.ids[row]), "probability": float(said.probabilities[row, said.predicted[row]]),
         "picture": picture}
        for row, picture in zip(rows, images, strict=True)
    ]  # fmt: skip


def _said(shelf: Shelf, id: object) -> tuple[Run, Predictions]:
    run = shelf.run(id)
    if not run.predictions_path.is_file():
        raise ConvscopeError(
            f"{run.path.name} has not been scored on test pictures: its training has not ended, or its data has none."
        )
    return run, Predictions.load(run.predictions_path)


def _pictures(shelf: Shelf, run: Run, said: Predictions, rows: list[int]) -> list[dict[str, Any]]:
    """The pictures of these rows of the predictions."""
    if not rows:
        return []
    test: ImageSet = shelf.data_of(run).test
    where = {int(id): place for place, id in enumerate(test.ids)}
    found = []
    for row in rows:
        place = where.get(int(said.ids[row]))
        if place is None:
            raise ConvscopeError(
                f"the test pictures of {run.path.name} are no longer those that it was scored on. Score it again: "
                f"convscope evaluate {run.path}"
            )
        found.append(pictures.stored(test.images[place]))
    return found
