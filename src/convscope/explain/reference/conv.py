"""Convolution, as every framework for networks means it: the kernel isn't turned (mathematics: cross-correlation)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convscope.errors import ConvscopeError
from convscope.explain.reference.border import Border, add_border, add_border_gradient
from convscope.explain.reference.sizes import Array, Padding, Pair, axes


def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Pair = 1,
    dilation: Pair = 1,
    groups: int = 1,
    padding: Padding = "same",
    border: Border = 0.0,
) -> Array:
    """x (N, C, H, W), weight (M, C / groups, kh, kw), bias (M,), (M, oh, ow) or None, to (N, M, oh, ow).

        y[n, m, r, q] = bias[m] + sum over c, i, j of weight[m, c, i, j] * x[n, c, r s + i d - top, q s + j d - left]

    where c runs over the channels of m's group, top and left are the border's, and x outside the picture is its border.
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998, section II.A;
    groups: Krizhevsky, Sutskever and Hinton, 2012, section 3.2; dilation: Yu and Koltun, 2016, section 2.

    The loop runs over the cells of the kernel and not over places: each cell sees the picture moved by (i d, j d).
    """
    _check_groups(x, weight, groups)
    kernel = (weight.shape[2], weight.shape[3])
    rows, columns = axes(x, kernel, stride, dilation, padding)
    seen = add_border(x, rows, columns, border)
    seen = seen.reshape(len(x), groups, -1, *seen.shape[2:])  # (N, groups, C / groups, padded H, padded W)
    shared = weight.reshape(groups, -1, *weight.shape[1:])  # (groups, M / groups, C / groups, kh, kw)
    y = np.zeros((len(x), groups, shared.shape[1], rows.out, columns.out))
    for i, j in np.ndindex(kernel):
        y += np.einsum("ngchw,gmc->ngmhw", seen[..., rows.seen_by(i), columns.seen_by(j)], shared[..., i, j])
    maps = y.reshape(len(x), -1, rows.out, columns.out)  # (N, M, oh, ow)
    if bias is None:
        return maps
    return maps + (bias[:, None, None] if bias.ndim == 1 else bias)  # one a map, or one a position of each map


def conv_gradient(
    x: Array,
    weight: Array,
    upstream: Array,
    stride: Pair = 1,
    dilation: Pair = 1,
    groups: int = 1,
    padding: Padding = "same",
    border: Border = 0.0,
    bias_per_position: bool = False,
) -> tuple[Array, Array, Array]:
    """The gradients with respect to x, weight and bias, in their shapes.

    A weight is used at every place, so its gradient is a sum over places and pictures; a cell of x is seen through
    every cell of the kernel, so its gradient is a sum over those. The bias is added everywhere: the sum of upstream;
    one with a number for each position, (M, oh, ow), sums over the pictures alone.
    """
    _check_groups(x, weight, groups)
    kernel = (weight.shape[2], weight.shape[3])
    rows, columns = axes(x, kernel, stride, dilation, padding)
    seen = add_border(x, rows, columns, border)
    padded_shape = seen.shape
    seen = seen.reshape(len(x), groups, -1, *seen.shape[2:])  # (N, groups, C / groups, padded H, padded W)
    shared = weight.reshape(groups, -1, *weight.shape[1:])  # (groups, M / groups, C / groups, kh, kw)
    up = upstream.reshape(len(x), groups, -1, rows.out, columns.out)  # (N, groups, M / groups, oh, ow)
    d_seen = np.zeros(seen.shape)
    d_shared = np.zeros(shared.shape)
    for i, j in np.ndindex(kernel):
        here = (..., rows.seen_by(i), columns.seen_by(j))
        d_shared[..., i, j] = np.einsum("ngchw,ngmhw->gmc", seen[here], up)
        d_seen[here] += np.einsum("ngmhw,gmc->ngchw", up, shared[..., i, j])
    d_x = add_border_gradient(d_seen.reshape(padded_shape), rows, columns, border)
    return d_x, d_shared.reshape(weight.shape), upstream.sum(axis=0 if bias_per_position else (0, 2, 3))


def join(weight: Array, joined: NDArray[np.bool_]) -> Array:
    """The kernels of a convolution that joins some pairs of maps alone, in their places: (pairs, kh, kw) to
    (M, C, kh, kw), 0 for each pair that isn't joined.

    joined (M, C) says which map sees which channel; the kernels stand in its reading order. `TABLE_I` is LeNet-5's.
    """
    whole = np.zeros((*joined.shape, *weight.shape[1:]))
    whole[joined] = weight
    return whole


def join_gradient(upstream: Array, joined: NDArray[np.bool_]) -> Array:
    """The joined pairs' part of the gradient (M, C, kh, kw): a pair that isn't joined has nothing to learn."""
    return np.asarray(upstream[joined])


TABLE_I: NDArray[np.bool_] = np.array(
    [
        [mark == "X" for mark in row]
        for row in (
            "X...XXX..XXXX.XX",
            "XX...XXX..XXXX.X",
            "XXX...XXX..X.XXX",
            ".XXX..XXXX..X.XX",
            "..XXX..XXXX.XX.X",
            "...XXX..XXXX.XXX",
        )
    ]
).T
"""Which of the 16 maps of C3 (rows here, columns in the paper) sees which of the 6 maps of S2: 60 of 96. LeCun, Bottou,
Bengio and Haffner, 1998, table I."""


def _check_groups(x: Array, weight: Array, groups: int) -> None:
    if x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise ConvscopeError(
            f"groups must divide the channels and the maps, and each map sees channels / groups. Got groups={groups}, "
            f"{x.shape[1]} channels and weights of shape {weight.shape}. "
            f"Use weights of shape (maps, channels / groups, kh, kw)."
        )
