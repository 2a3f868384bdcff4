"""Keras 3: one rule a layer kind, from a sized layer to the lines that compute it, channels last."""

from __future__ import annotations

from convscope.export.keras_helpers import HELPERS, LOADING
from convscope.export.steps import (
    Arg,
    Dialect,
    Inline,
    Module,
    Rule,
    Slide,
    Step,
    given,
    layer_of,
    number,
    place,
    size,
    slide,
)
from convscope.export.words import WORDS
from convscope.network.shapes import Sized


def _sides(found: Slide) -> tuple[Arg, Arg]:
    rows, columns = found.sides
    return place(rows, "rows"), place(columns, "columns")


def _conv(row: Sized) -> list[Step]:
    layer, found = layer_of(row), slide(row)
    bias, border = layer.options["bias"], layer.options["border"]
    groups = int(number(layer, "groups"))
    joined = layer.options["connect"] == "lenet5"
    # TensorFlow refuses strides and dilation together: every position then, and of these the s-th
    thin = max(found.stride) > 1 and max(found.dilation) > 1
    outside = any(map(any, found.sides))
    same = outside and border == 0 and found.same() and not thin
    steps: list[Step] = []
    if outside and not same:
        if isinstance(border, str):
            steps.append(Inline("border({x}{args})", (*_sides(found), place(border, "mode"))))
        else:
            assert isinstance(border, int | float)
            steps.append(Inline("pad({x}{args})", (*_sides(found), *given("value", float(border), 0.0))))
    own = bias == "position"
    numbers = (
        *given("strides", 1 if thin else size(found.stride), 1),
        *given("padding", "same" if same else "valid", "valid"),
        *given("dilation_rate", size(found.dilation), 1),
    )
    use_bias = given("use_bias", bool(bias) and not own, True)
    kernel = place(size(found.kernel), "kernel_size")
    if joined:
        steps.append(Module("JoinedConv2D", (kernel, *numbers, *use_bias)))
    elif groups > 1 and groups == row.before[2] == row.after[2] and found.stride[0] == found.stride[1]:
        steps.append(Module("layers.DepthwiseConv2D", (kernel, *numbers, *use_bias)))
    else:
        shape = (place(row.after[2], "filters"), kernel)
        steps.append(Module("layers.Conv2D", (*shape, *numbers, *given("groups", groups, 1), *use_bias)))
    if thin:
        down, across = found.stride
        steps.append(Inline("{x}[:, ::{0}, ::{1}]", (place(down, "stride"), place(across, "stride"))))
    if own:
        steps.append(Module("PositionBias"))
    return steps


def _kernel(found: Slide) -> tuple[Arg, Arg]:
    return place(size(found.kernel), "pool_size"), place(size(found.stride), "strides")


def _pool(plain: str, how: str, outside: str) -> Rule:
    """plain: the template, with a sign before for minpool; how: the reduction for `to=`; outside: what never wins."""

    def rule(row: Sized) -> list[Step]:
        to = layer_of(row).options.get("to")
        if isinstance(to, tuple):
            return [Inline(how, (place(to[0], "rows"), place(to[1], "columns")))]
        found = slide(row)
        if not any(map(any, found.sides)):
            return [Inline(plain, _kernel(found))]
        if found.same():
            return [Inline(plain, (*_kernel(found), *given("padding", "same")))]
        padded = Inline("pad({x}{args})", (*_sides(found), Arg(outside, "value")))
        return [padded, Inline(plain, _kernel(found))]

    return rule


def _avgpool(row: Sized) -> list[Step]:
    to = layer_of(row).options.get("to")
    if isinstance(to, tuple):
        return [Inline("pool_to({x}{args}, ops.mean)", (place(to[0], "rows"), place(to[1], "columns")))]
    found = slide(row)
    if not any(map(any, found.sides)):
        return [Inline("ops.average_pool({x}{args})", _kernel(found))]
    return [Inline("mean_pool({x}{args})", (*_kernel(found), *_sides(found)))]


def _dense(row: Sized) -> list[Step]:
    use_bias = given("use_bias", bool(layer_of(row).options["bias"]), True)
    return [*_flatten(row), Module("layers.Dense", (place(row.after[0], "units"), *use_bias))]


def _flatten(row: Sized) -> list[Step]:
    return [Inline("flatten({x})")] if len(row.before) == 3 else []


