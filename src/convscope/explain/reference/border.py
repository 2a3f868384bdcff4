"""What lies outside the picture: a number, the nearest cell, or the mirror image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convscope.errors import ConvscopeError, unknown
from convscope.explain.reference.sizes import Array, Axis

Border = float | str
"""A number, "replicate" or "reflect"."""


def source(axis: Axis, border: str) -> NDArray[np.int64]:
    """Which of the n real cells each cell of the padded axis shows, (before + n + after,) whole numbers.

    For a b c d: replicate gives a a | a b c d | d d, reflect c b | a b c d | c b (the edge is the mirror and isn't
    doubled). Raises ConvscopeError where reflect would have to turn back twice (a side of n cells or more), and for an
    unknown word.
    """
    place = np.arange(-axis.before, axis.n + axis.after)
    if border == "replicate":
        return np.clip(place, 0, axis.n - 1)
    if border != "reflect":
        raise ConvscopeError(unknown("border", border, ("replicate", "reflect")))
    if max(axis.before, axis.after) >= axis.n:
        raise ConvscopeError(
            f"border=reflect needs fewer border cells than the picture has. Got {max(axis.before, axis.after)} beside "
            f"{axis.n}. Use border=replicate or a smaller kernel."
        )
    place = np.abs(place)
    return np.where(place < axis.n, place, 2 * (axis.n - 1) - place)


def add_border(x: Array, rows: Axis, columns: Axis, border: Border = 0.0) -> Array:
    """(N, C, H, W) to (N, C, before + H + after, before + W + after)."""
    if isinstance(border, str):
        return x[..., source(rows, border)[:, None], source(columns, border)]
    height, width = rows.before + rows.n + rows.after, columns.before + columns.n + columns.after
    out = np.full((*x.shape[:-2], height, width), float(border))
    out[..., rows.inside(), columns.inside()] = x
    return out


def add_border_gradient(upstream: Array, rows: Axis, columns: Axis, border: Border = 0.0) -> Array:
    """The gradient with respect to the picture: a cell collects from every place that shows it."""
    if not isinstance(border, str):
        return upstream[..., rows.inside(), columns.inside()]
    out = np.zeros((*upstream.shape[:-2], rows.n, columns.n))
    for row, shown in enumerate(source(rows, border)):
        for column, cell in enumerate(source(columns, border)):
            out[..., shown, cell] += upstream[..., row, column]
    return out
