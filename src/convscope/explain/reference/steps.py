"""What an optimiser does with a gradient: one step for a parameter of any shape. State comes and goes as values.

And what stands before and after a step: `clip` shortens the gradient, `moving_average` follows the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from convscope.explain.reference.sizes import Array


def sgd(
    weight: Array,
    gradient: Array,
    velocity: Array,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> tuple[Array, Array]:
    """Stochastic gradient descent, to (weight, velocity). The velocity starts at 0.

        g = gradient + weight_decay * weight
        velocity <- momentum * velocity + g
        weight <- weight - learning_rate * (g + momentum * velocity if nesterov else velocity)

    PyTorch's form of Sutskever, Martens, Dahl and Hinton, 2013, section 2: the rate stands outside the velocity, so a
    change of rate acts at once. At a constant rate it is the paper's (and TensorFlow's), whose velocity is -rate times
    this one.
    """
    g = gradient + weight_decay * weight
    velocity = momentum * velocity + g
    return weight - learning_rate * (g + momentum * velocity if nesterov else velocity), velocity


def adam(
    weight: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    step: int,
    learning_rate: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> tuple[Array, Array, Array]:
    """Adam, to (weight, mean, square). Both means start at 0, and step counts from 1. Kingma and Ba, 2015, algorithm 1:

        mean   <- beta1 mean + (1 - beta1) g            square <- beta2 square + (1 - beta2) g^2
        weight <- weight - learning_rate * mean / (1 - beta1^step) / (sqrt(square / (1 - beta2^step)) + eps)

    TensorFlow follows the remark before section 2.1, whose eps stands beside the uncorrected sqrt(square): its eps is
    ours times sqrt(1 - beta2^step). weight_decay joins the gradient, and is so divided by the root too; see `adamw`.
    """
    g = gradient + weight_decay * weight
    mean = betas[0] * mean + (1.0 - betas[0]) * g
    square = betas[1] * square + (1.0 - betas[1]) * g**2
    corrected = mean / (1.0 - betas[0] ** step)
    root = np.sqrt(square / (1.0 - betas[1] ** step))
    return weight - learning_rate * corrected / (root + eps), mean, square


def adamw(
    weight: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    step: int,
    learning_rate: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> tuple[Array, Array, Array]:
    """Adam with decoupled decay: the weight first shrinks by learning_rate * weight_decay, then takes Adam's step.

    Loshchilov and Hutter, 2019, algorithm 2, with the decay times the rate, as PyTorch and TensorFlow have it.
    """
    shrunk = weight * (1.0 - learning_rate * weight_decay)
    return adam(shrunk, gradient, mean, square, step, learning_rate, betas, eps)


COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of `orthogonal`: s -> a s + b s^3 + c s^5 is steep at 0 and brings whatever is in (0, 1] near 1, though not to it."""


def orthogonal(matrix: Array, turns: int = 3) -> Array:
    """A matrix with the same singular vectors, all of whose singular values are near 1: its direction without its size.

    With the decomposition matrix = U S V^T the aim is U V^T. Instead of decomposing, divide by the norm, so that every
    singular value is at most 1, and then, `turns` times (Newton and Schulz's iteration),

        x <- a x + b (x x^T) x + c (x x^T)^2 x

    which leaves U and V alone and moves each singular value s to a s + b s^3 + c s^5: after three turns those that were
    above a tenth of the norm lie between 0.68 and 1.14. Jordan et al., "Muon", 2024.
    """
    a, b, c = COEFFICIENTS
    x = matrix / (np.linalg.norm(matrix) + 1e-7)
    for _ in range(turns):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return np.asarray(x)


def muon(
    weight: Array,
    gradient: Array,
    velocity: Array,
    learning_rate: float = 0.24,
    momentum: float = 0.6,
    groups: int = 1,
) -> tuple[Array, Array]:
    """Muon for the kernels of a convolution, (M, C / groups, kh, kw), to (weight, velocity). The velocity starts at 0.

        velocity <- momentum * velocity + gradient
        ahead = gradient + momentum * velocity              as in `sgd` with Nesterov's momentum
        weight <- weight * sqrt(M) / norm of weight - learning_rate * orthogonal(ahead)

    where `ahead` is taken as a matrix with a row for each of the M maps; each group is a convolution of its own, and
    so a matrix of its own. What many pictures ask for and what few ask for moves the kernels alike. The kernels are
    brought to one norm before each step, so no decay is needed. Biases, normalisation and dense layers take `sgd` with
    Nesterov's momentum beside it. Jordan et al., "Muon", 2024; for kernels: Jordan, airbench94, 2025.
    """
    velocity = momentum * velocity + gradient
    ahead = gradient + momentum * velocity
    parts = [orthogonal(part.reshape(len(part), -1)) for part in np.split(ahead, groups)]  # (M / groups, C kh kw) each
    scaled = weight * math.sqrt(len(weight)) / max(float(np.linalg.norm(weight)), 1e-12)
    return scaled - learning_rate * np.concatenate(parts).reshape(weight.shape), velocity


def clip(gradients: Sequence[Array], largest: float) -> list[Array]:
    """The gradients of all parameters, shortened together where their common norm is above `largest`.

    The norm is the root of the sum of the squares of all numbers of all gradients: one factor for all keeps the
    direction. Pascanu, Mikolov and Bengio, 2013, algorithm 1; the 1e-6 beside the norm is PyTorch's.
    """
    norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))
    factor = min(1.0, largest / (norm + 1e-6))
    return [factor * gradient for gradient in gradients]


def moving_average(average: Array, weight: Array, step: int, kept: float) -> Array:
    """The average of a weight over the last steps, after step `step` (from 1). It starts where the weight starts.

        average <- share * average + (1 - share) * weight          with share = min(kept, (1 + step) / (10 + step))

    so early on, while the average knows nothing yet, it forgets faster; later it is the mean over about 1 / (1 - kept)
    steps. It trains nothing; it is what is kept in the end. Polyak and Juditsky, 1992, with the warm-up of TensorFlow's
    `ExponentialMovingAverage`.
    """
    share = min(kept, (1 + step) / (10 + step))
    return share * average + (1.0 - share) * weight
