"""A folder that one process at a time works in: refused to a second, and free again however the first ended."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from convscope import files
from convscope.errors import ConvscopeError

HOLDER = """
import sys, time
from convscope import files
with files.held(sys.argv[1], "taken"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_held_by_one_and_free_after_a_kill(tmp_path: Path) -> None:
    assert not files.is_held(tmp_path)
    assert not (tmp_path / files.LOCK).exists()  # to look leaves nothing
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert files.is_held(tmp_path)
        with pytest.raises(ConvscopeError, match="taken"), files.held(tmp_path, "taken"):
            raise AssertionError
        child.kill()
    assert not files.is_held(tmp_path)
    with files.held(tmp_path, "taken"):
        assert files.is_held(tmp_path)
        with pytest.raises(ConvscopeError, match="taken"), files.held(tmp_path, "taken"):
            raise AssertionError
    assert not files.is_held(tmp_path)


def test_somebody_who_only_looks_takes_it_from_nobody(tmp_path: Path) -> None:
    looking = "import sys\nfrom convscope import files\nfor _ in range(20000): files.is_held(sys.argv[1])"
    with files.held(tmp_path, "taken"):
        pass
    with subprocess.Popen([sys.executable, "-c", looking, str(tmp_path)]) as child:
        time.sleep(0.5)
        for _ in range(50):
            with files.held(tmp_path, "taken"):
                pass
        child.kill()


def test_a_folder_that_can_not_be_held(tmp_path: Path) -> None:
    (tmp_path / files.LOCK).mkdir()
    with pytest.raises(ConvscopeError, match="could not write"), files.held(tmp_path, "taken"):
        raise AssertionError
