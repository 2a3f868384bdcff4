"""`--set`: which key a word means, how its value is read, and what is answered where neither is clear."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from convscope.errors import ConvscopeError
from convscope.recipe import Recipe, parse, with_settings


@pytest.fixture
def recipe() -> Recipe:
    return parse('data = "mnist"\n[train]\nepochs = 3\n[optimizer]\nlearning_rate = 0.1\n[augment]\ncrop = 2')


def value(recipe: Recipe, place: str) -> Any:
    found: Any = recipe
    for part in place.split("."):
        found = getattr(found, "from_" if part == "from" else part)
    return found


@pytest.mark.parametrize(
    ("word", "given", "place", "read"),
    [
        ("optimizer.learning_rate", "0.01", "optimizer.learning_rate", 0.01),
        ("learning_rate", "1e-2", "optimizer.learning_rate", 0.01),
        ("learning_rate", ".01", "optimizer.learning_rate", 0.01),
        ("learning_rate", 0.01, "optimizer.learning_rate", 0.01),
        ("seed", "7", "seed", 7),
        ("data", "7", "data", "7"),
        ("network", "conv 3x3 8, dense", "network", "conv 3x3 8, dense"),
        ("from", "lenet5", "from", "lenet5"),
        ("batch_size", "64", "train.batch_size", 64),
        ("flip", "true", "augment.flip", True),
        ("flip", "yes", "augment.flip", True),
        ("flip", "alternating", "augment.flip", "alternating"),
        ("nesterov", "False", "optimizer.nesterov", False),
        ("size", "[28, 32]", "input.size", (28, 32)),
        ("size", "28x32", "input.size", (28, 32)),
        ("size", [28, 32], "input.size", (28, 32)),
        ("contrast", "[0.2, 1.8]", "augment.contrast", (0.2, 1.8)),
        ("schedule.name", "cosine", "schedule.name", "cosine"),
        ("freeze", "conv1, conv2.bias@3", "train.freeze", ("conv1", "conv2.bias@3")),
        ("freeze", '["conv1"]', "train.freeze", ("conv1",)),
        ("channels", "3", "input.channels", 3),
        ("budget", "90", "train.budget", 90),
        ("budget", "2m", "train.budget", 120),
        ("steps", "300", "train.steps", 300),
    ],
)
def test_set(recipe: Recipe, word: str, given: Any, place: str, read: Any) -> None:
    changed = with_settings(recipe, {word: given})
    assert value(changed, place) == read
    assert changed.augment.crop == 2


@pytest.mark.parametrize(("word", "given"), [("steps", "300"), ("budget", "2m"), ("epochs", "5")])
def test_one_length_replaces_the_others(recipe: Recipe, word: str, given: str) -> None:
    train = with_settings(recipe, {word: given}).train
    assert [name for name in ("epochs", "steps", "budget") if getattr(train, name) is not None] == [word]


def test_several_at_once_and_nothing(recipe: Recipe) -> None:
    changed = with_settings(recipe, {"mean": "[0.5]", "std": "[0.5]", "optimizer.name": "adam"})
    assert (changed.input.mean, changed.input.std, changed.optimizer.name) == ((0.5,), (0.5,), "adam")
    assert changed.optimizer.learning_rate == 0.1
    assert with_settings(recipe, {}) == recipe


def test_a_default_that_hangs_on_the_name_follows_it() -> None:
    plain = parse("[train]\nepochs = 3")
    assert with_settings(plain, {"optimizer.name": "adam"}).optimizer.learning_rate == 1e-3


def test_paths_are_relative_to_the_working_folder(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert with_settings(recipe, {"data": "photos"}, tmp_path).data == str((tmp_path / "photos").resolve())
    assert with_settings(recipe, {"data": "digits"}, tmp_path).data == "digits"


@pytest.mark.parametrize(
    ("word", "given", "sentence"),
    [
        ("name", "adam", "the key 'name' stands in several tables. Write optimizer.name or schedule.name."),
        ("schedule", "cosine", "schedule is a table of a recipe. Set one of its keys: schedule.name, schedule.warmup,"),
        ("learning_rat", "1", "unknown key 'learning_rat', did you mean 'learning_rate'? These exist:"),
        ("lr", "1", "unknown key 'lr'. It is called 'optimizer.learning_rate' here."),
        ("net", "x", "unknown key 'net'. It is called 'network' here."),
        ("optimizer.lr", "1", "unknown key 'lr' in [optimizer], did you mean 'learning_rate'?"),
        ("train.crop", "1", "key 'crop' belongs to [augment], not to [train]."),
        ("optim.learning_rate", "1", "unknown table 'optim' in 'optim.learning_rate'. These exist: split, input,"),
        ("format", "2", "format is what a file states of itself, and can't be set. Leave it out."),
        ("data_sha256", "a", "data_sha256 is what a file states of itself, and can't be set. Leave it out."),
        ("epochs", "many", "[train] epochs must be a whole number of at least 1. Got 'many'."),
        ("epochs", "1.5", "[train] epochs must be a whole number of at least 1. Got 1.5."),
        ("flip", "maybe", "[augment] flip must be true or false, or 'alternating'. Got 'maybe'."),
        ("size", "28", "[input] size must be two values in brackets, each a whole number of at least 1. Got 28."),
    ],
)
def test_what_is_refused(recipe: Recipe, word: str, given: str, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        with_settings(recipe, {word: given})


def test_two_lengths_at_once_are_refused(recipe: Recipe) -> None:
    with pytest.raises(ConvscopeError, match=r"Got epochs and steps. Keep one of them."):
        with_settings(recipe, {"epochs": "1", "steps": "2"})
