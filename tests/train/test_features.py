"""Features: what reaches a layer, computed once for each picture's content and kept on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from convscope import files
from convscope.data.images import DataSet, ImageSet
from convscope.errors import RunFailed
from convscope.network.build import Network
from convscope.train import features as room
from convscope.train.features import Features, Place, features
from train.small import data_set, network


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data() -> DataSet:
    return data_set(train=70)


@pytest.fixture
def body(data: DataSet) -> Network:
    return network(data)


def place_of(body: Network, data: DataSet, weights: str = "w") -> Place:
    return Place.of(body, "dropout1", data.preprocess, weights, data.sha256)


def found(body: Network, images: ImageSet, data: DataSet, weights: str = "w") -> Features:
    return features(body, "dropout1", images, data.preprocess, place_of(body, data, weights))


def test_they_are_what_the_network_has_there(body: Network, data: DataSet) -> None:
    made = found(body, data.train, data)
    assert made.values.dtype == np.float16
    assert made.computed == len(made.values) == 70
    body.eval()
    with torch.inference_mode():
        kept = body(data.preprocess.to_input(data.train.images), keep=["dropout1"])[1]["dropout1"]
    np.testing.assert_allclose(made.values, kept.numpy(), rtol=1e-3, atol=1e-3)
    assert (made.values != 0).any()


def test_the_network_is_left_in_its_mode(body: Network, data: DataSet) -> None:
    body.train()
    before = body.state_dict()["bn1.running_mean"].clone()
    found(body, data.train, data)
    assert body.training
    assert torch.equal(body.state_dict()["bn1.running_mean"], before)


def test_a_second_time_nothing_is_computed(body: Network, data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    first = found(body, data.train, data)
    monkeypatch.setattr(room, "_computed", None)  # calling it would fail
    again = found(body, data.train, data)
    assert again.computed == 0
    assert np.array_equal(again.values, first.values)
    backwards = data.train.subset(np.arange(69, -1, -1))  # another split has other rows in another order
    assert np.array_equal(found(body, backwards, data).values, first.values[::-1])


def test_no_picture_depends_on_those_beside_it(body: Network, data: DataSet) -> None:
    whole = found(body, data.train, data)
    few = found(body, data.train.subset(np.arange(33)), data, weights="others")
    assert np.array_equal(few.values, whole.values[:33])  # the last of them stood alone in its batch


def test_what_joins_is_computed_alone(body: Network, data: DataSet) -> None:
    found(body, data.train.subset(np.arange(50)), data)
    both = found(body, data.train, data)
    assert both.computed == 20
    assert found(body, data.train, data).computed == 0
    fresh = found(body, data.train, data, weights="others")
    assert np.array_equal(both.values, fresh.values)
    assert len(list(place_of(body, data).folder.glob("*.npy"))) == 2  # the smaller files are gone


def test_pictures_of_the_same_content_are_computed_once(body: Network, data: DataSet) -> None:
    twice = data.train.subset(np.array([3, 5, 3]))
    made = found(body, twice, data)
    assert made.computed == 2
    assert np.array_equal(made.values[0], made.values[2])
    hashes = np.zeros((3, 16), np.uint8)
    hashes[1] = 1
    known = found(body, replace(twice, hashes=hashes), data, weights="by hash")
    assert known.computed == 2


@pytest.mark.parametrize("what", ["weights", "layer", "data", "preprocess", "network"])
def test_whatever_they_hang_on_has_a_place_of_its_own(body: Network, data: DataSet, what: str) -> None:
    other = network(data, "conv 3x3 4 bias=no, bn, relu, maxpool 2, conv 2x2 4, relu, dropout 0.2, dense")
    given = {
        "network": body,
        "layer": "dropout1",
        "preprocess": data.preprocess,
        "weights": "w",
        "data": data.sha256,
    }
    changed = {
        "network": other,
        "layer": "relu1",
        "preprocess": data.preprocess.replace(mean=(0.4,)),
        "weights": "v",
        "data": "others",
    }
    one = Place.of(**given)  # type: ignore[arg-type]
    assert Place.of(**given).folder == one.folder  # type: ignore[arg-type]
    assert Place.of(**{**given, what: changed[what]}).folder != one.folder  # type: ignore[arg-type]


def test_what_was_computed_before_a_stop_is_kept(body: Network, data: DataSet) -> None:
    asked: list[int] = []
    told: list[tuple[str, int, int]] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2

    half = features(
        body, "dropout1", data.train, data.preprocess, place_of(body, data), stop=stop,
        progress=lambda *words: told.append(words),
    )  # fmt: skip
    assert not half.whole
    assert told == [("features", 32, 70), ("features", 64, 70)]
    rest = found(body, data.train, data)
    assert rest.whole
    assert rest.computed == 70 - 64


def test_a_progress_that_raises_keeps_them_too(body: Network, data: DataSet) -> None:
    def progress(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features(body, "dropout1", data.train, data.preprocess, place_of(body, data), progress=progress)
    assert found(body, data.train, data).computed == 70 - 32


@pytest.mark.parametrize("harm", ["meta", "values", "pictures", "gone"])
def test_what_is_damaged_is_made_again(body: Network, data: DataSet, harm: str) -> None:
    first = found(body, data.train, data)
    folder = place_of(body, data).folder
    if harm == "meta":
        (folder / "features.json").write_text("{}", encoding="utf-8")
    elif harm == "gone":
        next(folder.glob("values-*.npy")).unlink()
    else:
        path = next(folder.glob(f"{harm}-*.npy"))
        path.write_bytes(path.read_bytes()[:100])
    again = found(body, data.train, data)
    assert again.computed == 70
    assert np.array_equal(again.values, first.values)


def test_a_full_disk_costs_the_cache_alone(body: Network, data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object) -> None:
        raise RunFailed("the disk is full")

    monkeypatch.setattr(files, "large_array", refuse)
    made = found(body, data.train, data)
    assert len(made.values) == 70
    assert made.note == "the features are not kept for a next training: the disk is full"


def test_features_that_are_not_finite_are_refused(body: Network, data: DataSet) -> None:
    with torch.no_grad():
        body.state_dict()["conv2.bias"].fill_(float("inf"))
    with pytest.raises(RunFailed, match=r"features must be finite. What leaves dropout1 isn't"):
        found(body, data.train, data)


def test_as_many_other_pictures_are_written_under_other_names(body: Network, data: DataSet) -> None:
    place, written = place_of(body, data), []
    for key in (b"a" * 16, b"b" * 16):  # two trainings at once: neither may put its values beside the other's pictures
        assert room._keep(place, [key], np.zeros((1, 2), np.float16)) == ""
        written.append(files.read_json(place.folder / "features.json")["values"])
    assert len(set(written)) == 2


def test_a_changed_byte_is_found(body: Network, data: DataSet) -> None:
    first = found(body, data.train, data)
    path = next(place_of(body, data).folder.glob("values-*.npy"))
    damaged = bytearray(path.read_bytes())
    damaged[-20] ^= 0x7F
    path.write_bytes(bytes(damaged))
    again = found(body, data.train, data)
    assert again.computed == 70
    assert np.array_equal(again.values, first.values)
