"""Ways to the gradient of a convolution's weights: a sum over pictures and positions, so arranged that the processor's
matrix unit is full.

oneDNN's bfloat16 kernel sums along a row of the maps and pads that row to 32, so that maps of 7 x 7 use a fifth of it.
Here several pictures are laid side by side, parted by as many columns of zeros as the padding has, which is one wide
picture to it: the same products, and zeros. A 1 x 1 convolution is a plain matrix product.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.notation.tree import Size

PLAIN = "plain"
PRODUCT = "product"
_ROW = 32
"""So many values of a row the matrix unit sums at once in bfloat16."""
_MOST = 16
"""Pictures side by side: more are more zeros to copy than they win."""


def beside(pictures: int) -> str:
    """The name of the way that lays so many pictures side by side."""
    return f"{pictures} side by side"


def ways(kernel: Size, stride: Size, padding: Size, maps: Size, groups: int, dilation: Size) -> tuple[str, ...]:
    """The ways worth a trial for the gradient of the weights, `plain` first. maps: height and width of the input.

    Pictures are laid side by side where a row of the output fills less than half of the matrix unit: so many that the
    row is full, or sixteen.
    """
    found = [PLAIN]
    if kernel == (1, 1) and stride == (1, 1) and padding == (0, 0) and groups == 1:
        found.append(PRODUCT)
    elif groups == 1 and dilation == (1, 1):
        wide = _outputs(maps[1], kernel[1], stride[1], padding[1])
        for pictures in (4, 8, _MOST):
            if pictures < _MOST and pictures * wide < _ROW:
                continue
            room = _slot(maps[1], stride[1], padding[1])
            fits = _outputs(pictures * room, kernel[1], stride[1], padding[1]) == pictures * room // stride[1]
            if 0 < wide <= _ROW // 2 and fits and wide <= room // stride[1] and pictures * wide <= 4 * _ROW:
                found.append(beside(pictures))
    return tuple(found)


def _outputs(length: int, kernel: int, stride: int, padding: int) -> int:
    return (length + 2 * padding - kernel) // stride + 1


def _slot(wide: int, stride: int, padding: int) -> int:
    """The columns that a picture takes with the zeros behind it: a whole number of strides."""
    return math.ceil((wide + padding) / stride) * stride


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Size, padding: Size, dilation: Size, groups: int, way: str
) -> Tensor:
    """As `torch.nn.functional.conv2d`, in the precision of x: (N, C_in, H, W), channels last; weight: (C_out, C_in /
    groups, kh, kw) and bias: (C_out,) in theirs, and so are their gradients."""
    if way == PLAIN:
        cast = None if bias is None else bias.to(x.dtype)
        return F.conv2d(x, weight.to(x.dtype), cast, stride, padding, dilation, groups)
    out = _Convolution.apply(x, weight, bias, stride, padding, way)  # type: ignore[no-untyped-call]
    assert isinstance(out, Tensor)
    return out


class _Convolution(torch.autograd.Function):
    """A convolution (groups 1, dilation 1) whose weights' gradient goes another way than oneDNN's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Size, padding: Size, way: str) -> Any:
        cast = weight.to(x.dtype)
        ctx.save_for_backward(x, cast)
        ctx.settings = stride, padding, way, weight.dtype, None if bias is None else bias.dtype
        return F.conv2d(x, cast, None if bias is None else bias.to(x.dtype), stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, weight = ctx.saved_tensors
        stride, padding, way, of_weight, of_bias = ctx.settings
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = _native(gradient, x, weight, stride, padding, (True, False, False))[0]
        found, added = None, None
        if ctx.needs_input_grad[1]:
            found = _of_weight(gradient, x, weight, stride, padding, way).to(of_weight)
        if of_bias is not None and ctx.needs_input_grad[2]:
            added = gradient.sum((0, 2, 3), dtype=of_bias)
        return of_x, found, added, None, None, None


def _native(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: Size, padding: Size, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), 1, wanted
    )
    return found


def _of_weight(gradient: Tensor, x: Tensor, weight: Tensor, stride: Size, padding: Size, way: str) -> Tensor:
    """The gradient of the weights, (C_out, C_in, kh, kw)."""
    if way == PRODUCT:  # channels last: rows are positions, so neither is copied
        inputs, outputs = x.shape[1], gradient.shape[1]
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, outputs)
        return (rows.t() @ x.permute(0, 2, 3, 1).reshape(-1, inputs)).view_as(weight)
    pictures = min(int(way.split(maxsplit=1)[0]), len(x))
    slot = _slot(x.shape[3], stride[1], padding[1])
    x = _side_by_side(x, pictures, slot)
    gradient = _side_by_side(gradient, pictures, slot // stride[1])
    return _native(gradient, x, weight, stride, padding, (False, True, False))[1]


def _side_by_side(x: Tensor, pictures: int, slot: int) -> Tensor:
    """x: (N, C, H, W), channels last, to (ceil(N / pictures), C, H, pictures * slot): each picture at the start of its
    slot, and zeros behind it. A last row of fewer pictures ends in zeros."""
    n, channels, high, wide = x.shape
    rows, whole = -(-n // pictures), n // pictures
    out = x.new_zeros(rows, high, pictures, slot, channels)
    lying = x.permute(0, 2, 3, 1)  # (N, H, W, C)
    full = lying[: whole * pictures].reshape(whole, pictures, high, wide, channels)
    out[:whole, :, :, :wide] = full.transpose(1, 2)
    if rows > whole:
        out[whole, :, : n - whole * pictures, :wide] = lying[whole * pictures :].transpose(0, 1)
    return out.view(rows, high, pictures * slot, channels).permute(0, 3, 1, 2)
