"""Labelled pictures in memory or on disk, and a whole data set of them in three parts.

Knows arrays and names. Knows nothing of files, splits and networks.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from convscope.data.preprocess import Preprocess
    from convscope.data.split import Split


@dataclass(frozen=True, eq=False)
class ImageSet:
    """N pictures of one size with their labels.

    images: (N, C, H, W) uint8, C 1 or 3; may be a read-only memory map
    labels: (N,) int64, each in 0 .. len(classes) - 1
    ids:    (N,) int64, the row in the whole data set: the key of a picture's randomness, the same in every part
    names:  N paths relative to the data's root, with "/", or "train/123" for a data set that is one array
    hashes: (N, 16) uint8, the first bytes of the SHA-256 of each picture's content, or None where nobody knows: what
            tells whether a model has learned from a picture, whatever it is called
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    ids: NDArray[np.int64]
    names: tuple[str, ...]
    hashes: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise ConvscopeError(
                "the pictures of an image set must be uint8 in the shape N x C x H x W. "
                f"Got {self.images.dtype} in the shape {' x '.join(map(str, self.images.shape))}."
            )
        if not n == len(self.images) == len(self.ids) == len(self.names):
            raise ConvscopeError(
                "an image set must have one label, one id and one name for each picture. Got "
                f"{len(self.images)} pictures, {n} labels, {len(self.ids)} ids and {len(self.names)} names."
            )
        if n and not (int(self.labels.min()) >= 0 and int(self.labels.max()) < len(self.classes)):
            raise ConvscopeError(
                f"labels must lie in 0 .. {len(self.classes) - 1}, one for each class. "
                f"Got {int(self.labels.min())} .. {int(self.labels.max())}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        channels, height, width = self.images.shape[1:]
        return f"ImageSet({len(self)} pictures {height}x{width}x{channels}, {len(self.classes)} classes)"

    def subset(self, rows: NDArray[np.int64] | list[int]) -> ImageSet:
        """The pictures at these positions, in this order; ids and names go with them."""
        rows = np.asarray(rows, dtype=np.int64)
        hashes = None if self.hashes is None else self.hashes[rows]
        names = tuple(self.names[i] for i in rows)
        return ImageSet(self.images[rows], self.labels[rows], self.classes, self.ids[rows], names, hashes)


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set, split: what a run trains on, chooses by and is tested on.

    validation and test may be empty. sha256 is of the content: names, classes and pictures, not of how they were
    packed or split. root is the folder, .csv or archive that the pictures came from (None: embedded). notes are
    sentences that the user should read.
    """

    train: ImageSet
    validation: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    sha256: str
    root: Path | None
    split: Split
    preprocess: Preprocess
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        channels, height, width = self.train.images.shape[1:]
        parts = {"training": self.train, "validation": self.validation, "test": self.test}
        counts = ", ".join(f"{len(images)} {name}" for name, images in parts.items())
        return f"DataSet({counts} pictures {height}x{width}x{channels}, {len(self.classes)} classes)"

    def as_listed(self, listed: Split) -> tuple[DataSet, int]:
        """The pictures of a saved split alone, with the ids that they had then, and how many others were left out.

        Raises ConvscopeError where a listed picture is gone.
        """
        place = {name: i for i, name in enumerate(listed.names)}
        parts, left_out = {}, 0
        for part in ("train", "validation", "test"):
            images: ImageSet = getattr(self, part)
            rows = sorted((row for row, name in enumerate(images.names) if name in place),
                          key=lambda row: place[images.names[row]])  # fmt: skip
            left_out += len(images) - len(rows)
            ids = np.array([place[images.names[row]] for row in rows], np.int64)
            parts[part] = replace(images.subset(rows), ids=ids)
        found = sum(map(len, parts.values()))
        if found < len(listed):
            there = {name for images in parts.values() for name in images.names}
            gone = [name for name in listed.names if name not in there]
            raise ConvscopeError(
                f"every picture that a run was begun with must be there. {len(gone)} of {len(listed)} are gone: "
                f"{', '.join(gone[:5])}{' ...' if len(gone) > 5 else ''}. Bring them back, or train anew."
            )
        return replace(
            self, train=parts["train"], validation=parts["validation"], test=parts["test"], split=listed
        ), left_out
