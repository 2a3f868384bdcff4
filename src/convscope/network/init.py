"""How weights start: keyed by (seed, kind, ordinal), so that a layer starts alike whatever stands around it.

Numbers come from `draws` and reach their distribution through its inverse, so a truncated normal is exact.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from convscope import draws
from convscope.network import lenet5
from convscope.network.shapes import NetworkError, option, where
from convscope.notation.tree import Init, Layer

_CHUNK = 1 << 14  # what a processor's cache holds: three times as fast as one pass over millions


def _uniform(shape: torch.Size, seed: int, ordinal: int, stream: str, low: float, high: float) -> Tensor:
    numbers = shape.numel()
    out = torch.empty(numbers, dtype=torch.float32)
    for start in range(0, numbers, _CHUNK):
        ids = np.arange(start, min(start + _CHUNK, numbers), dtype=np.int64)
        u = torch.from_numpy(draws.uniform(seed, ordinal, ids, stream))
        out[start : start + len(ids)] = low + (high - low) * u
    return out.view(shape)


def _normal(shape: torch.Size, seed: int, ordinal: int, stream: str, std: float, cut: float | None = None) -> Tensor:
    numbers = shape.numel()
    # the share of a normal that lies below -cut: draws between it and 1 - it are draws within the cut, redrawn beyond
    tail = 0.5 * math.erfc(cut / math.sqrt(2)) if cut is not None else 2.0**-54
    out = torch.empty(numbers, dtype=torch.float32)
    for start in range(0, numbers, _CHUNK):
        ids = np.arange(start, min(start + _CHUNK, numbers), dtype=np.int64)
        u = torch.from_numpy(draws.uniform(seed, ordinal, ids, stream))
        out[start : start + len(ids)] = torch.special.ndtri(tail + (1 - 2 * tail) * u) * std
    return out.view(shape)


def _dirac(weight: Tensor, groups: int) -> Tensor:
    """The first filters of each group are made to hand their own channel on; the others stay as they are."""
    per_group, inputs = weight.shape[0] // groups, weight.shape[1]
    # `same` padding puts the odd cell at the end, so the cell that lies on its own output is the one before the middle
    middle = [(k - 1) // 2 for k in weight.shape[2:]]
    for group in range(groups):
        for i in range(min(per_group, inputs)):
            weight[group * per_group + i] = 0
            weight[(group * per_group + i, i, *middle)] = 1
    return weight


def draw(
    how: Init, shape: torch.Size, fans: tuple[int, int], seed: int, ordinal: int, stream: str, groups: int = 1
) -> Tensor:
    """A float32 tensor of `shape` as `how` says. fans: (inputs, outputs) of a unit; `dirac` takes the weights of a
    convolution alone."""
    inputs, outputs = fans
    value = how.value if how.value is not None else 0.0
    if how.kind == "constant":
        return torch.full(shape, value)
    if how.kind in ("kaiming", "whiten"):  # He et al. 2015, equation 10; `whiten` overwrites it with what pictures say
        return _normal(shape, seed, ordinal, stream, math.sqrt(2 / inputs))
    if how.kind == "glorot":  # Glorot and Bengio 2010, equation 16
        bound = math.sqrt(6 / (inputs + outputs))
        return _uniform(shape, seed, ordinal, stream, -bound, bound)
    if how.kind == "normal":
        return _normal(shape, seed, ordinal, stream, value)
    if how.kind == "truncnormal":
        return _normal(shape, seed, ordinal, stream, value, cut=2.0)
    if how.kind == "uniform":
        return _uniform(shape, seed, ordinal, stream, -value, value)
    assert how.kind == "dirac", how
    return _dirac(_normal(shape, seed, ordinal, stream, math.sqrt(2 / inputs)), groups)


def _check(layer: Layer, name: str, how: Init) -> None:
    """What a layer's tensors can't take; raises NetworkError."""
    at = f"{where(layer.place)}: {layer.name} can't start as {name}={how.kind}: "
    if how.kind == "whiten" and name == "bias_init":
        raise NetworkError(f"{at}patches give filters and no biases, so it must be init=. Use a number.")
    if how.kind == "dirac" and (layer.kind, name) != ("conv", "init"):
        raise NetworkError(f"{at}it hands maps on, so it must be a convolution's init=. Use kaiming, or a number.")
    if how.kind == "dirac" and layer.options["connect"] != "all":
        raise NetworkError(f"{at}it hands maps on one to one, and connect= says which maps meet. Use kaiming.")


def fill(module: torch.nn.Module, layer: Layer, seed: int, ordinal: int) -> None:
    """Fill weight and bias of a conv or dense layer, the ordinal-th of its kind in reading order. Raises NetworkError
    for a start that this layer can't take."""
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if layer.kind not in ("conv", "dense") or not isinstance(weight, Tensor):
        return
    groups = option(layer, "groups", int) if layer.kind == "conv" else 1
    with torch.no_grad():
        for tensor, name in ((weight, "init"), (bias, "bias_init")):
            how = option(layer, name, Init)
            if isinstance(tensor, Tensor):
                _check(layer, name, how)
                stream = f"init {layer.kind} {name}"
                for of_weight, of_bias, fans in _fans(weight, groups):
                    # the n-th number depends on its place alone, so rows of several draws make one tensor
                    rows = of_weight if tensor is weight else of_bias
                    tensor[rows] = draw(how, tensor.shape, fans, seed, ordinal, stream, groups)[rows]


def _fans(weight: Tensor, groups: int) -> list[tuple[slice, slice, tuple[int, int]]]:
    """(inputs, outputs) of a unit, with the rows of weight and bias that it holds for: all, but where `connect=` lets
    each map see another number of maps."""
    if weight.dim() == 3:  # 60 kernels of (kh, kw)
        window, found, start = weight[0].numel(), [], 0
        for turn, seen in enumerate(map(len, lenet5.JOINED)):
            rows = slice(start, start + seen)
            found.append((rows, slice(turn, turn + 1), (seen * window, lenet5.FEEDS * window)))
            start += seen
        return found
    window = weight[0, 0].numel() if weight.dim() == 4 else 1
    return [(slice(None), slice(None), (weight.shape[1] * window, weight.shape[0] // groups * window))]
