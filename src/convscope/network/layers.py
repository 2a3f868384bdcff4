"""The layers as PyTorch modules: a module owns tensors, a plain function does the arithmetic.

Knows how one layer computes. Knows nothing of the order of layers, of text, or of training. Padding is worked out
from what arrives, so a network runs on other sizes as far as its dense layers allow.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope.network import lenet5
from convscope.network.cost import buffers, parameters
from convscope.network.geometry import Padding, Windows, counts, windows
from convscope.network.shapes import Sized, dilation_of, option
from convscope.notation.tree import Layer, Size


def _axes(
    x: Tensor, kernel: Size, stride: Size, dilation: Size, padding: Padding | Size, ceil: bool
) -> tuple[Windows, Windows]:
    """The windows down and across for maps x: (N, C, H, W)."""
    down, across = (
        windows(x.shape[2 + axis], kernel[axis], stride[axis], dilation[axis],
                padding[axis] if isinstance(padding, tuple) else padding, ceil)
        for axis in (0, 1)
    )  # fmt: skip
    return down, across


def _surround(x: Tensor, down: Windows, across: Windows, mode: str = "constant", value: float = 0.0) -> Tensor:
    """x: (N, C, H, W) with the cells that its windows need outside of it."""
    sides = (across.before, across.after, down.before, down.after)
    if not any(sides):
        return x
    return F.pad(x, sides, mode=mode, value=value) if mode == "constant" else F.pad(x, sides, mode=mode)


def convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Size, padding: Padding | Size, dilation: Size, groups: int,
    border: str | float,
) -> Tensor:  # fmt: skip
    """Cross-correlation. x: (N, C_in, H, W), weight: (C_out, C_in / groups, kh, kw), bias: (C_out,) or one a position
    (C_out, H', W'); gives (N, C_out, H', W')."""
    x, pads = _framed(x, (weight.shape[2], weight.shape[3]), stride, padding, dilation, border)
    shared = bias if bias is not None and bias.dim() == 1 else None
    y = F.conv2d(x, weight, shared, stride, pads, dilation, groups)
    return y if bias is None or shared is not None else y + bias


def _framed(
    x: Tensor, kernel: Size, stride: Size, padding: Padding | Size, dilation: Size, border: str | float
) -> tuple[Tensor, Size]:
    """x with what lies outside of it added where PyTorch's padding can't, and the padding that is left to PyTorch."""
    down, across = _axes(x, kernel, stride, dilation, padding, False)
    if border == 0 and _native(x, down, across, kernel, stride, dilation):
        return x, (down.before, across.before)
    mode = border if isinstance(border, str) else "constant"
    return _surround(x, down, across, mode, 0.0 if isinstance(border, str) else float(border)), (0, 0)


def _native(x: Tensor, down: Windows, across: Windows, kernel: Size, stride: Size, dilation: Size) -> bool:
    """Whether PyTorch's own symmetric padding gives as many windows: one too few fit where the end needs more than the
    start, one too many where it needs less."""
    for axis, found in ((0, down), (1, across)):
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        if (x.shape[2 + axis] + 2 * found.before - extent) // stride[axis] + 1 != found.count:
            return False
    return True


def maximum_pool(x: Tensor, kernel: Size, stride: Size, padding: Padding | Size, ceil: bool) -> Tensor:
    """The largest of each window of x: (N, C, H, W); cells outside the picture never win."""
    down, across = _axes(x, kernel, stride, (1, 1), padding, ceil)
    x = _surround(x, down, across, value=float("-inf"))
    return F.max_pool2d(x, kernel, stride)


def average_pool(x: Tensor, kernel: Size, stride: Size, padding: Padding | Size, ceil: bool) -> Tensor:
    """The mean of each window of x: (N, C, H, W), over the cells that lie inside the picture."""
    down, across = _axes(x, kernel, stride, (1, 1), padding, ceil)
    if not (down.before or down.after or across.before or across.after):
        return F.avg_pool2d(x, kernel, stride)
    total = F.avg_pool2d(_surround(x, down, across), kernel, stride, divisor_override=1)
    rows = x.new_tensor(counts(x.shape[2], kernel[0], stride[0], down))
    columns = x.new_tensor(counts(x.shape[3], kernel[1], stride[1], across))
    return total / (rows[:, None] * columns)


def local_response(x: Tensor, window: int, k: float, alpha: float, beta: float) -> Tensor:
    """a / (k + alpha * sum of a^2 over `window` neighbouring maps)^beta, cut at the first and last map.

    x: (N, C, H, W) or (N, C). Krizhevsky, Sutskever, Hinton 2012, section 3.3; alpha is not divided by the window.
    """
    channels = x.shape[1]
    place = torch.arange(channels, device=x.device)
    band = ((place[:, None] - place).abs() <= window // 2).to(x.dtype)
    squares = x * x
    if x.dim() == 4:  # a product with a banded matrix: faster than sliding a window through the maps
        sums = F.conv2d(squares, band[:, :, None, None])
    else:
        sums = squares @ band
    return x * (k + alpha * sums) ** -beta


def thin_and_widen(x: Tensor, stride: Size, units: int) -> Tensor:
    """Every stride-th row and column of x: (N, C, H, W), and maps of zeros behind, up to `units`.

    Shortcut A of He et al. 2016, section 3.3.
    """
    x = x[:, :, :: stride[0], :: stride[1]]
    more = units - x.shape[1]
    return F.pad(x, (0, 0, 0, 0, 0, more)) if more else x


class Plain(nn.Module):
    """A layer that learns nothing: a function and its settings."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, ...) to what the layer makes of it."""
        return self.function(x)


