"""PyTorch: one rule a layer kind, from a sized layer to the lines that compute it."""

from __future__ import annotations

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
from convscope.export.torch_helpers import HELPERS, LOADING
from convscope.export.words import WORDS
from convscope.network.cost import parameters
from convscope.network.shapes import Sized


def _pad(found: Slide, *more: Arg) -> Inline:
    (top, bottom), (left, right) = found.sides
    return Inline("F.pad({x}{args})", (place((left, right, top, bottom), "pad"), *more))


def _conv(row: Sized) -> list[Step]:
    layer, found = layer_of(row), slide(row)
    bias, border = layer.options["bias"], layer.options["border"]
    groups = int(number(layer, "groups"))
    joined = layer.options["connect"] == "lenet5"
    symmetric = found.padded(found.before)
    mode = border if isinstance(border, str) else "zeros" if border == 0 else "constant"
    own = joined or bias == "position"  # modules of ours, which leave borders to F.pad
    inside = symmetric and mode != "constant" and not (own and mode != "zeros")
    before: list[Step] = []
    if not inside and any(map(any, found.sides)):
        value = border if isinstance(border, int | float) else 0
        before = [_pad(found, *given("mode", mode if isinstance(border, str) else "constant", "constant"),
                       *given("value", float(value), 0.0))]  # fmt: skip
    numbers = (
        *given("stride", size(found.stride), 1),
        *given("padding", size(found.before) if inside else 0, 0),
        *(() if own else given("padding_mode", mode if inside and any(found.before) else "zeros", "zeros")),
        *given("dilation", size(found.dilation), 1),
        *given("groups", groups, 1),
    )
    kernel = place(size(found.kernel), "kernel_size")
    shape = (place(row.before[2], "in_channels"), place(row.after[2], "out_channels"), kernel)
    where = (row.after[0], row.after[1])
    if joined:
        with_bias = given("size", where) if bias == "position" else given("bias", bool(bias), True)
        return [*before, Module("JoinedConv2d", (kernel, *numbers, *with_bias))]
    if bias == "position":
        return [*before, Module("PositionConv2d", (*shape, *numbers, *given("size", where)))]
    return [*before, Module("nn.Conv2d", (*shape, *numbers, *given("bias", bool(bias), True)))]


def _windows(found: Slide) -> tuple[Arg, ...] | None:
    """Kernel, stride, padding and ceil_mode of a pooling layer of PyTorch's with these windows; None where it has no
    such: its padding is the same on both sides, and at most half the kernel."""
    if any(2 * before > kernel for before, kernel in zip(found.before, found.kernel, strict=True)):
        return None
    for ceil in (False, True):
        if found.padded(found.before, ceil):
            return (*_kernel(found), *given("padding", size(found.before), 0), *given("ceil_mode", ceil, False))
    return None


def _kernel(found: Slide) -> tuple[Arg, ...]:
    kernel = place(size(found.kernel), "kernel_size")
    return (kernel,) if found.stride == found.kernel else (kernel, place(size(found.stride), "stride"))


def _pool(plain: str, adaptive: str, outside: str) -> Rule:
    def rule(row: Sized) -> list[Step]:
        to = layer_of(row).options.get("to")
        if isinstance(to, tuple):
            return [Inline(adaptive, (place(size(to), "output_size"),))]
        found = slide(row)
        args = _windows(found)
        if args is not None:
            return [Inline(plain, args)]
        return [_pad(found, Arg(outside, "value", "value")), Inline(plain, _kernel(found))]

    return rule


def _avgpool(row: Sized) -> list[Step]:
    to = layer_of(row).options.get("to")
    if isinstance(to, tuple):
        return [Inline("F.adaptive_avg_pool2d({x}{args})", (place(size(to), "output_size"),))]
    found = slide(row)
    args = _windows(found)
    if args is None:
        (top, bottom), (left, right) = found.sides
        kernel, stride = place(size(found.kernel), "kernel_size"), place(size(found.stride), "stride")
        return [Inline("mean_pool({x}{args})", (kernel, stride, place((left, right, top, bottom), "pad")))]
    inside = given("count_include_pad", False) if any(map(any, found.sides)) else ()
    return [Inline("F.avg_pool2d({x}{args})", (*args, *inside))]


def _dense(row: Sized) -> list[Step]:
    layer = layer_of(row)
    weight = parameters(row)["weight"]
    flat: list[Step] = [Inline("{x}.flatten(1)")] if len(row.before) == 3 else []
    units = (place(weight[1], "in_features"), place(weight[0], "out_features"))
    return [*flat, Module("nn.Linear", (*units, *given("bias", bool(layer.options["bias"]), True)))]


