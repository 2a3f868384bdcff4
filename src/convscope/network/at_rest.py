"""Asking a network without training it. Knows modules and nothing of what they are asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn


@contextlib.contextmanager
def at_rest(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block: no statistics move, nothing is dropped. Afterwards each module is as it was,
    for one's own may keep some of its layers from training."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
