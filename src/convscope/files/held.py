"""Folders that one process at a time may work in.

The lock is the operating system's, on a file `.lock` that stays: it ends with its process, however that ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from convscope.errors import ConvscopeError
from convscope.files.disk import _failed, _kept

LOCK = ".lock"
_PATIENCE = 1.0  # seconds: somebody may be looking whether it is held


@contextlib.contextmanager
def held(folder: Path | str, sentence: str) -> Iterator[None]:
    """Holds a folder until the end of the with. Raises ConvscopeError(sentence) where another holds it."""
    from filelock import FileLock, Timeout

    path = Path(folder) / LOCK
    lock = FileLock(path, timeout=_PATIENCE, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise ConvscopeError(sentence) from None
    except OSError as error:
        raise _failed(path, error, _kept(path)) from error
    try:
        yield
    finally:
        lock.release()


def is_held(folder: Path | str) -> bool:
    """Whether a process that still runs, this one too, holds a folder."""
    from filelock import FileLock, Timeout

    path = Path(folder) / LOCK
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0, thread_local=False):
            return False
    except Timeout:
        return True
    except OSError:  # a file that may not be opened tells nothing
        return False
