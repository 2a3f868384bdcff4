"""The proof that published weights stand in the right places: the source's own logits, from our network.

Where the source's logits are stored for its real weights, those weights must give them. For torchvision, formula
weights under its names go through the same mapping into the same network and must give what torchvision gave; the real
weights, mapped alike, are then known to stand right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network.at_rest import at_rest
from convscope.network.build import Network
from convscope.weights import formula
from convscope.weights.answers import formula_weights, logits_of
from convscope.weights.known import KnownWeights
from convscope.weights.load import under_our_names

TOLERANCE = 1e-4
"""Of the largest logit: what the order of additions on other machines may change."""


@dataclass(frozen=True)
class Proof:
    """real: the logits compared were those of the given weights, not of formula weights in their place. apart: the
    greatest difference from the source's logits, as a share of the largest of these. sizes: of the pictures."""

    real: bool
    apart: float
    sizes: tuple[tuple[int, int], ...]


def prove(network: Network, tensors: Mapping[str, Tensor], entry: KnownWeights) -> Proof:
    """Puts `tensors`, by our names, into the network, and proves them on formula pictures. Raises ConvscopeError where
    the source's logits don't come out, or the given weights give others than finite ones."""
    real = entry.source != "torchvision"
    if not real:
        _put(network, under_our_names(network.sizes, formula_weights(entry)))
        apart = compare(network, entry)
    _put(network, tensors)
    if real:
        apart = compare(network, entry)
    _check_given(network, entry)
    return Proof(real, apart, tuple(logits_of(entry)))


def compare(network: Network, entry: KnownWeights) -> float:
    """The greatest difference from the source's logits, as a share of the largest. Raises ConvscopeError beyond
    TOLERANCE."""
    worst = 0.0
    for (height, width), wanted in logits_of(entry).items():
        found = _logits(network, height, width)
        apart = float(np.abs(found - wanted).max() / np.abs(wanted).max())
        if not apart <= TOLERANCE:  # NaN too
            raise ConvscopeError(
                f"{entry.name} must give the logits of {entry.source} on a formula picture of {height} x {width}, to "
                f"{TOLERANCE:g} of the largest. They are apart by {apart:.2g} of it: these are other weights than the "
                "published ones, or for another network. Give the published file."
            )
        worst = max(worst, apart)
    return worst


def _put(network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Side classifiers whose weights aren't published keep those that they have."""
    left = network.load_state_dict(dict(tensors), strict=False)
    scopes = tuple(f"{label}." for label in network.aux)
    assert not left.unexpected_keys, left
    assert all(name.startswith(scopes) for name in left.missing_keys), left


def _check_given(network: Network, entry: KnownWeights) -> None:
    """The given weights give finite logits, which differ from picture to picture."""
    first, second = (_logits(network, *size) for size in logits_of(entry))
    if not (np.isfinite(first).all() and np.isfinite(second).all()) or np.abs(first - second).max() == 0:
        raise ConvscopeError(
            f"weights of {entry.name} must give finite logits that differ from picture to picture. These don't: they "
            "were not trained to an end. Get the file anew."
        )


def _logits(network: Network, height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with at_rest(network), torch.inference_mode():
        return network(torch.from_numpy(formula.picture(height, width)))[0].numpy()  # type: ignore[no-any-return]
