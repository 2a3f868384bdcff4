"""What a layer takes: its words, read by its row in `kinds.KINDS`.

Knows the tokens of one layer and answers each wrong one with its own sentence. Knows no structure.
"""

from __future__ import annotations

import re

from lark import Token
from lark import Tree as Parsed

from convscope.notation import foreign, syntax
from convscope.notation.answers import unknown_word
from convscope.notation.kinds import KINDS, PADDING, PADDINGS, STRIDE, Kind
from convscope.notation.rules import Extent, Raw, RefusedValue, Rule, show, show_raw
from convscope.notation.scope import NUMBER_WORDS, Scope, Word, first_token, number, raw_value, shown, size
from convscope.notation.source import NotationError
from convscope.notation.syntax import Parameter, Start, Value
from convscope.notation.tree import Place


def check(rule: Rule, raw: Raw | Parameter, token: Token, scope: Scope, subject: str) -> Value:
    """The value that `rule` makes of what stands at `token`; a parameter waits for its value."""
    if isinstance(raw, Parameter):
        return raw
    if isinstance(raw, str) and raw not in NUMBER_WORDS and token.type == "NAME" and isinstance(rule, Extent):
        raise unknown_word(token, scope, subject)
    try:
        return rule.read(raw)
    except RefusedValue as refused:
        raise scope.error(token, f"{subject} {refused.what}", refused.hint) from None


def option_value(option: Parsed[Token], scope: Scope) -> tuple[Token, Raw | Parameter, Token]:
    """The key of an option, what stands after its `=`, and the token that an error points at."""
    key, value = option.children
    assert isinstance(key, Token)
    assert isinstance(value, Parsed)
    first = value.children[0]
    assert isinstance(first, Token)
    raw = raw_value(first, scope)
    if len(value.children) == 1:
        return key, raw, first
    words = value.children[1]
    assert isinstance(words, Parsed)
    if len(words.children) != 1:
        raise scope.error(first, f"'{first}' takes one number in its parentheses. Got {len(words.children)}")
    inner = words.children[0]
    if not isinstance(inner, Token):
        raise scope.error(first_token(inner), f"'{first}' takes a number in its parentheses")
    deviation = raw_value(inner, scope)
    if not isinstance(deviation, (int, float, Parameter)):
        raise scope.error(inner, f"'{first}' takes a number in its parentheses. Got {show_raw(deviation)}")
    return key, Start(str(first), deviation), first


