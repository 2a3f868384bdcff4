"""Where a training broke: the first layer whose weights, output or gradient is NaN or infinite."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from convscope.errors import RunFailed
from convscope.network.build import Network


class Diverged(RunFailed):
    """Training met a loss, a gradient, a weight or an output that is not finite. `what` is which of these."""

    def __init__(self, what: str, message: str) -> None:
        super().__init__(message)
        self.what = what


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every number in every tensor is finite.

    NaN and infinity survive a sum, so one pass without copies settles the usual case; a sum that merely ran over is
    looked at number by number.
    """
    some = [t for t in tensors if t.is_floating_point()]
    if not some or bool(torch.isfinite(torch.stack([t.sum(dtype=torch.float32) for t in some]).sum())):
        return True
    return not any(map(_bad, some))


def _bad(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())


def find(network: nn.Module, x: Tensor) -> str:
    """What isn't finite, causes before effects: weights, input, gradients (of finite outputs), outputs, statistics.

    x: (N, C, H, W), the batch at which it was noticed. Gradients are named from the loss backwards, since that is the
    way in which they spread.
    """
    for name, parameter in network.named_parameters():
        if _bad(parameter):
            return f"the weights of {name} are not finite"
    if _bad(x):
        return "the input is not finite, which is mean or std in [input]"
    for name, parameter in reversed(list(network.named_parameters())):
        if _bad(parameter.grad):
            return f"the gradient of {name} is the first, from the loss backwards, that is not finite"
    layer = _first_output(network, x)
    if layer is not None:
        return f"{layer} is the first layer whose output is not finite"
    for name, buffer in network.named_buffers():
        if _bad(buffer):
            return f"the statistics of {name} are not finite"
    return "the loss alone is not finite: every output is"


def _first_output(network: nn.Module, x: Tensor) -> str | None:
    """The first layer, in the order of the work, whose output is not finite; None where all are."""
    found: list[str] = []

    def watched(name: str) -> None:
        def watch(module: nn.Module, given: object, out: object) -> None:
            if isinstance(out, Tensor) and _bad(out):
                found.append(name)

        hooks.append(layers[name].register_forward_hook(watch))

    # a module without parts is a layer; the whole comes last, for what its forward does between its parts
    layers = {name: module for name, module in network.named_modules() if name and not any(module.children())}
    layers["the network"] = network
    hooks: list[torch.utils.hooks.RemovableHandle] = []
    try:
        for name in layers:
            watched(name)
        if isinstance(network, Network):
            network(x, keep=network.aux)
        else:
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None
