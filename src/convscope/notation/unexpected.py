"""The sentence for a token that the grammar has no place for."""

from __future__ import annotations

import re

from lark import Token, UnexpectedToken

from convscope.notation.kinds import KINDS
from convscope.notation.layout import Layout
from convscope.notation.source import NotationError, Source
from convscope.notation.tree import Place

_STARTS = {"NAME", "LABEL", "LPAR", "LET", "INPUT", "CLASSES", "ADD", "CONCAT", "REGIONS", "AUX"}


def explain(unexpected: UnexpectedToken, layout: Layout) -> NotationError:
    """What was wrong with the token that the parser refused."""
    token: Token = unexpected.token
    at_end = token.type == "$END"
    last = layout.last if at_end else layout.before
    if last is None:
        last = token
    what, hint, at = _sentence(token, last, at_end, unexpected.accepts or set())
    return layout.error(at, what, hint)


def _sentence(token: Token, last: Token, at_end: bool, accepts: set[str]) -> tuple[str, str, Token]:
    """What to say, the hint, and the token to point at."""
    follows = (
        "the text ends" if at_end else "a comma or line end follows" if token.type == "_SEP" else f"'{token}' follows"
    )
    kind, before = token.type, last.type
    if before == "LABEL":
        return (
            f"the label '{last[:-1].rstrip()}' has nothing after it: {follows}",
            "a label names the one item after it",
            last,
        )
    if before == "LET":
        if kind in ("ADD", "CONCAT", "REGIONS", "AUX", "INPUT", "CLASSES", "LET"):
            return f"the piece '{token}' is called like a word of the notation", "give it another name", token
        return f"a piece has a name: {follows}", "write let block(c) = ( ... )", last if at_end else token
    if before == "_STAR":
        if kind == "NAME" or kind == "NUMBER":
            what = f"what is repeated stands in parentheses. Got '{token}'"
            return what, f"write * ( {token} ... )" if kind == "NAME" else "write 3 * ( ... )", token
        return f"a repeat needs what is repeated: {follows}", "write 3 * ( ... )", last if at_end else token
    if before == "_EQUAL" or kind == "_EQUAL":
        if kind == "_EQUAL" and before == "NAME":
            if "_CALL" in accepts and len(accepts) == 1:
                return f"the piece '{last}' has no parentheses", f"write let {last}() = ( ... )", token
            return "no space inside key=value", f"write {last}=...", token
        if before == "_EQUAL":
            return (
                f"the body of a piece stands in parentheses: {follows}",
                "write let block(c) = ( ... )",
                last if at_end else token,
            )
    if before == "KEY":
        return f"'{last}' has no value: {follows}", f"write {last}...", last
    if before == "ARROW":
        return f"-> has no size: {follows}", "write -> 55x55x96", last
    if kind == "_STAR":
        return "a count stands before '*', at the start of an item", "write 3 * ( ... )", token
    if kind == "LET":
        return "'let' stands where no piece can be defined", "define it at the top, outside brackets", token
    if kind == "LPAR" and before in ("NAME", "NUMBER", "SIZE", "STRIDE", "CLASSES"):
        if last in KINDS:
            return f"'{last}' takes no parentheses", "write conv 5x5 32; before a group, a comma", token
        return "a comma is missing before '('", "write , (", token
    if kind in ("ADD", "CONCAT", "REGIONS", "AUX", "LABEL", "LPAR", "INPUT", "_CALL") and before not in (
        "_SEP",
        "LPAR",
        "_PIPE",
    ):
        return f"a comma is missing before '{token}'", f"write , {token}", token
    if before in ("ADD", "CONCAT"):
        return f"{last} has no parentheses: {follows}", f"write {last}( A | B )", last if at_end else token
    if before in ("REGIONS", "AUX") or ("LPAR" in accepts and not at_end and kind == "_SEP"):
        return f"parentheses are missing: {follows}", "write ( ... )", last if at_end else token
    if kind in ("NUMBER", "SIZE", "STRIDE", "KEY") and before in (
        "_SEP",
        "LPAR",
        "_PIPE",
        "_LPAR_BRANCHES",
        token.type,
    ):
        return f"an item begins with a name. Got '{token}'", "a layer's name stands first: conv 3x3 32", token
    if before in ("_RPAR",) and kind in ("NAME", "NUMBER", "SIZE", "STRIDE", "KEY", "CLASSES"):
        return f"a comma is missing before '{token}'", f"write , {token}", token
    if at_end:
        return "the text ends in the middle of an item", _expected(accepts), last
    return f"'{token}' can't stand here", _expected(accepts), token


_SHOWN = {
    "_SEP": "a comma", "_RPAR": "')'", "LPAR": "'('", "_CALL": "'('", "_LPAR_BRANCHES": "'('", "_PIPE": "'|'",
    "_STAR": "'*'", "_EQUAL": "'='", "NAME": "a word", "NUMBER": "a number", "SIZE": "a size", "ARROW": "'->'",
    "$END": "the end", "STRIDE": "a stride",
}  # fmt: skip


def _expected(accepts: set[str]) -> str:
    shown = dict.fromkeys(_SHOWN[name] for name in _SHOWN if name in accepts)
    return "expected " + " or ".join(shown) if shown else ""


def first_use(source: Source, name: str) -> Place | None:
    """Where the text first uses the piece `name`."""
    text = re.sub(r"#[^\n]*", lambda found: " " * len(found[0]), source.text)
    for found in re.finditer(rf"(?<![A-Za-z0-9_]){name}[ \t]*\(", text):
        if not re.search(r"(?<![A-Za-z0-9_])let[ \t]+$", text[: found.start()]):
            return source.place(found.start(), found.start() + len(name))
    return None
