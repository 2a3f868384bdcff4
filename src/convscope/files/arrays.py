"""Arrays larger than memory: .npy files that appear under their name when they are complete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import ConvscopeError
from convscope.files import disk

if TYPE_CHECKING:  # numpy costs 60 ms at import, and writing text needs none of it
    import numpy as np
    from numpy.typing import DTypeLike, NDArray


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
    part = disk._temporary(target)
    array: LargeArray | None = None
    inside = False
    kind, size = np.dtype(dtype), tuple(int(n) for n in shape)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        disk._sweep(target)
        _reserve(part, kind, size)
        array = LargeArray(np.lib.format.open_memmap(part, mode="r+"))
        inside = True
        yield array
        inside = False
        array._close()
        descriptor = disk._open(part, os.O_RDWR)
        try:
            disk._fsync(descriptor)
        finally:
            os.close(descriptor)
        disk._replace(part, target)
        disk.sync_folder(target.parent)
    except BaseException as error:
        if array is not None:
            array._mapped = None
        with contextlib.suppress(OSError):
            disk._remove(part)
        if isinstance(error, OSError) and not inside:
            raise disk._failed(target, error, disk._kept(target)) from error
        raise


def _reserve(part: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """A .npy file of zeros whose blocks are really taken."""
    import math

    import numpy as np

    descriptor = disk._open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    with os.fdopen(descriptor, "r+b") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        file.flush()
        start, wanted = file.tell(), math.prod(shape) * dtype.itemsize
        allocate = getattr(os, "posix_fallocate", None)
        if wanted and allocate is not None:
            allocate(descriptor, start, wanted)
        else:  # Windows and macOS: write the zeros
            zeros = bytes(8 * disk.CHUNK)
            while wanted > 0:
                wanted -= file.write(zeros[: min(wanted, len(zeros))])


def open_array(path: Path | str) -> NDArray[Any]:
    """A .npy file as a read-only memory map. `ConvscopeError` where it is missing, truncated or no such file."""
    import numpy as np

    try:
        array: NDArray[Any] = np.lib.format.open_memmap(Path(path), mode="r")
    except FileNotFoundError as error:
        raise ConvscopeError(f"there is no file {path}.") from error
    except (OSError, ValueError, EOFError) as error:
        raise ConvscopeError(f"{path} must be a whole .npy file of numbers: {error}.") from error
    return array
