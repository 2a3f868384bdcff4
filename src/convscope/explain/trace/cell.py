"""`trace`: one cell of any layer of any network, forward and backward."""

from __future__ import annotations

import math
import operator

import numpy as np
import torch
from torch import Tensor

from convscope.errors import ConvscopeError, unknown
from convscope.explain.trace.data import Box, Gradient, Move, Place, Share, Step, Term, Trace
from convscope.explain.trace.looking import Looked, look, parameter_gradients, the_picture
from convscope.explain.trace.loss import end_of, slopes_of_loss
from convscope.explain.trace.reading import At, Reading, exact, number, parameter
from convscope.explain.trace.rules import BY_ITSELF, FEEDS, READS
from convscope.explain.trace.wiring import LOSS, Edge, Wiring, picture_of, wiring
from convscope.explain.trace.words import text
from convscope.network.build import Network
from convscope.network.cost import in_aux
from convscope.network.receptive import Field, box, receptive_fields
from convscope.network.shapes import show
from convscope.notation.tree import Aux, Item, Layer


def trace(network: Network, x: Tensor, label: str, place: Place, *, target: int | None = None) -> Trace:
    """Open one number of a network.

    x: (1, C, H, W), what the network takes (a classifier's `preprocess.to_input` makes it). label: a layer, a form such
    as `add1`, or "input". place: (map, row, column) of maps, (unit,) of a vector, from 0. target: a class, for the
    gradient of the loss. Evaluation mode and float32 throughout; terms and steps are float64 arithmetic on these
    float32 numbers, `value` is what the network itself computes. Raises ConvscopeError for a layer, place or class
    that doesn't exist, a picture of another size, and a module of one's own.
    """
    found = _Cell(the_picture(network, x), x, label, tuple(operator.index(i) for i in place), target)
    return found.trace()


