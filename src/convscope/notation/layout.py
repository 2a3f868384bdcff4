"""Line ends, commas and brackets: what separates, what is only space, and which bracket opened what.

Stands between lark's lexer and its parser. A line end and a comma mean the same, and a comma beside a line end counts
once. A line end is only space after `(`, around `|`, before `)`, between the values of a call, before a `(` that
what stands before it still needs, and between `)` and `->`.
"""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token

from convscope.notation.kinds import KINDS
from convscope.notation.source import NotationError, Source

DEEPEST = 100
"""Brackets in brackets; what is deeper was not written by a person."""

_OPENED = {"LPAR", "_CALL", "_LPAR_BRANCHES", "_PIPE"}


class Layout:
    """Filters the tokens of one text. `last` and `before` are the two tokens that the parser was given last."""

    always_accept = ("COMMA", "NEWLINE", "MALFORMED", "STRANGE")

    def __init__(self) -> None:
        self.source = Source("")
        self.last: Token | None = None
        self.before: Token | None = None

    def begin(self, source: Source) -> None:
        """The text that comes next."""
        self.source = source
        self.last = self.before = None

    def error(self, token: Token, what: str, hint: str = "") -> NotationError:
        """The error that points at a token."""
        start = token.start_pos or 0
        return self.source.error(self.source.place(start, start + len(token)), what, hint)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens without line ends and commas, with `_SEP` where one separates."""
        opened: list[Token] = []  # by the type that the parser sees
        comma: Token | None = None
        newline: Token | None = None
        last: Token | None = None
        at_head = True  # the next token begins an item
        headed = False  # the last token is the name that begins an item
        awaits_group = False  # `aux`, `regions` or `let` still waits for its bracket
        for token in stream:
            kind = token.type
            if kind == "COMMA":
                if comma is not None:
                    raise self.error(token, "two commas in a row: nothing stands between them", "leave one out")
                comma = token
                continue
            if kind == "NEWLINE":
                newline = newline or token
                continue
            if kind == "STRANGE" or kind == "MALFORMED":
                raise self._strange(token)
            top = opened[-1].type if opened else ""
            if comma is not None or newline is not None:
                after = last.type if last is not None else ""
                if last is None or after in _OPENED:
                    if comma is not None:
                        raise self.error(comma, "nothing stands before this comma", "leave it out")
                elif kind in ("_RPAR", "_PIPE") or (
                    comma is None
                    and (
                        top == "_CALL"
                        or (kind == "LPAR" and (awaits_group or after in ("_EQUAL", "_STAR", "ADD", "CONCAT", "LABEL")))
                        or (kind == "LPAR" and headed and last not in KINDS)
                        or (kind == "ARROW" and after == "_RPAR")
                    )
                ):
                    pass
                else:
                    yield self._pass(Token.new_borrow_pos("_SEP", ",", comma or newline or token))
                    at_head, headed = True, False
                    awaits_group = False
                comma = newline = None
            if kind == "LPAR":
                if (
                    last is not None
                    and last.type == "NAME"
                    and (
                        (headed and last not in KINDS)
                        or (self.before is not None and self.before.type in ("KEY", "LET"))
                    )
                ):
                    token.type = "_CALL"
                elif last is not None and last.type in ("ADD", "CONCAT"):
                    token.type = "_LPAR_BRANCHES"
                opened.append(token)
                if len(opened) > DEEPEST:
                    raise self.error(token, f"more than {DEEPEST} brackets stand in each other", "name parts with let")
                at_head, headed = token.type != "_CALL", False
                awaits_group = False
            elif kind == "_RPAR":
                if not opened:
                    raise self.error(token, "this ')' has no '(' before it", "leave it out, or open one")
                opened.pop()
                at_head = headed = False
            elif kind == "_PIPE":
                if top != "_LPAR_BRANCHES":
                    raise self._pipe(token, opened)
                at_head, headed = True, False
            elif kind in ("LABEL", "_STAR"):
                at_head, headed = True, False
            else:
                headed = at_head and kind == "NAME"
                awaits_group = awaits_group or (at_head and kind in ("REGIONS", "AUX"))
                at_head = False
            last = token
            yield self._pass(token)
        if opened:
            raise self.error(opened[-1], "this '(' has no ')' after it", "close it")

    def _pass(self, token: Token) -> Token:
        self.before, self.last = self.last, token
        return token

    def _pipe(self, token: Token, opened: list[Token]) -> NotationError:
        return self.error(token, "'|' stands outside add and concat", "write add( A | B ) or concat( A | B )")

    def _strange(self, token: Token) -> NotationError:
        if token.type == "MALFORMED":
            return self.error(token, f"'{token}' is neither a number nor a size", "write 32, 0.5 or 3x3")
        sign = str(token)
        hints = {
            ":": "a label is a name before its colon: stem: conv 7x7 64",
            ";": "write a comma",
            "、": "write a comma",
            "/": "no space inside /2",
            "-": "write -> 28x28x32 for a check",
            ">": "write -> 28x28x32 for a check",
            "[": "write ( )",
            "]": "write ( )",
            "+": "there is no arithmetic; add( A | B ) adds what two branches give",
            "{": "write its partner",
            "}": "write its partner",
        }
        return self.error(token, f"'{sign}' is no sign of the notation", hints.get(sign, ""))
