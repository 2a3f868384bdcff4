"""The pictures that excite a map or a unit most, and which part of each it was.

Knows a classifier and a pile of pictures, and goes through it in batches; formats nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.classifier import Classifier
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError, unknown
from convscope.explain.maps import Box, check_place, labels_of, seen
from convscope.explain.trace.looking import look
from convscope.network.build import Network

_BATCH = 64


class Exciting(NamedTuple):
    """picture: its number in the pile. value: the largest of the map in it, at place (map, row, column), or (unit,).

    box: the part of the picture, as the network sees it (`windows`), that this cell sees.
    """

    picture: int
    value: float
    place: tuple[int, ...]
    box: Box


def exciting(
    classifier: Classifier, pictures: NDArray[np.uint8], label: str, map: int, most: int = 9
) -> list[Exciting]:
    """The `most` pictures in which a map of a layer (a unit of a vector) has its largest values, the largest first.

    pictures: (N, C, H, W) uint8, as `preprocess.fit` gives them; a memory map too, for they are read in batches. Of
    equal values the first in the pile comes first. Raises ConvscopeError for an unknown layer or map.
    """
    return strongest(classifier, pictures, label, [map], most)[map]


def strongest(
    classifier: Classifier,
    pictures: NDArray[np.uint8],
    label: str,
    maps: Sequence[int],
    most: int = 9,
    progress: Progress | None = None,
) -> dict[int, list[Exciting]]:
    """`exciting` of several maps of a layer, in one pass over the pictures."""
    network = _checked(classifier, pictures, label, maps, most)
    chosen = torch.as_tensor(list(maps), dtype=torch.long)
    values = np.empty((len(pictures), len(maps)), np.float32)
    cells = np.zeros((len(pictures), len(maps)), np.int64)
    device = next(iter(network.parameters()), torch.empty(0)).device
    width = 0
    for start in range(0, len(pictures), _BATCH):
        batch = torch.from_numpy(np.array(pictures[start : start + _BATCH])).to(device)
        with torch.inference_mode():
            found = look(network, classifier.preprocess.to_input(batch), [label]).outputs[label][:, chosen]
        if found.dim() == 4:
            width = found.shape[3]
            top, at = found.flatten(2).max(2)
            cells[start : start + len(batch)] = at.cpu().numpy()
        else:
            top = found
        values[start : start + len(batch)] = top.float().cpu().numpy()
        if progress is not None:
            progress("looking for what excites", min(start + _BATCH, len(pictures)), len(pictures))
    out = {}
    for turn, map in enumerate(maps):
        order = np.argsort(-values[:, turn], kind="stable")[:most]
        out[map] = [_found(network, label, map, int(n), values[n, turn], int(cells[n, turn]), width) for n in order]
    return out


def _found(network: Network, label: str, map: int, picture: int, value: float, cell: int, width: int) -> Exciting:
    row, column = divmod(cell, width) if width else (0, 0)
    place = (map, row, column) if width else (map,)
    return Exciting(picture, float(value), place, seen(network, label, *(place[1:] or place)))


def _checked(
    classifier: Classifier, pictures: NDArray[np.uint8], label: str, maps: Sequence[int], most: int
) -> Network:
    network = classifier.network
    if not isinstance(network, Network):
        raise ConvscopeError(
            f"what excites a map needs a network from a text, whose layers have names. Got {type(network).__name__}, "
            "a module of one's own."
        )
    if label not in labels_of(network):
        raise ConvscopeError(unknown("layer", label, labels_of(network)))
    shape = network.sizes.by_name()[label].after
    for map in maps:
        check_place(label, "map" if len(shape) == 3 else "unit", map, shape[-1])
    if most < 1 or not len(pictures):
        raise ConvscopeError(
            f"there must be pictures to look through, and one at least to be found. Got {len(pictures)} pictures and "
            f"most={most}."
        )
    return network


def windows(classifier: Classifier, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (N, C, H, W) as the network sees them, still uint8: the middle where the preprocessing crops."""
    high, wide = classifier.preprocess.input_size
    top, left = (pictures.shape[2] - high) // 2, (pictures.shape[3] - wide) // 2
    return pictures[:, :, top : top + high, left : left + wide]


def crop(picture: NDArray[np.uint8], box: Box, beyond: int = 128) -> NDArray[np.uint8]:
    """The part of a picture (C, H, W) in a box: (C, bottom - top, right - left), `beyond` outside of the picture."""
    top, left, bottom, right = box
    channels, height, width = picture.shape
    out = np.full((channels, bottom - top, right - left), beyond, np.uint8)
    high, low = max(top, 0), min(bottom, height)
    near, far = max(left, 0), min(right, width)
    if high < low and near < far:
        out[:, high - top : low - top, near - left : far - left] = picture[:, high:low, near:far]
    return out
