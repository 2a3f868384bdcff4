"""One picture looked into: what the network was given and said, and what each layer made of it.

Knows which cells are worth showing where nobody has named one; each part is computed when it is asked for, and kept.
Formats nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from convscope.classifier import Classifier, Prediction
from convscope.errors import ConvscopeError, unknown
from convscope.explain import maps
from convscope.explain.attribute import Attribution, attribute
from convscope.explain.trace import Trace, trace, trace_loss
from convscope.network.build import Network
from convscope.network.cost import total_parameters
from convscope.notation.tree import Branches, Layer

_NO_EXAMPLE = frozenset({"flatten", "identity", "dropout"})
"""Kinds that hand their numbers on as they are, in prediction: there is no arithmetic to show."""


@dataclass(frozen=True, eq=False)
class Given:
    """The picture as it came. pixels: uint8 (C, h, w), perhaps made smaller for showing; height, width: as it was.

    steps: what was done to bring it into the data's manner, each a sentence and the picture after it, uint8 (1, h, w).
    """

    pixels: NDArray[np.uint8]
    height: int
    width: int
    steps: tuple[tuple[str, NDArray[np.uint8]], ...] = ()


@dataclass(frozen=True)
class Asked:
    """What of an explanation is wanted: a layer (and of it a cell, a map), an attribution, or with neither all of it.

    A layer beside a method, without cell and map, is the layer that the attribution is to look at.
    """

    layer: str = ""
    cell: tuple[int, ...] | None = None
    map: int | None = None
    method: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is singled out."""
        return not self.layer and not self.method

    @property
    def opened(self) -> str:
        """The layer of which a cell is worked out, "" for none."""
        return self.layer if self.cell is not None or self.map is not None or not self.method else ""

    @property
    def attributed(self) -> str | None:
        """The layer that the attribution is to look at, None for a chosen one."""
        return (self.layer or None) if self.method == "gradcam" or not self.opened else None

    def check(self) -> None:
        """Raises ConvscopeError where a cell or a map is named and no layer."""
        if not self.layer and (self.cell is not None or self.map is not None):
            raise ConvscopeError(
                f"a cell and a map are those of a layer. Got {_named(self.cell, self.map)} and none: name a layer."
            )


