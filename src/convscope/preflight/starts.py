"""Lints of initial weights and biases: a spread far from sqrt(2 / inputs), units that start alike, wild biases."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from convscope.network.shapes import numbers, option, scaled
from convscope.notation.tree import Init, Layer
from convscope.preflight.edits import with_word
from convscope.preflight.finding import Edit
from convscope.preflight.subject import Found, Subject, named, one_each

WIDE, WILD = 2.0, 4.0
"""Weights of a layer that spread `WILD` times as wide as sqrt(2 / inputs) are said; all beyond `WIDE` are mended."""
BIAS = 1.0
"""Biases drawn as wide as this, or a constant beyond 1 (AlexNet's own) or at -1 and below."""


def spread(how: Init, inputs: int, factor: float = 1.0) -> float:
    """How many times as wide as sqrt(2 / inputs) numbers are drawn; 0 for a constant, 1 for `kaiming`, `glorot` and the
    like, which fit the inputs. factor: of a `scale` behind them, which counts where the width is written out."""
    value = abs((how.value or 0.0) * factor) / math.sqrt(2 / inputs)
    spreads = {"normal": value, "truncnormal": 0.88 * value, "uniform": value / math.sqrt(3), "constant": 0.0}
    return spreads.get(how.kind, 1.0)


def weighted(s: Subject) -> Iterator[tuple[Layer, Init, float]]:
    """Layers with weights: how these start, and their `spread`."""
    factors = scaled(s.sizes)
    for layer, row in s.layers():
        if layer.kind not in ("conv", "dense"):
            continue
        inputs = numbers(row.before)
        if layer.kind == "conv" and layer.kernel:
            inputs = row.before[2] // option(layer, "groups", int) * layer.kernel[0] * layer.kernel[1]
        how = option(layer, "init", Init)
        yield layer, how, spread(how, inputs, factors.get(layer.name, 1.0))


def initial_weights_large(s: Subject) -> Iterator[Found]:
    """Weights that make numbers grow from layer to layer, where no bn behind them takes that out again."""
    normalised = {first.name for first, second in s.neighbours() if second.kind == "bn"}
    wide = [(layer, times) for layer, _, times in weighted(s)]
    wild = [(layer, times) for layer, times in wide if times > WILD and layer.name not in normalised]
    if wild:
        layer, times = max(wild, key=lambda pair: pair[1])
        growth = math.prod(t for each, t in wide if t > WIDE and each.name not in normalised)
        edits: list[tuple[Layer, Edit]] = [
            (each, with_word(s.text, each.place, "init=kaiming")) for each, t in wide if t > WIDE
        ]
        yield Found(
            layer.name,
            f"the initial weights of {layer.name} spread {times:.0f} times as wide as sqrt(2 / inputs), at which the "
            f"numbers keep their size from layer to layer; together the layers enlarge them {growth:.2g} times.",
            f"write init=kaiming at {named([each for each, _ in edits])}",
            one_each(edits),
        )


def initial_weights_small(s: Subject) -> Iterator[Found]:
    """Weights so small that a hidden layer hands on next to nothing, with no bn behind."""
    normalised = {first.name for first, second in s.neighbours() if second.kind == "bn"}
    rows = list(weighted(s))
    small = [
        (layer, times)
        for layer, how, times in rows[:-1]
        if how.kind != "constant" and times < 0.02 and layer.name not in normalised
    ]
    if small:
        layer, times = min(small, key=lambda pair: pair[1])
        yield Found(
            layer.name,
            f"the initial weights of {layer.name} spread {times:.2g} times as wide as sqrt(2 / inputs): what leaves it "
            "is next to nothing, and so is the gradient that reaches what is before it.",
            f"write init=kaiming at {named([each for each, _ in small])}",
            one_each([(each, with_word(s.text, each.place, "init=kaiming")) for each, _ in small]),
        )


def units_start_alike(s: Subject) -> Iterator[Found]:
    """Weights that are all one number: every unit of a hidden layer gets the same gradient for ever."""
    alike = [layer for layer, how, _ in list(weighted(s))[:-1] if how.kind == "constant"]
    if alike:
        yield Found(
            alike[0].name,
            f"all weights of {named(alike)} start as one number: all units of a layer give the same, get the same "
            "gradient and stay one unit.",
            "write init=kaiming there",
            one_each([(layer, with_word(s.text, layer.place, "init=kaiming")) for layer in alike]),
        )


def initial_biases_large(s: Subject) -> Iterator[Found]:
    """Biases of 1 or more: relus that start shut, or wide open."""
    wild = []
    for layer, _, _ in weighted(s):
        how = option(layer, "bias_init", Init)
        value = how.value or 0.0
        size = abs(value) if how.kind in ("constant", "normal", "truncnormal", "uniform") else 0.0
        if layer.options["bias"] and size >= BIAS and (how.kind, value) != ("constant", BIAS):
            wild.append((layer, size))
    if wild:
        layer, size = max(wild, key=lambda pair: pair[1])
        yield Found(
            layer.name,
            f"the biases of {layer.name} start at a size of {size:g}, where its inputs give numbers of about 1: units "
            "are shut or wide open before anything is learned.",
            f"write bias_init=0 at {named([each for each, _ in wild])}",
            one_each([(each, with_word(s.text, each.place, "bias_init=0")) for each, _ in wild]),
        )


LINTS: dict[str, Callable[[Subject], Iterator[Found]]] = {
    "initial-weights-large": initial_weights_large,
    "initial-weights-small": initial_weights_small,
    "units-start-alike": units_start_alike,
    "initial-biases-large": initial_biases_large,
}
