"""What a word may name where it stands, and the numbers, sizes and words that tokens are."""

from __future__ import annotations

from dataclasses import dataclass

from lark import Token
from lark import Tree as Parsed

from convscope.notation import syntax
from convscope.notation.rules import Raw, show, show_raw
from convscope.notation.source import NotationError, Source
from convscope.notation.syntax import Parameter
from convscope.notation.tree import Place

Word = Token | Parsed[Token]
"""One word of a layer: a token, or an option, which lark has made a tree of."""

LARGEST = 10**9
"""The largest number of the notation: what is larger was mistyped, and would only fail later."""

NUMBER_WORDS = ("in", "classes")


@dataclass(slots=True)
class Scope:
    """What a layer's words may name: the pieces defined so far, and the parameters of the piece around."""

    source: Source
    pieces: dict[str, syntax.Piece]
    parameters: tuple[str, ...] = ()
    piece: str = ""
    """The piece that is being defined."""
    later: frozenset[str] = frozenset()
    """All pieces that the text defines, those below included."""

    def place(self, token: Token) -> Place:
        start = token.start_pos or 0
        return self.source.place(start, start + len(token))

    def error(self, token: Token, what: str, hint: str = "") -> NotationError:
        return self.source.error(self.place(token), what, hint)


def number(token: Token, scope: Scope) -> int | float:
    """The number that a token is."""
    text = str(token)
    if len(text) > 40:
        raise scope.error(token, "a number of more than 40 signs")
    value: int | float
    if text.lstrip("+-").isdigit():
        value = int(text)
    else:
        value = float(text)
    if abs(value) > LARGEST:
        raise scope.error(token, f"{text} is more than 1 000 000 000, the largest number")
    return value


def raw_value(token: Token, scope: Scope) -> Raw | Parameter:
    """A number, a size, a word, or a parameter."""
    if token.type == "NUMBER":
        return number(token, scope)
    if token.type == "SIZE":
        return size(token, scope)
    name = str(token)
    if name in scope.parameters:
        return Parameter(name, scope.place(token))
    return name


def size(token: Token, scope: Scope) -> tuple[int, ...]:
    """The numbers of `3x3` or `28x28x1`."""
    if len(token) > 60:
        raise scope.error(token, "a size of more than 60 signs")
    parts = tuple(int(part) for part in token.split("x"))
    if max(parts) > LARGEST:
        raise scope.error(token, f"{max(parts)} is more than 1 000 000 000, the largest number")
    return parts


def first_token(word: Word) -> Token:
    """The token that an error about a word points at."""
    while not isinstance(word, Token):
        word = word.children[0]
    return word


def shown(raw: Raw | Parameter) -> str:
    """A value as its author wrote it."""
    return show(raw) if isinstance(raw, Parameter) else show_raw(raw)
