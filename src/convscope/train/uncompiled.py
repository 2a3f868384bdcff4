"""PyTorch's optimizers without its compiler, which each loads with its first parameter: a second, only to be told that
it has nothing to do here."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch.optim import Optimizer


def _inner(method: Any) -> Any:
    """What a method of PyTorch's does once the compiler has been told to leave it alone, and profilers have looked."""
    return inspect.unwrap(method)


class Uncompiled(Optimizer):
    """Stands before PyTorch's class among the bases."""

    add_param_group = _inner(Optimizer.add_param_group)
    load_state_dict = _inner(Optimizer.load_state_dict)
    state_dict = _inner(Optimizer.state_dict)
    zero_grad = _inner(Optimizer.zero_grad)


class SGD(Uncompiled, torch.optim.SGD):
    """`torch.optim.SGD`; a step is never differentiated."""

    step = torch.no_grad()(_inner(torch.optim.SGD.step))


class Adam(Uncompiled, torch.optim.Adam):
    """`torch.optim.Adam`; a step is never differentiated."""

    step = torch.no_grad()(_inner(torch.optim.Adam.step))


class AdamW(Uncompiled, torch.optim.AdamW):
    """`torch.optim.AdamW`; a step is never differentiated."""

    step = torch.no_grad()(_inner(torch.optim.AdamW.step))
