"""The syntax tree: the text as it was meant, with pieces, repeats, groups and labels kept and every default filled in.

Two texts that mean the same have equal trees: places don't count in a comparison. `writeout` makes of it the tree
that the rest of the house walks; `canonical` prints it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from convscope.notation.source import Source
from convscope.notation.tree import Place, Size

_NOWHERE = Place(1, 1)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the piece around it, used as a value."""

    name: str
    place: Place = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Start:
    """The value of `init=`: kind as in `tree.Init`; the number may be a parameter."""

    kind: str
    value: float | Parameter | None = None


Value = int | float | bool | str | Size | Start | Parameter | None
"""A value after its rule has read it: `bias=no` is False, a kernel `3` is (3, 3), `in` and `classes` are words."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. The fields are those of `tree.Layer`; a value that a parameter stands for is a Parameter.

    `places` says where in the text each value that was given stands, by field or option.
    """

    kind: str
    kernel: Size | Parameter | None = None
    units: int | str | Parameter | None = None
    stride: Size | Parameter | None = None
    padding: str | Size | Parameter | None = None
    ceil: bool = False
    options: dict[str, Value] = field(default_factory=dict)
    place: Place = field(default=_NOWHERE, compare=False, repr=False)
    places: dict[str, Place] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Group:
    """`( A )`: one item made of several."""

    items: tuple[Item, ...]
    place: Place = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Repeat:
    """`3 * ( A )`: the body, which is no layer, in a row."""

    count: int | Parameter
    body: Form
    place: Place = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Branches:
    """`add( A | B )`, `concat( A | B )`."""

    kind: Literal["add", "concat"]
    branches: tuple[Group, ...]
    place: Place = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Regions:
    """`regions 2x2 ( A )`."""

    grid: Size | Parameter
    body: Group
    place: Place = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Aux:
    """`aux weight=0.3 ( A )`."""

    weight: float | Parameter
    body: Group
    place: Place = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`block(64, 2)`: a piece used. A value is a number, a size, `classes`, or a parameter of the piece around."""

    name: str
    values: tuple[int | float | Size | str | Parameter, ...]
    place: Place = field(default=_NOWHERE, compare=False, repr=False)


Form = Layer | Group | Repeat | Branches | Regions | Aux | Call


@dataclass(frozen=True, slots=True)
class Item:
    """A form with its label and its `->` check, where it has them."""

    form: Form
    label: str | None = None
    expect: tuple[int, ...] | None = None
    label_place: Place = field(default=_NOWHERE, compare=False, repr=False)
    expect_place: Place = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Piece:
    """`let block(c, s) = ( A )`."""

    name: str
    parameters: tuple[str, ...]
    body: Group
    place: Place = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole network as its text says it. `input` is (height, width, channels)."""

    items: tuple[Item, ...]
    pieces: tuple[Piece, ...] = ()
    input: tuple[int, int, int] | None = None
    classes: int | None = None
    source: Source = field(default_factory=lambda: Source(""), compare=False, repr=False)


def unchecked(tree: Tree) -> Tree:
    """The same network without its `->` checks."""
    items, pieces = (_unchecked(part) for part in (tree.items, tree.pieces))
    return replace(tree, items=items, pieces=pieces)


def _unchecked(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_unchecked(one) for one in value)
    if isinstance(value, Item):
        return replace(value, form=_unchecked(value.form), expect=None)
    within = {Group: "items", Repeat: "body", Branches: "branches", Regions: "body", Aux: "body", Piece: "body"}
    name = within.get(type(value))
    return replace(value, **{name: _unchecked(getattr(value, name))}) if name else value
