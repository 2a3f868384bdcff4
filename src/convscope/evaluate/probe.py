"""How far a classifier holds when pictures are changed: its accuracy against the strength of each change.

Every strength is scored on the same pictures as the unchanged ones, so each has its paired difference. Knows
classifiers and changes; prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope import draws
from convscope.classifier import Classifier
from convscope.data.images import ImageSet
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError, unknown
from convscope.evaluate.changes import CHANGES, Change
from convscope.evaluate.intervals import paired, wilson
from convscope.evaluate.metrics import Score, score
from convscope.evaluate.model import predictions

FALL = 0.05
"""The drop of accuracy, as a fraction, that a verdict asks about."""

_BATCH = 256  # as the classifier's own: the unchanged pictures give the same bits as in `evaluate`


@dataclass(frozen=True)
class Point:
    """k of n right at a strength; (low, high) is the Wilson interval. difference: to the unchanged pictures, with its
    paired interval; lost and won: pictures that were right before alone, and that are right now alone."""

    strength: float
    k: int
    n: int
    low: float
    high: float
    lost: int
    won: int
    difference_low: float
    difference_high: float

    @property
    def accuracy(self) -> float:
        return self.k / self.n

    @property
    def difference(self) -> float:
        return (self.won - self.lost) / self.n

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "accuracy": self.accuracy, "difference": self.difference}


@dataclass(frozen=True)
class Limit:
    """Where FALL has been lost on one side of no change: about at `strength` (a straight line between the two tried
    strengths around it), or nowhere up to the last one tried (None). tried: the points of this side, nearest first."""

    strength: float | None
    tried: tuple[Point, ...]


@dataclass(frozen=True, eq=False)
class Curve:
    """A change in all its strengths, the unchanged pictures among them. shown: one picture under each point, uint8
    (points, C, H, W)."""

    change: Change
    points: tuple[Point, ...]
    shown: NDArray[np.uint8]

    def limits(self) -> dict[str, Limit]:
        """Below and above no change, as far as strengths were tried there."""
        plain = next(point for point in self.points if point.strength == self.change.plain)
        below = [p for p in reversed(self.points) if p.strength < self.change.plain]
        above = [p for p in self.points if p.strength > self.change.plain]
        return {
            side: Limit(_fallen(plain, tried), tuple(tried))
            for side, tried in (("below", below), ("above", above))
            if tried
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.change.name,
            "axis": self.change.axis,
            "says": self.change.says,
            "plain": self.change.plain,
            "points": [point.to_json() for point in self.points],
            "five_points_lost_at": {side: limit.strength for side, limit in self.limits().items()},
        }


def _fallen(plain: Point, tried: Iterable[Point]) -> float | None:
    """Where the accuracy is FALL lower for the first time, on a straight line between what was tried."""
    before = plain
    for point in tried:
        if point.difference <= -FALL:
            share = (before.difference + FALL) / (before.difference - point.difference)
            return before.strength + share * (point.strength - before.strength)
        before = point
    return None


@dataclass(frozen=True, eq=False)
class Probed:
    """The score of the unchanged pictures, and a curve for each change."""

    plain: Score
    curves: tuple[Curve, ...]
    seed: int

    def to_json(self) -> dict[str, Any]:
        return {"plain": self.plain.to_json(), "seed": self.seed, "changes": [curve.to_json() for curve in self.curves]}


def check(names: Iterable[str]) -> tuple[str, ...]:
    """The changes that are meant, all where none is named, in their usual order. Raises ConvscopeError."""
    wanted = list(names)
    for name in wanted:
        if name not in CHANGES:
            raise ConvscopeError(unknown("change", name, CHANGES))
    return tuple(name for name in CHANGES if name in wanted or not wanted)


def sample(images: ImageSet, most: int, seed: int = 0) -> ImageSet:
    """At most so many of the pictures, drawn by key, in their order."""
    if len(images) <= most:
        return images
    return images.subset(np.sort(draws.order(seed, 0, images.ids, "probe.sample")[:most]))


def probe(
    classifier: Classifier,
    images: ImageSet,
    names: Iterable[str] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> Probed:
    """Score a classifier on changed pictures. names: of `CHANGES`, all unless given. Raises ConvscopeError as
    `evaluate.model.predictions` does, and for an unknown name."""
    changes = [CHANGES[name] for name in check(names)]
    said = predictions(classifier, images)
    right = said.predicted == said.labels
    side = min(images.images.shape[2:])
    total, done = sum(len(change.strengths(side)) for change in changes) * len(images), 0
    example = int(np.argmax(right))  # the first that is right, or the first
    curves = []
    for change in changes:
        points, shown = [], []
        for strength in sorted({*change.strengths(side), change.plain}):
            now = right
            if strength != change.plain:
                now = np.empty(len(images), bool)
                for start in range(0, len(images), _BATCH):
                    part = slice(start, start + _BATCH)
                    changed = change.apply(np.asarray(images.images[part]), images.ids[part], seed, strength)
                    now[part] = classifier.probabilities(changed).argmax(axis=1) == images.labels[part]
                    done += len(changed)
                    if progress is not None:
                        progress(f"probing: {change.name}", done, total)
            points.append(_point(strength, right, now))
            one = slice(example, example + 1)
            shown.append(change.apply(np.asarray(images.images[one]), images.ids[one], seed, strength)[0])
        curves.append(Curve(change, tuple(points), np.stack(shown)))
    return Probed(score(said), tuple(curves), seed)


def _point(strength: float, before: NDArray[np.bool_], now: NDArray[np.bool_]) -> Point:
    k, n = int(now.sum()), len(now)
    lost, won = int((before & ~now).sum()), int((now & ~before).sum())
    return Point(strength, k, n, *wilson(k, n), lost, won, *paired(lost, won, n))
