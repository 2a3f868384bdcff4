"""From what the user wrote to the pictures: a data set's name, a folder or a .csv, found and listed.

Knows where each kind of data lies and calls its reader. Decodes nothing: the store does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope.data import archive, cifar, digits, download, folder, idx, places, table
from convscope.data.known import KNOWN, Known
from convscope.data.listing import Source
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError, RunFailed, unknown

_SLICE = re.compile(r"(?P<word>.+)\[:(?P<count>\d+)\]")


def find(spec: str, base: Path = Path(), progress: Progress | None = None) -> Source:
    """The data that `spec` means: a known name, a folder or a .csv, with "[:1000]" behind it or not.

    A known name means that data set even where a folder has that name; "./mnist" is the folder. Paths are relative to
    `base`. A known data set that is not on this machine is downloaded into the cache. Raises ConvscopeError where there
    is no such data, RunFailed where the download fails. progress: is told of a download.
    """
    word, count = spec.strip(), None
    match = _SLICE.fullmatch(word)
    if match and (match["word"] in KNOWN or not (base / word).exists()):
        word, count = match["word"], int(match["count"])
    source = replace(_find(word, base, progress), spec=spec.strip())
    return source if count is None else source.first(count)


def _find(word: str, base: Path, progress: Progress | None) -> Source:
    if word in KNOWN:
        return _READERS[KNOWN[word].format](KNOWN[word], progress)
    path = base / Path(word).expanduser()
    if word and path.is_dir():
        return folder.find(word, path)
    if word and path.is_file():
        if path.suffix.lower() == ".csv":
            return table.find(word, path)
        raise ConvscopeError(f"data must be a folder, a .csv or a data set's name. {path} is another kind of file.")
    at = os.path.abspath(path)  # noqa: PTH100 (keeps links as they are)
    if re.search(r"[/\\]", word):  # a path: no data set was meant
        raise ConvscopeError(f"there is no folder and no .csv {at}. Give one that is there, or a data set's name.")
    raise ConvscopeError(f"there is no folder and no .csv {at}. {unknown('data set', word, names())}")


def is_known(spec: str) -> bool:
    """Whether `spec` means a data set by its name, all or the first of it, and not a folder or a .csv."""
    match = _SLICE.fullmatch(spec.strip())
    return (match["word"] if match else spec.strip()) in KNOWN


def names() -> list[str]:
    """The data sets that can be had here: those with an address, and a local one where its files are found."""
    return [name for name, entry in KNOWN.items() if entry.format == "embedded" or entry.hosts or where(name)]


def where(name: str) -> Path | None:
    """The folder (or archive) that holds a known data set, or None where it is not on this machine.

    Looked for in CONVSCOPE_DATA first, then in the system's data sets, then in the cache of downloads.
    """
    if name not in KNOWN:
        raise ConvscopeError(unknown("data set", name, KNOWN))
    entry = KNOWN[name]
    candidates: list[Path] = []
    if (named := places.data_folder()) is not None:
        candidates += [named / below for below in entry.folders]
    candidates += [Path("/usr/share/datasets") / name, download.folder_of(entry)]
    if entry.format == "jpeg-tar":
        return next((c for c in candidates if c.is_file() or (c / "train").is_dir()), None)
    for candidate in candidates:
        if entry.files and all(download.file_of(candidate, file.name) is not None for file in entry.files):
            return candidate
    if entry.archive and named is not None:
        archives = [named / entry.archive, *(named / below / entry.archive for below in entry.folders)]
        return next((path for path in archives if path.is_file()), None)
    return None


def manner(source: Source) -> str:
    """The manner that a source's pictures are in: a data set that has a name brings its own, others have none, ""."""
    return KNOWN[source.spec.partition("[")[0].strip()].manner if source.kind == "known" else ""


def get(name: str, progress: Progress | None = None) -> Path:
    """The place of a known data set, downloaded into the cache where it is not on this machine yet."""
    found = where(name)
    if found is not None:
        return found
    if KNOWN[name].format == "embedded":
        raise ConvscopeError(f"{name} is part of convscope: there is nothing to get.")
    try:
        return download.get(KNOWN[name], progress)
    except RunFailed as error:
        copy = next((other for other in KNOWN if KNOWN[other].copy_of == name and where(other)), None)
        if copy is None:
            raise
        raise RunFailed(f"{error}\n{copy}, a re-encoded copy, is here: convscope train {copy}") from error


def _embedded(entry: Known, progress: Progress | None) -> Source:
    images, labels = digits.read()
    names_of = tuple(f"{entry.name}/{i}" for i in range(len(labels)))
    return Source(entry.name, "known", None, entry.classes, labels, names_of, ("",) * len(labels), images)


def _idx(entry: Known, progress: Progress | None) -> Source:
    place = get(entry.name, progress)
    arrays = {}
    for file in entry.files:
        path = download.file_of(place, file.name)
        assert path is not None
        data = idx.unpacked(path, file.bytes)
        download.check(entry, file, data, path)
        arrays[file.name] = idx.parse(data, path)
    images = np.concatenate([arrays["train-images-idx3-ubyte"], arrays["t10k-images-idx3-ubyte"]])
    labels = [arrays["train-labels-idx1-ubyte"], arrays["t10k-labels-idx1-ubyte"]]
    return _two_parts(entry, place, images[:, None], labels)


def _cifar(entry: Known, progress: Progress | None) -> Source:
    place = get(entry.name, progress)
    if place.is_file():
        place = download.keep_archive(entry, place)
    label_bytes = 2 if len(entry.classes) > 10 else 1
    images = []
    labels: dict[str, list[NDArray[np.int64]]] = {"train": [], "test": []}
    for file in entry.files:
        path = download.file_of(place, file.name)
        assert path is not None
        data = idx.unpacked(path, file.bytes)
        download.check(entry, file, data, path)
        some, marked = cifar.parse(data, label_bytes, len(entry.classes), path)
        images.append(some)
        labels[file.part].append(marked)
    return _two_parts(
        entry, place, np.concatenate(images), [np.concatenate(labels["train"]), np.concatenate(labels["test"])]
    )


def _two_parts(entry: Known, place: Path, images: NDArray[np.uint8], labels: Sequence[NDArray[Any]]) -> Source:
    """The source of a data set whose rows are its training pictures and then its test pictures."""
    names_of: list[str] = []
    parts: list[str] = []
    for part, some in zip(("train", "test"), labels, strict=True):
        names_of += [f"{part}/{i}" for i in range(len(some))]
        parts += [part] * len(some)
    joined = np.concatenate(labels).astype(np.int64)
    return Source(entry.name, "known", place, entry.classes, joined, tuple(names_of), tuple(parts), images)


def _jpeg_tar(entry: Known, progress: Progress | None) -> Source:
    place = where(entry.name)
    if place is None:
        raise ConvscopeError(
            f"{entry.name} can't be downloaded: it is read where {places.DATA_VARIABLE} names a folder that holds "
            f"{' or '.join(entry.folders)}. For the original pictures take cifar10."
        )
    if place.is_file():
        return archive.find(entry.name, place, "cifar10")
    return folder.find(entry.name, place)


_READERS: dict[str, Callable[[Known, Progress | None], Source]] = {
    "embedded": _embedded,
    "idx": _idx,
    "cifar": _cifar,
    "jpeg-tar": _jpeg_tar,
}
