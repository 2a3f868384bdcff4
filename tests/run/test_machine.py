"""The machine's description: complete where the system tells, honest where it doesn't."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from convscope import run
from convscope.run import machine


def test_the_environment_says_what_a_number_depends_on() -> None:
    found = run.environment()
    assert found.keys() == {
        "format", "time", "python", "platform", "machine", "processor", "cpu_flags", "cores", "threads", "versions",
        "commit",
    }  # fmt: skip
    assert found["python"] == platform.python_version()
    assert found["versions"]["numpy"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d{6}Z", found["time"])
    assert found["cores"] >= 1


def test_the_threads_are_torchs_where_it_is_loaded() -> None:
    import torch

    assert run.environment()["threads"] == torch.get_num_threads()


def test_a_system_without_cpuinfo_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_file(self: Path, encoding: str = "", errors: str = "") -> str:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", no_file)
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert machine._processor() == ("unknown", "unknown")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: Xeon\nflags\t\t: fpu avx2 amx_tile\n", ("Xeon", ["avx2", "amx_tile"])),
        ("Features : fp asimd sve\n", (None, ["asimd", "sve"])),
        ("model name : X\nmodel name : Y\n", ("X", [])),
    ],
)
def test_cpuinfo_is_read(monkeypatch: pytest.MonkeyPatch, text: str, expected: tuple[str | None, list[str]]) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self, encoding, errors: text)
    name, flags = machine._processor()
    assert expected[0] in (None, name)
    assert flags == expected[1]


def test_a_missing_package_has_no_version() -> None:
    assert machine._version("no-such-package-here") is None


def test_the_commit_is_gits(tmp_path: Path) -> None:
    def git(*words: str, folder: Path = tmp_path) -> str:
        settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
        done = subprocess.run(["git", *settings, *words], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert run.commit(tmp_path) is None
    git("init", "-q")
    assert run.commit(tmp_path) is None
    git("commit", "-q", "--allow-empty", "-m", "one")
    head = git("rev-parse", "HEAD")
    (tmp_path / "below" / "deep").mkdir(parents=True)
    assert run.commit(tmp_path / "below" / "deep") == head
    git("pack-refs", "--all")
    assert run.commit(tmp_path) == head
    git("worktree", "add", "-q", str(tmp_path / "tree"), "-b", "other")
    assert run.commit(tmp_path / "tree") == head
    git("checkout", "-q", "--detach")
    assert run.commit(tmp_path) == head
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    assert run.commit(tmp_path) is None


def test_describing_the_machine_loads_no_torch() -> None:
    program = "import sys; from convscope import run; print(run.environment()['threads'], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "False"]
