"""A score on pictures that a model has learned from is refused, left out or told of, whatever they are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope import api
from convscope.data.images import DataSet
from convscope.errors import ConvscopeError
from convscope.evaluate import seen
from convscope.run import Finished, Note

QUICK: dict[str, Any] = {"steps": 2, "network": "conv 3x3 2, relu, gap, dense"}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits with seed 1."""
    path = tmp_path_factory.mktemp("seen") / "one"
    api.train("digits", out=path, seed=1, **QUICK)
    return path


def digits(seed: int) -> DataSet:
    return api.data("digits", seed=seed)


def test_another_split_of_the_same_pictures_is_refused(learned: Path) -> None:
    classifier = api.load(learned)
    with pytest.raises(ConvscopeError, match=r"It was trained on \d+ of these 269"):
        api.evaluate(classifier, digits(0).test)
    assert api.evaluate(classifier, digits(0).test, seen=True).n == 269
    assert api.evaluate(classifier, digits(1).test).n == 269
    assert api.evaluate(classifier, digits(1).validation).n == 269
    with pytest.raises(ConvscopeError, match="It was trained on 1259 of these 1259"):
        api.evaluate(classifier, digits(1).train)


def test_what_nobody_knows_is_not_refused(learned: Path) -> None:
    unknown = replace(digits(0).test, hashes=None)
    assert api.evaluate(api.load(learned), unknown).n == 269


def test_a_head_start_on_the_test_pictures_is_refused(learned: Path, tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match=r"must not know the test pictures. .* was trained on \d+ of these 269"):
        api.train("digits", out=tmp_path / "two", seed=0, settings={"from": str(learned)}, **QUICK)
    assert not (tmp_path / "two").exists()
    run = api.train("digits", out=tmp_path / "three", seed=1, settings={"from": str(learned)}, **QUICK)
    assert run.test is not None


def test_a_model_without_its_run_is_told_of(learned: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((learned / "model.safetensors").read_bytes())
    records = api.train_records("digits", out=tmp_path / "run", settings={"from": str(alone)}, **QUICK)
    said = [record.text for record in records if isinstance(record, Note)]
    assert any("has learned from isn't known" in text for text in said)


def test_a_slice_is_known_in_the_whole(tmp_path: Path, learned: Path) -> None:
    small = tmp_path / "small"
    api.train("digits[:600]", out=small, **QUICK)
    said = api.evaluate_model(small, "digits")
    assert len(said.predictions) == 1797 - 510  # 600 less 15 % for the test
    assert any("510 of 1797 pictures were left out" in note for note in said.notes)
    assert said.look == 2  # the small run's own test pictures are among them
    assert len(api.evaluate_model(learned, "digits").predictions) == 269  # its own content: its own test split


def test_a_run_goes_on_with_the_pictures_it_was_begun_with(learned: Path) -> None:
    data, run = digits(1), api.Run(learned)
    same, note = seen.as_begun(data, run)
    assert note == ""
    assert same.train.names == data.train.names
    assert same.train.ids.tolist() == data.train.ids.tolist()
    moved = replace(data, train=data.train.subset([3, 1, 2, *range(4, 1259), 0]))
    assert seen.as_begun(moved, run)[0].train.names == data.train.names
    more = replace(data, train=replace(data.train, names=("new/picture", *data.train.names[1:])))
    with pytest.raises(ConvscopeError, match=r"1 of 1797 are gone: digits/\d+. Bring them back, or train anew"):
        seen.as_begun(more, run)


def test_new_pictures_are_left_out(learned: Path) -> None:
    data, run = digits(1), api.Run(learned)
    part = data.train
    joined = replace(
        part,
        images=np.concatenate([part.images[:1], part.images]),
        labels=np.concatenate([part.labels[:1], part.labels]),
        ids=np.arange(1260),
        names=("new/picture", *part.names),
        hashes=None,
    )
    same, note = seen.as_begun(replace(data, train=joined), run)
    assert note == "1 pictures have joined the data since the run was begun; they are left out here"
    assert same.train.names == part.names
    assert same.train.ids.tolist() == part.ids.tolist()


def test_the_time_of_a_resumed_run_is_all_of_it(tmp_path: Path) -> None:
    asked = iter([False] * 6 + [True] * 100)
    list(api.train_records("digits", out=tmp_path / "run", steps=12, network="dense", stop=lambda: next(asked)))
    before = [record for record in api.Run(tmp_path / "run").records if hasattr(record, "elapsed")][-1]
    after = [record for record in api.resume(tmp_path / "run") if isinstance(record, Finished)][-1]
    assert after.elapsed > before.elapsed
