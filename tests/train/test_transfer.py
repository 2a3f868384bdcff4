"""From published weights to a trained network: which recipe is meant, features, head, and how much thaws."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convscope import api, recipe, weights
from convscope.data.images import DataSet
from convscope.errors import ConvscopeError
from convscope.network.build import Network
from convscope.run import Epoch, Note, Record, Started, Stopped, Tested
from convscope.train import begin, freeze, published, transfer
from convscope.weights.find import entry_of
from convscope.weights.load import Trained, digest
from train.photographs import NAME, drawn, photographs
from train.small import CLASSES, data_set, loop, network
from train.small import recipe as small_recipe

AT_HAND = weights.at_hand
LIGHT = {"input.size": [32, 32]}


@pytest.fixture(scope="module")
def made() -> Trained:
    return drawn(NAME)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Weights of one network are at hand and no others; an empty working folder and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("CONVSCOPE_DATA", raising=False)
    monkeypatch.setattr(weights, "at_hand", lambda name: Path("here") if name == NAME else None)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch, made: Trained) -> None:
    monkeypatch.setattr(weights, "trained", lambda name, progress=None: replace(made, name=name))


def trained(word: Any, **settings: Any) -> list[Record]:
    return list(api.train_records(word, settings=settings, out="run"))


def notes_of(records: list[Record]) -> str:
    return "\n".join(record.text for record in records if isinstance(record, Note))


# ---- which recipe is meant -------------------------------------------------------------------------------------------


def recipe_of(word: str = "photos", network: Any = None, **settings: Any) -> tuple[recipe.Recipe, list[str]]:
    chosen, _, notes = begin.recipe_of(word, network, settings, Path())
    return chosen, notes


def test_photographs_start_from_weights_that_are_at_hand() -> None:
    photographs(Path("photos"))
    chosen, notes = recipe_of()
    assert chosen.from_ == NAME
    assert notes[0].startswith(f"from {NAME}: the pictures are photographs")
    assert "--from none" in notes[0]
    assert chosen.train.thaw == "none"
    assert chosen.input.channels == 3
    assert chosen.input.mean == entry_of(NAME).mean
    assert chosen.input.size is None  # what the budget allows, later
    assert recipe_of(budget="1m")[0].train.thaw == "auto"
    assert recipe_of(epochs=2)[0].train.thaw == "auto"
    assert recipe_of(lr=0.01)[0].optimizer.learning_rate == 0.01  # what is given stands


@pytest.mark.parametrize(
    "settings",
    [
        {"from": "none"},
        {"network": "conv 3x3 4, relu, gap, dense"},
        {"freeze": "conv1"},
        {"input.channels": 1},
    ],
)
def test_what_is_said_keeps_it_from_scratch(settings: dict[str, Any]) -> None:
    photographs(Path("photos"))
    chosen, notes = recipe_of(**settings)
    assert chosen.from_ == ""
    assert notes == []
    assert chosen.train.thaw == "auto"


@pytest.mark.parametrize("kind", ["small", "grey"])
def test_icons_and_grey_pictures_are_no_photographs(kind: str) -> None:
    photographs(Path("photos"), side=20 if kind == "small" else 32, grey=kind == "grey")
    assert recipe_of()[0].from_ == ""


def test_a_table_of_photographs_counts_and_a_known_data_set_does_not() -> None:
    photographs(Path("photos"))
    rows = [f"photos/{path.parent.name}/{path.name},{path.parent.name}" for path in Path("photos").rglob("*.png")]
    Path("table.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    assert recipe_of("table.csv")[0].from_ == NAME
    assert recipe_of("digits")[0].from_ == ""


def test_without_weights_at_hand_it_is_from_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    photographs(Path("photos"))
    monkeypatch.setattr(weights, "at_hand", lambda name: None)
    assert recipe_of()[0].from_ == ""


def test_the_network_is_the_weights_own() -> None:
    photographs(Path("photos"))
    chosen, _ = recipe_of(**{"from": "resnet18"})
    assert Network(chosen.network, input=(64, 64, 3), classes=2).sizes.classes == 2
    again, _ = recipe_of(network="resnet18", **{"from": "resnet18"})
    assert again == chosen
    Path("mine.toml").write_text(recipe.to_toml(chosen), encoding="utf-8")
    assert recipe_of("mine.toml")[0].network == chosen.network  # a resolved recipe names both


def test_of_a_recipe_of_another_network_the_data_is_taken() -> None:
    chosen, notes = recipe_of("mnist", **{"from": "resnet18"})
    assert (chosen.data, chosen.from_) == ("mnist", "resnet18")
    assert "of the recipe mnist the data alone is taken" in notes[0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"from": "resnet19"}, r"unknown trained weights 'resnet19', did you mean 'resnet1\d\d?'\? These exist: .*"),
        ({"from": "resnet18", "network": "dense"}, r"go into the network that they were trained in\. resnet18 is one"),
        ({"from": "resnet18", "channels": 1}, r"the weights of resnet18 take pictures of 3 channels\. Got channels"),
        ({"thaw": "all", "from": "none"}, r"Got thaw = 'all' and no weights: give some with --from"),
        ({"thaw": "../x"}, r"thaw must be 'auto', 'all', 'none' or a label of the network\. Got '\.\./x'\."),
    ],
)
def test_what_cannot_be_is_said(settings: dict[str, Any], sentence: str) -> None:
    photographs(Path("photos"))
    with pytest.raises(ConvscopeError, match=sentence):
        recipe_of(**settings)


def test_weights_do_not_go_into_ones_own_module() -> None:
    photographs(Path("photos"))
    with pytest.raises(ConvscopeError, match=r"the weights of resnet18 go into the zoo's network\. Got one's own mod"):
        recipe_of(network=torch.nn.Linear(1, 1), **{"from": "resnet18"})


def test_weights_that_are_not_there_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    photographs(Path("photos"))

    def gone(name: str, progress: object = None) -> Trained:
        raise ConvscopeError(f"the weights of {name} are not on this machine")

    monkeypatch.setattr(weights, "trained", gone)
    with pytest.raises(ConvscopeError, match="the weights of resnet18 are not on this machine"):
        trained("photos", **{"from": "resnet18"})
    assert not Path("run").exists()


def test_dense_layers_behind_maps_are_made_for_one_size() -> None:
    network = Network("conv 3x3 4, dense 5, relu, dense", input=(8, 8, 3), classes=2)
    other = Network("conv 3x3 4, dense 5, relu, dense", input=(6, 6, 3), classes=2)
    given = replace(drawn_small(network), size=(8, 8))
    with pytest.raises(ConvscopeError, match=r"dense1\.weight is \[5, 256\] there and \[5, 144\] here.* 8 x 8\. Leave"):
        published.fill(other, given, ("a", "b"))
    assert not published.of_any_size(network)
    assert published.of_any_size(Network("conv 3x3 4, gap, dense", input=(8, 8, 3), classes=2))


def drawn_small(network: Network) -> Trained:
    tensors = network.state_dict()
    return Trained(
        name="small", source="", tensors=tensors, mean=(0.5,) * 3, std=(0.5,) * 3, size=(8, 8), fit="crop", resize=8,
        classes=("x", "y", "z"), sha256=digest(tensors), path=Path(),
    )  # fmt: skip


def test_a_budget_chooses_the_size(made: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    photographs(Path("photos"), each=50)
    monkeypatch.setattr(published, "_forward_seconds", lambda network, side, device: side**2 * 1e-6)

    def side(**settings: Any) -> tuple[int, str]:
        chosen, note = published.sized(recipe_of(**settings)[0], made, Path(), torch.device("cpu"))
        assert chosen.input.size is not None
        return chosen.input.size[0], note

    # 85 pictures of 224 x 224 take 4.3 s, of 128 x 128 1.4 s
    assert side(budget="40s")[0] == 224
    chosen, note = side(budget="12s")
    assert chosen == 128
    assert "128 x 128: the features of 85 then take about 1 s of the budget of 12 s; at 224 x 224 4 s" in note
    assert side(budget="1s")[0] == 96  # the smallest, though it takes more
    assert side(budget="6s", thaw="none")[0] == 224  # nothing else is to follow
    assert side(budget="1s", **{"input.size": [64, 64]}) == (64, "")
    assert side() == (224, "")


def test_without_a_budget_it_is_said_how_long_many_pictures_take(
    made: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs(Path("photos"), each=50)
    chosen = recipe_of()[0]
    monkeypatch.setattr(published, "_FEW", 10)
    monkeypatch.setattr(published, "_forward_seconds", lambda network, side, device: side**2 * 5e-5)
    chosen, note = published.sized(chosen, made, Path(), torch.device("cpu"))
    assert chosen.input.size == (224, 224)
    # 100 pictures of 0.05 mega-pixels
    assert "as 224 x 224, as the weights learned: one look at all 100" in note
    assert "takes about 4 min; at 96 x 96 0.8 min: --input 96" in note
    monkeypatch.setattr(published, "_forward_seconds", lambda network, side, device: side**2 * 1e-6)
    assert published.sized(recipe_of()[0], made, Path(), torch.device("cpu"))[1] == ""


def test_the_seconds_of_features_are_theirs_alone() -> None:
    records = transfer.records(loop(small_recipe({"epochs": 1, "thaw": "none"})), "w", spent=1000.0)
    said = next(r.text for r in records if isinstance(r, Note) and "computed in" in r.text)
    assert float(said.partition("computed in ")[2].split()[0]) < 100


# ---- what thaws ------------------------------------------------------------------------------------------------------


def test_thaw_leaves_what_comes_before_its_label() -> None:
    network = Network("stem: conv 3x3 4, s2: (conv 3x3 4, bn, relu), gap, dense", input=(6, 6, 1), classes=3)
    assert freeze.before(network, "all") == freeze.before(network, "auto") == {}
    assert set(freeze.before(network, "s2")) == {"stem.weight", "stem.bias"}
    assert "s2.conv1.weight" in freeze.before(network, "s2.bn1")
    assert set(freeze.before(network, "s2.relu1")) == set(freeze.before(network, "none"))
    left = {name for name, _ in network.named_parameters()} - set(freeze.before(network, "none"))
    assert left == {"dense1.weight", "dense1.bias"}
    assert set(freeze.before(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)), "none")) == {
        "0.weight", "0.bias",
    }  # fmt: skip
    with pytest.raises(ConvscopeError, match=r"unknown label in thaw 's3'\. These exist: all, dense1, none, s2, "):
        freeze.before(network, "s3")
    ends = Network("conv 3x3 3, gap, identity", input=(6, 6, 1), classes=3)
    with pytest.raises(ConvscopeError, match=r"thaw must leave something to learn\. Nothing from gap1 on does"):
        freeze.before(ends, "gap1")


def test_statistics_stand_still_where_weights_thaw() -> None:
    made_of = loop(small_recipe({"steps": 2, "thaw": "conv2"}))
    before = made_of.network.state_dict()["bn1.running_mean"].clone()
    kept = made_of.network.state_dict()["conv1.weight"].clone()
    list(made_of.records())
    assert torch.equal(made_of.network.state_dict()["bn1.running_mean"], before)
    assert torch.equal(made_of.network.state_dict()["conv1.weight"], kept)
    free = loop(small_recipe({"steps": 2}))
    list(free.records())
    assert not torch.equal(free.network.state_dict()["bn1.running_mean"], before)


def test_parts_are_scopes_and_learning_layers() -> None:
    network = Network(
        "conv 3x3 4, relu, s2: (conv 3x3 4, bn, relu), s3: 2 * (add(conv 3x3 4 | identity), relu), gap, dense",
        input=(6, 6, 1), classes=3,
    )  # fmt: skip
    assert transfer.parts(network) == {"conv1": "", "s2": "relu1", "s3": "s2.relu1"}


@pytest.mark.parametrize(("left", "label"), [(100.0, "all"), (25.0, "s2"), (13.0, "s3"), (9.0, "none"), (-1.0, "none")])
def test_the_rest_of_a_budget_says_what_thaws(left: float, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made_of = loop(small_recipe({"budget": 120.0}))
    made_of.elapsed = 120.0 - left
    monkeypatch.setattr(transfer, "_seconds_an_epoch", lambda loop: ({"all": 29.0, "s2": 11.0, "s3": 5.0}, 1.0))
    chosen, why = transfer._affordable(made_of)
    assert chosen == label
    assert f"{max(left, 0):.0f} s of the budget are left" in why


def test_a_pass_is_measured_from_each_part() -> None:
    data = data_set()
    made_of = loop(small_recipe({"budget": 60.0}), data, network(data))
    each, look = transfer._seconds_an_epoch(made_of)
    assert list(each) == ["all", "bn1", "conv2"]
    assert all(seconds > 0 for seconds in [*each.values(), look])


# ---- the whole way ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("light")
def test_the_head_alone() -> None:
    photographs(Path("photos"))
    records = trained("photos", **LIGHT)
    assert isinstance(records[0], Note)  # which weights, why, and how to have it otherwise, before anything is read
    assert records[0].text.startswith(f"from {NAME}")
    epochs = [record for record in records if isinstance(record, Epoch)]
    assert [epoch.epoch for epoch in epochs] == [0]
    stopped = next(record for record in records if isinstance(record, Stopped))
    assert (stopped.reason, stopped.step) == ("the head alone", 0)
    assert "1280 features a picture, as they reach dense1" in notes_of(records)
    tested = next(record for record in records if isinstance(record, Tested))
    assert tested.k == tested.n  # two colours
    run = api.Run("run")
    assert run.records[0] == records[0]  # the log has it too
    assert run.recipe["train"]["thaw"] == "none"
    assert run.recipe["input"]["size"] == [32, 32]
    assert run.recipe["from_sha256"]
    assert run.validation == (epochs[0].validation_k, epochs[0].validation_n)
    assert "<html" in run.report_path.read_text(encoding="utf-8")
    again = api.load("run").network.state_dict()
    assert torch.equal(again["stem.conv1.weight"], weights.trained(NAME).tensors["stem.conv1.weight"])


@pytest.mark.usefixtures("light")
def test_a_second_training_computes_no_features() -> None:
    photographs(Path("photos"))
    trained("photos", **LIGHT)
    said = notes_of(trained("photos", **LIGHT))
    assert "those of 20 were kept from before" in said
    assert "computed" not in said


@pytest.mark.usefixtures("light")
def test_passes_thaw_the_body() -> None:
    photographs(Path("photos"))
    records = trained("photos", epochs=1, thaw="stage7", **LIGHT, batch_size=8)
    epochs = [record.epoch for record in records if isinstance(record, Epoch)]
    assert epochs == [0, 1]
    run = api.Run("run")
    own, before = run.classifier.network.state_dict(), weights.trained(NAME).tensors
    assert torch.equal(own["stage6.conv1.weight"], before["stage6.conv1.weight"])
    assert torch.equal(own["stage7.bn1.running_mean"], before["stage7.bn1.running_mean"])


@pytest.mark.usefixtures("light")
def test_it_never_ends_worse_than_the_head() -> None:
    photographs(Path("photos"))
    records = trained("photos", steps=1, learning_rate=5.0, **LIGHT, **{"schedule.warmup": 0.0})
    first, last = (record for record in records if isinstance(record, Epoch))
    assert first.validation_loss is not None
    assert last.validation_loss is not None
    assert last.validation_loss > first.validation_loss  # such a step ruins it
    assert "the weights before the body thawed are kept" in notes_of(records)
    own = api.Run("run").classifier.network.state_dict()
    assert torch.equal(own["stem.conv1.weight"], weights.trained(NAME).tensors["stem.conv1.weight"])
    assert api.Run("run").validation == (first.validation_k, first.validation_n)


@pytest.mark.usefixtures("light")
def test_what_is_resolved_stands_in_the_recipe() -> None:
    photographs(Path("photos"))
    trained("photos", steps=1, **LIGHT)
    own = api.Run("run").recipe
    assert own["train"]["thaw"] == "all"
    records = list(api.train_records("run/recipe.toml", out="again"))
    assert isinstance(records[0], Started)  # the file names its weights: there is nothing to explain
    assert api.Run("again").recipe["network"] == own["network"]


@pytest.mark.usefixtures("light")
def test_a_run_that_is_stopped_in_its_features_begins_anew() -> None:
    photographs(Path("photos"))
    records = list(api.train_records("photos", settings=LIGHT, out="run", stop=lambda: True))
    assert isinstance(records[-1], Stopped)
    assert records[-1].reason == "interrupted"
    rest = list(api.resume("run"))
    assert "the training begins anew" in notes_of(rest)
    assert isinstance(next(record for record in rest if isinstance(record, Tested)), Tested)


@pytest.mark.usefixtures("light")
def test_a_run_that_is_stopped_in_its_loop_goes_on_with_the_same_bits() -> None:
    photographs(Path("photos"))
    settings = {**LIGHT, "steps": 4, "batch_size": 8, "thaw": "stage7"}
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2  # the features are kept from the other one: two steps

    list(api.train_records("photos", settings=settings, out="whole"))
    list(api.train_records("photos", settings=settings, out="parted", stop=stop))
    resumed = list(api.resume("parted"))
    assert "going on from step 2" in notes_of(resumed)
    whole, parted = (api.load(name).network.state_dict() for name in ("whole", "parted"))
    assert all(torch.equal(whole[name], parted[name]) for name in whole)


@pytest.mark.usefixtures("light")
def test_grey_pictures_are_repeated() -> None:
    photographs(Path("photos"), grey=True)
    records = trained("photos", **LIGHT, **{"from": NAME})
    assert f"the pictures are grey, and {NAME} has learned from colour: grey is repeated" in notes_of(records)
    assert not isinstance(records[0], Note)


@pytest.mark.usefixtures("light")
def test_an_image_set_in_memory() -> None:
    data = data_set(size=32, channels=3)
    records = trained(data, **{"from": NAME})
    assert any(isinstance(record, Tested) for record in records)
    assert api.Run("run").recipe["input"]["mean"] == list(entry_of(NAME).mean)
    with pytest.raises(ConvscopeError, match=r"take pictures of 3 channels\. The image set has 1: read it with"):
        trained(data_set(size=32), **{"from": NAME})


def test_the_time_of_features_counts_and_a_step_is_measured_without_it() -> None:
    data: DataSet = data_set()
    made_of = loop(small_recipe({"budget": 60.0}), data)
    made_of.prelude = made_of.elapsed = 50.0
    steps: Iterator[Record] = (record for record in made_of.records() if not isinstance(record, Note))
    records = [next(steps) for _ in range(6)]
    last = records[-1]
    assert getattr(last, "elapsed", 0.0) >= 50.0
    assert getattr(last, "left", 9e9) < 2000  # 1000 steps of some milliseconds, and not of 50 s / 4
    assert CLASSES


# ---- real weights ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_real_weights_tell_strokes_from_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "at_hand", AT_HAND)
    if weights.at_hand(NAME) is None:
        pytest.skip(f"the weights of {NAME} are not on this machine")
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    root = Path("shapes")
    for name in ("rings", "strokes"):
        (root / name).mkdir(parents=True)
        for number in range(20):
            cy, cx, r = generator.uniform(16, 32, 2).tolist() + [float(generator.uniform(8, 14))]  # noqa: RUF005
            far = np.hypot(y - cy, x - cx) if name == "rings" else np.abs((y - cy) * r / 14 + (x - cx))
            shape = np.abs(far - (r if name == "rings" else 0)) < 3
            picture = generator.integers(0, 90, (48, 48, 3), dtype=np.uint8)
            picture[shape] += 140
            Image.fromarray(picture).save(root / name / f"{number}.png")
    records = trained(str(root), **{"from": NAME, "input.size": [96, 96]})
    tested = next(record for record in records if isinstance(record, Tested))
    assert tested.k == tested.n, json.dumps([record.text for record in records if isinstance(record, Note)])