def _bn(row: Sized) -> list[Step]:
    layer = layer_of(row)
    numbers = (
        *given("momentum", float(f"{1 - number(layer, 'momentum'):.12g}"), 0.99),  # the share of the old mean
        *given("epsilon", number(layer, "eps"), 1e-3),
        *given("center", bool(layer.options["shift"]), True),
        *given("scale", bool(layer.options["scale"]), True),
    )
    each = layer.options["per"] == "activation" and len(row.after) == 3
    return [Module("ActivationNormalization" if each else "layers.BatchNormalization", numbers)]


def _lrn(row: Sized) -> list[Step]:
    layer = layer_of(row)
    numbers = tuple(Arg(number(layer, name), name, name) for name in ("alpha", "beta", "k"))
    return [Inline("local_response_norm({x}{args})", (place(number(layer, "window"), "window"), *numbers))]


def _subsample(row: Sized) -> list[Step]:
    return [Module("Subsample", (place(size(layer_of(row).kernel or (1, 1)), "size"),))]


def _rbf(row: Sized) -> list[Step]:
    return [*_flatten(row), Inline("digit_distance({x})")]


def _identity(row: Sized) -> list[Step]:
    if row.before == row.after:
        return []
    stride = layer_of(row).stride or (1, 1)
    more = row.after[-1] - row.before[-1]
    thin = [Inline("{x}[:, ::{0}, ::{1}]", (place(stride[0], "stride"), place(stride[1], "stride")))]
    wide = [Inline("ops.pad({x}, ((0, 0), (0, 0), (0, 0), (0, {0})))", (place(more, "more_channels"),))]
    return [*(thin if stride != (1, 1) else []), *(wide if more else [])]


def _tanh(row: Sized) -> list[Step]:
    return [Inline("scaled_tanh({x})" if layer_of(row).options["scaled"] else "ops.tanh({x})")]


def _plain(template: str, *options: tuple[str, str]) -> Rule:
    """A function and its options: (the notation's name, the keyword's or "" for one told by place)."""
    return lambda row: [Inline(template, tuple(Arg(number(layer_of(row), name), name, key) for name, key in options))]


def _dropout(row: Sized) -> list[Step]:
    return [Module("layers.Dropout", (place(number(layer_of(row), "p"), "rate"),), weights=False)]


RULES: dict[str, Rule] = {
    "conv": _conv,
    "maxpool": _pool("ops.max_pool({x}{args})", "pool_to({x}{args}, ops.max)", "-inf"),
    "minpool": _pool("-ops.max_pool(-{x}{args})", "pool_to({x}{args}, ops.min)", "inf"),
    "avgpool": _avgpool,
    "subsample": _subsample,
    "gap": _plain("ops.mean({x}, (1, 2), keepdims=True)"),
    "gmp": _plain("ops.max({x}, (1, 2), keepdims=True)"),
    "dense": _dense,
    "flatten": _flatten,
    "relu": _plain("ops.relu({x})"),
    "relu6": _plain("ops.relu6({x})"),
    "tanh": _tanh,
    "sigmoid": _plain("ops.sigmoid({x})"),
    "gelu": _plain("ops.gelu({x}, approximate=False)"),
    "silu": _plain("ops.silu({x})"),
    "elu": _plain("ops.elu({x}{args})", ("slope", "alpha")),
    "leaky": _plain("ops.leaky_relu({x}{args})", ("slope", "negative_slope")),
    "bn": _bn,
    "lrn": _lrn,
    "dropout": _dropout,
    "softmax": _plain("ops.softmax({x})"),
    "scale": _plain("{x} * {0}", ("factor", "")),
    "identity": _identity,
    "rbf": _rbf,
}
"""One row a layer kind."""

KERAS = Dialect(
    name="keras",
    imports=(
        ("import keras", ("keras",)),
        ("import numpy as np", ("np",)),
        ("from keras import layers", ("layers",)),
        ("from keras import ops", ("ops",)),
    ),
    base="keras.Model",
    forward="call",
    sequential=("keras.Sequential([", "])"),
    concat="ops.concatenate([{branches}], -1)",
    flatten="flatten({x})",
    rules=RULES,
    helpers=HELPERS,
    loading=LOADING,
    shape=lambda shape: " x ".join(map(str, shape)),
    words=WORDS,
)
