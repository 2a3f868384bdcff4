"""Line ends, commas and brackets: what separates, what is only space, and which bracket opened what.

Stands between lark's lexer and its parser. A line end and a comma mean the same, and a comma beside a line end counts
once. A line end is only space after `(`, around `|`, before `)`, between the values of a call, before a `(` that
what stands before it still needs, and between `)` and `->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lark import Token

from convscope.notation.kinds import KINDS
from convscope.notation.source import NotationError, Source
from convscope.notation.tree import Place

DEEPEST = 60
"""Brackets in brackets; what is deeper was not written by a person, and would exhaust Python's stack."""

_OPENING = {"LPAR", "_CALL", "_LPAR_BRANCHES", "_PIPE"}
_VALUED = {"normal", "truncnormal", "uniform"}
"""Words of an option that take values in brackets."""
_NEEDS_GROUP = {"_EQUAL", "_STAR", "ADD", "CONCAT", "LABEL"}


class Layout:
    """Filters the tokens of one text at a time, and remembers what an error's sentence asks for.

    `given` are the last three tokens that the parser was given, the newest last; `head` is the token that begins the
    current item; `opened` are the brackets that wait for their partner, each with the token before it.
    """

    always_accept = ("COMMA", "NEWLINE", "MALFORMED", "STRANGE")

    def __init__(self) -> None:
        self.begin(Source(""))

    def begin(self, source: Source) -> None:
        """The text that comes next."""
        self.source = source
        self.given: list[Token] = []
        self.head: Token | None = None
        self.opened: list[tuple[Token, Token | None]] = []
        self.piece = ""  # the piece whose `let` is being read
        self._last: Token | None = None
        self._begins = True  # the next token begins an item
        self._awaits_group = False  # `aux` or `regions` still waits for its bracket

    def error(self, token: Token, what: str, hint: str = "") -> NotationError:
        """The error that points at a token; inside a piece it adds where the piece is used."""
        start = token.start_pos or 0
        place = self.source.place(start, start + len(token))
        return self.source.error(place, what, hint, used(self.source, self.piece, place) if self.piece else ())

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens without line ends and commas, with `_SEP` where one separates."""
        comma: Token | None = None
        newline: Token | None = None
        for token in stream:
            kind = token.type
            if kind == "COMMA":
                if comma is not None:
                    raise self.error(token, "two commas in a row: nothing stands between them", "leave one out")
                comma = token
                continue
            if kind == "NEWLINE":
                newline = token
                continue
            if kind == "STRANGE" or kind == "MALFORMED":
                raise self._strange(token)
            if comma is not None or newline is not None:
                if self._separates(token, comma):
                    yield self._separator(Token.new_borrow_pos("_SEP", ",", comma or newline or token))
                comma = newline = None
            self._place(token)
            yield self._give(token)
        if comma is not None and self._last is None:
            raise self.error(comma, "nothing stands before this comma", "leave it out")
        if self.opened:
            raise self.error(self.opened[-1][0], "this '(' has no ')' after it", "close it")

    def _separates(self, token: Token, comma: Token | None) -> bool:
        """Whether what stands before `token`, line ends and perhaps a comma, separates two items."""
        kind, last = token.type, self._last
        if last is None or last.type in _OPENING:
            if comma is not None:
                raise self.error(comma, "nothing stands before this comma", "leave it out")
            return False
        if kind == "_RPAR" or kind == "_PIPE":
            return False
        if comma is not None:
            return True
        if self.opened and self.opened[-1][0].type == "_CALL":
            return False
        if kind == "LPAR":
            return not (self._awaits_group or last.type in _NEEDS_GROUP or self._wants_values(last))
        return not (kind == "ARROW" and last.type == "_RPAR")

    def _wants_values(self, last: Token) -> bool:
        """Whether a bracket on the next line still belongs to `last`: a plain word (`per=map`) has no values."""
        after_key = len(self.given) > 1 and self.given[-2].type == "KEY"
        return self._is_call(last) and (not after_key or last in _VALUED)

    def _is_call(self, last: Token) -> bool:
        """Whether a bracket after `last` opens the values of a piece (or of `normal(0.05)`, or a `let`'s names)."""
        if last.type != "NAME":
            return False
        if last is self.head and last not in KINDS:
            return True
        if self._awaits_group:  # `aux weight=w ( A )`
            return False
        return len(self.given) > 1 and self.given[-2].type in ("KEY", "LET")

    def _separator(self, token: Token) -> Token:
        self._begins = True
        self._awaits_group = False
        self.head = None
        if not self.opened:
            self.piece = ""
        return self._give(token)

    def _place(self, token: Token) -> None:
        """Keeps count of brackets and heads, and gives a bracket the type that the grammar knows it by."""
        kind, last = token.type, self._last
        if kind == "LPAR":
            if last is not None and self._is_call(last):
                token.type = "_CALL"
            elif last is not None and last.type in ("ADD", "CONCAT"):
                token.type = "_LPAR_BRANCHES"
            self.opened.append((token, last))
            if len(self.opened) > DEEPEST:
                raise self.error(token, f"more than {DEEPEST} brackets stand in each other", "name parts with let")
            self._begins = token.type != "_CALL"
            self._awaits_group = False
        elif kind == "_RPAR":
            if not self.opened:
                raise self.error(token, "this ')' has no '(' before it", "leave it out, or open one")
            self.opened.pop()
            self._begins = False
        elif kind == "_PIPE":
            if not self.opened or self.opened[-1][0].type != "_LPAR_BRANCHES":
                raise self.error(token, "'|' stands outside add and concat", "write add( A | B ) or concat( A | B )")
            self._begins = True
        elif kind == "LABEL" or kind == "_STAR":
            self._begins = True
        else:
            if self._begins:
                self.head = token
                self._awaits_group = kind == "REGIONS" or kind == "AUX"
            elif last is not None and last.type == "LET" and not self.opened:
                self.piece = str(token)
            self._begins = False
        self._last = token

    def _give(self, token: Token) -> Token:
        self.given = [*self.given[-2:], token]
        return token

    def _strange(self, token: Token) -> NotationError:
        if token.type == "MALFORMED":
            if re.fullmatch(r"[0-9]+x[A-Za-z]\w*", token):
                hint = "a parameter stands for a whole size: hand 3x3 on"
            elif re.match(r"\.[A-Za-z]", token):
                return self.error(token, "a '.' stands in no name", "names are ASCII letters, digits and _")
            else:
                hint = "write 32, 0.5 or 3x3"
            return self.error(token, f"'{token}' is neither a number nor a size", hint)
        sign = str(token)
        shown = f"'{sign}'" if sign.isprintable() else f"U+{ord(sign):04X}"
        hint = _SIGNS.get(sign, "names are ASCII letters, digits and _" if sign.isalpha() else "")
        return self.error(token, f"{shown} is no sign of the notation", hint)


_SIGNS = {
    ":": "a label is a name before its colon: stem: conv 7x7 64",
    ";": "write a comma",
    "、": "write a comma",
    "/": "no space inside /2",
    "-": "write -> 28x28x32 for a check",
    ">": "write -> 28x28x32 for a check",
    "[": "write ( )",
    "]": "write ( )",
    "+": "there is no arithmetic; add( A | B ) adds what two branches give",
}


def used(source: Source, piece: str, inside: Place) -> tuple[str, ...]:
    """The note that says where the text first uses `piece`; nothing where it doesn't, or where that is `inside`."""
    text = re.sub(r"#[^\n]*", lambda found: " " * len(found[0]), source.text)
    for found in re.finditer(rf"(?<![A-Za-z0-9_]){re.escape(piece)}[ \t]*\(", text):
        if not re.search(r"(?<![A-Za-z0-9_])let[ \t]+$", text[: found.start()]):
            place = source.place(found.start(), found.start() + len(piece))
            if place == inside:
                return ()
            return (f"in the piece '{piece}', used at line {place.line}, column {place.column}",)
    return ()
