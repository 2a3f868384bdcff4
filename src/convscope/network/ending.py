"""What a network should not end in: what the loss and `predict` do themselves, or what cuts its logits off."""

from __future__ import annotations

from convscope.network.shapes import Sizes
from convscope.notation.tree import Layer

SQUEEZE = ("sigmoid", "tanh", "relu", "relu6", "elu", "leaky", "gelu", "silu")


def ending(sizes: Sizes) -> tuple[Layer, str] | None:
    """The last layer and a sentence about it, where it is one that should go; else None."""
    last = sizes.body.items[-1]
    if not isinstance(last, Layer):
        return None
    if last.kind == "softmax":
        return last, (
            f"the network ends in {last.name}, and the loss and predict take a softmax too: taken twice, no "
            "probability comes near 1 and training is slow. Leave the last softmax out"
        )
    if last.kind in SQUEEZE:
        return last, (
            f"the network ends in {last.name}, which limits the numbers that the loss takes: these may be of any size "
            f"and sign. Leave the last {last.kind} out"
        )
    return None
