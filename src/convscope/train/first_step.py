"""The first batch, looked at before the first step: does this training have a chance?

One forward and one backward pass on the real first batch, with nothing learned from it: weights, statistics and random
numbers are afterwards what they were. Knows modules, so it serves a `Network` and anybody's own; knows no text.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from convscope.network.build import Network
from convscope.run import Diagnosis

LARGE_LOSS = {"clipped-mean": 4.0, "cross-entropy": 10.0, "auto": 10.0}
"""A first loss of so many times what a network has that knows nothing. Good recipes stay below 6; a clipped loss can't
go beyond 11."""
SILENT = 0.2
"""The share of pictures that are answered wrongly and yet send no gradient."""
GROWTH = 1e3
"""How much larger, or smaller, a layer's numbers may be than the input's."""
VANISHED = 1e-4
"""The relative gradient of a layer, as a share of the largest one; 30 sigmoids in a row give less."""
DEAD = 0.5
"""The share of a layer's units that are 0 for every picture of the batch."""
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
    buffers = {key: tensor.clone() for key, tensor in network.named_buffers()}
    kept = {key: p.grad for key, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = None
    try:
        with _watching(network) as watched, torch.enable_grad():
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
        with torch.no_grad():
            for key, tensor in network.named_buffers():
                tensor.copy_(buffers[key])
    classes = logits.shape[1]
    found = Diagnosis(
        pictures=len(x), classes=classes, loss=of_data, expected=_expected(name, classes), penalty=penalty,
        side=side if abs(side) > 1e-4 * max(1.0, abs(of_data + penalty)) else 0.0, silent=silent,
        input_spread=_spread(x), layers=tuple(watched.layers), spread=tuple(watched.spread),
        gradients=tuple(gradients.get(layer) for layer in watched.layers), dead=tuple(watched.dead),
        faults=(), said=(),
    )  # fmt: skip
    return _judged(found, _wide(network), name)


def _expected(name: str, classes: int) -> float | None:
    """The loss of a network that holds every class for equally likely; None where the loss knows no such number."""
    if classes < 2 or name not in ("auto", "cross-entropy", "clipped-mean"):
        return None
    return math.log(classes) / (classes if name == "clipped-mean" else 1)


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
    """For each layer with weights: the gradient's length over the weights' own."""
    found: dict[str, float | None] = {}
    for name, module in network.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.dim() > 1 and weight.grad is not None:
            length = float(weight.detach().norm())
            found[name] = float(weight.grad.norm()) / length if length > 0 else None
    return found


def _wide(network: nn.Module) -> dict[str, float]:
    """Layers whose weights spread more than `WIDE` times as wide as sqrt(2 / inputs), and how many times."""
    found = {}
    for name, module in network.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.dim() > 1:
            times = _spread(weight) / math.sqrt(2 / weight[0].numel())  # He et al. 2015, equation 10
            if times > WIDE:
                found[name] = times
    return found


# ---- what it means ---------------------------------------------------------------------------------------------------


def _judged(d: Diagnosis, wide: dict[str, float], name: str) -> Diagnosis:
    """The same with the faults that it shows, each by its name in docs/check.md and in a sentence."""
    faults = {key: said for key, rule in FAULTS.items() if (said := rule(d, wide, name))}
    cause = _cause(d, wide)
    for key in [key for key, said in faults.items() if cause in said][1:]:  # once is enough
        faults[key] = faults[key].replace(f"; {cause}", "").replace(f": {cause}", ", for the same reason")
    return dataclasses.replace(d, faults=tuple(faults), said=tuple(faults.values()))


def _cause(d: Diagnosis, wide: dict[str, float]) -> str:
    """Where numbers that are too large come from."""
    if wide:
        named = ", ".join(f"{layer} ({times:.0f} times)" for layer, times in list(wide.items())[:4])
        more = f" and {len(wide) - 4} more" if len(wide) > 4 else ""
        return (
            f"the initial weights are too large: they spread wider than sqrt(2 / inputs) at {named}{more}; "
            "write init=kaiming there"
        )
    if d.input_spread > 10:
        return (
            f"the input is too large: its standard deviation is {d.input_spread:.3g}; "
            'set mean = "train" and std = "train" in [input]'
        )
    return "the numbers that reach the loss are too large; start from smaller weights, or put bn before the activations"


def _first_loss(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    if not math.isfinite(d.loss):
        return f"the first loss is {d.loss}: {_cause(d, wide)}"
    if d.expected is None or d.loss <= LARGE_LOSS[name] * d.expected:
        return ""
    of = f"ln {d.classes}" if name != "clipped-mean" else f"ln {d.classes} / {d.classes}"
    return (
        f"the first loss {_number(d.loss)} is {_number(d.loss / d.expected, 2)} times {of} = {d.expected:.2f}, that of "
        f"a network that knows nothing: {_cause(d, wide)}"
    )


def _silent(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    if d.silent <= SILENT * d.pictures:
        return ""
    clipped = 'the loss is clipped where a probability is below 1e-11; set loss = "cross-entropy"'
    why = clipped if name == "clipped-mean" else "the loss is flat there"
    also = f"; {_cause(d, wide)}" if wide else ""
    return (
        f"{d.silent} of {d.pictures} pictures ({100 * d.silent / d.pictures:.0f} %) are answered wrongly and send no "
        f"gradient, so nothing is learned from them: {why}{also}"
    )


def _growing(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    largest = max(d.spread, default=0.0)
    if not d.layers or (math.isfinite(largest) and largest <= GROWTH * max(d.input_spread, 1e-6)):
        return ""
    if not all(map(math.isfinite, d.spread)):
        largest = next(spread for spread in d.spread if not math.isfinite(spread))
    where = d.layers[d.spread.index(largest)] if math.isfinite(largest) else _first_not_finite(d)
    return (
        f"activations grow from layer to layer, from a deviation of {d.input_spread:.2g} at the input to "
        f"{_number(largest)} at {where}: {_cause(d, wide)}"
    )


def _first_not_finite(d: Diagnosis) -> str:
    return next(layer for layer, spread in zip(d.layers, d.spread, strict=True) if not math.isfinite(spread))


def _vanishing(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    """Activations that die out on the way; what a dead layer gives is that layer's fault, told elsewhere."""
    hidden = list(zip(d.layers, d.spread, d.dead, strict=True))[:-1]
    for layer, spread, dead in hidden:
        if dead > DEAD:
            return ""
        if spread < d.input_spread / GROWTH and d.input_spread > 0:
            return (
                f"activations vanish: their deviation is {d.input_spread:.2g} at the input, {spread:.1g} at {layer}, "
                "so that all pictures look alike to what follows. Write init=kaiming and relu, or put bn between"
            )
    return ""


def _no_gradient(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    known = [(layer, g) for layer, g in zip(d.layers, d.gradients, strict=True) if g is not None and math.isfinite(g)]
    if len(known) < 2 or any(dead > DEAD for dead in d.dead[:-1]):
        return ""
    best, largest = max(known, key=lambda pair: pair[1])
    worst, least = min(known, key=lambda pair: pair[1])
    if largest == 0 or least >= VANISHED * largest:
        return ""
    return (
        f"gradients vanish on the way back: relative to the weights, that of {worst} is {_number(largest / least, 2)} "
        f"times as small as that of {best}"
        if least > 0
        else f"no gradient reaches {worst}"
    ) + ", so it hardly learns. Use relu in place of sigmoid or tanh, or put bn before them"


def _dead_units(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    for layer, dead in list(zip(d.layers, d.dead, strict=True))[:-1]:
        if dead > DEAD:
            return (
                f"{100 * dead:.0f} % of the units of {layer} are 0 for every one of the {d.pictures} pictures: dead "
                "from the start, they can't learn. Let biases start at 0 and weights as init=kaiming"
            )
    return ""


FAULTS: dict[str, Callable[[Diagnosis, dict[str, float], str], str]] = {
    "first-loss-too-large": _first_loss,
    "pictures-without-gradient": _silent,
    "activations-grow": _growing,
    "activations-vanish": _vanishing,
    "gradients-vanish": _no_gradient,
    "dead-units": _dead_units,
}
"""One row a fault: a sentence where the first batch shows it, and nothing where it doesn't."""


def _number(value: float, digits: int = 3) -> str:
    """A number of any size in a sentence: 2.37, 94 300, 4e+09."""
    if not math.isfinite(value):
        return str(value)
    if value >= 1e7 or 0 < value < 1e-3:
        return f"{value:.0e}"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}".replace(",", " ") if rounded >= 100 else f"{rounded:g}"
