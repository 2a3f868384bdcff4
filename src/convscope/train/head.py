"""The last layer, trained on features alone: seconds, where the whole network takes minutes.

A dense layer on fixed features is logistic regression: convex, so that L-BFGS finds its one optimum. Knows features and
labels; no pictures and no body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

DECAYS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""The strengths of the weight decay that are tried, for features of deviation 1, from strong to weak."""

WITHOUT_VALIDATION = 0.1
LEAST = 0.03
"""A deviation counts as no less than this share of the median one. Of few pictures some numbers hardly differ, and
another picture would lie thousands of their deviations away."""

_MOST_STEPS = 60
_ENOUGH = 2  # so many weaker decays that are worse end the search


@dataclass(frozen=True)
class Head:
    """tensors: of the layer, by name (`weight`, `bias`); decay: the strength that was chosen; losses and right answers:
    of the training part and, where it has pictures, of the validation part."""

    tensors: dict[str, Tensor]
    decay: float
    train_loss: float
    train_k: int
    validation_loss: float | None
    validation_k: int | None


Parts = tuple[Tensor, Tensor]


def fit(
    layer: nn.Module,
    after: Callable[[Tensor], Tensor],
    train: Parts,
    validation: Parts,
    class_weights: Tensor | None = None,
) -> Head:
    """Train a layer and choose the strength of its decay by the validation loss.

    train, validation: features (N, ...) float32 and labels (N,) int64; validation may be empty, and then the decay is
    WITHOUT_VALIDATION. after: from features through the layer to logits (N, classes), as the network has it. The layer
    keeps what was found.
    """
    found: Head | None = None
    worse = 0
    dense = isinstance(layer.weight, Tensor) and layer.weight.ndim == 2
    mean, deviation = _standard(train[0]) if dense else (torch.zeros(()), torch.ones(()))
    scaled = [((part - mean) / deviation, labels) for part, labels in (train, validation)]
    if dense:  # there is one optimum, so the start doesn't matter; a convolution before relu would never leave 0
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    for decay in DECAYS if len(validation[1]) else (WITHOUT_VALIDATION,):
        _minimise(layer, after, scaled[0], decay, class_weights)
        loss, k = _look(after, scaled[1])
        if found is None or found.validation_loss is None or (loss is not None and loss < found.validation_loss):
            train_loss, train_k = _look(after, scaled[0])
            tensors = {name: t.detach().clone() for name, t in layer.named_parameters()}
            found = Head(tensors, decay, train_loss or 0.0, train_k or 0, loss, k)
            worse = 0
        else:
            worse += 1
            if worse == _ENOUGH:
                break
    assert found is not None
    if dense:
        _unscale(found.tensors, mean, deviation)
    layer.load_state_dict(found.tensors, strict=False)
    return found


def _standard(features: Tensor) -> Parts:
    """Mean and deviation of each number: the same decay then weighs on all of them alike."""
    flat = features.flatten(1)
    deviation = flat.std(0, unbiased=False)
    least = max(1e-4, LEAST * float(deviation.median()))
    return flat.mean(0).view(features.shape[1:]), deviation.clamp(min=least).view(features.shape[1:])


def _unscale(tensors: dict[str, Tensor], mean: Tensor, deviation: Tensor) -> None:
    """The same layer for features as they are: W (x - m) / s + b = (W / s) x + (b - W m / s)."""
    tensors["weight"] = tensors["weight"] / deviation.flatten()
    if "bias" in tensors:
        tensors["bias"] = tensors["bias"] - tensors["weight"] @ mean.flatten()


def _minimise(
    layer: nn.Module, after: Callable[[Tensor], Tensor], part: Parts, decay: float, class_weights: Tensor | None
) -> None:
    """To the optimum of mean cross-entropy + decay / 2 * squared weights, from where the layer is."""
    features, labels = part
    weight = layer.weight
    assert isinstance(weight, Tensor)
    optimizer = torch.optim.LBFGS(
        list(layer.parameters()), max_iter=_MOST_STEPS, history_size=10, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(after(features), labels, class_weights) + decay / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def _look(after: Callable[[Tensor], Tensor], part: Parts) -> tuple[float | None, int | None]:
    """Mean cross-entropy and right answers; None for a part without pictures."""
    features, labels = part
    if not len(labels):
        return None, None
    logits = after(features)
    return float(cross_entropy(logits, labels)), int((logits.argmax(1) == labels).sum())
