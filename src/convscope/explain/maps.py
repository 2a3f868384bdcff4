"""What leaves each layer for one picture, the kernels that it comes from, and what of the picture a cell sees.

Knows arrays; formats and draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.errors import ConvscopeError, unknown
from convscope.network.at_rest import at_rest
from convscope.network.build import Network
from convscope.network.cost import in_aux
from convscope.network.receptive import box, receptive_fields
from convscope.network.shapes import show
from convscope.notation.tree import Aux, Layer

Box = tuple[int, int, int, int]
"""A part of the picture: top, left, bottom, right, half-open. What lies outside of the picture is padding."""


def labels_of(network: Network) -> list[str]:
    """The layers that prediction goes through, in reading order: all but side classifiers."""
    aside = in_aux(network.sizes)
    return [row.item.name for row in network.sizes.rows
            if row.item.name not in aside and not isinstance(row.item, Aux)]  # fmt: skip


def convolutions(network: Network) -> list[str]:
    """The labels of the convolutions that prediction goes through, in reading order."""
    rows = network.sizes.by_name()
    items = [rows[label].item for label in labels_of(network)]
    return [item.name for item in items if isinstance(item, Layer) and item.kind == "conv"]


def check_input(network: Network, x: Tensor) -> None:
    """That x is a batch as the network takes it. Raises ConvscopeError."""
    height, width, channels = network.input
    if x.dim() != 4 or tuple(x.shape[1:]) != (channels, height, width) or not x.is_floating_point():
        raise ConvscopeError(
            f"pictures must be as the network takes them: float (N, {channels}, {height}, {width}), for its input is "
            f"{show(network.input)}. Got {str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}. Bring them to it with "
            "the classifier's preprocessing (`fit`, then `to_input`)."
        )


def maps(network: Network, x: Tensor, labels: Iterable[str] | None = None) -> dict[str, NDArray[np.float32]]:
    """What leaves the layers for one picture x: (1, C, H, W): by label (maps, height, width), or (units,) of a vector.

    labels: of these layers; all that prediction goes through unless given. The numbers are those of
    `forward(x, keep=)`. Raises ConvscopeError for an unknown layer, and for a picture of another size.
    """
    check_input(network, x)
    if len(x) != 1:
        raise ConvscopeError(f"maps are those of one picture. Got a batch of {len(x)}: take x[:1].")
    wanted = labels_of(network) if labels is None else list(labels)
    with at_rest(network), torch.inference_mode():
        _, kept = network(x, keep=wanted)
    return {label: kept[label].cpu().numpy()[0] for label in wanted}


def kernels(network: Network, label: str) -> NDArray[np.float32]:
    """The kernels of a convolution: (maps, channels of a kernel, height, width).

    Raises ConvscopeError for a layer that doesn't exist or is no convolution.
    """
    known = convolutions(network)
    if label not in network.labels:
        raise ConvscopeError(unknown("layer", label, network.labels))
    row = network.sizes.by_name()[label].item
    if not (isinstance(row, Layer) and row.kind == "conv"):
        raise ConvscopeError(
            f"kernels are those of a convolution. {label} is none; these are: {', '.join(known) or 'none here'}."
        )
    weight = network.layer(label).weight
    assert isinstance(weight, Tensor)
    return weight.detach().float().cpu().numpy()


def seen(network: Network, label: str, *place: int) -> Box:
    """The part of the picture that a cell of a layer sees. place: its row and column, or the unit of a vector.

    Where the layer stands behind branches it is the union of what each sees; where `avgpool to=` cuts unevenly, the
    largest. Raises ConvscopeError for a layer or cell that doesn't exist.
    """
    fields = receptive_fields(network.sizes)
    if label not in fields:
        raise ConvscopeError(unknown("layer", label, labels_of(network)))
    shape = network.sizes.by_name()[label].after
    names, counts = (("row", "column"), shape[:2]) if len(shape) == 3 else (("unit",), shape)
    if len(place) != len(names):
        raise ConvscopeError(f"a cell of {label} must be told by its {' and '.join(names)}. Got {place}.")
    for what, at, count in zip(names, place, counts, strict=True):
        check_place(label, what, at, count)
    return box(fields[label], place)


def check_place(label: str, what: str, at: int, count: int) -> None:
    """That a map, row, column or unit exists. Raises ConvscopeError, which names the nearest that does."""
    if not 0 <= at < count:
        near = min(max(at, 0), count - 1)
        raise ConvscopeError(
            f"a {what} of {label} must be 0 to {count - 1}, counted from 0. Got {at}; the nearest is {near}."
        )
