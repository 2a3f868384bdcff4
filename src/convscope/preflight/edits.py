"""Edits of a network's text: a layer gets another word, goes, or is followed by another. Knows text, no shapes.

A layer's text begins at its kind's word and ends before the comma, line end, `|`, `)`, `->` or `#` behind it. What
stands in a piece is changed there, for all its uses.
"""

from __future__ import annotations

import re

from convscope.notation import NotationError, parse
from convscope.notation.source import plain
from convscope.notation.tree import Place
from convscope.preflight.finding import Rewrite, offset, rewritten

_END = re.compile(r"->|[,\n|#()]")
_SIZE = re.compile(r"(?<=\s)\d+(x\d+|\.\d+)?(?=\s|$)|(?<=\s)[A-Za-z]\w*(?=\s|$)")


def span(text: str, place: Place) -> tuple[int, int]:
    """Where the layer that begins at `place` stands in the text: start, and end excluded."""
    clean, start = plain(text), offset(text, place.line, place.column)
    depth, at = 0, start
    while (found := _END.search(clean, at)) is not None:
        sign = found[0]
        if sign == "(":
            depth += 1
        elif sign == ")" and depth:
            depth -= 1
        elif not depth:
            return start, start + len(clean[start : found.start()].rstrip())
        at = found.end()
    return start, start + len(clean[start:].rstrip())


def words(text: str, place: Place) -> str:
    """The layer's text: `conv 3x3 32 /2`."""
    start, end = span(text, place)
    return text[start:end]


def _rewrite(text: str, start: int, end: int, new: str) -> Rewrite:
    before = plain(text)[:start]
    line = before.count("\n") + 1
    return Rewrite(line, start - (before.rfind("\n") + 1) + 1, text[start:end], new)


def replaced(text: str, place: Place, new: str) -> Rewrite:
    """The layer becomes another."""
    return _rewrite(text, *span(text, place), new)


def with_word(text: str, place: Place, word: str) -> Rewrite:
    """The layer with an option (`bias=no`) in place of what it says of that option, or behind its last word."""
    key = word.partition("=")[0]
    layer = re.sub(rf"\s+{re.escape(key)}=(\S*\([^)]*\)|\S+)", "", words(text, place))
    return replaced(text, place, f"{layer} {word}")


def without(text: str, place: Place, *patterns: str) -> Rewrite:
    """The layer without the words that match one of the patterns: `pad=2`, `full`, `/2`."""
    layer = words(text, place)
    for pattern in patterns:
        layer = re.sub(rf"\s+(?:{pattern})(?=\s|$)", "", layer)
    return replaced(text, place, layer)


def with_number(text: str, place: Place, number: int, new: str) -> Rewrite:
    """The layer with another value told by place: the 0th is the kernel of a `conv`, the 1st its channels."""
    layer = words(text, place)
    found = [match for match in _SIZE.finditer(layer) if match[0] not in ("same", "valid", "full", "ceil")]
    if number >= len(found):
        return replaced(text, place, f"{layer} {new}")
    match = found[number]
    return replaced(text, place, layer[: match.start()] + new + layer[match.end() :])


def followed(text: str, place: Place, more: str) -> Rewrite:
    """Another layer behind this one, and behind what `->` says of it."""
    start, end = span(text, place)
    arrow = re.compile(r"\s*->\s*[\dx]+").match(plain(text), end)
    stop = arrow.end() if arrow else end
    return _rewrite(text, start, stop, f"{text[start:stop]}, {more}")


def removed(text: str, place: Place) -> Rewrite:
    """The layer goes, with a comma beside it; where a text must have something there, it becomes `identity`."""
    clean = plain(text)
    start, end = span(text, place)
    before, behind = re.search(r"[ \t]*,\s*$", clean[:start]), re.compile(r"[ \t]*,[ \t]*").match(clean, end)
    label = re.search(r"[A-Za-z]\w*[ \t]*:[ \t]*$", clean[:start])
    tries = [(start, end, "")]
    if behind:
        tries.insert(0, (start, behind.end(), ""))
    if before:
        tries.insert(0, (before.start(), end, ""))
    if label is None:
        for attempt in tries:
            edit = _rewrite(text, *attempt)
            if _is_read(rewritten(text, [edit])):
                return edit
    return _rewrite(text, start, end, "identity")


def arrow(text: str, place: Place, size: str) -> Rewrite | None:
    """The first `->` from `place` on says another size."""
    found = re.compile(r"->\s*([\dx]+)").search(plain(text), offset(text, place.line, place.column))
    return None if found is None else _rewrite(text, found.start(1), found.end(1), size)


def at_the_end(text: str, more: str) -> Rewrite:
    """Further layers behind the last one, before the comments that follow it."""
    lines = plain(text).split("\n")
    number = max(i for i, line in enumerate(lines) if line.partition("#")[0].strip())
    said = lines[number].partition("#")[0].rstrip()
    start = sum(len(line) + 1 for line in lines[:number])
    joined = f"{said.rstrip(',').rstrip()}, {more}"
    return _rewrite(text, start, start + len(said), joined)


def _is_read(text: str) -> bool:
    try:
        parse(text)
    except NotationError:
        return False
    return True
