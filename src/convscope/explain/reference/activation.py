"""Activations: y = f(x), value by value, so the gradient is upstream times f'(x). And softmax, which isn't.

Where f has a corner, f' there is what PyTorch takes: 0 for relu at 0 and relu6 at 0 and 6, the slope for leaky at 0.
"""

from __future__ import annotations

import math

import numpy as np

from convscope.explain.reference.sizes import Array

A, S = 1.7159, 2 / 3
"""LeNet-5's tanh: A tanh(S x). LeCun et al., 1998, equation (6) and appendix A."""


def relu(x: Array) -> Array:
    """max(0, x). Nair and Hinton, 2010."""
    return np.maximum(x, 0.0)


def relu_gradient(x: Array, upstream: Array) -> Array:
    """f' = 1 where x > 0, else 0."""
    return upstream * (x > 0)


def relu6(x: Array) -> Array:
    """min(max(0, x), 6). Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010."""
    return np.clip(x, 0.0, 6.0)


def relu6_gradient(x: Array, upstream: Array) -> Array:
    """f' = 1 where 0 < x < 6, else 0."""
    return upstream * ((x > 0) & (x < 6))


def leaky(x: Array, slope: float = 0.01) -> Array:
    """x where x > 0, else slope x. Maas, Hannun and Ng, 2013, section 2."""
    return np.where(x > 0, x, slope * x)


def leaky_gradient(x: Array, upstream: Array, slope: float = 0.01) -> Array:
    """f' = 1 where x > 0, else the slope."""
    return upstream * np.where(x > 0, 1.0, slope)


def elu(x: Array, slope: float = 1.0) -> Array:
    """x where x > 0, else slope (e^x - 1). Clevert, Unterthiner and Hochreiter, 2016, equation (15)."""
    return np.where(x > 0, x, slope * np.expm1(np.minimum(x, 0.0)))


def elu_gradient(x: Array, upstream: Array, slope: float = 1.0) -> Array:
    """f' = 1 where x > 0, else slope e^x."""
    return upstream * np.where(x > 0, 1.0, slope * np.exp(np.minimum(x, 0.0)))


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), by whichever of its two forms doesn't overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def sigmoid_gradient(x: Array, upstream: Array) -> Array:
    """f' = f (1 - f), at most 1/4: why deep stacks of sigmoids learn slowly."""
    y = sigmoid(x)
    return upstream * y * (1.0 - y)


def silu(x: Array) -> Array:
    """x sigmoid(x). Elfwing, Uchibe and Doya, 2018."""
    return x * sigmoid(x)


def silu_gradient(x: Array, upstream: Array) -> Array:
    """f' = s + x s (1 - s), with s = sigmoid(x)."""
    s = sigmoid(x)
    return upstream * (s + x * s * (1.0 - s))


def tanh(x: Array) -> Array:
    """(e^x - e^-x) / (e^x + e^-x)."""
    return np.tanh(x)


def tanh_gradient(x: Array, upstream: Array) -> Array:
    """f' = 1 - f^2."""
    return upstream * (1.0 - np.tanh(x) ** 2)


def tanh_scaled(x: Array) -> Array:
    """1.7159 tanh(2x/3): about 1 at 1, about -1 at -1, so that targets of 1 and -1 lie where the curve still bends."""
    return A * np.tanh(S * x)


def tanh_scaled_gradient(x: Array, upstream: Array) -> Array:
    """f' = 1.7159 * 2/3 * (1 - tanh(2x/3)^2)."""
    return upstream * A * S * (1.0 - np.tanh(S * x) ** 2)


def gelu(x: Array) -> Array:
    """x P(Z <= x) of a standard normal Z = x/2 (1 + erf(x / sqrt 2)). Hendrycks and Gimpel, 2016, section 2."""
    return x * _normal(x)


def gelu_gradient(x: Array, upstream: Array) -> Array:
    """f' = P(Z <= x) + x e^(-x^2/2) / sqrt(2 pi)."""
    return upstream * (_normal(x) + x * np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi))


def softmax(x: Array) -> Array:
    """e^x over its sum along axis 1: (N, K) or (N, C, H, W), channels or units. Bridle, 1990.

    The largest value is taken off first. That changes nothing in exact arithmetic, and without it a value of 710
    overflows.
    """
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def softmax_gradient(x: Array, upstream: Array) -> Array:
    """dx_i = p_i (upstream_i - sum over j of p_j upstream_j): every output depends on every input."""
    p = softmax(x)
    return np.asarray(p * (upstream - (p * upstream).sum(axis=1, keepdims=True)))


def _normal(x: Array) -> Array:
    """The share of a standard normal that lies below x; by erfc, which keeps its digits where x is very negative."""
    values = [0.5 * math.erfc(-value / math.sqrt(2)) for value in np.asarray(x).ravel()]
    return np.asarray(values, dtype=np.float64).reshape(x.shape)
