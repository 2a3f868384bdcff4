"""A network's tree walked with the textbook in place of PyTorch: forward, and backward to input and parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch

import convscope.explain.reference as book
from convscope.explain.reference import Array
from convscope.network.lenet5 import centres
from convscope.notation.tree import Aux, Item, Layer, Regions, Sequence

Backward = Callable[[Array], Array]


class Walk:
    """Walks a body (numbers resolved) with tensors by their name in the state dict.

    training: batch statistics, and dropout by `kept` (label to mask). sides: for each `aux` what its logits are sent
    back; `logits` has these after `forward`. After `backward`, `gradients` has one array a
    parameter; after `forward`, `running` has the statistics that batch normalisation is left with.
    """

    def __init__(
        self,
        tensors: dict[str, Array],
        training: bool = False,
        kept: dict[str, Array] | None = None,
        sides: dict[str, Callable[[Array], Array]] | None = None,
    ) -> None:
        self.tensors, self.training, self.kept, self.sides = tensors, training, kept or {}, sides or {}
        self.logits: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self.running: dict[str, Array] = {}

    def network(self, body: Sequence, x: Array) -> tuple[Array, Backward]:
        """The whole network: as `sequence`, and an end of N x K x 1 x 1 is flattened."""
        y, back = self.sequence(body, x)
        if y.ndim == 4 and y.shape[2:] == (1, 1):
            return book.flatten(y), lambda up: back(book.flatten_gradient(y, up))
        return y, back

    def sequence(self, sequence: Sequence, x: Array) -> tuple[Array, Backward]:
        """Layer after layer forward; backward in the opposite order."""
        turns = []
        for item in sequence.items:
            x, back = self.item(item, x)
            turns.append(back)

        def backward(upstream: Array) -> Array:
            for back in reversed(turns):
                upstream = back(upstream)
            return upstream

        return x, backward

    def item(self, item: Item, x: Array) -> tuple[Array, Backward]:
        if isinstance(item, Layer):
            return RULES[item.kind](self, item, x)
        if isinstance(item, Regions):
            return self.regions(item, x)
        if isinstance(item, Aux):
            return self.aux(item, x)
        walked = [self.sequence(branch, x) for branch in item.branches]
        outs = [y for y, _ in walked]
        join, split = (book.add, book.add_gradient) if item.kind == "add" else (book.concat, book.concat_gradient)

        def backward(upstream: Array) -> Array:
            """What every branch sees collects from every branch."""
            parts = split(outs, upstream)
            return book.add([back(part) for (_, back), part in zip(walked, parts, strict=True)])

        return join(outs), backward

    def regions(self, item: Regions, x: Array) -> tuple[Array, Backward]:
        walked = [self.sequence(part, cell) for part, cell in zip(item.parts, book.regions(x, item.grid), strict=True)]

        def backward(upstream: Array) -> Array:
            cells = book.regions(upstream, item.grid)
            backs = [back(cell) for (_, back), cell in zip(walked, cells, strict=True)]
            return book.regions_gradient(backs, item.grid)

        return book.regions_gradient([y for y, _ in walked], item.grid), backward

    def aux(self, item: Aux, x: Array) -> tuple[Array, Backward]:
        """Hands x on; where `sides` has an upstream for the side's logits, its gradient joins the main one."""
        logits, back = self.network(item.body, x)
        self.logits[item.name] = logits
        return x, lambda upstream: upstream + back(self.sides[item.name](logits))

    def tensor(self, layer: Layer, name: str) -> Array | None:
        return self.tensors.get(f"{layer.name}.{name}")

    def needed(self, layer: Layer, name: str) -> Array:
        return self.tensors[f"{layer.name}.{name}"]

    def learn(self, layer: Layer, **gradients: Array) -> None:
        """Keeps the gradients of the parameters that the layer has."""
        for name, gradient in gradients.items():
            if self.tensor(layer, name) is not None:
                self.gradients[f"{layer.name}.{name}"] = gradient


Rule = Callable[[Walk, Layer, Array], tuple[Array, Backward]]


def _real(layer: Layer, option: str) -> float:
    value = layer.options[option]
    assert isinstance(value, int | float)
    return float(value)


