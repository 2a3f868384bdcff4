"""All that is known of a network before it is trained, layer by layer, as plain data; and what repeats, folded.

Puts together what shapes, cost, memory and receptive fields say. Knows no torch and no formatting.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from convscope.network.cost import bias_count, in_aux, multiply_adds, values, weight_count
from convscope.network.fold import run
from convscope.network.memory import kept_by_layer
from convscope.network.receptive import Field, receptive_fields
from convscope.network.shapes import Sized, Sizes, numbers
from convscope.notation.tree import Aux, Branches, Item, Regions
from convscope.notation.tree import Sequence as Body


@dataclass(frozen=True, slots=True)
class Weighed:
    """One layer: its row, what it learns, its products, the values that it makes and the bytes that training keeps of
    it, all for one picture, and what its units see. aux: whether it stands in a side classifier."""

    row: Sized
    weights: int
    biases: int
    multiply_adds: int
    values: int
    kept: int
    field: Field
    aux: bool

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums over layers."""

    weights: int
    biases: int
    multiply_adds: int
    values: int
    kept: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases


@dataclass(frozen=True, slots=True)
class Folded:
    """Rows that stand for `times` turns of the same layers with the same shapes: those of the first turn, with the
    receptive fields of the last."""

    layer: Weighed
    times: int


def weigh(sizes: Sizes) -> list[Weighed]:
    """Every layer in reading order."""
    fields, kept, aux = receptive_fields(sizes), kept_by_layer(sizes), in_aux(sizes)
    return [
        Weighed(row, weight_count(row), bias_count(row), multiply_adds(row), values(row), kept.get(row.item.name, 0),
                fields[row.item.name], row.item.name in aux)
        for row in sizes.rows
    ]  # fmt: skip


def totals(sizes: Sizes, layers: Sequence[Weighed], *, aux: bool) -> Totals:
    """The sums over side classifiers (aux), or over all else with the picture itself, which is values in memory too."""
    chosen = [layer for layer in layers if layer.aux == aux]
    picture, kept = (0, 0) if aux else (numbers(sizes.input), kept_by_layer(sizes).get("input", 0))
    return Totals(
        sum(layer.weights for layer in chosen), sum(layer.biases for layer in chosen),
        sum(layer.multiply_adds for layer in chosen), picture + sum(layer.values for layer in chosen),
        kept + sum(layer.kept for layer in chosen),
    )  # fmt: skip


def fold(layers: Sequence[Weighed]) -> list[Folded]:
    """Rows with what comes several times in a row shown once.

    Turns are the same where they were written at the same place in the text (a repeat, or a piece used again) and have
    the same shapes and values.
    """
    return _fold(list(layers), [_key(layer) for layer in layers])


def _key(layer: Weighed) -> tuple[object, ...]:
    item: Item = layer.row.item
    if isinstance(item, Branches):
        item = dataclasses.replace(item, branches=())
    elif isinstance(item, Regions):
        item = dataclasses.replace(item, parts=())
    elif isinstance(item, Aux):
        item = dataclasses.replace(item, body=Body(()))
    item = dataclasses.replace(item, name="")
    return (item.place.line, item.place.column, repr(item), layer.row.before, layer.row.after)


def _fold(layers: list[Weighed], keys: list[tuple[object, ...]]) -> list[Folded]:
    done: list[Folded] = []
    at = 0
    while at < len(layers):
        period, turns = run(keys, at)
        if turns < 2:
            done.append(Folded(layers[at], 1))
            at += 1
            continue
        late = 0  # a first turn that only begins otherwise: what the last one ends in tells where turns begin
        end = at + period * turns
        while late + 1 < period and keys[end + late : end + late + 1] == [keys[at + late]]:
            late += 1
        done += [Folded(layer, 1) for layer in layers[at : at + late]]
        at += late
        last = at + period * (turns - 1)
        shown = [
            dataclasses.replace(first, field=final.field)
            for first, final in zip(layers[at : at + period], layers[last : last + period], strict=True)
        ]
        done += [Folded(each.layer, each.times * turns) for each in _fold(shown, keys[at : at + period])]
        at = last + period
    return done
