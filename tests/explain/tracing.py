"""What every trace is held against: the network's own outputs, and what autograd says of it as a whole.

Nothing of it goes through the trace's own pass: gradients are those of a hook that adds zeros to what leaves a layer.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.explain.trace import Trace
from convscope.explain.trace.reading import exact
from convscope.network.build import Network
from convscope.network.layers import BatchNorm
from convscope.notation.tree import Item, Layer
from convscope.train import loss as losses

NEAR = 1e-5


def moved(network: Network, seed: int = 0) -> Network:
    """In evaluation mode, with running statistics, scales and biases that are not 0 and 1."""
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, BatchNorm):
                module.running_mean.normal_(0, 0.3, generator=draws)
                module.running_var.uniform_(0.5, 1.5, generator=draws)
                if module.weight is not None:
                    module.weight.uniform_(0.5, 1.5, generator=draws)
            bias = getattr(module, "bias", None)
            if isinstance(bias, nn.Parameter):
                bias.normal_(0, 0.1, generator=draws)
    return network.eval()


class Oracle:
    """A network and a picture x: (1, C, H, W): outputs by label, their gradients for a class, those of parameters."""

    def __init__(self, network: Network, x: Tensor, target: int, aux: str = "") -> None:
        self.network, self.x, self.target = network, x, target
        self.deltas: dict[str, Tensor] = {}
        handles = []
        for row in network.sizes.rows:
            if isinstance(row.item, Layer):
                handles.append(network.layer(row.item.name).register_forward_hook(self._hook(row.item.name)))
        try:
            self.leaf = x.detach().clone().requires_grad_()
            logits, self.kept = network(self.leaf, keep=network.labels)
        finally:
            for handle in handles:
                handle.remove()
        if aux:
            loss = network.aux[aux] * F.cross_entropy(self.kept[aux], torch.tensor([target]))
        elif logits.dim() == 2:
            name = "rbf" if network.sizes.body.items[-1].kind == "rbf" else "cross-entropy"
            loss = losses.build(name)(logits, torch.tensor([target]))
        else:
            return
        self.loss = float(loss.detach())
        parameters = dict(network.named_parameters())
        self.deltas["input"] = self.leaf
        given = [*self.deltas.values(), *parameters.values()]
        found = torch.autograd.grad(loss, given, retain_graph=True, materialize_grads=True)
        self.upstream = dict(zip(self.deltas, found[: len(self.deltas)], strict=True))
        self.parameters = dict(zip(parameters, found[len(self.deltas) :], strict=True))
        forms = [label for label in network.labels if label not in self.deltas and self.kept[label].requires_grad]
        outs = [self.kept[label] for label in forms]
        ups = torch.autograd.grad(loss, outs, materialize_grads=True, retain_graph=True) if forms else ()
        self.upstream |= dict(zip(forms, ups, strict=True))

    def _hook(self, label: str):  # type: ignore[no-untyped-def]
        def add(module: nn.Module, given: object, out: Tensor) -> Tensor:
            self.deltas[label] = torch.zeros_like(out).requires_grad_()
            return out + self.deltas[label]

        return add

    def copies(self, label: str) -> bool:
        """Whether a convolution shows cells of its maps again beyond their edge."""
        item = _item(self.network, label)
        return isinstance(item, Layer) and isinstance(item.options.get("border"), str)

    def output(self, label: str) -> Tensor:
        """(1, ...) of a layer; the picture under "input"."""
        return (self.x if label == "input" else self.kept[label]).detach()


def _item(network: Network, label: str) -> Item | None:
    row = network.sizes.by_name().get(label)
    return row.item if row is not None else None


def close(one: float, other: float, scale: float) -> bool:
    """Equal to 1e-5 of the scale."""
    return abs(one - other) <= NEAR * max(scale, 1e-12)


def check_forward(trace: Trace, oracle: Oracle) -> None:
    """Every number of the forward half."""
    y = oracle.output(trace.label)
    scale = float(y.abs().max())
    assert trace.value == float(y[(0, *trace.place)]) or close(trace.value, float(y[(0, *trace.place)]), scale)
    assert close(trace.steps[-1].value, trace.value, scale), trace.steps
    size = 1
    for side in trace.window:
        size *= side
    assert len(trace.terms) == (size if trace.kind != "input" else 0)
    for label in {term.source for term in trace.terms}:
        source = exact(oracle.output(label)[0])
        top = float(np.abs(source).max())
        for term in trace.terms:
            if term.source == label and (term.inside or oracle.copies(trace.label)):
                assert close(term.value, float(source[term.place]), top), term
    summed = sum(term.product for term in trace.terms) + (trace.bias or 0.0)
    if trace.kind in SUMS:
        assert close(summed, trace.value, scale), (summed, trace.value)
    for term in trace.terms:
        if trace.kind in SUMS and term.weight is not None and trace.kind != "rbf":
            assert abs(term.product - term.value * term.weight) <= 1e-12 * max(1.0, abs(term.product))
    for step in trace.after:
        followed = oracle.output(step.name)
        assert close(step.value, float(followed[(0, *trace.place)]), float(followed.abs().max()))
        assert step.formula


SUMS = frozenset({"conv", "dense", "maxpool", "minpool", "gmp", "avgpool", "gap", "subsample", "rbf", "add", "concat",
                  "regions", "aux", "flatten", "identity", "dropout", "scale"})  # fmt: skip
"""Kinds whose value is the sum of the products and the bias."""


def check_slopes(trace: Trace, network: Network, oracle: Oracle) -> None:
    """By how much the value rises with each cell, and with no other: against autograd on the layer's own module."""
    if not isinstance(_item(network, trace.label), Layer) or not trace.terms:
        return
    inputs: list[Tensor] = []
    handle = network.layer(trace.label).register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    with torch.no_grad():
        network(oracle.x, keep=[trace.label])
    handle.remove()
    x = inputs[0].detach().requires_grad_()
    y = network.layer(trace.label)(x)
    told = torch.autograd.grad(y[(0, *trace.place)], x)[0][0].double().numpy()
    begin = _origin(trace, oracle, x)
    found = np.zeros_like(told)
    for term in trace.terms:
        spot = tuple(a - b for a, b in zip(term.place, begin, strict=True))
        if all(0 <= i < n for i, n in zip(spot, told.shape, strict=True)):
            found[spot] += term.slope
    assert np.abs(found - told).max() <= NEAR * np.abs(told).max(initial=0.1), trace.label  # where a curve is flat


