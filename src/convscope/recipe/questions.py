"""Braces in a recipe's values ask a question: `learning_rate = "{0.1,0.2}"` is two runs, an experiment.

Knows how many runs the braces of a whole recipe would be. Carrying them out is the experiment's business.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from convscope.errors import ConvscopeError

_BRACE = re.compile(r"\{([^{}]*)\}")
_NAMED = re.compile(r"\s*([A-Za-z]\w*)\s*:(.*)", re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*")
_TWINS = str.maketrans("｛｝，：（）", "{},:()")


def count_runs(values: Mapping[str, Any]) -> int:
    """How many runs a recipe's braces make: 1 where there are none.

    Several braces multiply; a named one, `{k: 3,5}`, counts once through the whole recipe, however often `{k}`
    repeats it. A brace with one alternative and no name is no question (a folder may be called so).
    """
    return math.prod(_counts(values))


def refuse_questions(values: Mapping[str, Any], source: str = "") -> None:
    """Raise ConvscopeError where a recipe is an experiment."""
    prefix = f"{source}: " if source else ""
    for key, text in _texts(values):
        ranged = re.search(r"\{[^{},]*\.\.[^{},]*\}", text)
        if ranged:
            raise ConvscopeError(
                f"{prefix}{key} has the range {ranged[0]}, which is for a search. `train` needs one value: write it."
            )
    runs = count_runs(values)
    if runs > 1:
        found = [key for key, text in _texts(values) if math.prod(_counts({key: text})) > 1]
        raise ConvscopeError(
            f"{prefix}a recipe to train must be one run. Got braces in {', '.join(found)}, which make {runs} runs: "
            "an experiment. Write one of the alternatives in place of the braces."
        )


def _texts(values: Mapping[str, Any], table: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _texts(value, f"{key}.")
        elif isinstance(value, str):
            yield table + key, _COMMENT.sub("", value.translate(_TWINS)) if key == "network" else value
        elif isinstance(value, list | tuple):
            yield from ((table + key, item) for item in value if isinstance(item, str))


def _counts(values: Mapping[str, Any]) -> Iterator[int]:
    names: set[str] = set()
    for _, text in _texts(values):
        for inside in _BRACE.findall(text):
            named = _NAMED.fullmatch(inside)
            if named and named[1] not in names:
                names.add(named[1])
                yield _alternatives(named[2])
            elif not named:
                yield _alternatives(inside)


def _alternatives(text: str) -> int:
    """Commas part alternatives, except those inside parentheses."""
    depth, count = 0, 1
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        count += sign == "," and depth == 0
    return count
