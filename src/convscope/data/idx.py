"""The IDX format of MNIST and Fashion-MNIST, packed with gzip or not.

Knows the format (yann.lecun.com/exdb/mnist): two zero bytes, a type code (8 is uint8), the number of axes, each size as
a big-endian 32-bit number, then the values. Knows no data set.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convscope.errors import ConvscopeError


def unpacked(path: Path, size: int) -> bytes:
    """The file's content, without gzip where it is packed with it: `size` bytes, or `ConvscopeError`.

    Never more than size + 1 bytes are unpacked, whatever the file claims.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=raw) as file:
                    data = file.read(size + 1)
            else:
                data = raw.read(size + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ConvscopeError(
            f"{path} is truncated or damaged: {error}. Remove it and get it again with convscope data get."
        ) from error
    except OSError as error:
        raise ConvscopeError(f"{path} can't be read: {error.strerror or error}.") from error
    if len(data) != size:
        came = f"more than {size}" if len(data) > size else str(len(data))
        raise ConvscopeError(
            f"{path} must hold {size} bytes when unpacked. It holds {came}: it is truncated, or another file. "
            "Remove it and get it again with convscope data get."
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
