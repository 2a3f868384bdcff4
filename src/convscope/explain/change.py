"""How a network came about: its kernels, and how the weights and activations of its layers were spread, over the
snapshots of its training.

Reads one snapshot at a time and keeps of it what is shown. Formats nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.classifier import Classifier
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError
from convscope.explain.maps import convolutions, labels_of
from convscope.network.at_rest import at_rest
from convscope.network.build import Network
from convscope.notation.tree import Layer
from convscope.run import Run, Snapshot

SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""The quantiles that are kept: smallest, 5 %, 25 %, median, 75 %, 95 %, largest."""

_VALUES = 100_000  # of a layer, evenly chosen: enough for quantiles


@dataclass(frozen=True)
class Spread:
    """How a layer's numbers were spread. quantiles: (moments, 7), those of SHARES."""

    label: str
    quantiles: NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """moments: the snapshots. label: the first convolution, "" where there is none; kernels: (moments, M, C, kh, kw).

    weights: of each layer that has some, and how far they have moved: moved[label] is (moments,), the length of the
    way from the first moment's weights as a share of their own length. activations: empty without pictures.
    """

    moments: tuple[Snapshot, ...]
    label: str
    kernels: NDArray[np.float32] | None
    weights: Mapping[str, Spread]
    moved: Mapping[str, NDArray[np.float64]]
    activations: Mapping[str, Spread]


def change(run: Run, pictures: NDArray[np.uint8] | None = None, progress: Progress | None = None) -> Change:
    """What changed over a run's snapshots. pictures: (N, C, H, W) uint8, for activations; some dozens are enough.

    Raises ConvscopeError for a run without snapshots, or of somebody's own module.
    """
    moments = tuple(run.snapshots)
    if not moments:
        raise ConvscopeError(
            f"there must be snapshots to see how a network changed. {run.path} has none: train with --snapshots."
        )
    kernels: list[NDArray[np.float32]] = []
    first: dict[str, NDArray[np.float32]] = {}
    weights: dict[str, list[NDArray[np.float64]]] = {}
    moved: dict[str, list[float]] = {}
    activations: dict[str, list[NDArray[np.float64]]] = {}
    label = ""
    for turn, moment in enumerate(moments):
        classifier = Classifier.load(moment.path)
        network = classifier.network
        assert isinstance(network, Network)  # the model file has no other, or refuses to be loaded
        label = next(iter(convolutions(network)), "")
        now = _weights(network)
        for name, values in now.items():
            start = first.setdefault(name, values)
            weights.setdefault(name, []).append(quantiles(values))
            size = float(np.linalg.norm(start))
            moved.setdefault(name, []).append(float(np.linalg.norm(values - start)) / size if size else 0.0)
        if label:
            kernels.append(now[label])
        if pictures is not None:
            for name, found in _activations(classifier, network, pictures).items():
                activations.setdefault(name, []).append(found)
        if progress is not None:
            progress("reading snapshots", turn + 1, len(moments))
    return Change(
        moments, label, np.stack(kernels) if kernels else None,
        {name: Spread(name, np.stack(found)) for name, found in weights.items()},
        {name: np.array(found) for name, found in moved.items()},
        {name: Spread(name, np.stack(found)) for name, found in activations.items()},
    )  # fmt: skip


def _weights(network: Network) -> dict[str, NDArray[np.float32]]:
    """The weights of each layer that multiplies (convolutions, dense), without biases."""
    found, rows = {}, network.sizes.by_name()
    for label in labels_of(network):
        weight = getattr(network.layer(label), "weight", None) if isinstance(rows[label].item, Layer) else None
        if isinstance(weight, torch.Tensor) and weight.dim() >= 2:
            found[label] = weight.detach().float().cpu().numpy()
    return found


def quantiles(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Those of SHARES; of many values of an even choice, but for the smallest and the largest."""
    flat = values.reshape(-1)
    step = max(1, len(flat) // _VALUES)
    while math.gcd(step, len(flat)) > 1:  # else it would meet the same column of each kernel, or of each row
        step += 1
    found = np.quantile(flat[::step].astype(np.float64), SHARES)
    found[0], found[-1] = flat.min(), flat.max()
    return found


def _activations(
    classifier: Classifier, network: Network, pictures: NDArray[np.uint8]
) -> dict[str, NDArray[np.float64]]:
    labels = labels_of(network)
    x = classifier.preprocess.to_input(np.array(pictures))
    with at_rest(network), torch.inference_mode():
        _, kept = network(x, keep=labels)
    return {label: quantiles(kept[label].float().cpu().numpy()) for label in labels}
