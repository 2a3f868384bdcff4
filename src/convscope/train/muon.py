"""Muon: momentum steps whose matrix is made orthogonal, for the filters of convolutions; plain SGD for everything else.

A filter bank (C_out, C_in, kh, kw) is taken as a matrix of C_out rows. Its step has all singular values near 1, so that
rare directions are learned as fast as frequent ones. Jordan et al. 2024, "Muon"; the settings for filters, rescaled to
norm sqrt(C_out) before each step, are those of Jordan's airbench94 (2025). Where a convolution has groups, the filters
of each group are a matrix of their own, since each group is a convolution of its own: of a depthwise one each filter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from convscope.train.uncompiled import Uncompiled

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the Newton-Schulz step: steep at 0, and within 0.7 to 1.2 after a few. They don't converge to 1, and needn't."""

_STEPS = 3


class Muon(Uncompiled):
    """groups: of parameters, each with `lr`, `momentum`, `weight_decay` and `filters`: into how many matrices each
    parameter is cut (a convolution's groups), () for plain steps. Weight decay falls on what isn't a filter: filters
    are rescaled instead. precision: of the orthogonalisation."""

    def __init__(self, groups: Iterable[dict[str, Any]], precision: torch.dtype = torch.float32) -> None:
        super().__init__(groups, {"lr": 0.24, "momentum": 0.6, "weight_decay": 0.0, "filters": ()})
        self.precision = precision

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle keeps: PyTorch's optimizers name theirs one by one."""
        return {**super().__getstate__(), "precision": self.precision}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of every parameter that has a gradient."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            if group["filters"]:
                both = zip(group["params"], group["filters"], strict=True)
                self._orthogonal([(p, cut) for p, cut in both if p.grad is not None], group)
                continue
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(self._ahead(p, group), alpha=-group["lr"])
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

    def _orthogonal(self, filters: list[tuple[Tensor, int]], group: dict[str, Any]) -> None:
        """Matrices of one shape go through the products together."""
        alike: dict[tuple[int, int], list[tuple[Tensor, int]]] = {}
        for p, cut in filters:
            alike.setdefault((len(p) // cut, p[0].numel()), []).append((p, cut))
        for shape, some in alike.items():
            ahead = [_matrices(self._ahead(p, group).to(self.precision), shape) for p, _ in some]
            steps = torch.split(orthogonalised(torch.cat(ahead)), [cut for _, cut in some])
            for (p, _), step in zip(some, steps, strict=True):
                p.mul_(math.sqrt(len(p)) / p.norm().clamp(min=1e-12))
                high, wide = p.shape[2:]
                p.sub_(step.reshape(len(p), high, wide, -1).permute(0, 3, 1, 2).to(p.dtype), alpha=group["lr"])


def _matrices(filters: Tensor, shape: tuple[int, int]) -> Tensor:
    """(C_out, C_in, kh, kw) to (matrices, *shape), a row a filter: kh * kw * C_in values, in their order in memory
    where channels lie last. What follows doesn't depend on it."""
    return filters.permute(0, 2, 3, 1).reshape(-1, *shape)


def orthogonalised(matrices: Tensor) -> Tensor:
    """(k, rows, columns), each with its singular values brought near 1, by Newton-Schulz steps: no decomposition."""
    a, b, c = _COEFFICIENTS
    wide = torch.promote_types(matrices.dtype, torch.float32)
    length = torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True, dtype=wide)
    x = matrices / (length + 1e-7).to(matrices.dtype)
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    for _ in range(_STEPS):
        square = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    found: Tensor = x.transpose(1, 2) if tall else x
    return found