@dataclass(eq=False)
class Explanation:
    """classifier: on its own preprocessing, in evaluation mode, float32. picture: uint8 (C, H, W), as `fit` gives it.

    name: what the picture is called. given: the picture as it came, where that is known. target: the class that
    gradients and attributions speak of; unless given, the one that the network says.
    """

    classifier: Classifier
    picture: NDArray[np.uint8]
    name: str = ""
    given: Given | None = None
    target_asked: int | None = None
    _attributions: dict[tuple[str, str | None], Attribution] = field(default_factory=dict, repr=False)
    _traces: dict[tuple[str, tuple[int, ...]], Trace] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        best = self.prediction
        return f"Explanation({self.name or 'a picture'}: {best.label}, {100 * best.probability:.2f} %)"

    @cached_property
    def prediction(self) -> Prediction:
        """What the classifier says of the picture."""
        row = self.classifier.probabilities(self.picture[None])[0]
        best = int(row.argmax())
        shares = {label: float(p) for label, p in zip(self.classifier.classes, row, strict=True)}
        return Prediction(self.classifier.classes[best], float(row[best]), shares, self.name)

    @property
    def target(self) -> int:
        """The number of the class that gradients and attributions speak of."""
        if self.target_asked is not None:
            return self.target_asked
        return self.classifier.classes.index(self.prediction.label)

    @cached_property
    def input(self) -> torch.Tensor:
        """(1, C, h, w) float32: the numbers that the network sees."""
        device = next(iter(self.classifier.network.parameters()), torch.empty(0)).device
        return self.classifier.preprocess.to_input(torch.from_numpy(self.picture[None].copy()).to(device))

    # ---- layers ------------------------------------------------------------------------------------------------------

    @property
    def from_text(self) -> bool:
        """Whether the network came from a text, so that its layers can be walked."""
        return isinstance(self.classifier.network, Network)

    @property
    def network(self) -> Network:
        """The network; raises ConvscopeError for somebody's own module, whose layers no text names."""
        network = self.classifier.network
        if not isinstance(network, Network):
            raise ConvscopeError(
                "maps, kernels and traces need a network from a text, whose layers have names. Got somebody's own "
                f"{type(network).__name__}: prediction and attribution work for it, so leave the layer out."
            )
        return network

    @property
    def parameters(self) -> int:
        """How many numbers the network has learned; without side classifiers, which prediction leaves out."""
        if self.from_text:
            return total_parameters(self.network.sizes)
        return sum(p.numel() for p in self.classifier.network.parameters())

    @cached_property
    def maps(self) -> dict[str, NDArray[np.float32]]:
        """What leaves each layer, by its label: (maps, height, width), or (units,) of a vector."""
        return maps.maps(self.network, self.input)

    def kernels(self, label: str) -> NDArray[np.float32]:
        """The kernels of a convolution: (maps, channels, height, width). Raises ConvscopeError for any other layer."""
        return maps.kernels(self.network, self._known(label))

    def _known(self, label: str) -> str:
        labels = list(self.maps)
        if label not in labels:
            raise ConvscopeError(unknown("layer", label, labels))
        return label

    def place(self, label: str, cell: tuple[int, ...] | None = None, map: int | None = None) -> tuple[int, ...]:
        """(map, row, column) of a layer of maps, (unit,) of a vector.

        Without a map, the one whose value at the cell is largest; without a cell, where the map's (or of all maps the)
        value is largest. Raises ConvscopeError for a layer, map or cell that doesn't exist.
        """
        if cell is not None and not _is_place(cell):
            raise ConvscopeError(f"a cell must be whole numbers, as in cell=(3, 4), or (5,) of a vector. Got {cell!r}.")
        values = self.maps[self._known(label)]
        if values.ndim == 1:
            if map is not None or (cell is not None and len(cell) != 1):
                raise ConvscopeError(
                    f"{label} gives {len(values)} numbers and no maps: name one by its place alone, cell 0 to "
                    f"{len(values) - 1}. Got {_named(cell, map)}."
                )
            return (int(values.argmax()),) if cell is None else (_within(label, "unit", cell[0], len(values)),)
        if map is not None:
            map = _within(label, "map", map, len(values))
        if cell is not None:
            if len(cell) != 2:
                raise ConvscopeError(
                    f"a cell of {label} must be a row and a column, as in 3,4. Got {_named(cell, None)}."
                )
            row, column = (_within(label, what, at, size) for what, at, size in
                           zip(("row", "column"), cell, values.shape[1:], strict=True))  # fmt: skip
            return (int(values[:, row, column].argmax()) if map is None else map), row, column
        if map is not None:
            return map, *(int(at) for at in np.unravel_index(int(values[map].argmax()), values.shape[1:]))
        return tuple(int(at) for at in np.unravel_index(int(values.argmax()), values.shape))

    def trace(self, label: str, cell: tuple[int, ...] | None = None, map: int | None = None) -> Trace:
        """The arithmetic of one number, forward and backward; `place` says which where none is named."""
        place = self.place(label, cell, map)
        if (label, place) not in self._traces:
            self._traces[label, place] = trace(self.network, self.input, label, place, target=self.target)
        return self._traces[label, place]

    @cached_property
    def loss(self) -> Trace:
        """Softmax and the loss, were the target class the right one."""
        return trace_loss(self.network, self.input, self.target)

    def examples(self) -> list[Trace]:
        """One number for each kind of layer, `add` and `concat` too: the largest one of the first layer of its kind."""
        first: dict[str, str] = {}
        for row in self.network.sizes.rows:
            if row.item.name in self.maps:
                kind = row.item.kind if isinstance(row.item, Layer | Branches) else ""
                if kind and kind not in _NO_EXAMPLE:
                    first.setdefault(kind, row.item.name)
        return [self.trace(label) for label in first.values()]

    def convolutions(self) -> list[str]:
        """The labels of the convolutions, in reading order."""
        return maps.convolutions(self.network)

    def seen(self, label: str, *place: int) -> tuple[int, int, int, int]:
        """The part of the picture that a cell (row and column; the unit of a vector) sees: top, left, bottom, right,
        half-open; it may exceed the picture."""
        return maps.seen(self.network, self._known(label), *place)

    # ---- attribution -------------------------------------------------------------------------------------------------

    def attribute(self, method: str = "gradcam", label: str | None = None) -> Attribution:
        """Which part of the picture speaks for the target class, with the checks that say whether to believe it.

        method: gradcam, integrated-gradients or occlusion. label: the layer for Grad-CAM; None chooses one.
        """
        if (method, label) not in self._attributions:
            self._attributions[method, label] = attribute(self.classifier, self.picture, method, label, self.target)
        return self._attributions[method, label]

    @property
    def attribution(self) -> Attribution:
        """Grad-CAM; of a network without convolutions, integrated gradients."""
        own = self.classifier.network.modules()
        convolves = self.convolutions() if self.from_text else any(isinstance(module, nn.Conv2d) for module in own)
        return self.attribute("gradcam" if convolves else "integrated-gradients")


def class_number(classes: tuple[str, ...], word: str | int) -> int:
    """A class by its name or its number. Raises ConvscopeError for one that doesn't exist, with the nearest."""
    if isinstance(word, str):
        if word not in classes:
            raise ConvscopeError(unknown("class", word, classes))
        return classes.index(word)
    if not 0 <= word < len(classes):
        raise ConvscopeError(f"a class must be a name or a number from 0 to {len(classes) - 1}. Got {word}.")
    return word


def _within(label: str, what: str, at: int, count: int) -> int:
    maps.check_place(label, what, at, count)
    return at


def _is_place(cell: object) -> bool:
    return isinstance(cell, tuple | list) and all(isinstance(at, int) for at in cell)


def _named(cell: tuple[int, ...] | None, map: int | None) -> str:
    words = [f"map {map}"] if map is not None else []
    words += [f"cell {','.join(str(at) for at in cell)}"] if cell is not None else []
    return " and ".join(words)
