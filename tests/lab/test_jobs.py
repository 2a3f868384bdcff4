"""Trainings as children: the queue, pausing, ending, failing, and a server that is killed while one runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from convscope import files
from convscope.lab import process
from convscope.lab.app import Lab
from convscope.lab.following import Log
from convscope.lab.jobs import Job, Jobs
from convscope.run import Run
from lab.conftest import LabSite

NET = "conv 3x3 4, relu, gap, dense"
LONG = {"text": NET, "data": "digits", "epochs": 2000, "seed": 1}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LabSite]:
    """A lab over an empty folder, which begins a training when it is told to; what is left of them is killed."""
    found = LabSite(Lab(tmp_path / "runs"))
    yield found
    jobs = found.lab.shelf.jobs
    for job in jobs.all().values():
        if job.pid != os.getpid() and process.lives(job.pid, job.began):
            os.kill(job.pid, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)


def until(what: Callable[[], Any], seconds: float = 40) -> Any:
    """The first answer that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it didn't come about in time")


def state(site: LabSite, id: str) -> str:
    return str(site.get(f"/api/models/{id}")["state"])


def learning(site: LabSite, id: str) -> bool:
    """Whether a training has gone through an epoch."""
    path = site.lab.shelf.path(id)
    return (path / "recipe.toml").is_file() and bool(Run(path).epochs)


@pytest.mark.slow
def test_a_training_from_its_word_to_its_score(site: LabSite) -> None:
    body = {
        "text": "# mine\n" + NET,
        "data": "digits",
        "epochs": 2,
        "seed": 5,
        "augment": {"shift": 1, "contrast": [1, 2]},
    }
    told = site.post("/api/train", body)
    assert (told["id"], told["state"], told["text"], told["moments"]) == ("digits", "waiting", body["text"], [])
    second = site.post("/api/train", body)
    assert (second["id"], second["state"]) == ("digits-2", "waiting")
    jobs = site.lab.shelf.jobs
    jobs.step()
    jobs.step()
    assert (state(site, "digits"), state(site, "digits-2")) == ("training", "waiting")
    assert until(lambda: state(site, "digits") != "training")
    done = site.get("/api/models/digits")
    assert (done["state"], done["text"], done["why"]) == ("done", body["text"], "")
    assert done["score"]["n"] > 200
    assert len(done["moments"]) > 2
    recipe = Run(site.lab.shelf.folder / "digits").recipe
    assert (recipe["seed"], recipe["augment"]["shift"], recipe["augment"]["contrast"]) == (5, 1, [1.0, 2.0])
    assert recipe["train"]["epochs"] == 2
    assert site.post("/api/runs/digits/pause")[1] == "digits is finished, so this can't be done with it now."
    assert site.post("/api/runs/digits-2/end")["state"] == "stopped"
    jobs.step()
    assert state(site, "digits-2") == "stopped"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_pause_and_continue(site: LabSite) -> None:
    site.post("/api/train", LONG)
    jobs = site.lab.shelf.jobs
    jobs.step()
    until(lambda: learning(site, "digits"))
    assert site.post("/api/runs/digits/pause")["state"] in ("training", "paused")
    site.post("/api/runs/digits/pause") if state(site, "digits") == "training" else None  # asked twice: no harm
    until(lambda: state(site, "digits") == "paused")
    run = Run(site.lab.shelf.folder / "digits")
    reached = run.epochs[-1].epoch
    assert run.checkpoint_path.is_dir()
    assert site.post("/api/look", {"model": "digits", "where": {"data": "digits", "index": 0}})["probabilities"]
    assert site.post("/api/runs/digits/continue")["state"] == "waiting"
    jobs.step()
    until(lambda: state(site, "digits") == "training" and Run(run.path).epochs[-1].epoch > reached)
    assert site.post("/api/runs/digits/end")["state"] in ("training", "stopped")
    until(lambda: state(site, "digits") == "stopped")
    assert site.post("/api/runs/digits/continue")[1] == "digits was ended, so this can't be done with it now."


