"""From pictures to logits: one walk over a network's tree, which forms it knows and layers it is handed.

What a layer computes is the caller's: the plain float32 modules (`build`), or the faster ones of a plan (`kernels`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from convscope.network.shapes import NetworkError
from convscope.notation.tree import Aux, Branches, Item, Layer, Regions, Sequence

Call = Callable[[Layer, Tensor], Tensor]
"""A layer and what reaches it, (N, ...), to what leaves it."""


class Walk:
    """call: how a layer is computed. kept: labels wanted; filled with what leaves each of these layers."""

    def __init__(self, call: Call, kept: dict[str, Tensor | None] | None = None) -> None:
        self.call = call
        self.kept = {} if kept is None else kept

    def sequence(self, sequence: Sequence, x: Tensor) -> Tensor:
        """x: (N, ...) through every item in turn."""
        for item in sequence.items:
            x = self.item(item, x)
        return x

    def item(self, item: Item, x: Tensor) -> Tensor:
        """x: (N, ...) through one layer or form; a side classifier hands it on unchanged."""
        if isinstance(item, Aux):
            self._aux(item, x)
            return x
        y = self.call(item, x) if isinstance(item, Layer) else self._form(item, x)
        if item.name in self.kept:
            self.kept[item.name] = y
        return y

    def _form(self, item: Branches | Regions, x: Tensor) -> Tensor:
        if isinstance(item, Regions):
            return self._regions(item, x)
        outs = [self.sequence(branch, x) for branch in item.branches]
        return sum(outs[1:], outs[0]) if item.kind == "add" else torch.cat(outs, 1)

    def _regions(self, item: Regions, x: Tensor) -> Tensor:
        """Each part of x: (N, C, H, W) through its own copy of the body, and put back in its place."""
        rows, columns = item.grid
        if x.shape[2] % rows or x.shape[3] % columns:
            raise NetworkError(
                f"{item.name} cuts its maps into {rows}x{columns} equal parts. Got maps of {x.shape[2]}x{x.shape[3]}. "
                "Give pictures of a size that divides."
            )
        cells = [cell for band in x.chunk(rows, 2) for cell in band.chunk(columns, 3)]
        outs = [self.sequence(part, cell) for part, cell in zip(item.parts, cells, strict=True)]
        return torch.cat([torch.cat(outs[i : i + columns], 3) for i in range(0, len(outs), columns)], 2)

    def _aux(self, item: Aux, x: Tensor) -> None:
        """Run a side classifier, where it or a layer inside it is kept: prediction must not pay for it."""
        if any(label == item.name or label.startswith(f"{item.name}.") for label in self.kept):
            logits = flat(self.sequence(item.body, x))
            if item.name in self.kept:
                self.kept[item.name] = logits


def flat(logits: Tensor) -> Tensor:
    """An end of N x classes x 1 x 1 as (N, classes); any other as it is."""
    return logits.flatten(1) if logits.dim() == 4 and logits.shape[2:] == (1, 1) else logits
