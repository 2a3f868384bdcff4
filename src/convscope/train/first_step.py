"""The first batch, looked at before the first step: does this training have a chance?

One forward and one backward pass on the real first batch, with nothing learned from it: weights, statistics and random
numbers are afterwards what they were. Knows modules, so it serves a `Network` and anybody's own; what the numbers mean
is known to `faults`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from convscope.network.at_rest import buffers_kept
from convscope.network.build import Network
from convscope.network.shapes import scaled
from convscope.run import Diagnosis
from convscope.train import faults

WIDE = 2.0
"""Weights that spread so many times as wide as sqrt(2 / inputs) are named as a cause."""


@dataclass
class _Watched:
    """What the hooks saw, layer by layer in the order of the work."""

    layers: list[str] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    dead: list[float] = field(default_factory=list)


Objective = Callable[[], tuple[Tensor, Tensor]]
"""Runs the network on the batch: logits (N, classes) and what training makes small, a scalar."""


def diagnose(
    network: nn.Module, x: Tensor, labels: Tensor, objective: Objective, loss: Callable[[Tensor, Tensor], Tensor],
    *, name: str,
) -> Diagnosis:  # fmt: skip
    """Look at one batch, and leave everything as it was.

    x: (N, C, H, W) as the network sees it; labels: (N,). loss: of the data alone, without penalties. name: the loss's
    name in the recipe.
    """
    kept = {key: p.grad for key, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = None
    try:
        with buffers_kept(network), _watching(network) as watched, torch.enable_grad():
            logits, whole = objective()
            if logits.requires_grad:
                logits.retain_grad()
            if whole.requires_grad and bool(torch.isfinite(whole.detach())):
                whole.backward()  # type: ignore[no-untyped-call]
        gradients = _relative_gradients(network)
        with torch.no_grad():
            of_data = float(loss(logits.detach(), labels))
            wrong = logits.detach().argmax(1) != labels
            silent = int(((logits.grad == 0).all(1) & wrong).sum()) if logits.grad is not None else 0
            added = network.penalty() if isinstance(network, Network) else None
            penalty = 0.0 if added is None else float(added)
            side = float(whole.detach()) - of_data - penalty
    finally:
        for key, p in network.named_parameters():
            p.grad = kept[key]
    classes = logits.shape[1]
    found = Diagnosis(
        pictures=len(x), classes=classes, loss=of_data, expected=faults.expected(name, classes), penalty=penalty,
        side=side if abs(side) > 1e-4 * max(1.0, abs(of_data + penalty)) else 0.0, silent=silent,
        input_spread=_spread(x), layers=tuple(watched.layers), spread=tuple(watched.spread),
        gradients=tuple(gradients.get(layer) for layer in watched.layers), dead=tuple(watched.dead),
        faults=(), said=(),
    )  # fmt: skip
    return faults.judged(found, _wide(network), name)


# ---- what is watched -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _watching(network: nn.Module) -> Iterator[_Watched]:
    """Hooks on every module without parts: only numbers are kept, no tensor."""
    seen, hooks = _Watched(), []
    shortcuts = _shortcuts(network)

    def hook(layer: str) -> Callable[[nn.Module, object, object], None]:
        def look(module: nn.Module, given: object, out: object) -> None:
            if isinstance(out, Tensor) and out.is_floating_point() and out.dim() > 1:
                turn = sum(name == layer or name.startswith(f"{layer} (") for name in seen.layers)
                seen.layers.append(layer if not turn else f"{layer} ({turn + 1})")
                seen.spread.append(_spread(out))
                seen.dead.append(0.0 if layer in shortcuts else _dead(out))

        return look

    try:
        for name, module in network.named_modules():
            if name and not any(module.children()):
                hooks.append(module.register_forward_hook(hook(name)))
        yield seen
    finally:
        for each in hooks:
            each.remove()


def _shortcuts(network: nn.Module) -> set[str]:
    """Layers that add maps of zeros, as ResNet's shortcut A does: those are meant."""
    if not isinstance(network, Network):
        return set()
    return {row.item.name for row in network.sizes.rows if row.item.kind == "identity"}


def _spread(values: Tensor) -> float:
    return float(values.detach().float().std(correction=0))


def _dead(out: Tensor) -> float:
    """The share of units (maps, where there are maps) that are 0 for the whole batch. out: (N, units, ...)."""
    nothing = (out.detach() == 0).flatten(2).all(2) if out.dim() > 2 else out.detach() == 0
    return float(nothing.all(0).float().mean())


def _relative_gradients(network: nn.Module) -> dict[str, float | None]:
    """For each layer with weights: the gradient's length over the weights' own. Behind a fixed `scale` by f it is taken
    of the weights times f, which do the work: the gradient is 1 / f then, and the whole 1 / f^2."""
    found: dict[str, float | None] = {}
    factors = _factors(network)
    for name, module in network.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.dim() > 1 and weight.grad is not None:
            length = float(weight.detach().norm()) * factors.get(name, 1.0) ** 2
            found[name] = float(weight.grad.norm()) / length if length > 0 else None
    return found


def _factors(network: nn.Module) -> dict[str, float]:
    return scaled(network.sizes) if isinstance(network, Network) else {}


def _wide(network: nn.Module) -> dict[str, float]:
    """Layers whose weights, with a `scale` behind them, spread more than `WIDE` times as wide as sqrt(2 / inputs), and
    how many times."""
    found = {}
    factors = _factors(network)
    for name, module in network.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.dim() > 1:
            times = (
                _spread(weight) * abs(factors.get(name, 1.0)) / math.sqrt(2 / weight[0].numel())
            )  # He et al. 2015, equation 10
            if times > WIDE:
                found[name] = times
    return found
