"""Asking a classifier about image sets: the classes must be its own. What runs and looks add is in tests/cli."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from convscope.classifier import Classifier
from convscope.errors import ConvscopeError
from convscope.evaluate.model import chance_note, predictions, whole
from convscope.evaluate.predictions import Predictions
from train.small import CLASSES, data_set, network


def test_predictions_are_those_of_the_classifier() -> None:
    data = data_set()
    classifier = Classifier(network(data), data.preprocess, CLASSES)
    said = predictions(classifier, data.test)
    assert np.array_equal(said.probabilities, classifier.probabilities(data.test.images))
    assert (said.names, said.labels.tolist()) == (data.test.names, data.test.labels.tolist())


def test_scoring_tells_how_far_it_is() -> None:
    data = data_set(test=300)
    classifier = Classifier(network(data), data.preprocess, CLASSES)
    told: list[tuple[str, int, int]] = []
    predictions(classifier, data.test, lambda *now: told.append(now))
    assert told == [("scoring pictures", 256, 300), ("scoring pictures", 300, 300)]


def test_pictures_of_a_read_only_map_are_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    data = data_set()
    data.test.images.flags.writeable = False
    Classifier(network(data), data.preprocess, CLASSES).judge(data.test.images)
    assert not recwarn.list


def test_the_classes_are_the_models() -> None:
    data = data_set()
    classifier = Classifier(network(data), data.preprocess, CLASSES)
    with pytest.raises(
        ConvscopeError, match=r"The model has 3, the data 3: the data lacks owl; the model doesn't know"
    ):
        predictions(classifier, replace(data.test, classes=("cat", "dog", "elk")))
    with pytest.raises(ConvscopeError, match="they stand in another order"):
        predictions(classifier, replace(data.test, classes=CLASSES[::-1]))


def test_all_pictures_are_every_part_in_turn() -> None:
    data = data_set(5, 3, 2)
    every = whole(data)
    assert every.ids.tolist() == [0, 1, 2, 3, 4, 1000, 1001, 1002, 2000, 2001]
    assert whole(data_set(5, 0, 0)).ids.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("right", "sentence"),
    [
        (50, r"the test accuracy is no better than always saying b \(60\.0 %\): it has not learned; lower --lr"),
        (
            64,
            r"the test accuracy is not surely better than always saying b \(60\.0 %\), which lies within its interval",
        ),
        (90, r"^$"),
    ],
)
def test_a_score_no_better_than_chance_is_told(right: int, sentence: str) -> None:
    labels = np.array([0] * 40 + [1] * 60)
    said = np.where(np.arange(100) < right, labels, 1 - labels)
    shares = np.where(said[:, None] == [0, 1], 0.9, 0.1).astype(np.float32)
    asked = Predictions(np.arange(100), tuple(map(str, range(100))), labels, shares, ("a", "b"))
    assert re.search(sentence, chance_note(asked, "test"))
