"""What is found of pictures that the digits are not: unbalanced, sorted by class."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from convscope.data.images import DataSet
from convscope.preflight import check, mended
from convscope.recipe import Recipe
from train.small import data_set, recipe

TEXT = "conv 3x3 8, relu, dense 16, relu, dense"


def of(**train: object) -> Recipe:
    return recipe({"epochs": 1, **train}).model_copy(update={"network": TEXT})


def with_labels(data: DataSet, labels: list[int]) -> DataSet:
    """The same with other labels for the training pictures."""
    train = dataclasses.replace(data.train, labels=np.array(labels, np.int64))
    return dataclasses.replace(data, train=train)


def test_a_rare_class() -> None:
    data = with_labels(data_set(train=42), [0] * 20 + [1] * 20 + [2] * 2)
    finding = check(of(), data=data).findings[0]
    assert (finding.name, finding.where) == ("classes-unbalanced", "train.class_weights")
    assert "'cat' has 20 training pictures and 'owl' 2" in finding.reason
    assert not check(mended(of(), TEXT, finding), data=data).findings


def test_pictures_sorted_by_class() -> None:
    data = with_labels(data_set(train=48), [0] * 16 + [1] * 16 + [2] * 16)
    finding = check(of(shuffle=False), data=data).findings[0]
    assert (finding.name, finding.where) == ("batches-of-one-class", "train.shuffle")
    assert "6 of 6 batches hold one class alone" in finding.reason
    assert not check(mended(of(shuffle=False), TEXT, finding), data=data).findings
    assert not check(of(shuffle=False), data=data_set(train=48)).findings  # in turn, not sorted


@pytest.mark.parametrize("size", [6, 12])
def test_sound_pictures(size: int) -> None:
    checked = check(of(), data=data_set(size=size, channels=3))
    assert not checked.findings
    assert checked.first is not None
    assert checked.first.pictures == 8