def _bn(row: Sized) -> list[Step]:
    layer, maps = layer_of(row), len(row.after) == 3
    scale, shift = bool(layer.options["scale"]), bool(layer.options["shift"])
    numbers = (*given("eps", number(layer, "eps"), 1e-5), *given("momentum", number(layer, "momentum"), 0.1))
    if (maps and layer.options["per"] == "activation") or scale != shift:
        shape = (row.after[2], *row.after[:2]) if layer.options["per"] == "activation" and maps else (row.after[-1],)
        parts = (*given("scale", scale, True), *given("shift", shift, True))
        return [Module("BatchNorm", (place(shape, "shape"), *numbers, *parts))]
    make = "nn.BatchNorm2d" if maps else "nn.BatchNorm1d"
    return [Module(make, (place(row.after[-1], "num_features"), *numbers, *given("affine", scale, True)))]


def _lrn(row: Sized) -> list[Step]:
    layer = layer_of(row)
    window = int(number(layer, "window"))
    numbers = (
        place(window, "size"),
        *given("alpha", float(f"{window * number(layer, 'alpha'):.12g}")),  # PyTorch divides alpha by the window
        *given("beta", number(layer, "beta")),
        *given("k", number(layer, "k")),
    )
    if len(row.before) == 1:
        to_maps, back = Inline("{x}[:, :, None]"), Inline("{x}[:, :, 0]")
        return [to_maps, Inline("F.local_response_norm({x}{args})", numbers), back]
    return [Inline("F.local_response_norm({x}{args})", numbers)]


def _tanh(row: Sized) -> list[Step]:
    return [Inline("scaled_tanh({x})" if layer_of(row).options["scaled"] else "torch.tanh({x})")]


def _subsample(row: Sized) -> list[Step]:
    kernel = layer_of(row).kernel or (1, 1)
    return [Module("Subsample", (place(row.before[2], "channels"), place(size(kernel), "kernel_size")))]


def _rbf(row: Sized) -> list[Step]:
    flat: list[Step] = [Inline("{x}.flatten(1)")] if len(row.before) == 3 else []
    return [*flat, Module("DigitDistance", weights=False)]


def _identity(row: Sized) -> list[Step]:
    if row.before == row.after:
        return []
    stride = layer_of(row).stride or (1, 1)
    more = row.after[-1] - row.before[-1]
    thin = [Inline("{x}[:, :, ::{0}, ::{1}]", (place(stride[0], "stride"), place(stride[1], "stride")))]
    wide = [Inline("F.pad({x}, (0, 0, 0, 0, 0, {0}))", (place(more, "more_channels"),))]
    return [*(thin if stride != (1, 1) else []), *(wide if more else [])]


def _plain(template: str, *options: tuple[str, str]) -> Rule:
    """A function and its options: (the notation's name, the keyword's or "" for one told by place)."""
    return lambda row: [Inline(template, tuple(Arg(number(layer_of(row), name), name, key) for name, key in options))]


RULES: dict[str, Rule] = {
    "conv": _conv,
    "maxpool": _pool("F.max_pool2d({x}{args})", "F.adaptive_max_pool2d({x}{args})", "-inf"),
    "minpool": _pool("-F.max_pool2d(-{x}{args})", "-F.adaptive_max_pool2d(-{x}{args})", "inf"),
    "avgpool": _avgpool,
    "subsample": _subsample,
    "gap": _plain("{x}.mean((2, 3), keepdim=True)"),
    "gmp": _plain("{x}.amax((2, 3), keepdim=True)"),
    "dense": _dense,
    "flatten": _plain("{x}.flatten(1)"),
    "relu": _plain("F.relu({x})"),
    "relu6": _plain("F.relu6({x})"),
    "tanh": _tanh,
    "sigmoid": _plain("torch.sigmoid({x})"),
    "gelu": _plain("F.gelu({x})"),
    "silu": _plain("F.silu({x})"),
    "elu": _plain("F.elu({x}{args})", ("slope", "alpha")),
    "leaky": _plain("F.leaky_relu({x}{args})", ("slope", "")),
    "bn": _bn,
    "lrn": _lrn,
    "dropout": _plain("F.dropout({x}{args}, training=self.training)", ("p", "")),
    "softmax": _plain("torch.softmax({x}, 1)"),
    "scale": _plain("{x} * {0}", ("factor", "")),
    "identity": _identity,
    "rbf": _rbf,
}
"""One row a layer kind."""

TORCH = Dialect(
    name="torch",
    imports=(
        ("import torch", ("torch",)),
        ("import torch.nn.functional as F", ("F",)),
        ("from torch import nn", ("nn",)),
    ),
    base="nn.Module",
    forward="forward",
    sequential=("nn.Sequential(", ")"),
    concat="torch.cat([{branches}], 1)",
    flatten="{x}.flatten(1)",
    rules=RULES,
    helpers=HELPERS,
    loading=LOADING,
    shape=lambda shape: " x ".join(map(str, shape if len(shape) == 1 else (shape[2], *shape[:2]))),
    words=WORDS,
)
