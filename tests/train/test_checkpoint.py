"""Checkpoints under fault: after any of them the latest is exactly the old or the new one (C1, C2, C3, C8)."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from convscope import files
from convscope.errors import RunFailed
from convscope.run import Note, Saved
from convscope.train import checkpoint
from faults import FAULTS, KILLS, injected
from powerloss import recorded, states

CHILD = Path(__file__).with_name("crash_child.py")


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("crash_child", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


child = _module(CHILD)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint folder with steps 10 and 20, so that the save of 30 also retires one."""
    path = tmp_path / "checkpoint"
    child.save(path, 10)
    child.save(path, 20)
    return path


def which(folder: Path) -> int:
    """The step of the latest checkpoint, after checking that every byte of it is that step's."""
    stored = checkpoint.latest_bytes(folder)
    assert stored is not None
    assert stored.warnings == ()
    assert stored.tensors == child.content(stored.step)
    assert stored.state == {"step": stored.step, "name": "模型"}
    return stored.step


def calls_of_a_save(folder: Path) -> list[str]:
    copy = folder.with_name("counted")
    shutil.copytree(folder, copy)
    with injected(0, "eio") as counter:
        child.save(copy, 30)
    shutil.rmtree(copy)
    return counter.calls


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    tensors = {
        "conv1.weight": torch.randn(4, 3, 5, 5),
        "step": torch.tensor(7),
        "mask": torch.tensor([True, False]),
        "half": torch.arange(3, dtype=torch.bfloat16),
        "turned": torch.arange(6.0).reshape(2, 3).T,
        "nothing": torch.zeros(0, 3),
    }
    tensors["same"] = tensors["conv1.weight"]
    path = checkpoint.save(tmp_path, 123, tensors, {"epoch": 3, "history": [0.5, None], "name": "猫"})
    assert path == tmp_path / "step-00000123"
    assert sorted(p.name for p in path.iterdir()) == ["manifest.json", "state.json", "state.safetensors"]
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert (found.step, found.path, found.warnings) == (123, path, ())
    assert found.state == {"epoch": 3, "history": [0.5, None], "name": "猫"}
    assert found.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path) is None
    assert checkpoint.latest(tmp_path / "nowhere") is None


def test_a_checkpoint_does_not_change_with_the_training(tmp_path: Path) -> None:
    weight = torch.ones(3)
    checkpoint.save(tmp_path, 1, {"w": weight}, {})
    weight += 1
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert torch.equal(found.tensors["w"], torch.ones(3))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_saved(tmp_path: Path, value: float) -> None:
    with pytest.raises(RunFailed, match=r"a checkpoint must be finite\. At step 5 conv1\.bias is not, and nothing was"):
        checkpoint.save(tmp_path, 5, {"conv1.bias": torch.tensor([1.0, value])}, {})
    with pytest.raises(RunFailed, match=r"a checkpoint's state must be finite\. At step 5 it is not"):
        checkpoint.save(tmp_path, 5, {}, {"loss": value})
    assert checkpoint.latest(tmp_path) is None


def test_the_newest_two_stay_and_nothing_is_overwritten(tmp_path: Path) -> None:
    for step in (1, 2, 3, 100_000_000):
        child.save(tmp_path, step)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000003", "step-100000000"]
    child.save(tmp_path, 100_000_000)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-100000000", "step-100000000-2"]
    stored = checkpoint.latest_bytes(tmp_path)
    assert stored is not None
    assert stored.path.name == "step-100000000-2"


def test_retention_never_removes_the_newest_whole_one(folder: Path) -> None:
    """C8: damaged checkpoints don't count among the two that stay."""
    for step in (30, 40):
        child.save(folder, step)
    for name in ("step-00000030", "step-00000040"):
        (folder / name / "state.safetensors").write_bytes(b"rotten")
    child.save(folder, 5)  # an older step than the damaged ones, as after falling back
    assert {p.name for p in folder.iterdir()} >= {"step-00000005"}
    stored = checkpoint.latest_bytes(folder)
    assert stored is not None
    assert stored.step == 5
    assert [re.search(r"step-\d+", w)[0] for w in stored.warnings] == ["step-00000040", "step-00000030"]  # type: ignore[index]
    child.save(folder, 50)
    child.save(folder, 60)
    assert sorted(p.name for p in folder.iterdir()) == ["step-00000050", "step-00000060"]


