"""Pictures decoded once and kept as a memory-mapped array, so that a second start takes no time.

A folder in the cache for each listing and each way to fit; `cache.json`, written last, makes it count. Everything in it
can be made again: what is damaged or of another version is. Memory in use doesn't grow with the number of pictures.
Knows bytes, arrays and threads; no labels, no splits.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL
from numpy.typing import NDArray

from convscope import files
from convscope.data import places, taken
from convscope.data.decode import Colour, Fit, MissingHeic, UnreadablePicture, decode
from convscope.data.listing import Files
from convscope.data.manner import MANNERS
from convscope.data.preprocess import Preprocess
from convscope.data.progress import Progress
from convscope.data.threads import usable_cores
from convscope.errors import ConvscopeError, RunFailed

LARGEST_OWN_SIZE = 64
_VERSION = 1  # raise it when the same file would give other bytes
# Files a task: with more, large pictures would leave a thread idle at the end; with one, small ones cost more.
_CHUNK = 8
_HEAD = 256 << 10
_META = "cache.json"


@dataclass(frozen=True, eq=False)
class Cached:
    """The pictures of a listing, decoded.

    images: (M, C, H, W) uint8, read-only memory map; rows: (M,) which files they are, rising; hashes: (M, 32) SHA-256
    of each file; times: (M,) when taken, -1 unknown; failures: (row, reason) of the files that are not among them.
    folder: where all this lies, and small results that depend on it may lie too.
    """

    images: NDArray[np.uint8]
    rows: NDArray[np.int64]
    hashes: NDArray[np.uint8]
    times: NDArray[np.int64]
    failures: tuple[tuple[int, str], ...]
    folder: Path


@dataclass(frozen=True)
class Fitting:
    """How pictures are to be stored; size or channels None: as the pictures have it (`open_or_build`). manner: what
    each is brought into first, None for nothing; it needs a size and 1 channel."""

    size: tuple[int, int] | None
    channels: int | None
    fit: Fit
    background: Colour
    manner: str | None = None


def open_or_build(
    listed: Files, names: tuple[str, ...], fitting: Fitting, root: str, progress: Progress | None = None
) -> Cached:
    """The decoded pictures, from the cache or made now.

    Size None: the size that all pictures share, if it is at most 64 x 64; else 64 x 64. Channels None: 1 if every
    picture is grey, else 3. Files that can't be decoded are in `failures`. Raises MissingHeic, and `RunFailed` where
    the disk is full.
    """
    asked = repr([fitting.size, fitting.channels, fitting.fit, fitting.background, _VERSION, PIL.__version__])
    if fitting.manner is not None:
        asked += repr(MANNERS.get(fitting.manner))
    key = hashlib.sha256(f"{listed.key}\t{asked}".encode()).hexdigest()
    folder = places.cache_folder() / "pictures" / key[:32]
    cached = _open(folder, key)
    if cached is None:
        try:
            meta = _build(folder, listed, names, fitting, progress)
        except RunFailed as error:
            raise RunFailed(
                f"{error} It was for the cache: {places.CACHE_VARIABLE} may name another folder."
            ) from error
        files.write_json(
            folder / _META, meta | {"format": 1, "version": _VERSION, "key": key, "root": root, "asked": asked}
        )
        _remove_older(folder, root, asked)
        cached = _open(folder, key)
        if cached is None:
            raise ConvscopeError(f"the cache in {folder} was changed by another program while it was made. Try again.")
    return cached


def _open(folder: Path, key: str) -> Cached | None:
    """What is in the cache, or None where it is not there, not whole or not of this version."""
    try:
        meta = files.read_json(folder / _META)
        if meta["version"] != _VERSION or meta["key"] != key:
            return None
        count = int(meta["count"])
        images = files.open_array(folder / str(meta["images"]))[:count]
        facts = [files.open_array(folder / f"{name}.npy") for name in ("rows", "hashes", "times")]
        if images.dtype != np.uint8 or images.ndim != 4 or any(len(a) != count for a in (images, *facts)):
            return None
        failures = tuple((int(row), str(reason)) for row, reason in meta["failures"])
    except (ConvscopeError, KeyError, TypeError, ValueError):
        return None
    rows, hashes, times = (np.array(fact) for fact in facts)
    return Cached(images, rows, hashes, times, failures, folder)


class _Mixed(Exception):
    """The pictures are not all of the size that the first one has."""


@dataclass
class _Batch:
    """What a thread made of some files."""

    rows: list[int]
    images: list[NDArray[np.uint8]]
    hashes: list[bytes]
    times: list[int]
    failures: list[tuple[int, str]]
    heic: list[int]
    mixed: bool = False


def _build(
    folder: Path, listed: Files, names: tuple[str, ...], fitting: Fitting, progress: Progress | None
) -> dict[str, Any]:
    """Writes the arrays; returns what `cache.json` is to say of them."""
    size = fitting.size
    shared = None
    if size is None:
        shared = _first_size(listed)
        size = shared or (LARGEST_OWN_SIZE, LARGEST_OWN_SIZE)
    plain = Preprocess(size, fitting.channels or 3, fitting.fit, manner=fitting.manner, background=fitting.background)
    try:
        rows, hashes, times, failures, grey = _decode_all(folder, listed, names, plain, shared, progress)
    except _Mixed:
        plain = plain.replace(size=(LARGEST_OWN_SIZE, LARGEST_OWN_SIZE))
        rows, hashes, times, failures, grey = _decode_all(folder, listed, names, plain, None, progress)
    stored = f"images-{plain.channels}.npy"
    if fitting.channels is None and grey and rows:
        stored = "images-1.npy"
        _first_channel(folder / "images-3.npy", folder / stored, len(rows))
    for name, array in (
        ("rows", np.array(rows, np.int64)),
        ("hashes", np.frombuffer(b"".join(hashes), np.uint8).reshape(len(rows), 32)),
        ("times", np.array(times, np.int64)),
    ):
        with files.writing(folder / f"{name}.npy") as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
    return {"images": stored, "count": len(rows), "failures": failures}


def _first_size(listed: Files) -> tuple[int, int] | None:
    """(height, width) of the first readable picture, if it is small enough to be kept as it is."""
    for i in range(listed.count):
        try:
            with listed.stream(i) as file:
                picture = decode(file)
        except (UnreadablePicture, OSError):
            continue
        small = max(picture.size) <= LARGEST_OWN_SIZE
        return (picture.height, picture.width) if small else None
    return None


def _decode_all(
    folder: Path,
    listed: Files,
    names: tuple[str, ...],
    plain: Preprocess,
    shared: tuple[int, int] | None,
    progress: Progress | None,
) -> tuple[list[int], list[bytes], list[int], list[tuple[int, str]], bool]:
    """Decodes every file into images-C.npy; rows, hashes, times, failures, and whether all pictures are grey.

    shared: the size that every picture must have, or `_Mixed` is raised.
    """
    rows: list[int] = []
    hashes: list[bytes] = []
    times: list[int] = []
    failures: list[tuple[int, str]] = []
    heic: list[int] = []
    grey = True
    shape = (listed.count, plain.channels, *plain.size)
    with files.large_array(folder / f"images-{plain.channels}.npy", np.uint8, shape) as array:
        for done, batch in _batches(listed, plain, shared):
            if batch.mixed:
                raise _Mixed
            if batch.images:
                stacked = np.stack(batch.images)  # (n, C, H, W)
                array[len(rows) : len(rows) + len(stacked)] = stacked
                grey = grey and (plain.channels == 1 or _is_grey(stacked))
            rows += batch.rows
            hashes += batch.hashes
            times += batch.times
            failures += batch.failures
            heic += batch.heic
            if progress is not None:
                progress("decoding pictures", done, listed.count)
    if heic:
        word = "picture is" if len(heic) == 1 else "pictures are"
        raise ConvscopeError(
            f"{len(heic)} {word} HEIC, such as {names[heic[0]]}, and these need one more package. Install it with: "
            "pip install 'convscope[heic]'"
        )
    return rows, hashes, times, failures, grey


def _is_grey(images: NDArray[np.uint8]) -> bool:
    """Whether red, green and blue are the same everywhere. images: (N, 3, H, W)."""
    return bool((images[:, 0] == images[:, 1]).all() and (images[:, 0] == images[:, 2]).all())


def _batches(listed: Files, plain: Preprocess, shared: tuple[int, int] | None) -> Iterator[tuple[int, _Batch]]:
    """(files done, what they gave) in the order of files; a few chunks are on their way at a time."""
    threads = usable_cores()
    starts = iter(range(0, listed.count, _CHUNK))
    waiting: deque[tuple[int, Future[_Batch]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    try:
        while True:
            while len(waiting) < threads + 2 and (start := next(starts, None)) is not None:
                stop = min(start + _CHUNK, listed.count)
                waiting.append((stop, pool.submit(_decode_chunk, listed, range(start, stop), plain, shared)))
            if not waiting:
                return
            stop, future = waiting.popleft()
            yield stop, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _decode_chunk(listed: Files, chunk: range, plain: Preprocess, shared: tuple[int, int] | None) -> _Batch:
    batch = _Batch([], [], [], [], [], [])
    for row in chunk:
        try:
            with listed.stream(row) as file:
                digest, head = _hashed(file)
                picture = plain.decoded(file)
        except MissingHeic:
            batch.heic.append(row)
            continue
        except UnreadablePicture as error:
            batch.failures.append((row, error.reason))
            continue
        except OSError as error:
            batch.failures.append((row, f"it can't be read ({error.strerror or error})"))
            continue
        if shared is not None and (picture.height, picture.width) != shared:
            batch.mixed = True
            return batch
        batch.rows.append(row)
        batch.images.append(plain.fit(picture))
        batch.hashes.append(digest)
        batch.times.append(taken.seconds(head))
    return batch


def _hashed(file: BinaryIO) -> tuple[bytes, bytes]:
    """The SHA-256 of an open file's content, and its first bytes. A large file is read piece by piece."""
    head = file.read(_HEAD)
    digest = hashlib.sha256(head)
    if len(head) == _HEAD:
        while piece := file.read(_HEAD):
            digest.update(piece)
    return digest.digest(), head


def _first_channel(colour: Path, grey: Path, count: int) -> None:
    """Keeps one of three equal channels, a piece at a time."""
    source = files.open_array(colour)
    with files.large_array(grey, np.uint8, (count, 1, *source.shape[2:])) as array:
        for start in range(0, count, 4096):
            array[start : min(start + 4096, count)] = source[start : min(start + 4096, count), :1]
    del source  # Windows removes no file that is mapped
    with contextlib.suppress(RunFailed):
        files.remove_file(colour)


def _remove_older(folder: Path, root: str, asked: str) -> None:
    """Removes what an earlier state of the same data left, which nothing can ask for again."""
    for other in folder.parent.glob(f"*/{_META}"):
        if other.parent == folder:
            continue
        try:
            meta = files.read_json(other)
            stale = meta["root"] == root and meta["asked"] == asked
        except (ConvscopeError, KeyError, TypeError):
            stale = False
        if stale:
            with contextlib.suppress(RunFailed):  # another process may have it open, and Windows keeps it then
                files.remove_file(other)  # first: without it the rest doesn't count
                files.remove_folder(other.parent)
