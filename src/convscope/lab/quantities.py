"""What a lesson may ask of a network: its shapes and costs, layer by layer, and its training, each as numbers.

A kernel, a field and a map have two sides. Knows no relation and no text of a task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convscope.errors import unknown
from convscope.network.shapes import Sizes, dilation_of
from convscope.network.weigh import Weighed, totals, weigh
from convscope.notation.tree import Layer
from convscope.run import Epoch, Tested

Said = dict[str, str]
"""A sentence in each language: {"en": ..., "zh": ...}."""


@dataclass(frozen=True)
class Trained:
    """What is asked of a training: the last epoch, and the score on the test pictures."""

    epochs: tuple[Epoch, ...]
    test: Tested | None


@dataclass(frozen=True)
class Subject:
    """The reader's network: its shapes, each layer weighed, and its training, if it has one."""

    sizes: Sizes
    layers: tuple[Weighed, ...]
    trained: Trained | None = None

    @classmethod
    def of(cls, sizes: Sizes, trained: Trained | None = None) -> Subject:
        """The network of these shapes."""
        return cls(sizes, tuple(weigh(sizes)), trained)


class Untold(Exception):
    """A quantity that this network or training doesn't have; `said` tells why."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.said = {"en": en, "zh": zh}


Sides = tuple[float, ...]
"""What was measured: one number, or height and width."""


def _layers(subject: Subject, of: str) -> list[Weighed]:
    """The layers that `of LABEL`, `of every KIND` and `of last KIND` name, the network's own without any."""
    which, _, kind = of.rpartition(" ")
    found = [layer for layer in subject.layers if not layer.aux and layer.row.item.kind == kind]
    if which:
        if not found:
            raise Untold(f"This network has no {kind}.", f"这个网络里没有 {kind}。")
        return found if which == "every" else found[-1:]
    for layer in subject.layers:
        if layer.row.item.name == of:
            return [layer]
    names = [layer.row.item.name for layer in subject.layers]
    raise Untold(unknown("layer", of, names), f"没有叫 {of} 的层。这里有：{'、'.join(names)}。")


def _maps(layer: Weighed) -> tuple[int, int, int]:
    after = layer.row.after
    return (after[0], after[1], after[2]) if len(after) == 3 else (1, 1, after[-1])


def _geometry(layer: Weighed, name: str) -> Sides:
    item = layer.row.item
    found = None
    if isinstance(item, Layer):
        found = dilation_of(item) if name == "dilation" else getattr(item, name)
    if not found:
        label = item.name
        raise Untold(
            f"{label} slides no kernel, so it has no {name}.", f"{label} 没有滑动的卷积核，所以没有{_ZH[name]}。"
        )
    return tuple(map(int, found))


def _training(subject: Subject) -> Trained:
    if subject.trained is None or not subject.trained.epochs:
        raise Untold(
            "This asks for a trained network: train yours first.", "这一题要看训练过的网络：请先训练你的网络。"
        )
    return subject.trained


def _epoch(subject: Subject) -> Epoch:
    return _training(subject).epochs[-1]


def _training_accuracy(subject: Subject) -> float:
    last = _epoch(subject)
    return last.train_k / last.train_n


def _validation_accuracy(subject: Subject) -> float:
    last = _epoch(subject)
    if last.validation_k is None or not last.validation_n:
        raise Untold("This training had no validation pictures.", "这次训练没有验证图片。")
    return last.validation_k / last.validation_n


def _test_accuracy(subject: Subject) -> float:
    test = _training(subject).test
    if test is None:
        raise Untold("The test pictures have not been scored yet: let the training finish.",
                     "还没有测试成绩：请等训练结束。")  # fmt: skip
    return test.k / test.n


def _validation_losses(subject: Subject) -> list[float]:
    found = [epoch.validation_loss for epoch in _training(subject).epochs if epoch.validation_loss is not None]
    if not found:
        raise Untold("This training had no validation pictures.", "这次训练没有验证图片。")
    return found


def _rise(subject: Subject) -> float:
    losses = _validation_losses(subject)
    return losses[-1] / min(losses) - 1 if min(losses) > 0 else 0.0


