"""Scores of stored predictions: accuracy with its interval, top-k, each class, the confusion matrix, the mistakes.

Knows `Predictions` and counting; every figure here equals scikit-learn's to the last bit (the tests hold it), but for
the loss, which scikit-learn cuts off at 1e-7, and for equal probabilities, where the first class wins here, always.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.errors import ConvscopeError
from convscope.evaluate.intervals import wilson
from convscope.evaluate.predictions import Predictions


@dataclass(frozen=True)
class Score:
    """k of n pictures right; (low, high) is the 95 % Wilson interval, as fractions.

    loss: mean cross-entropy in nats. top5_k: pictures whose class is among the five most probable, None where there
    are five classes or fewer (it would always be n). classes: their number. views: of how many views of each picture
    the mean was taken (`evaluate.views`); one is the score that everything else speaks of.
    """

    k: int
    n: int
    low: float
    high: float
    loss: float
    top5_k: int | None
    classes: int
    views: int = 1

    @property
    def accuracy(self) -> float:
        """k / n, a fraction; 0 of no pictures."""
        return self.k / self.n if self.n else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, for `--json` and files. The accuracy never travels without its count and interval, nor one of
        several views without their number."""
        views = {"views": self.views} if self.views > 1 else {}
        return {
            **views,
            "k": self.k,
            "n": self.n,
            "accuracy": self.accuracy,
            "low": self.low,
            "high": self.high,
            "confidence": 0.95,
            "loss": self.loss,
            "top5_k": self.top5_k,
            "classes": self.classes,
        }


@dataclass(frozen=True)
class ClassScore:
    """One class: precision = correct / predicted, recall = correct / support, f1 = 2 correct / (predicted + support).

    A quotient whose denominator is 0 is 0, as in scikit-learn with zero_division=0; `support` and `predicted` tell
    these apart from real zeros. (low, high): the 95 % Wilson interval of the recall.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int
    correct: int
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, for `--json` and files."""
        return dict(vars(self))


@dataclass(frozen=True)
class Mistake:
    """One picture that the network took for another class. row: its place in the predictions; id: in the data set."""

    row: int
    id: int
    name: str
    label: str
    predicted: str
    probability: float
    label_probability: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, for `--json` and files."""
        return dict(vars(self))


def score(p: Predictions) -> Score:
    """The score of these predictions. Of no pictures: 0 of 0, interval (0, 1), loss 0."""
    n = len(p)
    k = int((p.predicted == p.labels).sum())
    low, high = wilson(k, n)
    classes = len(p.classes)
    return Score(k, n, low, high, loss(p), top_k(p, 5) if classes > 5 else None, classes)


def loss(p: Predictions) -> float:
    """Mean of -log(probability of the true class), in nats: from the logits where they were kept.

    Else a probability that float32 rounded to 0 counts as the smallest normal number, 1.2e-38: it adds 87.
    """
    if not len(p):
        return 0.0
    if p.losses is not None:
        return float(p.losses.astype(np.float64).mean())
    right = p.probabilities[np.arange(len(p)), p.labels].astype(np.float64)
    return float(np.log(1 / np.clip(right, np.finfo(np.float32).tiny, 1)).mean())


def top_k(p: Predictions, k: int) -> int:
    """How many pictures have their true class among the k most probable; of equal ones the first comes first."""
    if k < 1:
        raise ConvscopeError(f"top-k needs k of at least 1. Got {k}.")
    right = p.probabilities[np.arange(len(p)), p.labels][:, None]
    earlier = np.arange(len(p.classes))[None, :] < p.labels[:, None]
    ahead = (p.probabilities > right) | ((p.probabilities == right) & earlier)  # (N, K)
    return int((ahead.sum(axis=1) < k).sum())


def confusion(p: Predictions) -> NDArray[np.int64]:
    """(K, K) counts: row = the true class, column = the predicted one."""
    classes = len(p.classes)
    cells = np.bincount(p.labels * classes + p.predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def per_class(p: Predictions) -> list[ClassScore]:
    """The scores of every class in order, those without pictures too."""
    table = confusion(p)
    scores = []
    for i, name in enumerate(p.classes):
        correct, support, predicted = int(table[i, i]), int(table[i].sum()), int(table[:, i].sum())
        low, high = wilson(correct, support)
        scores.append(
            ClassScore(
                name,
                precision=correct / predicted if predicted else 0.0,
                recall=correct / support if support else 0.0,
                f1=2 * correct / (support + predicted) if support + predicted else 0.0,
                support=support,
                predicted=predicted,
                correct=correct,
                low=low,
                high=high,
            )
        )
    return scores


def mistakes(p: Predictions, most: int = 24) -> list[Mistake]:
    """The wrong ones, at most `most`, the surest first; equally sure ones in the order of the predictions."""
    predicted = p.predicted
    wrong = np.flatnonzero(predicted != p.labels)
    sure = p.probabilities[wrong, predicted[wrong]]
    order = wrong[np.argsort(-sure, kind="stable")][: max(0, most)]
    return [
        Mistake(
            row=int(row),
            id=int(p.ids[row]),
            name=p.names[row],
            label=p.classes[p.labels[row]],
            predicted=p.classes[predicted[row]],
            probability=float(p.probabilities[row, predicted[row]]),
            label_probability=float(p.probabilities[row, p.labels[row]]),
        )
        for row in order
    ]