SERVER = """
import sys, time
from pathlib import Path
from convscope.lab.app import Lab
lab = Lab(Path(sys.argv[1]), Path(sys.argv[1]))
lab.open()
time.sleep(120)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_a_lab_that_was_killed_finds_its_training_again(site: LabSite) -> None:
    folder = site.lab.shelf.folder
    site.post("/api/train", LONG)
    waits = site.post("/api/train", LONG)["id"]
    for job_run, job in site.lab.shelf.jobs.all().items():  # as though a lab that is gone had queued them
        files.write_json(job_run.parent / ".lab" / f"{job_run.name}.json", {**vars(job), "lab": 0, "lab_began": ""})
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(folder)])
    try:
        until(lambda: learning(site, "digits"))
    finally:
        server.kill()
        server.wait()
    again = LabSite(Lab(folder))
    assert state(again, "digits") == "training"
    seen = len(Run(folder / "digits").epochs)
    until(lambda: len(Run(folder / "digits").epochs) > seen)  # it goes on without the server
    again.lab.shelf.jobs.step()
    assert state(again, waits) == "waiting"
    again.post("/api/runs/digits/end")
    until(lambda: state(again, "digits") == "stopped")
    again.lab.shelf.jobs.step()
    assert state(again, waits) == "training"
    waiting = again.lab.shelf.jobs.read(folder / waits)
    assert waiting is not None
    os.kill(waiting.pid, signal.SIGKILL)
    until(lambda: state(again, waits) != "training")
    assert state(again, waits) in ("paused", "failed")


@pytest.mark.slow
def test_a_training_that_fails_says_why(site: LabSite) -> None:
    jobs, run = site.lab.shelf.jobs, site.lab.shelf.folder / "bad"
    jobs.add(run, ["digits", "--set", "optimizer.learning_rate=-1"], {"text": NET})
    jobs.step()
    until(lambda: state(site, "bad") == "failed")
    told = site.get("/api/models/bad")
    assert "learning_rate" in told["why"]
    assert told["text"] == NET
    assert site.post("/api/runs/bad/continue")["state"] == "waiting"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"text": ""}, "there must be a network to train"),
        ({"text": "conv 3x3 8, relux"}, "unknown layer 'relux'"),
        ({"text": "conv 3x3 8, dense 7"}, "7"),
        ({"text": "../../etc/passwd"}, "line 1, column 1"),
        ({"data": "digit"}, "unknown data set 'digit', did you mean 'digits'?"),
        ({"data": "../x"}, "an id must be 1 to 64"),
        ({"data": "cifar10"}, "cifar10 isn't on this machine"),
        ({"epochs": None}, "a training must have one of budget, in seconds, and epochs"),
        ({"budget": 5}, "a training must have one of budget, in seconds, and epochs"),
        ({"epochs": 0}, "epochs must be a whole number from 1 to 10000. Got 0"),
        ({"epochs": None, "budget": 1e9}, "a budget must be 1 to 86400 seconds"),
        ({"epochs": None, "budget": True}, "a budget must be 1 to 86400 seconds"),
        ({"seed": -1}, "a seed must be a whole number from 0"),
        ({"augment": {"rotat": 3}}, "rotat"),
        ({"augment": {"rotate": 999}}, "rotate"),
        ({"augment": [1]}, "augment must be named settings"),
    ],
)
def test_what_cannot_be_trained_is_said_at_once(site: LabSite, change: Any, sentence: str) -> None:
    status, said = site.post("/api/train", {**LONG, **change})
    assert status in (400, 404)
    assert sentence in said
    assert site.lab.shelf.jobs.all() == {}


def test_the_words_of_a_training_hold_no_path(site: LabSite) -> None:
    site.post("/api/train", {**LONG, "text": "conv 3x3 8 /2, gap, dense", "epochs": None, "budget": 2.5})
    (job,) = site.lab.shelf.jobs.all().values()
    words = list(job.arguments)
    assert words[:6] == ["digits", "--snapshots", "--budget", "2.5s", "--seed", "1"]
    assert words[-1].startswith("--net=")
    assert not Path(words[-1].removeprefix("--net=")).exists()


def test_too_many_may_not_wait(site: LabSite) -> None:
    for _ in range(16):
        site.post("/api/train", LONG)
    assert site.post("/api/train", LONG)[1].startswith("at most 16 trainings may wait. So many do;")


def test_a_run_of_others_is_left_alone(trained: Path, tmp_path: Path) -> None:
    """As long as they train it, however long its log is silent."""
    folder = tmp_path / "others"
    shutil.copytree(trained / "small", folder / "small")
    (folder / "small" / "model.safetensors").unlink()
    os.utime(folder / "small" / "log.jsonl", (0, 0))
    jobs = Jobs([folder])
    site = LabSite(Lab(folder))
    with Run(folder / "small").trained_here():
        assert jobs.state(folder / "small") == ("training", "It is trained outside of the lab.")
        for ask in ("pause", "end", "continue"):
            assert site.post(f"/api/runs/small/{ask}")[1] == "small is trained outside of the lab. Stop it there."
    assert jobs.state(folder / "small") == ("paused", "")
    assert site.post("/api/runs/small/continue")["state"] == "waiting"
    with Run(folder / "small").trained_here():  # meanwhile it was resumed in a terminal
        assert site.get("/api/models/small")["state"] == "training"
        site.lab.shelf.jobs.step()
        assert site.lab.shelf.jobs.all()[folder / "small"].pid == 0


def test_a_folder_that_somebody_else_takes_is_theirs(site: LabSite, trained: Path) -> None:
    """`train -o runs/digits` in a terminal, while a training of the lab waits for this name."""
    folder, jobs = site.lab.shelf.folder, site.lab.shelf.jobs
    jobs.add(folder / "a", [], {})
    files.write_json(folder / ".lab" / "a.json", {**vars(jobs.all()[folder / "a"]), "pid": os.getpid(),
                                                  "began": process.began(os.getpid())})  # fmt: skip
    assert site.post("/api/train", LONG)["id"] == "digits"
    shutil.copytree(trained / "small", folder / "digits")
    jobs.step()
    assert (state(site, "digits"), state(site, "digits-2")) == ("done", "waiting")
    assert jobs.read(folder / "digits") is None
    assert jobs.all()[folder / "digits-2"].arguments[0] == "digits"


def test_one_that_can_not_be_asked_to_stop_goes_on(site: LabSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, a child of an earlier console."""
    run, own = site.lab.shelf.folder / "digits", os.getpid()
    job = {**vars(Job((), {})), "pid": own, "began": process.began(own)}
    files.write_json(run.parent / ".lab" / "digits.json", job)
    sent: list[int] = []

    def kill(pid: int, number: int) -> None:
        sent.append(pid)
        raise OSError(22, "The parameter is incorrect")

    monkeypatch.setattr(os, "kill", kill)
    for ask in ("pause", "end"):
        said = site.post(f"/api/runs/digits/{ask}")[1]
        assert said.startswith("digits can't be asked to stop from here: it was begun from another console.")
        found = site.lab.shelf.jobs.read(run)
        assert found is not None
        assert found.want == "run"
    assert sent == [own, own]
    monkeypatch.undo()


