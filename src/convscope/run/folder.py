"""The folder of a run: its file names, what is in them, and how often its test split was looked at."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from convscope import files
from convscope.errors import ConvscopeError
from convscope.run.machine import environment, now
from convscope.run.records import Epoch, Record, Step, Tested, from_json, to_json
from convscope.run.snapshots import Snapshot, snapshots_in


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
    def create(cls, base: Path | str) -> Self:
        """A new, empty run folder. Nothing that was there before is touched."""
        run = cls.__new__(cls)
        run.path = files.new_folder(base)
        files.append_line(run.log_path, {"kind": "log", "format": files.FORMAT})
        return run

    def __repr__(self) -> str:
        found = self.test
        return f"Run({str(self.path)!r}{f', test {found.k} of {found.n}' if found is not None else ''})"

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
    def snapshots_path(self) -> Path:
        return self.path / "snapshots"

    @property
    def predictions_path(self) -> Path:
        return self.path / "predictions.npz"

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    # Writing

    @contextlib.contextmanager
    def trained_here(self) -> Iterator[None]:
        """Holds the run for a training until the end of the with. Raises ConvscopeError where another one goes on."""
        said = f"{self.path} is being trained already. Wait for its end, or stop it where it goes on."
        with files.held(self.path, said):
            yield
        if self.model_path.is_file():  # nobody trains it any more
            with contextlib.suppress(ConvscopeError):
                files.remove_file(self.path / files.LOCK)

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
        """Notes that `split` is being looked at, before it is, and why; the count of its looks, with this."""
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

    def _table(self, path: Path) -> dict[str, Any]:
        value = files.read_json(path)
        if not isinstance(value, dict):
            raise ConvscopeError(f"{path} must hold named values. Got {value!r:.40}. Remove the file, or train anew.")
        files.check_format(path, value.get("format"))
        return value

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
        plan = self._table(self.plan_path).get("plan")
        if not isinstance(plan, dict):
            raise ConvscopeError(
                f"{self.plan_path} must hold a plan. Got {plan!r:.40}. Remove the file, or train anew."
            )
        return plan

    @property
    def environment(self) -> dict[str, Any]:
        """The machine that the run was trained on; empty where it wasn't kept."""
        if not self.environment_path.exists():
            return {}
        return self._table(self.environment_path)

    @property
    def records(self) -> list[Record]:
        """All records in the order in which they were written, those before an interruption too."""
        return [from_json(line) for line in self._lines(self.log_path)]

    @property
    def epochs(self) -> list[Epoch]:
        """One record an epoch: where a resumed run went through an epoch again, the later one."""
        latest = {record.epoch: record for record in self.records if isinstance(record, Epoch)}
        return [latest[number] for number in sorted(latest)]

    @property
    def snapshots(self) -> list[Snapshot]:
        """The moments whose weights were kept, by their steps; [] unless the training had `--snapshots`."""
        return snapshots_in(self.snapshots_path)

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
        """k of n on the validation split in the epoch whose weights the run keeps; None without such pictures."""
        scored = [epoch for epoch in self.epochs if epoch.validation_n]
        if self.recipe.get("train", {}).get("keep") == "best":
            scored = [epoch for epoch in scored if epoch.best]
        if not scored:
            return None
        k, n = scored[-1].validation_k, scored[-1].validation_n
        return None if k is None or n is None else (k, n)
