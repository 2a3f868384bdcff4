"""`convscope check`: what it takes, what it prints, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Command
from convscope.data.known import KNOWN

NET = "conv 3x3 8, relu, relu, gap, dense 10"


def test_nothing_found(say: Command) -> None:
    said = say("check", "resnet18")
    assert said.code == 0
    assert said.out.startswith("nothing found; looked for ")


def test_a_data_set_that_cannot_be_had(say: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOWN, "mnist", replace(KNOWN["mnist"], hosts=()))
    said = say("check", "tutorial-d")
    assert said.code == 0
    assert "mnist could not be downloaded: its network alone is looked at" in said.err
    assert "dense1: initial-weights-large" in said.out


def test_a_warning_is_no_failure(say: Command) -> None:
    said = say("check", NET, "--input", "8x8x1")
    assert said.code == 0
    assert said.out.splitlines() == [
        "warning: relu2: activation-twice",
        "  relu2 gives what relu1 gave it: what leaves a relu has nothing that a relu would change.",
        "  mend: leave relu2 out",
        "        line 1, column 17: ', relu' -> ''",
        "  page: docs/check.md#activation-twice",
        "",
        said.out.splitlines()[-1],
    ]
    assert said.out.splitlines()[-1].startswith("1 warning; looked for ")


def test_an_error_is_one(say: Command) -> None:
    said = say("check", "conv 3x3 8, relu, maxpool 9, dense 10", "--input", "8x8x1")
    assert said.code == 2
    assert said.out.startswith("  conv1  8x8x1 -> 8x8x8\n  relu1  8x8x8 -> 8x8x8\nerror: pool1: kernel-does-not-fit\n")
    assert "1 error; looked for" in said.out


def test_a_recipe_and_its_first_batch(say: Command) -> None:
    said = say("check", "digits", "--set", "label_smoothing=0.9")
    assert said.code == 0
    assert "warning: train.label_smoothing: label-smoothing-large" in said.out
    assert "first batch of 64 pictures: loss " in said.out
    assert "64 of 64 send a gradient or are right already" in said.out


def test_a_network_with_data(say: Command) -> None:
    said = say("check", "conv 3x3 8, relu, gap, dense 12", "--data", "digits")
    assert said.code == 2
    assert "error: dense1: class-count" in said.out
    same = say("check", "digits", "--net", "conv 3x3 8, relu, gap, dense 12")
    assert same == said


def test_a_net_file(say: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.net"
    path.write_text(f"input 8x8x1\n{NET}\n", encoding="utf-8")
    assert "activation-twice" in say("check", str(path)).out


def test_json(say: Command) -> None:
    said: dict[str, Any] = json.loads(say("check", "digits", "--net", NET, "--json").out)
    assert said["errors"] == 0
    assert [finding["name"] for finding in said["findings"]] == ["activation-twice"]
    assert said["first_batch"]["kind"] == "diagnosis"
    assert said["looked_for"] > 50


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([NET], "the input's size must be known"),
        ([NET, "--input", "8x8"], "--input must be height x width x channels here: 8x8x3. Got '8x8'."),
        ([NET, "--set", "epochs=1"], "--set changes a recipe, and a network alone has none. Give its data"),
        (["digits", "--classes", "10"], "--classes is for a network alone: a recipe's data says how many classes"),
        (["digitz"], "did you mean the recipe 'digits'?"),
    ],
)
def test_what_it_can_not_do(say: Command, words: list[str], sentence: str) -> None:
    said = say("check", *words)
    assert said.code == 2
    assert sentence in said.err
