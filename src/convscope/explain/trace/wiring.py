"""Who reads whom: for every layer and form of a network, whose output arrives there, and which part of it. Knows no
torch.

The forms are nodes of their own: `add` reads the last layer of each branch, and so does `concat`. A side classifier's
own label stands for its logits; what it hands on is what reached it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from convscope.explain.trace.data import Box, Place
from convscope.network.shapes import Sizes
from convscope.notation.tree import Aux, Branches, Item, Layer, Regions, Sequence

LOSS = "the loss"
"""What follows the last layer. No layer can be called so: a label has no space."""


def picture_of(sizes: Sizes) -> str:
    """What the picture is called among labels: "input", unless a layer is."""
    return "the input" if any(row.item.name == "input" for row in sizes.rows) else "input"


@dataclass(frozen=True, slots=True)
class Edge:
    """The output of `source`, or its rows and columns `box`, is read by `target`; in a form it begins at place `at`.

    Rows and columns of the part count from 0 in the target.
    """

    source: str
    target: str
    box: Box | None = None
    at: Place = ()

    def in_target(self, place: Place) -> Place | None:
        """Where a cell of the source stands in what arrives; None where it isn't in the part that is read."""
        if self.box is not None:
            top, left, bottom, right = self.box
            map_, row, column = place
            if not (top <= row < bottom and left <= column < right):
                return None
            place = (map_, row - top, column - left)
        return tuple(a + b for a, b in zip(place, self.at, strict=True)) if self.at else place

    def in_source(self, place: Place) -> Place:
        """The cell of the source behind a place of what arrives, which may lie in the padding."""
        if self.at:
            place = tuple(a - b for a, b in zip(place, self.at, strict=True))
        if self.box is None:
            return place
        return (place[0], place[1] + self.box[0], place[2] + self.box[1])


@dataclass(frozen=True, slots=True)
class Wiring:
    """Every edge, by the one that is read and by the one that reads."""

    into: dict[str, tuple[Edge, ...]]
    out_of: dict[str, tuple[Edge, ...]]


@dataclass(frozen=True, slots=True)
class _Port:
    """What is handed on at one point of the network: a layer's output or a part of it, and its shape (h, w, c)."""

    label: str
    shape: tuple[int, ...]
    box: Box | None = None


def wiring(sizes: Sizes) -> Wiring:
    """Who reads whom in a network."""
    walk = _Walk(sizes)
    end = walk.sequence(sizes.body, _Port(picture_of(sizes), sizes.input))
    walk.join(end, LOSS)
    into: dict[str, list[Edge]] = {}
    out_of: dict[str, list[Edge]] = {}
    for edge in walk.edges:
        into.setdefault(edge.target, []).append(edge)
        out_of.setdefault(edge.source, []).append(edge)
    return Wiring({name: tuple(found) for name, found in into.items()},
                  {name: tuple(found) for name, found in out_of.items()})  # fmt: skip


class _Walk:
    def __init__(self, sizes: Sizes) -> None:
        self.rows = sizes.by_name()
        self.edges: list[Edge] = []

    def join(self, port: _Port, target: str, at: Place = ()) -> None:
        self.edges.append(Edge(port.label, target, port.box, at))

    def sequence(self, sequence: Sequence, port: _Port) -> _Port:
        for item in sequence.items:
            port = self.item(item, port)
        return port

    def item(self, item: Item, port: _Port) -> _Port:
        after = _Port(item.name, self.rows[item.name].after)
        if isinstance(item, Layer):
            self.join(port, item.name)
        elif isinstance(item, Branches):
            self.branches(item, port)
        elif isinstance(item, Regions):
            self.regions(item, port)
        else:
            assert isinstance(item, Aux)
            self.join(self.sequence(item.body, port), item.name)
            return port
        return after

    def branches(self, item: Branches, port: _Port) -> None:
        begin = 0
        for branch in item.branches:
            out = self.sequence(branch, port)
            self.join(out, item.name, (begin, *(0,) * (len(out.shape) - 1)))
            if item.kind == "concat":
                begin += out.shape[-1]

    def regions(self, item: Regions, port: _Port) -> None:
        rows, columns = item.grid
        height, width = port.shape[0] // rows, port.shape[1] // columns
        top, left = port.box[:2] if port.box else (0, 0)
        for turn, part in enumerate(item.parts):
            row, column = divmod(turn, columns)
            box = (top + row * height, left + column * width, top + (row + 1) * height, left + (column + 1) * width)
            out = self.sequence(part, replace(port, shape=(height, width, port.shape[2]), box=box))
            self.join(out, item.name, (0, row * out.shape[0], column * out.shape[1]))
