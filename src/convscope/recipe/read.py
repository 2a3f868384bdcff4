"""From a file to a recipe. Knows TOML, paths and the bundled files; loads no data and builds no network."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from convscope.data.known import KNOWN
from convscope.errors import ConvscopeError, nearest
from convscope.recipe.messages import sentences, shown
from convscope.recipe.questions import refuse_questions
from convscope.recipe.settings import FORMAT, TABLES, Recipe

DATA_NAMES = tuple(KNOWN)
"""The data sets that are known by name."""

_WRITTEN_BY = re.compile(r"^# written by convscope (\S+)", re.MULTILINE)


def load(path: Path | str) -> Recipe:
    """The recipe in a file; paths in it are relative to the file and come out absolute.

    Raises ConvscopeError where the file is missing, is no TOML, or has a key or value that a recipe can't have.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConvscopeError(_no_such_file(path)) from None
    except OSError as error:
        why = "it is a folder" if path.is_dir() else (error.strerror or str(error))
        raise ConvscopeError(f"the recipe {path} can't be read: {why}. A recipe is a .toml file.") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConvscopeError(
            f"{path}: a recipe must be UTF-8 text. Got byte 0x{raw[error.start]:02x} at offset {error.start}. "
            "Save the file again with the encoding UTF-8."
        ) from None
    return parse(text, str(path), path.parent)


def parse(text: str, source: str = "", base: Path | None = None) -> Recipe:
    """The recipe in a text. `source` names it in errors; paths are made absolute from the folder `base` if given."""
    try:
        values = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise ConvscopeError(_located(str(error), text.removeprefix("\ufeff"), source)) from None
    _check_format(values, text, source)
    refuse_questions(values, source)
    return validated(values if base is None else with_paths(values, base), source)


def validated(values: Mapping[str, Any], source: str = "") -> Recipe:
    """The recipe of these values, or every sentence about what is wrong with them, a line each."""
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        lines = sentences(error, values)
    prefix = f"{source}: " if source else ""
    raise ConvscopeError(
        prefix + (lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} things are wrong:", *lines]))
    ) from None


def with_paths(values: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The same values, with what is a path in data, network and from made absolute, seen from the folder `base`."""
    found = dict(values)
    for key in ("data", "network", "from"):
        word = found.get(key)
        if isinstance(word, str) and _is_path(key, word, base):
            found[key] = str((base / Path(word).expanduser()).resolve())
    return found


def _is_path(key: str, word: str, base: Path) -> bool:
    """Whether a value is a path: by how it looks, and a bare word where a file or folder of that name is there."""
    if not word or "\n" in word:
        return False
    if key == "network":
        return word.endswith(".net")
    looks = word.startswith((".", "~")) or "/" in word or "\\" in word or word.endswith((".csv", ".safetensors"))
    if key == "from":
        return looks or (base / word / "model.safetensors").is_file()  # a run's folder; else a zoo name
    return looks or (word.split("[", maxsplit=1)[0] not in DATA_NAMES and (base / word).exists())


def _check_format(values: Mapping[str, Any], text: str, source: str) -> None:
    number = values.get("format", FORMAT)
    prefix = f"{source}: " if source else ""
    if isinstance(number, int) and not isinstance(number, bool) and number > FORMAT:
        by = _WRITTEN_BY.search(text)
        reader = f"convscope {by.group(1)}, which wrote it" if by else "a newer convscope"
        raise ConvscopeError(
            f"{prefix}this recipe has format {number}; this version reads formats up to {FORMAT}. "
            f"It is read by {reader}. Install that: pip install --upgrade convscope"
        )
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ConvscopeError(f"{prefix}format must be {FORMAT}. Got {shown(number)}. Write format = {FORMAT}.")


def _located(message: str, text: str, source: str) -> str:
    """A TOML error with the line it is about, a caret, and what is usually meant."""
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    prefix = f"{source}: " if source else ""
    what = message.split(" (at ", maxsplit=1)[0]
    lines = text.replace("\r\n", "\n").split("\n")
    if found:
        line, column = int(found[1]), int(found[2])
    else:
        line, column = len(lines), len(lines[-1]) + 1
    shown_line = lines[line - 1] if line <= len(lines) else ""
    value = shown_line.partition("=")[2].strip()
    if value.startswith("{"):
        hint = "\nA value with braces must be in quotes: '{0.1,0.2}'."
    elif "\\" in value and value.startswith('"'):
        hint = "\nIn double quotes a backslash must be doubled; a Windows path goes in single quotes: 'C:\\photos'."
    elif "Invalid value" in message and value and not value.startswith(('"', "'")):
        hint = f'\nText must be in quotes: {shown_line.partition("=")[0].strip()} = "{value}".'
    else:
        hint = ""
    caret = " " * (column - 1) + "^"
    return f"{prefix}line {line}, column {column}: this is no TOML: {what}.\n  {shown_line}\n  {caret}{hint}"


def _no_such_file(path: Path) -> str:
    there = sorted(other.name for other in path.parent.glob("*.toml")) if path.parent.is_dir() else []
    close = nearest(path.name, there)
    if close:
        return f"no recipe at {path}, did you mean {path.parent / close}?"
    if there:
        return f"no recipe at {path}. In that folder are: {', '.join(there)}."
    return f"no recipe at {path}, nor any other .toml file in that folder. `convscope recipes` lists the bundled ones."


def raw_values(recipe: Recipe) -> dict[str, Any]:
    """What was set, as a file would say it: defaults that nobody set are left out."""
    values = recipe.model_dump(by_alias=True, exclude_unset=True)
    return {key: value for key, value in values.items() if key not in TABLES or value}
