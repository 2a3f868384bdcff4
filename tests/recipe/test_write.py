"""A recipe as text, and back."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.recipe import Recipe, bundled, load, parse, to_toml, with_settings


def test_every_bundled_recipe_comes_back() -> None:
    for path in bundled().values():
        recipe = load(path)
        assert parse(to_toml(recipe)) == recipe


def test_every_default_is_written_out() -> None:
    values = tomllib.loads(to_toml(parse("[train]\nepochs = 2")))
    assert values["format"] == 1
    assert values["optimizer"]["learning_rate"] == 0.05
    assert values["schedule"]["warmup"] == 0.0
    assert "steps" not in values["train"]


def test_a_budget_is_written_as_people_write_it() -> None:
    assert 'budget = "1h30m"' in to_toml(parse("[train]\nbudget = 5400"))


def test_a_network_of_several_lines_stays_readable() -> None:
    text = to_toml(parse('network = """\nconv 3x3 8, relu\ndense"""\n[train]\nepochs = 1'))
    assert 'network = """\nconv 3x3 8, relu\ndense"""\n' in text


def test_it_says_who_wrote_it() -> None:
    assert to_toml(parse("[train]\nepochs = 1")).startswith("# written by convscope ")


# braces ask questions, and a text that a file can hold has no lone surrogates
texts = st.text(st.characters(exclude_characters="{}｛｝", exclude_categories=["Cs"]))
numbers = st.floats(1e-12, 1e12)


@given(
    values=st.fixed_dictionaries(
        {
            "data": texts,
            "network": texts,
            "seed": st.integers(0, 2**63 - 1),
            "learning_rate": numbers,
            "budget": numbers,
            "contrast": st.tuples(st.floats(0, 1), st.floats(1, 9)).map(list),
            "flip": st.booleans(),
            "size": st.lists(st.integers(1, 10**6), min_size=2, max_size=2),
            "freeze": st.lists(st.from_regex(r"[a-z]\w*(@\d+)?", fullmatch=True)),
        }
    )
)
@settings(deadline=None, derandomize=True)
def test_there_and_back(values: dict[str, Any]) -> None:
    plain = parse("[train]\nepochs = 1")
    recipe: Recipe = with_settings(plain, {k: v for k, v in values.items() if k not in ("data", "network")})
    recipe = recipe.model_copy(update={"data": values["data"], "network": values["network"]})
    assert parse(to_toml(recipe)) == recipe
