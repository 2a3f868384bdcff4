"""Rules for what changes each value by itself: activations, batch normalisation, dropout, a constant factor; and for
what only puts values elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from convscope.explain.trace.data import Place, Step
from convscope.explain.trace.reading import At, Reached, Reading, factor, number, parameter, places
from convscope.network.shapes import option

Curve = Callable[[float, float], tuple[float, float, str]]
"""A value and the layer's slope (0 where it has none) to: what leaves, its derivative, the formula's left side."""


def _relu(x: float, _: float) -> tuple[float, float, str]:
    return max(x, 0.0), float(x > 0), f"max(0, {number(x)})"


def _relu6(x: float, _: float) -> tuple[float, float, str]:
    return min(max(x, 0.0), 6.0), float(0 < x < 6), f"min(6, max(0, {number(x)}))"


def _tanh(x: float, _: float) -> tuple[float, float, str]:
    y = math.tanh(x)
    return y, 1 - y * y, f"tanh({number(x)})"


def _tanh_scaled(x: float, _: float) -> tuple[float, float, str]:
    y = math.tanh(2 / 3 * x)
    return 1.7159 * y, 1.7159 * 2 / 3 * (1 - y * y), f"1.7159*tanh(2/3*{factor(x)})"


def _logistic(x: float) -> float:
    """1 / (1 + e^-x) without an overflow on either side."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _sigmoid(x: float, _: float) -> tuple[float, float, str]:
    y = _logistic(x)
    return y, y * (1 - y), f"1 / (1 + exp({number(-x)}))"


def _gelu(x: float, _: float) -> tuple[float, float, str]:
    below = (1 + math.erf(x / math.sqrt(2))) / 2
    density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return x * below, below + x * density, f"{number(x)}*(1 + erf({number(x)} / sqrt(2))) / 2"


def _silu(x: float, _: float) -> tuple[float, float, str]:
    share = _logistic(x)
    return x * share, share * (1 + x * (1 - share)), f"{number(x)} / (1 + exp({number(-x)}))"


def _elu(x: float, slope: float) -> tuple[float, float, str]:
    if x > 0:
        return x, 1.0, f"{number(x)}, as it is above 0"
    return slope * math.expm1(x), slope * math.exp(x), f"{number(slope)}*(exp({number(x)}) - 1)"


def _leaky(x: float, slope: float) -> tuple[float, float, str]:
    if x > 0:
        return x, 1.0, f"{number(x)}, as it is above 0"
    return slope * x, slope, f"{number(slope)}*{factor(x)}"


CURVES: dict[str, Curve] = {
    "relu": _relu,
    "relu6": _relu6,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "gelu": _gelu,
    "silu": _silu,
    "elu": _elu,
    "leaky": _leaky,
}
"""One row an activation."""


def _one(
    x: float, place: Place, slope: float, steps: tuple[Step, ...], formula: str, notes: tuple[str, ...] = ()
) -> Reading:
    """A value that hangs on the one in its own place alone."""
    value = np.array([x])
    return Reading(
        places([place]), value, value, np.array([slope]), steps, formula, (1, 1, 1), weights=np.ones(1), notes=notes
    )


def activation(at: At, place: Place) -> Reading:
    """A function of the value in the same place."""
    x = float(at.x[place])
    curve = _tanh_scaled if at.layer.options.get("scaled") else CURVES[at.layer.kind]
    given = at.layer.options.get("slope", 0.0)
    y, slope, told = curve(x, float(given) if isinstance(given, int | float) else 0.0)
    formula = f"{told} = {number(y)}"
    return _one(x, place, slope, (Step(at.layer.kind, formula, y),), formula)


def scale(at: At, place: Place) -> Reading:
    """A constant times the value."""
    x, by = float(at.x[place]), option(at.layer, "factor", float)
    formula = f"{number(x)}*{factor(by)} = {number(x * by)}"
    value = np.array([x])
    return Reading(
        places([place]), value, value * by, np.array([by]), (Step("scale", formula, x * by),), formula, (1, 1, 1),
        weights=np.array([by]),
    )  # fmt: skip


