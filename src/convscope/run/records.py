"""The records that a training tells of itself: plain data, read by terminal, log, report and page alike.

Times are seconds, accuracies are counts (k of n), rates are plain numbers, memory is bytes.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from convscope.errors import ConvscopeError, unknown


@dataclass(frozen=True)
class Started:
    """What is about to be trained, on what. `parameters`: trainable values; `input`: height, width, channels."""

    kind: ClassVar[str] = "started"
    path: str
    data: str
    classes: tuple[str, ...]
    train_n: int
    validation_n: int
    test_n: int
    parameters: int
    input: tuple[int, ...]
    device: str
    threads: int
    plan: dict[str, Any]


@dataclass(frozen=True)
class Note:
    """Something that the user should read: what was filled in from the data, a warning."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Diagnosis:
    """The first batch, looked at before the first step, with nothing changed (`train.first_step`).

    `loss` is the data's alone; `expected` what a network has that holds all classes for equally likely (None where the
    loss knows no such number); `penalty` what l1= and l2= add, `side` what side classifiers add. `silent` pictures are
    answered wrongly and send no gradient. For each layer that ran: `spread` is the standard deviation of what leaves
    it, `gradients` the length of its weights' gradient over that of the weights (None without weights), `dead` the
    share of its units that are 0 for the whole batch. `faults` are names of findings (docs/check.md), `said` their
    sentences.
    """

    kind: ClassVar[str] = "diagnosis"
    pictures: int
    classes: int
    loss: float
    expected: float | None
    penalty: float
    side: float
    silent: int
    input_spread: float
    layers: tuple[str, ...]
    spread: tuple[float, ...]
    gradients: tuple[float | None, ...]
    dead: tuple[float, ...]
    faults: tuple[str, ...]
    said: tuple[str, ...]


@dataclass(frozen=True)
class Forecast:
    """What the training is going to take, said before the first epoch."""

    kind: ClassVar[str] = "forecast"
    seconds_per_epoch: float
    total_seconds: float
    epochs: float
    steps: int
    memory_bytes: int


@dataclass(frozen=True)
class Step:
    """One update of the weights; `left` is the time to the end of the whole run, `loss` the batch's before the step."""

    kind: ClassVar[str] = "step"
    step: int
    epoch: int
    loss: float
    learning_rate: float
    images_per_second: float
    elapsed: float
    left: float


@dataclass(frozen=True)
class Epoch:
    """One pass over the training pictures and the look at the validation pictures after it, if there are any."""

    kind: ClassVar[str] = "epoch"
    epoch: int
    step: int
    train_loss: float
    train_k: int
    train_n: int
    validation_loss: float | None
    validation_k: int | None
    validation_n: int | None
    learning_rate: float
    elapsed: float
    left: float
    best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on disk."""

    kind: ClassVar[str] = "saved"
    step: int
    path: str


@dataclass(frozen=True)
class Stopped:
    """Why the training ended: "epochs", "budget", "early stopping: ...", "interrupted", "non-finite ..."."""

    kind: ClassVar[str] = "stopped"
    reason: str
    step: int
    epoch: int


@dataclass(frozen=True)
class Tested:
    """The score on a split: k of n, and its 95 % interval (fractions). look: 1 for the first at that split."""

    kind: ClassVar[str] = "tested"
    k: int
    n: int
    low: float
    high: float
    loss: float
    split: str
    look: int


@dataclass(frozen=True)
class Finished:
    """The run is complete; `path` is its folder."""

    kind: ClassVar[str] = "finished"
    path: str
    elapsed: float


Record = Started | Note | Diagnosis | Forecast | Step | Epoch | Saved | Stopped | Tested | Finished

KINDS: dict[str, type[Record]] = {
    record.kind: record
    for record in (Started, Note, Diagnosis, Forecast, Step, Epoch, Saved, Stopped, Tested, Finished)
}


def to_json(record: Record) -> dict[str, Any]:
    """The record as plain data: its kind, then its fields. JSON has no NaN and no infinity: they become words."""
    value: dict[str, Any] = {"kind": record.kind}
    for field in dataclasses.fields(record):
        item = getattr(record, field.name)
        value[field.name] = list(map(_plain, item)) if isinstance(item, tuple) else _plain(item)
    return value


def _plain(item: Any) -> Any:
    return repr(item) if isinstance(item, float) and not math.isfinite(item) else item


def from_json(value: dict[str, Any]) -> Record:
    """The record of `to_json`. A field that a later version added is left out; a missing one is an error."""
    kind = value.get("kind")
    if kind not in KINDS:
        raise ConvscopeError(unknown("kind of record", str(kind), KINDS))
    record = KINDS[kind]
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        if field.name not in value:
            raise ConvscopeError(f"a record of the kind {kind!r} must have {field.name!r}. It has {sorted(value)}.")
        item = value[field.name]
        written = str(field.type)
        if written.startswith("float") and isinstance(item, str):
            item = float(item)
        if written.startswith("tuple[float"):
            item = [float(each) if isinstance(each, str) else each for each in item]
        fields[field.name] = tuple(item) if written.startswith("tuple") else item
    return record(**fields)