class _Learned(nn.Module):
    """What conv and dense share: `weight`, and `bias` or None, not yet filled."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, row: Sized) -> None:
        super().__init__()
        tensors = parameters(row)
        self.weight = nn.Parameter(torch.zeros(tensors["weight"]))
        self.bias = nn.Parameter(torch.zeros(tensors["bias"])) if "bias" in tensors else None


class Conv(_Learned):
    """`conv`: see `convolution`."""

    def __init__(self, row: Sized) -> None:
        super().__init__(row)
        layer = _layer(row)
        self.stride = layer.stride or (1, 1)
        self.padding: Padding | Size = layer.padding or "same"
        self.dilation = dilation_of(layer)
        self.groups = option(layer, "groups", int)
        border = layer.options["border"]
        assert isinstance(border, str | float)
        self.border = border

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C_in, H, W) to (N, C_out, H', W')."""
        return convolution(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups, self.border
        )


def surrounded(x: Tensor, conv: Conv) -> tuple[Tensor, Size]:
    """What a convolution reads of x: (N, C_in, H, W), and the padding (zeros, both sides alike) still to be added."""
    kernel = (conv.weight.shape[2], conv.weight.shape[3])
    return _framed(x, kernel, conv.stride, conv.padding, conv.dilation, conv.border)


class JoinedConv(Conv):
    """`conv connect=lenet5`: a convolution of 6 maps to 16 in which only 60 of the 96 pairs have a kernel.

    weight: (60, kh, kw), in the order of table I. LeCun et al. 1998, section II.B.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 6, H, W) to (N, 16, H', W')."""
        maps, seen = zip(*lenet5.KERNELS, strict=True)
        whole = self.weight.new_zeros((16, 6, *self.weight.shape[1:]))
        whole = whole.index_put((torch.tensor(maps), torch.tensor(seen)), self.weight)  # the other 36 stay 0
        return convolution(x, whole, self.bias, self.stride, self.padding, self.dilation, self.groups, self.border)


class Dense(_Learned):
    """`dense`: every input to every unit."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, ...), flattened channels first, to (N, units)."""
        return F.linear(x.flatten(1), self.weight, self.bias)


