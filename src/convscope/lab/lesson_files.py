"""Lessons out of their files, and what is said of a file that can't be used. docs/lessons.md says how to write one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from convscope import files
from convscope.data.known import KNOWN
from convscope.errors import ConvscopeError, nearest, unknown
from convscope.lab.checks import Check, read
from convscope.lab.lessons import Lesson, Start, Step, Task, said_of
from convscope.lab.quantities import Said, Subject, Untold
from convscope.lab.training import LONGEST, MOST_EPOCHS
from convscope.network.shapes import check_end, resolve
from convscope.notation import parse, write_out

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LANGUAGES = ("en", "zh")
VIEWS = ("write", "try", "judge")


def bundled() -> dict[str, Lesson]:
    """The lessons that come with the package."""
    return read_folder(Path(str(resources.files("convscope") / "lab" / "lessons")))


def read_folder(folder: Path) -> dict[str, Lesson]:
    """The lessons of a folder, `*.toml`, in their order. Raises ConvscopeError for the first that can't be used."""
    if not folder.is_dir():
        raise ConvscopeError(f"lessons must be files in a folder. There is no folder {folder}.")
    found = [read_lesson(path) for path in sorted(folder.glob("*.toml"))]
    return {lesson.id: lesson for lesson in sorted(found, key=lambda lesson: (lesson.order, lesson.id))}


