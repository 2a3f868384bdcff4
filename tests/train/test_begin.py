"""Which recipe is meant where the user brings another network or another optimizer than the recipe's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from convscope import recipe
from convscope.recipe import OptimizerSettings, Recipe, usual
from convscope.train import begin

NET = "conv 3x3 4, relu, gap, dense"
MUON = [name for name, path in recipe.bundled().items() if recipe.load(path).optimizer.name == "muon"]
ADAMW = OptimizerSettings(name="adamw", learning_rate=3e-3, weight_decay=0.05)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)


def recipe_of(word: str, network: Any = None, **settings: Any) -> tuple[Recipe, list[str]]:
    chosen, _, notes = begin.recipe_of(word, network, settings, Path())
    return chosen, notes


def test_the_folders_own_network_is_made_for_its_pictures() -> None:
    chosen, notes = recipe_of("photos", **{"from": "none"})
    bundled = recipe.load(recipe.bundled()["folder"])
    assert chosen == bundled.model_copy(update={"data": str(Path("photos").resolve())})
    assert chosen.network == usual.AUTO
    assert notes == []
    assert recipe_of("photos", usual.AUTO)[0] == chosen
    assert recipe_of("photos", network="auto")[0] == chosen


@pytest.mark.parametrize("word", ["photos", "folder", *MUON])
def test_another_network_is_given_an_optimizer_that_suits_any(word: str) -> None:
    chosen, notes = recipe_of(word, NET)
    bundled = recipe.load(recipe.bundled().get(word, recipe.bundled()["folder"]))
    assert chosen.optimizer == ADAMW
    assert (chosen.train.batch_size, chosen.train.freeze, chosen.train.label_smoothing) == (64, (), 0.1)
    assert (chosen.schedule.warmup, chosen.schedule.shape) == (0.25, "cosine")
    assert chosen.network == NET
    assert (chosen.train.epochs, chosen.augment, chosen.split) == (
        bundled.train.epochs, bundled.augment, bundled.split
    )  # fmt: skip
    said = (
        f"of the recipe {word} the data, its augmentation and the length are taken; the optimizer is the usual one for "
        "any network, since the recipe's was chosen for its own"
    )
    assert notes == ([] if word in ("photos", "folder") else [said])
    assert recipe_of(word, network=NET)[0] == chosen
    module, _ = recipe_of(word, nn.Linear(4, 2))
    assert module.optimizer == ADAMW


def test_what_is_given_stands_beside_another_network() -> None:
    chosen, _ = recipe_of("mnist", NET, **{"optimizer.learning_rate": 0.01, "batch_size": 32})
    assert chosen.optimizer == ADAMW.model_copy(update={"learning_rate": 0.01})
    assert chosen.train.batch_size == 32


def test_a_recipe_that_suits_any_network_stays_as_it_is() -> None:
    chosen, notes = recipe_of("lenet5", NET)
    bundled = recipe.load(recipe.bundled()["lenet5"])
    assert chosen == bundled.model_copy(update={"network": NET})
    assert notes == ["the settings are those of the recipe lenet5, which were chosen for another network"]


def test_ones_own_recipe_file_is_taken_at_its_word() -> None:
    text = recipe.to_toml(recipe.load(recipe.bundled()["mnist-short"]))
    Path("mine.toml").write_text(text, encoding="utf-8")
    assert recipe_of("mine.toml", NET)[0].optimizer.name == "muon"


@pytest.mark.parametrize(("name", "rate"), [("adam", 0.001), ("adamw", 0.001), ("sgd", 0.05)])
@pytest.mark.parametrize("word", MUON)
def test_another_optimizer_has_its_own_rate(word: str, name: str, rate: float) -> None:
    chosen, _ = recipe_of(word, **{"optimizer.name": name})
    assert chosen.optimizer == OptimizerSettings.model_validate({"name": name, "learning_rate": rate})
    bundled = recipe.load(recipe.bundled()[word])
    assert chosen.model_copy(update={"optimizer": bundled.optimizer}) == bundled
    given, _ = recipe_of(word, **{"optimizer.name": name, "learning_rate": 0.02})
    assert given.optimizer.learning_rate == 0.02


def test_the_same_optimizer_keeps_the_recipes_rate() -> None:
    assert recipe_of("mnist", **{"optimizer.name": "muon"}) == recipe_of("mnist")


def test_weight_decay_stays_unless_it_means_something_else() -> None:
    Path("mine.toml").write_text("[train]\nepochs = 1\n[optimizer]\nweight_decay = 0.002", encoding="utf-8")
    assert recipe_of("mine.toml", **{"optimizer.name": "adam"})[0].optimizer.weight_decay == 0.002
    assert recipe_of("mine.toml", **{"optimizer.name": "adamw"})[0].optimizer.weight_decay == 0
    assert recipe_of("photos", NET, **{"optimizer.name": "sgd"})[0].optimizer.weight_decay == 0


def test_the_plain_name_of_data_means_the_recipe_of_middle_length() -> None:
    assert recipe_of("mnist") == recipe_of("mnist-medium")
    chosen, notes = recipe_of("cifar10-jpeg")
    assert chosen == recipe_of("cifar10-medium")[0].model_copy(update={"data": "cifar10-jpeg"})
    assert notes == []


def test_a_models_own_network_is_another_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(begin, "_as_source", lambda chosen: chosen.model_copy(update={"network": NET}))
    (tmp_path / "model").mkdir()
    chosen, _ = recipe_of("photos", **{"from": "model"})
    assert chosen.optimizer == ADAMW
    assert chosen.train.freeze == ()


def test_another_network_sees_as_many_pictures_as_the_recipes_own_steps() -> None:
    own = recipe.load(recipe.bundled()["mnist-short"]).train
    assert own.steps is not None
    chosen, _ = recipe_of("mnist-short", NET)
    assert chosen.train.steps is not None
    assert 0 <= chosen.train.steps * chosen.train.batch_size - own.steps * own.batch_size < chosen.train.batch_size
