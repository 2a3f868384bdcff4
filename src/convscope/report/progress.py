"""A bar for what takes a while before training: reading, decoding, downloading. Says nothing of what is quick."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from convscope.report.live import LiveLine, draws_over
from convscope.report.numbers import grouped, seconds
from convscope.report.text import say

_QUIET_SECONDS = 0.5
_PLAIN_SECONDS = 10.0
_BAR = 24


class Progress:
    """Called with (what, done, total); one live line on a terminal, a plain line now and then elsewhere.

    show: False prints nothing. Use it as a context manager, or call `close` at the end.
    """

    def __init__(self, stream: TextIO, show: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self._show, self._clock = stream, show, clock
        self._live = draws_over(stream)
        self._shown = LiveLine(stream)
        self._what = ""
        self._began = self._printed = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __call__(self, what: str, done: int, total: int) -> None:
        """`done` of `total` (0 where nobody knows it) of `what`."""
        if not self._show:
            return
        now = self._clock()
        if what != self._what:
            self.close()
            self._what, self._began, self._printed = what, now, now
        wait = 0.1 if self._live else _PLAIN_SECONDS
        if now - self._began < _QUIET_SECONDS or now - self._printed < wait:
            return
        self._printed = now
        if self._live:
            self._shown.draw(self._line(done, total, now))
        else:
            say(self.stream, self._line(done, total, now))

    def _line(self, done: int, total: int, now: float) -> str:
        if not total:
            return f"{self._what}: {grouped(done)}"
        left = seconds((now - self._began) / max(done, 1) * (total - done))
        counts = f"{grouped(done)} of {grouped(total)}, {left} left"
        if not self._live:
            return f"{self._what}: {counts}"
        bar = "#" * int(done / total * _BAR)
        return f"{self._what} [{bar:.<{_BAR}}] {counts}"

    def close(self) -> None:
        """Wipe the live line. May be called twice."""
        self._shown.wipe()
