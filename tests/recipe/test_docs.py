"""docs/recipes.md: its tables are the schema's, and its commands and examples work."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from convscope.errors import ConvscopeError
from convscope.recipe import Recipe, parse

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "recipes.md").read_text(encoding="utf-8")


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipe_tables", DOCS / "recipe_tables.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_the_schemas() -> None:
    assert script().tables() in PAGE, "run `python docs/recipe_tables.py`"


def test_the_top_level_is_the_schemas() -> None:
    for name, field in Recipe.model_fields.items():
        if not isinstance(field.default, int | str):
            continue
        default = f'"{field.default}"' if isinstance(field.default, str) else field.default
        assert f"| `{field.alias or name}` | `{default}` | {field.description} |" in PAGE


def test_the_small_recipe_is_complete() -> None:
    found = re.search(r"is complete:\n\n((?:    .*\n|\n)+)", PAGE)
    assert found
    assert parse(found[1].replace("    ", "")).train.epochs == 10


def test_the_errors_shown_are_the_errors_given() -> None:
    with pytest.raises(ConvscopeError) as raised:
        parse("learning_rate = 1\n[optimizer]\nname = 'sgd'\n[train]\nepochs = 0", "mine.toml")
    for line in str(raised.value).splitlines():
        assert f"    {line}\n" in PAGE
