"""What an optimiser does with a gradient: one step for a parameter of any shape. State comes and goes as values."""

from __future__ import annotations

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
