"""What each source answers: its tensors' names and shapes in its own order, and its logits on formula pictures.

Stored in answers.npz, which tests/oracle/make_torchvision.py wrote. torchvision's logits are those of formula weights
under its names, for its real ones could not be had; EfficientNet-Lite0's are those of its real weights.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from importlib import resources
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network.shapes import Shape
from convscope.weights import formula
from convscope.weights.known import KnownWeights
from convscope.weights.mapping import COUNTED, PARALLEL, SIDE

_Value = TypeVar("_Value")


def _stored(entry: KnownWeights) -> dict[str, NDArray[np.generic]]:
    """A network's arrays: "names", and its logits by the picture's size."""
    start = f"{entry.published_as} "
    data = (resources.files("convscope") / "weights" / "answers.npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return {key.removeprefix(start): stored[key] for key in stored.files if key.startswith(start)}


def shapes_of(entry: KnownWeights) -> dict[str, Shape]:
    """The source's tensors with their shapes, in the order of its modules."""
    lines = (str(line).split(" ") for line in _stored(entry)["names"])
    return {name: tuple(int(n) for n in shape.split("x")) for name, shape in lines}


def logits_of(entry: KnownWeights) -> dict[tuple[int, int], NDArray[np.float32]]:
    """The source's logits (1000,) by the (height, width) of the formula picture."""
    found = {}
    for size, logits in _stored(entry).items():
        if (whole := re.fullmatch(r"([0-9]+)x([0-9]+)", size)) is not None:  # not names, nor side classifiers
            found[int(whole[1]), int(whole[2])] = logits.astype(np.float32)
    return found


def formula_weights(entry: KnownWeights) -> dict[str, Tensor]:
    """Formula weights under the source's names: what its stored logits were computed with."""
    shapes = shapes_of(entry)
    return {
        name: torch.from_numpy(formula.tensor(name, shape, f"{name.rpartition('.')[0]}.running_mean" in shapes))
        for name, shape in shapes.items()
    }


def in_order(entry: KnownWeights, published: Mapping[str, _Value], ordered: bool) -> dict[str, _Value]:
    """Published tensors in the order of the source's modules: by the source's own names where the file has these (all
    of them, or all but the side classifiers'), else as they are stored.

    ordered: the file keeps its author's order, as PyTorch's own do. safetensors doesn't: it has to have the names, else
    ConvscopeError.
    """
    own = {name.removeprefix(PARALLEL): name for name in published if name.rpartition(".")[2] != COUNTED}
    wanted = list(shapes_of(entry))
    body = [name for name in wanted if not SIDE.match(name)]
    for names in (wanted, body):
        if own.keys() == set(names):
            return {own[name]: published[own[name]] for name in names}
    if ordered:
        return dict(published)
    missing = next((name for name in wanted if name not in own), "")
    beyond = next((name for name in own if name not in wanted), "")
    differs = f"lacks {missing}" if missing else f"has {beyond} beyond them"
    raise ConvscopeError(
        f"a .safetensors file, which keeps no order of layers, must have the names that {entry.source} gives to "
        f"{entry.published_as}. It {differs}. Give the file that {entry.source} publishes."
    )
