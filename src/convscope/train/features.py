"""What reaches a layer of a frozen network, for each picture: computed once, and kept on disk.

A folder in the data cache for each network, weights, layer, preprocessing and data set; `features.json`, written last,
makes it count. A picture is known by its content, so another split or seed of the same data finds all of them.
Knows networks and pictures; no labels and no training.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convscope import files
from convscope.data import places
from convscope.data.images import ImageSet
from convscope.data.preprocess import Preprocess
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError, RunFailed
from convscope.network.at_rest import at_rest
from convscope.network.build import Network

BATCH = 32
_VERSION = 2  # raise it when the same picture would give other features
_META = "features.json"
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Place:
    """Where features lie, and what they are of: all that they depend on but the pictures."""

    folder: Path
    about: dict[str, Any]

    @classmethod
    def of(cls, network: Network, layer: str, preprocess: Preprocess, weights: str, data: str) -> Place:
        """layer: whose output they are; weights, data: SHA-256 of the network's weights and of the data's content."""
        about = {
            "data": data,
            "weights": weights,
            "network": network.text,
            "layer": layer,
            "preprocess": preprocess.to_json(),
            "version": _VERSION,
        }
        key = files.sha256_bytes(files.to_json(about, indent=None).encode("utf-8"))
        return cls(places.cache_folder() / "features" / key[:32], about)


@dataclass(frozen=True, eq=False)
class Features:
    """values: (N, ...) float16, a row a picture; computed: how many of them were not kept from an earlier training;
    note: a sentence where they could not be kept for the next; whole: False where it was stopped before the end."""

    values: NDArray[np.float16]
    computed: int
    note: str = ""
    whole: bool = True


def features(
    network: Network,
    layer: str,
    images: ImageSet,
    preprocess: Preprocess,
    place: Place,
    *,
    layout: torch.memory_format = torch.contiguous_format,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress | None = None,
) -> Features:
    """What leaves `layer` for each picture, the network in evaluation mode and the pictures unchanged.

    float16: half the space, and less than a thousandth off, which a layer trained on them doesn't feel.
    What was computed before `stop()` is kept. Raises RunFailed where a value isn't finite.
    """
    keys = _keys(images)
    known, kept = _kept(place)
    row_of = {key: row for row, key in enumerate(known)}
    missing = [row for row, key in enumerate(keys) if key not in row_of]
    first: dict[bytes, int] = {}
    for row in missing:  # one of each content
        first.setdefault(keys[row], row)
    rows = list(first.values())
    new: list[NDArray[np.float16]] = []
    whole = True
    try:
        for start in range(0, len(rows), BATCH):
            if stop():
                whole = False
                break
            some = np.array(rows[start : start + BATCH])
            new.append(_computed(network, layer, images.images[some], preprocess, layout))
            if progress is not None:
                progress("features", min(start + BATCH, len(rows)), len(rows))
    finally:
        note = ""
        if new:
            added = np.concatenate(new)
            known = [*known, *(keys[row] for row in rows[: len(added)])]
            kept = added if kept is None else np.concatenate([kept, added])
            note = _keep(place, known, kept)
    if not whole or kept is None:
        return Features(np.zeros((0,), np.float16), len(rows), note, whole and not len(images))
    row_of = {key: row for row, key in enumerate(known)}
    return Features(kept[[row_of[key] for key in keys]], len(rows), note)


def _computed(
    network: Network, layer: str, images: NDArray[np.uint8], preprocess: Preprocess, layout: torch.memory_format
) -> NDArray[np.float16]:
    device = next(network.parameters()).device
    # a batch is always a whole one: how PyTorch sums may depend on its size, and a picture's features must not
    rows = np.arange(BATCH) % len(images)
    with at_rest(network), torch.inference_mode():
        x = preprocess.to_input(torch.from_numpy(np.ascontiguousarray(images[rows])).to(device))
        kept = network(x.contiguous(memory_format=layout), keep=[layer])[1][layer][: len(images)]
        if not bool(torch.isfinite(kept).all()):
            raise RunFailed(
                f"features must be finite. What leaves {layer} isn't: the weights don't fit these pictures."
            )
        out: NDArray[np.float16] = kept.clamp(-_LARGEST, _LARGEST).to("cpu", torch.float16).numpy()
    return out


def _keys(images: ImageSet) -> list[bytes]:
    """What each picture is known by: its content, or where nobody knows that, its pixels as they are stored."""
    if images.hashes is not None:
        return [digest.tobytes() for digest in images.hashes]
    return [hashlib.sha256(np.ascontiguousarray(picture).tobytes()).digest()[:16] for picture in images.images]


def _kept(place: Place) -> tuple[list[bytes], NDArray[np.float16] | None]:
    """The pictures whose features lie on disk, and these; none where the folder isn't whole."""
    try:
        meta = files.read_json(place.folder / _META)
        if meta["about"] != place.about:
            return [], None
        values = np.array(files.open_array(place.folder / str(meta["values"])))  # no map: the file may be replaced
        keys = np.array(files.open_array(place.folder / str(meta["pictures"])))
    except (ConvscopeError, KeyError, TypeError):
        return [], None
    if values.dtype != np.float16 or keys.dtype != np.uint8 or keys.ndim != 2 or len(keys) != len(values):
        return [], None
    if meta.get("sha256") != files.sha256_bytes(values.tobytes() + keys.tobytes()):
        return [], None
    return [key.tobytes() for key in keys], values


def _keep(place: Place, keys: list[bytes], values: NDArray[np.float16]) -> str:
    """Write them; a sentence where the disk refuses, which costs the next training the time and nothing else."""
    pictures = b"".join(keys)
    of = files.sha256_bytes(pictures)[:16]  # two trainings at once never write other pictures under one name
    names = {"values": f"values-{of}.npy", "pictures": f"pictures-{of}.npy"}
    arrays: dict[str, NDArray[Any]] = {
        "values": values,
        "pictures": np.frombuffer(pictures, np.uint8).reshape(len(keys), -1),
    }
    try:
        for what, array in arrays.items():
            with files.large_array(place.folder / names[what], array.dtype, array.shape) as laid:
                laid[:] = array
        digest = files.sha256_bytes(values.tobytes() + pictures)
        record = {"format": files.FORMAT, "about": place.about, "sha256": digest, **names}
        files.write_json(place.folder / _META, record)
    except RunFailed as error:
        return f"the features are not kept for a next training: {error}"
    for path in place.folder.glob("*.npy"):
        if path.name not in names.values():
            with contextlib.suppress(RunFailed):
                files.remove_file(path)
    return ""
