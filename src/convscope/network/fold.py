"""Turns that follow each other and are alike, as one turn with a count: for tables and drawings of deep networks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Turns(Generic[T]):
    """One or more turns that are alike, in order; each turn is as many items as the others."""

    turns: tuple[tuple[T, ...], ...]

    @property
    def count(self) -> int:
        """How many turns there are."""
        return len(self.turns)


def fold(items: Sequence[T], key: Callable[[T], Hashable], longest: int = 12) -> list[Turns[T]]:
    """The items in order, runs of equal turns folded. Two items are alike where their keys are equal.

    A turn is `longest` items or fewer. From left to right, the run that covers most items is taken, of those the one
    with the shortest turn. What repeats nowhere comes as a `Turns` of count 1 and one item.
    """
    numbers: dict[Hashable, int] = {}
    keys = [numbers.setdefault(key(item), len(numbers)) for item in items]
    found: list[Turns[T]] = []
    at = 0
    while at < len(keys):
        length, count = run(keys, at, longest)
        found.append(Turns(tuple(tuple(items[at + i * length : at + (i + 1) * length]) for i in range(count))))
        at += length * count
    return found


def run(keys: Sequence[Hashable], at: int, longest: int | None = None) -> tuple[int, int]:
    """How long the turns are that begin at `at`, and how many: as many items as possible, in as short turns as
    possible; (1, 1) where nothing repeats."""
    best, length, count = 0, 1, 1
    most = (len(keys) - at) // 2
    for turn in range(1, most + 1 if longest is None else min(longest, most) + 1):
        times = _times(keys, at, turn)
        if times > 1 and times * turn > best:
            best, length, count = times * turn, turn, times
    return length, count


def _times(keys: Sequence[Hashable], at: int, turn: int) -> int:
    times = 1
    while keys[at + times * turn : at + (times + 1) * turn] == keys[at : at + turn]:
        times += 1
    return times
