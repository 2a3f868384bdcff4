"""Whether a map of importance is to be believed: what removing and adding its patches does, and randomised weights.

Petsiuk, Das and Saenko, "RISE", 2018 (deletion and insertion); Adebayo et al., "Sanity Checks for Saliency Maps", 2018
(cascading randomisation). Knows tensors and maps, and not how a map was made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convscope.errors import ConvscopeError

PATCHES = 8  # patches along a side, at most
STEPS = 8  # points of a curve after the first
ORDERS = 20  # random orders with which the map's own is compared, each forwards and backwards
BETTER = 1  # of those 40 that may do as well: a map that knows nothing of the network passes once in 21
EFFECT = 0.2  # least gain over random orders, deletion's and insertion's together, in probability of the class
CASCADE = 4  # stages of the randomisation, from the top down
DRAWS = 3  # randomisations of all layers, the mean of which is judged
_BATCH = 64

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Check:
    """One check of a map. value: what was found; needed: in words; why_not: what a failure means.

    curve: (share done, value) along it; against: the same for a random order (the mean of several), where there is one.
    """

    name: str
    value: float
    needed: str
    passed: bool
    why_not: str
    curve: Points = ()
    against: Points = ()


def rank_correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Spearman's correlation, -1 to 1; equals share their mean rank. 0 where a map is the same everywhere."""
    a, b = (_ranks(np.asarray(map).ravel()) for map in (one, other))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[which]  # type: ignore[no-any-return]


def curves(
    network: nn.Module, x: Tensor, blank: Tensor, map: NDArray[np.float32], target: int
) -> tuple[Check, Check, Check]:
    """Deletion and insertion: patches by importance, against random orders of the same patches; and both together.

    x, blank: (1, C, h, w), the picture and what stands for nothing; map: (h, w). The values are areas between the curve
    of the random orders and that of the map, in probability of the target; positive is better than at random. A map
    that is true to a network that learned nothing passes the order's test, so the effect must also have a size.
    """
    patch = _patches(x.shape[2], x.shape[3])
    count = int(patch.max()) + 1
    flat, sizes = patch.ravel(), np.bincount(patch.ravel())
    importance = np.bincount(flat, map.ravel().astype(np.float64), count) / sizes
    draws = np.random.default_rng(0)
    orders = [np.argsort(-importance, kind="stable"), *(draws.permutation(count) for _ in range(ORDERS))]
    at = np.linspace(0, count, min(STEPS, count) + 1).round().astype(int)
    at = np.unique(np.concatenate([at, count - at]))  # so that an order's curve is also that of its reverse, mirrored
    share = at / count
    ends = _probabilities(network, [x, blank], target)
    found = []
    for start, end, first, last in ((x, blank, ends[0], ends[1]), (blank, x, ends[1], ends[0])):
        inputs = (_swapped(start, end, patch, order[:k]) for order in orders for k in at[1:-1])
        between = _probabilities(network, inputs, target).reshape(len(orders), len(at) - 2)
        found.append(np.pad(between, ((0, 0), (1, 1)), constant_values=((0, 0), (first, last))))
    deletion, insertion = (np.asarray(np.trapezoid(values, share, axis=1)) for values in found)
    # removing by an order passes the pictures that showing by its reverse passes, so each order stands for two
    both = np.concatenate([deletion[1:], insertion[1:]]), np.concatenate([insertion[1:], deletion[1:]])
    falls, rises = both[0] - deletion[0], insertion[0] - both[1]
    gain = falls + rises
    beaten, size = int((gain > 0).sum()), float(gain.mean())
    checks = [
        Check(name, float(one.mean()), "better than random orders in the mean", bool(one.mean() > 0), why,
              _points(share, values[0]), _points(share, (values[1:].mean(0) + other[1:, ::-1].mean(0)) / 2))
        for one, values, other, name, why in (
            (falls, found[0], found[1], "deletion", "removing its brightest patches first doesn't lower the class "
             "faster than removing patches at random"),
            (rises, found[1], found[0], "insertion", "showing its brightest patches first doesn't raise the class "
             "faster than showing patches at random"))
    ]  # fmt: skip
    why = []
    if beaten < len(gain) - BETTER:
        why.append(f"{len(gain) - beaten} of {len(gain)} random orders of the patches do as well as its own")
    if size < EFFECT:
        why.append("the class's probability hardly hangs on which patches are there, so the map can't say much")
    needed = f"gain of at least {EFFECT}, and better than {len(gain) - BETTER} of {len(gain)} random orders"
    together = Check("deletion and insertion", size, needed, not why, "; ".join(why))
    return checks[0], checks[1], together


