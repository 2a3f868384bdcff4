"""What is said to the one who wrote a recipe: pydantic's findings, turned into sentences.

Each sentence names the key and its table, what must hold, what came, and how to fix it.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from convscope.errors import nearest, unknown
from convscope.recipe.settings import TABLES, Recipe, keys

OTHER_WORDS = {
    "lr": "learning_rate",
    "wd": "weight_decay",
    "decay": "weight_decay",
    "net": "network",
    "model": "network",
    "dataset": "data",
    "batch": "batch_size",
    "batchsize": "batch_size",
    "scheduler": "schedule",
    "optimiser": "optimizer",
    "augmentation": "augment",
    "early_stopping": "patience",
    "random_seed": "seed",
    "gradient_clip": "clip",
    "class_weight": "class_weights",
    "horizontal_flip": "flip",
}
"""What others call our keys."""

_NUMBERS = {2: "two", 3: "three"}


def where(table: str) -> str:
    """How a table is named in a sentence."""
    return f"[{table}]" if table else "the top level"


def _within(table: str) -> str:
    return f"in [{table}]" if table else "at the top level"


def shown(value: object) -> str:
    """A value as a recipe writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(shown(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "a table"
    return repr(value)


def allowed(annotation: Any, limits: list[Any] | None = None) -> str:
    """What a key may be, in words: `a whole number of at least 1, or one of 'a', 'b'`."""
    origin, limits = get_origin(annotation), list(limits or [])
    if origin is Annotated:
        inner, *more = get_args(annotation)
        for extra in more:
            limits += extra.metadata if isinstance(extra, FieldInfo) else [extra]
        return allowed(inner, limits)
    if origin in (Union, types.UnionType):
        members = [item for item in get_args(annotation) if item is not types.NoneType]
        return ", or ".join(allowed(item, limits) for item in members)
    if origin is Literal:
        words = [shown(item) for item in get_args(annotation)]
        return f"one of {', '.join(words)}" if len(words) > 2 else " or ".join(words)
    if origin is tuple:
        first, *others = get_args(annotation)
        if others[-1:] == [...]:
            return f"a list of values, each {allowed(first)}"
        count = len(others) + 1
        return f"{_NUMBERS.get(count, count)} values in brackets, each {allowed(first)}"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes"}
    bounds = {
        "ge": "of at least {:g}",
        "gt": "above {:g}",
        "le": "of at most {:g}",
        "lt": "below {:g}",
    }
    said = [
        text.format(float(bound))
        for limit in limits
        for name, text in bounds.items()
        # a bound that no one reaches by hand says nothing
        if (bound := getattr(limit, name, None)) is not None and abs(bound) < 2**60
    ]
    return " ".join([names.get(annotation, "a table"), " and ".join(said)]).strip()


def unknown_key(word: str, table: str) -> str:
    """The sentence for a key that doesn't exist there: where it belongs, or the nearest that does exist."""
    every = keys()
    here = [*every[table], *(TABLES if not table else [])]
    name = OTHER_WORDS.get(word.lower(), word)
    elsewhere = [other for other, names in every.items() if other != table and name in names]
    if name not in here and elsewhere:
        places = " or ".join(where(other) for other in elsewhere)
        called = "" if name == word else f" It is called {name!r} here."
        fix = f"Write it below the line {where(elsewhere[0])}" if elsewhere[0] else "Write it above the first [table]"
        return f"key {word!r} belongs to {places}, not to {where(table)}.{called} {fix}."
    close = name if name in here else nearest(word, here)
    if table and not close and (name in TABLES):
        return f"table [{word}] belongs to the top level, not into {where(table)}. Write a line [{word}]."
    if not close:
        far = nearest(word, [name for other, names in every.items() if other != table for name in names])
        homes = [where(other) for other, names in every.items() if far in names]
        if far:
            return (
                f"unknown key {word!r} {_within(table)}, did you mean {far!r}, which belongs to {' or '.join(homes)}? "
                f"These exist {_within(table)}: {', '.join(sorted(here))}."
            )
    meant = f", did you mean {close!r}?" if close else "."
    return f"unknown key {word!r} {_within(table)}{meant} These exist: {', '.join(sorted(here))}."


def sentences(error: ValidationError, values: Mapping[str, Any]) -> list[str]:
    """One sentence for each key of `values` that is wrong, in the order of the schema."""
    said: dict[tuple[str, str], str] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "default_factory_not_called":
            continue  # its default hangs on another key, which is reported
        table, key, sentence = _sentence(detail, values)
        # the members of a union report one by one, for the one key that the reader sees
        said.setdefault((table, key), sentence)
    return list(said.values())


def _sentence(detail: ErrorDetails, values: Mapping[str, Any]) -> tuple[str, str, str]:
    words = [str(part) for part in detail["loc"]]
    table = words.pop(0) if words and words[0] in TABLES else ""
    kind, came = detail["type"], detail["input"]
    key = words[0] if words else ""
    if kind == "extra_forbidden":
        return table, key, unknown_key(key, table)
    if kind == "value_error":
        prefix = f"{where(table)} " if table else ""
        return table, key, f"{prefix}{detail['ctx']['error']}."
    if kind == "missing" and not key:  # [train] is the only thing that a recipe must have
        fix = "Add a line [train], and epochs = 10 below it, for instance."
        return table, key, f"exactly one of epochs, steps and budget must be given in [train]. Got no [train]. {fix}"
    if table and not key:
        fix = f"Write a line [{table}], and its keys below it."
        return table, key, f"{table} must be a table. Got {shown(came)}. {fix}"
    model = TABLES[table] if table else Recipe
    name = "from_" if key == "from" else key
    info = model.model_fields[name]
    label = f"{where(table)} {key}" if table else key
    annotation = info.annotation
    if get_origin(annotation) is Literal and isinstance(came, str):
        return table, key, f"{label}: {unknown('word', came, [str(item) for item in get_args(annotation)])}"
    whole = (values[table] if table else values)[key]  # of a list, all of it
    return table, key, f"{label} must be {allowed(annotation, list(info.metadata))}. Got {shown(whole)}."
