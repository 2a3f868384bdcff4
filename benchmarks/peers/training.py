"""What the peers that train have in common: pictures in memory, batches of shuffled rows, looks at the test pictures.

The seconds that are told are those of training alone, first step and compilation included; looks are left out. Looks
come after fixed numbers of steps that were set beforehand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from protocol import say

LOOK_BATCH = 500


@dataclass(frozen=True)
class Pictures:
    """uint8 pictures (N, H, W, C) with labels (N,): those to learn from and those of the test."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def read(path: str) -> Pictures:
    """What the benchmark wrote down."""
    with np.load(path, allow_pickle=False) as arrays:
        return Pictures(*(arrays[name] for name in ("train", "train_labels", "test", "test_labels")))


def shuffled(count: int, batch: int, seed: int, *, keep_rest: bool) -> Iterator[np.ndarray]:
    """Rows of one batch after the other, in a new order each epoch, without end."""
    generator = np.random.default_rng(seed)
    while True:
        order = generator.permutation(count)
        for begin in range(0, count if keep_rest else count - batch + 1, batch):
            yield order[begin : begin + batch]


def right(answers: Callable[[np.ndarray], np.ndarray], pictures: np.ndarray, labels: np.ndarray) -> int:
    """How many are answered rightly; answers: some pictures to their classes."""
    parts = range(0, len(labels), LOOK_BATCH)
    return sum(int((answers(pictures[i : i + LOOK_BATCH]) == labels[i : i + LOOK_BATCH]).sum()) for i in parts)


def carry_out(
    asked: dict[str, Any], step: Callable[[int], Any], wait: Callable[[], Any], look: Callable[[], int], n: int
) -> None:
    """Steps 0, 1, ... to the last look, or until the limit of seconds; says what was reached at each look.

    asked: `looks`, the numbers of steps after which to look, and `limit`, seconds of training (0: none). look: how
    many of the n test pictures are answered rightly. `first` of a record: the seconds of the first step.
    """
    looks, seconds, first, begin = set(asked["looks"]), 0.0, 0.0, time.perf_counter()
    for done in range(1, max(looks) + 1):
        step(done - 1)
        if done == 1:
            wait()
            first = time.perf_counter() - begin
        over = asked["limit"] and seconds + time.perf_counter() - begin > asked["limit"]
        if done in looks or over:
            wait()
            seconds += time.perf_counter() - begin
            if done in looks:
                say(steps=done, seconds=seconds, first=first, k=look(), n=n)
            else:
                say(steps=done, seconds=seconds, first=first)
            begin = time.perf_counter()
        if over:
            return
