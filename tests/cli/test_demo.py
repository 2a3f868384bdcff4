"""`convscope demo`: the whole job; its last `k of n` is the test score."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from cli.conftest import NET, Command
from convscope import api, recipe


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The demo's own recipe takes half a minute; here it is another of the same name."""
    bundled = recipe.bundled()
    short = tmp_path / "short.toml"
    short.write_text(f'data = "digits"\nnetwork = "{NET}"\n[train]\nsteps = 20\n', encoding="utf-8")
    # the function `choose` hides its module in the room's front
    monkeypatch.setattr(sys.modules["convscope.recipe.choose"], "bundled", lambda: {**bundled, "digits": short})


def test_the_whole_job(say: Command) -> None:
    said = say("demo")
    assert said.code == 0
    run = api.Run("runs/demo")
    assert run.test is not None
    assert re.findall(r"\((\d+) of (\d+)[;,)]", said.out)[-1] == (str(run.test.k), str(run.test.n))
    assert said.out.splitlines()[-1].startswith("test accuracy ")
    assert (run.path / "picture.png").is_file()
    assert str(run.report_path) in said.out
    assert run.looks == 1
    assert say("predict", "runs/demo", "runs/demo/picture.png").code == 0


def test_quiet(say: Command) -> None:
    said = say("demo", "--quiet", "--out", "here")
    assert said.code == 0
    assert len(said.out.splitlines()) == 1
    assert Path("here/report.html").is_file()
