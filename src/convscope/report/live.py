"""The one line of a terminal that is drawn over. Knows streams and columns; knows nothing of what the line says."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

from convscope.report.text import crop, padded, safe, width

_FEWEST = 20


def draws_over(stream: TextIO) -> bool:
    """Whether a line of the stream may be drawn over: it is a terminal, and one that can go back in its line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


class LiveLine:
    """Drawn anew in one write; blanks cover what was longer, so no escape code is needed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn = 0  # columns of the line that stands there

    @property
    def columns(self) -> int:
        """How wide it may be now: the last column stays free, where some terminals begin a new line."""
        return max(_FEWEST, shutil.get_terminal_size().columns - 1)

    def draw(self, text: str) -> None:
        """Shows the text in place of the line before, cut off where it is too wide."""
        columns = self.columns
        line = crop(safe(text, self._stream), columns)
        self._stream.write("\r" + padded(line, min(self._drawn, columns)))
        self._stream.flush()
        self._drawn = width(line)

    def wipe(self) -> None:
        """Leaves an empty line. May be called twice."""
        if self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._stream.flush()
            self._drawn = 0
