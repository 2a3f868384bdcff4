"""A network as its plan computes it in training: the same parameters, labels and mathematics, in another precision and
order. Prediction and everything that is reported go through the network itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.kernels.convolve import PLAIN, convolve
from convscope.network.build import Network
from convscope.network.ending import last_learned
from convscope.network.layers import Conv, Dense, JoinedConv, surrounded
from convscope.network.walk import Walk, flat
from convscope.notation.tree import Item, Layer, Sequence

Function = Callable[[Tensor], Tensor]

IN_FLOAT32 = ("rbf", "softmax", "lrn")
"""Kinds that take the difference, the exponential or the power of what they see: 8 bits are too few for it."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""What a plan may say of activations."""

_KEEP_THE_LARGEST = ("relu", "relu6")
"""What never falls where its input rises, and is 0 where its gradient is: after a maximum it gives the same numbers and
gradients as before it, from a quarter of the values."""


def goes_before(pool: Item, activation: Item) -> bool:
    """Whether a maximum that stands behind an activation may be taken before it."""
    return pool.kind == "maxpool" and activation.kind in _KEEP_THE_LARGEST


class Forward:
    """`forward(x)` and `forward(x, keep=labels)` as `Network.forward` has them; logits are float32."""

    def __init__(self, network: Network, plan: dict[str, Any]) -> None:
        self.network = network
        self.precision = PRECISIONS[plan.get("precision", "float32")]
        self.functions: dict[str, Function] = {}
        self._orders: dict[int, Sequence] = {}
        layers: dict[str, dict[str, str]] = plan.get("layers", {})
        ends = last_learned(network.sizes)  # the logits hang on its numbers alone
        for row in network.sizes.rows:
            if isinstance(row.item, Layer):
                name = row.item.name
                self.functions[name] = of_layer(
                    row.item, network.layer(name), layers.get(name, {}), self.precision, last=name == ends
                )

    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: Tensor, keep: Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]: ...
    def __call__(self, x: Tensor, keep: Iterable[str] | None = None) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """x: (N, C, H, W) float32, channels last, to logits (N, classes) float32; keep as in `Network.forward`."""
        wanted = self.network.wanted(keep)
        body = self.network.sizes.body
        logits = flat(_Walk(self, wanted).sequence(body, x.to(self.precision))).float()
        if keep is None:
            return logits
        return logits, {label: tensor.float() for label, tensor in wanted.items() if tensor is not None}

    def ordered(self, sequence: Sequence) -> Sequence:
        """The sequence with each maximum before the activation that it may go before."""
        if id(sequence) not in self._orders:
            items = list(sequence.items)
            for at in range(1, len(items)):
                if goes_before(items[at], items[at - 1]):
                    items[at - 1], items[at] = items[at], items[at - 1]
            self._orders[id(sequence)] = dataclasses.replace(sequence, items=tuple(items))
        return self._orders[id(sequence)]


def of_layer(
    layer: Layer, module: nn.Module, chosen: dict[str, str], precision: torch.dtype, *, last: bool
) -> Function:
    """How a plan of this precision computes a layer. chosen: what the plan says of it; last: whether it gives the
    logits."""
    if precision == torch.float32:
        return module
    if chosen.get("precision") == "float32" or layer.kind in IN_FLOAT32:
        return lambda x: module(x.float())
    if isinstance(module, JoinedConv):
        return lambda x: module(x.to(module.weight.dtype))
    if isinstance(module, Conv):
        return _convolution(module, chosen.get("weight gradient", PLAIN), precision)
    if isinstance(module, Dense):
        return _dense(module, precision, last=last)
    return module


class _Walk(Walk):
    """The network's walk, over sequences in the plan's order."""

    def __init__(self, forward: Forward, kept: dict[str, Tensor | None]) -> None:
        functions = forward.functions
        super().__init__(lambda layer, x: functions[layer.name](x), kept)
        self.ordered = forward.ordered

    def sequence(self, sequence: Sequence, x: Tensor) -> Tensor:
        """As `Walk.sequence`; what is kept is what leaves the layer where it stands in the text."""
        return super().sequence(sequence if self._kept_inside(sequence) else self.ordered(sequence), x)

    def _kept_inside(self, sequence: Sequence) -> bool:
        return bool(self.kept) and any(item.name in self.kept for item in sequence.items if isinstance(item, Layer))


def _convolution(module: Conv, way: str, precision: torch.dtype) -> Function:
    def run(x: Tensor) -> Tensor:
        x, padding = surrounded(x.to(precision), module)
        bias = module.bias
        shared = bias if bias is not None and bias.dim() == 1 else None
        y = convolve(x, module.weight, shared, module.stride, padding, module.dilation, module.groups, way)
        return y if bias is None or shared is not None else y + bias.to(precision)

    return run


def _dense(module: Dense, precision: torch.dtype, last: bool) -> Function:
    """last: the logits are summed in float32, for the loss is of their differences."""
    to = torch.float32 if last else precision

    def run(x: Tensor) -> Tensor:
        bias = None if module.bias is None else module.bias.to(to)
        return F.linear(x.flatten(1).to(to), module.weight.to(to), bias)

    return run


def apply(plan: dict[str, Any], network: nn.Module) -> Callable[..., Any]:
    """What the training loop calls in the network's place: same parameters, labels and `forward`.

    A module of one's own runs as it is, under PyTorch's autocast where the plan's precision is bfloat16.
    """
    if isinstance(network, Network):
        return Forward(network, plan) if plan.get("precision") == "bfloat16" or plan.get("order") else network
    if plan.get("precision") != "bfloat16":
        return network

    def run(x: Tensor, **more: Any) -> Any:
        with torch.autocast(x.device.type, torch.bfloat16):
            out = network(x, **more)
        return out.float() if isinstance(out, Tensor) else out

    return run
