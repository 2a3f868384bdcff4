"""Rules for what reads all units, or the other maps in the same place: dense, rbf, softmax, local response
normalisation."""

from __future__ import annotations

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
from convscope.network.shapes import option


def _all(x: NDArray[np.float32]) -> Places:
    """The place of every value of x, maps first, then row by row: (n, 3) or (n, 1)."""
    return np.asarray(np.indices(x.shape).reshape(x.ndim, -1).T, dtype=np.int64)


def _lie(x: NDArray[np.float32]) -> tuple[int, int, int]:
    return (x.shape[0], x.shape[1], x.shape[2]) if x.ndim == 3 else (x.shape[0], 1, 1)


def dense(at: At, place: Place) -> Reading:
    """Every value that arrives times its weight, and the bias of the unit."""
    unit = place[0]
    values, weights = at.x.reshape(-1).astype(np.float64), parameter(at.module, "weight", unit)
    index = np.stack([np.full(len(values), unit), np.arange(len(values))], 1)
    moves = {"weight": (index, values)}
    bias = None
    if at.module.bias is not None:
        bias = float(parameter(at.module, "bias", unit))
        moves["bias"] = (places([(unit,)]), np.ones(1))
    products = values * weights + 0.0  # -0 to 0
    steps, formula = added(values, weights, products, bias)
    return Reading(_all(at.x), values, products, weights, steps, formula, _lie(at.x), None, weights, bias, moves)


def dense_feeds(at: At, place: Place) -> Reached:
    """Every unit, with the weight that meets this value."""
    turn = int(np.ravel_multi_index(place, at.x.shape))
    slopes = parameter(at.module, "weight", slice(None), turn)
    return np.arange(len(slopes), dtype=np.int64)[:, None], slopes


def rbf(at: At, place: Place) -> Reading:
    """Minus the sum of the squared differences between what arrives and the drawing of a digit."""
    values, drawing = at.x.reshape(-1).astype(np.float64), parameter(at.module, "drawings", place[0])
    apart = values - drawing
    value = -float((apart * apart).sum())
    formula = f"-(sum of {len(values)} squared differences) = {number(value)}"
    steps = (Step(f"minus the squared distance to the drawing of {place[0]}", formula, value),)
    return Reading(_all(at.x), values, -apart * apart, -2 * apart, steps, formula, _lie(at.x), weights=drawing)


def rbf_feeds(at: At, place: Place) -> Reached:
    """Every digit, twice the difference to its drawing downwards."""
    turn = int(np.ravel_multi_index(place, at.x.shape))
    slopes = -2 * (float(at.x.reshape(-1)[turn]) - parameter(at.module, "drawings", slice(None), turn))
    return np.arange(len(slopes), dtype=np.int64)[:, None], slopes


def _across(x: NDArray[np.float32], place: Place) -> tuple[Numbers, Places]:
    """All maps or units in one place: their values, and where they are."""
    cells = np.tile(np.array(place, dtype=np.int64), (x.shape[0], 1))
    cells[:, 0] = np.arange(x.shape[0])
    return (x[:, place[1], place[2]] if len(place) == 3 else x).astype(np.float64), cells


def softmax(at: At, place: Place) -> Reading:
    """e to the value, divided by the sum of that over all maps or units in this place; the largest is taken off first,
    which changes nothing but keeps the numbers small."""
    values, cells = _across(at.x, place)
    own = place[0]
    top = float(values.max())
    powers = np.exp(values - top)
    total = float(powers.sum())
    p = powers / total
    slopes = p[own] * ((np.arange(len(p)) == own) - p)
    told = written_sum(powers, None)
    steps = (
        Step("minus the largest", f"{number(values[own])} - {factor(top)} = {number(values[own] - top)}",
             float(values[own] - top)),
        Step("sum of the powers", f"{told} = {number(total)}", total),
        Step("share", f"exp({number(values[own] - top)}) / {number(total)} = {number(p[own])}", float(p[own])),
    )  # fmt: skip
    formula = f"exp({number(values[own])}) / (sum of {len(p)} powers) = {number(p[own])}"
    return Reading(cells, values, powers, slopes, steps, formula, (len(p), 1, 1))


def softmax_feeds(at: At, place: Place) -> Reached:
    """Every probability in this place: its own rises, the others fall."""
    values, cells = _across(at.x, place)
    powers = np.exp(values - values.max())
    p = powers / powers.sum()
    return cells, p * ((np.arange(len(p)) == place[0]) - p[place[0]])


def lrn(at: At, place: Place) -> Reading:
    """The value divided by (k + alpha * the sum of the squares of its neighbours)^beta. Krizhevsky, Sutskever and
    Hinton 2012, section 3.3."""
    reach = option(at.layer, "window", int) // 2
    k, alpha, beta = (option(at.layer, name, float) for name in ("k", "alpha", "beta"))
    own = place[0]
    maps = range(max(0, own - reach), min(at.x.shape[0], own + reach + 1))
    cells = places([(map_, *place[1:]) for map_ in maps])
    values = at.x[tuple(cells.T)].astype(np.float64)
    x, squares = float(at.x[place]), float((values * values).sum())
    base = k + alpha * squares
    with np.errstate(divide="ignore", invalid="ignore"):  # of a negative or no base, PyTorch's own nan or infinity
        divisor = float(np.float64(base) ** beta)
        slopes = (cells[:, 0] == own) / np.float64(divisor) - 2 * alpha * beta * x * values / np.float64(divisor * base)
        value = float(np.float64(x) / divisor)
    told = written_sum(values, values) if len(values) <= MOST else f"{len(values)} squares"
    steps = (
        Step("sum of the squares", f"{told} = {number(squares)}", squares),
        Step("k + alpha * sum", f"{number(k)} + {number(alpha)}*{number(squares)} = {number(base)}", base),
        Step("to the power of beta", f"{number(base)}^{number(beta)} = {number(divisor)}", divisor),
        Step("divided by it", f"{number(x)} / {number(divisor)} = {number(value)}", value),
    )
    formula = f"{number(x)} / ({number(k)} + {number(alpha)}*{number(squares)})^{number(beta)} = {number(value)}"
    return Reading(cells, values, values * values, slopes, steps, formula, (len(values), 1, 1), weights=values)


def lrn_covers(at: At, place: Place) -> list[Place]:
    """The neighbouring maps in the same place."""
    reach = option(at.layer, "window", int) // 2
    maps = range(max(0, place[0] - reach), min(at.x.shape[0], place[0] + reach + 1))
    return [(map_, *place[1:]) for map_ in maps]
