"""`convscope train` where trained weights are at hand: what is printed first, and what can't be."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Command
from convscope import api, weights
from train.photographs import NAME, drawn, photographs


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    made = drawn(NAME)
    monkeypatch.setattr(weights, "at_hand", lambda name: Path("here") if name == NAME else None)
    monkeypatch.setattr(weights, "trained", lambda name, progress=None: made)


@pytest.mark.usefixtures("at_hand")
def test_the_first_line_says_from_which_weights_and_why(say: Command) -> None:
    photographs(Path("photos"))
    said = say("train", "photos", "--input", "32")
    assert said.code == 0, said.err
    first, *rest = said.out.splitlines()
    assert first.startswith(f"note: from {NAME}: the pictures are photographs")
    assert first.endswith("From scratch: --from none")
    assert sum(line.startswith(first) for line in rest) == 0
    assert "trained: the last layer, on features; the body stays as it was" in said.out
    assert say("evaluate", "runs/photos").code == 0


@pytest.mark.usefixtures("at_hand")
def test_from_none_is_from_scratch(say: Command) -> None:
    photographs(Path("photos"))
    said = say("train", "photos", "--from", "none", "--steps", "2")
    assert said.code == 0, said.err
    assert NAME not in said.out
    assert api.Run("runs/photos").recipe["from"] == ""


def test_weights_that_do_not_exist_have_a_nearest(say: Command) -> None:
    photographs(Path("photos"))
    said = say("train", "photos", "--from", "efficientnet_lite")
    assert said.code == 2
    assert "unknown trained weights 'efficientnet_lite', did you mean 'efficientnet_lite0'? These exist: " in said.err
    assert said.err.rstrip().endswith("Or give a run's folder or a model file; none is from scratch.")


@pytest.mark.usefixtures("at_hand")
def test_a_label_that_does_not_exist(say: Command) -> None:
    photographs(Path("photos"))
    said = say("train", "photos", "--input", "32", "--set", "thaw=stage9", "--steps", "1")
    assert said.code == 2
    assert "unknown label in thaw 'stage9', did you mean 'stage7'?" in said.err
    assert not Path("runs").exists()