def dropout(at: At, place: Place) -> Reading:
    """In prediction it hands on what arrives."""
    x, p = float(at.x[place]), option(at.layer, "p", float)
    formula = f"{number(x)}, handed on as it is"
    note = (
        f"In training it is 0 with probability {number(p)}, and else {number(x)} / (1 - {number(p)}) = "
        f"{number(x / (1 - p))}: the mean stays what it is in prediction."
    )
    return _one(x, place, 1.0, (Step("dropout in prediction", formula, x),), formula, (note,))


def bn(at: At, place: Place) -> Reading:
    """Minus the running mean, divided by the running deviation, times scale, plus shift."""
    x, module = float(at.x[place]), at.module
    spot = place if at.layer.options["per"] == "activation" else place[:1]
    mean, variance = (float(parameter(module, name, *spot)) for name in ("running_mean", "running_var"))
    deviation = math.sqrt(variance + option(at.layer, "eps", float))
    value = (x - mean) / deviation
    steps = [
        Step("minus the running mean", f"{number(x)} - {factor(mean)} = {number(x - mean)}", x - mean),
        Step("divided by the running deviation",
             f"{number(x - mean)} / sqrt({number(variance)} + {number(option(at.layer, 'eps', float))}) = "
             f"{number(value)}", value),
    ]  # fmt: skip
    formula, slope = f"({number(x)} - {factor(mean)}) / {number(deviation)}", 1 / deviation
    moves = {}
    if module.weight is not None:
        by = float(parameter(module, "weight", *spot))
        moves["weight"] = (places([spot]), np.array([value]))
        steps.append(Step("times the scale", f"{number(value)}*{factor(by)} = {number(value * by)}", value * by))
        formula, slope, value = f"{formula}*{factor(by)}", slope * by, value * by
    if module.bias is not None:
        shift = float(parameter(module, "bias", *spot))
        moves["bias"] = (places([spot]), np.ones(1))
        steps.append(Step("plus the shift", f"{number(value)} + {factor(shift)} = {number(value + shift)}",
                          value + shift))  # fmt: skip
        formula, value = f"{formula} + {factor(shift)}", value + shift
    given = np.array([x])
    note = "In training, mean and deviation are those of the batch, and the gradient goes through them too."
    return Reading(
        places([place]), given, given, np.array([slope]), tuple(steps), f"{formula} = {number(value)}", (1, 1, 1),
        weights=np.ones(1), moves=moves, notes=(note,),
    )  # fmt: skip


# What only puts values elsewhere


def flatten(at: At, place: Place) -> Reading:
    """The same number, from its map, row and column: maps first, then row by row."""
    spot = tuple(int(i) for i in np.unravel_index(place[0], at.x.shape))
    x = float(at.x[spot])
    formula = f"{number(x)}, {at.from_(spot)}"
    return _one(x, spot, 1.0, (Step("handed on", formula, x),), formula)


def flatten_feeds(at: At, place: Place) -> Reached:
    """The one unit that holds the cell."""
    return places([(int(np.ravel_multi_index(place, at.x.shape)),)]), np.ones(1)


def identity(at: At, place: Place) -> Reading:
    """The same number, from the row and column that were kept; 0 in a map that was added."""
    if place[0] >= at.x.shape[0]:
        formula = f"0: map {place[0]} was added, {at.x.shape[0]} arrived"
        none = np.zeros(0)
        return Reading(
            np.zeros((0, 3), np.int64), none, none, none, (Step("a map of zeros", formula, 0.0),), formula, (0, 0, 0)
        )
    stride = at.layer.stride or (1, 1)
    spot = place if len(place) == 1 else (place[0], place[1] * stride[0], place[2] * stride[1])
    x = float(at.x[spot])
    formula = f"{number(x)}, handed on as it is"
    return _one(x, spot, 1.0, (Step("handed on", formula, x),), formula)


def identity_feeds(at: At, place: Place) -> Reached:
    """The cell that it is handed to, unless its row or column is left out."""
    if len(place) == 1:
        return places([place]), np.ones(1)
    (down, row_rest), (across, column_rest) = (
        divmod(place[axis + 1], (at.layer.stride or (1, 1))[axis]) for axis in (0, 1)
    )
    if row_rest or column_rest:
        return np.zeros((0, 3), np.int64), np.zeros(0)
    return places([(place[0], down, across)]), np.ones(1)
