"""The run folder: made once, read lazily, its test split's looks counted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from convscope import files, run
from convscope.errors import ConvscopeError, RunFailed
from convscope.run import Epoch, Note, Run, Step
from faults import injected


@pytest.fixture
def folder(tmp_path: Path) -> Run:
    made = Run.create(tmp_path / "runs" / "m")
    made.write_recipe('format = 1\ndata = "digits"\n[train]\nkeep = "last"\n')
    return made


def epoch(number: int, k: int | None = 5, best: bool = False, loss: float = 1.0) -> Epoch:
    n = None if k is None else 10
    return Epoch(number, number * 10, loss, 80, 100, None, k, n, 0.1, 1.0, 2.0, best)


def test_a_new_run_is_empty(folder: Run) -> None:
    opened = Run(folder.path)
    assert opened.records == []
    assert opened.epochs == []
    assert opened.test is None
    assert opened.validation is None
    assert opened.looks == 0
    assert opened.plan == {}
    assert opened.environment == {}
    assert opened.recipe["data"] == "digits"


def test_two_runs_have_two_folders(tmp_path: Path) -> None:
    paths = [Run.create(tmp_path / "m").path.name for _ in range(3)]
    assert paths == ["m", "m-2", "m-3"]


def test_what_is_written_is_read(folder: Run) -> None:
    folder.write_plan({"layout": "nhwc", "conv1": ["a", "b"]})
    environment = folder.write_environment()
    records: list[run.Record] = [Note("猫"), Step(1, 1, 2.3, 0.1, 5.0, 1.0, 9.0), epoch(1)]
    for record in records:
        folder.log(record)
    opened = Run(str(folder.path))
    assert opened.records == records
    assert opened.plan == {"layout": "nhwc", "conv1": ["a", "b"]}
    assert opened.environment == environment
    assert opened.recipe_text.startswith("format = 1")
    folder.write_recipe("format = 1\nseed = 3\n")
    assert folder.recipe == {"format": 1, "seed": 3}


def test_the_names_of_the_files(folder: Run) -> None:
    paths = {value.name for name in dir(Run) if name.endswith("_path") for value in [getattr(folder, name)]}
    assert paths == {
        "recipe.toml", "split.csv", "plan.json", "environment.json", "log.jsonl", "looks.jsonl",
        "model.safetensors", "checkpoint", "predictions.npz", "report.html", "snapshots",
    }  # fmt: skip
    assert not any(":" in name for name in paths)


def test_an_epoch_done_again_after_resuming_counts_once(folder: Run) -> None:
    for record in (epoch(1), epoch(2, loss=0.5), Note("resumed"), epoch(2, loss=0.4), epoch(3)):
        folder.log(record)
    assert [e.epoch for e in folder.epochs] == [1, 2, 3]
    assert folder.epochs[1].train_loss == 0.4
    assert len(folder.records) == 5


def test_validation_is_of_the_weights_that_are_kept(folder: Run) -> None:
    for record in (epoch(1, 5, best=True), epoch(2, 8, best=True), epoch(3, 7)):
        folder.log(record)
    assert folder.validation == (7, 10)
    folder.write_recipe('format = 1\n[train]\nkeep = "best"\n')
    assert Run(folder.path).validation == (8, 10)
    assert folder.validation == (8, 10)


def test_without_validation_pictures_there_is_no_score(folder: Run) -> None:
    folder.log(epoch(1, None))
    assert folder.validation is None


def test_looks_are_counted_by_split(folder: Run) -> None:
    assert folder.look("validation", "train") == 1
    assert [folder.look("test", what) for what in ("train", "evaluate")] == [1, 2]
    opened = Run(folder.path)
    assert opened.looks == 2
    assert opened.looks_at("validation") == 1
    lines = files.read_lines(folder.looks_path)
    assert lines[0] == {"kind": "looks", "format": 1}
    assert lines[2]["what"] == "train"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d{6}Z", lines[2]["time"])


def test_a_look_that_cannot_be_written_down_is_not_taken(folder: Run) -> None:
    folder.look("test", "train")
    with pytest.raises(RunFailed, match="could not write"), injected(2, "enospc"):
        folder.look("test", "evaluate")
    assert folder.looks == 1


def test_looks_of_several_processes_are_all_counted(folder: Run) -> None:
    program = f"from convscope.run import Run\nfor _ in range(20): Run({str(folder.path)!r}).look('test', 'evaluate')"
    processes = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert folder.looks == 40


def test_the_last_test_score_counts(folder: Run) -> None:
    folder.log(run.Tested(90, 100, 0.8, 0.95, 0.3, "test", 1))
    folder.log(run.Tested(70, 100, 0.6, 0.78, 0.9, "validation", 1))
    assert folder.test == run.Tested(90, 100, 0.8, 0.95, 0.3, "test", 1)
    folder.log(run.Tested(91, 100, 0.8, 0.95, 0.3, "test", 2))
    assert folder.test is not None
    assert folder.test.look == 2


def test_a_log_with_half_a_line_is_read(folder: Run) -> None:
    folder.log(Note("whole"))
    with folder.log_path.open("ab") as file:
        file.write(b'{"kind": "note", "te')
    assert folder.records == [Note("whole")]
    folder.log(Note("after"))
    assert folder.records == [Note("whole"), Note("after")]


def test_what_is_no_run_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match=r"is no run folder: there is no such folder\. `convscope train` makes"):
        Run(tmp_path / "nowhere")
    with pytest.raises(ConvscopeError, match=r"is no run folder: it has no recipe\.toml"):
        Run(tmp_path)


@pytest.mark.parametrize("name", ["recipe.toml", "plan.json", "environment.json", "log.jsonl", "looks.jsonl"])
def test_a_later_format_is_refused(folder: Run, name: str) -> None:
    text = "format = 2\n" if name == "recipe.toml" else '{"kind": "log", "format": 2}\n'
    files.write_text(folder.path / name, text)
    with pytest.raises(ConvscopeError, match=rf"{name} has format 2, and this version of convscope reads"):
        _ = folder.recipe, folder.plan, folder.environment, folder.records, folder.looks


def test_a_recipe_that_is_no_toml_in_words(folder: Run) -> None:
    files.write_text(folder.recipe_path, "format = \n")
    with pytest.raises(ConvscopeError, match=r"recipe\.toml must be TOML\. .*line 1"):
        _ = folder.recipe


def test_opening_a_run_needs_neither_torch_nor_numpy() -> None:
    program = (
        "import sys, convscope.run; print([name for name in ('torch', 'numpy', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_but_steps_are_synced(folder: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(files, "append_line", lambda path, record, *, sync=False: synced.append(sync))
    folder.log(Step(1, 1, 2.3, 0.1, 5.0, 1.0, 9.0))
    folder.log(run.Finished("x", 1.0))
    assert synced == [False, True]


@pytest.mark.parametrize("text", ["[1]", "3", "null"])
def test_damaged_tables_are_refused(folder: Run, text: str) -> None:
    for path in (folder.plan_path, folder.environment_path):
        files.write_text(path, text)
    with pytest.raises(ConvscopeError, match=r"plan\.json must hold named values\. Got .*Remove the file"):
        _ = folder.plan
    with pytest.raises(ConvscopeError, match=r"environment\.json must hold named values\."):
        _ = folder.environment
    files.write_json(folder.plan_path, {"format": 1})
    with pytest.raises(ConvscopeError, match=r"plan\.json must hold a plan\. Got None\."):
        _ = folder.plan
