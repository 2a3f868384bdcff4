"""How one cell of a layer comes about, as arrays: what every layer kind's rule gives. And how numbers are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from convscope.explain.trace.data import Place, Step
from convscope.notation.tree import Layer

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class At:
    """A layer and what reaches it for one picture: x is (C, H, W) or (units,), as the layer's module is given it; shape
    is that of what the module makes of it. origin: where x begins in the layer that it comes from, (0, 0, 0) but in
    regions."""

    layer: Layer
    module: nn.Module
    x: NDArray[np.float32]
    shape: tuple[int, ...]
    origin: Place = (0, 0, 0)

    def from_(self, cell: Place) -> str:
        """A cell of x in words, by its place in the layer that it comes from."""
        spot = tuple(a + b for a, b in zip(cell, self.origin, strict=True)) if len(cell) == 3 else cell
        return f"from {spot}"


@dataclass(frozen=True)
class Reading:
    """One cell: the n cells that it reads, and what it makes of them.

    cells: (n, 3) or (n, 1), places in what arrives. window: how they lie, (maps, rows, columns). slopes: by how much
    the value rises with each. moves: parameter name to (indices (m, ...), by how much the value rises with each).
    """

    cells: Places
    values: Numbers
    products: Numbers
    slopes: Numbers
    steps: tuple[Step, ...]
    formula: str
    window: tuple[int, int, int]
    inside: NDArray[np.bool_] | None = None
    weights: Numbers | None = None
    bias: float | None = None
    moves: dict[str, tuple[Places, Numbers]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


Read = Callable[[At, Place], Reading]
Reached = tuple[Places, Numbers]
"""Cells of a layer's output, and by how much each rises with one cell of what arrives."""

Feed = Callable[[At, Place], Reached]


def exact(tensor: Tensor) -> Numbers:
    """float32 numbers as float64: the same numbers, summed up without rounding that would show."""
    return np.asarray(tensor.detach().cpu().double().numpy())


def parameter(module: nn.Module, name: str, *index: Any) -> Numbers:
    """A parameter or buffer, or a part of it."""
    tensor = getattr(module, name)
    assert isinstance(tensor, Tensor), name
    return exact(tensor[index] if index else tensor)


def places(rows: Sequence[Place]) -> Places:
    """Places as an array, also of none."""
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(rows[0]) if rows else 0)


def number(value: float) -> str:
    """A number as it stands in a formula: four digits."""
    return f"{value:.4g}"


def factor(value: float) -> str:
    """The same behind a sign: a negative one in parentheses."""
    return f"({number(value)})" if value < 0 or number(value).startswith("-") else number(value)


MOST = 25
"""A sum of more terms than this is not written out in a formula."""


def written_sum(values: Numbers, weights: Numbers | None) -> str:
    """`1*1 + 0*(-1) + 1*1`, or how many products it has."""
    if len(values) == 0:
        return "0"
    if len(values) > MOST:
        return f"{len(values)} products" if weights is not None else f"{len(values)} values"
    if weights is None:
        return " + ".join(factor(v) if turn else number(v) for turn, v in enumerate(values))
    pairs = zip(values, weights, strict=True)
    return " + ".join(f"{factor(v) if turn else number(v)}*{factor(w)}" for turn, (v, w) in enumerate(pairs))


def added(values: Numbers, weights: Numbers, products: Numbers, bias: float | None) -> tuple[tuple[Step, ...], str]:
    """The steps and the formula of a sum of products and a bias."""
    total = float(products.sum())
    told = written_sum(values, weights)
    name = "sum of the products"
    steps = [Step(name, f"{told} = {number(total)}", total)]
    if bias is not None:
        steps.append(Step("bias", f"{number(total)} + {factor(bias)} = {number(total + bias)}", total + bias))
        told += f" + {factor(bias)}"
        total += bias
    return tuple(steps), f"{told} = {number(total)}"
