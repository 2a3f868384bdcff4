"""Batch normalisation, local response normalisation, and dropout."""

from __future__ import annotations

import numpy as np

from convscope.errors import ConvscopeError
from convscope.explain.reference.sizes import Array


def bn(
    x: Array, scale: Array | None = None, shift: Array | None = None, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """In training: x (N, C, H, W) or (N, C) normalised by its own batch, to (y, mean (C,), variance (C,)).

        y = scale (x - mean) / sqrt(variance + eps) + shift

    one mean, variance, scale and shift a map, over all pictures and places; the variance is the biased one (divided
    by the count). Ioffe and Szegedy, 2015, algorithm 1 and section 3.2. No scale is 1, no shift is 0. Without section
    3.2 (`per=activation`) each position of each map is a unit of its own: `bn` of `flatten(x)`.
    """
    over = _all_but_channels(x)
    mean = x.mean(axis=over)
    variance = ((x - _per_map(mean, x)) ** 2).mean(axis=over)
    return bn_predict(x, mean, variance, scale, shift, eps), mean, variance


def bn_gradient(x: Array, upstream: Array, scale: Array | None = None, eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """In training: the gradients with respect to x, scale and shift.

    x moves the mean and the variance too, so from each map's gradient its mean is taken, and its projection on the
    normalised values h. Ioffe and Szegedy, 2015, section 3, the six lines after algorithm 1, put together:

        dx = scale / sqrt(variance + eps) * (upstream - mean(upstream) - h mean(upstream h))
    """
    over = _all_but_channels(x)
    h, _, variance = bn(x, eps=eps)
    d_scale = (upstream * h).sum(axis=over)
    d_shift = upstream.sum(axis=over)
    count = x.size // x.shape[1]
    inner = upstream - _per_map(d_shift / count, x) - h * _per_map(d_scale / count, x)
    factor = (1.0 if scale is None else scale) / np.sqrt(variance + eps)
    return _per_map(factor, x) * inner, d_scale, d_shift


def bn_predict(
    x: Array,
    mean: Array,
    variance: Array,
    scale: Array | None = None,
    shift: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """In prediction: the same formula with fixed (running) statistics, so one picture doesn't depend on the others."""
    h = (x - _per_map(mean, x)) / np.sqrt(_per_map(variance, x) + eps)
    if scale is not None:
        h = h * _per_map(scale, x)
    return h if shift is None else h + _per_map(shift, x)


def bn_predict_gradient(
    x: Array, upstream: Array, mean: Array, variance: Array, scale: Array | None = None, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """In prediction: the gradients with respect to x, scale and shift. mean and variance are constants now."""
    over = _all_but_channels(x)
    h = bn_predict(x, mean, variance, eps=eps)
    factor = (1.0 if scale is None else scale) / np.sqrt(variance + eps)
    return upstream * _per_map(factor, x), (upstream * h).sum(axis=over), upstream.sum(axis=over)


def bn_running(running_mean: Array, running_variance: Array, x: Array, momentum: float = 0.1) -> tuple[Array, Array]:
    """The running statistics after a batch: running <- (1 - momentum) running + momentum batch.

    momentum is the share of the new batch (TensorFlow and PaddlePaddle name the share of the old). The variance that
    goes in is the unbiased one (divided by the count less one), as in PyTorch: it estimates the whole training set's.
    Raises ConvscopeError for a map of one value in all, which has no variance.
    """
    count = x.size // x.shape[1]
    if count < 2:
        raise ConvscopeError(
            "batch normalisation must see more than one value a map in training. Got 1. Use a larger batch."
        )
    _, mean, variance = bn(x)
    unbiased = variance * count / (count - 1)
    return (
        (1.0 - momentum) * running_mean + momentum * mean,
        (1.0 - momentum) * running_variance + momentum * unbiased,
    )


def lrn(x: Array, window: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75) -> Array:
    """(N, C, H, W) to the same: b_i = a_i / (k + alpha sum of a_j^2)^beta over the maps |i - j| <= window // 2.

    The window is cut at the first and last map; alpha isn't divided by the window (PyTorch's is). Krizhevsky,
    Sutskever and Hinton, 2012, section 3.3.
    """
    return x * (k + alpha * _neighbours(x**2, window)) ** -beta


def lrn_gradient(
    x: Array, upstream: Array, window: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> Array:
    """A map acts on its own output directly, and through the sum on every neighbour's. With s = k + alpha sum:

    dx_j = upstream_j s_j^-beta - 2 alpha beta a_j * sum over neighbours i of upstream_i a_i s_i^(-beta - 1)
    """
    s = k + alpha * _neighbours(x**2, window)
    return upstream * s**-beta - 2 * alpha * beta * x * _neighbours(upstream * x * s ** (-beta - 1), window)


def dropout(x: Array, kept: Array, p: float = 0.5) -> Array:
    """In training: x where kept is 1, divided by 1 - p so that the mean stays; 0 where kept is 0.

    p is the probability to drop; `kept` has x's shape, drawn anew for each batch. In prediction dropout does
    nothing. Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, 2014, section 10 ("inverted").
    """
    return x * kept / (1.0 - p)


def dropout_gradient(upstream: Array, kept: Array, p: float = 0.5) -> Array:
    """The same mask and the same factor."""
    return upstream * kept / (1.0 - p)


def _all_but_channels(x: Array) -> tuple[int, ...]:
    return tuple(axis for axis in range(x.ndim) if axis != 1)


def _per_map(values: Array, x: Array) -> Array:
    """(C,) to (C, 1, 1) beside (N, C, H, W), or to (C,) beside (N, C)."""
    return values.reshape(-1, *(1,) * (x.ndim - 2))


def _neighbours(values: Array, window: int) -> Array:
    """For each map, the sum of the maps at most window // 2 away."""
    half = window // 2
    return np.stack([values[:, max(0, i - half) : i + half + 1].sum(axis=1) for i in range(values.shape[1])], axis=1)
