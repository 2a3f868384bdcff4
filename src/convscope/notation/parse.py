"""Text to syntax tree.

Knows the grammar, the structure of a network and its errors. What a layer takes stands in `arguments`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources
from threading import Lock
from typing import Any

from lark import Lark, Token, UnexpectedInput, UnexpectedToken
from lark import Tree as Parsed

from convscope.notation import foreign, syntax
from convscope.notation.answers import unknown_layer, unknown_piece
from convscope.notation.arguments import check, option_value, read_layer
from convscope.notation.expand import Alternative, refuse_several
from convscope.notation.heading import read_heading
from convscope.notation.kinds import GRID, KINDS, WEIGHT, WORDS
from convscope.notation.layout import Layout, used
from convscope.notation.scope import Scope, first_token, number, raw_value, size
from convscope.notation.source import NotationError, Source
from convscope.notation.syntax import Parameter
from convscope.notation.tree import Place
from convscope.notation.unexpected import explain
from convscope.notation.writeout import write_out

_LAYOUT = Layout()
_READING = Lock()  # the layout keeps the state of one text


@cache
def _grammar() -> Lark:
    """Built when the first text is read: 30 ms that `--help` does not pay."""
    text = resources.files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(
        text, parser="lalr", lexer="basic", postlex=_LAYOUT, propagate_positions=False, maybe_placeholders=False
    )


def read(source: Source) -> syntax.Tree:
    """The tree of one text without braces. What only a piece's use can show is `writeout`'s to refuse."""
    with _READING:
        _LAYOUT.begin(source)
        try:
            parsed = _grammar().parse(source.text)
        except UnexpectedToken as unexpected:
            raise explain(unexpected, _LAYOUT) from None
        except UnexpectedInput as unexpected:  # the lexer takes every sign, so this cannot happen
            raise AssertionError(str(unexpected)) from unexpected
    return _Reader(source).read(parsed)


class _Reader:
    """One walk over what lark parsed."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.scope = Scope(source, {})
        self.items: list[syntax.Item] = []
        self.input: tuple[int, int, int] | None = None
        self.classes: int | None = None

    def read(self, parsed: Parsed[Token]) -> syntax.Tree:
        statements = parsed.children
        self.scope.later = frozenset(
            str(statement.children[1])
            for statement in statements
            if isinstance(statement, Parsed) and statement.data == "piece"
        )
        for statement in statements:
            assert isinstance(statement, Parsed)
            if statement.data == "piece":
                self.piece(statement)
                continue
            form = _form(statement)
            if form.data in ("input", "classes"):
                self.heading(form, bare=len(statement.children) == 1)
            else:
                self.items.append(self.item(statement))
        if not self.items:
            place = Place(1, 1)
            what = "no layer: the text is empty, or nothing but comments"
            if statements:
                what = "no layer: the text has nothing but what stands before the layers"
            raise self.source.error(place, what, "write conv 5x5 32, relu, maxpool 2, dense")
        pieces = tuple(self.scope.pieces.values())
        return syntax.Tree(tuple(self.items), pieces, self.input, self.classes, self.source)

    def error(self, token: Token, what: str, hint: str = "") -> NotationError:
        return self.scope.error(token, what, hint)

    def heading(self, form: Parsed[Token], bare: bool) -> None:
        """`input` or `classes`, before the layers."""
        twice = (self.input if form.data == "input" else self.classes) is not None
        numbers = read_heading(form, bare, bool(self.items), twice, self.scope)
        if len(numbers) == 3:
            self.input = (numbers[0], numbers[1], numbers[2])
        else:
            self.classes = numbers[0]

    # Pieces

    def piece(self, parsed: Parsed[Token]) -> None:
        _, name_token, words, body = parsed.children
        assert isinstance(name_token, Token)
        assert isinstance(words, Parsed)
        assert isinstance(body, Parsed)
        name = str(name_token)
        if name in self.scope.pieces:
            raise self.error(name_token, f"the piece '{name}' is defined twice", "give one another name")
        if name in WORDS:
            called = "a layer" if name in KINDS else "a word of the notation"
            raise self.error(name_token, f"the piece '{name}' is called like {called}", "give it another name")
        parameters: list[str] = []
        for token in words.children:
            if not isinstance(token, Token) or token.type not in ("NAME", "CLASSES"):
                token = first_token(token)
                raise self.error(token, f"a parameter is a name. Got '{token}'", "write let block(c, s) = ( ... )")
            if token in parameters:
                raise self.error(token, f"the parameter '{token}' stands twice", "give one another name")
            if token in WORDS:
                raise self.error(
                    token, f"the parameter '{token}' is called like a word of the notation", "give it another name"
                )
            parameters.append(str(token))
        self.scope.parameters = tuple(parameters)
        self.scope.piece = name
        try:
            group = self.group(body)
        except NotationError as error:
            raise self.with_use(error, name) from None
        self.scope.parameters = ()
        self.scope.piece = ""
        self.scope.pieces[name] = syntax.Piece(name, tuple(parameters), group, self.scope.place(name_token))

    def with_use(self, error: NotationError, name: str) -> NotationError:
        """The error inside a piece, with the first place where the piece is used."""
        notes = used(self.source, name, error.place)
        return NotationError(error.what, error.place, self.source.line(error.line), error.hint, notes)

    # Items

    def item(self, parsed: Parsed[Token]) -> syntax.Item:
        label: str | None = None
        label_place = expect_place = Place(1, 1)
        expect: tuple[int, ...] | None = None
        for child in parsed.children:
            if isinstance(child, Token):
                label = str(child)[:-1].rstrip()
                label_place = self.scope.place(Token("NAME", label, child.start_pos))
            elif child.data == "check":
                token = child.children[1]
                expect = self.expected(first_token(token))
                expect_place = self.scope.place(first_token(token))
        return syntax.Item(self.form(_form(parsed)), label, expect, label_place, expect_place)

    def expected(self, token: Token) -> tuple[int, ...]:
        raw = (
            number(token, self.scope) if token.type == "NUMBER" else
            size(token, self.scope) if token.type == "SIZE" else None
        )  # fmt: skip
        if isinstance(raw, tuple) and len(raw) != 3:
            raise self.error(
                token, f"-> takes height x width x channels, or one number. Got {token}", "write -> 55x55x96"
            )
        if raw is None or isinstance(raw, float):
            raise self.error(
                token,
                f"-> takes height x width x channels, or one whole number. Got '{token}'",
                "write -> 55x55x96 or -> 4096",
            )
        parts = raw if isinstance(raw, tuple) else (raw,)
        if min(parts) < 1:
            raise self.error(token, f"the numbers after -> are at least 1. Got {token}")
        return parts

    def form(self, parsed: Parsed[Token]) -> syntax.Form:
        return _FORMS[parsed.data](self, parsed)

    def misplaced(self, parsed: Parsed[Token]) -> syntax.Form:
        head = first_token(parsed)
        raise self.error(head, f"'{head}' stands inside brackets", "it stands once, before the first layer")

    def layer(self, parsed: Parsed[Token]) -> syntax.Layer:
        head, *words = parsed.children
        assert isinstance(head, Token)
        if head not in KINDS:
            raise unknown_layer(head, words, self.scope)
        return read_layer(head, words, self.scope)

    def call(self, parsed: Parsed[Token]) -> syntax.Call:
        head, words = parsed.children
        assert isinstance(head, Token)
        assert isinstance(words, Parsed)
        name = str(head)
        piece = self.scope.pieces.get(name)
        if piece is None:
            raise unknown_piece(head, words.children, self.scope)
        values: list[Any] = []
        for word in words.children:
            if not isinstance(word, Token) or word.type == "STRIDE":
                token = first_token(word)
                raise self.error(token, f"a value handed to '{name}' is a number or a size. Got '{token}'")
            raw = raw_value(word, self.scope)
            if isinstance(raw, str) and raw != "classes":
                if raw == "in":
                    raise self.error(
                        word,
                        "'in' can't be handed on: it is told by the layer that it stands in",
                        "write in inside the piece",
                    )
                close = foreign.closer(raw, self.scope.parameters)
                raise self.error(
                    word,
                    f"a value handed to '{name}' is a number, a size or a parameter. Got '{raw}'",
                    f"did you mean '{close}'?" if close else "",
                )
            if isinstance(raw, tuple) and len(raw) != 2:
                raise self.error(word, f"a size handed to '{name}' is height x width. Got {word}")
            values.append(raw)
        if len(values) != len(piece.parameters):
            wanted = f"{name}({', '.join(piece.parameters)})"
            raise self.error(
                head,
                f"the piece '{name}' takes {_count(len(piece.parameters), 'value')}. Got {len(values)}",
                f"write {wanted}",
            )
        return syntax.Call(name, tuple(values), self.scope.place(head))

    # Structure

    def group(self, parsed: Parsed[Token]) -> syntax.Group:
        token, sequence = parsed.children
        assert isinstance(token, Token)
        assert isinstance(sequence, Parsed)
        return self.sequence(sequence, token, "the group is empty")

    def sequence(self, parsed: Parsed[Token], opened: Token, empty: str) -> syntax.Group:
        if not parsed.children:
            raise self.error(opened, empty, "write identity where nothing is to be done")
        items = tuple(self.item(child) for child in parsed.children if isinstance(child, Parsed))
        return syntax.Group(items, self.scope.place(opened))

    def repeat(self, parsed: Parsed[Token]) -> syntax.Repeat:
        token, body = parsed.children
        assert isinstance(token, Token)
        assert isinstance(body, Parsed)
        raw = raw_value(token, self.scope)
        if isinstance(raw, str):
            close = foreign.closer(raw, self.scope.parameters)
            raise self.error(
                token,
                f"a count is a whole number or a parameter. Got '{raw}'",
                f"did you mean '{close}'?" if close else "",
            )
        if not isinstance(raw, (int, Parameter)):
            raise self.error(token, f"a count must be a whole number. Got {token}", "write 3 * ( ... )")
        if isinstance(raw, int) and raw < 0:
            raise self.error(token, f"a count must be a whole number from 0. Got {token}")
        return syntax.Repeat(raw, self.form(body), self.scope.place(token))

    def branches(self, parsed: Parsed[Token]) -> syntax.Branches:
        head, *sequences = parsed.children
        assert isinstance(head, Token)
        name = str(head)
        if len(sequences) == 1:
            raise self.error(head, f"{name} has one branch; it takes two or more", f"write {name}( ... | identity )")
        branches = tuple(
            self.sequence(branch, head, f"branch {turn} of this {name} is empty")
            for turn, branch in enumerate(sequences, 1)
            if isinstance(branch, Parsed)
        )
        return syntax.Branches("add" if name == "add" else "concat", branches, self.scope.place(head))

    def regions(self, parsed: Parsed[Token]) -> syntax.Regions:
        head, *words, body = parsed.children
        assert isinstance(head, Token)
        assert isinstance(body, Parsed)
        if not words:
            raise self.error(head, "regions has no number of parts", "write regions 2x2 ( ... )")
        token = words[0]
        if not isinstance(token, Token) or token.type == "STRIDE" or len(words) > 1:
            extra = first_token(words[-1])
            raise self.error(
                extra, f"regions takes one size and its parentheses. Got '{extra}'", "write regions 2x2 ( ... )"
            )
        grid = check(GRID, raw_value(token, self.scope), token, self.scope, "the number of parts")
        assert isinstance(grid, (tuple, Parameter))
        return syntax.Regions(grid, self.group(body), self.scope.place(head))

    def aux(self, parsed: Parsed[Token]) -> syntax.Aux:
        head, *words, body = parsed.children
        assert isinstance(head, Token)
        assert isinstance(body, Parsed)
        weight: Any = None  # a number or a parameter
        for word in words:
            if isinstance(word, Token):
                raise self.error(
                    word, f"aux takes weight= and its parentheses. Got '{word}'", "write aux weight=0.3 ( ... )"
                )
            key, raw, at = option_value(word, self.scope)
            if key != "weight=":
                raise self.error(key, f"aux has no option '{key}'", "it has weight=")
            if weight is not None:
                raise self.error(key, "'weight=' stands twice at aux", "leave one out")
            weight = check(WEIGHT.rule, raw, at, self.scope, "weight=")
        return syntax.Aux(0.3 if weight is None else weight, self.group(body), self.scope.place(head))


_FORMS: dict[str, Callable[[_Reader, Parsed[Token]], syntax.Form]] = {
    "layer": _Reader.layer,
    "call": _Reader.call,
    "group": _Reader.group,
    "repeat": _Reader.repeat,
    "branches": _Reader.branches,
    "regions": _Reader.regions,
    "aux": _Reader.aux,
    "input": _Reader.misplaced,
    "classes": _Reader.misplaced,
}


def _form(item: Parsed[Token]) -> Parsed[Token]:
    """The form of an item, between its label and its check."""
    for child in item.children:
        if isinstance(child, Parsed) and child.data != "check":
            return child
    raise AssertionError("an item has a form")


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def parse(text: str | Alternative) -> syntax.Tree:
    """The syntax tree of a text, or of one alternative of a text with braces.

    Everything that makes a text no network raises NotationError, what only the written-out network shows included;
    and so do braces, with the number of networks that they make.
    """
    if isinstance(text, Alternative):
        source = text.source
    else:
        text = text.removeprefix("\ufeff")
        refuse_several(text)
        source = Source(text)
    tree = read(source)
    write_out(tree)
    return tree
