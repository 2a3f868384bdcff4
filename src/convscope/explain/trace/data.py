"""What a trace is: one number of a network, the numbers that it was made of, and where its gradient comes from.

Plain data. Places are (map, row, column), or (unit,) of a vector, and count from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

Place = tuple[int, ...]
Box = tuple[int, int, int, int]
"""top, left, bottom, right; bottom and right are the first that no longer belong to it."""


class Term(NamedTuple):
    """A cell that is read, and what it adds.

    source, place: the layer whose cell it is ("input" is the picture), and where. inside: False for what stands in for
    a cell beyond the maps (or beyond its part, in regions), filled with a constant; where border=replicate or reflect
    copies a cell, `place` is the one that is copied. weight: what the value is multiplied by; None where nothing is
    multiplied (softmax). product: what it adds to the sum. slope: by how much the traced value rises where this cell
    rises by 1.
    """

    source: str
    place: Place
    inside: bool
    value: float
    weight: float | None
    product: float
    slope: float


class Step(NamedTuple):
    """One line of the arithmetic: what it is called, the formula with its numbers, what comes out."""

    name: str
    formula: str
    value: float


class Share(NamedTuple):
    """A part of a gradient: a cell of a later layer ("loss" at the end), which reads the traced one.

    product = slope * upstream: how much that cell rises with the traced one, times how much the loss rises with it.
    """

    label: str
    place: Place
    slope: float
    upstream: float
    product: float


class Move(NamedTuple):
    """A parameter that the traced cell moves. part = slope * upstream is this cell's part of the parameter's gradient;
    total is the gradient of this picture, all cells that use the parameter together."""

    tensor: str
    at: tuple[int, ...]
    value: float
    slope: float
    part: float
    total: float


@dataclass(frozen=True, slots=True)
class Gradient:
    """How the loss hangs on the traced value: it rises by `value` where the traced value rises by 1.

    target: the class that the loss wants; loss: for this picture. comes_from: the cells that the traced one feeds;
    their products add up to `value`. moves: the layer's own parameters that made the traced value.
    """

    target: int
    loss: float
    value: float
    comes_from: tuple[Share, ...]
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """One number of a network, opened.

    label, kind, text: the layer, and how the notation writes it. place: the traced cell; shape: of the whole output, as
    (maps, rows, columns) or (units,). value: what the network itself computes there. inputs: the layers that are read.
    window: how `terms` lie, as (maps, rows, columns): maps first, then row by row. steps: from the terms to the value,
    which is the last of them; where the layer adds products up, their sum plus `bias` is the value. after: the layers
    that follow and change each value by itself, and what they make of it. seen: the part of the picture that it hangs
    on, which may lie partly outside; picture: its height and width. notes: what else is to be known.
    """

    label: str
    kind: str
    text: str
    place: Place
    shape: tuple[int, ...]
    value: float
    inputs: tuple[str, ...]
    window: tuple[int, int, int]
    terms: tuple[Term, ...]
    bias: float | None
    steps: tuple[Step, ...]
    formula: str
    after: tuple[Step, ...]
    seen: Box
    picture: tuple[int, int]
    notes: tuple[str, ...] = ()
    gradient: Gradient | None = None

    def to_json(self) -> dict[str, Any]:
        """Mappings, lists and numbers; `report.text.json_line` writes it."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        for name in ("terms", "steps", "after"):
            plain[name] = [part._asdict() for part in plain[name]]
        if self.gradient is not None:
            plain["gradient"] = {name: getattr(self.gradient, name) for name in self.gradient.__slots__}
            for name in ("comes_from", "moves"):
                plain["gradient"][name] = [part._asdict() for part in plain["gradient"][name]]
        return {"format": 1, **plain}
