"""Rules for what slides over its maps: convolution, pooling, subsampling; and pooling of whole maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convscope.explain.trace.data import Place, Step
from convscope.explain.trace.reading import (
    MOST,
    At,
    Numbers,
    Places,
    Reached,
    Reading,
    added,
    factor,
    number,
    parameter,
    places,
    written_sum,
)
from convscope.network import lenet5
from convscope.network.geometry import Windows, windows
from convscope.network.shapes import dilation_of, option
from convscope.notation.tree import Layer


class Axis:
    """The windows along one axis of n cells: which cells each reads, and which of them read a cell."""

    def __init__(self, layer: Layer, n: int, axis: int) -> None:
        assert layer.kernel, layer
        assert layer.padding is not None, layer
        self.n, self.kernel = n, layer.kernel[axis]
        self.stride, self.dilation = (layer.stride or layer.kernel)[axis], dilation_of(layer)[axis]
        pad = layer.padding[axis] if isinstance(layer.padding, tuple) else layer.padding
        self.found: Windows = windows(n, self.kernel, self.stride, self.dilation, pad, layer.ceil)
        self.border = layer.options.get("border", 0.0)

    def cell(self, at: int) -> int:
        """The cell that stands at a place, for a border that copies cells; else the place itself."""
        if 0 <= at < self.n or not isinstance(self.border, str):
            return at
        if self.border == "replicate":
            return min(max(at, 0), self.n - 1)
        return -at if at < 0 else 2 * (self.n - 1) - at  # reflect: the edge is the mirror, and stands once

    def reads(self, window: int) -> list[tuple[int, bool]]:
        """The cells of a window in its order, and whether each lies inside."""
        begin = window * self.stride - self.found.before
        spots = [begin + turn * self.dilation for turn in range(self.kernel)]
        return [(self.cell(at), 0 <= at < self.n) for at in spots]

    def read_by(self, cell: int) -> list[tuple[int, int]]:
        """(window, turn in the kernel) of all that read a cell; twice where the border shows it again."""
        end = (self.found.count - 1) * self.stride - self.found.before + self.dilation * (self.kernel - 1) + 1
        spots = range(-self.found.before, max(end, self.n)) if isinstance(self.border, str) else (cell,)
        found = []
        for at in spots:
            for turn in range(self.kernel):
                window, rest = divmod(at + self.found.before - turn * self.dilation, self.stride)
                if self.cell(at) == cell and not rest and 0 <= window < self.found.count:
                    found.append((window, turn))
        return found


def _axes(at: At) -> tuple[Axis, Axis]:
    return Axis(at.layer, at.x.shape[1], 0), Axis(at.layer, at.x.shape[2], 1)


def _maps_read(layer: Layer, map_: int, maps: int, arriving: int) -> range | tuple[int, ...]:
    """Which of the arriving maps a map of a convolution reads: all, those of its group, or LeNet-5's choice."""
    if layer.options["connect"] == "lenet5":
        return lenet5.JOINED[map_]
    groups = option(layer, "groups", int)
    wide = arriving // groups
    first = map_ // (maps // groups) * wide
    return range(first, first + wide)


def _kernels(layer: Layer, map_: int, read: int) -> Places:
    """Where a map's kernels stand in `weight`: (map, turn), or LeNet-5's list of 60."""
    if layer.options["connect"] == "lenet5":
        return places([(turn,) for turn, (to, _) in enumerate(lenet5.KERNELS) if to == map_])
    return places([(map_, turn) for turn in range(read)])


def conv(at: At, place: Place) -> Reading:
    """Every cell of the window times its weight, and the bias of the map (or of the position)."""
    map_, row, column = place
    down, across = _axes(at)
    read = _maps_read(at.layer, map_, at.shape[0], at.x.shape[0])
    rows, columns = down.reads(row), across.reads(column)
    cells = places([(c, r, s) for c in read for r, _ in rows for s, _ in columns])
    inside = np.array([a and b for _ in read for _, a in rows for _, b in columns])
    values = _picked(at.x, cells, at.layer.options["border"])
    which = _kernels(at.layer, map_, len(read))
    height, width = len(rows), len(columns)
    kernels = parameter(at.module, "weight", *which.T.tolist())
    weights = kernels.reshape(-1)  # (maps read * kh * kw,)
    index = np.concatenate(
        [np.repeat(which, height * width, 0), np.tile(np.indices((height, width)).reshape(2, -1).T, (len(read), 1))], 1
    )
    moves = {"weight": (index, values)}
    bias = None
    if at.module.bias is not None:
        spot = (map_,) if at.module.bias.dim() == 1 else place  # type: ignore[operator]
        bias = float(parameter(at.module, "bias", *spot))
        moves["bias"] = (places([spot]), np.ones(1))
    products = values * weights + 0.0  # -0 to 0
    steps, formula = added(values, weights, products, bias)
    return Reading(
        cells, values, products, weights, steps, formula, (len(read), height, width), inside, weights, bias, moves
    )


def _picked(x: NDArray[np.float32], cells: Places, outside: object = 0.0) -> Numbers:
    """The values at places (n, 3) of x: (C, H, W); `outside` where there is none."""
    _, height, width = x.shape
    there = (cells[:, 1] >= 0) & (cells[:, 1] < height) & (cells[:, 2] >= 0) & (cells[:, 2] < width)
    values = np.full(len(cells), float(outside) if isinstance(outside, int | float) else 0.0)
    values[there] = x[tuple(cells[there].T)]
    return values