class _Cell:
    """The cell that is traced, and all around it that is known."""

    def __init__(self, network: Network, x: Tensor, label: str, place: Place, target: int | None) -> None:
        self.network, self.label, self.place, self.target = network, label, place, target
        self.rows = network.sizes.by_name()
        self.picture = picture_of(network.sizes)
        if label != self.picture and label not in self.rows:
            raise ConvscopeError(unknown("layer", label, [self.picture, *network.labels]))
        self.aside = in_aux(network.sizes)
        self.wires: Wiring = wiring(network.sizes)
        self.item: Item | None = self.rows[label].item if label in self.rows else None
        self.shape = self._shape()
        _check(label, self.shape, place)
        self.end = None if target is None else end_of(network, label, target)
        self.chain = self._chain()
        readers = [edge.target for edge in self._readers()] if target is not None else []
        read = [edge.source for edge in self.wires.into.get(label, ())]
        self.keep = {*read, label, *self.chain, *(name for name in readers if name != LOSS)}
        self.looked: Looked = look(network, x, self.keep, self._begin() if target is not None else None, self.end)

    def _shape(self) -> tuple[int, ...]:
        """(maps, rows, columns) or (units,) of the layer."""
        if isinstance(self.item, Aux):
            edge = self.wires.into[self.label][0]
            after = self.rows[edge.source].after if edge.source in self.rows else self.network.input
            return (after[2],) if after[:2] == (1, 1) and len(after) == 3 else _first(after)
        return _first(self.network.input if self.item is None else self.rows[self.label].after)

    def _begin(self) -> str:
        """Where gradients start: at the cell's own layer, or for a side classifier at its last."""
        return self.wires.into[self.label][0].source if isinstance(self.item, Aux) else self.label

    def _readers(self) -> list[Edge]:
        """Who reads the layer, on the way to the loss: from outside of a side classifier not what stands in one."""
        return [
            edge
            for edge in self.wires.out_of.get(self.label, ())
            if self.label in self.aside or not (edge.target in self.aside or isinstance(self._named(edge.target), Aux))
        ]

    def _named(self, label: str) -> Item | None:
        return self.rows[label].item if label in self.rows else None

    def _chain(self) -> list[str]:
        """The layers that follow directly and change each value by itself."""
        found: list[str] = []
        label = self.label
        while True:
            edges = [e for e in self.wires.out_of.get(label, ()) if label in self.aside or e.target not in self.aside]
            item = self._named(edges[0].target) if len(edges) == 1 and edges[0].box is None else None
            if not isinstance(item, Layer) or item.kind not in BY_ITSELF:
                return found
            found.append(item.name)
            label = item.name

    def arriving(self, label: str) -> Tensor:
        """What reaches a layer: (1, ...)."""
        edge = self.wires.into[label][0]
        x = self.looked.outputs[edge.source]
        if edge.box is not None:
            top, left, bottom, right = edge.box
            x = x[:, :, top:bottom, left:right]
        return x

    def at(self, layer: Layer) -> At:
        """A layer with what reaches and what leaves it."""
        x, y = self.arriving(layer.name)[0].cpu(), self.looked.outputs[layer.name][0]
        box = self.wires.into[layer.name][0].box
        origin = (0, *box[:2]) if box else (0, 0, 0)
        return At(layer, self.network.layer(layer.name), x.numpy(), tuple(y.shape), origin)

    def trace(self) -> Trace:
        value = float(self.looked.outputs[self.label][(0, *self.place)])
        reading: Reading | None = None
        if isinstance(self.item, Layer):
            reading = READS[self.item.kind](self.at(self.item), self.place)
            terms, steps, formula = _terms(reading, self.wires.into[self.label][0]), reading.steps, reading.formula
            window, bias, notes = reading.window, reading.bias, reading.notes
        else:
            terms, steps, formula = self._form(value)
            window, bias, notes = (len(terms), 1, 1), None, ()
        kind = self.item.kind if self.item is not None else "input"
        inputs = tuple(dict.fromkeys(edge.source for edge in self.wires.into.get(self.label, ())))
        return Trace(
            self.label, kind, text(self.item), self.place, self.shape, value, inputs, window, terms, bias,
            steps, formula, self._after(), self._seen(), self.network.input[:2], (*notes, *self._notes()),
            None if self.end is None else self._gradient(reading),
        )  # fmt: skip

    def _form(self, value: float) -> tuple[tuple[Term, ...], tuple[Step, ...], str]:
        """`add` has a term from each branch, all others one from where the cell comes from; the picture has none."""
        if self.item is None:
            return (), (Step("the picture", f"{number(value)}, as the network is given it", value),), number(value)
        terms = []
        for edge, spot in self._cells_of_form(self.label, self.place):
            held = float(self.looked.outputs[edge.source][(0, *spot)])
            terms.append(Term(edge.source, spot, True, held, 1.0, held, 1.0))
        total = math.fsum(term.product for term in terms)
        told = " + ".join(number(t.value) if not i else f"({number(t.value)})" if t.value < 0 else number(t.value)
                          for i, t in enumerate(terms))  # fmt: skip
        formula = f"{told} = {number(total)}" if len(terms) > 1 else f"{told}, from {terms[0].source} {terms[0].place}"
        return tuple(terms), (Step("sum of the branches" if len(terms) > 1 else "handed on", formula, total),), formula

    def _cells_of_form(self, label: str, place: Place) -> list[tuple[Edge, Place]]:
        """The cells that a form puts together in one place."""
        found = []
        for edge in self.wires.into[label]:
            spot = edge.in_source(place)
            after = _first(self.rows[edge.source].after if edge.source in self.rows else self.network.input)
            if isinstance(self._named(label), Aux) and len(spot) < len(after):
                spot = (*spot, 0, 0)
            inside = all(0 <= i < n for i, n in zip(spot, after, strict=True))
            if inside and edge.in_target(spot) is not None:
                found.append((edge, spot))
        return found

    def _after(self) -> tuple[Step, ...]:
        """What the layers that follow directly make of the value."""
        steps = []
        for label in self.chain:
            item = self.rows[label].item
            assert isinstance(item, Layer)
            formula = READS[item.kind](self.at(item), self.place).formula
            steps.append(Step(label, formula, float(self.looked.outputs[label][(0, *self.place)])))
        return tuple(steps)

    def _seen(self) -> Box:
        """The part of the picture that the cell hangs on."""
        return self._box(self.label, self.place, receptive_fields(self.network.sizes))

    def _box(self, label: str, place: Place, fields: dict[str, Field]) -> Box:
        if label == self.picture:
            return (place[1], place[2], place[1] + 1, place[2] + 1)
        if not isinstance(self._named(label), Layer):
            boxes = [self._box(edge.source, spot, fields) for edge, spot in self._cells_of_form(label, place)]
            tops, lefts, bottoms, rights = zip(*boxes, strict=True)
            return min(tops), min(lefts), max(bottoms), max(rights)
        return box(fields[label], place[1:] or place)

    def _notes(self) -> tuple[str, ...]:
        if self.end is not None and self.end.aux:
            return (
                f"The loss is that of {self.end.aux} alone, times its weight of {number(self.end.weight)} in training.",
            )
        return ()

    def _gradient(self, reading: Reading | None) -> Gradient:
        assert self.end is not None
        upstream = self.looked.upstream.get(self._begin())
        spot = self.place
        if isinstance(self.item, Aux):
            spot = self._cells_of_form(self.label, self.place)[0][1]
        value = 0.0 if upstream is None else float(upstream[(0, *spot)])
        return Gradient(
            self.end.target, self.looked.loss, value, tuple(self._shares()), tuple(self._moves(reading, value))
        )

    def _shares(self) -> list[Share]:
        """The cells that the traced one feeds, with what each hands back."""
        assert self.end is not None
        if isinstance(self.item, Aux):
            return [self._share_of_loss(self.place[0])]
        found: list[Share] = []
        for edge in self._readers():
            spot = edge.in_target(self.place)
            if spot is None:
                continue
            item = self._named(edge.target)
            if item is None or isinstance(item, Aux):
                found.append(self._share_of_loss(spot[0]))
            else:
                cells, slopes = ((np.array([spot]), np.ones(1)) if not isinstance(item, Layer)
                                 else FEEDS[item.kind](self.at(item), spot))  # fmt: skip
                gradient = self.looked.upstream.get(edge.target)
                if gradient is None:
                    continue
                ups = exact(gradient[(0, *torch.from_numpy(cells.T))])
                found += [
                    Share(edge.target, tuple(cell), slope, up, slope * up)
                    for cell, slope, up in zip(cells.tolist(), slopes.tolist(), ups.tolist(), strict=True)
                ]
        return found

    def _share_of_loss(self, unit: int) -> Share:
        assert self.end is not None
        assert self.looked.logits is not None
        slope = float(slopes_of_loss(exact(self.looked.logits[0]), self.end)[unit])
        return Share(LOSS, (), slope, self.end.weight, slope * self.end.weight)

    def _moves(self, reading: Reading | None, upstream: float) -> list[Move]:
        """The layer's own parameters that made the value, and how much of their gradients is this cell's."""
        if reading is None or not reading.moves or self.label not in self.looked.upstream:
            return []
        totals = {}
        if len(self.place) == 3:  # of a vector each parameter makes one unit alone, so its part is all there is
            ups = self.looked.upstream[self.label]
            totals = parameter_gradients(self.network, self.label, self.arriving(self.label), ups)
        found = []
        for name, (index, slopes) in reading.moves.items():
            where = tuple(index.T.tolist())
            held = parameter(self.network.layer(self.label), name, *where)
            parts = slopes * upstream
            total = exact(totals[name][where]) if totals else parts
            rows = zip(index.tolist(), held.tolist(), slopes.tolist(), parts.tolist(), total.tolist(), strict=True)
            found += [Move(f"{self.label}.{name}", tuple(i), v, s, part, t) for i, v, s, part, t in rows]
        return found


