"""What training makes small: losses of a batch of logits (N, K) against labels (N,), and penalties on weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convscope.explain.reference.activation import softmax, softmax_gradient
from convscope.explain.reference.sizes import Array

Labels = NDArray[np.int64]

RUBBISH = 10.0
"""The j of `map_criterion`."""


def cross_entropy(logits: Array, labels: Labels, smoothing: float = 0.0, weights: Array | None = None) -> float:
    """The mean over the pictures of - sum over classes of target_k log p_k, with p = softmax(logits).

    target is 1 at the label and 0 elsewhere; smoothing takes that share of it and spreads it over all K classes, the
    label's own included (Szegedy et al., "Rethinking the inception architecture", 2016, section 7). log p is taken
    from the logits, as z - max - log sum e^(z - max): log(softmax) is minus infinity from a gap of 746
    on (87 in TensorFlow's float32).

    weights (K,), one a class, multiply the targets; the sum over the pictures is then divided by the sum of their
    labels' weights in place of their number, as PyTorch has it. `balanced` makes such weights.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    targets, total = _weighted(logits, labels, smoothing, weights)
    return float(-(targets * log_p).sum() / total)


def cross_entropy_gradient(
    logits: Array, labels: Labels, smoothing: float = 0.0, weights: Array | None = None
) -> Array:
    """(p - target) / N: what is too likely is pushed down, what is too unlikely up.

    With weights a picture's targets add up to some t in place of 1, and it is (t p - target) / sum of weights.
    """
    targets, total = _weighted(logits, labels, smoothing, weights)
    return np.asarray((targets.sum(axis=1, keepdims=True) * softmax(logits) - targets) / total)


def balanced(labels: Labels, classes: int) -> Array:
    """A weight for each class, so that all count alike however many pictures they have: N / (K pictures of the class).

    A class without pictures is weighed as if it had one.
    """
    pictures = np.bincount(labels, minlength=classes)
    return np.asarray(len(labels) / (classes * np.maximum(pictures, 1)))


def map_criterion(logits: Array, labels: Labels, j: float = RUBBISH) -> float:
    """LeNet-5's loss, of logits that are minus squared distances y: the mean over the pictures of

        y_D + log(e^-j + sum over i of e^-y_i)

    with D the label. It is the cross-entropy of K + 1 classes, the last of which ("rubbish") always lies j away: a
    wrong class that is much farther than j is not pushed any farther. LeCun, Bottou, Bengio and Haffner, 1998, equation
    (9), the maximum a posteriori criterion; the paper says that j is positive, and no number.
    """
    return cross_entropy(_with_rubbish(logits, j), labels)


def map_criterion_gradient(logits: Array, labels: Labels, j: float = RUBBISH) -> Array:
    """(p - target) / N, with p the softmax over the classes and the rubbish, whose own column nobody takes."""
    return cross_entropy_gradient(_with_rubbish(logits, j), labels)[:, :-1]


def _with_rubbish(logits: Array, j: float) -> Array:
    return np.concatenate([logits, np.full((len(logits), 1), -j)], axis=1)


def clipped_mean(logits: Array, labels: Labels, smallest: float = 1e-11) -> float:
    """The loss of tutorial A: softmax, clipped to [1e-11, 1], log, then the mean over all N K values.

    So it is 1/K of the usual one, and a picture whose probability is below 1e-11 sends no gradient at all.
    """
    p = np.clip(softmax(logits), smallest, 1.0)
    return float(-(_targets(logits, labels, 0.0) * np.log(p)).mean())


def clipped_mean_gradient(logits: Array, labels: Labels, smallest: float = 1e-11) -> Array:
    """The usual gradient divided by K, and 0 for each picture where the clip holds."""
    p = softmax(logits)
    through_log = -_targets(logits, labels, 0.0) / np.maximum(p, smallest) / logits.size
    return softmax_gradient(logits, np.where(p >= smallest, through_log, 0.0))


def penalty(weight: Array, l1: float = 0.0, l2: float = 0.0) -> float:
    """l1 * sum |w| + l2 / 2 * sum w^2, added to the loss; biases have none."""
    return float(l1 * np.abs(weight).sum() + 0.5 * l2 * (weight**2).sum())


def penalty_gradient(weight: Array, l1: float = 0.0, l2: float = 0.0) -> Array:
    """l1 sign(w) + l2 w: l1 pulls every weight equally hard, and so to exactly 0; l2 in proportion."""
    return l1 * np.sign(weight) + l2 * weight


def _weighted(logits: Array, labels: Labels, smoothing: float, weights: Array | None) -> tuple[Array, float]:
    """The targets (N, K) times the classes' weights, and what the sum over the pictures is divided by."""
    targets = _targets(logits, labels, smoothing)
    if weights is None:
        return targets, float(len(logits))
    return targets * weights, float(weights[labels].sum())


def _targets(logits: Array, labels: Labels, smoothing: float) -> Array:
    classes = logits.shape[1]
    return np.asarray((1.0 - smoothing) * np.eye(classes)[labels] + smoothing / classes)