def _origin(trace: Trace, oracle: Oracle, x: Tensor) -> tuple[int, ...]:
    """Where what reaches a layer stands in the layer that it comes from: elsewhere than (0, 0, 0) in regions alone."""
    source = oracle.output(trace.terms[0].source)[0]
    part = x.detach()[0]
    if source.shape == part.shape:
        return (0,) * part.dim()
    _, h, w = part.shape
    for row in range(source.shape[1] - h + 1):
        for column in range(source.shape[2] - w + 1):
            if torch.equal(source[:, row : row + h, column : column + w], part):
                return (0, row, column)
    raise AssertionError(f"what reaches {trace.label} is no part of {trace.terms[0].source}")


def check_gradient(trace: Trace, oracle: Oracle) -> None:
    """Every number of the backward half."""
    gradient = trace.gradient
    assert gradient is not None
    assert close(gradient.loss, oracle.loss, max(1.0, abs(oracle.loss)))
    upstream = oracle.upstream[trace.label]
    scale = float(upstream.abs().max())
    assert close(gradient.value, float(upstream[(0, *trace.place)]), scale)
    for label in {share.label for share in gradient.comes_from}:
        shares = [share for share in gradient.comes_from if share.label == label]
        there = np.ones(()) if label == "the loss" else exact(oracle.upstream[label][0])
        top = float(np.abs(there).max())
        for share in shares:
            assert close(share.product, share.slope * share.upstream, abs(share.product))
            assert label == "the loss" or close(share.upstream, float(there[share.place]), top), share
    # single parts may be far larger than what they add up to
    parts = max([abs(share.product) for share in gradient.comes_from], default=0.0)
    if any(share.label == "the loss" for share in gradient.comes_from):
        parts = 0.1  # a probability less 1: float32 has 6e-8 of it, however little is left
    assert close(sum(share.product for share in gradient.comes_from), gradient.value, max(scale, parts)), trace.label
    own = [name for name, _ in oracle.network.layer(trace.label).named_parameters()] if trace.kind in MOVES else []
    assert {move.tensor for move in gradient.moves} == {f"{trace.label}.{name}" for name in own}
    for name in own:
        moves = [move for move in gradient.moves if move.tensor == f"{trace.label}.{name}"]
        where = tuple(zip(*(move.at for move in moves), strict=True))
        whole = oracle.parameters[f"{trace.label}.{name}"]
        held = dict(oracle.network.layer(trace.label).named_parameters())[name]
        assert [move.value for move in moves] == held[where].tolist()
        apart = np.abs(np.array([move.total for move in moves]) - exact(whole[where]))
        assert apart.max() <= NEAR * float(whole.abs().max())
        assert all(move.part == move.slope * gradient.value for move in moves)


MOVES = frozenset({"conv", "dense", "bn", "subsample"})


def some_places(shape: tuple[int, ...], count: int, draws: random.Random) -> Iterable[tuple[int, ...]]:
    """So many places of maps (C, H, W) or of a vector, the first and the last among them."""
    yield tuple(0 for _ in shape)
    yield tuple(n - 1 for n in shape)
    for _ in range(count - 2):
        yield tuple(draws.randrange(n) for n in shape)
