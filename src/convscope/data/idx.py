"""The IDX format of MNIST and Fashion-MNIST, packed with gzip or not.

Knows the format (yann.lecun.com/exdb/mnist): two zero bytes, a type code (8 is uint8), the number of axes, each size as
a big-endian 32-bit number, then the values. Knows no data set.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from convscope.errors import ConvscopeError


def unpacked(path: Path, size: int) -> bytes:
    """The file's content, without gzip where it is packed with it: `size` bytes, or `ConvscopeError`."""
    try:
        with path.open("rb") as raw:
            return _unpacked(raw, size, path)
    except OSError as error:
        raise ConvscopeError(f"{path} can't be read: {error.strerror or error}.") from error


def unpacked_bytes(data: bytes, size: int, name: str) -> bytes:
    """The same for a file's bytes; `name` is for the message."""
    return _unpacked(io.BytesIO(data), size, name)


def _unpacked(raw: BinaryIO, size: int, name: Path | str) -> bytes:
    """Never more than size + 1 bytes are unpacked, whatever the file claims."""
    again = "Remove it and get it again with: convscope data get NAME"
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    try:
        if packed:
            with gzip.GzipFile(fileobj=raw) as file:
                data = file.read(size + 1)
        else:
            data = raw.read(size + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ConvscopeError(f"{name} is truncated or damaged: {error}. {again}") from error
    if len(data) != size:
        came = f"more than {size}" if len(data) > size else str(len(data))
        raise ConvscopeError(
            f"{name} must hold {size} bytes when unpacked. It holds {came}: it is truncated, or another file. {again}"
        )
    return data


def parse(data: bytes, path: Path | str) -> NDArray[np.uint8]:
    """The array in an IDX file of uint8 values. `path` is for the message alone."""
    wrong = ConvscopeError(f"{path} must be an IDX file of bytes (0x00000801 or 0x00000803). It is not.")
    if len(data) < 8 or data[:3] != b"\x00\x00\x08" or not 1 <= data[3] <= 4 or len(data) < 4 + 4 * data[3]:
        raise wrong
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", data[3], 4))
    start = 4 + 4 * data[3]
    if int(np.prod(shape, dtype=np.int64)) != len(data) - start:
        raise wrong
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
