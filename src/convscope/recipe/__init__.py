"""Recipes: the schema of everything that determines a run, and how a file, a word and settings become one.

Knows names and numbers; loads no data, builds no network, imports no torch.
"""

from __future__ import annotations

from convscope.recipe.change import with_settings
from convscope.recipe.choose import ALSO, Choice, bundled, choose, folder_name, header, named
from convscope.recipe.durations import format_duration, parse_duration
from convscope.recipe.messages import allowed
from convscope.recipe.questions import count_runs
from convscope.recipe.read import DATA_NAMES, load, parse
from convscope.recipe.settings import (
    FORMAT,
    TABLES,
    AugmentSettings,
    InputSettings,
    OptimizerSettings,
    Recipe,
    ScheduleSettings,
    SplitSettings,
    TrainSettings,
    keys,
)
from convscope.recipe.write import to_toml

__all__ = [
    "ALSO",
    "DATA_NAMES",
    "FORMAT",
    "TABLES",
    "AugmentSettings",
    "Choice",
    "InputSettings",
    "OptimizerSettings",
    "Recipe",
    "ScheduleSettings",
    "SplitSettings",
    "TrainSettings",
    "allowed",
    "bundled",
    "choose",
    "count_runs",
    "folder_name",
    "format_duration",
    "header",
    "keys",
    "load",
    "named",
    "parse",
    "parse_duration",
    "to_toml",
    "with_settings",
]
