"""What a network ends in: its last layer that learns; and what should not stand behind that: what the loss and
`predict` do themselves, or what cuts its logits off."""

from __future__ import annotations

from convscope.network.cost import in_aux, parameters
from convscope.network.shapes import Sizes
from convscope.notation.kinds import KINDS
from convscope.notation.tree import Layer

ACTIVATIONS = tuple(name for name, kind in KINDS.items() if kind.activation)


def last_learned(sizes: Sizes) -> str:
    """The last layer that learns, side classifiers aside: the one that knows the classes. "" where none learns."""
    aside = in_aux(sizes)
    rows = (row for row in reversed(sizes.rows) if parameters(row) and row.item.name not in aside)
    return next((row.item.name for row in rows), "")


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
    if last.kind in ACTIVATIONS:
        return last, (
            f"the network ends in {last.name}, which limits the numbers that the loss takes: these may be of any size "
            f"and sign. Leave the last {last.kind} out"
        )
    return None
