"""The only module that writes files: whole or not at all, on disk before it says so, with hashes to prove it.

Knows: write beside the target, sync, rename, sync the folder; one JSON line a record; arrays larger than memory;
manifests. Every step of a save is one call of a primitive (`_open`, `_write`, `_fsync`, `_replace`, `_mkdir`,
`_remove`), so that a test can make the n-th of them fail, or kill the process there. Knows nothing of runs and models.

What differs on Windows: a folder can't be synced there (`sync_folder` does nothing, NTFS journals the rename itself),
and a file that some process maps or scans can't be replaced (`_replace` tries for a second, then says so).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from convscope.errors import ConvscopeError, RunFailed

if TYPE_CHECKING:  # numpy costs 60 ms at import, and writing text needs none of it
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

FORMAT = 1
MANIFEST = "manifest.json"
_CHUNK = 1 << 20
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


def _truncate(descriptor: int, size: int) -> None:
    os.ftruncate(descriptor, size)


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


# One file


def _temporary(path: Path) -> Path:
    """A name beside `path` that nobody uses: in the same folder, for a rename doesn't cross file systems."""
    return path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}.part")


def _sweep(path: Path) -> None:
    """Removes what killed writers of this same file left behind: parts that nobody touched for a day."""
    with contextlib.suppress(OSError):
        for part in path.parent.glob(f".{_escape(path.name[:80])}.*.part"):
            if time.time() - part.stat().st_mtime > _STALE_SECONDS:
                remove_folder(part) if part.is_dir() else _remove(part)


def _escape(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


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
        buffer = io.BufferedWriter(raw, _CHUNK)
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
    """Adds one JSON line; it is whole, or (full disk, `RunFailed`) the file is as before.

    A half line that a killed process left at the end is cut off first. With `sync` the line is on disk on return.
    """
    target = Path(path)
    line = (to_json(dict(record), indent=None) + "\n").encode("utf-8")
    try:
        new = not target.exists()
        descriptor = _open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            size = _end_of_lines(descriptor)
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[_write(descriptor, rest) :]
            except OSError:
                with contextlib.suppress(OSError):
                    _truncate(descriptor, size)
                raise
            if sync:
                _fsync(descriptor)
        finally:
            os.close(descriptor)
        if sync and new:
            sync_folder(target.parent)
    except OSError as error:
        raise _failed(target, error, "Its earlier lines are whole.") from error


def _end_of_lines(descriptor: int) -> int:
    """Cuts a half line off the end of an open file of lines; the size after that."""
    size = end = os.lseek(descriptor, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 4096)
        os.lseek(descriptor, start, os.SEEK_SET)
        block = os.read(descriptor, end - start)
        newline = block.rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        _truncate(descriptor, end)
    return end


def remove_file(path: Path | str) -> None:
    """Removes a file; none there is no error."""
    try:
        _remove(Path(path))
    except OSError as error:
        raise RunFailed(f"could not remove {path}: {error.strerror or error}.") from error


# Reading


def read_bytes(path: Path | str) -> bytes:
    """The file's bytes. `ConvscopeError` where there is none, or it can't be read."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ConvscopeError(f"there is no file {path}.") from error
    except OSError as error:
        raise ConvscopeError(f"{path} can't be read: {error.strerror or error}.") from error


def read_text(path: Path | str) -> str:
    """The file's text: UTF-8, with or without the mark that Windows' editor puts first; lines end in "\\n"."""
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConvscopeError(
            f"{path} must be UTF-8 text. Byte 0x{data[error.start]:02x} in line {line} is not. Save it as UTF-8."
        ) from error
    return text.replace("\r\n", "\n")


def read_json(path: Path | str) -> Any:
    """The JSON value in the file."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ConvscopeError(
            f"{path} must be JSON. In line {error.lineno}, column {error.colno}: {error.msg}."
        ) from error


def read_lines(path: Path | str) -> list[dict[str, Any]]:
    """The JSON objects in a file of lines; a last line without its end (a killed writer's) is dropped."""
    text = read_text(path)
    records: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ConvscopeError(f"{path} must hold one JSON object a line. Line {number}: {error.msg}.") from error
        if not isinstance(record, dict):
            raise ConvscopeError(f"{path} must hold one JSON object a line. Line {number} is {line[:40]!r}.")
        records.append(record)
    return records


