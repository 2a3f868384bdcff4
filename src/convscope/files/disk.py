"""Writing to the disk: the primitives, and what is made of them for one file.

Every step of a save is one call of a primitive (`_open`, `_write`, `_fsync`, `_replace`, `_mkdir`, `_rmdir`,
`_remove`), so that a test can make the n-th of them fail, or kill the process there. The other modules of
this room call them as `disk._open(...)`, for the same reason.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import io
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from convscope.errors import ConvscopeError, RunFailed

CHUNK = 1 << 20
_STALE_SECONDS = 24 * 3600.0
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


# The primitives: all that a save does to the disk. Nothing else in this module calls the operating system to change it.


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)


def _write(descriptor: int, data: Any) -> int:
    return os.write(descriptor, data)


def _fsync(descriptor: int) -> None:
    os.fsync(descriptor)


def _replace(source: Path, target: Path) -> None:
    for pause in (0.01, 0.04, 0.15, 0.8):
        try:
            source.replace(target)
            return
        except PermissionError:
            if sys.platform != "win32":
                raise
            time.sleep(pause)  # a virus scanner holds a new file open for some milliseconds
    source.replace(target)


def _mkdir(path: Path) -> None:
    path.mkdir()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _rmdir(path: Path) -> None:
    path.rmdir()


class _Raw(io.FileIO):
    """A file whose writes go through `_write`; after a failure it swallows what the buffer above still holds."""

    discard = False

    def write(self, data: Any, /) -> int:
        return memoryview(data).nbytes if self.discard else _write(self.fileno(), data)


# Failure, in words


def _failed(path: Path, error: OSError, kept: str) -> RunFailed:
    """The sentence for a write that did not happen. `kept` says what became of the file that was there before."""
    if error.errno in _FULL:
        cure = "Free some space there, or choose another place, and run it again."
    elif error.errno in _FORBIDDEN:
        cure = "Choose a place that you may write to, and see that no other program has the file open."
    else:
        cure = "Choose another place, and run it again."
    return RunFailed(f"could not write {path}: {error.strerror or error}. {kept} {cure}")


def _kept(path: Path) -> str:
    return "The file that was there is whole." if path.exists() else "Nothing was written."


# Folders


def sync_folder(path: Path | str) -> None:
    """Makes the folder's names (new files, renames) outlive a power cut. Windows: nothing to do and no way to."""
    if sys.platform == "win32":
        return
    descriptor = _open(Path(path), os.O_RDONLY)
    try:
        _fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems sync no folders
            raise
    finally:
        os.close(descriptor)


def remove_folder(path: Path | str) -> None:
    """Removes a folder and all in it (of a link, the link); none there is no error. `RunFailed` where it can't."""
    folder = Path(path)
    try:
        if folder.is_symlink():
            return _remove(folder)
        for parent, folders, names in os.walk(folder, topdown=False):
            for name in names:
                _remove(Path(parent, name))
            for name in folders:
                below = Path(parent, name)
                _remove(below) if below.is_symlink() else _rmdir(below)
        if folder.exists():
            _rmdir(folder)
    except OSError as error:
        raise RunFailed(f"could not remove {folder}: {error.strerror or error}.") from error


# One file


def _temporary(path: Path) -> Path:
    """A name beside `path` that nobody uses: in the same folder, for a rename doesn't cross file systems."""
    return path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}.part")


def _sweep(path: Path) -> None:
    """Removes what killed writers of this same file left behind: parts that nobody touched for a day."""
    with contextlib.suppress(OSError, RunFailed):
        for part in path.parent.glob(f".{glob.escape(path.name[:80])}.*.part"):
            if time.time() - part.stat().st_mtime > _STALE_SECONDS:
                remove_folder(part) if part.is_dir() else _remove(part)


@contextlib.contextmanager
def writing(path: Path | str) -> Iterator[BinaryIO]:
    """A binary file to write into (seekable); `path` holds all of it when the block ends, or what it held before.

    The bytes go to a new file in the same folder, which is synced and renamed at the end; then the folder is synced.
    Folders above are made. A symbolic link stays one: its target is replaced. What is no regular file (a pipe,
    `/dev/stdout`) is written straight. A failure of the disk raises `RunFailed` with the path and the reason; an error
    of the block itself passes through, and the old file stays.
    """
    given = Path(path)
    if given.is_dir():
        raise ConvscopeError(f"a file is to be written at {given}, but there is a folder. Give another name.")
    if given.exists() and not given.is_file():
        with given.open("wb") as straight:
            yield straight
        return
    target = Path(os.path.realpath(given))
    part = _temporary(target)
    raw: _Raw | None = None
    inside = False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        raw = _Raw(_open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")
        buffer = io.BufferedWriter(raw, CHUNK)
        inside = True
        yield cast(BinaryIO, buffer)
        inside = False
        buffer.flush()
        _fsync(raw.fileno())
        buffer.close()
        _replace(part, target)
    except BaseException as error:
        if raw is not None:
            raw.discard = True
            with contextlib.suppress(OSError, ValueError):
                buffer.close()
            with contextlib.suppress(OSError):
                _remove(part)
        # An OSError of the block is the disk's if it has no file name: a failed open of another file names that one.
        if isinstance(error, OSError) and not (inside and error.filename is not None):
            raise _failed(given, error, _kept(target)) from error
        raise
    try:
        sync_folder(target.parent)
    except OSError as error:
        raise _failed(given, error, "The new file is there, but it may not outlive a power cut.") from error


def write_bytes(path: Path | str, data: bytes | bytearray | memoryview) -> None:
    """Replaces the file by these bytes, with `writing`'s promise."""
    with writing(path) as file:
        file.write(data)


def write_text(path: Path | str, text: str) -> None:
    """Replaces the file by this text: UTF-8, lines end in "\\n" on every system."""
    write_bytes(path, text.encode("utf-8"))


def to_json(value: object, *, indent: int | None = 1) -> str:
    """JSON that every reader takes: no NaN, letters as they are. Raises ValueError or TypeError for what JSON lacks."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def write_json(path: Path | str, value: object) -> None:
    """Replaces the file by this value as JSON. NaN and infinity raise ValueError before anything is written."""
    write_text(path, to_json(value) + "\n")


def append_line(path: Path | str, record: Mapping[str, object], *, sync: bool = False) -> None:
    """Adds one JSON line; with `sync` it is on disk on return. `RunFailed` when the disk refuses.

    Processes and threads may add to one file at once, so nothing is ever cut off: after a half line that a killed
    process or a full disk left comes an empty one, by which `read_lines` knows that the half is to be dropped.
    """
    target = Path(path)
    line = (to_json(dict(record), indent=None) + "\n").encode("utf-8")
    try:
        new = not target.exists()
        descriptor = _open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            size = os.lseek(descriptor, 0, os.SEEK_END)
            os.lseek(descriptor, max(0, size - 1), os.SEEK_SET)
            rest = memoryview(line if os.read(descriptor, 1) in (b"\n", b"") else b"\n\n" + line)
            while rest:
                rest = rest[_write(descriptor, rest) :]
            if sync:
                _fsync(descriptor)
        finally:
            os.close(descriptor)
        if sync and new:
            sync_folder(target.parent)
    except OSError as error:
        raise _failed(target, error, "Its earlier lines are whole.") from error


def remove_file(path: Path | str) -> None:
    """Removes a file; none there is no error."""
    try:
        _remove(Path(path))
    except OSError as error:
        raise RunFailed(f"could not remove {path}: {error.strerror or error}.") from error
