"""Preflight: a network, and the recipe and pictures that it is for, looked over before anything is trained.

`check_network` looks at text and shapes and imports no torch; `check` at a whole recipe, and at its first batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import ConvscopeError
from convscope.network.shapes import resolve
from convscope.network.source import text_of
from convscope.notation import NotationError, parse, write_out
from convscope.preflight import order, starts, windows
from convscope.preflight.finding import Edit, Finding, Level, Rewrite, Setting, rewritten
from convscope.preflight.shapes import ASSUMED_CLASSES, CANDIDATES, fault, misfit_finding, notation_finding
from convscope.preflight.subject import Found, Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from convscope.data.images import DataSet
    from convscope.network.shapes import Sizes
    from convscope.recipe import Recipe
    from convscope.run import Diagnosis

LAYER_LINTS: dict[str, Callable[[Subject], Iterator[Found]]] = {}
"""The lints of a network alone: a function a finding."""
for _table in (order.LINTS, windows.LINTS, starts.LINTS):
    assert not LAYER_LINTS.keys() & _table.keys(), "a finding stands twice in the registry"
    LAYER_LINTS |= _table

ERRORS = ("not-readable", *CANDIDATES)
"""The findings that no training can begin with; they come from the notation and the walk over shapes."""


@dataclass(frozen=True)
class Checked:
    """What a check found: errors first. `text`: the network that was looked at, which the edits are of. `looked`: how
    many kinds of findings were looked for. `first`: the first batch, where there was one to look at."""

    findings: tuple[Finding, ...]
    text: str
    looked: int
    first: Diagnosis | None = None

    @property
    def errors(self) -> int:
        """How many of the findings are errors."""
        return sum(finding.level == "error" for finding in self.findings)


def registry() -> dict[str, Level]:
    """Every finding's name, and its level."""
    from convscope.preflight import pictures, settings
    from convscope.preflight.measured import MENDS

    warnings = [*LAYER_LINTS, *settings.LINTS, *pictures.LINTS, *MENDS]
    assert len(warnings) == len(set(warnings)), "a finding stands twice in the registry"
    return {**dict.fromkeys(ERRORS, "error"), **dict.fromkeys(warnings, "warning")}


def check_network(net: str, input: tuple[int, int, int] | None = None, classes: int | None = None) -> Checked:
    """A network alone: text, a name of the zoo or a .net file.

    Raises ConvscopeError where the input is unknown, and for a file that isn't there.
    """
    text = text_of(net)
    looked = len(ERRORS) + len(LAYER_LINTS)
    try:
        written = write_out(parse(text))
    except NotationError as error:
        return Checked((notation_finding(text, error),), text, looked)
    count = classes or written.classes
    wrong = fault(written, input, count)
    if wrong is not None:
        return Checked((misfit_finding(text, wrong, input, count),), text, looked)
    return Checked(look_over(text, resolve(written, input, count or ASSUMED_CLASSES)), text, looked)


def look_over(text: str, sizes: Sizes) -> tuple[Finding, ...]:
    """The warnings about a network that can be built. text: as it was written; sizes: with every shape."""
    return tuple(_linted(Subject(text, sizes), LAYER_LINTS))


def check(recipe: Recipe, *, base: Path = Path(), data: DataSet | None = None) -> Checked:
    """A whole recipe: network, settings, pictures and, unless it starts from trained weights, the first batch.

    data: an image set that is read already. Raises ConvscopeError for what can't be read at all.
    """
    from convscope.preflight import pictures, settings
    from convscope.recipe import usual
    from convscope.recipe.realise import read_data

    if not recipe.network:
        raise ConvscopeError('a recipe must name a network. Give one: --net "conv 3x3 32, relu, gap, dense".')
    if recipe.network == usual.AUTO:
        data = data or read_data(recipe, base)
        text = usual.network(data.preprocess.input_size, data.preprocess.channels)
    else:
        text = text_of(recipe.network, base)
    looked = len(registry())
    try:
        written = write_out(parse(text))
    except NotationError as error:
        return Checked((notation_finding(text, error),), text, looked)
    if data is None:
        data = read_data(recipe, base, written)
    shape = (*data.preprocess.input_size, data.preprocess.channels)
    wrong = fault(written, shape, len(data.classes))
    if wrong is not None:
        return Checked((misfit_finding(text, wrong, shape, len(data.classes)),), text, looked)
    subject = Subject(text, resolve(written, shape, len(data.classes)), recipe, data)
    found = list(_linted(subject, {**LAYER_LINTS, **settings.LINTS, **pictures.LINTS}))
    first = None
    if len(data.train) and not recipe.from_ and not (recipe.train.patience and not len(data.validation)):
        first = _first_batch(recipe, base, data)
        found += _of_first_batch(subject, first)
    return Checked(tuple(found), text, looked, first)


def mended(recipe: Recipe, text: str, finding: Finding) -> Recipe:
    """The recipe with a finding's edits. text: the network that was checked."""
    from convscope.recipe import with_settings

    changes: Mapping[str, Any] = {"network": finding.mended(text), **finding.settings}
    return with_settings(recipe, changes)


def _linted(subject: Subject, lints: Mapping[str, Callable[[Subject], Iterator[Found]]]) -> Iterator[Finding]:
    for name, lint in lints.items():
        said: set[tuple[Edit, ...]] = set()
        for found in lint(subject):
            if found.edits and found.edits in said:  # another use of the same piece
                continue
            said.add(found.edits)
            yield Finding(name, "warning", found.where, found.reason, found.fix, found.edits)


def _first_batch(recipe: Recipe, base: Path, data: DataSet) -> Diagnosis:
    from convscope.recipe.realise import realise
    from convscope.train.loop import Job, Loop

    made = realise(recipe, base=base, data=data)
    return Loop(Job(made.network, made.data, made.recipe)).first_look()


def _of_first_batch(subject: Subject, first: Diagnosis) -> Iterator[Finding]:
    from convscope.preflight.measured import measured

    for name, found in measured(subject, first):
        yield Finding(name, "warning", found.where, found.reason, found.fix, found.edits)


__all__ = [
    "Checked",
    "Edit",
    "Finding",
    "Rewrite",
    "Setting",
    "check",
    "check_network",
    "mended",
    "registry",
    "rewritten",
]
