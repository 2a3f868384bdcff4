"""From a recipe to network and data, and the resolved recipe that a run keeps."""

from __future__ import annotations

import dataclasses

from convscope import recipe
from convscope.data import store
from convscope.data.images import DataSet
from convscope.recipe.realise import IN_MEMORY, realise


def small(**preprocess: object) -> DataSet:
    """The digits as an image set in memory, with another preprocessing than a recipe's defaults."""
    data = store.load("digits")
    return dataclasses.replace(data, preprocess=data.preprocess.replace(**preprocess))


def resolved(data: DataSet) -> recipe.Recipe:
    text = f'data = "{IN_MEMORY}"\nnetwork = "conv 3x3 4, relu, gap, dense"\n[train]\nepochs = 1\n'
    return realise(recipe.parse(text), data=data).recipe


def test_the_resolved_recipe_says_how_an_image_set_in_memory_is_preprocessed() -> None:
    data = small(crop_to=(6, 6), per_picture=True, mean=(), std=(), fit="crop", background=(1, 2, 3))
    found = resolved(data).input
    assert (found.size, found.crop_to, found.channels) == ((8, 8), (6, 6), 1)
    assert (found.per_picture, found.fit, found.background) == (True, "crop", (1, 2, 3))
    again = recipe.parse(recipe.to_toml(resolved(data))).input
    assert again == found


def test_the_resolved_recipe_holds_numbers_for_words() -> None:
    data = store.load("digits")
    found = resolved(data)
    assert found.input.mean == data.preprocess.mean
    assert found.input.std == data.preprocess.std
    assert (found.train.loss, found.train.precision) == ("cross-entropy", "float32")
    assert found.data_sha256 == data.sha256
