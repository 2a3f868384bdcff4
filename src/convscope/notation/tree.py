"""The network written out: what every walk (shapes, cost, drawing, module, trace, export) is given.

Pieces, repeats, groups and parameters are gone; every layer has its name and every default. What only an input
shape can tell (`in`, `classes`, `same` padding in numbers) is left to the walk over shapes. Knows no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Size = tuple[int, int]
"""Height and width."""

Units = int | Literal["in", "classes"]
"""A number of channels or units, or the word that stands for one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the text as its author wrote it; line and column count from 1."""

    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Init:
    """How a tensor starts: kind is kaiming, glorot, normal, truncnormal, uniform, dirac, whiten or constant."""

    kind: str
    value: float | None = None


Value = int | float | bool | str | Size | Init | None


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, with every default written out.

    `kernel`, `stride` are None where the kind has none (and where `avgpool to=` replaces them); `padding` is a word,
    a size or None; `options` has every option of the kind by its keyword, so `options["groups"]` is always there for
    a conv. Numbers told by place stand in options too: dropout `p`, leaky and elu `slope`, scale `factor`, lrn
    `window`, tanh `scaled`, pooling `to`.
    """

    kind: str
    name: str
    place: Place
    kernel: Size | None = None
    units: Units | None = None
    stride: Size | None = None
    padding: Literal["same", "valid", "full"] | Size | None = None
    ceil: bool = False
    options: dict[str, Value] = field(default_factory=dict)
    expect: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Branches:
    """`add` or `concat`: every branch sees the same input. kind says which of the two."""

    kind: Literal["add", "concat"]
    name: str
    place: Place
    branches: tuple[Sequence, ...]
    expect: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Regions:
    """`regions 2x2 ( A )`: one part for each region, row by row; the parts differ in their names alone."""

    name: str
    place: Place
    grid: Size
    parts: tuple[Sequence, ...]
    expect: tuple[int, ...] | None = None
    kind: Literal["regions"] = "regions"


@dataclass(frozen=True, slots=True)
class Aux:
    """`aux weight=0.3 ( A )`: a side classifier that hands its input on."""

    name: str
    place: Place
    weight: float
    body: Sequence
    expect: tuple[int, ...] | None = None
    kind: Literal["aux"] = "aux"


@dataclass(frozen=True, slots=True)
class Sequence:
    """Items that run one after the other. `expects` are the `->` checks of groups and repeats: after `items[:k]`
    (inside this sequence) the shape must be the stated one."""

    items: tuple[Item, ...]
    expects: tuple[tuple[int, tuple[int, ...], Place], ...] = ()


Item = Layer | Branches | Regions | Aux


def bodies(item: Item) -> tuple[Sequence, ...]:
    """The sequences inside an item: branches, the parts of regions, what a side classifier is; none in a layer."""
    if isinstance(item, Branches):
        return item.branches
    if isinstance(item, Regions):
        return item.parts
    return (item.body,) if isinstance(item, Aux) else ()


@dataclass(frozen=True, slots=True)
class Written:
    """A whole network, written out. `input` is (height, width, channels) and `classes` a count, where the text says."""

    body: Sequence
    input: tuple[int, int, int] | None = None
    classes: int | None = None
