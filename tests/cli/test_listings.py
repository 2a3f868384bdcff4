"""The verbs that look and don't train: summary, data, recipes, doctor."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import NET, Command, write_pictures
from convscope import kernels
from convscope.data import places
from convscope.data.known import KNOWN
from convscope.network.build import Network
from convscope.recipe import bundled


def test_the_summary_of_a_run_and_of_its_model(run_of_digits: Path, say: Command) -> None:
    first, second = say("summary", run_of_digits), say("summary", run_of_digits / "model.safetensors")
    assert first.code == second.code == 0
    assert first.out == second.out
    assert "\nparameters     90: 76 weights, 14 biases\n" in first.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([NET], r"input"),
        ([NET, "--input", "8x8"], r"--input must be height x width x channels here: 8x8x3. Got '8x8'"),
        ([NET, "--input", "8x0x1"], r"--input must be height x width, or height x width x channels: 28x28x1"),
        (["conv 3x3", "--input", "8x8x1"], r"line 1, column"),
        ([""], r"line 1, column 1: no layer: the text is empty"),
        (["."], r"summary takes a network, a .net file, or a run that has a model. \. has none."),
    ],
)
def test_what_has_no_summary(words: list[str], sentence: str, say: Command) -> None:
    said = say("summary", *words)
    assert said.code == 2
    assert re.search(sentence, said.err), said.err
    assert said.out == ""


def test_the_data_sets(say: Command) -> None:
    said = say("data", "list")
    assert said.code == 0
    assert say("data").out == said.out
    for name, entry in KNOWN.items():
        assert re.search(rf"^{name} +.*\b{len(entry.classes)}\b", said.out, re.MULTILINE)
    assert re.search(r"^digits .* part of convscope$", said.out, re.MULTILINE)
    assert re.search(r"^mnist .* not here; downloaded when first used$", said.out, re.MULTILINE)
    about = json.loads(say("data", "list", "--json").out)
    assert {row["name"]: row["embedded"] for row in about} == {name: name == "digits" for name in KNOWN}


def test_a_data_set_counted(pictures: Path, say: Command) -> None:
    said = say("data", "info", pictures)
    assert said.code == 0
    rows = [line.split() for line in said.out.splitlines()]
    assert ["狗", "10", "2", "2", "14"] in rows
    assert ["all", "20", "4", "4", "28"] in rows
    about = json.loads(say("data", "info", "digits", "--json").out)
    assert about["pictures"] == 1797
    assert sum(about["classes"]["3"].values()) == 183
    assert len(about["sha256"]) == 64
    assert "licence" in about


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lst"], r"unknown action 'lst', did you mean 'list'\? These exist: get, info, list\."),
        (["list", "x"], r"data list takes nothing more: data list, data get NAME, data info NAME\|FOLDER\|CSV"),
        (["get"], r"data get needs one more word"),
        (["info"], r"data info needs one more word"),
        (["get", "mnits"], r"unknown data set 'mnits', did you mean 'mnist'\?"),
        (["get", "digits"], r"digits is part of convscope: there is nothing to get"),
    ],
)
def test_what_data_does_not_know(words: list[str], sentence: str, say: Command) -> None:
    said = say("data", *words)
    assert said.code == 2
    assert re.search(sentence, said.err), said.err
    assert said.out == ""


def test_a_data_set_got(say: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.data.sources.get", lambda name, progress: Path("here") / name)
    assert say("data", "get", "mnist").out == f"mnist is in {Path('here') / 'mnist'}\n"
    assert json.loads(say("data", "get", "mnist", "--json").out)["name"] == "mnist"


def test_a_class_that_is_far_smaller_is_named(tmp_path: Path, say: Command) -> None:
    root = write_pictures(tmp_path / "pets", ("dog",), each=40)
    write_pictures(root / "more", ("cat",), each=6)
    (root / "more" / "cat").rename(root / "cat")
    (root / "more").rmdir()
    said = say("data", "info", root)
    assert said.code == 0
    assert ["cat", "4", "1", "1", "6"] in [line.split() for line in said.out.splitlines()]
    assert "note: dog has 28 training pictures, cat has 4: " in said.out
    assert "--set class_weights=balanced" in said.out
    assert any("class_weights" in note for note in json.loads(say("data", "info", root, "--json").out)["notes"])
    words = ["train", root, "--net", NET, "--steps", "1", "--set", "batch_size=8"]
    assert "--set class_weights=balanced" in say(*words).out


def test_a_download_is_announced_before_it_begins(say: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """`data info`, `data get` and `train` alike: one line of size and place; a failed download leaves with 1."""
    monkeypatch.setitem(KNOWN, "mnist", replace(KNOWN["mnist"], hosts=("https://127.0.0.1:9/",)))
    for words in (("data", "info", "mnist"), ("data", "get", "mnist"), ("train", "mnist")):
        said = say(*words)
        assert said.code == 1
        assert said.err.startswith("mnist is not on this machine: downloading 12 MB, once, into ")
        assert "error: mnist could not be downloaded:" in said.err
        assert said.err.count("is not on this machine") == 1
    assert "not on this machine" not in say("train", "mnist", "--quiet").err
    assert "not on this machine" not in say("data", "info", "mnist", "--json").err


def test_the_recipes(say: Command) -> None:
    said = say("recipes")
    assert said.code == 0
    assert all(re.search(rf"^{name} ", said.out, re.MULTILINE) for name in bundled())
    assert [row["name"] for row in json.loads(say("recipes", "--json").out)] == list(bundled())
    shown = say("recipes", "digits")
    assert shown.out == bundled()["digits"].read_text(encoding="utf-8")
    assert json.loads(say("recipes", "digits", "--json").out)["recipe"] == shown.out
    said = say("recipes", "digit")
    assert said.code == 2
    assert "did you mean" in said.err


def test_the_doctor(say: Command) -> None:
    said = say("doctor")
    assert said.code == 0
    for word in ("processor", "precision", "torch", "data mnist", "CONVSCOPE_DATA", "cache"):
        assert re.search(rf"^{word} ", said.out, re.MULTILINE), word
    assert re.search(r"^data mnist +not here; downloaded when first used$", said.out, re.MULTILINE)
    assert re.search(r"^data cifar10-jpeg +not here$", said.out, re.MULTILINE)
    about = json.loads(say("doctor", "--json").out)
    assert about["devices"][0] == "cpu"
    assert about["data"]["digits"] == "embedded"


def test_the_doctors_plan(say: Command, measured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["doctor", "--plan", "conv 3x3 8, relu, maxpool 2, dense", "--input", "12x12x1", "--classes", "3"]
    out = say(*words, "--batch-size", "16").out
    assert re.search(r"^pictures +16 a step, 12 x 12 x 1$", out, re.MULTILINE)
    assert re.search(r"^choice +(float32|bfloat16)", out, re.MULTILINE)
    assert re.search(r"^threads +\d+$", out, re.MULTILINE)
    (kept,) = (places.cache_folder() / "plans").iterdir()  # it remembers what it measured
    about = json.loads(say(*words, "--batch-size", "16", "--json").out)
    assert about["input"] == [12, 12, 1]
    assert json.loads(kept.read_text(encoding="utf-8"))["plan"].items() <= about["plan"].items()
    network = Network(words[2], input=(12, 12, 1), classes=3)
    assert kernels.plan(network, (16, 1, 12, 12)) == about["plan"]
    whitened = say("doctor", "--plan", "conv 3x3 8 init=whiten, gap", "--input", "12x12x1", "--classes", "8")
    assert whitened.code == 0
    monkeypatch.setattr(kernels, "narrow", lambda: False)
    assert re.search(r"^bfloat16 +this processor has no instructions for it", say(*words).out, re.MULTILINE)
    assert re.search(r"^precision +float32 in all that is reported; in training too$", say("doctor").out, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--plan", "resnt20"], "unknown network 'resnt20', did you mean 'resnet20'?"),
        (["--plan", "conv 3x3 8, dense", "--classes", "3"], "the input's size must be known"),
        (["--plan", "resnet20", "--input", "8x"], "8x"),
        (["--input", "8x8x1"], "say what steps are measured. There is no --plan."),
        (["--batch-size", "8"], "convscope doctor --plan resnet20 --batch-size 64"),
    ],
)
def test_what_the_doctor_refuses(say: Command, words: list[str], sentence: str) -> None:
    said = say("doctor", *words)
    assert said.code == 2
    assert said.out == ""
    assert sentence in said.err
