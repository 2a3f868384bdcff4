"""The text as its author wrote it: places in it, and the errors that point at them.

Knows lines, columns, full-width signs, and which part of a text with braces a replaced text came from. Knows nothing
of layers.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable

from convscope.errors import ConvscopeError
from convscope.notation.tree import Place

# Full-width twins of the ASCII signs and digits (U+FF01 to U+FF5E are "!" to "~"); full-width letters stay, because
# names are ASCII. A carriage return is a space before a line feed and a line end alone; one character stays one.
_TWINS = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if not chr(code - 0xFEE0).isalpha()}
_TWINS |= dict.fromkeys(map(ord, "\u3000\u00a0\f\v\ufeff"), " ") | {ord("×"): "x"}

_WIDEST = 110  # a longer line is shown as a piece of it, around the caret


class NotationError(ConvscopeError):
    """A text that is no network. `line` and `column` count from 1, in the text as written.

    `what` is the sentence alone, `hint` what probably was meant, `notes` where the piece was used.
    """

    def __init__(self, what: str, place: Place, shown: str, hint: str = "", notes: Iterable[str] = ()) -> None:
        self.what = what
        self.hint = hint
        self.line = place.line
        self.column = place.column
        self.place = place
        self.notes = tuple(notes)
        shown = "".join(sign if sign.isprintable() or sign == "\t" else "\ufffd" for sign in shown)
        start = place.column - 1
        length = max(1, min(place.length, max(len(shown) - start, 1)))
        before, shown = _clip(shown, start, length)
        carets = "^" * max(1, _cells(shown[len(before) : len(before) + length]))
        pointer = "".join("\t" if sign == "\t" else " " * _cells(sign) for sign in before) + carets
        lines = [f"line {place.line}, column {place.column}: {what}", f"  {shown}", f"  {pointer}  {hint}".rstrip()]
        lines += [f"  {note}" for note in self.notes]
        super().__init__("\n".join(lines))


def _clip(shown: str, start: int, length: int) -> tuple[str, str]:
    """What stands before the caret, and the line, both cut to a width that a terminal shows."""
    if len(shown) <= _WIDEST:
        return shown[:start], shown
    left = max(0, start - _WIDEST // 2)
    right = max(left + _WIDEST, start + min(length, _WIDEST))
    head = "..." if left else ""
    tail = "..." if right < len(shown) else ""
    return head + shown[left:start], head + shown[left:right] + tail


def _cells(text: str) -> int:
    """How many cells of a terminal the text takes: a Chinese character takes two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


class Source:
    """A text to be read, and where each of its characters stands in the text as written.

    `written` is the author's text; `text` is what the parser reads: ASCII twins for full-width signs, and, for one
    alternative of a text with braces, the braces replaced. `pieces` then says where its parts came from: (start in
    `text`, start in `written`, length in `written` where the whole part stands for one `{name}`, else 0).
    """

    __slots__ = ("_lines", "_origins", "_starts", "_wholes", "text", "written")

    def __init__(self, written: str, text: str | None = None, pieces: tuple[tuple[int, int, int], ...] = ()) -> None:
        self.written = written
        self.text = plain(written) if text is None else plain(text)
        self._starts = [piece[0] for piece in pieces] or [0]
        self._origins = [piece[1] for piece in pieces] or [0]
        self._wholes = [piece[2] for piece in pieces] or [0]
        clean = plain(written)
        self._lines = [0]
        at = clean.find("\n")
        while at >= 0:
            self._lines.append(at + 1)
            at = clean.find("\n", at + 1)

    def place(self, start: int, end: int) -> Place:
        """Where the characters `start` to `end` (of `text`, end excluded) stand in the text as written."""
        if len(self._starts) == 1 and not self._wholes[0]:
            return self.written_place(start + self._origins[0], end + self._origins[0])
        first, whole = self._origin(start)
        last, whole_last = self._origin(max(end - 1, start))
        stop = last + (whole_last or 1)
        if stop <= first:  # a word made of a `{k}` and of letters before it
            stop = first + (whole or 1)
        return self.written_place(first, stop)

    def _origin(self, at: int) -> tuple[int, int]:
        index = bisect_right(self._starts, at) - 1
        whole = self._wholes[index]
        return (self._origins[index] if whole else self._origins[index] + at - self._starts[index]), whole

    def written_place(self, start: int, end: int) -> Place:
        """The place of the characters `start` to `end` of the text as written; cut at the end of the line."""
        line = bisect_right(self._lines, start)
        begin = self._lines[line - 1]
        if line < len(self._lines):
            end = min(end, self._lines[line] - 1)
        return Place(line, start - begin + 1, max(1, end - start))

    def line(self, number: int) -> str:
        """Line `number` (from 1), as written."""
        begin = self._lines[number - 1]
        end = self._lines[number] if number < len(self._lines) else len(self.written)
        return self.written[begin:end].rstrip("\r\n")

    def error(self, place: Place, what: str, hint: str = "", notes: Iterable[str] = ()) -> NotationError:
        """The error that points at `place`."""
        return NotationError(what, place, self.line(place.line), hint, notes)


def plain(text: str) -> str:
    """The text with ASCII twins for full-width signs and one kind of line end; as long as it was."""
    if "\r" in text:
        text = text.replace("\r\n", " \n").replace("\r", "\n")
    return text if text.isascii() and "\f" not in text and "\v" not in text else text.translate(_TWINS)