def _patches(height: int, width: int) -> NDArray[np.int64]:
    """(h, w): the number of the patch in which each place lies."""
    rows, columns = (np.arange(n) * min(PATCHES, n) // n for n in (height, width))
    return rows[:, None] * min(PATCHES, width) + columns[None, :]


def _swapped(start: Tensor, end: Tensor, patch: NDArray[np.int64], which: NDArray[np.int64]) -> Tensor:
    there = torch.from_numpy(np.isin(patch, which)).to(start.device)
    return torch.where(there, end, start)


def _probabilities(network: nn.Module, inputs: Iterable[Tensor], target: int) -> NDArray[np.float64]:
    rest, parts = iter(inputs), []
    with torch.no_grad():
        while some := list(islice(rest, _BATCH)):  # so that all of them never stand in memory at once
            parts.append(network(torch.cat(some)).double().softmax(1)[:, target].cpu())
    return torch.cat(parts).numpy() if parts else np.zeros(0)


def _points(across: NDArray[np.floating], up: NDArray[np.floating]) -> Points:
    return tuple((float(a), float(b)) for a, b in zip(across, up, strict=True))


def randomisation(
    network: nn.Module, explain: Callable[[nn.Module], NDArray[np.float32]], map: NDArray[np.float32]
) -> Check:
    """Whether the map hangs on what was learned: its rank correlation with maps of the network with shuffled weights.

    explain: makes the same kind of map of another network. Layers lose their weights from the top down, at most CASCADE
    stages; what is judged is the last, in which none is left.
    """
    layers = [m for m in network.modules() if next(m.parameters(recurse=False), None) is not None][::-1]
    stages = np.unique(np.linspace(0, len(layers), CASCADE + 1).round().astype(int))[1:]
    curve = [(0.0, 1.0)]
    for count in stages[:-1]:
        curve.append((count / len(layers), rank_correlation(map, explain(shuffled(network, int(count), 0)))))
    last = [rank_correlation(map, explain(shuffled(network, len(layers), seed))) for seed in range(DRAWS)]
    value = float(np.mean(last))
    curve.append((1.0, value))
    why = "it hardly changes when the network's weights are shuffled, so it doesn't show what was learned"
    return Check("weight randomisation", value, "rank correlation below 0.5", value < 0.5, why, tuple(curve))


def shuffled(network: nn.Module, count: int, seed: int) -> nn.Module:
    """A copy whose last `count` layers with weights have theirs in random order, running statistics too."""
    try:
        other = copy.deepcopy(network)
    except Exception as error:  # a module may hold anything, and raise anything
        raise ConvscopeError(
            f"a network must be copyable for the check with shuffled weights. {type(network).__name__} isn't: {error}. "
            "Say check=False to have the map unchecked."
        ) from error
    draws = torch.Generator().manual_seed(seed)
    layers = [m for m in other.modules() if next(m.parameters(recurse=False), None) is not None][::-1]
    with torch.no_grad():
        for layer in layers[:count]:
            for tensor in (*layer.parameters(recurse=False), *layer.buffers(recurse=False)):
                if tensor.is_floating_point():
                    order = torch.randperm(tensor.numel(), generator=draws).to(tensor.device)
                    tensor.copy_(tensor.flatten()[order].view_as(tensor))
    return other


def completeness(error: float, steps: int) -> Check:
    """Integrated gradients must add up to what they explain. error: a share of F(x) - F(x0)."""
    why = f"its parts don't add up to the change of the class's score, even with {steps} steps"
    return Check("completeness", error, "at most 0.5 % of F(x) - F(x0)", error <= 0.005, why)


def resolution(height: int, width: int, least: int) -> Check:
    """Maps of a few places can't say where."""
    why = f"the layer's maps are only {height} x {width}, too coarse to say where"
    few = min(height, width)
    return Check("size of the maps", float(few), f"at least {least} x {least}", few >= least, why)
