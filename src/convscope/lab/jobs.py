"""Trainings as children of this process: the command line itself, one at a time, the others wait.

All that has to be known stands in a small file for each, in `.lab/` beside the runs: so a lab that was killed finds a
child that still trains, and what waited. Knows folders and processes; reads no log and no network.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import IO, Any

from convscope import files
from convscope.errors import ConvscopeError
from convscope.lab import process
from convscope.lab.following import Stamp, stamp

MOST_WAITING = 16
_LOOK = 0.2  # seconds between two looks at what goes on
_END = 15.0  # seconds in which a child that was asked to stop should have saved and gone
NOTES = ".lab"
_OUTSIDE = "It is trained outside of the lab."
BUSY = ("training", "waiting")
"""States in which more of a run is to come."""


@dataclass(frozen=True)
class Job:
    """One training. arguments: what follows `convscope train`; about: what the page is told before there is a run.

    want: "run", "paused", "ended" or "failed". pid, began: the child, 0 before there was one; lab, lab_began: the lab
    that queued it; queued: when, in nanoseconds. resumes: whether its run was there already when it was queued. why:
    what the child said as it failed.
    """

    arguments: tuple[str, ...]
    about: dict[str, Any]
    want: str = "run"
    pid: int = 0
    began: str = ""
    lab: int = 0
    lab_began: str = ""
    queued: int = 0
    resumes: bool = False
    why: str = ""
    format: int = field(default=files.FORMAT)


class Jobs:
    """The trainings of some folders of runs. `start` begins to carry them out, `close` asks what runs to stop."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self.roots = tuple(roots)
        self._children: dict[Path, subprocess.Popen[bytes]] = {}
        self._attended: set[int] = set()  # children whose last words have been kept
        self._notes: dict[Path, tuple[Stamp, Job | None]] = {}  # as they were read; looked at five times a second
        self._gone: set[tuple[int, str]] = set()  # processes that ended: to ask may cost a process
        self._lock = threading.RLock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._carry_out, name="jobs", daemon=True)

    # ---- what there is -----------------------------------------------------------------------------------------------

    def read(self, run: Path) -> Job | None:
        """The job of a run's folder, which needn't be there yet; None where the lab didn't begin it."""
        path = _note(run)
        now = stamp(path)
        if now is None:
            return None
        kept = self._notes.get(path)
        if kept is None or kept[0] != now:
            try:
                job = _job(path)
            except ConvscopeError:  # a broken note, or one of a later version, is nobody's job
                job = None
            kept = self._notes[path] = now, job
        return kept[1]

    def all(self) -> dict[Path, Job]:
        """Every job, by its run's folder, those that wait the longest first."""
        found: dict[Path, Job] = {}
        for root in self.roots:
            for path in (root / NOTES).glob("*.json"):
                run = root / path.stem
                job = self.read(run)
                if job is not None:
                    found[run] = job
        return dict(sorted(found.items(), key=lambda pair: pair[1].queued))

    def removed(self, run: Path) -> bool:
        """Whether a training was begun whose folder somebody has deleted or renamed since, so that its note is all."""
        job = self.read(run)
        if job is None or not job.pid or job.want == "failed" or run.exists():
            return False
        return not self._lives(run, job)

    def state(self, run: Path) -> tuple[str, str]:
        """(state, why) of a run: done, training, waiting, paused, failed or stopped."""
        job = self.read(run)
        if job is not None and self._lives(run, job):
            return "training", ""
        if (run / "model.safetensors").is_file():
            return "done", ""
        if files.is_held(run):
            return "training", _OUTSIDE
        if job is None:
            return "paused", ""
        if job.want == "ended":
            return "stopped", ""
        if job.want == "failed":
            return "failed", job.why
        if job.want == "run" and not job.pid:
            return "waiting", ""
        return "paused", job.why if job.want == "paused" else "Its training was broken off."

    def _lives(self, run: Path, job: Job) -> bool:
        child = self._children.get(run)
        if child is not None and child.pid == job.pid:
            return child.poll() is None or child.pid not in self._attended
        who = (job.pid, job.began)
        if who not in self._gone and not process.lives(*who):
            self._gone.add(who)
        return who not in self._gone

    # ---- what is asked -----------------------------------------------------------------------------------------------

    def add_new(self, root: Path, name: str, arguments: Iterable[str], about: dict[str, Any]) -> Path:
        """Queues a training whose run is to be `name` in `root`, else `name-2`, ...; the run's folder, to be."""
        with self._lock:  # two who ask at once must not be promised the same
            run = self.free(root, name)
            self.add(run, arguments, about)
        return run

    def add(self, run: Path, arguments: Iterable[str], about: dict[str, Any]) -> None:
        """Queues a training whose run is to be `run`. Raises ConvscopeError where too many wait."""
        with self._lock:
            if sum(self.state(each)[0] == "waiting" for each in self.all()) >= MOST_WAITING:
                raise ConvscopeError(
                    f"at most {MOST_WAITING} trainings may wait. So many do; end one of them, or wait for it."
                )
            self._queue(run, Job(tuple(arguments), about))

    def free(self, root: Path, name: str) -> Path:
        """A folder for a run that is neither there nor promised: `name`, else `name-2`, ..."""
        number = 1
        while True:
            run = root / (name if number == 1 else f"{name}-{number}")
            if not run.exists() and not _note(run).exists():
                return run
            number += 1

    def pause(self, run: Path) -> None:
        """Asks a training to save and stop, as Ctrl-C does."""
        self._stop(run, "paused", ("training", "waiting"))

    def end(self, run: Path) -> None:
        """The same for good: what it has learned so far stays, and it doesn't go on."""
        self._stop(run, "ended", ("training", "waiting", "paused", "failed"))

    def _stop(self, run: Path, want: str, of: tuple[str, ...]) -> None:
        with self._lock:
            job, (state, why) = self.read(run), self.state(run)
            if state not in of or why == _OUTSIDE:
                raise ConvscopeError(_not_now(run, state, why))
            if job is not None and job.want == "ended" and state == "training":
                return  # it is being saved, and doesn't go on
            self._write(run, replace(job or Job((), {}), want=want, why=""))
            if job is not None and state == "training" and job.want == "run":  # to be asked twice means at once
                self._ask_to_stop(run, job)

    def _ask_to_stop(self, run: Path, job: Job) -> None:
        if process.ask_to_stop(job.pid):
            return
        self._write(run, job)  # nothing has changed
        raise ConvscopeError(
            f"{run.name} can't be asked to stop from here: it was begun from another console. It goes on; end the "
            f"process {job.pid} where it must stop, and it goes on later from its newest checkpoint."
        )

    def go_on(self, run: Path) -> None:
        """Queues a paused or failed training again; it goes on from its newest checkpoint."""
        with self._lock:
            state, why = self.state(run)
            job = self.read(run)
            if state == "training" and not why and job is not None and job.want == "paused":
                raise ConvscopeError(f"{run.name} is still being saved. Wait a moment.")
            if state not in ("paused", "failed"):
                raise ConvscopeError(_not_now(run, state, why))
            self._queue(run, replace(job or Job((), {}), want="run", pid=0, began="", why=""))

    def _queue(self, run: Path, job: Job) -> None:
        own = os.getpid()
        there = (run / "recipe.toml").is_file()
        self._write(run, replace(job, lab=own, lab_began=process.began(own), queued=time.time_ns(), resumes=there))

    def _write(self, run: Path, job: Job) -> None:
        files.write_json(_note(run), asdict(job))
        self._notes.pop(_note(run), None)

    # ---- carrying out ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to carry out what waits."""
        self._thread.start()

    def close(self) -> list[Path]:
        """Asks the children of this lab to save and stop, and waits for them; the runs of those that were asked."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        asked = []
        for run, child in list(self._children.items()):
            if child.poll() is None:
                with contextlib.suppress(ConvscopeError):
                    self.pause(run)
                asked.append(run)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_END)
        return asked

    def _carry_out(self) -> None:
        while not self._end.wait(_LOOK):
            with contextlib.suppress(ConvscopeError):  # a full disk: the next look may find room
                self.step()

    def step(self) -> None:
        """Begins the next training, where none runs."""
        with self._lock:
            self._give_way()
            jobs = self.all()
            if any(self._lives(run, job) for run, job in jobs.items()):
                return
            for run, job in jobs.items():
                waits = job.want == "run" and not job.pid
                if not waits or (run / "model.safetensors").is_file() or files.is_held(run):
                    continue
                if job.lab == os.getpid() or not process.lives(job.lab, job.lab_began):
                    self._begin(run, job)
                    return

    def _give_way(self) -> None:
        """A folder that was promised to a training that waits, and that somebody else's run has taken, is theirs."""
        for run, job in self.all().items():
            if job.want == "run" and not job.pid and not job.resumes and run.exists():
                self._write(self.free(run.parent, run.name), job)
                files.remove_file(_note(run))

    def _begin(self, run: Path, job: Job) -> None:
        goes_on = job.resumes and (run / "recipe.toml").is_file()
        words = ["--resume", str(run)] if goes_on else [*job.arguments, "--out", str(run)]
        command = [sys.executable, "-P", "-m", "convscope", "train", *words, "--quiet"]
        apart: dict[str, Any] = process.on_its_own()
        self._write(run, job)  # where the disk is full, this fails, and nothing is begun
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **apart
            )
        except OSError as error:
            self._write(run, replace(job, want="failed", why=f"The training could not be begun: {error.strerror}."))
            return
        self._children[run] = child
        assert child.stderr is not None
        threading.Thread(target=self._attend, args=(run, child, child.stderr), daemon=True).start()
        try:
            self._write(run, replace(job, pid=child.pid, began=process.began(child.pid), lab=os.getpid()))
        except ConvscopeError:  # a child that no note tells of would be begun once more
            child.terminate()
            raise

    def _attend(self, run: Path, child: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        """Waits for a child's end, and keeps why it failed."""
        text = b""
        while line := said.readline():
            text = (text + line)[-10_000:]
        said.close()
        code = child.wait()
        with self._lock:
            with contextlib.suppress(ConvscopeError):
                job = self.read(run)
                if job is not None and job.pid == child.pid and job.want == "run" and code:
                    stopped = code in (130, 143, -2, -15)
                    why = "It was stopped from outside of the lab." if stopped else _last_words(text, code)
                    self._write(run, replace(job, want="paused" if stopped else "failed", why=why))
            self._attended.add(child.pid)


def _note(run: Path) -> Path:
    return run.parent / NOTES / f"{run.name}.json"


def _last_words(said: bytes, code: int) -> str:
    """The sentence in which a command says what was wrong."""
    _, found, rest = said.decode("utf-8", "replace").rpartition("error: ")
    return rest.strip() if found else f"The training ended with the code {code}, and didn't say why."


def _job(path: Path) -> Job:
    value = files.read_json(path)
    if not isinstance(value, dict):
        raise ConvscopeError(f"{path} must hold named values. Remove the file.")
    files.check_format(path, value.get("format"))
    known = {each.name for each in fields(Job)}
    kept = {name: each for name, each in value.items() if name in known}
    words, about = kept.get("arguments"), kept.get("about")
    numbers = [kept.get(name, 0) for name in ("pid", "lab", "queued")]
    texts = [kept.get(name, "") for name in ("want", "began", "lab_began", "why")]
    good = isinstance(about, dict) and all(type(each) is int for each in numbers)
    if not good or not isinstance(words, list) or not all(isinstance(each, str) for each in [*texts, *words]):
        raise ConvscopeError(f"{path} must describe a training. Remove the file.")
    return Job(**{**kept, "arguments": tuple(words)})


def _not_now(run: Path, state: str, why: str) -> str:
    if why == _OUTSIDE:
        return f"{run.name} is trained outside of the lab. Stop it there."
    meant = {
        "done": "is finished", "stopped": "was ended", "training": "is being trained", "waiting": "waits for its turn",
        "paused": "is paused", "failed": "failed",
    }  # fmt: skip
    return f"{run.name} {meant[state]}, so this can't be done with it now."
