"""A run: the records that a training tells of itself, and the folder that keeps them.

Knows: the record dataclasses with their JSON, the names of the folder's files, how often its test split was looked at,
and the machine's description. Formats nothing for people (report/ does), and knows nothing of networks and pictures.
"""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import sys
import time
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from convscope import files
from convscope.errors import ConvscopeError, unknown

# The records. Times are seconds, accuracies are counts (k of n), rates are plain numbers, memory is bytes.


@dataclass(frozen=True)
class Started:
    """What is about to be trained, on what. `parameters` counts trainable values; `input` is height, width, channels."""

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
    """The score on a split: k of n, its 95 % interval (fractions), and the how-manieth look at that split this was."""

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


Record = Started | Note | Forecast | Step | Epoch | Saved | Stopped | Tested | Finished

KINDS: dict[str, type[Record]] = {
    record.kind: record for record in (Started, Note, Forecast, Step, Epoch, Saved, Stopped, Tested, Finished)
}


def to_json(record: Record) -> dict[str, Any]:
    """The record as plain data: its kind, then its fields. JSON has no NaN and no infinity: they become words."""
    value: dict[str, Any] = {"kind": record.kind}
    for field in dataclasses.fields(record):
        item = getattr(record, field.name)
        if isinstance(item, float) and not math.isfinite(item):
            item = repr(item)
        value[field.name] = list(item) if isinstance(item, tuple) else item
    return value


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
        fields[field.name] = tuple(item) if written.startswith("tuple") else item
    return record(**fields)


# The folder


class Run:
    """A run's folder, read when asked. Everything in it is data; nothing is executed.

    `Run(path)` opens one; `Run.create(base)` makes a new one (`base`, else `base-2`, ...).
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.recipe_path.is_file():
            found = "it has no recipe.toml" if self.path.is_dir() else "there is no such folder"
            raise ConvscopeError(
                f"{self.path} is no run folder: {found}. `convscope train` makes one and prints its path."
            )

    @classmethod
    def create(cls, base: Path | str) -> Run:
        """A new, empty run folder. Nothing that was there before is touched."""
        run = cls.__new__(cls)
        run.path = files.new_folder(base)
        files.append_line(run.log_path, {"kind": "log", "format": files.FORMAT})
        return run

    @property
    def recipe_path(self) -> Path:
        return self.path / "recipe.toml"

    @property
    def split_path(self) -> Path:
        return self.path / "split.csv"

    @property
    def plan_path(self) -> Path:
        return self.path / "plan.json"

    @property
    def environment_path(self) -> Path:
        return self.path / "environment.json"

    @property
    def log_path(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def looks_path(self) -> Path:
        return self.path / "looks.jsonl"

    @property
    def model_path(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def checkpoint_path(self) -> Path:
        return self.path / "checkpoint"

    @property
    def predictions_path(self) -> Path:
        return self.path / "predictions.npz"

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    # Writing

    def write_recipe(self, text: str) -> None:
        """Keeps the resolved recipe."""
        files.write_text(self.recipe_path, text)
        self.__dict__.pop("recipe", None)

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Keeps the plan of the kernels, which resume and reproduce take again."""
        files.write_json(self.plan_path, {"format": files.FORMAT, "plan": plan})

    def write_environment(self) -> dict[str, Any]:
        """Keeps what this machine is, and returns it."""
        found = environment()
        files.write_json(self.environment_path, found)
        return found

    def log(self, record: Record) -> None:
        """Adds a record to the log. All but steps are on disk when this returns."""
        files.append_line(self.log_path, to_json(record), sync=not isinstance(record, Step))

    def look(self, split: str, what: str) -> int:
        """Notes that `split` is being looked at, before it is, and why; returns how many looks it has had, with this."""
        if not self.looks_path.exists():
            files.append_line(self.looks_path, {"kind": "looks", "format": files.FORMAT})
        files.append_line(self.looks_path, {"split": split, "what": what, "time": now()}, sync=True)
        return self.looks_at(split)

    # Reading

    def _lines(self, path: Path) -> list[dict[str, Any]]:
        lines = files.read_lines(path) if path.exists() else []
        if lines and "format" in lines[0]:
            files.check_format(path, lines[0]["format"])
            return lines[1:]
        return lines

    @property
    def recipe_text(self) -> str:
        """The resolved recipe, as TOML."""
        return files.read_text(self.recipe_path)

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The resolved recipe as plain data, unchecked but for its format (`convscope.recipe` makes a Recipe of it)."""
        try:
            value = tomllib.loads(self.recipe_text)
        except tomllib.TOMLDecodeError as error:
            raise ConvscopeError(f"{self.recipe_path} must be TOML. {error}.") from error
        files.check_format(self.recipe_path, value.get("format"))
        return value

    @property
    def plan(self) -> dict[str, Any]:
        """The plan that the run was trained with; empty where none was kept."""
        if not self.plan_path.exists():
            return {}
        value = files.read_json(self.plan_path)
        files.check_format(self.plan_path, value.get("format"))
        plan: dict[str, Any] = value["plan"]
        return plan

    @property
    def environment(self) -> dict[str, Any]:
        """The machine that the run was trained on; empty where it wasn't kept."""
        if not self.environment_path.exists():
            return {}
        value: dict[str, Any] = files.read_json(self.environment_path)
        files.check_format(self.environment_path, value.get("format"))
        return value

    @property
    def records(self) -> list[Record]:
        """All records in the order in which they were written, those before an interruption too."""
        return [from_json(line) for line in self._lines(self.log_path)]

    @property
    def epochs(self) -> list[Epoch]:
        """One record an epoch: where a resumed run went through an epoch again, the later one."""
        latest = {record.epoch: record for record in self.records if isinstance(record, Epoch)}
        return [latest[number] for number in sorted(latest)]

    def looks_at(self, split: str) -> int:
        """How many times the split was looked at."""
        return sum(line.get("split") == split for line in self._lines(self.looks_path))

    @property
    def looks(self) -> int:
        """How many times the test split was looked at."""
        return self.looks_at("test")

    @property
    def test(self) -> Tested | None:
        """The last score on the test split, or None before there is one."""
        scores = [record for record in self.records if isinstance(record, Tested) and record.split == "test"]
        return scores[-1] if scores else None

    @property
    def validation(self) -> tuple[int, int] | None:
        """k of n on the validation split, of the epoch whose weights the run keeps; None without validation pictures."""
        scored = [epoch for epoch in self.epochs if epoch.validation_n]
        if self.recipe.get("train", {}).get("keep") == "best":
            scored = [epoch for epoch in scored if epoch.best]
        if not scored:
            return None
        k, n = scored[-1].validation_k, scored[-1].validation_n
        return None if k is None or n is None else (k, n)


