"""CIFAR-10 and CIFAR-100 in their binary form, which needs no pickle.

Knows the records (www.cs.toronto.edu/~kriz/cifar.html): one label byte (CIFAR-100: two, coarse and fine), then 3072
bytes, 1024 of red, green and blue each, row by row; and how to take the files out of their .tar.gz.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convscope.data.known import KnownFile
from convscope.errors import ConvscopeError

_PIXELS = 3 * 32 * 32
_MOST_MEMBERS = 1000
_BESIDE = 1 << 20  # bytes that an archive may hold beside the files wanted: class names and a page


def parse(data: bytes, label_bytes: int, classes: int, path: Path | str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """images: (N, 3, 32, 32) uint8; labels: (N,), of several label bytes the last. `path` is for the message alone."""
    record = label_bytes + _PIXELS
    if not data or len(data) % record:
        raise ConvscopeError(
            f"{path} must hold records of {record} bytes, a label and 32 x 32 pixels. It holds {len(data)} bytes: "
            "it is truncated, or another file."
        )
    table = np.frombuffer(data, np.uint8).reshape(-1, record)
    labels = table[:, label_bytes - 1].astype(np.int64)
    wrong = np.flatnonzero(labels >= classes)
    if len(wrong):
        raise ConvscopeError(
            f"{path} must hold labels 0 to {classes - 1}. Picture {int(wrong[0])} has {int(labels[wrong[0]])}: it is "
            "damaged, or another file."
        )
    return np.ascontiguousarray(table[:, label_bytes:]).reshape(-1, 3, 32, 32), labels


def unpack(packed: bytes, wanted: tuple[KnownFile, ...], path: Path | str) -> dict[str, bytes]:
    """The wanted files of a .tar.gz, by name. `ConvscopeError` where one is missing, or the archive can't be trusted.

    A member counts by the last part of its name, its kind (a plain file) and its exact size; nothing is written, so no
    path in an archive can lead anywhere; and no more is unpacked than these files and a little beside them.
    """
    sizes = {file.name: file.bytes for file in wanted}
    most = sum(sizes.values()) + _BESIDE
    found: dict[str, bytes] = {}
    members = total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r|gz") as tar:
            for member in tar:
                members, total = members + 1, total + member.size
                if members > _MOST_MEMBERS or total > most:
                    raise ConvscopeError(
                        f"{path} must hold at most {_MOST_MEMBERS} files and {most} bytes. It holds more: it is "
                        "not the archive that it claims to be."
                    )
                name = member.name.rpartition("/")[2]
                if member.isreg() and not member.issparse() and sizes.get(name) == member.size and name not in found:
                    file = tar.extractfile(member)
                    assert file is not None
                    found[name] = file.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ConvscopeError(f"{path} is truncated or damaged: {error}.") from error
    lacking = [name for name in sizes if len(found.get(name, b"")) != sizes[name]]
    if lacking:
        raise ConvscopeError(
            f"{path} must hold {', '.join(sizes)}, each of its size. It lacks {', '.join(lacking)}: it is not the "
            "binary form of the data set."
        )
    return found
