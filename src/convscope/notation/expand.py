"""Braces: one text that asks a question becomes several texts, one a network.

`{a,b}` is replaced as text before anything else is read. Knows brackets, comments and braces; knows no layer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product
from math import prod

from convscope.errors import nearest
from convscope.notation.source import NotationError, Source, plain

MOST = 10_000
"""The most networks that one text may ask for."""

_NAMED = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)[ \t]*:")
_NAME = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*\Z")
_RANGE = re.compile(r"\s*[-+0-9.eE]+\s*\.\.\s*[-+0-9.eE]+(\s+\w+)?\s*\Z")


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the texts. `choices` says what was chosen: (name, text), unnamed choices being called "1", "2", ... by
    their turn among all braces. `source` maps its places back to the text as written."""

    text: str
    choices: tuple[tuple[str, str], ...]
    source: Source = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class _Brace:
    """One `{...}` of the text: its span, its name, and the spans of its alternatives; none for a `{k}`."""

    start: int
    end: int
    name: str
    options: tuple[tuple[int, int], ...] = ()


def count(text: str) -> int:
    """How many networks a text is."""
    return prod(len(brace.options) for brace in _braces(text) if brace.options)


def refuse_several(text: str) -> None:
    """Raises NotationError for a text with braces where one network is wanted; says how many it is."""
    if "{" not in (clean := plain(text)) and "}" not in clean:
        return
    braces = _braces(text)
    if braces:
        what = f"one network is wanted, and these braces make {count(text)}"
        raise _error(Source(text), braces[0].start, braces[0].end, what, "choose one of each")


def expand(text: str) -> list[Alternative]:
    """All networks of a text, the first brace varying slowest; a text without braces is one.

    Raises NotationError where the braces are wrong; what stands in them is read by `parse`.
    """
    text = text.removeprefix("\ufeff")
    braces = _braces(text)
    chosen = [brace for brace in braces if brace.options]
    total = prod(len(brace.options) for brace in chosen)
    if total > MOST:
        source = Source(text)
        place = source.written_place(braces[0].start, braces[0].end)
        raise source.error(place, f"these braces make {total} networks; {MOST} are the most", "ask less at once")
    clean = _without_comments(plain(text))
    return [
        _alternative(text, clean, braces, dict(zip(map(id, chosen), pick, strict=True)))
        for pick in product(*(brace.options for brace in chosen))
    ]


def _alternative(text: str, clean: str, braces: list[_Brace], pick: dict[int, tuple[int, int]]) -> Alternative:
    if not braces:
        return Alternative(text, (), Source(text))
    parts: list[str] = []
    pieces: list[tuple[int, int, int]] = []
    named: dict[str, str] = {}
    at = length = 0

    def put(part: str, origin: int, whole: int = 0) -> None:
        nonlocal length
        if part:
            pieces.append((length, origin, whole))
            parts.append(part)
            length += len(part)

    for brace in braces:
        put(text[at : brace.start], at)
        if brace.options:
            begin, end = pick[id(brace)]
            named[brace.name] = clean[begin:end]
            put(clean[begin:end], begin)
        else:
            put(named[brace.name], brace.start, brace.end - brace.start)
        at = brace.end
    put(text[at:], at)
    whole = "".join(parts)
    return Alternative(whole, tuple(named.items()), Source(text, whole, tuple(pieces)))


def _without_comments(text: str) -> str:
    if "#" not in text:
        return text
    return re.sub(r"#[^\n]*", lambda found: " " * len(found[0]), text)


def _braces(text: str) -> list[_Brace]:
    """Every brace of the text, checked."""
    clean = _without_comments(plain(text))
    source = Source(text)
    found: list[_Brace] = []
    at = 0
    while True:
        opened, closed = clean.find("{", at), clean.find("}", at)
        if opened < 0 and closed < 0:
            return _named(found, source, clean)
        if opened < 0 or 0 <= closed < opened:
            raise _error(source, closed, closed + 1, "this '}' has no '{' before it", "leave it out, or open one")
        inner = clean.find("{", opened + 1)
        if closed < 0:
            raise _error(source, opened, opened + 1, "this '{' has no '}' after it", "close it")
        if 0 <= inner < closed:
            raise _error(source, inner, inner + 1, "a brace stands in a brace", "write the alternatives out in one")
        found.append(_read(clean, opened, closed + 1, source))
        at = closed + 1


def _read(clean: str, start: int, end: int, source: Source) -> _Brace:
    """One brace; a single word without a comma is taken for a name and answered in `_named`."""
    begin = start + 1
    name = ""
    label = _NAMED.match(clean, begin, end - 1)
    if label:
        name = label[1]
        begin = label.end()
    options: list[tuple[int, int]] = []
    depth = 0
    first = begin
    for at in range(begin, end):
        sign = clean[at]
        if sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth < 0:
                raise _error(source, at, at + 1, "this ')' has no '(' in its alternative", "close it where it opens")
        elif at == end - 1 or (sign == "," and depth == 0):
            if depth > 0:
                raise _error(source, first, at, "a '(' in this alternative has no ')'", "close it before the brace")
            options.append(_strip(clean, first, at))
            first = at + 1
    inside = clean[start + 1 : end - 1]
    if len(options) == 1 and not name:
        if _NAME.match(inside):
            return _Brace(start, end, inside.strip())
        if _RANGE.match(inside):
            raise _error(
                source,
                start,
                end,
                "a range is for the values of a search's recipe, not for a network",
                "write the values: {16,32,64}",
            )
    for begin, stop in options:
        if begin == stop:
            place = (start, end) if len(options) == 1 else (max(begin - 1, start), max(begin, start + 1))
            raise _error(source, *place, "an empty alternative", "write identity where nothing is to be done")
    if len(options) == 1:
        raise _error(source, start, end, "one alternative is no choice", "write two or more, or leave the braces out")
    seen: dict[str, int] = {}
    for begin, stop in options:
        words = " ".join(clean[begin:stop].split())
        if words in seen:
            raise _error(source, begin, stop, f"two alternatives are alike: '{words}'", "leave one out")
        seen[words] = begin
    return _Brace(start, end, name, tuple(options))


def _named(found: list[_Brace], source: Source, clean: str) -> list[_Brace]:
    """The braces with a name each; `{k}` checked against the names given before it."""
    result: list[_Brace] = []
    all_names = [brace.name for brace in found if brace.options and brace.name]
    given: set[str] = set()
    turn = 0
    for brace in found:
        if not brace.options:
            if brace.name in given:
                result.append(brace)
                continue
            if brace.name in all_names:
                raise _error(
                    source,
                    brace.start,
                    brace.end,
                    f"the choice '{brace.name}' is used before it is given",
                    f"write {{{brace.name}: ...}} first",
                )
            close = nearest(brace.name, all_names)
            raise _error(
                source,
                brace.start,
                brace.end,
                f"one alternative is no choice, and no choice is called '{brace.name}'",
                f"did you mean '{{{close}}}'?" if close else "write two or more, or leave the braces out",
            )
        turn += 1
        if brace.name in given:
            raise _error(
                source,
                brace.start,
                brace.end,
                f"two choices are called '{brace.name}'",
                f"write {{{brace.name}}} to repeat the first, or give this one another name",
            )
        if brace.name:
            given.add(brace.name)
        result.append(brace if brace.name else _Brace(brace.start, brace.end, str(turn), brace.options))
    return result


def _strip(text: str, begin: int, end: int) -> tuple[int, int]:
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    return begin, end


def _error(source: Source, start: int, end: int, what: str, hint: str) -> NotationError:
    return source.error(source.written_place(start, end), what, hint)
