"""A training shown as it goes: signals, the terminal, the exit code. What `train` and `demo` share."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TextIO

from convscope.data.progress import Progress as Told
from convscope.report.progress import Progress
from convscope.report.terminal import Terminal
from convscope.report.text import json_line, say
from convscope.run import Record, Started, Stopped, Tested, to_json

_BREAK = (getattr(signal, "SIGBREAK"),) if sys.platform == "win32" else ()  # noqa: B009
"""Ctrl-Break: what a process of a group of its own can be sent on Windows."""


class Interruption:
    """Ctrl-C and SIGTERM as a question that the loop asks: the first asks to stop, a second one ends at once."""

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, *_BREAK):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number

    def __call__(self) -> bool:
        return bool(self.signal)


Begin = Callable[[Callable[[], bool], Told], Iterator[Record]]


def watch(begin: Begin, *, quiet: bool = False, as_json: bool = False) -> tuple[int, list[Record]]:
    """Carry out a training and show it; gives the exit code, and its first, last and scored records.

    begin: takes what asks to stop and what is told of the reading of data, and gives the records. A run that is
    interrupted leaves with 130 (Ctrl-C) or 143 (SIGTERM).
    """
    kept: list[Record] = []
    show = not (quiet or as_json)
    with (
        Interruption() as asked,
        Terminal(sys.stdout) as terminal,
        Progress(sys.stderr, show=show) as progress,
    ):

        def reading(what: str, done: int, total: int) -> None:
            if asked() and not kept:  # before a run has begun there is nothing to save; then it stops by itself
                raise KeyboardInterrupt
            announced(progress, sys.stderr, show)(what, done, total)

        try:
            for record in begin(asked, reading):
                progress.close()
                if as_json:
                    print(json_line(to_json(record), sys.stdout), flush=True)
                elif not quiet or isinstance(record, Tested) or _interrupted(record):
                    terminal.show(record)
                if isinstance(record, Started | Tested | Stopped):
                    kept.append(record)
        except KeyboardInterrupt:
            progress.close()
            say(sys.stderr, "interrupted; nothing more was saved")
            return 128 + (asked.signal or signal.SIGINT), kept
        if any(map(_interrupted, kept)):
            return 128 + (asked.signal or signal.SIGINT), kept
    return 0, kept


def announced(progress: Told, stream: TextIO, show: bool = True) -> Told:
    """The same progress, which prints what is told with 0 of 0 as a line of its own: the words before a download."""

    def told(what: str, done: int, total: int) -> None:
        if not done and not total:
            if show:
                say(stream, what)
            return
        progress(what, done, total)

    return told


def _interrupted(record: Record) -> bool:
    return isinstance(record, Stopped) and record.reason == "interrupted"
