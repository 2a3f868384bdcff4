"""One pass over a network that keeps what a trace needs, and no more: a few outputs, and the gradients behind them.

Knows how to run; what the numbers mean is `cell`'s and `loss`'s.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.func import functional_call

from convscope.errors import ConvscopeError
from convscope.explain.trace.wiring import picture_of
from convscope.network.at_rest import at_rest
from convscope.network.build import Network
from convscope.network.shapes import show
from convscope.network.walk import Walk, flat
from convscope.notation.tree import Aux, Item, Layer
from convscope.train import loss as losses


@dataclass
class Looked:
    """What a pass left: outputs by label, (1, ...), "input" among them; with a target the loss, the logits that it was
    taken of, and its gradient with respect to the outputs."""

    outputs: dict[str, Tensor]
    logits: Tensor | None = None
    loss: float = 0.0
    upstream: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """Where the loss is taken: of the network's logits, or of those of the side classifier `aux`, times its weight."""

    target: int
    kind: str
    aux: str = ""
    weight: float = 1.0


class _Enough(Exception):
    """Everything that was to be kept is there."""


class _Pass(Walk):
    """begin: the label at which gradients start, so that nothing before it is remembered for them; all: whether the
    pass goes to the end."""

    def __init__(self, network: Network, kept: dict[str, Tensor | None], begin: str | None, all: bool) -> None:
        super().__init__(self._layer, kept)
        self.network, self.begin, self.all = network, begin, all

    def _layer(self, layer: Layer, x: Tensor) -> Tensor:
        module = self.network.layer(layer.name)
        fixed = {name: tensor.detach() for name, tensor in module.named_parameters()}
        y = functional_call(module, fixed, (x,)) if fixed else module(x)
        assert isinstance(y, Tensor)
        return x.view_as(x) if y is x else y  # what is handed on has a gradient of its own where others read x too

    def item(self, item: Item, x: Tensor) -> Tensor:
        y = super().item(item, x)
        if item.name == self.begin and not isinstance(item, Aux):
            y = y.detach().requires_grad_()
            self.kept[item.name] = y
        if not self.all and all(tensor is not None for tensor in self.kept.values()):
            raise _Enough
        return y


def look(network: Network, x: Tensor, keep: Iterable[str], begin: str | None = None, end: End | None = None) -> Looked:
    """Run a network on x: (1, C, H, W) in evaluation mode and keep what leaves the labels.

    begin, end: the label from which gradients are wanted, and the loss; without them it stops where all is kept.
    """
    picture = picture_of(network.sizes)
    kept = network.wanted(label for label in keep if label != picture)
    if end is not None and end.aux:
        kept.setdefault(end.aux)
    if begin == picture:
        x = x.detach().requires_grad_()
    walk = _Pass(network, kept, begin, end is not None)
    with at_rest(network), torch.set_grad_enabled(end is not None):
        with contextlib.suppress(_Enough):
            logits = flat(walk.sequence(network.sizes.body, x))
        found = {picture: x, **{label: tensor for label, tensor in kept.items() if tensor is not None}}
        looked = Looked(found)
        if end is not None:
            looked.logits = found[end.aux] if end.aux else logits
            _backward(looked, begin, end)
    looked.outputs = {label: tensor.detach() for label, tensor in found.items()}
    return looked


def _backward(looked: Looked, begin: str | None, end: End) -> None:
    """Adds the loss of what was run, and its gradient with respect to every output that it hangs on."""
    assert looked.logits is not None
    wanted = torch.tensor([end.target], device=looked.logits.device)
    loss = end.weight * losses.build("rbf" if end.kind == "rbf" else "cross-entropy")(looked.logits, wanted)
    looked.loss = float(loss.detach())
    if begin is not None and loss.requires_grad:
        followed = {label: tensor for label, tensor in looked.outputs.items() if tensor.requires_grad}
        gradients = torch.autograd.grad(loss, list(followed.values()), allow_unused=True, materialize_grads=True)
        looked.upstream = dict(zip(followed, gradients, strict=True))


def parameter_gradients(network: Network, label: str, arrives: Tensor, upstream: Tensor) -> dict[str, Tensor]:
    """The gradients of a layer's own parameters, all its cells together. arrives, upstream: (1, ...)."""
    module = network.layer(label)
    own = {name: tensor.detach().requires_grad_() for name, tensor in module.named_parameters()}
    if not own:
        return {}
    with at_rest(network), torch.enable_grad():
        y = functional_call(module, own, (arrives.detach(),))
        gradients = torch.autograd.grad(y, list(own.values()), upstream)
    return dict(zip(own, gradients, strict=True))


def the_picture(network: object, x: Tensor) -> Network:
    """The network, once it is sure that it can be traced on x. Raises ConvscopeError."""
    if not isinstance(network, Network):
        raise ConvscopeError(
            "a trace needs a network in the notation, for it knows the arithmetic of each of its layers. Got "
            f"{type(network).__name__}, a module of one's own: its products can't be traced, its maps, kernels and "
            "attributions can be shown all the same. Write it in the notation to trace it."
        )
    height, width, channels = network.input
    if tuple(x.shape) != (1, channels, height, width):
        raise ConvscopeError(
            f"a trace needs one picture as the network takes it, (1, {channels}, {height}, {width}) for an input of "
            f"{show(network.input)}. Got {tuple(x.shape)}. Bring it to this size and these channels with the model's "
            "preprocessing."
        )
    if not x.is_floating_point():
        raise ConvscopeError(
            f"a trace needs the numbers that the network takes, floats. Got {x.dtype}. Use the model's preprocessing "
            "(to_input)."
        )
    network.wanted(())
    return network