def test_c1_a_failing_call_leaves_the_old_or_the_new(folder: Path) -> None:
    """Every call on the disk that a save makes x {EIO, ENOSPC, short write, half a write and then ENOSPC}."""
    total = len(calls_of_a_save(folder))
    assert total > 10
    outcomes = {20: 0, 30: 0}
    for n, fault in itertools.product(range(1, total + 1), FAULTS):
        copy = folder.with_name(f"{n}-{fault}")
        shutil.copytree(folder, copy)
        failure = None
        with injected(n, fault):
            try:
                child.save(copy, 30)
            except RunFailed as error:
                failure = error
        assert failure is None or "could not write" in str(failure)
        assert failure is None or isinstance(failure.__cause__, OSError)
        step = which(copy)
        outcomes[step] += 1
        assert failure or step == 30, f"{fault} at call {n}: no error, and the old state"
        child.save(copy, 40)  # what a fault left behind is in nobody's way, and goes
        assert which(copy) == 40
        assert not files.parts(copy)
        shutil.rmtree(copy)
    assert min(outcomes.values()) > 0


def _killed(folder: Path, n: int, fault: str) -> int:
    return subprocess.run([sys.executable, CHILD, folder, str(n), fault], check=False).returncode


def test_c1_a_kill_leaves_the_old_or_the_new(folder: Path) -> None:
    """Every call x {killed before it, killed in the middle of a write}; the child imports no torch."""
    calls = calls_of_a_save(folder)
    outcomes = {20: 0, 30: 0}
    for fault in KILLS:
        for n, call in enumerate(calls, start=1):
            if fault == "half-kill" and call != "_write":
                continue
            copy = folder.with_name(f"{n}-{fault}")
            shutil.copytree(folder, copy)
            assert _killed(copy, n, fault) == 9
            outcomes[which(copy)] += 1
            child.save(copy, 40)
            assert which(copy) == 40
            assert not files.parts(copy)
            shutil.rmtree(copy)
    assert min(outcomes.values()) > 0


def _train_under_fire(folder: Path, kills: int, steps: int) -> int:
    """Trains to `steps`, killed at random times, each time resumed; how many kills struck a living child."""
    draw = random.Random(1)
    struck = 0
    while struck < kills:
        process = subprocess.Popen([sys.executable, CHILD, folder, "train", str(steps)])
        try:
            process.wait(timeout=draw.uniform(0.05, 0.35))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            struck += 1
        else:
            break
        checkpoint.latest_bytes(folder)  # raises where nothing is whole
    return struck


@pytest.mark.parametrize("kills", [pytest.param(30, marks=pytest.mark.slow), pytest.param(300, marks=pytest.mark.soak)])
def test_c1_a_training_killed_at_random_times_ends_as_if_it_never_was(tmp_path: Path, kills: int) -> None:
    steps = 400 * kills
    struck = _train_under_fire(tmp_path / "fire", kills, steps)
    stored = checkpoint.latest_bytes(tmp_path / "fire")
    assert stored is not None
    assert stored.warnings == ()
    assert struck == kills
    reached = stored.step
    child.train(tmp_path / "fire", reached + 3)
    _calm(tmp_path / "calm", reached + 3)
    calm, fire = (checkpoint.latest_bytes(tmp_path / name) for name in ("calm", "fire"))
    assert calm is not None
    assert fire is not None
    assert hashlib.sha256(fire.tensors).digest() == hashlib.sha256(calm.tensors).digest()


def _calm(folder: Path, steps: int) -> None:
    """The uninterrupted training without its saves on the way, which take the time."""
    real = checkpoint.save_bytes
    try:
        checkpoint.save_bytes = lambda f, step, *rest: real(f, step, *rest) if step == steps else f
        child.train(folder, steps)
    finally:
        checkpoint.save_bytes = real


def test_c2_a_power_cut_leaves_the_old_or_the_new(folder: Path, tmp_path: Path) -> None:
    """At every moment of a save, with every combination of what was not synced yet."""
    before = tmp_path / "before"
    shutil.copytree(folder, before)
    with recorded() as log:
        child.save(folder, 30)
    returned = len(log)
    outcomes: Counter[int] = Counter()
    for done, found in states(before, folder, log, tmp_path / "found"):
        step = which(found)
        outcomes[step] += 1
        assert done < returned or step == 30, "the save returned, and its checkpoint was not on the disk"
    assert outcomes.keys() == {20, 30}
    assert outcomes.total() > 100


def _damage(folder: Path, damage: Callable[[bytes], bytes], name: str) -> None:
    """Damages one file of step 20, and checks that this is found, said, and that step 10 is taken instead."""
    path = folder / "step-00000020" / name
    whole = path.read_bytes()
    bad = damage(whole)
    assert bad != whole
    path.write_bytes(bad)
    stored = checkpoint.latest_bytes(folder)
    assert stored is not None
    assert stored.step == 10
    assert stored.tensors == child.content(10)
    (warning,) = stored.warnings
    assert "step-00000020 can't be used" in warning
    if name == files.MANIFEST:
        assert files.MANIFEST in warning or "is damaged" in warning
    else:
        assert str(path) in warning
        assert hashlib.sha256(whole).hexdigest() in warning
        assert hashlib.sha256(bad).hexdigest() in warning
    path.write_bytes(whole)


