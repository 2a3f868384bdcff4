"""Peers as child processes: started, asked for blocks of steps, and frozen while another one is measured.

A peer that waits its turn is stopped (SIGSTOP, with all its threads and children), so that no spinning thread takes
time from the one that runs. Where a system has no such signal it waits for its input.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers.environments import ROOT, missing, python

PEERS = Path(__file__).parent / "peers"


class Gone(Exception):
    """A peer ended, or said nothing for too long."""


@dataclass(frozen=True)
class Peer:
    """A row of a table: its name, script, environment, and what is particular to it."""

    name: str
    script: str
    where: str
    settings: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)


def named(words: str) -> list[str]:
    """Peers as somebody types them: separated by ; or, where there is none, by commas, which some names have."""
    return [name.strip() for name in words.split(";" if ";" in words else ",") if name.strip()]


def surroundings(threads: int, more: dict[str, str] | None = None) -> dict[str, str]:
    """The environment variables of a child: so many threads in whatever library it brings."""
    counts = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    own = {name: str(threads) for name in counts}
    return {**os.environ, "PYTHONPATH": "", "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2", **own, **(more or {})}


def seen_cores(threads: int) -> list[str]:
    """The words before a command that leave it so many cores: XLA takes as many threads as it sees cores."""
    if threads < (os.cpu_count() or 1) and Path("/usr/bin/taskset").is_file():
        return ["/usr/bin/taskset", "-c", f"0-{threads - 1}"]
    return []


def end_on_signals() -> None:
    """Ctrl-C and SIGTERM end the benchmark through its `finally`s, even where a shell had them ignored: a peer that is
    stopped would stay for ever."""
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.default_int_handler)


class Worker:
    """One child process that speaks the protocol of `peers/protocol.py`."""

    def __init__(self, peer: Peer, settings: dict[str, Any], threads: int, env: dict[str, str] | None = None) -> None:
        self.peer = peer
        asked = {"threads": threads, **settings, **peer.settings}
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [*seen_cores(threads), str(python(peer.where)), str(PEERS / peer.script), json.dumps(asked)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", cwd=ROOT,
            errors="replace", env=surroundings(threads, {**(env or {}), **peer.env}), start_new_session=True,
        )  # fmt: skip
        self.lines: queue.Queue[tuple[float, str] | None] = queue.Queue()
        self.errors: list[str] = []
        for target in (self._listen, self._hear_errors):
            threading.Thread(target=target, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.lines.put((time.perf_counter() - self.began, line))
        self.lines.put(None)

    def _hear_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.errors = [*self.errors[-19:], line]

    def record(self, within: float) -> dict[str, Any]:
        """The next record, with `at`, the seconds since the process was started. Raises Gone."""
        try:
            heard = self.lines.get(timeout=max(0.1, within))
        except queue.Empty:
            raise Gone(f"said nothing for {within:.0f} s") from None
        if heard is None:
            self.process.wait()
            told = " ".join("".join(self.errors[-6:]).split())[-300:]
            raise Gone(f"ended with code {self.process.returncode}: {told}")
        return {**json.loads(heard[1]), "at": heard[0]}

    def records(self, until: float) -> Iterator[dict[str, Any]]:
        """Records until the process ends, or for so many seconds; raises Gone where it ends badly."""
        while True:
            try:
                yield self.record(until - (time.perf_counter() - self.began))
            except Gone:
                if self.process.poll() == 0:
                    return
                raise

    def block(self, steps: int, warm: int, within: float) -> float:
        """Wake it, let it run so many steps, freeze it again; the seconds that the steps took."""
        self.signal("SIGCONT")
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"steps": steps, "warm": warm}) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise Gone("ended between two blocks") from None
        seconds = self.record(within)["seconds"]
        self.signal("SIGSTOP")
        return float(seconds)

    def signal(self, name: str) -> None:
        """To the process and all that it started; nothing where the system doesn't know the signal."""
        if hasattr(signal, name) and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, getattr(signal, name))

    def end(self) -> None:
        """Whatever state it is in."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


def start(
    peer: Peer, settings: dict[str, Any], threads: int, within: float, env: dict[str, str] | None = None
) -> tuple[Worker | None, dict[str, Any]]:
    """A peer that is ready and frozen, with what it said; or None, and `absent`: why it isn't here."""
    if why := missing(peer.where):
        return None, {"peer": peer.name, "absent": why}
    worker = Worker(peer, settings, threads, env)
    try:
        about = worker.record(within)
    except Gone as error:
        worker.end()
        return None, {"peer": peer.name, "absent": str(error)}
    except BaseException:
        worker.end()
        raise
    worker.signal("SIGSTOP")
    return worker, {"peer": peer.name, **about}


def alternate(workers: list[Worker], paces: list[float], blocks: int, seconds: float) -> tuple[list[int], list[Any]]:
    """Blocks of about so many seconds in turn, there and back (ABBA): steps of a block, and seconds of each block.

    A worker that fails gets None for the rest.
    """
    steps = [max(1, min(2000, round(seconds / pace))) for pace in paces]
    times: list[list[float | None]] = [[] for _ in workers]
    failed: set[int] = set()
    for turn in range(blocks):
        order = range(len(workers)) if turn % 2 == 0 else reversed(range(len(workers)))
        for i in order:
            within = 60 + 20 * steps[i] * paces[i]
            try:
                times[i].append(None if i in failed else workers[i].block(steps[i], int(paces[i] < seconds), within))
            except Gone:
                failed.add(i)
                times[i].append(None)
    return steps, times
