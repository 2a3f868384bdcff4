"""Counted injection (SQLite's method): every call that changes the disk is counted, and the n-th goes wrong.

Imports no torch, so that a child process that is to be killed starts in milliseconds.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convscope.files import disk

PRIMITIVES = ("_open", "_write", "_fsync", "_replace", "_mkdir", "_rmdir", "_remove")

#: What may go wrong at a call. "short" writes half and goes on, "torn" writes half and then finds the disk full;
#: "kill" ends the process before the call, "half-kill" in the middle of a write.
FAULTS = ("eio", "enospc", "short", "torn")
KILLS = ("kill", "half-kill")


class Counter:
    """Counts the calls; where `n` is reached, `fault` happens. `calls` lists the primitives' names in order."""

    def __init__(self, n: int, fault: str) -> None:
        self.n, self.fault = n, fault
        self.calls: list[str] = []

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            return self._strike(name, real, arguments) if len(self.calls) == self.n else real(*arguments)

        return call

    def _strike(self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if self.fault == "kill":
            os._exit(9)
        if self.fault in ("short", "torn", "half-kill"):
            if name != "_write":
                return real(*arguments)
            descriptor, data = arguments
            done = real(descriptor, memoryview(data)[: max(1, len(data) // 2)])
            if self.fault == "half-kill":
                os._exit(9)
            if self.fault == "torn":
                self.n += 1  # the rest of this write meets the full disk
                self.fault = "enospc"
            return done
        number = {"eio": errno.EIO, "enospc": errno.ENOSPC}[self.fault]
        path = next((str(a) for a in arguments if isinstance(a, Path)), None)
        raise OSError(number, os.strerror(number), path)


@contextmanager
def injected(n: int, fault: str) -> Iterator[Counter]:
    """Within the block the `n`-th call of a primitive (from 1) goes wrong; 0 only counts."""
    counter = Counter(n, fault)
    real = {name: getattr(disk, name) for name in PRIMITIVES}
    for name, function in real.items():
        setattr(disk, name, counter.wrap(name, function))
    try:
        yield counter
    finally:
        for name, function in real.items():
            setattr(disk, name, function)