# The machine

CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve")


def now() -> str:
    """The time, UTC, ISO 8601 without ":", so that it may stand in a file's name."""
    return time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime())


def environment() -> dict[str, Any]:
    """What a number depends on besides the recipe: machine, CPU flags, threads, versions, time, commit of the folder.

    Costs milliseconds: torch is asked for its threads only where it is loaded already.
    """
    torch = sys.modules.get("torch")
    processor, flags = _processor()
    return {
        "format": files.FORMAT,
        "time": now(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": processor,
        "cpu_flags": flags,
        "cores": usable_cores(),
        "threads": torch.get_num_threads() if torch is not None else None,
        "versions": {name: _version(name) for name in ("convscope", "torch", "numpy", "pillow", "safetensors")},
        "commit": commit(Path.cwd()),
    }


def usable_cores() -> int:
    """The CPU cores that this process may use (Linux knows; elsewhere: all of them)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> tuple[str, list[str] | str]:
    """The processor's name and the flags of interest, from Linux' /proc/cpuinfo; elsewhere "unknown"."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or "unknown", "unknown"
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    known = set((fields.get("flags") or fields.get("features") or "").split())
    name = fields.get("model name") or platform.processor() or "unknown"
    return name, [flag for flag in CPU_FLAGS if flag in known]


def commit(folder: Path) -> str | None:
    """The Git commit that the folder is at, read from .git without running git; None where it is in no repository."""
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        try:
            if git.is_file():  # a worktree: "gitdir: PATH"
                git = (parent / git.read_text(encoding="utf-8").partition(":")[2].strip()).resolve()
            if not (git / "HEAD").is_file():
                continue
            head = (git / "HEAD").read_text(encoding="utf-8").strip()
            if not head.startswith("ref: "):
                return head
            name = head.removeprefix("ref: ")
            shared = git / "commondir"
            root = (git / shared.read_text(encoding="utf-8").strip()).resolve() if shared.is_file() else git
            for place in (git, root):
                if (place / name).is_file():
                    return (place / name).read_text(encoding="utf-8").strip()
            packed = root / "packed-refs"
            for line in packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else ():
                if line.endswith(f" {name}"):
                    return line.split()[0]
        except (OSError, UnicodeDecodeError):
            return None
        return None
    return None
