"""From text to `nn.Module`: the network that everything else trains, asks and ships.

The plain float32 module is what a network means; anything faster has to agree with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, overload

import torch
from torch import Tensor, nn

from convscope.errors import unknown
from convscope.network import init, whiten
from convscope.network.layers import MODULES
from convscope.network.shapes import NetworkError, Sized, Sizes, option, resolve
from convscope.network.source import named
from convscope.network.walk import Walk, flat
from convscope.notation import canonical, parse, write_out
from convscope.notation.tree import Aux, Layer


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

    aux is the weight of each side classifier in the loss, by its label.

    text: the notation (docs/notation.md), or a name of the zoo. input: (height, width, channels) and classes: a count,
    in place of what the text says. seed: of the initial weights; None leaves them unfilled, for weights to be loaded.
    Raises NotationError or NetworkError, which name the place in the text and the mend; ConvscopeError for a word that
    names no network.
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
        tree = parse(named(text))
        self.sizes: Sizes = resolve(write_out(tree), input, classes)
        self.text = canonical(tree)
        self.aux = {row.item.name: row.item.weight for row in self.sizes.rows if isinstance(row.item, Aux)}
        self._penalties: list[tuple[str, float, float]] = []
        self._called: dict[str, nn.Module] = {}
        ordinals: dict[str, int] = {}
        for row in self.sizes.rows:
            if isinstance(row.item, Layer):
                module = MODULES[row.item.kind](row)
                self._place(row.item.name, module)
                self._prepare(row, module, seed, ordinals)
        whitened = whiten.layers(self.sizes)
        self._unfilled = set(whitened if seed is not None else ())

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

        keep: labels; then also what leaves each of these layers, by label. A side classifier (`aux`) runs only where
        its label, or one inside it, is kept; what is kept under its own label is its logits (N, classes), not the data
        that it hands on. Raises NetworkError for an unknown label, and where `init=whiten` has seen no pictures yet.
        """
        wanted = self.wanted(keep)
        logits = flat(Walk(self._call, wanted).sequence(self.sizes.body, x))
        if keep is None:
            return logits
        return logits, {label: tensor for label, tensor in wanted.items() if tensor is not None}

    def wanted(self, keep: Iterable[str] | None) -> dict[str, Tensor | None]:
        """The labels to be kept, with nothing in them yet. Raises NetworkError as `forward` does."""
        if self._unfilled:
            raise NetworkError(
                f"{', '.join(sorted(self._unfilled))} starts as init=whiten, which takes its filters from training "
                "pictures. Call network.whiten(pictures) once before the first forward pass."
            )
        wanted: dict[str, Tensor | None] = dict.fromkeys(keep or ())
        known = frozenset(self.labels if wanted else ())
        for label in wanted:
            if label not in known:
                raise NetworkError(unknown("layer", label, self.labels))
        return wanted

    def layer(self, label: str) -> nn.Module:
        """The module of a layer, by its label."""
        return self._called[label]

    def after(self, label: str, x: Tensor) -> Tensor:
        """What the rest of the network makes of x: (N, ...), which has left the top-level item `label`: its logits.

        `network.after(label, kept[label])` is `network(pictures)`. Raises NetworkError for a label that isn't at the
        top level, where all that follows hangs on x alone.
        """
        items = self.sizes.body.items
        names = [item.name for item in items]
        if label not in names:
            raise NetworkError(unknown("layer outside of all branches", label, names))
        walk = Walk(self._call)
        for item in items[names.index(label) + 1 :]:
            x = walk.item(item, x)
        return flat(x)

    def _call(self, layer: Layer, x: Tensor) -> Tensor:
        y = self._called[layer.name](x)
        assert isinstance(y, Tensor)
        return y

    def whiten(self, pictures: Tensor) -> None:
        """Fill a first layer that starts as `init=whiten` from pictures (N, C, H, W) as the network sees them.

        More units than there are directions and negatives keep their kaiming start. A network without one stays as it
        is. Raises NetworkError for fewer than two patches.
        """
        for row in self.sizes.rows:
            if row.item.name in whiten.layers(self.sizes):
                whiten.fill(self._called[row.item.name], row, pictures)
                self._unfilled.discard(row.item.name)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As every module's. Loaded weights are filled, so `init=whiten` waits for no pictures any more."""
        done = super().load_state_dict(state_dict, strict=strict, assign=assign)
        self._unfilled -= {name for name in self._unfilled if f"{name}.weight" in state_dict}
        return done
