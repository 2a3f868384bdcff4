"""From what the user wrote to the pictures: a data set's name, a folder or a .csv, found and listed.

Knows where each kind of data lies and calls its reader. Decodes nothing: a listed picture is a file's path until the
store reads it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convscope.data import digits, idx, places
from convscope.data.known import KNOWN, Known
from convscope.errors import ConvscopeError, unknown


@dataclass(frozen=True, eq=False)
class Source:
    """What a data set consists of, before it is split.

    labels: (N,) int64; names: N; parts: N of "train", "validation", "test" or "" (not said); arrays: (N, C, H, W) uint8
    for a data set that is one array, else None.
    """

    spec: str
    kind: str
    root: Path | None
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    parts: tuple[str, ...]
    arrays: NDArray[np.uint8] | None = None
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def hashes(self) -> NDArray[np.uint8]:
        """The SHA-256 of each picture's content: (N, 32) uint8."""
        assert self.arrays is not None
        digests = b"".join(hashlib.sha256(picture).digest() for picture in self.arrays)
        return np.frombuffer(digests, np.uint8).reshape(len(self), 32)

    def rows(self, rows: NDArray[np.int64]) -> Source:
        """These pictures alone."""
        return replace(
            self,
            labels=self.labels[rows],
            names=tuple(self.names[i] for i in rows),
            parts=tuple(self.parts[i] for i in rows),
            arrays=None if self.arrays is None else self.arrays[rows],
            columns={name: tuple(column[i] for i in rows) for name, column in self.columns.items()},
        )


_SLICE = re.compile(r"(?P<name>.+)\[:(?P<count>\d+)\]")


def find(spec: str, base: Path) -> Source:
    """The data that the user means: a known name, with `[:1000]` behind it or not. Paths are relative to `base`."""
    word, count = spec.strip(), None
    if match := _SLICE.fullmatch(word):
        word, count = match["name"], int(match["count"])
    if word not in KNOWN:
        raise ConvscopeError(unknown("data set", word, KNOWN))
    source = _READERS[KNOWN[word].format](KNOWN[word])
    if count is None:
        return source
    training = np.flatnonzero(np.array([part != "test" for part in source.parts]))
    if count < 1 or count > len(training):
        raise ConvscopeError(
            f"the slice of {spec!r} must take 1 to {len(training)} training pictures: as many as there are."
        )
    rest = np.flatnonzero(np.array([part == "test" for part in source.parts]))
    return source.rows(np.concatenate([training[:count], rest]).astype(np.int64))


def where(name: str) -> Path | None:
    """The folder that holds the files of a known data set, or None where they are not on this machine."""
    entry = KNOWN[name]
    candidates = [places.cache_folder() / "data" / name]
    if (named := places.data_folder()) is not None:
        candidates = [*(named / folder for folder in entry.folders), *candidates]
    candidates.append(Path("/usr/share/datasets") / name)
    for folder in candidates:
        if entry.files and all(_file(folder, file.name) is not None for file in entry.files):
            return folder
    return None


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _embedded(entry: Known) -> Source:
    images, labels = digits.read()
    names = tuple(f"digits/{i}" for i in range(len(labels)))
    return Source(entry.name, "known", None, entry.classes, labels, names, ("",) * len(labels), images)


def _idx(entry: Known) -> Source:
    folder = where(entry.name)
    if folder is None:
        raise ConvscopeError(f"{entry.name} is not on this machine. Get it with: convscope data get {entry.name}")
    arrays = {}
    for file in entry.files:
        path = _file(folder, file.name)
        assert path is not None
        data = idx.unpacked(path, file.bytes)
        digest = hashlib.sha256(data).hexdigest()
        if digest != file.sha256:
            raise ConvscopeError(
                f"{path} must have the SHA-256 {file.sha256} when unpacked. It has {digest}: it is damaged, or "
                f"another file. Remove it and get it again with: convscope data get {entry.name}"
            )
        arrays[file.name] = idx.parse(data, path)
    images = np.concatenate([arrays["train-images-idx3-ubyte"], arrays["t10k-images-idx3-ubyte"]])
    train, test = arrays["train-labels-idx1-ubyte"], arrays["t10k-labels-idx1-ubyte"]
    labels = np.concatenate([train, test]).astype(np.int64)
    names = (*(f"train/{i}" for i in range(len(train))), *(f"test/{i}" for i in range(len(test))))
    parts = ("train",) * len(train) + ("test",) * len(test)
    return Source(entry.name, "known", folder, entry.classes, labels, names, parts, images[:, None])


_READERS: dict[str, Callable[[Known], Source]] = {"embedded": _embedded, "idx": _idx}