def read_lesson(path: Path) -> Lesson:
    """A lesson out of its file. Raises ConvscopeError, which names the file, the step and what must hold."""
    if not ID.fullmatch(path.stem):
        raise ConvscopeError(f"{path}: a lesson's file must be called by a-z, 0-9, - and _, such as kernel.toml.")
    try:
        value = tomllib.loads(files.read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConvscopeError(f"{path} must be TOML. {error}.") from error
    where = path.name
    files.check_format(path, value.get("format"))
    _keys(value, where, needed=("format", "title", "step"), allowed=("order",))
    steps = value["step"]
    if not isinstance(steps, list) or not steps:
        raise ConvscopeError(f"{where}: a lesson must have steps, each under [[step]]. Got {steps!r:.40}.")
    lesson = Lesson(path.stem, _said(value["title"], f"{where}, title"), _number(value.get("order", 1000), where),
                    tuple(_step(step, f"{where}, step {turn}") for turn, step in enumerate(steps, 1)))  # fmt: skip
    _refuse_twins(lesson, where)
    return lesson


def _refuse_twins(lesson: Lesson, where: str) -> None:
    """Two tasks of one name, and a comparison with a start that there isn't."""
    ids = [step.task.id for step in lesson.steps if step.task]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise ConvscopeError(f"{where}: each task must have an id of its own. {id_!r} stands twice.")
    for task, start in lesson.tasks().values():
        compared = [check for check in task.checks if check.of_start]
        if start is None and compared:
            raise ConvscopeError(
                f"{where}: the task {task.id!r} compares with the start; no step up to it has one. Add [step.start]."
            )
        for check in compared:
            assert start is not None
            _refuse_unmeasured(check, start, f"{where}, the task {task.id!r}")


def _refuse_unmeasured(check: Check, start: Start, where: str) -> None:
    """What is compared with the start must be there in it."""
    entry = KNOWN[start.data]
    subject = Subject.of(resolve(write_out(parse(start.network)), entry.size, len(entry.classes)))
    try:
        check.quantity.measure(subject, check.label)
    except Untold as untold:
        raise ConvscopeError(f"{where}: {check.line!r} can't be measured of the start. {untold}") from untold


def _step(value: object, where: str) -> Step:
    table = _table(value, where)
    _keys(table, where, needed=("text",), allowed=("task", "start", "look"))
    made: dict[str, Callable[[dict[str, Any], str], Any]] = {"task": _task, "start": _start, "look": _look}
    parts = {name: make(_table(table[name], f"{where}, {name}"), f"{where}, {name}")
             for name, make in made.items() if name in table}  # fmt: skip
    return Step(_said(table["text"], f"{where}, text"), **parts)


def _task(table: dict[str, Any], where: str) -> Task:
    _keys(table, where, needed=("id", "text", "check"), allowed=("hint",))
    if not isinstance(table["id"], str) or not ID.fullmatch(table["id"]):
        raise ConvscopeError(f"{where}: id must be of a-z, 0-9, - and _, such as 'see-nine'. Got {table['id']!r}.")
    lines = [table["check"]] if isinstance(table["check"], str) else table["check"]
    if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
        raise ConvscopeError(f"{where}: check must be one or several lines of text. Got {table['check']!r:.60}.")
    hint = _said(table["hint"], f"{where}, hint") if "hint" in table else None
    return Task(table["id"], _said(table["text"], f"{where}, text"), tuple(read(line, where) for line in lines), hint)


def _start(table: dict[str, Any], where: str) -> Start:
    _keys(table, where, needed=("network",), allowed=("data", "train"))
    network = table["network"]
    if not isinstance(network, str):
        raise ConvscopeError(f"{where}: network must be text in the notation. Got {network!r:.40}.")
    data = table.get("data", "digits")
    if data not in KNOWN:
        raise ConvscopeError(f"{where}: {unknown('data set', str(data), KNOWN)}")
    entry = KNOWN[data]
    try:
        check_end(resolve(write_out(parse(network)), entry.size, len(entry.classes)), len(entry.classes))
    except ConvscopeError as fault:
        raise ConvscopeError(
            f"{where}: the network must be one that can be built for {data}. {said_of(fault)}"
        ) from fault
    return Start(network.strip(), data, _train(_table(table.get("train", {}), f"{where}, train"), f"{where}, train"))


def _train(table: dict[str, Any], where: str) -> dict[str, Any]:
    """What fills in the fields of Write."""
    _keys(table, where, needed=(), allowed=("epochs", "budget", "augment"))
    if len(table.keys() & {"epochs", "budget"}) == 2:
        raise ConvscopeError(f"{where}: must have one of epochs and budget. Remove one.")
    epochs, budget, augment = table.get("epochs", 1), table.get("budget", 1), table.get("augment", True)
    if type(epochs) is not int or not 1 <= epochs <= MOST_EPOCHS:
        raise ConvscopeError(f"{where}: epochs must be a whole number from 1 to {MOST_EPOCHS}. Got {epochs!r:.40}.")
    if type(budget) is not int or not 1 <= budget <= LONGEST:
        raise ConvscopeError(f"{where}: budget must be whole seconds from 1 to {LONGEST:.0f}. Got {budget!r:.40}.")
    if not isinstance(augment, bool):
        raise ConvscopeError(f"{where}: augment must be true or false. Got {augment!r:.40}.")
    return table


def _look(table: dict[str, Any], where: str) -> dict[str, str]:
    _keys(table, where, needed=("view",), allowed=("layer", "data", "index"))
    if table["view"] not in VIEWS:
        raise ConvscopeError(f"{where}: {unknown('view', str(table['view']), VIEWS)}")
    if "data" in table and table["data"] not in KNOWN:
        raise ConvscopeError(f"{where}: {unknown('data set', str(table['data']), KNOWN)}")
    index, layer = table.get("index", 0), table.get("layer", "conv1")
    if type(index) is not int or index < 0:
        raise ConvscopeError(f"{where}: index must be a row of the data set, from 0. Got {index!r:.40}.")
    if not isinstance(layer, str):
        raise ConvscopeError(f"{where}: layer must be a label, such as 'conv1'. Got {layer!r:.40}.")
    return {name: str(value) for name, value in table.items()}


def _said(value: object, where: str) -> Said:
    """Text in one language stands for both."""
    if isinstance(value, str) and value.strip():
        return dict.fromkeys(LANGUAGES, value.strip())
    table = _table(value, where)
    _keys(table, where, needed=(), allowed=LANGUAGES)
    texts = {name: text.strip() for name, text in table.items() if isinstance(text, str) and text.strip()}
    if not texts or len(texts) != len(table):
        raise ConvscopeError(
            f"{where}: must be text, or text for each of {' and '.join(LANGUAGES)}. Got {value!r:.60}."
        )
    return {name: texts.get(name, next(iter(texts.values()))) for name in LANGUAGES}


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConvscopeError(f"{where}: order must be a number; lessons are listed by it. Got {value!r}.")
    return value


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConvscopeError(f"{where}: must be a table of named values. Got {value!r:.40}.")
    return value


def _keys(table: Mapping[str, Any], where: str, needed: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    known = (*needed, *allowed)
    for key in table:
        if key not in known:
            close = nearest(key, known)
            raise ConvscopeError(
                f"{where}: unknown key {key!r}{f', did you mean {close!r}?' if close else '.'} "
                f"These exist: {', '.join(known)}."
            )
    for key in needed:
        if key not in table:
            raise ConvscopeError(f"{where}: {key} is missing. Add it.")
