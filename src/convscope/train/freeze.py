"""Parameters that stand still: `[train] freeze`, from the start or from an epoch on, and what `thaw` leaves frozen."""

from __future__ import annotations

from torch import nn

from convscope.errors import ConvscopeError, unknown
from convscope.network.build import Network
from convscope.network.ending import last_learned


def named(network: nn.Module, words: tuple[str, ...]) -> dict[str, int]:
    """The parameters that the words of `freeze` name, and the epoch, from 1, from which on each stands still.

    A word is a layer or a tensor: "conv1", "conv1.bias", "conv1.bias@3". Raises ConvscopeError for an unknown one.
    """
    parameters = [name for name, _ in network.named_parameters()]
    found: dict[str, int] = {}
    for word in words:
        place, _, since = word.partition("@")
        hits = [name for name in parameters if name == place or name.startswith(f"{place}.")]
        if not hits:
            layers = {name.rpartition(".")[0] for name in parameters}
            raise ConvscopeError(unknown("layer or tensor in freeze", place, layers))
        for hit in hits:
            found[hit] = min(int(since or 1), found.get(hit, 1 << 30))
    if parameters and len(found) == len(parameters):
        raise ConvscopeError("freeze must leave something to learn. It names every layer; leave out at least the last.")
    return found


def before(network: nn.Module, thaw: str) -> dict[str, int]:
    """The parameters that `thaw` leaves as they are, from the first epoch on: those of the layers before its label.

    "auto" and "all" leave none, "none" all but the last layer's. Raises ConvscopeError for a label that isn't there.
    """
    parameters = [name for name, _ in network.named_parameters()]
    if thaw in ("auto", "all"):
        return {}
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in parameters))
    labels = list(network.labels) if isinstance(network, Network) else layers
    label = thaw
    if thaw == "none":
        label = last_learned(network.sizes) if isinstance(network, Network) else layers[-1]
    start = next((i for i, name in enumerate(labels) if name == label or name.startswith(f"{label}.")), None)
    if start is None:
        outer = {name.partition(".")[0] for name in layers}  # what is within them may be named too, but is too much
        raise ConvscopeError(unknown("label in thaw", thaw, ["all", "none", *outer]))
    frozen = set(labels[:start])
    still = {name: 1 for name in parameters if name.rpartition(".")[0] in frozen}
    if len(still) == len(parameters):
        raise ConvscopeError(f"thaw must leave something to learn. Nothing from {thaw} on does: name an earlier layer.")
    return still


def stop(network: nn.Module, since: dict[str, int], epoch: int) -> None:
    """Before an epoch, counted from 0: what stands still from now on has no gradient, and so no step and no decay."""
    for name, parameter in network.named_parameters():
        if epoch + 1 >= since.get(name, 1 << 30):
            parameter.requires_grad_(False)
            parameter.grad = None


def note(network: nn.Module, since: dict[str, int]) -> str:
    """How many parameters learn where some stand still, at the start and after each change; "" where all learn."""
    sizes = {name: p.numel() for name, p in network.named_parameters() if p.requires_grad or name in since}
    total = sum(p.numel() for p in network.parameters())
    parts = [f"{sum(sizes.values())} of {total} parameters learn"] if not since and sum(sizes.values()) < total else []
    for epoch in sorted({max(1, epoch) for epoch in since.values()}):
        learning = sum(size for name, size in sizes.items() if since.get(name, epoch + 1) > epoch)
        parts.append(f"{learning} of {total} parameters learn{f' from epoch {epoch} on' if epoch > 1 else ''}")
    return "; ".join(parts)


def train_mode(network: nn.Module, statistics: bool = True) -> None:
    """Training mode, but for normalisation layers that are frozen whole: their statistics stand still too.

    statistics: False where all of them do, though scale and shift learn: those of trained weights come from a million
    pictures, and a few small batches would only blur them.
    """
    network.train()
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        still = not statistics or (own and not any(p.requires_grad for p in own))
        if hasattr(module, "running_mean") and still:
            module.eval()
