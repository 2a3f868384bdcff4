"""Whatever the console's encoding and the names of classes and folders: the job is done, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import NET


def carry_out(encoding: str, folder: Path, *words: str) -> tuple[int, bytes, bytes]:
    """A command whose output goes to a file in that encoding."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": encoding}
    environment.pop("PYTHONUTF8", None)
    with (folder / "out.txt").open("wb") as out, (folder / "err.txt").open("wb") as error:
        done = subprocess.run(
            [sys.executable, "-m", "convscope", *words],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=error,
            check=False,
        )
    return done.returncode, (folder / "out.txt").read_bytes(), (folder / "err.txt").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("encoding", "cat"), [("gbk", "猫".encode("gbk")), ("ascii", b"\\u732b")])
def test_chinese_classes(encoding: str, cat: bytes, tmp_path: Path, pictures: Path) -> None:
    train = ("train", str(pictures), "--net", NET, "--set", "steps=8", "--set", "batch_size=8", "--out", "运行 1")
    code, out, error = carry_out(encoding, tmp_path, *train)
    assert (code, error) == (0, b"")
    out.decode(encoding)
    assert b"test accuracy " in out
    for words in (("evaluate", "运行 1"), ("predict", "运行 1", str(pictures / "猫")), ("data", "info", str(pictures))):
        code, out, error = carry_out(encoding, tmp_path, *words)
        assert (code, error) == (0, b"")
        out.decode(encoding)
        assert cat in out
    code, out, _ = carry_out(encoding, tmp_path, "predict", "运行 1", str(pictures / "猫" / "照片 0.png"), "--json")
    assert code == 0
    out.decode(encoding)
    code, _, error = carry_out(encoding, tmp_path, "evaluate", "没有")
    assert code == 2
    error.decode(encoding)
    assert "猫" in (tmp_path / "运行 1" / "report.html").read_text(encoding="utf-8")
