"""Muon: momentum steps whose matrix is made orthogonal, for the filters of convolutions; plain SGD for everything else.

A filter bank (C_out, C_in, kh, kw) is taken as a matrix of C_out rows. Its step has all singular values near 1, so that
rare directions are learned as fast as frequent ones. Jordan et al. 2024, "Muon"; the settings for filters, rescaled to
norm sqrt(C_out) before each step, are those of Jordan's airbench94 (2025).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the Newton-Schulz step: steep at 0, and within 0.7 to 1.2 after a few. They don't converge to 1, and needn't."""

_STEPS = 3


class Muon(torch.optim.Optimizer):
    """groups: of parameters, each with `filters` (True: orthogonal steps), `lr`, `momentum` and `weight_decay` (which
    falls on what isn't a filter: filters are rescaled instead). precision: of the orthogonalisation."""

    def __init__(self, groups: Iterable[dict[str, Any]], precision: torch.dtype = torch.float32) -> None:
        super().__init__(groups, {"lr": 0.24, "momentum": 0.6, "weight_decay": 0.0, "filters": False})
        self.precision = precision

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of every parameter that has a gradient."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            learned = [p for p in group["params"] if p.grad is not None]
            ahead = [self._ahead(p, group) for p in learned]
            if group["filters"]:
                self._orthogonal(learned, ahead, group["lr"])
            else:
                for p, step in zip(learned, ahead, strict=True):
                    p.add_(step, alpha=-group["lr"])
        return loss

    def _ahead(self, p: Tensor, group: dict[str, Any]) -> Tensor:
        """The gradient with Nesterov's momentum: g + m (m buffer + g)."""
        gradient = p.grad
        assert gradient is not None
        if group["weight_decay"] and not group["filters"]:
            gradient = gradient.add(p, alpha=group["weight_decay"])
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        buffer = state["momentum_buffer"]
        buffer.mul_(group["momentum"]).add_(gradient)
        return gradient.add(buffer, alpha=group["momentum"])

    def _orthogonal(self, filters: list[Tensor], ahead: list[Tensor], rate: float) -> None:
        """Filters whose matrices have one shape go through the products together."""
        alike: dict[tuple[int, int], list[int]] = {}
        for turn, p in enumerate(filters):
            alike.setdefault((len(p), p[0].numel()), []).append(turn)
        for turns in alike.values():
            steps = orthogonalised(torch.stack([_matrix(ahead[turn]).to(self.precision) for turn in turns]))
            for turn, step in zip(turns, steps, strict=True):
                p = filters[turn]
                p.mul_(math.sqrt(len(p)) / p.norm().clamp(min=1e-12))
                high, wide = p.shape[2:]
                p.sub_(step.view(len(p), high, wide, -1).permute(0, 3, 1, 2).to(p.dtype), alpha=rate)


def _matrix(filters: Tensor) -> Tensor:
    """(C_out, C_in, kh, kw) to (C_out, kh * kw * C_in): the order in memory where channels lie last. The order of
    columns doesn't matter to what follows."""
    return filters.permute(0, 2, 3, 1).reshape(len(filters), -1)


def orthogonalised(matrices: Tensor) -> Tensor:
    """(k, rows, columns), each with its singular values brought near 1, by Newton-Schulz steps: no decomposition."""
    a, b, c = _COEFFICIENTS
    x = matrices / (matrices.float().norm(dim=(1, 2), keepdim=True) + 1e-7).to(matrices.dtype)
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    for _ in range(_STEPS):
        square = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    found: Tensor = x.transpose(1, 2) if tall else x
    return found
