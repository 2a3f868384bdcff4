"""Lints of a recipe with its pictures: normalisation, classes, parts. Knows arrays and numbers, no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from convscope.preflight.finding import Setting
from convscope.preflight.subject import Found, Subject

SAMPLE = 500
"""So many training pictures, evenly chosen, are measured."""
UNSCALED = 20.0
FAR, NARROW, WIDE = 2.0, 0.1, 5.0
"""Inputs whose mean is more than FAR from 0, or whose deviation is below NARROW or above WIDE."""
IMBALANCE = 10


def _sample(s: Subject) -> NDArray[np.uint8]:
    images = s.pictures.train.images
    return np.asarray(images[:: max(1, len(images) // SAMPLE)][:SAMPLE])


def _as_seen(s: Subject) -> tuple[list[float], list[float]] | None:
    """Mean and deviation of each channel of the training pictures after preprocessing; None where each is by itself."""
    how, images = s.pictures.preprocess, _sample(s)
    if how.per_picture or not len(images):
        return None
    pixels = images.astype(np.float64) / 255
    if len(how.mean) == how.channels:
        shape: tuple[int, ...] = (1, how.channels, 1, 1)
    else:
        shape = (1, how.channels, *how.size)
    scaled = (pixels - np.reshape(how.mean, shape)) / np.reshape(how.std, shape)
    return scaled.mean((0, 2, 3)).tolist(), scaled.std((0, 2, 3)).tolist()


SCALED = (Setting("input.mean", "train"), Setting("input.std", "train"))
_SCALE = "--set input.mean=train --set input.std=train"


def inputs_unscaled(s: Subject) -> Iterator[Found]:
    """Pixels that reach the network as 0 to 255, or nearly."""
    seen = _as_seen(s)
    if seen is not None and max(seen[1]) > UNSCALED:
        yield Found(
            "input.std",
            f"the pictures reach the network with a mean of {_list(seen[0])} and a standard deviation of "
            f"{_list(seen[1])}: as 0 to 255, about. Every first-layer gradient is as much larger than others.",
            _SCALE,
            SCALED,
        )


def normalisation_off(s: Subject) -> Iterator[Found]:
    """A mean and a deviation that are not those of the training pictures."""
    seen = _as_seen(s)
    if seen is None or max(seen[1]) > UNSCALED:
        return
    if max(map(abs, seen[0])) > FAR or not all(NARROW <= spread <= WIDE for spread in seen[1]):
        how = s.pictures.preprocess
        given = f"mean {_list(how.mean)} and std {_list(how.std)}" if len(how.mean) <= 3 else "the given mean and std"
        yield Found(
            "input.mean",
            f"with {given} the training pictures come out at a mean of {_list(seen[0])} and a standard deviation of "
            f"{_list(seen[1])}, where 0 and 1 are meant: the numbers are those of other pictures.",
            _SCALE,
            SCALED,
        )


def _list(values: list[float] | tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


def colour_of_grey(s: Subject) -> Iterator[Found]:
    """Three channels that are all the same."""
    images = _sample(s)
    if len(images) and images.shape[1] == 3 and bool((images[:, :1] == images).all()):
        yield Found(
            "input.channels",
            f"all three channels of the {len(images)} pictures that were looked at are the same: they are grey, and "
            "the first layer does its work three times.",
            "--set input.channels=1",
            (Setting("input.channels", "1"),),
        )


def batch_larger_than_data(s: Subject) -> Iterator[Found]:
    """A batch of more pictures than there are."""
    size, n = s.settings.train.batch_size, len(s.pictures.train)
    if size > n:
        fit = max(1, min(64, 1 << int(math.log2(max(n // 10, 1)))))
        yield Found(
            "train.batch_size",
            f"batch_size {size} is more than the {n} training pictures: an epoch is one step.",
            f"--set train.batch_size={fit}",
            (Setting("train.batch_size", str(fit)),),
        )


def no_validation(s: Subject) -> Iterator[Found]:
    """Early stopping, or the best weights, and no pictures to choose by."""
    train = s.settings.train
    if len(s.pictures.validation):
        return
    if train.patience:
        yield Found(
            "train.patience",
            f"patience {train.patience} stops by the validation loss, and there are no validation pictures: the "
            "training would not begin.",
            "--set split.validation=0.15, or train.patience=0",
            (Setting("split.validation", "0.15"),),
        )
    elif train.keep == "best":
        yield Found(
            "train.keep",
            "keep = 'best' chooses by the validation loss, and there are no validation pictures: the last weights "
            "stay.",
            "--set split.validation=0.15, or train.keep=last",
            (Setting("split.validation", "0.15"),),
        )


def classes_unbalanced(s: Subject) -> Iterator[Found]:
    """A class with ten times the pictures of another, which all count alike."""
    counts = np.bincount(s.pictures.train.labels, minlength=len(s.pictures.classes))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[least] and counts[most] >= IMBALANCE * counts[least] and s.settings.train.class_weights == "none":
        yield Found(
            "train.class_weights",
            f"{s.pictures.classes[most]!r} has {counts[most]} training pictures and {s.pictures.classes[least]!r} "
            f"{counts[least]}: the loss gains most by leaving the rare class out.",
            "--set train.class_weights=balanced, where each class matters alike",
            (Setting("train.class_weights", "balanced"),),
        )


def batches_of_one_class(s: Subject) -> Iterator[Found]:
    """Pictures in the order of the data, which is sorted by class."""
    train, labels = s.settings.train, s.pictures.train.labels
    if train.shuffle or len(labels) <= train.batch_size or train.batch_size < 2:
        return
    cut = [labels[i : i + train.batch_size] for i in range(0, len(labels) - train.batch_size + 1, train.batch_size)]
    of_one = sum(bool((batch == batch[0]).all()) for batch in cut)
    if len(s.pictures.classes) > 1 and of_one > len(cut) / 4:
        yield Found(
            "train.shuffle",
            f"shuffle = false and the pictures are sorted: {of_one} of {len(cut)} batches hold one class alone, so "
            "that each unlearns the one before.",
            "--set train.shuffle=true",
            (Setting("train.shuffle", "true"),),
        )


def turning_changes_the_class(s: Subject) -> Iterator[Found]:
    """Digits and letters that are mirrored, or turned upside down: a mirrored b is a d, a turned 6 a 9."""
    names, of = s.pictures.classes, s.settings.augment
    if len(names) < 2 or not all(len(name) == 1 and name.isalnum() for name in names):
        return
    if of.flip:
        yield Found(
            "augment.flip",
            f"the classes are signs ({', '.join(names[:4])} ...), and a mirrored sign is another one or none.",
            "--set augment.flip=false",
            (Setting("augment.flip", "false"),),
        )
    if of.rotate >= 90:
        yield Found(
            "augment.rotate",
            f"the classes are signs ({', '.join(names[:4])} ...), and turned by up to {of.rotate:g} degrees a 6 is a "
            "9.",
            "--set augment.rotate=10",
            (Setting("augment.rotate", "10"),),
        )


LINTS: dict[str, Callable[[Subject], Iterator[Found]]] = {
    "inputs-unscaled": inputs_unscaled,
    "normalisation-off": normalisation_off,
    "colour-of-grey": colour_of_grey,
    "batch-larger-than-data": batch_larger_than_data,
    "no-validation": no_validation,
    "classes-unbalanced": classes_unbalanced,
    "batches-of-one-class": batches_of_one_class,
    "turning-changes-the-class": turning_changes_the_class,
}