def test_a_broken_note_is_nobodys_job(site: LabSite) -> None:
    folder = site.lab.shelf.folder
    files.write_text(folder / ".lab" / "x.json", "{")
    files.write_text(folder / ".lab" / "y.json", "[]")
    files.write_text(folder / ".lab" / "z.json", '{"format": 1}')
    assert site.lab.shelf.jobs.all() == {}
    assert site.get("/api/models") == []


def test_a_number_alone_names_no_process() -> None:
    own = process.began(os.getpid())
    assert own
    assert process.lives(os.getpid(), own)
    assert not process.lives(os.getpid(), own + "1")
    assert not process.lives(0, "")
    child = subprocess.Popen([sys.executable, "-c", ""])
    began = process.began(child.pid)
    until(lambda: not process.lives(child.pid, began))  # a zombie, which nobody has waited for, is gone
    child.wait()


def test_the_next_begins_where_the_lab_that_queued_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(Jobs, "_begin", lambda self, run, job: begun.append(run.name))
    jobs = Jobs([tmp_path])
    jobs.add(tmp_path / "a", ["digits"], {})
    other = os.getppid()
    job = {**vars(Job((), {})), "lab": other, "lab_began": process.began(other), "queued": 1}
    files.write_json(tmp_path / ".lab" / "theirs.json", job)
    jobs.step()
    assert begun == ["a"]
    files.write_json(tmp_path / ".lab" / "theirs.json", {**job, "lab_began": "long ago"})
    jobs.step()
    assert begun == ["a", "theirs"]


def test_a_log_is_followed_line_by_line(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl")
    assert log.news() == []
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"kind": "log", "format": 1}\n{"kind": "step", "n": 1}\n{"kind": "st')
    assert log.news() == [(2, '{"kind": "step", "n": 1}')]
    assert log.news() == []
    with path.open("ab") as file:
        file.write(b'ep", "n": 2}\n{"kind": "ha\n\n{"kind": "epoch"}\n')
    assert log.news() == [(3, '{"kind": "step", "n": 2}'), (6, '{"kind": "epoch"}')]
    assert Log(path, after=3).news() == [(6, '{"kind": "epoch"}')]


def test_events_tell_the_log_and_the_state(trained: Path) -> None:
    lab = Lab(trained)
    lines = (trained / "small" / "log.jsonl").read_text(encoding="utf-8").splitlines()

    async def told(after: int) -> list[str]:
        found = []
        async for part in lab._stream("small", trained / "small", after):
            found.append(part)
            lab.closing = part.startswith("event: state")
        lab.closing = False
        return found

    whole = asyncio.run(told(0))
    records = [part for part in whole if "event: record" in part]
    assert [part.partition("\n")[0] for part in records] == [f"id: {n}" for n in range(2, len(lines) + 1)]
    assert json.loads(records[-1].splitlines()[2].removeprefix("data: "))["kind"] == "finished"
    assert json.loads(whole[-1].splitlines()[1].removeprefix("data: "))["state"] == "done"
    rest = asyncio.run(told(len(lines) - 1))
    assert [part for part in rest if "record" in part] == records[-1:]


def test_the_events_of_a_run_that_has_ended_end(trained: Path) -> None:
    """A browser has six lines to one server: those from which nothing comes are given back."""

    async def told(lab: Lab, id: str, most: float) -> list[str]:
        found: list[str] = []

        async def listen() -> None:
            async for part in lab._stream(id, lab.shelf.path(id), 0):
                found.append(part.partition("\n")[0])

        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(listen(), most)
        return found

    assert asyncio.run(told(Lab(trained), "small", 30))[-1] == "event: end"
    waiting = LabSite(Lab(trained.parent / "waiting"))
    made = waiting.post("/api/train", LONG)["id"]
    assert asyncio.run(told(waiting.lab, made, 4)) == ["event: state"]