def _terms(reading: Reading, edge: Edge) -> tuple[Term, ...]:
    """The cells of a layer, by their places in the layer that they come from."""
    n = len(reading.cells)
    inside = [True] * n if reading.inside is None else reading.inside.tolist()
    weights = [None] * n if reading.weights is None else reading.weights.tolist()
    rows = zip(reading.cells.tolist(), inside, reading.values.tolist(), weights, reading.products.tolist(),
               reading.slopes.tolist(), strict=True)  # fmt: skip
    return tuple(
        Term(edge.source, edge.in_source(tuple(cell)), within, value, weight, product, slope)
        for cell, within, value, weight, product, slope in rows
    )


def _first(after: tuple[int, ...]) -> tuple[int, ...]:
    """(height, width, channels) as tensors have it, channels first."""
    return (after[2], after[0], after[1]) if len(after) == 3 else after


def _check(label: str, shape: tuple[int, ...], place: Place) -> None:
    """Raises ConvscopeError for a place that the layer doesn't have."""
    names = ("map", "row", "column") if len(shape) == 3 else ("unit",)
    after = show((shape[1], shape[2], shape[0])) if len(shape) == 3 else f"{shape[0]} units"
    if len(place) != len(shape):
        wanted = ", ".join(names) + ("," if len(names) == 1 else "")
        example = ", ".join(str(n // 2) for n in shape) + ("," if len(names) == 1 else "")
        raise ConvscopeError(
            f"a place in {label} ({after}) is ({wanted}), counted from 0. Got {place}. Give ({example}), for example."
        )
    for name, at, n in zip(names, place, shape, strict=True):
        if not 0 <= at < n:
            near = min(max(at, 0), n - 1)
            raise ConvscopeError(
                f"the {name} must be from 0 to {n - 1} in {label} ({after}). Got {at}. The nearest is {near}."
            )