class _Words:
    """The words of one layer as they are collected."""

    def __init__(self, kind: Kind, head: Token, scope: Scope) -> None:
        self.kind = kind
        self.head = head
        self.scope = scope
        self.by_place: list[tuple[Token, Raw | Parameter]] = []
        self.stride: Value = None
        self.padding: Value = None
        self.flags: dict[str, Place] = {}
        self.options: dict[str, Value] = {}
        self.places: dict[str, Place] = {}

    def once(self, field: str, token: Token, twice: str) -> None:
        if field in self.places:
            raise self.scope.error(token, twice, "leave one out")
        self.places[field] = self.scope.place(token)

    def take(self, word: Word) -> None:
        if not isinstance(word, Token):
            self.take_option(word)
        elif word.type == "STRIDE":
            self.take_stride(word)
        elif word.type in ("NUMBER", "SIZE"):
            self.by_place.append((word, raw_value(word, self.scope)))
        else:
            self.take_word(word)

    def take_stride(self, token: Token) -> None:
        kind, scope = self.kind, self.scope
        if kind.stride == "none":
            raise scope.error(token, f"{kind.name} has no stride", "leave it out")
        if kind.stride == "fixed":
            raise scope.error(token, f"{kind.name} has no stride of its own: it is the kernel", "leave it out")
        self.once("stride", token, f"two strides at {kind.name}")
        self.stride = check(STRIDE, stride_raw(token, scope), token, scope, "a stride")

    def take_word(self, token: Token) -> None:
        kind, scope, name = self.kind, self.scope, str(token)
        if name in scope.parameters or name in NUMBER_WORDS:
            self.by_place.append((token, raw_value(token, scope)))
        elif name in PADDINGS:
            self.take_padding(token, name)
        elif name in kind.flags:
            if name in self.flags:
                raise scope.error(token, f"'{name}' stands twice", "leave one out")
            self.flags[name] = scope.place(token)
        elif name == "ceil":
            if not kind.ceil:
                raise scope.error(token, f"{kind.name} takes no 'ceil': only pooling does", "leave it out")
            if "ceil" in self.places:
                raise scope.error(token, "'ceil' stands twice", "leave one out")
            self.places["ceil"] = scope.place(token)
        else:
            raise unknown_word(token, scope, kind.name, self.known())

    def known(self) -> tuple[str, ...]:
        """The words that this kind takes."""
        paddings = PADDINGS if self.kind.padding and not self.kind.fixed else ()
        return (*self.kind.flags, *paddings, *(("ceil",) if self.kind.ceil else ()))

    def take_padding(self, token: Token, raw: Raw | Parameter) -> None:
        kind, scope = self.kind, self.scope
        if kind.padding is None:
            raise scope.error(token, f"{kind.name} has no padding", "leave it out")
        if kind.fixed:
            raise scope.error(token, f"{kind.name} has no padding to choose: it is '{kind.padding}'", "leave it out")
        self.once("padding", token, f"two paddings at {kind.name}")
        self.padding = raw if isinstance(raw, str) else check(PADDING, raw, token, scope, "pad=")

    def take_option(self, option: Parsed[Token]) -> None:
        kind, scope = self.kind, self.scope
        key, raw, at = option_value(option, scope)
        name = str(key)[:-1]
        if name == "pad" and (kind.padding is not None or name not in kind.options):
            if isinstance(raw, str):
                word = raw if raw in PADDINGS else ""
                raise scope.error(at, f"pad= takes a number or a size. Got '{raw}'", f"write {word}" if word else "")
            self.take_padding(key if kind.padding is None or kind.fixed or "padding" in self.places else at, raw)
            return
        if name not in kind.options:
            known = (*kind.options, *(("pad",) if kind.padding and not kind.fixed else ()))
            what = f"{kind.name} has no option '{name}='"
            hint = foreign.option(name, shown(raw), kind)
            close = foreign.closer(name, known)
            if not hint and close:
                hint = f"did you mean '{close}='?"
            if not hint:
                hint = "it has " + ", ".join(f"{word}=" for word in known) if known else "it has none"
            raise scope.error(key, what, hint)
        self.once(name, key, f"'{name}=' stands twice at {kind.name}")
        given = kind.options[name]
        self.options[name] = check(given.rule, raw, at, scope, f"{name}=")


def stride_raw(token: Token, scope: Scope) -> Raw | Parameter:
    """What stands after the `/` of a stride."""
    text = str(token)[1:]
    inner = Token("NAME", text, (token.start_pos or 0) + 1)
    if re.fullmatch(r"-?\d+(x-?\d+)+", text):
        return size(inner, scope)
    if re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", text):
        return number(inner, scope)
    if text in scope.parameters:
        return Parameter(text, scope.place(token))
    close = foreign.closer(text, scope.parameters)
    raise scope.error(
        token, f"a stride is a number or a size. Got '{text}'", f"did you mean '/{close}'?" if close else "write /2"
    )


def read_layer(head: Token, words: list[Word], scope: Scope) -> syntax.Layer:
    """The layer that a name and its words are; every default filled in."""
    kind = KINDS[str(head)]
    taken = _Words(kind, head, scope)
    for word in words:
        taken.take(word)
    resized = taken.options.get("to") is not None
    values = _by_place(taken, resized)
    options = {option.name: taken.options.get(option.name, option.default) for option in kind.options.values()}
    options |= {name: value for name, value in values.items() if name not in ("kernel", "units")}
    options |= {flag: flag in taken.flags for flag in kind.flags}
    if resized:
        for field, what in (("stride", "a stride"), ("padding", "a padding"), ("ceil", "'ceil'")):
            if field in taken.places:
                raise scope.source.error(
                    taken.places[field], f"{what} stands beside to=, which says the size alone", "leave one out"
                )
        return syntax.Layer(kind.name, options=options, place=scope.place(head), places=taken.places)
    kernel = values.get("kernel")
    stride: Value = taken.stride
    if stride is None:
        stride = (1, 1) if kind.stride == "one" else kernel if kind.stride != "none" else None
    ceil = "ceil" in taken.places
    padding: Value = taken.padding
    if ceil and isinstance(padding, str):
        raise scope.source.error(
            taken.places["ceil"], f"'ceil' stands alone or beside pad=, not beside '{padding}'", "leave one out"
        )
    if padding is None:
        padding = (0, 0) if ceil else kind.padding
    layer = syntax.Layer(
        kind.name,
        kernel=kernel,  # type: ignore[arg-type]  # its rule gives a size
        units=values.get("units"),  # type: ignore[arg-type]
        stride=stride,  # type: ignore[arg-type]
        padding=padding,  # type: ignore[arg-type]
        ceil=ceil,
        options=options,
        place=scope.place(head),
        places=taken.places,
    )
    wrong = disagreement(layer)
    if wrong:
        raise scope.source.error(taken.places.get(wrong[0], layer.place), wrong[1], wrong[2])
    return layer


