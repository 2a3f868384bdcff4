"""Runs as they go on: what their logs say, read from where they were read to, so that a look costs what is new."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from convscope.errors import ConvscopeError
from convscope.notation import brief, parse
from convscope.run import Epoch, Run, Snapshot, Started, Tested
from convscope.run.records import from_json
from convscope.run.snapshots import snapshots_in, steps_in

Stamp = tuple[int, int, int]
"""When a file was last written, in nanoseconds, its size in bytes, and its number in the file system."""


def stamp(path: Path) -> Stamp | None:
    """What changes when a file does; None where there is none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


class Log:
    """The whole lines of a log that is still being written, from where it was read to."""

    def __init__(self, path: Path, after: int = 0) -> None:
        self.path, self.after = path, after
        self._number, self._at = 0, 0

    def news(self) -> list[tuple[int, str]]:
        """(number, text) of each record that has come since the last call; numbers count the file's lines from 1."""
        if not self.path.is_file():
            return []
        with self.path.open("rb") as file:
            file.seek(self._at)
            read = file.read()
        whole = read[: read.rfind(b"\n") + 1]
        self._at += len(whole)
        found = []
        for line in whole.split(b"\n")[:-1]:
            self._number += 1
            if self._number > self.after and _is_record(line):
                found.append((self._number, line.decode("utf-8")))
        return found


class Course:
    """What a run's log has said so far: its start, the last record of each epoch by the step at its end, its test.

    Threads may share one.
    """

    def __init__(self, path: Path) -> None:
        self.started: Started | None = None
        self.ends: dict[int, Epoch] = {}
        self.test: Tested | None = None
        self._log, self._lock = Log(path), threading.Lock()
        self._fault: ConvscopeError | None = None

    def follow(self) -> None:
        """Reads on. Raises ConvscopeError for a record that this version doesn't know, and from then on."""
        with self._lock:
            if self._fault is not None:
                raise self._fault
            try:
                for _, line in self._log.news():
                    self._note(line)
            except ConvscopeError as error:
                self._fault = error
                raise
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                self._fault = ConvscopeError(f"{self._log.path} has a record that can't be read: {error}")
                raise self._fault from error

    def _note(self, line: str) -> None:
        if line.startswith('{"kind": "step"'):  # most are, and none matters here
            return
        record = from_json(json.loads(line))
        if isinstance(record, Started):
            self.started = self.started or record
        elif isinstance(record, Epoch):
            self.ends[record.step] = record
        elif isinstance(record, Tested) and record.split == "test":
            self.test = record


class Known:
    """What is known of a run by its recipe, its log and its snapshots. Threads may share one."""

    def __init__(self, run: Run, recipe_stamp: Stamp | None) -> None:
        self.recipe = run.recipe
        self.text = brief_of(str(self.recipe.get("network", "")))
        self.course, self.moments = Course(run.log_path), list[Snapshot]()
        self._recipe_stamp = recipe_stamp
        self._log: Stamp | None = None
        self._names: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int, int] | None:
        """Height, width and channels of what the network sees."""
        of = self.recipe.get("input", {})
        window, channels = of.get("crop_to") or of.get("size"), of.get("channels")
        return (*window, channels) if window and channels else None

    def fits(self, recipe_stamp: Stamp | None, log: Stamp | None) -> bool:
        """Whether these are still the same recipe, and a log that at most has grown."""
        if self._log is None or log is None:
            return self._recipe_stamp == recipe_stamp and self._log is None
        return self._recipe_stamp == recipe_stamp and log[1] >= self._log[1] and log[2] == self._log[2]

    def read_on(self, run: Run, log: Stamp | None) -> None:
        """Reads what has come since. Raises ConvscopeError for what can't be read."""
        if log != self._log:
            self.course.follow()
            self._log = log
        names = tuple(path.name for path in steps_in(run.snapshots_path).values())
        if names != self._names:
            self.moments = snapshots_in(run.snapshots_path)
            self._names = names


def brief_of(text: str) -> str:
    """A network's text on one line, as a person would write it; "" of ""."""
    return brief(parse(text)) if text else ""


def _is_record(line: bytes) -> bool:
    """Whether a line is a record: not the log's head, and not what a killed child left in the middle."""
    try:
        value = json.loads(line.decode("utf-8"))
    except ValueError:
        return False
    return isinstance(value, dict) and "kind" in value and "format" not in value
