"""Published weights of the zoo's networks: found or fetched, read without carrying anything out, under our names.

Knows where they can be had, what they were trained to see, and how a state dict maps onto a network. Knows nothing of
training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convscope.weights.find import at_hand
from convscope.weights.known import KNOWN

if TYPE_CHECKING:
    from convscope.data.progress import Progress
    from convscope.weights.load import Trained

__all__ = ["at_hand", "names", "trained"]


def names() -> tuple[str, ...]:
    """The networks of the zoo whose trained weights are published."""
    return tuple(KNOWN)


def trained(name: str, progress: Progress | None = None) -> Trained:
    """See `load.trained`; here so that asking what is at hand loads no torch."""
    from convscope.weights.load import trained as load

    return load(name, progress)
