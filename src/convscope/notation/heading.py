"""What stands before the layers: `input 28x28x1` and `classes 10`; and the same as a flag's value."""

from __future__ import annotations

from lark import Token
from lark import Tree as Parsed

from convscope.notation.answers import unknown_word
from convscope.notation.scope import Scope, first_token, raw_value, shown


def read_heading(form: Parsed[Token], bare: bool, late: bool, twice: bool, scope: Scope) -> tuple[int, ...]:
    """The three numbers of an input, or the one of `classes`.

    `bare` says that it has no label and no check, `late` that a layer stands before it, `twice` that it was there.
    """
    head, *words = form.children
    assert isinstance(head, Token)
    name = str(head)
    takes, example = ("size", "input 28x28x1") if name == "input" else ("number", "classes 10")
    if not bare:
        raise scope.error(head, f"'{name}' takes no label and no -> check", f"write {example}")
    if late:
        raise scope.error(head, f"'{name}' stands after a layer", "it stands once, before the first layer")
    if twice:
        raise scope.error(head, f"'{name}' stands twice", "leave one out")
    if not words:
        raise scope.error(head, f"'{name}' has no {takes}", f"write {example}")
    token = words[0]
    if not isinstance(token, Token) or len(words) > 1:
        extra = first_token(words[-1])
        if extra.type == "NAME":
            raise unknown_word(extra, scope, f"'{name}'")
        raise scope.error(extra, f"'{name}' takes one {takes} and no more", f"write {example}")
    raw = raw_value(token, scope)
    if name == "input":
        if not isinstance(raw, tuple) or len(raw) != 3:
            raise scope.error(token, f"an input is height x width x channels. Got {shown(raw)}", f"write {example}")
        if min(raw) < 1:
            raise scope.error(token, f"an input's height, width and channels are at least 1. Got {token}")
        return raw
    if not isinstance(raw, int):
        raise scope.error(token, f"classes takes a whole number. Got {shown(raw)}", f"write {example}")
    if raw < 1:
        raise scope.error(token, f"the classes must be at least 1. Got {raw}")
    return (raw,)