def check_format(path: Path | str, found: object) -> None:
    """Refuses a file of a later format than this program knows; `found` is what its `format` says."""
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ConvscopeError(f"{path} must say format = {FORMAT}. It says {found!r}.")
    if found > FORMAT:
        raise ConvscopeError(
            f"{path} has format {found}, and this version of convscope reads formats up to {FORMAT}. "
            "A later version wrote it: update with pip install -U convscope."
        )


# Hashes


def sha256_bytes(data: bytes | bytearray | memoryview) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path | str) -> str:
    """SHA-256 of the file's content in hexadecimal; 1 MiB of memory, whatever its size."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ConvscopeError(f"there is no file {path}.") from error
    except OSError as error:
        raise ConvscopeError(f"{path} can't be read: {error.strerror or error}.") from error


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


def make_folder(path: Path | str) -> Path:
    """The folder, made with those above it where it doesn't exist."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _failed(folder, error, "The folder could not be made.") from error
    return folder


def new_folder(base: Path | str) -> Path:
    """Makes `base`, or where that exists `base-2`, `base-3`, ...: never one that was there before, in no process."""
    base = Path(base)
    make_folder(base.parent)
    number = 1
    while True:
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            _mkdir(folder)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise _failed(folder, error, "The folder could not be made.") from error
        else:
            return folder


def remove_folder(path: Path | str) -> None:
    """Removes a folder and all in it; what can't be removed stays, without an error."""
    shutil.rmtree(path, ignore_errors=True)


def write_folder(path: Path | str, contents: Mapping[str, bytes]) -> None:
    """Makes the folder `path`, which must not exist, with these files and a manifest: all of it or nothing.

    Order: each file written and synced; the manifest with the SHA-256 of each, synced; the temporary folder synced;
    its rename to `path`; the folder above synced. `RunFailed` when the disk refuses; then `path` does not exist.
    """
    target = Path(path)
    part = _temporary(target)
    try:
        _mkdir(part)
        for name, data in contents.items():
            _write_new(part / name, data)
        listed = {name: {"bytes": len(data), "sha256": sha256_bytes(data)} for name, data in contents.items()}
        _write_new(part / MANIFEST, (to_json({"format": FORMAT, "files": listed}) + "\n").encode("utf-8"))
        sync_folder(part)
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        _replace(part, target)
    except BaseException as error:
        remove_folder(part)
        if isinstance(error, OSError):
            raise _failed(target, error, "What was there before is whole.") from error
        raise
    try:
        sync_folder(target.parent)
    except OSError as error:
        raise _failed(target, error, "The folder is there, but it may not outlive a power cut.") from error


def _write_new(path: Path, data: bytes) -> None:
    """A new, synced file in a folder that nobody sees yet."""
    descriptor = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[_write(descriptor, rest) :]
        _fsync(descriptor)
    finally:
        os.close(descriptor)


def discard_folder(path: Path | str) -> None:
    """Removes a folder, renamed first: a kill half way leaves nothing that looks like a folder with files missing."""
    path = Path(path)
    part = _temporary(path)
    with contextlib.suppress(OSError):
        _replace(path, part)
        remove_folder(part)


def parts(folder: Path | str) -> list[Path]:
    """What unfinished writers left in the folder. Only who knows that no writer is at work may remove them."""
    return sorted(Path(folder).glob(".*.part"))


def write_manifest(folder: Path | str) -> None:
    """Writes `manifest.json`: size and SHA-256 of each file in the folder and below, by its relative name with "/"."""
    folder = Path(folder)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    listed = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_file(folder / name)}
        for name in names
        if name != MANIFEST and not name.endswith(".part")
    }
    write_json(folder / MANIFEST, {"format": FORMAT, "files": listed})


def read_manifest(folder: Path | str) -> dict[str, tuple[int, str]]:
    """What the folder's manifest promises: name to (bytes, SHA-256). `ConvscopeError` where it is damaged."""
    path = Path(folder) / MANIFEST
    value = read_json(path)
    damaged = ConvscopeError(f"{path} is damaged: it must list the size and SHA-256 of each file.")
    if not isinstance(value, dict) or not isinstance(value.get("files"), dict):
        raise damaged
    check_format(path, value.get("format"))
    promised: dict[str, tuple[int, str]] = {}
    for name, entry in value["files"].items():
        if not isinstance(entry, dict):
            raise damaged
        size, digest = entry.get("bytes"), entry.get("sha256")
        outside = name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/")
        if type(size) is not int or not isinstance(digest, str) or len(digest) != 64 or outside:
            raise damaged
        promised[name] = (size, digest)
    return promised


