"""Predictions are saved and loaded as they were, without pickle, and contradictions are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope.errors import ConvscopeError
from convscope.evaluate.predictions import Predictions

NAMES = ("猫/a 1.png", "dog/\udcff.png", "<img onerror=x>")


def some(**other: Any) -> Predictions:
    """Three pictures of two classes, with what `other` replaces."""
    arrays: dict[str, Any] = {
        "ids": np.array([7, 8, 9]),
        "names": NAMES,
        "labels": np.array([0, 1, 1]),
        "probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]),
        "classes": ("猫", 'd"og'),
    }
    return Predictions(**(arrays | other))


def test_round_trip(tmp_path: Path) -> None:
    p = some()
    p.save(tmp_path / "predictions.npz")
    again = Predictions.load(tmp_path / "predictions.npz")
    assert again.names == NAMES
    assert again.classes == p.classes
    for name in ("ids", "labels", "probabilities"):
        ours, theirs = getattr(again, name), getattr(p, name)
        assert np.array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    assert len(again) == 3
    assert again.predicted.tolist() == [0, 1, 0]


def test_empty_round_trip(tmp_path: Path) -> None:
    some(ids=[], names=(), labels=[], probabilities=np.zeros((0, 2))).save(tmp_path / "p.npz")
    assert len(Predictions.load(tmp_path / "p.npz")) == 0


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"ids": [1, 2]}, r"3 names and 2 classes need ids of shape \(3,\)\. Got \(2,\)\."),
        ({"labels": [[0, 1, 1]]}, r"need labels of shape \(3,\)\. Got \(1, 3\)"),
        ({"probabilities": np.ones((3, 1))}, r"need probabilities of shape \(3, 2\)\. Got \(3, 1\)"),
        ({"labels": [0, 1, 2]}, r"labels must lie in 0\.\.1, the 2 classes\. Got 0 to 2\."),
        ({"labels": [-1, 1, 1]}, r"labels must lie in 0\.\.1, the 2 classes\. Got -1 to 1\."),
        ({"probabilities": [[0.9, 0.1], [np.nan, 1], [1, 0]]}, r"must be finite.*Those of 'dog.*row 1"),
        ({"probabilities": [[0.9, 0.1], [3.0, -2.0], [1, 0]]}, r"not negative, and sum to 1"),
        ({"probabilities": [[0.9, 0.1], [3.0, 2.0], [1, 0]]}, r"through softmax"),
        ({"classes": (), "probabilities": np.zeros((3, 0))}, r"need at least one class name\. Got none\."),
    ],
)
def test_contradictions_are_refused(other: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=sentence):
        some(**other)


def test_what_is_no_predictions_file_is_refused(tmp_path: Path) -> None:
    some().save(tmp_path / "good.npz")
    data = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.npz").write_text("hello", encoding="utf-8")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    np.savez(tmp_path / "pickle.npz", format=np.array(1), names=np.array([{"a": 1}], dtype=object))
    np.savez(
        tmp_path / "types.npz", format=np.array(1), ids=[1], labels=[0], probabilities=[[1.0]], names=[3], classes=[3]
    )
    np.save(tmp_path / "array.npy", np.arange(3))
    for name in ("half.npz", "text.npz", "empty.npz", "other.npz", "pickle.npz", "types.npz", "array.npy", "none.npz"):
        with pytest.raises(ConvscopeError, match=f"{name} must be a predictions file that convscope wrote"):
            Predictions.load(tmp_path / name)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", format=np.array(2))
    with pytest.raises(ConvscopeError, match=r"has format 2, and this version of convscope reads formats up to 1\."):
        Predictions.load(tmp_path / "p.npz")