def _by_place(taken: _Words, resized: bool) -> dict[str, Value]:
    """The values told by place, by their names."""
    kind, scope, given = taken.kind, taken.scope, taken.by_place
    wanted = kind.places
    if resized:
        if given:
            raise scope.error(given[0][0], "a kernel stands beside to=, which takes its place", "leave one out")
        return {}
    wrong_order = (
        len(wanted) == 2 and len(given) >= 2 and isinstance(given[0][1], (int, str)) and isinstance(given[1][1], tuple)
    )
    if wrong_order:
        first, second = given[0][0], given[1][0]
        raise scope.error(first, "the channels stand before the kernel", f"write {kind.name} {second} {first}")
    if len(given) > len(wanted):
        token, raw = given[len(wanted)]
        if isinstance(raw, tuple) and not any(place.name == "kernel" for place in wanted):
            what = f"a size too many: {kind.name} takes no kernel"
        elif not wanted:
            what = f"a number too many: {kind.name} takes none"
        else:
            what = f"a number too many: {kind.name} takes " + " and ".join(place.subject(kind.name) for place in wanted)
        raise scope.error(token, what, foreign.number_too_many(kind, shown(raw)))
    required = sum(place.required for place in wanted)
    if len(given) < required:
        raise _missing(taken)
    values: dict[str, Value] = {}
    for place, (token, raw) in zip(wanted, given, strict=False):
        taken.places[place.name] = scope.place(token)
        if isinstance(raw, tuple) and place.name != "kernel":
            raise scope.error(
                token, f"{place.subject(kind.name)} must be one number. Got the size {token}", f"write {raw[0]}"
            )
        values[place.name] = check(place.rule, raw, token, scope, place.subject(kind.name))
    for place in wanted[len(given) :]:
        values[place.name] = place.default
    return values


def _missing(taken: _Words) -> NotationError:
    kind, scope, given = taken.kind, taken.scope, taken.by_place
    if len(kind.places) == 2 and given:
        token, raw = given[0]
        if isinstance(raw, tuple):
            return scope.error(token, f"{kind.name} has a kernel and no channels", f"write {kind.name} {token} 32")
        return scope.error(
            token,
            f"{kind.name} has one number: its kernel or its channels are missing",
            f"write {kind.name} 3x3 {token}",
        )
    first = kind.places[0]
    if len(kind.places) == 2:
        return scope.error(taken.head, f"{kind.name} has no kernel and no channels", f"write {kind.example}")
    missing = {"kernel": "kernel", "units": "units", "p": "probability"}.get(first.name, first.name)
    also = " and no to=" if "to" in kind.options else ""
    return scope.error(taken.head, f"{kind.name} has no {missing}{also}", f"write {kind.example}")


def disagreement(layer: syntax.Layer) -> tuple[str, str, str] | None:
    """What two values of one layer say against each other: (field, sentence, hint), or None.

    Parameters are left alone; they are asked again when their values are known.
    """
    if KINDS[layer.kind].ceil and isinstance(layer.padding, tuple) and isinstance(layer.kernel, tuple):
        pad, kernel = layer.padding, layer.kernel
        if pad[0] >= kernel[0] or pad[1] >= kernel[1]:
            most = min(kernel) - 1
            return (
                "padding",
                f"in pooling a padding must be smaller than the kernel. Got pad={show(pad)} and kernel {show(kernel)}",
                f"write pad={most}" if most else "leave it out",
            )
    return None
