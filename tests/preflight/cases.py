"""Broken networks and recipes: what each must be found to be, and nothing else beside it once it is mended.

A network stands alone with its input and classes; a recipe is of the digits, with a network and settings.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Net(NamedTuple):
    """finding: its name; where: the layer that must be named; text: the network."""

    finding: str
    where: str
    text: str
    input: tuple[int, int, int] = (28, 28, 1)
    classes: int = 10


class Of(NamedTuple):
    """The same for a recipe: settings of it, a network among them or not."""

    finding: str
    where: str
    settings: dict[str, Any]


GOOD = "conv 3x3 16, relu, maxpool 2, conv 3x3 32, relu, gap, dense"

NETWORKS = [
    Net("not-readable", "line 1, column 20", "conv 3x3 16, relu, maxpol 2, dense 10"),
    Net("not-readable", "line 1, column 13", "conv 3x3 16 relu, dense 10"),
    Net("kernel-does-not-fit", "conv2", "conv 5x5 16 valid, relu, maxpool 8, conv 5x5 32 valid, relu, dense"),
    Net("kernel-does-not-fit", "pool4", "conv 3x3 8, maxpool 2, maxpool 2, maxpool 7, maxpool 2, dense 10"),
    Net("maps-needed", "conv2", "conv 3x3 16, relu, flatten, conv 3x3 16, relu, dense 10"),
    Net("maps-needed", "pool1", "conv 3x3 16, relu, dense 64, maxpool 2, relu, dense 10"),
    Net("groups-do-not-divide", "conv2", "conv 3x3 16, relu, conv 3x3 32 groups=3, relu, dense 10"),
    Net(
        "branches-differ",
        "add1",
        "conv 3x3 16, relu, add( conv 3x3 32 /2, bn | identity ), relu, gap, dense",
        (8, 8, 1),
    ),
    Net(
        "branches-differ",
        "add1",
        "conv 3x3 16, relu, add( conv 3x3 16, bn | conv 1x1 24, bn ), relu, gap, dense",
        (8, 8, 1),
    ),
    Net(
        "branches-differ",
        "concat1",
        "conv 3x3 8, relu, concat( conv 3x3 8, relu | conv 5x5 8 valid, relu ), gap, dense",
    ),
    Net("stated-size-differs", "pool1", "conv 3x3 16, relu, maxpool 2 -> 13x13x16, dense 10"),
    Net("layer-does-not-fit", "regions1", "regions 3x3 ( conv 3x3 8 ), relu, gap, dense", (8, 8, 1)),
    Net("layer-does-not-fit", "identity1", "conv 3x3 16, relu, identity 8, dense 10"),
    Net("class-count", "dense1", "conv 3x3 16, relu, gap, dense 12", (8, 8, 1)),
    Net("class-count", "gap1", "conv 3x3 16, relu, conv 1x1 12, gap", (8, 8, 1)),
    Net("class-count", "relu1", "conv 3x3 16, relu"),
    Net("class-count", "aux1.dense1", "conv 3x3 8, relu, aux ( gap, dense 7 ), conv 3x3 8, relu, dense", (8, 8, 1)),
    Net("softmax-before-loss", "softmax1", "conv 3x3 16, relu, gap, dense 10, softmax"),
    Net("activation-at-the-end", "relu2", "conv 3x3 16, relu, gap, dense 10, relu"),
    Net("dropout-at-the-end", "dropout1", "conv 3x3 16, relu, gap, dense 10, dropout 0.5"),
    Net("activation-twice", "relu2", "conv 3x3 16, relu, relu, gap, dense 10"),
    Net("activation-twice", "relu1", "conv 3x3 16, sigmoid,\nrelu  # twice\ngap, dense 10"),
    Net("no-activation-between", "conv2", "conv 3x3 16, conv 3x3 16, relu, gap, dense 10"),
    Net("no-activation-between", "dense2", "conv 3x3 16, relu, dense 2000, dense 10", (8, 8, 1)),
    Net("dropout-before-bn", "dropout1", "conv 3x3 16, relu, dropout 0.3, conv 3x3 16 bias=no, bn, relu, gap, dense"),
    Net("bias-before-bn", "conv1", "let b(c) = (conv 3x3 c, bn, relu)\nb(16), maxpool 2, b(32), gap, dense"),
    Net("layer-does-nothing", "dropout1", "conv 3x3 16, relu, dropout 0, gap, dense 10"),
    Net("layer-does-nothing", "pool1", "conv 3x3 16, relu\nmaxpool 1\ngap, dense 10"),
    Net("layer-does-nothing", "identity1", "conv 3x3 16, identity, relu, gap, dense 10"),
    Net("dropout-too-high", "dropout1", "conv 3x3 16, relu, gap, dropout 0.9, dense 10"),
    Net("too-narrow", "dense1", "conv 3x3 16, relu, maxpool 2, dense 4, relu, dense 10"),
    Net("sigmoid-stack", "sigmoid1", "conv 3x3 16, sigmoid, " + "dense 32, sigmoid, " * 5 + "dense 10"),
    Net("padding-never-used", "conv2", "conv 3x3 16, relu, conv 1x1 32 pad=1, relu, gap, dense"),
    Net("stride-skips-cells", "conv2", "conv 3x3 16, relu, conv 1x1 32 /2, relu, gap, dense"),
    Net("rows-cut-off", "pool1", "conv 3x3 16, relu, maxpool 3, conv 3x3 16, relu, dense", (8, 8, 1)),
    Net("kernel-larger-than-maps", "conv2", "conv 3x3 16, relu, maxpool 28, conv 3x3 32, relu, gap, dense"),
    Net("receptive-field-small", "conv2", "conv 3x3 16, relu, conv 3x3 16, relu, gap, dense", (64, 64, 3)),
    Net(
        "receptive-field-large",
        "conv6",
        "conv 7x7 8 /2, relu, " + "conv 7x7 8 /2, relu, " * 4 + "conv 49x49 8, relu, dense",
        (64, 64, 3),
    ),
    Net("initial-weights-large", "dense1", "conv 3x3 16, relu, dense 32 init=normal(1), relu, dense 10"),
    Net("initial-weights-small", "dense1", "conv 3x3 16, relu, dense 32 init=normal(0.0001), relu, dense 10"),
    Net("units-start-alike", "conv1", "conv 3x3 16 init=0, relu, gap, dense 10"),
    Net("initial-biases-large", "conv1", "conv 3x3 16 bias_init=-100, relu, gap, dense 10"),
]

_GROWING = "conv 3x3 16, relu, dense 500 init=normal(1), relu, dense init=normal(1)"
_BURSTING = "conv 3x3 16 init=normal(9), relu, dense 90 init=normal(9), relu, dense"
_WIDE = "conv 3x3 16, relu, dense init=normal(2)"
_FLAT = "conv 3x3 16, sigmoid, " + "dense 32, sigmoid, " * 12 + "dense"
_CLIPPED = {"loss": "clipped-mean", "label_smoothing": 0.0}

RECIPES = [
    Of("class-count", "dense1", {"network": "conv 3x3 16, relu, gap, dense 12"}),
    Of("kernel-does-not-fit", "pool1", {"network": "conv 3x3 16, relu, maxpool 9, dense"}),
    Of("learning-rate-high", "optimizer.learning_rate", {"optimizer.name": "adam", "learning_rate": 0.5}),
    Of("learning-rate-high", "optimizer.learning_rate", {"optimizer.name": "sgd", "learning_rate": 30.0}),
    Of("learning-rate-high", "optimizer.learning_rate", {"optimizer.name": "muon", "learning_rate": 3.0}),
    Of("learning-rate-low", "optimizer.learning_rate", {"learning_rate": 1e-9}),
    Of("weight-decay-large", "optimizer.weight_decay", {"optimizer.name": "adamw", "weight_decay": 50.0}),
    Of("weight-decay-large", "optimizer.weight_decay", {"optimizer.name": "muon", "weight_decay": 0.5}),
    Of("clipped-loss", "train.loss", _CLIPPED),
    Of("label-smoothing-large", "train.label_smoothing", {"label_smoothing": 0.9}),
    Of("batch-of-one", "train.batch_size", {"network": "conv 3x3 16 bias=no, bn, relu, gap, dense", "batch_size": 1}),
    Of("schedule-never-falls", "schedule.every", {"schedule.name": "step", "schedule.every": 100.0, "epochs": 30}),
    Of("brightness-cancelled", "augment.brightness", {"per_picture": True, "brightness": 63.0}),
    Of("contrast-cancelled", "augment.contrast", {"per_picture": True, "contrast": [0.2, 1.8]}),
    Of("augmentation-hides-the-picture", "augment.shift", {"shift": 6}),
    Of("inputs-unscaled", "input.std", {"mean": [0.0], "std": [0.00392156862745098]}),
    Of("normalisation-off", "input.mean", {"mean": [0.5], "std": [0.02]}),
    Of("colour-of-grey", "input.channels", {"channels": 3}),
    Of("batch-larger-than-data", "train.batch_size", {"data": "digits[:300]", "batch_size": 1000}),
    Of("no-validation", "train.patience", {"split.validation": 0.0, "patience": 5}),
    Of("no-validation", "train.keep", {"split.validation": 0.0, "keep": "best"}),
    Of("turning-changes-the-class", "augment.flip", {"flip": True}),
    Of("turning-changes-the-class", "augment.rotate", {"rotate": 180.0}),
    Of("first-loss-too-large", "the first batch", {"network": _GROWING}),
    Of("activations-grow", "the first batch", {"network": _BURSTING}),
    Of("pictures-without-gradient", "the first batch", {"network": _WIDE, **_CLIPPED}),
    Of("activations-vanish", "the first batch", {"network": "conv 3x3 16 init=normal(0.0001), relu, dense"}),
    Of("gradients-vanish", "the first batch", {"network": _FLAT}),
    Of("dead-units", "the first batch", {"network": "conv 3x3 16 bias_init=-100, relu, gap, dense"}),
]  # fmt: skip
