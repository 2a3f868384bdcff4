"""Braces: how many runs they make, and that one run is refused them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from convscope.errors import ConvscopeError
from convscope.recipe import count_runs, parse, with_settings


@pytest.mark.parametrize(
    ("values", "runs"),
    [
        ({"network": "conv 3x3 8, dense"}, 1),
        ({"network": "conv {3x3,5x5} 20, relu, maxpool 2, conv {3x3,5x5} {50,100}, dense 10"}, 8),
        ({"network": "conv {k: 3x3,5x5} 20, relu, maxpool 2, conv {k} 50, relu, dense 10"}, 2),
        ({"network": "{conv 5x5 32,(conv 3x3 32, relu, conv 3x3 32)}, relu, {dropout 0.5,identity}, dense"}, 4),
        ({"network": "conv 3x3 8 # {a,b}\n, {relu,tanh}, dense"}, 2),
        ({"network": "conv ｛3x3，5x5｝ 8, dense"}, 2),
        ({"network": "conv {k: 3,5} 8", "train": {"batch_size": "{k}"}}, 2),
        ({"optimizer": {"learning_rate": "{0.1,0.2,0.3}"}, "seed": "{1,2}"}, 6),
        ({"data": "{photos}"}, 1),
        ({"train": {"freeze": ["{conv1,conv2}"]}}, 2),
    ],
)
def test_count(values: dict[str, Any], runs: int) -> None:
    assert count_runs(values) == runs


def test_a_recipe_to_train_is_one_run() -> None:
    text = 'network = "conv {3x3,5x5} 8, dense"\n[train]\nepochs = 1\n[optimizer]\nlearning_rate = "{0.1,0.2,0.3}"'
    sentence = (
        "x.toml: a recipe to train must be one run. Got braces in network, optimizer.learning_rate, which make 6 runs: "
        "an experiment. Write one of the alternatives in place of the braces."
    )
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        parse(text, "x.toml")


def test_a_range_is_for_a_search() -> None:
    text = '[train]\nepochs = 1\n[optimizer]\nlearning_rate = "{1e-4..1e-1 log}"'
    with pytest.raises(ConvscopeError, match=r"optimizer.learning_rate has the range {1e-4..1e-1 log}, which is for a"):
        parse(text)


def test_settings_ask_no_questions_either() -> None:
    recipe = parse("[train]\nepochs = 1")
    with pytest.raises(ConvscopeError, match=r"Got braces in optimizer.learning_rate, which make 2 runs"):
        with_settings(recipe, {"learning_rate": "{0.1,0.2}"})
