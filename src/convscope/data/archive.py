"""Pictures read straight from a .tar, without unpacking it.

Knows which bytes of the archive each file is. The list is kept in the cache, for reading it takes seconds.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from pathlib import Path
from typing import BinaryIO

from convscope import files
from convscope.data import folder, places
from convscope.data.listing import Files, Source
from convscope.errors import ConvscopeError

_MOST_FILES = 2_000_000


def find(spec: str, path: Path, inside: str) -> Source:
    """The data set in a .tar whose pictures lie below the folder `inside`, laid out as `folder` says."""
    status = path.stat()
    key = hashlib.sha256(f"{os.path.realpath(path)}\t{status.st_size}\t{status.st_mtime_ns}".encode()).hexdigest()
    table, system = _index(path, key)
    prefix = f"{inside}/" if inside else ""
    paths = [name[len(prefix) :] for name, _, _ in table if name.startswith(prefix)]
    places_of = [(start, size) for name, start, size in table if name.startswith(prefix)]
    holders = {name.rpartition("/")[0] for name in paths}
    folders = frozenset("/".join(f.split("/")[:n]) for f in holders if f for n in range(1, f.count("/") + 2))
    source, rows = folder.arrange(spec, path, paths, folders, system)
    spans = [places_of[i] for i in rows]
    handles = threading.local()

    def opened(i: int) -> BinaryIO:
        if not hasattr(handles, "file"):  # a handle for each thread: reading moves its position
            handles.file = path.open("rb")
        start, size = spans[i]
        handles.file.seek(start)
        return io.BytesIO(handles.file.read(size))

    return Source(**{**source.__dict__, "files": Files(key, len(spans), opened)})


def _index(path: Path, key: str) -> tuple[list[tuple[str, int, int]], int]:
    """(name, first byte, size) of each regular file, in the order of names; and how many system files there are."""
    kept = places.cache_folder() / "archives" / f"{key[:32]}.json"
    if kept.is_file():
        try:
            stored = files.read_json(kept)
            if stored["key"] == key:
                return [(str(name), int(start), int(size)) for name, start, size in stored["files"]], int(
                    stored["system"]
                )
        except (ConvscopeError, KeyError, TypeError, ValueError):
            pass  # a damaged list is made anew
    try:
        with tarfile.open(path, "r:") as tar:
            table: list[tuple[str, int, int]] = []
            system = 0
            for member in tar:
                if member.isreg() and not member.issparse():
                    if folder.is_left_out(name := member.name.removeprefix("./")):
                        system += 1
                    else:
                        table.append((name, member.offset_data, member.size))
                if len(table) + system > _MOST_FILES:
                    raise ConvscopeError(f"{path} must hold at most {_MOST_FILES} files. It holds more.")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ConvscopeError(f"{path} must be a whole .tar archive: {error}.") from error
    table.sort()
    files.write_json(kept, {"format": 1, "key": key, "system": system, "files": table})
    return table, system