NAMES = ("state.safetensors", "state.json", "manifest.json")


@pytest.mark.parametrize("flips", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_c3_every_flipped_bit_is_found(folder: Path, flips: int) -> None:
    draw = random.Random(2)
    for number in range(flips):
        name = NAMES[number % 3]
        size = (folder / "step-00000020" / name).stat().st_size
        place, bit = draw.randrange(size), draw.randrange(8)
        _damage(folder, lambda data: data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :], name)  # noqa: B023


def test_c3_every_flip_in_the_manifest_is_found(folder: Path) -> None:
    """All bits of the one file that no hash covers: what it says can't change without being noticed."""
    size = (folder / "step-00000020" / files.MANIFEST).stat().st_size
    for place, bit in itertools.product(range(size - 1), range(8)):
        flip = bytes([1 << bit])
        _damage(
            folder,
            lambda data: data[:place] + bytes([data[place] ^ flip[0]]) + data[place + 1 :],  # noqa: B023
            files.MANIFEST,
        )


@pytest.mark.parametrize("offsets", [8, pytest.param(64, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", NAMES)
def test_c3_every_truncation_is_found(folder: Path, name: str, offsets: int) -> None:
    size = (folder / "step-00000020" / name).stat().st_size
    for number in range(offsets):
        end = number * (size - 2) // offsets  # the manifest's last byte is a newline that says nothing
        _damage(folder, lambda data: data[:end], name)  # noqa: B023


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_found(folder: Path, name: str) -> None:
    (folder / "step-00000020" / name).unlink()
    stored = checkpoint.latest_bytes(folder)
    assert stored is not None
    assert stored.step == 10
    assert f"there is no file {folder / 'step-00000020' / name}" in stored.warnings[0]


def test_when_all_are_damaged_the_sentence_says_so(folder: Path) -> None:
    for path in folder.iterdir():
        (path / "state.json").write_bytes(b"{}")
    with pytest.raises(
        RunFailed, match=r"no checkpoint in .* is whole\. checkpoint step-00000020 .* Train anew"
    ) as error:
        checkpoint.latest(folder)
    assert error.value.exit_code == 1


def test_a_folder_under_another_steps_name_is_found(folder: Path) -> None:
    (folder / "step-00000020").rename(folder / "step-00000021")
    stored = checkpoint.latest_bytes(folder)
    assert stored is not None
    assert "must hold step 21. It holds step 20." in stored.warnings[0]


def test_a_manifest_that_lists_too_little_is_found(folder: Path) -> None:
    files.write_json(folder / "step-00000020" / files.MANIFEST, {"format": 1, "files": {}})
    stored = checkpoint.latest_bytes(folder)
    assert stored is not None
    assert "it must list state.json and state.safetensors" in stored.warnings[0]


def test_c8_a_training_goes_on_when_the_disk_is_full(folder: Path) -> None:
    tensors = {"w": torch.ones(3)}
    saved = checkpoint.attempt(folder, 30, tensors, {})
    assert saved == Saved(30, str(folder / "step-00000030"))
    with injected(2, "enospc"):
        note = checkpoint.attempt(folder, 40, tensors, {})
    assert isinstance(note, Note)
    assert re.search(r"no checkpoint at step 40: could not write .* No space left on device\. ", note.text)
    assert "The last checkpoint is step-00000030. The training goes on." in note.text
    found = checkpoint.latest(folder)
    assert found is not None
    assert found.step == 30
    assert isinstance(checkpoint.attempt(folder, 50, tensors, {}), Saved)


def test_c8_without_any_checkpoint_the_note_says_that(tmp_path: Path) -> None:
    with injected(1, "enospc"):
        note = checkpoint.attempt(tmp_path, 1, {}, {})
    assert isinstance(note, Note)
    assert "There is no checkpoint yet. The training goes on." in note.text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size; injection stands for it")
def test_c8_a_real_limit_on_the_size_of_files(folder: Path) -> None:
    """The kernel refuses the write half way, as a full disk does: EFBIG at 20 kB of 80 kB."""
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "sys.argv[2:] = ['0', 'eio']; import runpy; runpy.run_path(sys.argv[1], run_name='child')['save'](__import__("
        "'pathlib').Path(sys.argv[0]), 30)"
    )
    program = program.replace("sys.argv[0]", repr(str(folder))).replace("sys.argv[1]", repr(str(CHILD)))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "RunFailed: could not write" in done.stderr
    assert "File too large" in done.stderr
    assert which(folder) == 20
    assert not files.parts(folder)


def test_a_step_below_zero_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a step must be 0 or more"):
        checkpoint.save_bytes(tmp_path, -1, b"", {})


def test_saving_imports_no_torch() -> None:
    program = (
        f"import sys, runpy; runpy.run_path({str(CHILD)!r}); print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