@dataclass(frozen=True)
class Quantity:
    """One thing that can be asked.

    about: what it is, for those who write lessons. of_layer, of_network: how it is measured where `of LAYER` follows,
    and where it is of the whole; share: whether it is written as a percentage; trained: whether it needs a training.
    """

    en: str
    zh: str
    about: str
    of_layer: Callable[[Weighed], Sides] | None = None
    of_network: Callable[[Subject], float] | None = None
    share: bool = False
    trained: bool = False

    def measure(self, subject: Subject, of: str) -> list[tuple[str, Sides]]:
        """What was measured, beside the label of its layer, "" for the network's. Raises Untold."""
        if self.of_network is not None:
            return [("", (self.of_network(subject),))]
        assert self.of_layer is not None
        return [(layer.row.item.name, self.of_layer(layer)) for layer in _layers(subject, of)]


_ZH = {"kernel": "卷积核", "stride": "步幅", "dilation": "空洞率"}


def _of_kernel(name: str) -> Quantity:
    return Quantity(f"the {name}", _ZH[name], "height and width: both sides must hold", lambda at: _geometry(at, name))


def _of_maps(axis: int, en: str, zh: str, about: str) -> Quantity:
    return Quantity(en, zh, about, lambda at: (_maps(at)[axis],))


def _of_training(en: str, zh: str, about: str, measure: Callable[[Subject], float], *, share: bool = True) -> Quantity:
    return Quantity(en, zh, about, of_network=measure, share=share, trained=True)


QUANTITIES: dict[str, Quantity] = {
    "receptive_field": Quantity(
        "the receptive field", "感受野", "cells of the picture that a unit sees: both sides must hold",
        lambda at: tuple(axis.size for axis in at.field)),
    "kernel": _of_kernel("kernel"),
    "stride": _of_kernel("stride"),
    "dilation": _of_kernel("dilation"),
    "size": Quantity("the size of the maps", "特征图的大小", "height and width of the maps that leave a layer: both "
                     "sides must hold; 1 for units", lambda at: _maps(at)[:2]),
    "height": _of_maps(0, "the height", "高度", "rows of the maps that leave a layer; 1 for units"),
    "width": _of_maps(1, "the width", "宽度", "columns of the maps that leave a layer; 1 for units"),
    "maps": _of_maps(2, "the number of maps", "特征图数", "maps, or units, that leave a layer"),
    "parameters of": Quantity("the number of parameters", "参数量", "weights and biases of one layer",
                              lambda at: (at.parameters,)),
    "multiply_adds of": Quantity("the number of multiply-adds", "乘加次数", "products of one layer, for one picture",
                                 lambda at: (at.multiply_adds,)),
    "parameters": Quantity("the number of parameters", "参数量", "weights and biases of the network",
                           of_network=lambda s: totals(s.sizes, s.layers, aux=False).parameters),
    "multiply_adds": Quantity("the number of multiply-adds", "乘加次数", "products for one picture",
                              of_network=lambda s: totals(s.sizes, s.layers, aux=False).multiply_adds),
    "test accuracy": _of_training(
        "test accuracy", "测试准确率", "share of the test pictures that are called right", _test_accuracy),
    "validation accuracy": _of_training(
        "validation accuracy", "验证准确率", "the same of the validation pictures, in the last epoch",
        _validation_accuracy),
    "training accuracy": _of_training(
        "training accuracy", "训练准确率",
        "the same of the training pictures, in the last epoch, with augmentation and dropout at work",
        _training_accuracy),
    "gap": _of_training(
        "the gap between training and validation accuracy", "训练与验证准确率之差",
        "training accuracy less validation accuracy, in the last epoch",
        lambda s: _training_accuracy(s) - _validation_accuracy(s)),
    "validation loss": _of_training(
        "the validation loss", "验证损失", "of the last epoch", lambda s: _validation_losses(s)[-1], share=False),
    "rise of validation loss": _of_training(
        "the rise of the validation loss above its lowest", "验证损失比最低点高出的比例",
        "by how much the last epoch's lies above the lowest, as a share of that", _rise),
    "epochs": _of_training(
        "the number of epochs", "训练轮数", "passes over the training pictures",
        lambda s: len(_training(s).epochs), share=False),
}  # fmt: skip
"""What a task may ask."""