def read_verified(folder: Path | str, name: str, promised: tuple[int, str]) -> bytes:
    """The bytes of one file, the very ones that were hashed. `ConvscopeError` names the file and both hashes."""
    path = Path(folder) / name
    data = read_bytes(path)
    size, digest = promised
    found = sha256_bytes(data)
    if len(data) != size or found != digest:
        raise ConvscopeError(
            f"{path} is damaged: it must have {size} bytes with SHA-256 {digest}. "
            f"It has {len(data)} bytes with SHA-256 {found}."
        )
    return data


# Arrays larger than memory


class LargeArray:
    """An array on disk while it is filled: `array[rows] = values`, from any thread; reading gives copies.

    It hands out no view, for a file that is still mapped can't be renamed on Windows.
    """

    def __init__(self, mapped: np.memmap[Any, Any]) -> None:
        self._mapped: np.memmap[Any, Any] | None = mapped
        self.shape: tuple[int, ...] = mapped.shape
        self.dtype: np.dtype[Any] = mapped.dtype

    def _open(self) -> np.memmap[Any, Any]:
        if self._mapped is None:
            raise RuntimeError("this array is finished: read it with files.open_array")
        return self._mapped

    def __len__(self) -> int:
        return self.shape[0]

    def __setitem__(self, rows: Any, values: Any) -> None:
        self._open()[rows] = values

    def __getitem__(self, rows: Any) -> Any:
        import numpy as np

        return np.array(self._open()[rows])

    def _close(self) -> None:
        if self._mapped is not None:
            self._mapped.flush()
            self._mapped = None  # the last reference: the map closes here


@contextlib.contextmanager
def large_array(path: Path | str, dtype: DTypeLike, shape: Sequence[int]) -> Iterator[LargeArray]:
    """A .npy file to be filled piece by piece, without its size in memory; under its name only when it is complete.

    Space is taken before the first write, for a memory map that meets a full disk kills the process instead of raising:
    `RunFailed` comes here, at the start. Values not written are 0.
    """
    import numpy as np

    target = Path(path)
    part = _temporary(target)
    array: LargeArray | None = None
    inside = False
    kind, size = np.dtype(dtype), tuple(int(n) for n in shape)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        _reserve(part, kind, size)
        array = LargeArray(np.lib.format.open_memmap(part, mode="r+"))
        inside = True
        yield array
        inside = False
        array._close()
        descriptor = _open(part, os.O_RDWR)
        try:
            _fsync(descriptor)
        finally:
            os.close(descriptor)
        _replace(part, target)
        sync_folder(target.parent)
    except BaseException as error:
        if array is not None:
            array._mapped = None
        with contextlib.suppress(OSError):
            _remove(part)
        if isinstance(error, OSError) and not inside:
            raise _failed(target, error, _kept(target)) from error
        raise


def _reserve(part: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """A .npy file of zeros whose blocks are really taken."""
    import math

    import numpy as np

    descriptor = _open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    with os.fdopen(descriptor, "r+b") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        file.flush()
        start, wanted = file.tell(), math.prod(shape) * dtype.itemsize
        allocate = getattr(os, "posix_fallocate", None)
        if wanted and allocate is not None:
            allocate(descriptor, start, wanted)
        else:  # Windows and macOS: write the zeros
            zeros = bytes(8 * _CHUNK)
            while wanted > 0:
                wanted -= file.write(zeros[: min(wanted, len(zeros))])


def open_array(path: Path | str) -> NDArray[Any]:
    """A .npy file as a read-only memory map. `ConvscopeError` where it is missing, truncated or no such file."""
    import numpy as np

    try:
        array: NDArray[Any] = np.load(Path(path), mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise ConvscopeError(f"there is no file {path}.") from error
    except (OSError, ValueError, EOFError) as error:
        raise ConvscopeError(f"{path} must be a whole .npy file of numbers: {error}.") from error
    return array
