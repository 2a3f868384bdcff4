"""The bundled recipes: each loads, opens with what a reader needs, and is the network that the tutorial states."""

from __future__ import annotations

import re

import pytest

from convscope.recipe import bundled, header, load, named

ALL = [
    "cifar10-long",
    "cifar10-medium",
    "cifar10-short",
    "digits",
    "folder",
    "lenet5",
    "mnist-long",
    "mnist-medium",
    "mnist-short",
    "tutorial-a-drawn",
    "tutorial-a-written",
    "tutorial-b-cifar10",
    "tutorial-b-mnist",
    "tutorial-c-3x3-20-100",
    "tutorial-c-3x3-20-50",
    "tutorial-c-5x5-20-50",
    "tutorial-d",
]

# input and parameters, as the tutorials' page counts them
COUNTS = {
    "lenet5": ((28, 28, 1), 60_000),
    "tutorial-a-drawn": ((8, 8, 1), 2125),
    "tutorial-a-written": ((8, 8, 1), 2125),
    "tutorial-b-cifar10": ((24, 24, 3), 1_068_298),
    "tutorial-b-mnist": ((28, 28, 1), 3_274_634),
    "tutorial-c-5x5-20-50": ((28, 28, 1), 33_580),
    "tutorial-c-3x3-20-50": ((28, 28, 1), 21_760),
    "tutorial-c-3x3-20-100": ((28, 28, 1), 43_310),
    "tutorial-d": ((28, 28, 1), 3_274_634),
}


def test_all_are_there() -> None:
    assert list(bundled()) == ALL


@pytest.mark.parametrize("name", ALL)
def test_it_loads_and_says_what_it_is(name: str) -> None:
    recipe, opening = load(bundled()[name]), header(name)
    title = opening.splitlines()[0]  # what `convscope recipes` lists
    assert re.fullmatch(rf"{name}: .{{20,90}}\.", title)
    for word in ("Command:", "Time:", "Score:"):
        assert re.search(rf"^{word} +\S", opening, re.MULTILINE), word
    assert f"convscope train {name}" in opening
    assert recipe.network
    assert (recipe.data == "") == (name == "folder")
    if name.startswith("tutorial"):
        assert "Reported:" in opening
        assert "Mistakes, and what is done here instead:" in opening


@pytest.mark.parametrize("data", ["mnist", "cifar10"])
def test_the_name_of_data_means_its_recipe_of_middle_length(data: str) -> None:
    recipes = {length: load(bundled()[f"{data}-{length}"]) for length in ("short", "medium", "long")}
    assert {recipe.data for recipe in recipes.values()} == {data}
    epochs = [recipe.train.epochs or 0 for recipe in recipes.values()]
    assert epochs == sorted(set(epochs))
    assert named(data) == bundled()[f"{data}-medium"]
    assert header(data) == header(f"{data}-medium")
    assert data not in bundled()
    assert named("qqqqqq") is None


@pytest.mark.parametrize("name", ALL)
def test_settings_in_a_header_are_settings(name: str) -> None:
    from convscope.recipe import with_settings

    given = dict(re.findall(r"--set (\w[\w.]*)=(\S*?)[.,;:]?(?=\s|$)", header(name)))
    with_settings(load(bundled()[name]), given)


@pytest.mark.parametrize("name", list(COUNTS))
def test_the_network_is_the_tutorials(name: str) -> None:
    from convscope.network.build import Network
    from convscope.network.source import text_of

    shape, parameters = COUNTS[name]
    net = Network(text_of(load(bundled()[name]).network), input=shape, classes=10)
    assert sum(p.numel() for p in net.parameters()) == parameters
