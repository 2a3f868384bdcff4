"""Slabs from left to right, drawn to scale, in rows: for networks that are one chain.

A slab is as high and as deep as its map is high and wide, and as thick as its channels are many; dense layers are bars.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from convscope.network.draw import Leaf, Strip, dimensions
from convscope.network.figure import Box, Line, Sketch, Text
from convscope.network.lettering import shortened, width
from convscope.network.place import PAGE, SIZE, SMALL

_HIGH, _THICK = 84.0, 26.0  # the highest and the thickest slab
_SLANT = (0.34, 0.30)  # where a point at the back of a slab goes, right and up, for each point of depth
_SLICE = 3.0
_GAP, _ROOM, _LINE = 14.0, 104.0, 9.5


@dataclass(frozen=True)
class Scale:
    """How lengths come from numbers: proportional, or as the root; `said` is the sentence for the figure's foot."""

    high: float
    thick: float
    root: bool
    said: str

    def height(self, size: int) -> float:
        """The height of a slab of maps of that height, or its depth for their width."""
        share = size / self.high
        return max(3.0, _HIGH * (math.sqrt(share) if self.root else share))

    def thickness(self, channels: int) -> float:
        """The thickness of a slab of so many channels."""
        return max(2.0, _THICK * math.sqrt(min(1.0, channels / self.thick)))

    def bar(self, units: int) -> float:
        """The height of a dense layer's bar."""
        return _HIGH * max(0.12, min(1.0, math.log2(units + 1) / 12))


def scale_of(figure: Sequence[Leaf]) -> Scale:
    """Heights are proportional where the highest map is at most 12 times the least, else they go as the root."""
    sizes = [side for leaf in figure if len(leaf.shape) == 3 for side in leaf.shape[:2] if side > 1]
    channels = [leaf.shape[2] for leaf in figure if len(leaf.shape) == 3]
    high = max(sizes, default=1)
    root = high > 12 * min(sizes, default=1)
    parts = ["height: the map's height" if not root else "height: the root of the map's height"]
    parts.append("thickness: the root of the channels")
    if any(len(leaf.shape) == 1 for leaf in figure):
        parts.append("bars: the logarithm of the units")
    return Scale(high, max(channels, default=1), root, "; ".join(parts))


def rows(figure: Sequence[Leaf]) -> Sketch:
    """The chain in as many rows as make its letters largest on a page."""
    scale = scale_of(figure)
    drawn = [_slab(leaf, scale) for leaf in figure]
    best: Sketch | None = None
    for count in range(1, 5):
        sketch = _laid(drawn, count)
        if best is None or _shrunk(sketch) < 0.85 * _shrunk(best):
            best = sketch
    assert best is not None
    return best


def _shrunk(sketch: Sketch) -> float:
    return max(sketch.width / PAGE[0], sketch.height / (PAGE[1] / 2), 1.0)


@dataclass(frozen=True)
class _Slab:
    """A slab around the height 0, its letters apart: they stand on one line for the whole row."""

    sketch: Sketch
    above: float
    below: float
    words: tuple[Text, ...]
    room: float
    out: float  # where the line to the next leaves


def _slab(leaf: Leaf, scale: Scale) -> _Slab:
    role = "input" if leaf.kind == "input" else leaf.role
    shape = dimensions(leaf.shape, leaf.last)
    said = f"{leaf.names[0] if leaf.names else 'input'}: {leaf.words}, {shape}"
    if len(leaf.shape) == 3:
        tall, thick = scale.height(leaf.shape[0]), scale.thickness(leaf.shape[2])
        depth = scale.height(leaf.shape[1])
    else:
        tall, thick, depth = scale.bar(leaf.shape[0]), 5.0, 0.0
    right, up = depth * _SLANT[0], depth * _SLANT[1]
    slices = [strip for strip in leaf.strips if leaf.kind != "strips"]
    boxes = []
    x = 0.0
    if leaf.kind != "strips":
        whole = thick + _SLICE * len(leaf.strips) + right
        boxes.append(Box(0, -tall / 2 - up / 2, whole, tall + up, role, "slab", leaf.names[:1], depth, said))
        x = thick
    for strip in leaf.strips:
        boxes.append(Box(x, -tall / 2 - up / 2, _SLICE + right, tall + up, strip.role, "slice", (strip.name,), depth,
                         f"{strip.name}: {strip.words}"))  # fmt: skip
        x += _SLICE
    lines = _words(leaf, shape, slices)
    room = max(width(text.words, text.size, text.look == "strong") for text in lines)
    sketch = Sketch(x + right, 0, 0, tuple(boxes))
    return _Slab(sketch, tall / 2 + up / 2, tall / 2 + up / 2, lines, max(room, x + right), x + right / 2)


