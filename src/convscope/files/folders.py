"""Folders: new ones, ones that appear whole, and the manifest that says what must be in them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path

from convscope.errors import ConvscopeError, RunFailed
from convscope.files import disk
from convscope.files.read import FORMAT, check_format, read_bytes, read_json, sha256_bytes

MANIFEST = "manifest.json"


def make_folder(path: Path | str) -> Path:
    """The folder, made with those above it where it doesn't exist."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk._failed(folder, error, "The folder could not be made.") from error
    return folder


def new_folder(base: Path | str) -> Path:
    """Makes `base`, or where that exists `base-2`, `base-3`, ...: never one that was there before, in no process."""
    base = Path(base)
    make_folder(base.parent)
    number = 1
    while True:
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            disk._mkdir(folder)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise disk._failed(folder, error, "The folder could not be made.") from error
        else:
            return folder


def write_folder(path: Path | str, contents: Mapping[str, bytes]) -> None:
    """Makes the folder `path`, which must not exist, with these files and a manifest: all of it or nothing.

    Order: each file written and synced; the manifest with the SHA-256 of each, synced; the temporary folder synced;
    its rename to `path`; the folder above synced. `RunFailed` when the disk refuses; then `path` does not exist.
    """
    target = Path(path)
    part = disk._temporary(target)
    try:
        disk._mkdir(part)
        for name, data in contents.items():
            _write_new(part / name, data)
        listed = {name: {"bytes": len(data), "sha256": sha256_bytes(data)} for name, data in contents.items()}
        _write_new(part / MANIFEST, (disk.to_json({"format": FORMAT, "files": listed}) + "\n").encode("utf-8"))
        disk.sync_folder(part)
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        disk._replace(part, target)
    except BaseException as error:
        with contextlib.suppress(RunFailed):
            disk.remove_folder(part)
        if isinstance(error, OSError):
            raise disk._failed(target, error, "What was there before is whole.") from error
        raise
    try:
        disk.sync_folder(target.parent)
    except OSError as error:
        raise disk._failed(target, error, "The folder is there, but it may not outlive a power cut.") from error


def _write_new(path: Path, data: bytes) -> None:
    """A new, synced file in a folder that nobody sees yet."""
    descriptor = disk._open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[disk._write(descriptor, rest) :]
        disk._fsync(descriptor)
    finally:
        os.close(descriptor)


def discard_folder(path: Path | str) -> None:
    """Removes a folder, renamed first: a kill half way leaves nothing that looks like a folder with files missing."""
    part = disk._temporary(path := Path(path))
    with contextlib.suppress(OSError, RunFailed):
        disk._replace(path, part)
        disk.remove_folder(part)


def parts(folder: Path | str) -> list[Path]:
    """What unfinished writers left in the folder. Only who knows that no writer is at work may remove them."""
    return sorted(Path(folder).glob(".*.part"))


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