def conv_feeds(at: At, place: Place) -> Reached:
    """A cell goes to every window that covers it, of every map that reads its map, with the weight that meets it."""
    from_map, row, column = place
    maps = at.shape[0]
    down, across = _axes(at)
    spots = [(r, c, i, j) for r, i in down.read_by(row) for c, j in across.read_by(column)]
    weight = getattr(at.module, "weight")  # noqa: B009
    found: list[Place] = []
    slopes: list[Numbers] = []
    if not spots:
        return places([]).reshape(0, 3), np.zeros(0)
    i, j = [s[2] for s in spots], [s[3] for s in spots]
    kernels = weight.detach().cpu()
    for map_ in range(maps):
        read = _maps_read(at.layer, map_, maps, at.x.shape[0])
        if from_map in read:
            which = _kernels(at.layer, map_, len(read))[list(read).index(from_map)]
            found += [(map_, s[0], s[1]) for s in spots]
            slopes.append(kernels[tuple(which.tolist())][i, j].double().numpy())
    return places(found).reshape(-1, 3), np.concatenate(slopes) if slopes else np.zeros(0)


# Pooling


def _spans(layer: Layer, n: int, axis: int, window: int) -> list[tuple[int, bool]]:
    """The cells along one axis that a window of a pooling reads: of its kernel, of `to=`, or all of them."""
    to = layer.options.get("to")
    if isinstance(to, tuple):
        begin, end = window * n // to[axis], -(-(window + 1) * n // to[axis])
        return [(cell, True) for cell in range(begin, end)]
    if layer.kernel is None:
        return [(cell, True) for cell in range(n)]
    return Axis(layer, n, axis).reads(window)


def _covering(layer: Layer, n: int, axis: int, cell: int) -> list[int]:
    """The windows along one axis that a cell lies in."""
    to = layer.options.get("to")
    if isinstance(to, tuple):
        return [i for i in range(to[axis]) if i * n // to[axis] <= cell < -(-(i + 1) * n // to[axis])]
    if layer.kernel is None:
        return [0]
    return [window for window, _ in Axis(layer, n, axis).read_by(cell)]


Window = tuple[Places, "np.ndarray[tuple[int], np.dtype[np.bool_]]", Numbers, tuple[int, int, int]]


def _window(at: At, place: Place) -> Window:
    """Cells, whether they lie inside, values, and how they lie."""
    map_, row, column = place
    rows = _spans(at.layer, at.x.shape[1], 0, row)
    columns = _spans(at.layer, at.x.shape[2], 1, column)
    cells = places([(map_, r, c) for r, _ in rows for c, _ in columns])
    inside = np.array([a and b for _, a in rows for _, b in columns])
    return cells, inside, _picked(at.x, cells), (1, len(rows), len(columns))


def _extreme(word: str, sign: float) -> Callable[[At, Place], Reading]:
    """The largest or the smallest; of equals the first, row by row, wins, and it alone gets the gradient."""

    def read(at: At, place: Place) -> Reading:
        cells, inside, values, window = _window(at, place)
        winner = int(np.where(inside, sign * values, -np.inf).argmax())
        weights = np.zeros(len(values))
        weights[winner] = 1.0
        spot = tuple(int(i) for i in cells[winner])
        listed = ", ".join(map(number, values[inside])) if inside.sum() <= MOST else f"{inside.sum()} values"
        formula = f"{word}({listed}) = {number(values[winner])}"
        equals = int((inside & (values == values[winner])).sum())
        notes = (f"{equals} cells of the window are equal: the first of them wins.",) if equals > 1 else ()
        steps = (Step("the cell that wins", f"{formula}, {at.from_(spot)}", float(values[winner])),)
        products = values * weights + 0.0  # -0 to 0
        return Reading(cells, values, products, weights, steps, formula, window, inside, weights, notes=notes)

    return read


def mean(at: At, place: Place) -> Reading:
    """The mean over the cells of the window that lie inside."""
    cells, inside, values, window = _window(at, place)
    count = int(inside.sum())
    weights = inside / count
    total = float(values[inside].sum())
    told = written_sum(values[inside], None)
    steps = (
        Step("sum of the window", f"{told} = {number(total)}", total),
        Step("mean", f"{number(total)} / {count} = {number(total / count)}", total / count),
    )
    formula = f"({told}) / {count} = {number(total / count)}"
    return Reading(cells, values, values * weights + 0.0, weights, steps, formula, window, inside, weights)


def subsample(at: At, place: Place) -> Reading:
    """The sum of the window, times the weight of its map, plus the bias of its map."""
    cells, inside, values, window = _window(at, place)
    map_ = place[0]
    weight, bias = float(parameter(at.module, "weight", map_)), float(parameter(at.module, "bias", map_))
    total = float(values.sum())
    told, out = written_sum(values, None), total * weight + bias
    steps = (
        Step("sum of the window", f"{told} = {number(total)}", total),
        Step("times the weight of the map", f"{number(total)}*{factor(weight)} = {number(total * weight)}",
             total * weight),
        Step("bias", f"{number(total * weight)} + {factor(bias)} = {number(out)}", out),
    )  # fmt: skip
    weights = np.full(len(values), weight)
    moves = {"weight": (places([(map_,)]), np.array([total])), "bias": (places([(map_,)]), np.ones(1))}
    formula = f"({told})*{factor(weight)} + {factor(bias)} = {number(out)}"
    return Reading(cells, values, values * weights + 0.0, weights, steps, formula, window, inside, weights, bias, moves)


def pool_covers(at: At, place: Place) -> list[Place]:
    """The windows of a pooling that a cell lies in."""
    map_, row, column = place
    rows = _covering(at.layer, at.x.shape[1], 0, row)
    columns = _covering(at.layer, at.x.shape[2], 1, column)
    return [(map_, r, c) for r in rows for c in columns]


largest = _extreme("max", 1.0)
smallest = _extreme("min", -1.0)
