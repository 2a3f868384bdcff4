"""Fully connected layers, and the layers that only move, scale and join values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from convscope.errors import ConvscopeError
from convscope.explain.reference.sizes import Array, Pair, pair


def dense(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x (N, ...) flattened to (N, I), weight (O, I), bias (O,) or None, to (N, O): y = x weight^T + bias."""
    y = flatten(x) @ weight.T
    return y if bias is None else y + bias


def dense_gradient(x: Array, weight: Array, upstream: Array) -> tuple[Array, Array, Array]:
    """The gradients with respect to x, weight and bias, in their shapes.

    Rumelhart, Hinton and Williams, 1986: an input's share is the sum over the units that it feeds, weighted by the
    weights on the way (upstream weight); a weight's is input times upstream, summed over the pictures.
    """
    return (upstream @ weight).reshape(x.shape), upstream.T @ flatten(x), upstream.sum(axis=0)


def rbf(x: Array, centres: Array) -> Array:
    """x (N, ...) flattened to (N, I), centres (K, I), to (N, K): y_k = - sum over i of (x_i - centre_ki)^2.

    LeNet-5's output without its sign: there the smallest distance wins, here the largest number. LeCun, Bottou, Bengio
    and Haffner, 1998, equation (7).
    """
    return np.asarray(-((flatten(x)[:, None] - centres) ** 2).sum(axis=2))


def rbf_gradient(x: Array, upstream: Array, centres: Array) -> Array:
    """-2 (x - centre_k), weighted by each class's upstream: a pull towards what should win, a push from the others."""
    towards = -2.0 * (flatten(x)[:, None] - centres)  # (N, K, I)
    return np.asarray((upstream[:, :, None] * towards).sum(axis=1)).reshape(x.shape)


def flatten(x: Array) -> Array:
    """(N, C, H, W) to (N, C H W), channels first: value (c, h, w) comes to place (c H + h) W + w."""
    return x.reshape(len(x), math.prod(x.shape[1:]))


def flatten_gradient(x: Array, upstream: Array) -> Array:
    """The same values in the picture's shape again."""
    return upstream.reshape(x.shape)


def scale(x: Array, factor: float) -> Array:
    """y = factor x."""
    return factor * x


def scale_gradient(upstream: Array, factor: float) -> Array:
    """The derivative of factor x is the factor."""
    return factor * upstream


def identity(x: Array, maps: int | None = None, stride: Pair = 1) -> Array:
    """x itself; with `maps` and `stride`, each stride-th row and column, and maps of zeros at the end up to `maps`.

    (N, C, H, W) to (N, maps, ceil(H / s), ceil(W / s)). He, Zhang, Ren and Sun, "Deep residual learning", 2016,
    section 3.3, option A. Raises ConvscopeError for fewer maps than come.
    """
    if x.ndim != 4:
        return x
    down, across = pair(stride)
    taken = x[:, :, ::down, ::across]
    more = 0 if maps is None else maps - x.shape[1]
    if more < 0:
        raise ConvscopeError(
            f"identity adds maps and takes none away. Got {x.shape[1]} maps and {maps}. Use conv 1x1 {maps} instead."
        )
    return np.concatenate([taken, np.zeros((len(x), more, *taken.shape[2:]))], axis=1)


def identity_gradient(x: Array, upstream: Array, stride: Pair = 1) -> Array:
    """What was taken gets its gradient, what was left out gets none; the added zeros have nobody to hand it to."""
    down, across = (1, 1) if x.ndim != 4 else pair(stride)
    d_x = np.zeros(x.shape)
    if x.ndim == 4:
        d_x[:, :, ::down, ::across] = upstream[:, : x.shape[1]]
        return d_x
    return upstream.copy()


def add(branches: Sequence[Array]) -> Array:
    """The sum of outputs of one shape."""
    return np.asarray(sum(branches))


def add_gradient(branches: Sequence[Array], upstream: Array) -> list[Array]:
    """Every branch gets the whole gradient: this is how a shortcut lets it through."""
    return [upstream.copy() for _ in branches]


def regions(x: Array, grid: Pair) -> list[Array]:
    """The picture (N, C, H, W) cut into grid = (rows, columns) equal parts, row by row.

    Raises ConvscopeError where they don't divide it.
    """
    rows, columns = pair(grid)
    if x.shape[2] % rows or x.shape[3] % columns:
        raise ConvscopeError(
            f"regions must divide the picture. Got {rows} x {columns} of {x.shape[2]} x {x.shape[3]} cells. "
            "Use numbers that divide height and width."
        )
    return [part for band in np.split(x, rows, axis=2) for part in np.split(band, columns, axis=3)]


def regions_gradient(parts: Sequence[Array], grid: Pair) -> Array:
    """Parts put back in their places: what joins the outputs of `regions`, and the gradients of its inputs."""
    columns = pair(grid)[1]
    bands = [np.concatenate(parts[i : i + columns], axis=3) for i in range(0, len(parts), columns)]
    return np.concatenate(bands, axis=2)


def concat(branches: Sequence[Array]) -> Array:
    """Outputs joined along channels: (N, C1, H, W), (N, C2, H, W) to (N, C1 + C2, H, W)."""
    return np.concatenate(branches, axis=1)


def concat_gradient(branches: Sequence[Array], upstream: Array) -> list[Array]:
    """Every branch gets the gradient of its own channels."""
    ends = np.cumsum([branch.shape[1] for branch in branches])
    return list(np.split(upstream, ends[:-1], axis=1))
