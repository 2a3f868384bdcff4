"""Text that any terminal, pipe and file can take: encodings, control characters, tables, JSON lines.

Knows streams and widths; knows nothing of what is said. Whatever convscope prints goes through `say` or `json_line`.
"""

from __future__ import annotations

import codecs
import json
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, TextIO

_ASCII = str.maketrans({"×": "x", "±": "+-", "–": "-", "—": "-", "−": "-", "→": "->", "…": "...", "≤": "<=", "≥": ">=",
                        "·": ".", "’": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " "})  # fmt: skip
# Marks that turn the direction of a line: a file name with one of them could show itself as another.
_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def safe(text: str, stream: TextIO) -> str:
    """The text as `stream` can show it, for all encodings and whatever a file or class is called.

    What the encoding lacks becomes ASCII: "×" is "x", and "猫" is "\\u732b". Control characters but the newline (an
    escape sequence in a file name) and marks of direction are written out as well.
    """
    return visible(text, getattr(stream, "encoding", None) or "utf-8")


def visible(text: str, encoding: str = "utf-8") -> str:
    """The same for a text that goes into a file of that encoding."""
    text = "".join(_escaped(c) if _hidden(c) else c for c in text)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_in(c, encoding) for c in text)
    except LookupError:
        return "".join(_in(c, "ascii") for c in text)
    return text


def _in(c: str, encoding: str) -> str:
    try:
        c.encode(encoding)
    except UnicodeEncodeError:
        return c.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
    return c


def _hidden(c: str) -> bool:
    return (c < " " and c != "\n") or "\x7f" <= c <= "\x9f" or c in _TURNING or c in "\u2028\u2029"


def _escaped(c: str) -> str:
    return f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"


def one_line(text: str) -> str:
    """A name as part of a line: its newlines are written out."""
    return text.replace("\n", "\\n").replace("\r", "\\r")


def say(stream: TextIO, lines: str | Iterable[str]) -> None:
    """Prints lines, whatever the stream's encoding, and at once."""
    for line in [lines] if isinstance(lines, str) else lines:
        stream.write(safe(line, stream) + "\n")
    stream.flush()


def noted(notes: Iterable[str]) -> list[str]:
    """Notes as they are printed: each of their lines says that it is one."""
    return [f"note: {line}" for note in notes for line in note.splitlines()]


def width(text: str) -> int:
    """The columns that a text takes in a terminal: Chinese, Japanese and Korean signs take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def crop(text: str, columns: int) -> str:
    """As much of the text as fits into so many columns."""
    if width(text) <= columns:
        return text
    kept = text[:columns]
    while width(kept) > columns:
        kept = kept[:-1]
    return kept


def padded(text: str, columns: int, align: str = "<") -> str:
    """The text with spaces up to so many columns: "<" behind it, ">" before it."""
    space = " " * max(0, columns - width(text))
    return space + text if align == ">" else text + space


def table(
    heading: Sequence[str], rows: Iterable[Sequence[str]], align: str = "", stream: TextIO | None = None
) -> list[str]:
    """Lines of a table with aligned columns, a rule below the heading, and two spaces between columns.

    align: a sign for each column, "<" or ">"; those that are missing are "<". stream: where it will be printed, so that
    names which become longer there (`safe`) still stand in their columns. An empty heading leaves heading and rule out.
    """
    cells = [[_cell(cell, stream) for cell in row] for row in ([heading] if heading else []) + list(rows)]
    if not cells:
        return []
    columns = max(len(row) for row in cells)
    align = align + "<" * (columns - len(align))
    widths = [max((width(row[i]) for row in cells if i < len(row)), default=0) for i in range(columns)]
    if heading:
        cells.insert(1, ["-" * w for w in widths])
    return [
        "  ".join(padded(cell, w, a) for cell, w, a in zip(row, widths, align, strict=False)).rstrip() for row in cells
    ]


def _cell(text: str, stream: TextIO | None) -> str:
    text = one_line(text)
    return safe(text, stream) if stream is not None else text


def json_line(obj: Any, stream: TextIO | None = None) -> str:
    """One line of strict JSON, without the newline, for UTF-8 or ASCII: JSON knows no other encoding, so whatever goes
    to a stream of another one (GBK) is escaped.

    Takes plain values, mappings and sequences of them, paths, numpy's numbers and arrays, and what has a `to_json`.
    NaN and the infinities, which JSON lacks, are null.
    """
    plain = _plain(obj)
    line = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    try:
        if codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name == "utf-8":
            line.encode("utf-8")  # a file name of bytes that are no UTF-8 can't be
            return line
    except (UnicodeEncodeError, LookupError):
        pass
    return json.dumps(plain, allow_nan=False)


def _plain(obj: Any) -> Any:
    if obj is None or isinstance(obj, str | bool | int):
        return obj
    if isinstance(obj, float):
        return obj if math.isfinite(obj) else None
    if hasattr(obj, "to_json"):
        return _plain(obj.to_json())
    if isinstance(obj, Mapping):
        return {str(key): _plain(value) for key, value in obj.items()}
    if isinstance(obj, PurePath):
        return str(obj)
    if hasattr(obj, "tolist"):  # numpy, without importing it
        return _plain(obj.tolist())
    if isinstance(obj, Iterable):
        return [_plain(value) for value in obj]
    raise TypeError(f"JSON has no form for {type(obj).__name__}")
