"""Lessons: steps of text with tasks, and how an answer, the reader's own network, is judged.

What can be asked stands in `quantities` and `checks`, how a lesson is read in `lesson_files`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convscope.errors import ConvscopeError, unknown
from convscope.lab.checks import Check
from convscope.lab.quantities import Said, Subject, Trained
from convscope.network.shapes import NetworkError, resolve
from convscope.network.source import named
from convscope.notation import NotationError, parse, write_out
from convscope.run import Run


@dataclass(frozen=True)
class Start:
    """The network that a step begins with, and the data and training that it is meant for."""

    network: str
    data: str
    train: dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What the reader shall do. checks: all must hold; hint: shown after an attempt that failed."""

    id: str
    text: Said
    checks: tuple[Check, ...]
    hint: Said | None

    @property
    def kind(self) -> str:
        """ "trained" where a check needs a training, else "network"."""
        return "trained" if any(check.quantity.trained for check in self.checks) else "network"


@dataclass(frozen=True)
class Step:
    """A piece of text; a task, a network to begin with and a place of the lab to look at, each where there is one."""

    text: Said
    task: Task | None = None
    start: Start | None = None
    look: dict[str, str] | None = None


@dataclass(frozen=True)
class Lesson:
    """A lesson; `id` is its file's name."""

    id: str
    title: Said
    order: float
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        """What the page is sent. The checks go along as they are written."""
        return {"id": self.id, "title": self.title, "steps": [_step_json(step) for step in self.steps]}

    def tasks(self) -> dict[str, tuple[Task, Start | None]]:
        """Every task, by its id, with the network that the reader began with."""
        start, found = None, {}
        for step in self.steps:
            start = step.start or start
            if step.task is not None:
                found[step.task.id] = (step.task, start)
        return found


def _step_json(step: Step) -> dict[str, Any]:
    task, start = step.task, step.start
    return {
        "text": step.text,
        "task": task and {"id": task.id, "text": task.text, "kind": task.kind, "hint": task.hint,
                          "checks": [check.line for check in task.checks]},
        "start": start and {"network": start.network, "data": start.data, "train": start.train},
        "look": step.look,
    }  # fmt: skip


# ---- judging an answer -----------------------------------------------------------------------------------------------


def check(
    lesson: Lesson, task_id: str, text: str, input: tuple[int, int, int], classes: int, run: Run | None = None
) -> dict[str, Any]:
    """Whether a network solves a task: {"passed", "sentence": {en, zh}, "checks": [{line, passed, sentence}]}.

    text, input, classes: the network as it stands in the editor, and the pictures that it is for. run: that of the
    chosen model. A task of the kind "trained" judges the run, and the network that was trained in it.
    Raises ConvscopeError for a task that doesn't exist.
    """
    tasks = lesson.tasks()
    if task_id not in tasks:
        raise ConvscopeError(unknown("task", task_id, tasks))
    task, start = tasks[task_id]
    trained = None
    if task.kind == "trained" and run is not None:
        if start is not None and run.recipe.get("data") != start.data:
            return _not_yet(f"This task is of {start.data}; the network at the top of the page was trained on "
                            f"{run.recipe.get('data')}. Choose another, or train one on {start.data}.",
                            f"这一题用的是 {start.data}；页面上方选的网络是用 {run.recipe.get('data')} 训练的。"
                            f"请另选一个，或用 {start.data} 训练一个。")  # fmt: skip
        text, input = _trained_network(run, text, input)
        trained = Trained(tuple(run.epochs), run.test)
    try:
        subject = Subject.of(resolve(write_out(parse(named(text))), input, classes), trained)
    except ConvscopeError as fault:
        return _not_yet(f"The network can't be built yet: {said_of(fault)}", f"这个网络还不能搭建：{said_of(fault)}")
    try:
        first = None if start is None else Subject.of(resolve(write_out(parse(start.network)), input, classes))
    except ConvscopeError as fault:
        return _not_yet(f"The network that this task begins with can't be built for these pictures: {said_of(fault)}",
                        f"这一题开始时的网络不适合这些图片：{said_of(fault)}")  # fmt: skip
    judged = []
    for each in task.checks:
        passed, said = each.holds(subject, first)
        judged.append({"line": each.line, "passed": passed, "sentence": said})
    failed = [each for each in judged if not each["passed"]]
    return {"passed": not failed, "sentence": (failed or judged)[0]["sentence"], "checks": judged}


def _not_yet(en: str, zh: str) -> dict[str, Any]:
    """What is said where nothing can be measured."""
    return {"passed": False, "sentence": {"en": en, "zh": zh}, "checks": []}


def said_of(fault: ConvscopeError) -> str:
    """A network's fault in one line."""
    if isinstance(fault, NotationError):
        return fault.what
    return fault.wrong if isinstance(fault, NetworkError) and fault.wrong else str(fault).splitlines()[0]


def _trained_network(run: Run, text: str, input: tuple[int, int, int]) -> tuple[str, tuple[int, int, int]]:
    """What was trained, whatever the editor holds by now, and the size of its pictures."""
    known = run.recipe.get("input", {})
    size, channels = known.get("crop_to") or known.get("size"), known.get("channels")
    if isinstance(size, list) and len(size) == 2 and isinstance(channels, int):
        input = (int(size[0]), int(size[1]), channels)
    return str(run.recipe.get("network", text)), input
