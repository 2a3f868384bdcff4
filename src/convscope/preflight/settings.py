"""Lints of a recipe's settings, with its network: rates, augmentation, batches, the loss. Reads no pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from convscope.preflight.finding import Setting
from convscope.preflight.subject import Found, Subject

RATES = {
    "sgd": (1e-5, 1.0, "0.05"), "adam": (1e-7, 0.03, "0.001"), "adamw": (1e-7, 0.03, "0.001"),
    "muon": (1e-4, 1.0, "0.24"),
}  # fmt: skip
"""From, to, and the usual learning rate, by optimizer; sgd's is of steps with momentum 0.9, ten times as long."""
DECAYS = {"sgd": (0.05, "0.0005"), "adam": (0.05, "0.0005"), "adamw": (1.0, "0.05"), "muon": (0.05, "0.0005")}
_WHY = {
    "sgd": "past steps add up to {:.3g} times one",
    "muon": "at 1 a step is about as long as the filters themselves, whatever their gradient",
}


def _set(key: str, value: str, more: str = "") -> tuple[str, tuple[Setting, ...]]:
    return f"--set {key}={value}{more}", (Setting(key, value),)


def learning_rate_high(s: Subject) -> Iterator[Found]:
    """A learning rate at which the optimizer's steps jump about; sgd's counts with its momentum."""
    of = s.settings.optimizer
    _, most, usual = RATES[of.name]
    reach = of.learning_rate * (0.1 / (1 - of.momentum) if of.name == "sgd" else 1)
    if reach > most:
        also = f" with momentum {of.momentum:g}" if of.name == "sgd" else ""
        why = _WHY.get(of.name, "each step moves every weight by about the rate, whatever its gradient")
        why = why.format(1 / (1 - of.momentum))
        yield Found(
            "optimizer.learning_rate",
            f"learning_rate {of.learning_rate:g} is large for {of.name}{also}: {why}. Usual is {usual}.",
            *_set("optimizer.learning_rate", usual),
        )


def learning_rate_low(s: Subject) -> Iterator[Found]:
    """A learning rate at which a run ends before anything has moved."""
    of = s.settings.optimizer
    least, _, usual = RATES[of.name]
    if of.learning_rate < least:
        yield Found(
            "optimizer.learning_rate",
            f"learning_rate {of.learning_rate:g} is so small for {of.name} that nothing is learned in any usual time. "
            f"Usual is {usual}.",
            *_set("optimizer.learning_rate", usual),
        )


def weight_decay_large(s: Subject) -> Iterator[Found]:
    """A weight decay that pulls the weights to 0 faster than the loss holds them."""
    of = s.settings.optimizer
    most, usual = DECAYS[of.name]
    rate = of.other_rate if of.name == "muon" else of.learning_rate  # muon's filters don't decay
    if of.weight_decay > most:
        yield Found(
            "optimizer.weight_decay",
            f"weight_decay {of.weight_decay:g} is large for {of.name}: a weight that no gradient holds is halved every "
            f"{math.log(2) / (rate * of.weight_decay):.3g} steps at the full rate. Usual is {usual}.",
            *_set("optimizer.weight_decay", usual),
        )


def clipped_loss(s: Subject) -> Iterator[Found]:
    """The loss of tutorial A, kept so that its fault can be seen."""
    if s.settings.train.loss == "clipped-mean":
        yield Found(
            "train.loss",
            "loss = 'clipped-mean' sends no gradient for a picture whose class has a probability below 1e-11: what is "
            "most wrong is not learned from.",
            *_set("train.loss", "cross-entropy"),
        )


def label_smoothing_large(s: Subject) -> Iterator[Found]:
    """Half of the label and more is spread over the other classes."""
    share = s.settings.train.label_smoothing
    if share >= 0.5:
        yield Found(
            "train.label_smoothing",
            f"label_smoothing {share:g} spreads {100 * share:g} % of each label over all classes, so that little is "
            "left to learn. Usual is 0.1.",
            *_set("train.label_smoothing", "0.1"),
        )


def batch_of_one(s: Subject) -> Iterator[Found]:
    """Batch normalisation whose batch is one picture."""
    bns = [layer for layer, _ in s.layers() if layer.kind == "bn"]
    if s.settings.train.batch_size == 1 and bns:
        yield Found(
            "train.batch_size",
            f"batch_size 1 and {bns[0].name}: the mean and variance of one picture are taken for those of all, and "
            "behind a dense layer there is no variance at all.",
            *_set("train.batch_size", "32"),
        )


def schedule_never_falls(s: Subject) -> Iterator[Found]:
    """A `step` or `exponential` schedule whose first factor comes after the end."""
    how, train = s.settings.schedule, s.settings.train
    length = train.epochs if how.unit == "epochs" else train.steps
    if how.name == "step" and length is not None and how.every >= length:
        yield Found(
            "schedule.every",
            f"the rate falls first after {how.every:g} {how.unit}, and the training ends after {length}: it never "
            "falls.",
            *_set(
                "schedule.every", f"{max(length / 3, 1e-3):.3g}", ", or --set schedule.name=constant if that is meant"
            ),
        )


def brightness_cancelled(s: Subject) -> Iterator[Found]:
    """A brightness that standardising each picture takes out again (tutorial B)."""
    recipe = s.settings
    if recipe.input.per_picture and recipe.augment.brightness:
        yield Found(
            "augment.brightness",
            "per_picture subtracts each picture's own mean, and with it the brightness "
            f"(+-{recipe.augment.brightness:g}) that augmentation added: it changes nothing but the time.",
            *_set("augment.brightness", "0"),
        )


def contrast_cancelled(s: Subject) -> Iterator[Found]:
    """A contrast that standardising each grey picture takes out again; in colour, channels have their own means."""
    recipe, low_high = s.settings, s.settings.augment.contrast
    if recipe.input.per_picture and s.sizes.input[2] == 1 and low_high != (1.0, 1.0):
        yield Found(
            "augment.contrast",
            f"per_picture divides each grey picture by its own deviation, and with it the contrast ({low_high[0]:g} to "
            f"{low_high[1]:g}) that augmentation gave it: it changes nothing but the time.",
            *_set("augment.contrast", "[1.0, 1.0]"),
        )


def augmentation_hides(s: Subject) -> Iterator[Found]:
    """A crop, shift or cutout as large as half of the picture."""
    of, side = s.settings.augment, min(s.sizes.input[:2])
    for key, size in (("crop", of.crop), ("shift", of.shift), ("cutout", of.cutout)):
        most = side if key == "cutout" else side / 2
        if size and size >= most:
            what = "a square of that side can blank out all of it" if key == "cutout" else "half of it can be moved out"
            yield Found(
                f"augment.{key}",
                f"{key} {size:g} on pictures of {side} pixels: {what}, and what is learned from is no longer the "
                "picture.",
                *_set(f"augment.{key}", str(side // (4 if key == "cutout" else 8))),
            )


LINTS: dict[str, Callable[[Subject], Iterator[Found]]] = {
    "learning-rate-high": learning_rate_high,
    "learning-rate-low": learning_rate_low,
    "weight-decay-large": weight_decay_large,
    "clipped-loss": clipped_loss,
    "label-smoothing-large": label_smoothing_large,
    "batch-of-one": batch_of_one,
    "schedule-never-falls": schedule_never_falls,
    "brightness-cancelled": brightness_cancelled,
    "contrast-cancelled": contrast_cancelled,
    "augmentation-hides-the-picture": augmentation_hides,
}