class Subsample(nn.Module):
    """`subsample`: the sum of each window times a weight plus a bias, one pair a map. LeCun et al. 1998, section II.B.

    It starts as the mean: weight 1 / window, bias 0. The paper says no start of its own for these layers.
    """

    def __init__(self, row: Sized) -> None:
        super().__init__()
        tensors = parameters(row)
        self.kernel = _layer(row).kernel or (1, 1)
        self.weight = nn.Parameter(torch.full(tensors["weight"], 1 / (self.kernel[0] * self.kernel[1])))
        self.bias = nn.Parameter(torch.zeros(tensors["bias"]))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) to (N, C, H // kh, W // kw)."""
        sums = F.avg_pool2d(x, self.kernel, divisor_override=1)
        return sums * self.weight[:, None, None] + self.bias[:, None, None]


class RadialBasis(nn.Module):
    """`rbf`: minus the squared distance of 84 numbers to the drawing of each digit. Nothing of it is learned or stored.

    LeCun et al. 1998, equation 7; the sign is ours, so that the largest wins as everywhere.
    """

    drawings: Tensor

    def __init__(self, row: Sized) -> None:
        super().__init__()
        self.register_buffer("drawings", torch.tensor(lenet5.centres(), dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, ...) of 84 numbers to (N, 10)."""
        return -(x.flatten(1)[:, None] - self.drawings).square().sum(2)


class BatchNorm(nn.Module):
    """`bn`: Ioffe and Szegedy 2015. Batch statistics in training, running ones in prediction, as PyTorch's."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, row: Sized) -> None:
        super().__init__()
        layer, tensors, kept = _layer(row), parameters(row), buffers(row)
        self.weight = nn.Parameter(torch.ones(tensors["weight"])) if "weight" in tensors else None
        self.bias = nn.Parameter(torch.zeros(tensors["bias"])) if "bias" in tensors else None
        self.register_buffer("running_mean", torch.zeros(kept["running_mean"]))
        self.register_buffer("running_var", torch.ones(kept["running_var"]))
        self.eps = option(layer, "eps", float)
        self.momentum = option(layer, "momentum", float)

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) or (N, C) to the same shape; in training it takes at least two values a map."""
        weight: Tensor | None = self.weight
        if weight is None and self.bias is not None and x.is_cuda:  # PyTorch's CUDA kernel has no gradient for it
            weight = torch.ones_like(self.bias)
        return F.batch_norm(
            x, self.running_mean, self.running_var, weight, self.bias, self.training, self.momentum, self.eps
        )


class BatchNormPerActivation(BatchNorm):
    """`bn per=activation`: statistics, scale and shift for each position of each map, as after a dense layer. Ioffe and
    Szegedy 2015, algorithm 1, without section 3.2, which shares them over a map."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) or (N, C) to the same shape; in training it takes at least two pictures."""
        scale, shift = (None if t is None else t.flatten() for t in (self.weight, self.bias))
        mean, variance = self.running_mean.view(-1), self.running_var.view(-1)  # views: training writes through them
        y = F.batch_norm(x.flatten(1), mean, variance, scale, shift, self.training, self.momentum, self.eps)
        return y.view(x.shape)


class Dropout(nn.Module):
    """`dropout p`: p is the probability to drop; the kept ones are divided by 1 - p in training."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, ...) to the same shape."""
        return F.dropout(x, self.p, self.training)


def _layer(row: Sized) -> Layer:
    assert isinstance(row.item, Layer)
    return row.item


def _pooling(layer: Layer, pool: Callable[[Tensor, Size, Size, Padding | Size, bool], Tensor],
             adaptive: Callable[[Tensor, Size], Tensor]) -> nn.Module:  # fmt: skip
    to = layer.options.get("to")
    if isinstance(to, tuple):
        return Plain(lambda x: adaptive(x, to))
    kernel = layer.kernel or (1, 1)
    stride, padding, ceil = layer.stride or kernel, layer.padding or "valid", layer.ceil
    return Plain(lambda x: pool(x, kernel, stride, padding, ceil))


def _maxpool(row: Sized) -> nn.Module:
    return _pooling(_layer(row), maximum_pool, F.adaptive_max_pool2d)


def _avgpool(row: Sized) -> nn.Module:
    return _pooling(_layer(row), average_pool, F.adaptive_avg_pool2d)


def _minpool(row: Sized) -> nn.Module:
    return _pooling(
        _layer(row), lambda x, *settings: -maximum_pool(-x, *settings), lambda x, to: -F.adaptive_max_pool2d(-x, to)
    )


def _identity(row: Sized) -> nn.Module:
    layer = _layer(row)
    if row.before == row.after:
        return Plain(lambda x: x)
    stride, units = layer.stride or (1, 1), row.after[-1]
    return Plain(lambda x: thin_and_widen(x, stride, units))


def _lrn(row: Sized) -> nn.Module:
    layer = _layer(row)
    window = option(layer, "window", int)
    k, alpha, beta = (option(layer, name, float) for name in ("k", "alpha", "beta"))
    return Plain(lambda x: local_response(x, window, k, alpha, beta))


def _tanh(row: Sized) -> nn.Module:
    if _layer(row).options.get("scaled"):
        return Plain(lambda x: 1.7159 * torch.tanh(x * (2 / 3)))  # LeCun et al. 1998, appendix A
    return Plain(torch.tanh)


def _slope(function: Callable[[Tensor, float], Tensor]) -> Callable[[Sized], nn.Module]:
    def make(row: Sized) -> nn.Module:
        slope = option(_layer(row), "slope", float)
        return Plain(lambda x: function(x, slope))

    return make


def _scale(row: Sized) -> nn.Module:
    factor = option(_layer(row), "factor", float)
    return Plain(lambda x: x * factor)


def _plain(function: Callable[[Tensor], Tensor]) -> Callable[[Sized], nn.Module]:
    return lambda row: Plain(function)


def _conv(row: Sized) -> nn.Module:
    return (JoinedConv if _layer(row).options["connect"] == "lenet5" else Conv)(row)


def _bn(row: Sized) -> nn.Module:
    return (BatchNormPerActivation if _layer(row).options["per"] == "activation" else BatchNorm)(row)


MODULES: dict[str, Callable[[Sized], nn.Module]] = {
    "conv": _conv,
    "maxpool": _maxpool,
    "avgpool": _avgpool,
    "minpool": _minpool,
    "subsample": Subsample,
    "gap": _plain(lambda x: x.mean((2, 3), keepdim=True)),
    "gmp": _plain(lambda x: F.adaptive_max_pool2d(x, 1)),  # of equals the first alone gets the gradient, as in maxpool
    "dense": Dense,
    "flatten": _plain(lambda x: x.flatten(1)),
    "relu": _plain(F.relu),
    "relu6": _plain(F.relu6),
    "tanh": _tanh,
    "sigmoid": _plain(torch.sigmoid),
    "gelu": _plain(F.gelu),
    "silu": _plain(F.silu),
    "elu": _slope(F.elu),
    "leaky": _slope(F.leaky_relu),
    "bn": _bn,
    "lrn": _lrn,
    "dropout": lambda row: Dropout(option(_layer(row), "p", float)),
    "softmax": _plain(lambda x: torch.softmax(x, 1)),
    "scale": _scale,
    "identity": _identity,
    "rbf": RadialBasis,
}
"""One row a layer kind: from its shapes to its module. The forms (add, concat, regions, aux) are the network's own."""
