"""From data to image sets: found, split, fitted, cached.

`load` is what training, evaluation and `data info` call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convscope.data import sources, split
from convscope.data.decode import WHITE, Colour, Fit
from convscope.data.images import DataSet, ImageSet
from convscope.data.preprocess import Preprocess, statistics
from convscope.data.sources import Source

Progress = Callable[[str, int, int], None]
Statistic = Literal["train", "position-range"] | tuple[float, ...]


def load(
    spec: str,
    *,
    base: Path = Path(),
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    fit: Fit = "pad",
    validation: float = 0.15,
    test: float = 0.15,
    group: str = "",
    seed: int = 0,
    split_file: Path | None = None,
    mean: Statistic = "train",
    std: Statistic = "train",
    per_picture: bool = False,
    crop_to: tuple[int, int] | None = None,
    manner: str | None = None,
    background: Colour = WHITE,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> DataSet:
    """The data set that `spec` means, split and ready to train on."""
    source = sources.find(spec, base)
    listed = split.load(split_file) if split_file is not None else None
    assert source.arrays is not None
    hashes = source.hashes()
    made = split.assign(
        source.names,
        source.labels,
        source.classes,
        hashes,
        brought=source.parts,
        validation=validation,
        test=test,
        seed=seed,
        listed=listed,
    )
    images = source.arrays
    own = (images.shape[2], images.shape[3])
    plain = Preprocess(
        size or own, channels or images.shape[1], fit, manner=manner, crop_to=crop_to, background=background
    )
    if (plain.size, plain.channels) != (own, images.shape[1]):
        images = np.stack([plain.fit(picture.transpose(1, 2, 0)) for picture in images])

    def part(name: str) -> ImageSet:
        rows = made.rows(name)
        return ImageSet(
            images[rows], source.labels[rows], source.classes, rows, tuple(source.names[i] for i in rows.tolist())
        )

    train = part("train")
    if not per_picture:
        plain = plain.replace(**_numbers(train.images, mean, std))
    else:
        plain = plain.replace(per_picture=True)
    return DataSet(
        train,
        part("validation"),
        part("test"),
        source.classes,
        content_sha256(source, hashes),
        source.root,
        made,
        plain,
        (*source.notes, *made.notes),
    )


def _numbers(images: NDArray[np.uint8], mean: Statistic, std: Statistic) -> dict[str, tuple[float, ...]]:
    """mean and std as numbers: each as it was given, or from the training pictures."""
    made: dict[str, tuple[float, ...]] = {}
    for name, given, place in (("mean", mean, 0), ("std", std, 1)):
        if isinstance(given, str):
            made[name] = statistics(images, "position-range" if given == "position-range" else "channel")[place]
        else:
            made[name] = tuple(given)
    return made


def content_sha256(source: Source, hashes: NDArray[np.uint8]) -> str:
    """The hash of a data set's content: name, class, part and content hash of each picture, in the order of names."""
    digest = hashlib.sha256()
    for row in sorted(range(len(source)), key=source.names.__getitem__):
        line = "\t".join([source.names[row], source.classes[source.labels[row]], source.parts[row]])
        digest.update(line.encode("utf-8") + b"\t" + hashes[row].tobytes() + b"\n")
    return digest.hexdigest()
