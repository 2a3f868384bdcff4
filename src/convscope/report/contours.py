"""A grid of heights as a map: contour lines and the ground above each. Knows numbers and lengths."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convscope.report.svg import short

Heights = NDArray[np.float64]
Place = Callable[[float], float]
Points = list[tuple[float, float]]


def levels(heights: Heights, count: int = 12) -> list[float]:
    """Heights of contour lines, of equal factors from the lowest to the highest: a loss spans decades."""
    finite = heights[np.isfinite(heights) & (heights > 0)]
    if not finite.size or finite.max() <= finite.min():
        return []
    low, high = math.log(finite.min()), math.log(finite.max())
    return [math.exp(low + (high - low) * (i + 0.5) / count) for i in range(count)]


def _cells(heights: Heights, level: float) -> list[tuple[Points, Points]]:
    """Of each cell that the level crosses: the outline of what lies above, and where its sides are crossed; (x, y) in
    grid steps. Between grid places the height is a straight line."""
    found = []
    above = heights > level
    mixed = above[:-1, :-1].astype(int) + above[:-1, 1:] + above[1:, :-1] + above[1:, 1:]
    for i, j in np.argwhere((mixed > 0) & (mixed < 4)):
        corners = [(j, i), (j + 1, i), (j + 1, i + 1), (j, i + 1)]
        outline: Points = []
        crossed: Points = []
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            h0, h1 = heights[y0, x0], heights[y1, x1]
            if above[y0, x0]:
                outline.append((float(x0), float(y0)))
            if above[y0, x0] != above[y1, x1]:
                share = (level - h0) / (h1 - h0) if math.isfinite(h0) and math.isfinite(h1) else float(above[y0, x0])
                point = (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
                outline.append(point)
                crossed.append(point)
        found.append((outline, crossed))
    return found


def region(heights: Heights, level: float, x: Place, y: Place) -> str:
    """An SVG path of all ground above a level; x and y give the coordinates of a place in grid steps."""
    parts = []
    for outline, _ in _cells(heights, level):
        parts.append("M" + "L".join(f"{short(x(a))} {short(y(b))}" for a, b in outline) + "Z")
    above = heights > level
    full = above[:-1, :-1] & above[:-1, 1:] & above[1:, :-1] & above[1:, 1:]
    for i, row in enumerate(full):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            top, bottom = short(y(float(i))), short(y(i + 1.0))
            left, right = short(x(float(first))), short(x(float(end)))
            parts.append(f"M{left} {top}L{right} {top}L{right} {bottom}L{left} {bottom}Z")
    return "".join(parts)


def lines(heights: Heights, level: float, x: Place, y: Place) -> str:
    """An SVG path of a level's contour lines."""
    parts = []
    for _, crossed in _cells(heights, level):
        for (a, b), (c, d) in zip(crossed[::2], crossed[1::2], strict=True):
            parts.append(f"M{short(x(a))} {short(y(b))}L{short(x(c))} {short(y(d))}")
    return "".join(parts)
