"""The sentence for a token that the grammar has no place for.

Each case asks what stands before the token, then what the token is; the last one says what the grammar expected.
"""

from __future__ import annotations

from dataclasses import dataclass

from lark import Token, UnexpectedToken

from convscope.notation.kinds import KINDS
from convscope.notation.layout import Layout
from convscope.notation.source import NotationError

_WORDS = ("NAME", "CLASSES", "NUMBER", "SIZE", "STRIDE")
_KEYWORDS = ("LET", "INPUT", "CLASSES", "ADD", "CONCAT", "REGIONS", "AUX")
_ITEMS = ("ADD", "CONCAT", "REGIONS", "AUX", "LABEL", "LPAR", "INPUT")
_BEFORE_ITEM = ("_SEP", "LPAR", "_PIPE", "_LPAR_BRANCHES", "LABEL")

_PIECE = "write let block(c) = ( ... )"


@dataclass(frozen=True, slots=True)
class _Refused:
    """The token, those before it, and what the grammar would have taken."""

    token: Token
    last: Token
    layout: Layout
    accepts: frozenset[str]

    @property
    def kind(self) -> str:
        return self.token.type

    @property
    def at(self) -> Token:
        """What an error about something missing points at."""
        return self.last if self.kind in ("$END", "_SEP") else self.token

    @property
    def follows(self) -> str:
        if self.kind == "$END":
            return "the text ends"
        return "a comma or line end follows" if self.kind == "_SEP" else f"'{self.token}' follows"


_Answer = tuple[str, str, Token]
"""What was wrong, the hint, and the token to point at."""


def explain(unexpected: UnexpectedToken, layout: Layout) -> NotationError:
    """What was wrong with the token that the parser refused."""
    token: Token = unexpected.token
    before = layout.given if token.type == "$END" else layout.given[:-1]
    last = before[-1] if before else Token("", "")
    refused = _Refused(token, last, layout, frozenset(unexpected.accepts or ()))
    answer = _after(refused) or _at(refused)
    if answer is None:
        expected = _expected(refused.accepts)
        if refused.kind in ("$END", "_SEP"):
            answer = (f"the item is not finished: {refused.follows}", expected, last or token)
        else:
            answer = (f"'{token}' can't stand here", expected, token)
    what, hint, at = answer
    return layout.error(at, what, hint)


def _after(refused: _Refused) -> _Answer | None:
    """What stands before the token still needs something else."""
    kind, last, token = refused.kind, refused.last, refused.token
    match last.type:
        case "LABEL":
            what = f"the label '{last[:-1].rstrip()}' has nothing after it: {refused.follows}"
            return what, "a label names the one item after it", last
        case "LET":
            if kind in _KEYWORDS:
                return f"the piece '{token}' is called like a word of the notation", "give it another name", token
            return f"a piece has a name: {refused.follows}", _PIECE, refused.at
        case "KEY":
            return f"'{last}' has no value: {refused.follows}", f"write {last}...", last
        case "ARROW":
            return f"-> has no size: {refused.follows}", "write -> 55x55x96", last
        case "_EQUAL":
            return f"the body of a piece stands in parentheses: {refused.follows}", _PIECE, refused.at
        case "ADD" | "CONCAT":
            return f"{last} has no parentheses: {refused.follows}", f"write {last}( A | B )", refused.at
    given = refused.layout.given[: None if kind == "$END" else -1]
    if last.type == "_STAR" or (len(given) > 1 and given[-2].type == "_STAR" and last.type in _WORDS):
        what = "what is repeated stands in parentheses"
        return f"{what}: {refused.follows}" if last.type == "_STAR" else what, "write 3 * ( ... )", refused.at
    if len(given) > 1 and given[-2].type == "LET":
        return f"the piece '{last}' has no parentheses", f"write let {last}() = ( ... )", last
    if {"LPAR", "KEY"} <= refused.accepts:
        return f"the parentheses of aux or regions are missing: {refused.follows}", "write aux ( ... )", refused.at
    if refused.accepts == {"_EQUAL"}:
        return f"a piece has a name, parentheses and '=': {refused.follows}", _PIECE, refused.at
    return None


def _at(refused: _Refused) -> _Answer | None:
    """The token stands in a wrong place."""
    kind, last, token, layout = refused.kind, refused.last, refused.token, refused.layout
    opened, opener = layout.opened[-1] if layout.opened else (None, None)
    if opened is not None and token is opened:
        opened, opener = layout.opened[-2] if len(layout.opened) > 1 else (None, None)
    if opened is not None and opened.type == "_CALL" and opener is not None and kind not in ("_EQUAL", "$END"):
        if last.type == "NAME" and last in KINDS:
            return f"the label '{opener}' has no colon", f"write {opener}: ( ... )", opener
        return f"a comma is missing before '{token}'", f"write , {token}", token
    if kind == "_EQUAL":
        return "no space inside key=value", f"write {last}=...", token
    if kind == "LET":
        return "'let' stands where no piece can be defined", "define it at the top, outside brackets", token
    head = layout.head
    unlabelled = head is not None and head.type == "NAME" and head not in KINDS and token is not head
    if unlabelled and (kind in ("_STAR", "LPAR") or (kind in _ITEMS and last is head)):
        return f"the label '{head}' has no colon", f"write {head}: ...", head or last
    if kind == "_STAR":
        if last.type in _WORDS:
            return f"a comma is missing before '{last} *'", f"write , {last} *", last
        return "a count stands before '*', at the start of an item", "write 3 * ( ... )", token
    if kind == "LPAR" and last.type == "NAME" and last in KINDS:
        write = KINDS[str(last)].example or str(last)
        return f"'{last}' takes no parentheses", f"write {write}; before a group stands a comma", token
    if kind == "LPAR" and last.type == "NAME" and last.end_pos == token.start_pos:
        return f"a comma is missing before '{last}('", f"write , {last}(", last
    if kind in _ITEMS and last.type not in _BEFORE_ITEM:
        return f"a comma is missing before '{token}'", f"write , {token}", token
    if (last.type == "_RPAR" or "_SEP" in refused.accepts) and kind in (*_WORDS, "KEY"):
        return f"a comma is missing before '{token}'", f"write , {token}", token
    if kind == "ARROW" and last.type in (*_BEFORE_ITEM, ""):
        return "-> stands after an item, and on its line", "write conv 3x3 32 -> 28x28x32", token
    if kind in ("NUMBER", "SIZE", "STRIDE", "KEY") and last.type in (*_BEFORE_ITEM, ""):
        return f"an item begins with a name. Got '{token}'", "a layer's name stands first: conv 3x3 32", token
    if head is not None and head.type in ("NUMBER", "SIZE") and kind != "ARROW":
        return f"an item begins with a name. Got '{head}'", "a layer's name stands first: conv 3x3 32", head
    return None


_SHOWN = {
    "_SEP": "a comma", "_RPAR": "')'", "LPAR": "'('", "_CALL": "'('", "_LPAR_BRANCHES": "'('", "_PIPE": "'|'",
    "_STAR": "'*'", "_EQUAL": "'='", "NAME": "a word", "NUMBER": "a number", "SIZE": "a size", "ARROW": "'->'",
    "STRIDE": "a stride", "$END": "the end",
}  # fmt: skip


def _expected(accepts: frozenset[str]) -> str:
    shown = dict.fromkeys(sign for name, sign in _SHOWN.items() if name in accepts)
    return "expected " + " or ".join(shown) if shown else ""
