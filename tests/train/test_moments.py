"""Snapshots: which moments stay, that they are whole and right, and that the training doesn't notice them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import convscope as cs
from convscope import files
from convscope.classifier import Classifier
from convscope.errors import ConvscopeError, RunFailed
from convscope.run import Note, Saved, Step, Stopped
from convscope.run.snapshots import Snapshot, file_name, snapshots_in, steps_in
from convscope.train import checkpoint
from convscope.train.loop import Loop
from convscope.train.moments import MOST, Moments
from train.small import carried_out, data_set, loop, network, of_kind, recipe, stop_after


def a_classifier() -> Classifier:
    data = data_set()
    return Classifier(network(data, "gap, dense"), data.preprocess, data.classes)


def kept_of(folder: Path, total: int, planned: int) -> list[int]:
    """The moments of a training of `total` steps that had been thought to take `planned`."""
    moments, classifier = Moments(folder, 0, planned), a_classifier()
    for step in range(total):
        if moments.due(step):
            assert moments.keep(classifier, step, step / 10, "trained") is None
    assert moments.keep(classifier, total, total / 10, "trained", last=True) is None
    return list(steps_in(folder))


@pytest.mark.parametrize("total", [1, 2, 30, 31, 32, 62, 63, 100, 310])
def test_at_most_32_evenly_apart(total: int, tmp_path: Path) -> None:
    kept = kept_of(tmp_path / "snapshots", total, total)
    assert (kept[0], kept[-1]) == (0, total)
    assert min(total + 1, MOST // 2) <= len(kept) <= MOST
    gaps = np.diff(kept)
    assert len(set(gaps[:-1])) <= 1
    assert gaps[-1] <= gaps[0]


@pytest.mark.parametrize(("total", "planned"), [(200, 10), (75, 1), (40, 4000)])
def test_a_training_that_takes_longer_than_planned(total: int, planned: int, tmp_path: Path) -> None:
    kept = kept_of(tmp_path / "snapshots", total, planned)
    assert (kept[0], kept[-1]) == (0, total)
    assert len(kept) <= MOST
    assert len(set(np.diff(kept)[:-1])) <= 1
    assert len(kept) >= MOST // 2 or planned > total


def weights(training: Loop) -> str:
    found = hashlib.sha256()
    for tensor in training.network.state_dict().values():
        found.update(tensor.numpy().tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_what_they_hold_and_that_training_does_not_change(ema: float, tmp_path: Path) -> None:
    made = {"epochs": 3, "ema": ema, "keep": "best"}
    plain = loop(recipe(made))
    before = carried_out(plain)
    folder = tmp_path / "snapshots"
    training = loop(recipe({**made, "snapshots": True}), snapshots=folder)
    first = {name: tensor.clone() for name, tensor in training.network.state_dict().items()}
    after, seen = [], {}
    for record in training.records():
        after.append(record)
        if isinstance(record, Step):
            now = training.average if training.average is not None else training.network
            seen[record.step] = {name: tensor.clone() for name, tensor in now.state_dict().items()}
    assert weights(training) == weights(plain)
    losses = [[step.loss for step in of_kind(records, Step)] for records in (before, after)]
    assert losses[0] == losses[1]
    kept = snapshots_in(folder)
    assert [snapshot.step for snapshot in kept] == list(range(16))
    assert [snapshot.epoch for snapshot in kept] == [step / 5 for step in range(16)]
    assert {snapshot.weights for snapshot in kept} == {"average" if ema else "trained"}
    for snapshot in kept:
        held = Classifier.load(snapshot.path).network.state_dict()
        for name, tensor in (seen[snapshot.step] if snapshot.step else first).items():
            assert torch.equal(held[name], tensor), (snapshot.step, name)


def bytes_of(folder: Path) -> dict[str, str]:
    return {path.name: files.sha256_file(path) for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("at", [0, 1, 7, 11, 40])
def test_a_training_that_was_stopped_goes_on_to_the_same_ones(at: int, tmp_path: Path) -> None:
    data, made = data_set(), recipe({"epochs": 9, "ema": 0.9, "snapshots": True})
    carried_out(loop(made, data, snapshots=tmp_path / "whole"))
    places: dict[str, Any] = {"checkpoints": tmp_path / "checkpoint", "snapshots": tmp_path / "part"}
    carried_out(loop(made, data, stop=stop_after(at), **places))
    saved = checkpoint.latest(places["checkpoints"])
    assert saved is not None
    training = loop(made, data, network(data, seed=9), **places)
    training.resume(saved)
    carried_out(training)
    assert bytes_of(tmp_path / "part") == bytes_of(tmp_path / "whole")


@pytest.mark.parametrize("at", [0, 1, 2, 20, 44])
def test_a_training_that_was_killed_goes_on_to_the_same_ones(at: int, tmp_path: Path) -> None:
    """Killed after step `at`: the newest checkpoint, of step 7, is older than the newest snapshot, or there is none."""
    data, made = data_set(), recipe({"epochs": 9, "snapshots": True})
    carried_out(loop(made, data, snapshots=tmp_path / "whole"))
    places: dict[str, Any] = {"checkpoints": tmp_path / "checkpoint", "snapshots": tmp_path / "part"}
    killed = loop(made, data, **places)
    for record in killed.records():
        if killed.step == 7 and isinstance(record, Step):
            assert len(of_kind(list(killed.save()), Saved)) == 1
        if killed.step >= at and isinstance(record, Step):
            break
    saved = checkpoint.latest(places["checkpoints"])
    assert (saved.step if saved else 0) == (7 if at > 7 else 0)
    training = loop(made, data, **places)
    if saved is not None:
        training.resume(saved)
    carried_out(training)
    assert bytes_of(tmp_path / "part") == bytes_of(tmp_path / "whole")


def test_thinning_is_not_undone_by_a_checkpoint_of_before_it(tmp_path: Path) -> None:
    folder, classifier = tmp_path / "snapshots", a_classifier()
    kept_of(folder, 40, 10)  # thinned to every second step on the way
    moments = Moments(folder, 12, 10)
    assert moments.every == 2
    assert list(steps_in(folder)) == list(range(0, 13, 2))
    for step in range(13, 40):
        if moments.due(step):
            moments.keep(classifier, step, 0.0, "trained")
    assert list(steps_in(folder)) == list(range(0, 40, 2))


def test_a_full_disk_is_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise RunFailed("No space left on device.")

    monkeypatch.setattr(files, "write_bytes", refuse)
    told = carried_out(loop(recipe({"steps": 2, "snapshots": True}), snapshots=tmp_path / "snapshots"))
    said = [note.text for note in of_kind(told, Note)]
    assert "no snapshot at step 1: No space left on device. The training goes on." in said
    assert of_kind(told, Stopped)[-1].reason == "epochs"


def test_a_run_lists_and_loads_them(tmp_path: Path) -> None:
    run = cs.train("digits", out=tmp_path / "r", quiet=True, network="conv 3x3 2, relu, gap, dense", steps=3,
                   snapshots=True)  # fmt: skip
    assert [(one.step, one.weights) for one in run.snapshots] == [(n, "trained") for n in range(4)]
    last = run.snapshots[-1]
    again = cs.load(last.path)
    assert again.classes == run.classifier.classes
    for name, tensor in run.classifier.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], tensor)
    assert cs.Run(tmp_path / "r").recipe["train"]["snapshots"] is True
    plain = cs.train("digits", out=tmp_path / "p", quiet=True, network="gap, dense", steps=1)
    assert plain.snapshots == []
    assert not plain.snapshots_path.exists()


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / file_name(3)
    path.write_bytes(b"x" * 40)
    with pytest.raises(
        ConvscopeError, match=r"a whole model file that a training kept. .*step-00000003.safetensors is"
    ):
        snapshots_in(tmp_path)
    a_classifier().save(path)  # a model, and no snapshot
    with pytest.raises(ConvscopeError, match="Remove the file"):
        snapshots_in(tmp_path)
    a_classifier().save(path, {"snapshot": {"step": 3, "epoch": 0.5, "weights": "trained"}, "format": 99})
    with pytest.raises(ConvscopeError, match="99"):
        snapshots_in(tmp_path)
    a_classifier().save(path, {"snapshot": {"step": 3, "epoch": 0.5, "weights": "trained"}})
    assert snapshots_in(tmp_path) == [Snapshot(3, 0.5, path, "trained")]


def test_one_that_is_thinned_out_while_they_are_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that looks while the training removes every second one."""
    path = tmp_path / file_name(3)
    a_classifier().save(path, {"snapshot": {"step": 3, "epoch": 0.5, "weights": "trained"}})
    gone = {2: tmp_path / file_name(2), 3: path}
    monkeypatch.setattr("convscope.run.snapshots.steps_in", lambda folder: gone)
    assert snapshots_in(tmp_path) == [Snapshot(3, 0.5, path, "trained")]
