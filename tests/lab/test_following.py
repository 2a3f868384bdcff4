"""What the lab keeps of runs and notes is never older than their files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from convscope import files
from convscope.lab import following, process
from convscope.lab.app import Lab
from convscope.lab.jobs import Job, Jobs
from convscope.run import Record, Run
from convscope.run.records import from_json
from lab.conftest import LabSite


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """A copy of the folder with the trained run, to be changed at will."""
    shutil.copytree(trained / "small", tmp_path / "runs" / "small")
    return tmp_path / "runs"


def rewrite(log: Path, text: str) -> None:
    log.write_text(text, encoding="utf-8", newline="\n")


def test_a_log_that_grows_is_read_on(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = runs / "small" / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if json.loads(line).get("kind") == "epoch"]
    tested = next(number for number, line in enumerate(lines) if json.loads(line).get("kind") == "tested")
    rewrite(log, "".join(lines[: ends[0]]))
    site = LabSite(Lab(runs))
    assert not any(moment["accuracy"] for moment in site.get("/api/models/small")["moments"])
    read: list[dict[str, object]] = []

    def noted(value: dict[str, object]) -> Record:
        read.append(value)
        return from_json(value)

    monkeypatch.setattr("convscope.lab.following.from_json", noted)
    with log.open("a", encoding="utf-8", newline="\n") as file:
        file.write("".join(lines[ends[0] : tested]))
    told = site.get("/api/models/small")
    run = Run(runs / "small")
    scores = {epoch.step: epoch.validation_k / epoch.validation_n for epoch in run.epochs
              if epoch.validation_k is not None and epoch.validation_n}  # fmt: skip
    assert scores
    assert [moment["accuracy"] for moment in told["moments"]] == [scores.get(m["step"]) for m in told["moments"]]
    assert told["score"] is None
    assert read
    assert not {"started", "step"} & {value["kind"] for value in read}  # what was read before isn't read again
    with log.open("a", encoding="utf-8", newline="\n") as file:
        file.write("".join(lines[tested:]))
    assert site.get("/api/models/small")["score"]["n"] == json.loads(lines[tested])["n"]
    read.clear()
    site.get("/api/models")
    assert read == []


def test_a_run_made_anew_under_its_name_is_another(runs: Path, trained: Path) -> None:
    site = LabSite(Lab(runs))
    before = site.get("/api/models/small")
    assert before["score"]
    assert before["moments"]
    shutil.rmtree(runs / "small")
    shutil.copytree(trained / "small", runs / "small")
    shutil.rmtree(runs / "small" / "snapshots")
    log = runs / "small" / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    rewrite(log, "".join(line for line in lines if json.loads(line).get("kind") != "tested"))
    recipe = runs / "small" / "recipe.toml"
    rewrite(recipe, recipe.read_text(encoding="utf-8").replace("conv 3x3 8", "conv 5x5 8", 1))
    after = site.get("/api/models/small")
    assert after["score"] is None
    assert after["moments"] == []
    assert after["text"].startswith("conv 5x5 8")


def test_a_record_of_a_later_version_is_said_each_time(runs: Path) -> None:
    site = LabSite(Lab(runs))
    with (runs / "small" / "log.jsonl").open("a", encoding="utf-8", newline="\n") as file:
        file.write('{"kind": "dreamt"}\n')
    for _ in range(2):
        told = site.get("/api/models/small")
        assert told["state"] == "failed"
        assert "dreamt" in told["why"]


def test_a_note_that_another_lab_changed_is_read_anew(tmp_path: Path) -> None:
    jobs = Jobs([tmp_path])
    jobs.add(tmp_path / "a", ["digits"], {})
    first = jobs.read(tmp_path / "a")
    assert first is not None
    assert jobs.read(tmp_path / "a") is first  # and isn't, as long as it is the same
    Jobs([tmp_path]).end(tmp_path / "a")
    second = jobs.read(tmp_path / "a")
    assert second is not None
    assert second.want == "ended"
    (tmp_path / ".lab" / "a.json").unlink()
    assert jobs.read(tmp_path / "a") is None


def test_a_process_that_ended_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def lives(pid: int, since: str) -> bool:
        asked.append(pid)
        return False

    monkeypatch.setattr(process, "lives", lives)
    note = {**vars(Job((), {})), "pid": 4711, "began": "long ago", "want": "ended"}
    files.write_json(tmp_path / ".lab" / "old.json", note)
    jobs = Jobs([tmp_path])
    for _ in range(3):
        jobs.step()
    assert asked == [4711]


def test_many_runs_are_told_without_reading_them_anew(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        shutil.copytree(runs / "small", runs / f"small-{number}")
    site = LabSite(Lab(runs))
    first = site.get("/api/models")
    assert len(first) == 21
    monkeypatch.setattr(following, "snapshots_in", None)  # whoever calls these fails
    monkeypatch.setattr(following, "Course", None)
    assert site.get("/api/models") == first


@pytest.mark.parametrize(
    "record",
    ['{"kind": []}', '{"kind": "epoch", "epoch": "x"}', "[" * 5000 + "]" * 5000],
)
def test_a_broken_log_hides_no_other_model(runs: Path, record: str) -> None:
    shutil.copytree(runs / "small", runs / "other")
    with (runs / "small" / "log.jsonl").open("a", encoding="utf-8", newline="\n") as file:
        file.write(record + "\n")
    told = {model["id"]: model for model in LabSite(Lab(runs)).get("/api/models")}
    assert told["other"]["state"] == "done"
    assert "small" in told


@pytest.mark.parametrize("note", ['{"format": 1}', '{"format": 1, "arguments": [], "about": {}, "queued": "x"}', "7"])
def test_a_note_that_is_no_job_hides_no_model(runs: Path, note: str) -> None:
    files.write_text(runs / ".lab" / "small.json", note)
    (model,) = LabSite(Lab(runs)).get("/api/models")
    assert (model["id"], model["state"]) == ("small", "done")


def test_a_run_that_was_removed_is_no_ghost(runs: Path) -> None:
    note = {**vars(Job((), {})), "pid": 4711, "began": "long ago"}
    files.write_json(runs / ".lab" / "gone.json", note)
    assert [model["id"] for model in LabSite(Lab(runs)).get("/api/models")] == ["small"]


def test_two_who_ask_at_once_are_promised_two_folders(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    jobs = Jobs([tmp_path])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: jobs.add_new(tmp_path, "digits", ["digits"], {}), range(8)))
    assert len(set(found)) == len(jobs.all()) == 8


def test_what_was_ended_is_not_paused_while_it_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "lives", lambda pid, began: True)
    files.write_json(tmp_path / ".lab" / "a.json", {**vars(Job((), {})), "pid": 4711, "began": "now", "want": "ended"})
    jobs = Jobs([tmp_path])
    jobs.pause(tmp_path / "a")
    job = jobs.read(tmp_path / "a")
    assert job is not None
    assert job.want == "ended"


def test_the_labs_own_network_is_trained_on_where_it_was_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convscope.lab import training

    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    lab = Lab(tmp_path / "runs")
    training.demo(lab.shelf)
    (own,) = lab.shelf.jobs.all()
    lab.shelf.jobs.end(own)
    assert lab.shelf.jobs.state(own)[0] == "stopped"
    training.demo(Lab(tmp_path / "runs").shelf)
    assert lab.shelf.jobs.state(own)[0] == "waiting"


def test_a_run_made_anew_is_judged_on_its_own_pictures(runs: Path) -> None:
    shelf = Lab(runs).shelf
    first = shelf.data_of(Run(runs / "small"))
    assert shelf.data_of(Run(runs / "small")) is first
    split = runs / "small" / "split.csv"
    rewrite(split, split.read_text(encoding="utf-8") + "")
    assert shelf.data_of(Run(runs / "small")) is not first
