"""Legacy files are opened in a child process that carries nothing out; whatever isn't a state dict is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from convscope.errors import ConvscopeError
from convscope.weights import legacy

STATE = OrderedDict(b=torch.arange(6.0).reshape(2, 3), a=torch.tensor([1.5, -2.0]), n=torch.tensor(3))


class Writes:
    """A pickle that writes a file when it is opened without care."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return (exec, (f"open({self.path!r}, 'w').write('here I was')",))


def saved(path: Path, value: Any, **how: Any) -> Path:
    torch.save(value, path, **how)
    return path


@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
def test_a_state_dict_comes_back_in_its_order(tmp_path: Path, new: bool) -> None:
    read = legacy.read(saved(tmp_path / "w.pth", STATE, _use_new_zipfile_serialization=new))
    assert list(read) == ["b", "a", "n"]
    assert all(torch.equal(read[name], tensor) for name, tensor in STATE.items())


def test_a_file_in_the_users_folder_is_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "w.pth", STATE)
    (tmp_path / "json.py").write_text("raise SystemExit(9)", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert list(legacy.read(path)) == ["b", "a", "n"]


def test_half_precision_parameters_and_shared_memory_become_plain_float32() -> None:
    shared = torch.arange(8.0)
    state = {"p": nn.Parameter(torch.ones(2).half()), "x": shared[:4], "y": shared[2:], "t": shared.reshape(2, 4).T}
    read = legacy._tensors(state, 1000)
    assert read["p"].dtype == torch.float32
    assert torch.equal(read["y"], shared[2:])
    assert torch.equal(read["t"], shared.reshape(2, 4).T)
    assert len({tensor.untyped_storage().data_ptr() for tensor in read.values()}) == len(read)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_training_scripts_file_has_it_inside(key: str) -> None:
    assert list(legacy._tensors({key: STATE, "epoch": 3}, 1000)) == list(STATE)


def refused(path: Path, said: str, **how: Any) -> None:
    with pytest.raises(ConvscopeError, match=f"must be a PyTorch state dict: .*{said}.*Get the file anew, or as"):
        legacy.read(path, **how)


def hostile_zip(path: Path, target: Path) -> Path:
    """A file as torch.save lays it out today, with a program in its pickle."""
    saved(path.with_suffix(".good"), STATE)
    with zipfile.ZipFile(path.with_suffix(".good")) as good, zipfile.ZipFile(path, "w") as bad:
        for entry in good.namelist():
            content = pickle.dumps(Writes(target), 2) if entry.endswith("data.pkl") else good.read(entry)
            bad.writestr(entry, content)
    return path


@pytest.mark.parametrize("how", ["zip", "old", "bare"])
def test_a_program_in_it_is_not_carried_out(tmp_path: Path, how: str) -> None:
    target, path = tmp_path / "written", tmp_path / "w.pth"
    if how == "zip":
        hostile_zip(path, target)
    elif how == "old":
        torch.save({"a": Writes(target)}, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(Writes(target), 2))
    refused(path, "it holds more than tensors, and that could be a program" if how != "bare" else "")
    assert not target.exists()
    if how == "bare":  # the file is what it is taken for
        pickle.loads(path.read_bytes())
        assert target.read_text(encoding="utf-8") == "here I was"


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    refused(saved(tmp_path / "w.pth", nn.Linear(2, 2)), "it holds more than tensors")


@pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])
def test_a_truncated_file_is_refused(tmp_path: Path, new: bool) -> None:
    whole = saved(tmp_path / "w.pth", {"a": torch.zeros(5000)}, _use_new_zipfile_serialization=new).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: int(len(whole) * 0.95)])
    refused(tmp_path / "cut.pth", "it is damaged or of another format")


@pytest.mark.parametrize("content", [b"", b"<html>log in first</html>", bytes(range(256)) * 9])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    refused(tmp_path / "w.pth", "it is damaged or of another format|it holds more than tensors")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([torch.zeros(2)], "it holds no named tensors"),
        ({}, "it holds no named tensors"),
        ({"a": 3}, "'a' is no plain tensor but int"),
        ({3: torch.zeros(2)}, "3 is no plain tensor but Tensor"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "'a' is no plain tensor"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "'a' is no tensor of plain numbers"),
        ({"a": torch.zeros(1).expand(100_000, 100_000)}, "its tensors are larger than the file"),
    ],
)
def test_other_content_is_refused(value: Any, said: str) -> None:
    with pytest.raises(legacy._Unusable, match=said):
        legacy._tensors(value, 1000)


def test_other_content_is_refused_in_a_whole_sentence(tmp_path: Path) -> None:
    refused(saved(tmp_path / "w.pth", {"a": 3}), "'a' is no plain tensor but int")


def test_there_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match=r"must exist to be read. There is none at .*w.pth"):
        legacy.read(tmp_path / "w.pth")


def test_it_ends_in_time(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ConvscopeError, match=r"must be read within 0.01 s. .* was not"):
        legacy.read(saved(tmp_path / "w.pth", STATE), seconds=0.01)
    assert time.monotonic() - started < 10


def test_a_child_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Path("/bin/false")
    if not failing.exists():
        pytest.skip("needs a program that fails")
    monkeypatch.setattr(sys, "executable", str(failing))
    refused(saved(tmp_path / "w.pth", STATE), r"reading it broke off \(exit 1\)")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limits are Linux's")
@pytest.mark.parametrize(
    ("program", "said"),
    [("open(r'{0}', 'wb', 0).write(b'x')", "File too large"), ("bytearray(1 << 36)", "MemoryError")],
    ids=["file", "memory"],
)
def test_the_child_can_write_no_file_and_take_no_memory(tmp_path: Path, program: str, said: str) -> None:
    target = tmp_path / "written"
    lines = f"from convscope.weights import legacy\nlegacy._limit(1000)\n{program.format(target)}"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr
    assert not target.exists() or target.read_bytes() == b""
