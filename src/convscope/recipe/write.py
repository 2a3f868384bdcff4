"""A recipe as TOML text. Knows strings, numbers, truth values and lists, which is all that a recipe holds."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from convscope.recipe.durations import format_duration
from convscope.recipe.settings import TABLES, Recipe

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


def to_toml(recipe: Recipe) -> str:
    """Every key of a recipe, defaults too; `parse(to_toml(recipe)) == recipe`. What is not given (None) is left out."""
    values = recipe.model_dump(by_alias=True)
    if values["train"]["budget"] is not None:
        values["train"]["budget"] = format_duration(values["train"]["budget"])
    lines = [f"# written by convscope {importlib.metadata.version('convscope')}"]
    lines += [f"{key} = {_value(value)}" for key, value in values.items() if key not in TABLES]
    for table in TABLES:
        lines += ["", f"[{table}]"]
        lines += [f"{key} = {_value(value)}" for key, value in values[table].items() if value is not None]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return repr(value)


def _text(value: str) -> str:
    """A basic string; several lines stand on lines of their own, so that a network stays readable."""
    if "\n" in value and "\r" not in value:
        body = "\n".join("".join(_escaped(sign) for sign in line) for line in value.split("\n"))
        return f'"""\n{body}"""'
    return '"' + "".join(_escaped(sign) for sign in value) + '"'


def _escaped(sign: str) -> str:
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x20 or ord(sign) == 0x7F else sign
