"""Which part of the picture a unit sees: size, stride and offset of every layer's receptive field. One rule a kind.

Knows shapes and windows alone, no weights. What mixes over the batch (`bn` in training) is not counted: in prediction
each position of `bn` sees itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from convscope.network.geometry import windows
from convscope.network.shapes import Shape, Sized, Sizes, dilation_of
from convscope.notation.tree import Aux, Branches, Item, Layer, Regions, Sequence


@dataclass(frozen=True, slots=True)
class Seen:
    """What units see along one axis: unit i of `count` sees the `size` cells from `offset + i * stride` on.

    Cells below 0 or beyond the picture are padding. stride is a fraction where `avgpool to=` cuts unevenly.
    """

    size: int
    stride: float
    offset: float
    count: int

    def clipped(self, cells: int) -> int:
        """How many of the picture's cells the unit in the middle sees."""
        begin = self.offset + (self.count // 2) * self.stride
        return int(max(0, min(cells, begin + self.size) - max(0, begin)))


Field = tuple[Seen, Seen]
"""Down and across."""


def box(field: Field, place: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The part of the picture that a unit sees: top, left, bottom, right, half-open; it may exceed the picture.

    place: row and column; or (unit,) of a vector, where a unit of flattened maps sees what the cell it was sees.
    """
    down, across = field
    if len(place) == 1:
        place = divmod(place[0] % (down.count * across.count), across.count)
    top, left = (math.floor(seen.offset + at * seen.stride) for seen, at in zip(field, place, strict=True))
    return top, left, top + down.size, left + across.size


Rule = Callable[[Sized, Field], Field]


def _each(row: Sized, field: Field, rule: Callable[[Seen, int], Seen]) -> Field:
    return rule(field[0], 0), rule(field[1], 1)


def _slide(row: Sized, field: Field) -> Field:
    layer = row.item
    assert isinstance(layer, Layer)
    if layer.options.get("to") is not None:
        return _each(row, field, lambda seen, axis: _spread(seen, row.after[axis]))
    kernel, stride, padding, dilation = layer.kernel, layer.stride, layer.padding, dilation_of(layer)
    assert kernel, layer
    assert stride, layer
    assert padding is not None, layer

    def rule(seen: Seen, axis: int) -> Seen:
        pad = padding[axis] if isinstance(padding, tuple) else padding
        found = windows(row.before[axis], kernel[axis], stride[axis], dilation[axis], pad, layer.ceil)
        reach = dilation[axis] * (kernel[axis] - 1)
        return Seen(_cells(seen.size + reach * seen.stride), seen.stride * stride[axis],
                    seen.offset - found.before * seen.stride, found.count)  # fmt: skip

    return _each(row, field, rule)


def _cells(size: float) -> int:
    return -int(-size // 1)


def _spread(seen: Seen, count: int) -> Seen:
    """`to=`: unit i takes cells floor(i * h / n) to ceil((i + 1) * h / n) - 1; the largest of these counts."""
    n = seen.count
    widest = max(-(-(i + 1) * n // count) - i * n // count for i in range(count))
    return Seen(_cells(seen.size + (widest - 1) * seen.stride), seen.stride * n / count, seen.offset, count)


def _whole(row: Sized, field: Field) -> Field:
    """One unit that sees all that arrives: as a window as large as the maps."""
    return _each(
        row, field, lambda seen, axis: Seen(_cells(seen.size + (seen.count - 1) * seen.stride), seen.stride,
                                            seen.offset, 1)
    )  # fmt: skip


def _same(row: Sized, field: Field) -> Field:
    return field


def _across(row: Sized, field: Field) -> Field:
    """What looks at neighbouring maps or at all of them: at maps in its own place, at flattened units everywhere."""
    return field if len(row.before) == 3 else _whole(row, field)


def _thin(row: Sized, field: Field) -> Field:
    """`identity C /s`: every s-th row and column."""
    layer = row.item
    assert isinstance(layer, Layer)
    if len(row.after) != 3:
        return field
    stride = layer.stride or (1, 1)
    return _each(
        row, field, lambda seen, axis: replace(seen, stride=seen.stride * stride[axis], count=row.after[axis])
    )  # fmt: skip


FIELDS: dict[str, Rule] = {
    "conv": _slide,
    "maxpool": _slide,
    "avgpool": _slide,
    "minpool": _slide,
    "subsample": _slide,
    "gap": _whole,
    "gmp": _whole,
    "dense": _whole,
    "flatten": _same,
    "relu": _same,
    "relu6": _same,
    "tanh": _same,
    "sigmoid": _same,
    "gelu": _same,
    "silu": _same,
    "elu": _same,
    "leaky": _same,
    "bn": _same,
    "lrn": _across,
    "dropout": _same,
    "softmax": _across,
    "scale": _same,
    "identity": _thin,
    "rbf": _whole,
}
"""One row a layer kind: what its units see, from what those before it see."""


def receptive_fields(sizes: Sizes) -> dict[str, Field]:
    """What the units of every layer see, by its name. Through branches the largest counts."""
    walk = _Walk(sizes.by_name())
    height, width, _ = sizes.input
    walk.sequence(sizes.body, (Seen(1, 1, 0, height), Seen(1, 1, 0, width)))
    return walk.found


class _Walk:
    def __init__(self, rows: dict[str, Sized]) -> None:
        self.rows = rows
        self.found: dict[str, Field] = {}

    def sequence(self, sequence: Sequence, field: Field) -> Field:
        for item in sequence.items:
            field = self.item(item, field)
        return field

    def item(self, item: Item, field: Field) -> Field:
        if isinstance(item, Layer):
            after = FIELDS[item.kind](self.rows[item.name], field)
        elif isinstance(item, Branches):
            after = _largest([self.sequence(branch, field) for branch in item.branches])
        elif isinstance(item, Regions):
            after = self.regions(item, field)
        else:
            assert isinstance(item, Aux)
            self.sequence(item.body, field)
            after = field
        self.found[item.name] = after
        return after

    def regions(self, item: Regions, field: Field) -> Field:
        """Each part sees its own part of the maps, and padding around it; put back, they go on one after the other."""
        after: Shape = self.rows[item.name].after
        parts = []
        for place, part in enumerate(item.parts):
            at = divmod(place, item.grid[1])
            cut = []
            for axis in (0, 1):
                cells = field[axis].count // item.grid[axis]
                begin = field[axis].offset + at[axis] * cells * field[axis].stride
                cut.append(replace(field[axis], offset=begin, count=cells))
            parts.append(self.sequence(part, (cut[0], cut[1])))
        first = parts[0]
        return replace(first[0], count=after[0]), replace(first[1], count=after[1])


def _largest(fields: Iterable[Field]) -> Field:
    """All that the units of one place see in any branch."""
    down, across = zip(*fields, strict=True)
    return _union(down), _union(across)


def _union(seen: Iterable[Seen]) -> Seen:
    seen = list(seen)
    begin = min(s.offset for s in seen)
    end = max(s.offset + s.size for s in seen)
    return Seen(_cells(end - begin), max(s.stride for s in seen), begin, max(s.count for s in seen))
