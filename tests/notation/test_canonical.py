"""The canonical text parses to the tree that it was printed from, for every tree; and no text breaks the parser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convscope.notation import NotationError, Tree, canonical, count, expand, parse, write_out
from convscope.notation.kinds import KINDS, WORDS, Given
from convscope.notation.parse import read
from convscope.notation.rules import Choice, Count, Extent, Initial, Real
from convscope.notation.source import Source
from convscope.notation.syntax import (
    Aux,
    Branches,
    Call,
    Form,
    Group,
    Item,
    Layer,
    Parameter,
    Piece,
    Regions,
    Repeat,
    Start,
    Value,
)


def test_every_default_is_written_out() -> None:
    assert canonical(parse("input 28x28x1, classes 10\na: conv 5 32 -> 28x28x32, maxpool 3 /2 ceil, dense")) == (
        "input 28x28x1\n"
        "classes 10\n"
        "a: conv 5x5 32 /1 same groups=1 dilation=1 bias=yes border=0 connect=all init=kaiming bias_init=0 l1=0 l2=0"
        " -> 28x28x32\n"
        "maxpool 3x3 /2 pad=0 ceil\n"
        "dense classes bias=yes init=kaiming bias_init=0 l1=0 l2=0\n"
    )


def test_structure_is_kept() -> None:
    text = (
        "let b(c, s) = ( conv 3x3 c /s, relu )\n\n"
        "a: 3 * b(8, 2x2), add( relu | identity ) -> 4, concat( gap | gmp ), "
        "regions 2x1 ( tanh scaled ), aux ( dense in ), avgpool to=6x6, ( elu )"
    )
    tree = parse(text)
    printed = canonical(tree)
    assert parse(printed) == tree
    assert "a: 3 * b(8, 2x2)\n" in printed
    assert "add( relu | identity in /1 ) -> 4\n" in printed
    assert "concat( gap | gmp )\nregions 2x1 ( tanh scaled )\naux weight=0.3 ( dense in bias=yes" in printed
    assert "avgpool to=6x6\n( elu 1 )\n" in printed


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_comes_back(kind: str) -> None:
    tree = parse(KINDS[kind].example or kind)
    assert parse(canonical(tree)) == tree
    assert canonical(parse(canonical(tree))) == canonical(tree)


# Random trees. Parameters are numbers from 1 to 3, which every place takes that is offered one.

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True).filter(lambda name: name not in WORDS)
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
FLOATS = st.floats(-1e9, 1e9, allow_nan=False).map(lambda number: number + 0.0) | st.integers(-5, 5).map(float)
POSITIVE = st.floats(1e-6, 1e6)
PADDED: list[Any] = ["same", "valid", "full", (0, 0)]


def value(rule: Any, parameters: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """A value that the rule takes, as the tree holds it."""
    use: list[st.SearchStrategy[Any]] = [st.sampled_from(parameters).map(Parameter)] if parameters else []
    match rule:
        case Extent():
            return st.one_of(SIZES, *use)
        case Count(odd=True):
            return st.integers(0, 20).map(lambda half: 2 * half + 1)
        case Count(words=words):
            return st.one_of(st.integers(1, 10**9), *([st.sampled_from(words)] if words else []), *use)
        case Real(below=1.0):
            return st.floats(0.0, 0.99)
        case Real(high=1.0):
            return st.floats(0.0, 1.0)
        case Real():
            return st.one_of(FLOATS if rule.low < 0 and rule.above < 0 else POSITIVE, *use)
        case Choice(number=None):
            return st.sampled_from(list(rule.words.values()))
        case Choice():
            return st.one_of(st.sampled_from(list(rule.words.values())), FLOATS, *use)
        case Initial():
            deviation = st.one_of(POSITIVE, *use)
            return st.one_of(
                st.sampled_from([Start("kaiming"), Start("glorot"), Start("dirac"), Start("whiten")]),
                st.builds(Start, st.sampled_from(["normal", "truncnormal", "uniform"]), deviation),
                FLOATS.map(lambda number: Start("constant", number)),
            )
    raise AssertionError(f"no values for {rule}")


@st.composite
def layers(draw: st.DrawFn, parameters: tuple[str, ...]) -> Layer:
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]

    def of(given: Given) -> Any:
        return draw(value(given.rule, parameters))

    options: dict[str, Value] = {name: of(given) for name, given in kind.options.items() if name != "to"}
    options |= {flag: draw(st.booleans()) for flag in kind.flags}
    if "to" in kind.options:
        options["to"] = draw(st.none() | SIZES)
        if options["to"] is not None:
            return Layer(kind.name, options=options)
    kernel: Any = None
    units: Any = None
    stride: Any = None
    padding: Any = None
    for place in kind.places:
        match place.name:
            case "kernel":
                kernel = of(place)
            case "units":
                units = of(place)
            case name:
                options[name] = of(place)
    if kind.stride == "fixed":
        stride = kernel
    elif kind.stride != "none":
        stride = draw(SIZES)
    ceil = kind.ceil and draw(st.booleans())
    if kind.fixed:
        padding = kind.padding
    elif kind.ceil:
        padding = draw(st.sampled_from(PADDED[3:] if ceil else PADDED))
    elif kind.padding:
        padding = draw(st.sampled_from(PADDED) | SIZES)
    return Layer(kind.name, kernel, units, stride, padding, ceil, options)


def items(parameters: tuple[str, ...], pieces: tuple[Piece, ...]) -> st.SearchStrategy[Item]:
    """An item; no labels inside, so that no name comes twice."""

    def uses(piece: Piece) -> st.SearchStrategy[Call]:
        handed: st.SearchStrategy[Any] = st.integers(1, 3)
        if parameters:
            handed |= st.sampled_from(parameters).map(Parameter)
        count = len(piece.parameters)
        return st.lists(handed, min_size=count, max_size=count).map(lambda values: Call(piece.name, tuple(values)))

    def wider(inner: st.SearchStrategy[Form]) -> st.SearchStrategy[Form]:
        checks = st.none() | st.tuples(st.integers(1, 99)) | st.tuples(*[st.integers(1, 99)] * 3)
        group = st.lists(st.builds(Item, inner, st.none(), checks), min_size=1, max_size=3).map(
            lambda inside: Group(tuple(inside))
        )
        counts: st.SearchStrategy[Any] = st.integers(0, 3)
        if parameters:
            counts |= st.sampled_from(parameters).map(Parameter)
        several = st.lists(group, min_size=2, max_size=3).map(tuple)
        return st.one_of(
            group,
            st.builds(Repeat, counts, group),
            st.builds(Branches, st.sampled_from(["add", "concat"]), several),
            st.builds(Regions, st.tuples(st.integers(1, 2), st.integers(1, 2)), group),
            st.builds(Aux, POSITIVE, group),
        )

    forms: st.SearchStrategy[Form] = layers(parameters)
    if pieces:
        forms |= st.sampled_from(pieces).flatmap(uses)
    return st.builds(Item, st.recursive(forms, wider, max_leaves=6))


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    pieces: tuple[Piece, ...] = ()
    for name in draw(st.lists(NAMES, max_size=2, unique=True)):
        parameters = tuple(draw(st.lists(NAMES, max_size=2, unique=True)))
        body = draw(st.lists(items(parameters, pieces), min_size=1, max_size=3))
        pieces += (Piece(name, parameters, Group(tuple(body))),)
    labels = draw(st.lists(NAMES.map(lambda name: f"L{name}"), max_size=4, unique=True))
    top = [
        Item(item.form, labels[turn] if turn < len(labels) else None, item.expect)
        for turn, item in enumerate(draw(st.lists(items((), pieces), min_size=1, max_size=4)))
    ]
    size = draw(st.none() | st.tuples(*[st.integers(1, 500)] * 3))
    return Tree(tuple(top), pieces, size, draw(st.none() | st.integers(1, 1000)))


@settings(deadline=None, derandomize=True, max_examples=20)
@given(trees())
def test_a_tree_prints_a_text_that_parses_to_it(tree: Tree) -> None:
    comes_back(tree)


@pytest.mark.parametrize(
    "before", ["bn per=map", "conv 3x3 4 bias=position", "conv 3x3 4 border=reflect", "conv 3x3 4 init=kaiming"]
)
def test_a_group_on_the_line_after_an_options_word(before: str) -> None:
    tree = read(Source(f"let A() = ( gelu )\n{before}\n( A() )"))
    assert len(tree.items) == 2
    comes_back(tree)


@pytest.mark.slow
@settings(deadline=None, derandomize=True, max_examples=400)
@given(trees())
def test_many_trees_print_texts_that_parse_to_them(tree: Tree) -> None:
    comes_back(tree)


def comes_back(tree: Tree) -> None:
    """Printed and read, the tree is what it was, and writes out to the same network."""
    printed = canonical(tree)
    back = read(Source(printed))
    assert back == tree
    assert canonical(back) == printed
    try:
        written = write_out(back)
    except NotationError:
        return  # a parameter that its place can't take, or a name twice
    assert write_out(parse(printed)) == written


# Garbage: pieces of the notation in any order, and any characters at all.

WORDS_OF_A_TEXT = """conv 3x3 32 relu maxpool 2 dense add( concat( ( ) | , : a: b b( let = * 3 * -> 5x5x5 /2 pad=1 in
    same classes input 28x28x1 aux regions 2x2 weight=0.3 init=normal(0.1) init= { } {a,b} {k:a,b} {k} # ， （ ） × -1
    0.5 1e9 1e999 to=6x6 ceil scaled bias=no groups=in x -> / - + 3x 3xk ; é 层 " ' \\ identity dropout"""
SNIPPETS = st.sampled_from([*WORDS_OF_A_TEXT.split(), "\n", "\x00", "\t", "\r", "\ud800", ""])


@settings(deadline=None, derandomize=True, max_examples=500)
@given(st.lists(SNIPPETS, max_size=14).map(" ".join) | st.lists(SNIPPETS, max_size=14).map("".join) | st.text())
@example("let a(a) = ( conv a a )\na(1)")
@example("let a(x) = ( conv 3x3 x )\na(" + "9" * 5000 + ")")
@example("(" * 5000)
@example("{" * 5000)
@example(":" * 100)
@example("1000000000 * ( 0 * ( relu ) )")
@example("".join(f"let p{n}() = ({f'p{n - 1}(), p{n - 1}()' if n else 'relu'})\n" for n in range(300)) + "p299()")
@example("".join(f"let p{n}() = ({f'p{n - 1}()' if n else '0 * ( relu )'})\n" for n in range(300)) + "p299()")
@example("".join(f"let p{n}() = ({f'p{n - 1}(), p{n - 1}()' if n else '0 * (relu)'})\n" for n in range(90)) + "p89()")
def test_no_text_raises_anything_but_a_notation_error(text: str) -> None:
    try:
        alternatives = expand(text)
    except NotationError as error:
        points_into(error, text)
        return
    assert count(text) == len(alternatives)
    for alternative in alternatives[:4]:
        try:
            tree = parse(alternative)
        except NotationError as error:
            points_into(error, text)
        else:
            assert parse(canonical(tree)) == tree


def points_into(error: NotationError, text: str) -> None:
    """The error has a place in the text, and can be printed."""
    assert 1 <= error.line <= text.count("\n") + text.count("\r") + 1
    assert error.column >= 1
    str(error).encode("utf-8")