def _words(leaf: Leaf, shape: str, strips: Sequence[Strip]) -> tuple[Text, ...]:
    head = f"{leaf.label}: {leaf.words}" if leaf.label else leaf.words
    kind, _, rest = head.partition(" ")
    if leaf.kind == "strips":
        head = ", ".join(strip.words for strip in leaf.strips)
    elif leaf.label or (rest and width(head, SIZE) > 58):
        cut = (f"{leaf.label}:", leaf.words) if leaf.label else (kind, rest)
        found = [Text(0, 0, shortened(word, SIZE, _ROOM), SIZE, look="plain") for word in cut]
        return (*found, *_rest(shape, strips))
    return (Text(0, 0, shortened(head, SIZE, _ROOM), SIZE), *_rest(shape, strips))


def _rest(shape: str, strips: Sequence[Strip]) -> tuple[Text, ...]:
    found = [Text(0, 0, shape, SMALL, look="strong")]
    line = ""
    for strip in strips:
        longer = f"{line}, {strip.words}" if line else strip.words
        if line and width(longer, SMALL) > 58:
            found.append(Text(0, 0, line + ",", SMALL, look="quiet"))
            longer = strip.words
        line = longer
    if line:
        found.append(Text(0, 0, shortened(line, SMALL, _ROOM), SMALL, look="quiet"))
    return tuple(found)


def _laid(drawn: Sequence[_Slab], count: int) -> Sketch:
    """The slabs in so many rows, about equally long."""
    limit = _least(drawn, count)
    runs = _runs(drawn, limit)
    sketch, y, wide = Sketch(0, 0, 0), 0.0, 0.0
    for number, run in enumerate(runs):
        row = _row(run, first=number == 0, last=number == len(runs) - 1)
        placed = row.moved(0, y)
        sketch, y, wide = sketch.adding([placed]), y + row.height + 2 * _GAP, max(wide, row.width)
    return Sketch(wide, y - 2 * _GAP, 0).adding([sketch])


def _runs(drawn: Sequence[_Slab], limit: float) -> list[list[_Slab]]:
    runs: list[list[_Slab]] = [[]]
    for slab in drawn:
        if runs[-1] and sum(one.room + _GAP for one in runs[-1]) + slab.room > limit:
            runs.append([])
        runs[-1].append(slab)
    return runs


def _least(drawn: Sequence[_Slab], count: int) -> float:
    low, high = max(slab.room for slab in drawn), sum(slab.room + _GAP for slab in drawn)
    for _ in range(24):
        middle = (low + high) / 2
        if len(_runs(drawn, middle)) <= count:
            high = middle
        else:
            low = middle
    return high + 0.01


def _row(run: Sequence[_Slab], first: bool, last: bool) -> Sketch:
    """One row: slabs around a middle line, their letters below on one line; a row that goes on ends in an arrow."""
    above = max(slab.above for slab in run)
    low = above + max(slab.below for slab in run) + 9
    x = 0.0 if first else _GAP
    placed, lines, texts = [], [], []
    leaving: float | None = None if first else 0.0
    for slab in run:
        left = x + (slab.room - slab.sketch.width) / 2
        placed.append(slab.sketch.moved(left, above))
        if leaving is not None:
            lines.append(Line(((leaving, above), (left, above))))
        leaving = left + slab.sketch.width
        for number, text in enumerate(slab.words):
            texts.append(Text(x + slab.room / 2, low + _LINE * (number + 0.5), text.words, text.size, look=text.look))
        x += slab.room + _GAP
    wide = x - _GAP
    if not last:
        assert leaving is not None
        wide = max(wide, leaving + _GAP)
        lines.append(Line(((leaving, above), (wide, above))))
    tall = low + _LINE * max(len(slab.words) for slab in run)
    return Sketch(wide, tall, 0).adding(placed, lines=lines, texts=texts)
