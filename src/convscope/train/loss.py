"""What training makes small: one function a name in `[train] loss`, each from logits and labels to one number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convscope.errors import ConvscopeError

Loss = Callable[[Tensor, Tensor], Tensor]
"""logits (N, classes), labels (N,) int64 to a scalar."""


def clipped_mean(logits: Tensor, labels: Tensor) -> Tensor:
    """Tutorial A's loss: softmax, clipped at 1e-11, logarithm, and the mean over all outputs of all pictures.

    A tenth of the usual loss for ten classes, and no gradient at all from a picture whose probability is clipped.
    """
    chosen = torch.softmax(logits, 1).gather(1, labels[:, None])
    return -chosen.clamp(min=1e-11).log().sum() / logits.numel()


RUBBISH = 10.0
"""The j of `rbf`. LeCun et al. 1998 say that it is positive, and no number. Midway between two drawings that look alike
a squared distance is 5 to 15, so a wrong class stops mattering about there."""


def rbf(logits: Tensor, labels: Tensor) -> Tensor:
    """LeNet-5's loss, of logits that are minus squared distances y: the mean over the pictures of
    y_label + log(e^-j + sum over i of e^-y_i).

    The cross-entropy with one class more, "rubbish", which always lies j away: a wrong class that is much farther is
    not pushed any farther. LeCun, Bottou, Bengio and Haffner 1998, equation 9.
    """
    return F.cross_entropy(F.pad(logits, (0, 1), value=-RUBBISH), labels)


_OWN: dict[str, Loss] = {"clipped-mean": clipped_mean, "rbf": rbf}


def balanced(labels: NDArray[np.int64], classes: int) -> Tensor:
    """A weight for each class, so that all count alike: n / (classes * pictures of the class)."""
    counts = np.bincount(labels, minlength=classes)
    return torch.tensor(len(labels) / (classes * np.maximum(counts, 1)), dtype=torch.float32)


def build(name: str, label_smoothing: float = 0.0, weights: Tensor | None = None) -> Loss:
    """The loss of a recipe; `auto` is cross-entropy. Raises ConvscopeError for what a loss can't do."""
    if name in _OWN:
        if label_smoothing or weights is not None:
            raise ConvscopeError(
                f"loss = '{name}' takes neither label_smoothing nor class_weights. Use loss = 'cross-entropy'."
            )
        return _OWN[name]
    return lambda logits, labels: F.cross_entropy(logits, labels, weights, label_smoothing=label_smoothing)
