"""What a training is going to take: how many steps fit into a time, and how many bytes it needs. Knows no data."""

from __future__ import annotations

import math

from torch import nn

from convscope.network.build import Network

MOST_EPOCHS_OF_A_BUDGET = 200
"""A budget that would allow more passes than this ends early: small data is learned by then."""

LOOK_SHARE = 1 / 3
"""What one picture costs in a look at the validation split, in parts of what it costs in training: forward alone."""

_RESERVE = 0.98


def steps_in(seconds: float, seconds_a_step: float) -> int:
    """The steps that surely fit into so many seconds: a little is left over for a slow one."""
    return max(0, int(seconds * _RESERVE / max(seconds_a_step, 1e-9)))


def memory(network: nn.Module, optimizer: str, batch_size: int, average: bool) -> int:
    """About how many bytes weights, gradients, the optimizer's memory and a batch's activations take."""
    numbers = sum(p.numel() for p in network.parameters())
    copies = 2 + (1 if optimizer == "sgd" else 2) + average  # weights, gradients, moments, the moving average
    if not isinstance(network, Network):
        return 4 * numbers * copies
    activations = sum(math.prod(row.after) for row in network.sizes.rows)
    return 4 * numbers * copies + 2 * 4 * activations * batch_size  # each activation, and its gradient
