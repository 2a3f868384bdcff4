"""Arrays on disk, complete or absent."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope import files
from convscope.errors import ConvscopeError, RunFailed
from faults import injected

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions, links and limits")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
@pytest.mark.parametrize("shape", [(7, 3, 5, 2), (0, 3), (1,), (1000, 1000)])
def test_a_large_array_comes_back(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    with files.large_array(tmp_path / "a.npy", dtype, shape) as array:
        assert array.shape == shape
        assert array.dtype == np.dtype(dtype)
        assert len(array) == shape[0]
        assert names(tmp_path) != ["a.npy"]
        if shape[0]:
            array[0] = 7
            copy = array[0]
            array[0] = 9
            assert np.all(copy == 7)
    found = files.open_array(tmp_path / "a.npy")
    assert found.shape == shape
    assert found.dtype == np.dtype(dtype)
    assert np.all(found[:1] == 9)
    assert np.all(found[1:] == 0)
    assert not found.flags.writeable
    assert names(tmp_path) == ["a.npy"]


def test_a_large_array_by_writing_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and macOS have no posix_fallocate: the space is taken by writing."""
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with files.large_array(tmp_path / "a.npy", "uint8", (20, 1 << 20)) as array:
        array[19] = 1
    assert files.open_array(tmp_path / "a.npy").sum() == 1 << 20


def _fill(path: Path, value: int, error: BaseException | None = None) -> None:
    with files.large_array(path, "uint8", (3,)) as array:
        array[:] = value
        if error:
            raise error


def test_a_large_array_that_fails_leaves_the_old(tmp_path: Path) -> None:
    _fill(tmp_path / "a.npy", 1)
    with pytest.raises(KeyError, match="mine"):
        _fill(tmp_path / "a.npy", 2, KeyError("mine"))
    with injected(0, "eio") as counter, files.large_array(tmp_path / "count.npy", "uint8", (3,)):
        pass
    files.remove_file(tmp_path / "count.npy")
    for n in range(1, len(counter.calls) - 1):  # up to the rename; the folder's sync comes after it
        with pytest.raises(RunFailed, match="could not write"), injected(n, "enospc"):
            _fill(tmp_path / "a.npy", 2)
        assert files.open_array(tmp_path / "a.npy").sum() == 3
    assert names(tmp_path) == ["a.npy"]


@posix
def test_a_full_disk_stops_a_large_array_before_it_begins(tmp_path: Path) -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from convscope import files\n"
        "with files.large_array(sys.argv[1], 'uint8', (80_000,)) as a: print('begun')"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "f"], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert "RunFailed: could not write" in done.stderr
    assert "Free some space" in done.stderr
    assert names(tmp_path) == []


def test_a_finished_array_takes_no_more(tmp_path: Path) -> None:
    with files.large_array(tmp_path / "a.npy", "uint8", (3,)) as array:
        pass
    with pytest.raises(RuntimeError, match="this array is finished"):
        array[0] = 1


def test_what_is_no_array_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match="there is no file"):
        files.open_array(tmp_path / "a.npy")
    buffer = io.BytesIO()
    np.save(buffer, np.ones(1000))
    evil = io.BytesIO()
    np.save(evil, np.array([{}], dtype=object), allow_pickle=True)
    contents: list[Any] = [b"", b"\x93NUMPY", buffer.getvalue()[:5000], b"PK\x03\x04", b"text", evil.getvalue()]
    for content in contents:
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(ConvscopeError, match=r"a\.npy must be a whole \.npy file of numbers"):
            files.open_array(tmp_path / "a.npy")


@posix
def test_the_space_is_really_taken(tmp_path: Path) -> None:
    """A sparse file would pass every other test, and kill the process on a full disk."""
    with files.large_array(tmp_path / "a.npy", "uint8", (10_000_000,)):
        (part,) = tmp_path.iterdir()
        assert part.stat().st_blocks * 512 >= 10_000_000
