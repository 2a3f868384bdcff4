"""Settings given beside a recipe: `--set optimizer.learning_rate=0.01`, where a unique last word may stand alone."""

from __future__ import annotations

import re
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from convscope.errors import ConvscopeError, unknown
from convscope.recipe.messages import OTHER_WORDS, unknown_key
from convscope.recipe.questions import refuse_questions
from convscope.recipe.read import raw_values, validated, with_paths
from convscope.recipe.settings import TABLES, Recipe, keys

_LENGTHS = ("epochs", "steps", "budget")
_STATED = ("format", "data_sha256", "from_sha256")


def with_settings(recipe: Recipe, settings: Mapping[str, Any], base: Path | None = None) -> Recipe:
    """A recipe with some keys set anew: `{"optimizer.learning_rate": "0.01"}` or `{"learning_rate": 0.01}`.

    Text is read as a recipe's value would be, quotes left out where text is meant. Setting one of epochs, steps and
    budget replaces the other two. Paths are relative to `base`, the working folder unless given.
    Raises ConvscopeError for a key that doesn't exist, one that stands in several tables, and a value it can't have.
    """
    values = raw_values(recipe)
    given: dict[str, Any] = {}
    for word, value in settings.items():
        table, key = _place(word)
        chosen = _read(table, key, value) if isinstance(value, str) else value
        if table:
            given.setdefault(table, {})[key] = chosen
        else:
            given[key] = chosen
    refuse_questions(given)
    if any(key in given.get("train", {}) for key in _LENGTHS):
        values["train"] = {key: value for key, value in values["train"].items() if key not in _LENGTHS}
    for key, value in with_paths(given, base or Path()).items():
        values[key] = {**values.get(key, {}), **value} if key in TABLES else value
    return validated(values)


def _place(word: str) -> tuple[str, str]:
    """The table and key that a word of `--set` means; the table is '' for the top level."""
    every = keys()
    table, dot, key = word.rpartition(".")
    if word in TABLES:
        raise ConvscopeError(
            f"{word} is a table of a recipe. Set one of its keys: "
            f"{', '.join(f'{word}.{name}' for name in every[word])}."
        )
    if dot and table not in TABLES:
        raise ConvscopeError(f"unknown table {table!r} in {word!r}. These exist: {', '.join(TABLES)}.")
    if dot:
        if key not in every[table]:
            raise ConvscopeError(unknown_key(key, table))
        return table, key
    homes = [name for name, names in every.items() if word in names]
    if len(homes) > 1:
        choices = " or ".join(f"{name}.{word}" for name in homes)
        raise ConvscopeError(f"the key {word!r} stands in several tables. Write {choices}.")
    if not homes:
        raise ConvscopeError(_nowhere(word))
    if word in _STATED:
        raise ConvscopeError(f"{word} is what a file states of itself, and can't be set. Leave it out.")
    return homes[0], word


def _nowhere(word: str) -> str:
    """The sentence for a word that is no key of any table."""
    every = keys()
    meant = OTHER_WORDS.get(word.lower())
    if meant:
        home = next(table for table, names in every.items() if meant in names or meant in TABLES)
        return f"unknown key {word!r}. It is called {f'{home}.{meant}' if home else meant!r} here."
    flat = {name for names in every.values() for name in names} - set(_STATED)
    return unknown("key", word, flat)


def _read(table: str, key: str, text: str) -> Any:
    """A value out of the text of `--set`, read by what the key may be: `seed=7` is a number, `data=7` is text."""
    name = "from_" if key == "from" else key
    kinds = _kinds((TABLES[table] if table else Recipe).model_fields[name].annotation)
    word = text.strip()
    if kinds == {str} or (key == "budget" and not _number(word)):
        return text
    if bool in kinds and word.lower() in ("true", "yes", "on", "false", "no", "off"):
        return word.lower() in ("true", "yes", "on")
    number = _number(word)
    if number is not None:
        return number
    if key == "freeze" and not word.startswith("["):
        return [part.strip() for part in word.split(",") if part.strip()]
    if re.fullmatch(r"\d+\s*x\s*\d+", word) and tuple in kinds:
        return [int(part) for part in word.split("x")]
    try:
        return tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word


def _number(word: str) -> int | float | None:
    try:
        return int(word)
    except ValueError:
        pass
    try:
        return float(word)
    except ValueError:
        return None


def _kinds(annotation: Any) -> set[Any]:
    """The plain types that a key may have."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return {kind for item in get_args(annotation) if item is not types.NoneType for kind in _kinds(item)}
    if origin is Literal:
        return {type(item) for item in get_args(annotation)}
    return {origin or annotation}
