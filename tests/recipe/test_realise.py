"""From a recipe to network and data: what fits, what is filled in, what is said, and what weights are taken."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from convscope.data import store
from convscope.errors import ConvscopeError
from convscope.network.build import Network
from convscope.recipe import Recipe
from convscope.recipe.realise import IN_MEMORY, read_data, realise, take_weights


def recipe(network: str = "conv 3x3 4, relu, dense", data: str = "digits", **tables: Any) -> Recipe:
    return Recipe.model_validate({"data": data, "network": network, "train": {"epochs": 1}, **tables})


def test_words_become_numbers() -> None:
    made = realise(recipe())
    assert isinstance(made.network, Network)
    assert made.recipe.input.size == (8, 8)
    assert made.recipe.input.channels == 1
    assert made.recipe.input.mean == made.data.preprocess.mean
    assert made.recipe.train.loss == "cross-entropy"
    assert made.recipe.train.precision == "auto"  # the plan says which
    assert made.recipe.data_sha256 == made.data.sha256
    assert made.recipe.network == made.network.text
    assert realise(made.recipe).recipe == made.recipe
    assert made.notes == ()


def test_rbf_brings_its_own_loss() -> None:
    assert realise(recipe("dense 84, rbf 10")).recipe.train.loss == "rbf"
    assert realise(recipe("dense 84, rbf 10, identity")).recipe.train.loss == "cross-entropy"
    given = Recipe.model_validate({**recipe().model_dump(by_alias=True), "train": {"epochs": 1, "loss": "rbf"}})
    with pytest.raises(
        ConvscopeError, match=r"loss = 'rbf' takes minus .* This one ends in dense1\. Use loss = 'auto'"
    ):
        realise(given)


def test_the_first_layer_is_whitened_by_the_training_pictures() -> None:
    made = realise(recipe("conv 3x3 18 valid bias=no init=whiten, relu, dense"))
    assert isinstance(made.network, Network)
    x = made.data.preprocess.to_input(made.data.train.images)
    with torch.no_grad():
        maps = made.network(x, keep=["conv1"])[1]["conv1"].double().transpose(0, 1).flatten(1)
    spread = torch.cov(maps)[:9, :9].diagonal()
    assert spread[:5].sub(1).abs().max() < 0.1
    assert torch.equal(
        made.network.state_dict()["conv1.weight"], realise(made.recipe).network.state_dict()["conv1.weight"]
    )


def test_the_networks_own_input_is_the_pictures_size() -> None:
    made = realise(recipe("input 16x12x1, conv 3x3 4, relu, dense 10"))
    assert made.data.train.images.shape[1:] == (1, 16, 12)
    assert made.recipe.input.size == (16, 12)


def test_where_text_and_data_differ_the_data_counts_and_that_is_said() -> None:
    made = realise(recipe("input 16x12x3, classes 5, conv 3x3 4, relu, dense classes", input={"size": [8, 8]}))
    assert made.notes == (
        "the text says input 16x12x3; the pictures give 8x8x1, which is used",
        "the text says classes 5; the data has 10, which is used",
    )


def test_pictures_standardised_by_themselves_have_no_mean() -> None:
    made = realise(recipe(input={"per_picture": True}))
    assert (made.recipe.input.mean, made.recipe.input.std) == ((0.0,), (1.0,))


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (recipe(network=""), r"a recipe must name a network\. Give one: --net"),
        (recipe(data=""), r"a recipe must name its data\. Give a data set's name, a folder or a \.csv"),
        (recipe(data=IN_MEMORY), r"an image set in memory, which no file keeps\. Give it again in Python"),
        (recipe("conv 3x3 4, relu, dense 7"), r"7"),
    ],
)
def test_what_can_not_be_carried_out(made: Recipe, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=sentence):
        realise(made)


def test_paths_are_seen_from_the_base(tmp_path: Path) -> None:
    (tmp_path / "small.net").write_text("conv 3x3 4, relu, dense", encoding="utf-8")
    made = realise(recipe("small.net"), base=tmp_path)
    assert isinstance(made.network, Network)
    assert made.network.labels == ("conv1", "relu1", "dense1")
    with pytest.raises(ConvscopeError, match="nowhere"):
        read_data(recipe(data="nowhere"), tmp_path)


def network(text: str, seed: int) -> Network:
    return Network(text, input=(8, 8, 1), classes=10, seed=seed)


def test_weights_are_taken_where_name_and_shape_fit() -> None:
    old, new = network("conv 3x3 4, relu, dense", 1), network("conv 3x3 4, relu, conv 3x3 2, relu, dense", 2)
    fresh = new.state_dict()["dense1.weight"].clone()
    said = take_weights(new, old.state_dict(), "old")
    assert said == (
        "from old: 3 of 6 tensors taken; made anew: conv2.weight, conv2.bias, dense1.weight; not used: dense1.weight"
    )
    assert torch.equal(new.state_dict()["conv1.weight"], old.state_dict()["conv1.weight"])
    assert torch.equal(new.state_dict()["dense1.weight"], fresh)
    assert (
        take_weights(network("conv 3x3 4, relu, dense", 3), old.state_dict(), "old") == "from old: 4 of 4 tensors taken"
    )


def test_a_new_end_is_told_with_its_classes() -> None:
    old, new = network("conv 3x3 4, relu, dense", 1), network("conv 3x3 4, relu, dense", 2)
    said = take_weights(new, old.state_dict(), "old", others=4)
    assert said == "from old: 2 of 4 tensors taken; the last layer dense1 is new: 4 classes there, 10 here"
    assert take_weights(new, old.state_dict(), "old", others=10).endswith(
        "dense1 is new: its classes have other names here"
    )
    assert not torch.equal(new.state_dict()["dense1.weight"], old.state_dict()["dense1.weight"])


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ConvscopeError, match=r"None of the 4 tensors of old fits this network"):
        take_weights(
            network("conv 5x5 3, dense 7, dense", 0), network("conv 3x3 4, relu, dense", 1).state_dict(), "old"
        )


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (", softmax", "the network ends in softmax1, and the loss and predict take a softmax too"),
        (", relu", "the network ends in relu2, which limits the numbers that the loss takes"),
        (", last: sigmoid", "the network ends in last, which limits"),
        ("", ""),
    ],
)
def test_a_network_that_ends_in_what_the_loss_does_is_told(end: str, said: str) -> None:
    notes = " ".join(realise(recipe(f"conv 3x3 4, relu, gap, dense{end}")).notes)
    assert said in notes
    assert ("the network ends in" in notes) == bool(end)


def test_the_resolved_recipe_says_how_an_image_set_in_memory_is_preprocessed() -> None:
    data = store.load("digits")
    changed = data.preprocess.replace(
        crop_to=(6, 6), per_picture=True, mean=(), std=(), fit="crop", background=(1, 2, 3)
    )
    made = realise(recipe(data=IN_MEMORY), data=dataclasses.replace(data, preprocess=changed))
    found = made.recipe.input
    assert (found.size, found.crop_to, found.channels) == ((8, 8), (6, 6), 1)
    assert (found.per_picture, found.fit, found.background) == (True, "crop", (1, 2, 3))
