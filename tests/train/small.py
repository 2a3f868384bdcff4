"""A small image set and recipes for tests of training: made here, no files read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from torch import nn

from convscope.data import split
from convscope.data.images import DataSet, ImageSet
from convscope.data.preprocess import Preprocess
from convscope.network.build import Network
from convscope.recipe import Recipe
from convscope.run import Record
from convscope.train.loop import Job, Loop

CLASSES = ("cat", "dog", "owl")
NET = "conv 3x3 4 bias=no, bn, relu, maxpool 2, conv 2x2 4, relu, dropout 0.3, dense"


def image_set(count: int, first: int = 0, size: int = 6, channels: int = 1) -> ImageSet:
    """Noise in which each class has its own bright corner."""
    generator = np.random.default_rng(first)
    labels = np.arange(count, dtype=np.int64) % len(CLASSES)
    images = generator.integers(0, 120, (count, channels, size, size), dtype=np.uint8)
    images[labels == 0, :, :3, :3] += 100
    images[labels == 1, :, 3:, 3:] += 100
    ids = np.arange(first, first + count, dtype=np.int64)
    return ImageSet(images, labels, CLASSES, ids, tuple(f"made/{i}" for i in ids))


def data_set(train: int = 40, validation: int = 12, test: int = 12, **shape: int) -> DataSet:
    """Three parts of such pictures."""
    learned, chosen, tested = (image_set(n, 1000 * i, **shape) for i, n in enumerate((train, validation, test)))
    channels, height, width = learned.images.shape[1:]
    parts = np.repeat(np.arange(3, dtype=np.int8), (train, validation, test))
    count = train + validation + test
    made = split.Split(
        tuple(name for part in (learned, chosen, tested) for name in part.names),
        tuple(CLASSES[label] for part in (learned, chosen, tested) for label in part.labels),
        parts,
        np.arange(16 * count, dtype=np.uint8).reshape(count, 16),
        ("",) * count,
    )
    plain = Preprocess((height, width), channels, mean=(0.3,) * channels, std=(0.3,) * channels)
    return DataSet(learned, chosen, tested, CLASSES, "made", None, made, plain)


def recipe(train: dict[str, Any], **tables: dict[str, Any]) -> Recipe:
    return Recipe.model_validate({"data": "made", "train": {"batch_size": 8, **train}, **tables})


def network(data: DataSet, text: str = NET, seed: int = 0) -> Network:
    shape = (*data.preprocess.input_size, data.preprocess.channels)
    return Network(text, input=shape, classes=len(data.classes), seed=seed)


def loop(made: Recipe, data: DataSet | None = None, module: nn.Module | None = None, **job: Any) -> Loop:
    data = data or data_set()
    return Loop(Job(module or network(data), data, made, **job))


def carried_out(training: Loop) -> list[Record]:
    return list(training.records())


R = TypeVar("R")


def of_kind(records: list[Record], kind: type[R]) -> list[R]:
    return [record for record in records if isinstance(record, kind)]


def stop_after(count: int) -> Callable[[], bool]:
    """A `stop` that says yes when it is asked for the (count + 1)th time."""
    asked = iter(range(count))
    return lambda: next(asked, None) is None
