"""What a batch of pictures shows of every layer: units that are dead, maps that say the same, and how activations and
gradients are spread.

Goes over the batch twice, a few pictures at a time: for the ranges, then for what is counted in them. Formats nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.data.progress import Progress
from convscope.errors import ConvscopeError
from convscope.explain.maps import check_input, labels_of
from convscope.explain.trace.loss import end_of
from convscope.network.at_rest import at_rest
from convscope.network.build import Network
from convscope.network.shapes import numbers
from convscope.notation.tree import Branches, Layer
from convscope.train import loss as losses

BINS = 64
ALIKE = 0.99
"""The correlation above which two maps say the same."""

_CONSTANT = 1e-6  # of a layer's largest value: what varies less over the pictures is rounding
_ENOUGH = 16  # values of a unit: of fewer, a correlation means nothing
_AT_ONCE = 1 << 26  # activations that are kept at a time: 256 MiB
_HANDS_ON = frozenset({"flatten", "dropout", "identity"})
SWITCHES = frozenset({"relu", "relu6", "gelu", "silu", "elu", "leaky"})
"""Activations of which a unit that is never above 0 is dead."""


@dataclass(frozen=True)
class Histogram:
    """Equal bins from low to high. counts: (BINS,) of all values; zeros: how many of these are exactly 0."""

    low: float
    high: float
    counts: tuple[int, ...]
    zeros: int

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class Health:
    """One layer over a batch of pictures. units: how many maps it has, or units of a vector.

    dead: units that are the same for every picture, and behind an activation also those never above 0.
    duplicates: (first, second, correlation) of maps that are not dead: the second says what the first does, over all
    pictures and places; each second once, with the first that it is most like.
    gradients: of each picture's loss with respect to what leaves the layer; None where no labels were given.
    """

    label: str
    kind: str
    units: int
    dead: tuple[int, ...]
    duplicates: tuple[tuple[int, int, float], ...]
    activations: Histogram
    gradients: Histogram | None


def health(
    network: Network, x: Tensor, targets: Tensor | None = None, progress: Progress | None = None
) -> dict[str, Health]:
    """Every layer that computes something, by its label, over pictures x: (N, C, H, W), N at least 2.

    targets: (N,) the right classes, for gradients. Layers that hand their numbers on as they are (flatten, dropout,
    identity) are left out. Duplicates need 16 values of a unit. Raises ConvscopeError for pictures of another size.
    """
    check_input(network, x)
    if len(x) < 2:
        raise ConvscopeError(f"what is the same for every picture shows with 2 pictures or more. Got {len(x)}.")
    if targets is not None and targets.shape != (len(x),):
        raise ConvscopeError(f"there must be a target for each of {len(x)} pictures. Got {tuple(targets.shape)}.")
    layers = _layers(network)
    if not layers:
        raise ConvscopeError("a network must have a layer that computes something. This one has none.")
    first = {label: _Ranges() for label in layers}
    for label, value, slope in _passes(network, x, targets, list(layers), progress, "ranges"):
        first[label].add(value, slope)
        if not bool(value.isfinite().all()):
            raise ConvscopeError(
                f"what leaves a layer must be finite numbers. {label} gives NaN or infinity for some pictures: its "
                "weights, or those before it, have diverged."
            )
    second = {label: _Counts(ranges) for label, ranges in first.items()}
    for label, value, slope in _passes(network, x, targets, list(layers), progress, "histograms"):
        second[label].add(value, slope)
    return {label: _told(label, kind, first[label], second[label]) for label, kind in layers.items()}


def _layers(network: Network) -> dict[str, str]:
    """The kinds of the layers that are looked at, by their labels."""
    rows = network.sizes.by_name()
    kinds = {label: getattr(rows[label].item, "kind", "") for label in labels_of(network)
             if isinstance(rows[label].item, Layer | Branches)}  # fmt: skip
    return {label: kind for label, kind in kinds.items() if kind not in _HANDS_ON}


def _passes(
    network: Network, x: Tensor, targets: Tensor | None, labels: list[str], progress: Progress | None, what: str
) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """Each layer's label, values (n, units, places) and gradients of the same shape, a few pictures at a time."""
    each = sum(numbers(row.after) for row in network.sizes.rows)
    step = max(1, min(64, _AT_ONCE // (each * (1 if targets is None else 2))))
    last = network.sizes.body.items[-1]
    build = losses.build("rbf" if isinstance(last, Layer) and last.kind == "rbf" else "cross-entropy")
    if targets is not None:
        for target in {int(targets.min()), int(targets.max())}:
            end_of(network, labels[-1], target)
    for start in range(0, len(x), step):
        part = x[start : start + step].detach().requires_grad_(targets is not None)
        with at_rest(network), torch.set_grad_enabled(targets is not None):
            logits, kept = network(part, keep=labels)
            slopes: list[Tensor | None] = [None] * len(labels)
            if targets is not None:
                total = build(logits, targets[start : start + step].to(logits.device)) * len(part)
                slopes = list(torch.autograd.grad(
                    total, [kept[label] for label in labels], allow_unused=True, materialize_grads=True))  # fmt: skip
        for label, slope in zip(labels, slopes, strict=True):
            value = kept[label].detach()
            yield label, _flat(value), None if slope is None else _flat(slope)
        if progress is not None:
            progress(what, min(start + step, len(x)), len(x))


def _flat(value: Tensor) -> Tensor:
    """(n, units, places) of maps or of a vector."""
    return value.float().reshape(len(value), value.shape[1], -1)


@dataclass
class _Ranges:
    """What the first pass gathers."""

    low: Tensor | None = None  # (units, places) over the pictures
    high: Tensor | None = None
    sums: Tensor | float = 0.0  # (units,)
    count: int = 0  # values of a unit
    slopes: list[float] = field(default_factory=list)

    def add(self, value: Tensor, slope: Tensor | None) -> None:
        low, high = value.amin(0), value.amax(0)
        self.low = low if self.low is None else torch.minimum(self.low, low)
        self.high = high if self.high is None else torch.maximum(self.high, high)
        self.sums = self.sums + value.double().sum((0, 2))
        self.count += value.shape[0] * value.shape[2]
        if slope is not None:
            self.slopes += [float(slope.min()), float(slope.max())]

    def dead(self, kind: str) -> NDArray[np.bool_]:
        """(units,): the same for every picture, or after an activation never above 0."""
        assert self.low is not None and self.high is not None  # noqa: PT018
        largest = float(torch.maximum(self.low.abs(), self.high.abs()).max())
        dead = (self.high - self.low).amax(1) <= _CONSTANT * largest
        if kind in SWITCHES:
            dead |= self.high.amax(1) <= 0
        return dead.cpu().numpy()


class _Counts:
    """What the second pass gathers: histograms, and the products of each two units, less their means."""

    def __init__(self, ranges: _Ranges) -> None:
        assert ranges.low is not None and ranges.high is not None  # noqa: PT018
        self.range = float(ranges.low.min()), float(ranges.high.max())
        self.slope_range = (min(ranges.slopes), max(ranges.slopes)) if ranges.slopes else None
        assert isinstance(ranges.sums, Tensor)
        self.mean = (ranges.sums / ranges.count).float()[None, :, None]
        self.enough = ranges.count >= _ENOUGH
        self.counts, self.slopes = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
        self.zeros = self.slope_zeros = 0
        self.products: Tensor | float = 0.0  # (units, units)

    def add(self, value: Tensor, slope: Tensor | None) -> None:
        self.counts += _binned(value, self.range)
        self.zeros += int((value == 0).sum())
        if slope is not None and self.slope_range is not None:
            self.slopes += _binned(slope, self.slope_range)
            self.slope_zeros += int((slope == 0).sum())
        if self.enough:
            flat = (value - self.mean).transpose(0, 1).flatten(1)  # (units, n * places)
            self.products = self.products + flat @ flat.T

    def duplicates(self, dead: NDArray[np.bool_]) -> tuple[tuple[int, int, float], ...]:
        if not isinstance(self.products, Tensor):
            return ()
        products = self.products.cpu().numpy()
        size = np.sqrt(np.diag(products))
        size[dead | (size == 0)] = np.inf
        alike = np.triu(products / np.outer(size, size), 1)
        first = alike.argmax(0)
        best = alike[first, np.arange(len(first))]
        return tuple((int(first[n]), int(n), float(min(best[n], 1.0))) for n in np.flatnonzero(best > ALIKE))


def _binned(values: Tensor, span: tuple[float, float]) -> NDArray[np.int64]:
    low, high = span
    if high <= low:  # all values are one
        counts = np.zeros(BINS, np.int64)
        counts[0] = values.numel()
        return counts
    at = ((values.double() - low) * (BINS / (high - low))).long().clamp_(0, BINS - 1)
    return torch.bincount(at.flatten(), minlength=BINS).cpu().numpy()


def _told(label: str, kind: str, ranges: _Ranges, counts: _Counts) -> Health:
    dead = ranges.dead(kind)
    gradients = None
    if counts.slope_range is not None:
        gradients = Histogram(*counts.slope_range, tuple(int(n) for n in counts.slopes), counts.slope_zeros)
    return Health(
        label, kind, len(dead), tuple(int(n) for n in np.flatnonzero(dead)), counts.duplicates(dead),
        Histogram(*counts.range, tuple(int(n) for n in counts.counts), counts.zeros), gradients,
    )  # fmt: skip
