"""Where a training broke: the first layer whose weights, output or gradient is NaN or infinite."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convscope.errors import RunFailed


class Diverged(RunFailed):
    """Training met a loss, a gradient or a weight that is not finite, and stopped before the step."""


def all_finite(tensors: list[Tensor]) -> bool:
    """Whether every number in every tensor is finite; one pass, no copies."""
    return not tensors or bool(torch.isfinite(torch.stack([t.sum() for t in tensors]).sum()))


def _bad(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())


def find(network: nn.Module, x: Tensor) -> str:
    """One sentence: the first thing that isn't finite, in the order weights, input, outputs, gradients.

    x: (N, C, H, W), the batch at which it was noticed. Gradients are named from the loss backwards, since that is the
    way in which they spread.
    """
    for name, tensor in network.state_dict().items():
        if _bad(tensor):
            return f"the weights of {name} are not finite"
    if _bad(x):
        return "the input is not finite: look at mean and std in [input]"
    found: list[str] = []
    hooks = []
    for name, module in network.named_modules():
        if name and not list(module.children()):

            def watch(module: nn.Module, given: object, out: object, name: str = name) -> None:
                if isinstance(out, Tensor) and _bad(out):
                    found.append(name)

            hooks.append(module.register_forward_hook(watch))
    try:
        with torch.no_grad():
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    if found:
        return f"{found[0]} is the first layer whose output is not finite"
    for name, parameter in reversed(list(network.named_parameters())):
        if _bad(parameter.grad):
            return f"the gradient of {name} is the first, from the loss backwards, that is not finite"
    return "the loss alone is not finite: every output is"
