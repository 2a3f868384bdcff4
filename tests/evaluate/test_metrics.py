"""The figures equal scikit-learn's exactly, on classes without pictures too (target N2)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as oracle

from convscope.errors import ConvscopeError
from convscope.evaluate.intervals import wilson
from convscope.evaluate.metrics import confusion, loss, mistakes, per_class, score, top_k
from convscope.evaluate.predictions import Predictions


def case(seed: int) -> Predictions:
    """Random predictions; in half of the cases some classes have no pictures, or are never predicted."""
    random = np.random.default_rng(seed)
    n, classes = int(random.integers(1, 60)), int(random.integers(2, 12))
    logits = random.normal(size=(n, classes)) * random.choice([0.3, 1, 4])
    present = np.arange(classes)
    if seed % 2:
        present = random.choice(classes, size=int(random.integers(1, classes + 1)), replace=False)
        logits[:, random.integers(classes)] -= 20
    labels = random.choice(present, size=n)
    logits[np.arange(n), labels] += random.choice([0, 1, 3])
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    float32 = probabilities.astype(np.float32)
    names = tuple(f"train/{i}" for i in range(n))
    return Predictions(np.arange(n), names, labels, float32, tuple(f"c{i}" for i in range(classes)))


@pytest.mark.parametrize("hundred", range(10))
def test_a_thousand_random_cases_equal_scikit_learn(hundred: int) -> None:
    empty = 0
    for seed in range(100 * hundred, 100 * hundred + 100):
        p = case(seed)
        every = np.arange(len(p.classes))
        predicted = p.predicted
        ours = score(p)
        assert ours.k == oracle.accuracy_score(p.labels, predicted, normalize=False)
        assert ours.accuracy == oracle.accuracy_score(p.labels, predicted)
        assert np.array_equal(confusion(p), oracle.confusion_matrix(p.labels, predicted, labels=every))
        precision, recall, f1, support = oracle.precision_recall_fscore_support(
            p.labels, predicted, labels=every, zero_division=0
        )
        rows = per_class(p)
        assert [row.precision for row in rows] == precision.tolist()
        assert [row.recall for row in rows] == recall.tolist()
        assert [row.f1 for row in rows] == f1.tolist()
        assert [row.support for row in rows] == support.tolist()
        empty += int((support == 0).any())
        if len(p.classes) > 2:  # with two, scikit-learn takes one column of scores
            for k in range(1, len(p.classes)):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    theirs = oracle.top_k_accuracy_score(p.labels, p.probabilities, k=k, labels=every, normalize=False)
                assert top_k(p, k) == theirs
    assert empty > 20


def test_the_loss_equals_scikit_learn_where_it_cuts_nothing_off() -> None:
    for seed in range(200):
        p = case(seed)
        right = p.probabilities[np.arange(len(p)), p.labels]
        if right.min() > 1e-6:
            double = p.probabilities / p.probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
            theirs = oracle.log_loss(p.labels, double, labels=np.arange(len(p.classes)))
            assert loss(p) == pytest.approx(theirs, rel=1e-6, abs=1e-7)


def test_the_loss_of_a_probability_of_zero_is_finite() -> None:
    p = Predictions(np.arange(1), ("a",), np.array([1]), np.array([[1.0, 0.0]], np.float32), ("x", "y"))
    assert loss(p) == pytest.approx(87.3, abs=0.1)


def test_a_score_brings_count_and_interval() -> None:
    p = case(2)
    s = score(p)
    assert (s.low, s.high) == wilson(s.k, s.n)
    assert s.to_json()["k"] == s.k
    assert s.to_json()["n"] == s.n
    assert s.to_json()["low"] == s.low
    assert "low" in per_class(p)[0].to_json()


def test_top5_only_where_it_says_something() -> None:
    for seed in range(30):
        p = case(seed)
        assert (score(p).top5_k is None) == (len(p.classes) <= 5)


def test_equal_probabilities_go_to_the_first_class_everywhere() -> None:
    p = Predictions(np.arange(2), ("a", "b"), np.array([0, 1]), np.full((2, 2), 0.5, np.float32), ("x", "y"))
    assert score(p).k == top_k(p, 1) == 1
    assert confusion(p).tolist() == [[1, 0], [1, 0]]


def test_no_pictures() -> None:
    p = Predictions(np.arange(0), (), np.arange(0), np.zeros((0, 3), np.float32), ("x", "y", "z"))
    s = score(p)
    assert (s.k, s.n, s.low, s.high, s.loss, s.accuracy) == (0, 0, 0.0, 1.0, 0.0, 0.0)
    assert confusion(p).sum() == 0
    assert [row.f1 for row in per_class(p)] == [0, 0, 0]
    assert mistakes(p) == []


def test_mistakes_are_the_surest_wrong_ones() -> None:
    p = case(7)
    wrong = mistakes(p, most=1000)
    assert len(wrong) == len(p) - score(p).k
    assert [m.probability for m in wrong] == sorted((m.probability for m in wrong), reverse=True)
    first = wrong[0]
    assert first.label != first.predicted
    assert p.names[first.row] == first.name
    assert p.ids[first.row] == first.id
    assert first.label_probability == p.probabilities[first.row, p.labels[first.row]]
    assert mistakes(p, most=1) == wrong[:1]


def test_top_0_is_refused() -> None:
    with pytest.raises(ConvscopeError, match=r"top-k needs k of at least 1\. Got 0\."):
        top_k(case(0), 0)