def _conv(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    weight = walk.needed(layer, "weight")
    dilation, groups, border = layer.options["dilation"], layer.options["groups"], layer.options["border"]
    assert isinstance(dilation, int | tuple)
    assert isinstance(groups, int)
    assert isinstance(border, int | float | str)
    how = (layer.stride or 1, dilation, groups, layer.padding or "same", border)
    if layer.options["connect"] == "lenet5":
        weight = book.join(weight, book.TABLE_I)

    def backward(upstream: Array) -> Array:
        d_x, d_weight, d_bias = book.conv_gradient(x, weight, upstream, *how, layer.options["bias"] == "position")
        if layer.options["connect"] == "lenet5":
            d_weight = book.join_gradient(d_weight, book.TABLE_I)
        walk.learn(layer, weight=d_weight, bias=d_bias)
        return d_x

    return book.conv(x, weight, walk.tensor(layer, "bias"), *how), backward


def _pool(kind: str) -> Rule:
    forward, gradient = getattr(book, kind), getattr(book, f"{kind}_gradient")
    forward_to, gradient_to = getattr(book, f"{kind}_to"), getattr(book, f"{kind}_to_gradient")

    def rule(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
        to = layer.options["to"]
        if to is not None:
            return forward_to(x, to), lambda up: gradient_to(x, up, to)
        how = (layer.kernel, layer.stride, layer.padding, layer.ceil)
        return forward(x, *how), lambda up: gradient(x, up, *how)

    return rule


def _plain(kind: str, *options: str) -> Rule:
    forward, gradient = getattr(book, kind), getattr(book, f"{kind}_gradient")

    def rule(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
        values = [_real(layer, option) for option in options]
        return forward(x, *values), lambda up: gradient(x, up, *values)

    return rule


def _tanh(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    return _plain("tanh_scaled" if layer.options["scaled"] else "tanh")(walk, layer, x)


def _dense(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    weight = walk.needed(layer, "weight")

    def backward(upstream: Array) -> Array:
        d_x, d_weight, d_bias = book.dense_gradient(x, weight, upstream)
        walk.learn(layer, weight=d_weight, bias=d_bias)
        return d_x

    return book.dense(x, weight, walk.tensor(layer, "bias")), backward


def _subsample(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    weight, bias = walk.needed(layer, "weight"), walk.needed(layer, "bias")
    assert layer.kernel is not None
    kernel = layer.kernel

    def backward(upstream: Array) -> Array:
        d_x, d_weight, d_bias = book.subsample_gradient(x, weight, upstream, kernel)
        walk.learn(layer, weight=d_weight, bias=d_bias)
        return d_x

    return book.subsample(x, weight, bias, kernel), backward


def _rbf(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    drawings = np.array(centres(), dtype=np.float64)
    return book.rbf(x, drawings), lambda up: book.rbf_gradient(x, up, drawings)


def _bn_per_activation(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    """The layer of units that it is: statistics and gradients are those of C * H * W units."""
    names = [f"{layer.name}.{name}" for name in ("weight", "bias", "running_mean", "running_var")]
    flat = {name: walk.tensors[name].ravel() for name in names if name in walk.tensors}
    inner = Walk(flat, walk.training)
    plain = dataclasses.replace(layer, options={**layer.options, "per": "map"})
    y, back = _bn(inner, plain, book.flatten(x))
    shape = x.shape[1:]
    walk.running |= {name: values.reshape(shape) for name, values in inner.running.items()}

    def backward(upstream: Array) -> Array:
        d_x = back(book.flatten(upstream))
        walk.gradients |= {name: values.reshape(shape) for name, values in inner.gradients.items()}
        return d_x.reshape(x.shape)

    return y.reshape(x.shape), backward


def _bn(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    if layer.options["per"] == "activation":
        return _bn_per_activation(walk, layer, x)
    scale, shift, eps = walk.tensor(layer, "weight"), walk.tensor(layer, "bias"), _real(layer, "eps")
    mean, variance = walk.needed(layer, "running_mean"), walk.needed(layer, "running_var")

    def backward(upstream: Array) -> Array:
        if walk.training:
            d_x, d_scale, d_shift = book.bn_gradient(x, upstream, scale, eps)
        else:
            d_x, d_scale, d_shift = book.bn_predict_gradient(x, upstream, mean, variance, scale, eps)
        walk.learn(layer, weight=d_scale, bias=d_shift)
        return d_x

    if not walk.training:
        return book.bn_predict(x, mean, variance, scale, shift, eps), backward
    new_mean, new_variance = book.bn_running(mean, variance, x, _real(layer, "momentum"))
    walk.running |= {f"{layer.name}.running_mean": new_mean, f"{layer.name}.running_var": new_variance}
    return book.bn(x, scale, shift, eps)[0], backward


def _lrn(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    how = (int(_real(layer, "window")), _real(layer, "k"), _real(layer, "alpha"), _real(layer, "beta"))
    return book.lrn(x, *how), lambda up: book.lrn_gradient(x, up, *how)


def _dropout(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    if not walk.training:
        return x, lambda up: up
    kept, p = walk.kept[layer.name], _real(layer, "p")
    return book.dropout(x, kept, p), lambda up: book.dropout_gradient(up, kept, p)


def _scale(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    factor = _real(layer, "factor")
    return book.scale(x, factor), lambda up: book.scale_gradient(up, factor)


def _identity(walk: Walk, layer: Layer, x: Array) -> tuple[Array, Backward]:
    maps = layer.units if isinstance(layer.units, int) else None
    stride = layer.stride or 1
    return book.identity(x, maps, stride), lambda up: book.identity_gradient(x, up, stride)


RULES: dict[str, Rule] = {
    "conv": _conv,
    "maxpool": _pool("maxpool"),
    "avgpool": _pool("avgpool"),
    "minpool": _pool("minpool"),
    "subsample": _subsample,
    "gap": _plain("gap"),
    "gmp": _plain("gmp"),
    "dense": _dense,
    "flatten": lambda walk, layer, x: (book.flatten(x), lambda up: book.flatten_gradient(x, up)),
    "relu": _plain("relu"),
    "relu6": _plain("relu6"),
    "tanh": _tanh,
    "sigmoid": _plain("sigmoid"),
    "gelu": _plain("gelu"),
    "silu": _plain("silu"),
    "elu": _plain("elu", "slope"),
    "leaky": _plain("leaky", "slope"),
    "bn": _bn,
    "lrn": _lrn,
    "dropout": _dropout,
    "softmax": _plain("softmax"),
    "scale": _scale,
    "identity": _identity,
    "rbf": _rbf,
}


def in_float64(tensor: torch.Tensor) -> Array:
    """A copy of a tensor, as the textbook takes it."""
    return np.array(tensor.detach().numpy(), dtype=np.float64)
