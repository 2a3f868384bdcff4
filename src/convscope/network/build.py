"""From text to `nn.Module`: the network that everything else trains, asks and ships.

The plain float32 module is what a network means; anything faster has to agree with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

from convscope.errors import unknown
from convscope.network import init
from convscope.network.layers import MODULES
from convscope.network.shapes import NetworkError, Sized, Sizes, option, resolve
from convscope.notation import canonical, parse, write_out
from convscope.notation.tree import Branches, Item, Layer, Sequence


class _Scope(nn.Module):
    """Modules by label. A label is the user's word: it may be called like anything that a module has, even `training`,
    which PyTorch sets on every module."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "training":
            self.__dict__[name] = value  # a module's own way would find the layer of that name, and refuse
        else:
            super().__setattr__(name, value)


class Network(_Scope):
    """A convolutional network from one line of text.

    text: the notation (docs/notation.md). input: (height, width, channels) and classes: a count, in place of what
    the text says. seed: of the initial weights; None leaves them unfilled, for weights that are loaded.
    Raises NotationError or NetworkError, which name the place in the text and the mend.
    """

    def __init__(
        self,
        text: str,
        *,
        input: tuple[int, int, int] | None = None,
        classes: int | None = None,
        seed: int | None = 0,
    ) -> None:
        super().__init__()
        tree = parse(text)
        self.sizes: Sizes = resolve(write_out(tree), input, classes)
        self.text = canonical(tree)
        self.aux: dict[str, float] = {}
        self._penalties: list[tuple[str, float, float]] = []
        self._called: dict[str, nn.Module] = {}
        ordinals: dict[str, int] = {}
        for row in self.sizes.rows:
            if isinstance(row.item, Branches):
                continue
            module = MODULES[row.item.kind](row)
            self._place(row.item.name, module)
            if isinstance(row.item, Layer):
                self._prepare(row, module, seed, ordinals)

    def _place(self, name: str, module: nn.Module) -> None:
        """Register a module so that its tensors carry the layer's name, scopes and all: `layer2.0.conv1.weight`."""
        scope: nn.Module = self
        *outer, last = name.split(".")
        for part in outer:
            inner = scope._modules.get(part)
            if inner is None:
                inner = scope._modules[part] = _Scope()
            scope = inner
        scope._modules[last] = module  # not add_module, which refuses the name of an attribute
        self._called[name] = module

    def _prepare(self, row: Sized, module: nn.Module, seed: int | None, ordinals: dict[str, int]) -> None:
        layer = row.item
        assert isinstance(layer, Layer)
        ordinal = ordinals[layer.kind] = ordinals.get(layer.kind, 0) + 1
        if seed is not None:
            init.fill(module, layer, seed, ordinal)
        if layer.kind in ("conv", "dense"):
            l1, l2 = (option(layer, name, float) for name in ("l1", "l2"))
            if l1 or l2:
                self._penalties.append((layer.name, l1, l2))

    @property
    def input(self) -> tuple[int, int, int]:
        """Height, width and channels of the pictures that it takes."""
        return self.sizes.input

    @property
    def labels(self) -> tuple[str, ...]:
        """Every layer's name, in reading order."""
        return tuple(row.item.name for row in self.sizes.rows)

    def penalty(self) -> Tensor | None:
        """What `l1=` and `l2=` add to the loss: a scalar, or None where no layer has one.

        l2/2 times the sum of a layer's squared weights, l1 times the sum of their absolute values; biases not.
        """
        terms = []
        for name, l1, l2 in self._penalties:
            weight = self._called[name].weight
            assert isinstance(weight, Tensor)
            if l2:
                terms.append(l2 / 2 * weight.square().sum())
            if l1:
                terms.append(l1 * weight.abs().sum())
        return torch.stack(terms).sum() if terms else None

    @overload
    def forward(self, x: Tensor) -> Tensor: ...
    @overload
    def forward(self, x: Tensor, keep: Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]: ...
    def forward(self, x: Tensor, keep: Iterable[str] | None = None) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """x: (N, C, H, W) float to logits (N, classes), or whatever the network ends in.

        keep: labels; then also what leaves each of these layers, by label. Raises NetworkError for an unknown label.
        """
        wanted: dict[str, Tensor | None] = dict.fromkeys(keep or ())
        for label in wanted:
            if label not in self.labels:
                raise NetworkError(unknown("layer", label, self.labels))
        logits = self._sequence(self.sizes.body, x, wanted)
        if logits.dim() == 4 and logits.shape[2:] == (1, 1):
            logits = logits.flatten(1)
        if keep is None:
            return logits
        return logits, {label: tensor for label, tensor in wanted.items() if tensor is not None}

    def _sequence(self, sequence: Sequence, x: Tensor, kept: dict[str, Tensor | None]) -> Tensor:
        for item in sequence.items:
            x = self._item(item, x, kept)
        return x

    def _item(self, item: Item, x: Tensor, kept: dict[str, Tensor | None]) -> Tensor:
        if isinstance(item, Branches):
            outs = [self._sequence(branch, x, kept) for branch in item.branches]
            y = sum(outs[1:], outs[0]) if item.kind == "add" else torch.cat(outs, 1)
        else:
            y = self._called[item.name](x)
            assert isinstance(y, Tensor)
        if item.name in kept:
            kept[item.name] = y
        return y
