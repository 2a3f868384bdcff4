"""Ctrl-C and SIGTERM in a training that really runs: a checkpoint, the code, the way on, and the same end."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convscope.cli import run
from convscope.cli.watching import watch
from convscope.data.progress import Progress
from convscope.run import Record, Started, Stopped

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process can't be sent these signals there")

WORDS = ["digits", "--net", "conv 3x3 8, bn, relu, maxpool 2, dropout 0.2, dense", "--epochs", "40",
         "--set", "batch_size=32", "--set", "ema=0.9"]  # fmt: skip


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.Popen(
        [sys.executable, "-m", "convscope", "train", *words], cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip


def tensors_digest(path: Path) -> str:
    """Of the tensors of a safetensors file, without its header, which names the run."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    table = {k: v for k, v in json.loads(data[8 : 8 + length]).items() if k != "__metadata__"}
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode() + data[8 + length :]).hexdigest()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("whole")
    child = start(folder, *WORDS, "--out", "whole", "--quiet")
    assert child.wait(timeout=120) == 0
    child.communicate()
    return tensors_digest(folder / "whole" / "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
def test_a_signal_keeps_what_was_learned(
    number: signal.Signals, code: int, uninterrupted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    child = start(tmp_path, *WORDS, "--out", "part", "--json")
    assert child.stdout is not None
    steps = 0
    for line in child.stdout:
        if json.loads(line)["kind"] == "step":
            steps += 1
            if steps == 57:
                child.send_signal(number)
                break
    rest = [json.loads(line) for line in child.communicate(timeout=60)[0].splitlines()]
    assert child.returncode == code
    assert [record["kind"] for record in rest][-2:] == ["saved", "stopped"]
    assert rest[-1]["reason"] == "interrupted"
    folder = tmp_path / "part"
    assert not (folder / "model.safetensors").exists()
    saved = sorted((folder / "checkpoint").iterdir())
    assert saved[-1].name == f"step-{rest[-1]['step']:08d}"

    monkeypatch.chdir(tmp_path)
    assert start(tmp_path, "--resume", "part").wait(timeout=120) == 0
    assert tensors_digest(folder / "model.safetensors") == uninterrupted
    assert run(["train", "--resume", "part"]) == 2
    assert "is finished" in capsys.readouterr().err


@pytest.mark.slow
def test_the_way_on_is_printed(tmp_path: Path) -> None:
    child = start(tmp_path, *WORDS, "--out", "part")
    assert child.stdout is not None
    for line in child.stdout:
        if "elapsed" in line:
            child.send_signal(signal.SIGINT)
            break
    out, error = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "go on with: convscope train --resume part" in out
    assert "Traceback" not in error


def test_an_interruption_before_the_first_step_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While data is read nothing is to be saved: the next picture that is told of ends it."""
    monkeypatch.chdir(tmp_path)

    def reading(*given: object, progress: object = None, **options: object) -> object:
        assert callable(progress)
        progress("reading pictures", 1, 3)
        signal.raise_signal(signal.SIGTERM)
        progress("reading pictures", 2, 3)
        raise AssertionError("it went on")

    monkeypatch.setattr("convscope.recipe.realise.load", reading)
    before = signal.getsignal(signal.SIGTERM)
    assert run(["train", "digits"]) == 143
    assert capsys.readouterr().err == "interrupted; nothing more was saved\n"
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_run_that_has_begun_ends_by_itself() -> None:
    """Among features it stops with its record, while pictures are scored it goes on to its model: see `stop`."""
    started = Started("run", "digits", (), 1, 1, 1, 1, (8, 8, 1), "cpu", 1, {})

    def begin(stop: Callable[[], bool], progress: Progress) -> Iterator[Record]:
        yield started
        signal.raise_signal(signal.SIGINT)
        progress("features", 1, 2)
        if stop():
            yield Stopped("interrupted", 0, 0)

    code, kept = watch(begin, quiet=True)
    assert (code, len(kept)) == (130, 2)

    def reads(stop: Callable[[], bool], progress: Progress) -> Iterator[Record]:
        signal.raise_signal(signal.SIGINT)
        progress("decoding pictures", 1, 2)
        yield started

    assert watch(reads, quiet=True) == (130, [])


@pytest.mark.slow
def test_a_run_that_is_trained_is_resumed_by_nobody_else(tmp_path: Path) -> None:
    """Two writers would spoil it. Killed outright, the first leaves nothing that stands in the way."""
    first = start(tmp_path, *WORDS[:-6], "--epochs", "4000", "--out", "part", "--json")
    assert first.stdout is not None
    for line in first.stdout:
        if json.loads(line)["kind"] == "epoch":
            break
    second = start(tmp_path, "--resume", "part")
    said = second.communicate(timeout=60)[1]
    assert second.returncode == 2
    assert said == "error: part is being trained already. Wait for its end, or stop it where it goes on.\n"
    first.kill()
    first.communicate()
    third = start(tmp_path, "--resume", "part", "--json")
    assert third.stdout is not None
    kinds = []
    for line in third.stdout:
        kinds.append(json.loads(line)["kind"])
        if kinds[-1] == "epoch":
            break
    third.kill()
    third.communicate()
    assert kinds[-1] == "epoch"
