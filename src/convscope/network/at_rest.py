"""Asking a network without training it, and training it without a trace. Knows modules and nothing of what they are
asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def at_rest(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block: no statistics move, nothing is dropped. Afterwards each module is as it was,
    for one's own may keep some of its layers from training."""
    training = [module for module in network.modules() if module.training]
    if training:
        network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextlib.contextmanager
def buffers_kept(network: nn.Module) -> Iterator[None]:
    """Afterwards running statistics, and all else that training mode moves besides parameters, are what they were."""
    before = {name: tensor.clone() for name, tensor in network.named_buffers()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, tensor in network.named_buffers():
                tensor.copy_(before[name])
