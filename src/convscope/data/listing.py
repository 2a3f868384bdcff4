"""What a data set consists of before it is split: labels, names, and pictures as one array or as files.

Knows no format and no place: folders, tables, archives and array files all end in a `Source`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from convscope.errors import ConvscopeError


@dataclass(frozen=True, eq=False)
class Files:
    """Pictures that are files, of a folder or inside an archive.

    key: a hash of what would change if a file did (path, size, time of change); stream: opens the i-th for reading.
    """

    key: str
    count: int
    stream: Callable[[int], BinaryIO]

    def rows(self, rows: NDArray[np.int64]) -> Files:
        """These files alone."""
        wanted = rows.tolist()
        key = hashlib.sha256(self.key.encode() + rows.astype("<i8").tobytes()).hexdigest()
        return Files(key, len(wanted), lambda i: self.stream(wanted[i]))


@dataclass(frozen=True, eq=False)
class Source:
    """What a data set consists of.

    kind: "known", "folder" or "csv"; root: where it lies, None if embedded
    labels: (N,) int64; names: N; parts: N of "train", "validation", "test", or "" where the data doesn't say
    arrays: (N, C, H, W) uint8 for a data set that is one array; else files holds the pictures
    columns: further columns of a .csv by name, N values each: one of them may be the group
    others: files that belong to no class, each with the reason; system: how many an operating system left there
    """

    spec: str
    kind: str
    root: Path | None
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    parts: tuple[str, ...]
    arrays: NDArray[np.uint8] | None = None
    files: Files | None = None
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    others: tuple[tuple[str, str], ...] = ()
    system: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, rows: NDArray[np.int64]) -> Source:
        """These pictures alone, in this order."""
        if len(rows) == len(self) and bool((rows == np.arange(len(rows))).all()):
            return self
        wanted = rows.tolist()
        return replace(
            self,
            labels=self.labels[rows],
            names=tuple(self.names[i] for i in wanted),
            parts=tuple(self.parts[i] for i in wanted),
            arrays=None if self.arrays is None else self.arrays[rows],
            files=None if self.files is None else self.files.rows(rows),
            columns={name: tuple(column[i] for i in wanted) for name, column in self.columns.items()},
        )

    def first(self, count: int) -> Source:
        """The first `count` training pictures, and the parts brought beside it as they are.

        "First" is the order of an array's rows; files, which are listed class by class, are taken from each class in
        turn. Raises ConvscopeError where there are fewer.
        """
        beside = np.array([part in ("validation", "test") for part in self.parts], bool)
        training = np.flatnonzero(~beside)
        if not 1 <= count <= len(training):
            raise ConvscopeError(
                f"a slice of {self.spec} must take 1 to {len(training)} pictures, as many as there are to train on. "
                f"Got {count}."
            )
        if self.files is not None:
            turn = np.zeros(len(training), np.int64)
            for label in range(len(self.classes)):
                mine = self.labels[training] == label
                turn[mine] = np.arange(int(mine.sum()))
            training = training[np.lexsort((training, turn))]
        rows = np.sort(training[:count])
        return self.rows(np.concatenate([rows, np.flatnonzero(beside)]).astype(np.int64))

    def hashes(self) -> NDArray[np.uint8]:
        """The SHA-256 of each picture of an array: (N, 32) uint8."""
        assert self.arrays is not None
        digests = b"".join(hashlib.sha256(picture.tobytes()).digest() for picture in self.arrays)
        return np.frombuffer(digests, np.uint8).reshape(len(self), 32)


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in their order: by value where all are whole numbers (2 before 10), else as text."""
    unique = set(names)
    if unique and all(name.isascii() and name.isdigit() for name in unique):
        return tuple(sorted(unique, key=lambda name: (int(name), name)))
    return tuple(sorted(unique))


def listing_key(root: str, rows: Sequence[tuple[str, int, int]]) -> str:
    """The hash of a listing: the root and, for each file, its path, size in bytes and time of change in ns."""
    text = "\n".join([root, *(f"{path}\t{size}\t{time}" for path, size, time in rows)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
