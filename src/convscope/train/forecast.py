"""What a training is going to take: how many steps fit into a time, and how many bytes it needs. Knows no data."""

from __future__ import annotations

from typing import Any

from torch import nn

from convscope.network.build import Network
from convscope.network.kept import NUMBER
from convscope.network.memory import OPTIMIZER_COPIES, training_memory

MOST_EPOCHS_OF_A_BUDGET = 200
"""A budget that would allow more passes than this ends early: small data is learned by then."""

_LOOK_SHARE = 1 / 3
"""What one picture costs in a look at the validation split, in parts of what it costs in training: forward alone."""

_RESERVE = 0.98


def look_share(plan: dict[str, Any]) -> float:
    """The same by a plan, which may make training cheaper and never a look, since that is float32."""
    steps = plan.get("trial", {}).get("seconds of a step", {})
    faster = steps["float32"] / steps["bfloat16"] if plan["precision"] == "bfloat16" and "bfloat16" in steps else 1.0
    return _LOOK_SHARE * max(1.0, faster)


def steps_in(seconds: float, seconds_a_step: float) -> int:
    """The steps that surely fit into so many seconds: a little is left over for a slow one."""
    return max(0, int(seconds * _RESERVE / max(seconds_a_step, 1e-9)))


def memory(network: nn.Module, optimizer: str, batch_size: int, copies: int = 0) -> int:
    """About how many bytes a training step takes at its fullest, besides the process itself.

    copies: further copies of the weights: a moving average, the best so far. Of a module of one's own only weights,
    gradients and the optimizer's memory are known.
    """
    learned = {name: p.numel() for name, p in network.named_parameters() if p.requires_grad}
    if isinstance(network, Network):
        return training_memory(network.sizes, batch_size, optimizer, copies=copies, learned=learned.keys()).peak
    every = sum(p.numel() for p in network.parameters())
    return NUMBER * (every * (1 + copies) + sum(learned.values()) * (1 + OPTIMIZER_COPIES[optimizer]))
