"""`convscope health`: every flag, a page, JSON, snapshots, and what can't be looked at."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

import convscope as cs
from cli.conftest import Command


def test_layers_and_a_page(run_of_digits: Path, say: Command) -> None:
    looks = (run_of_digits / "looks.jsonl").read_bytes()
    said = say("health", run_of_digits, "--most", "40", "-o", "h.html")
    assert said.code == 0, said.err
    assert re.search(r"over 40 of the \d+ validation pictures \(drawn by seed 0\)", said.out)
    for label in ("conv1", "relu1", "pool1", "gap1", "dense1"):
        assert re.search(rf"(?m)^{label} ", said.out), label
    assert "excite" not in said.out  # unless a layer is named; the page has them
    assert said.out.endswith("\nthe page is h.html\n")
    assert "What excites a map most" in Path("h.html").read_text(encoding="utf-8")
    ours = (run_of_digits / "looks.jsonl").read_bytes()
    assert ours.startswith(looks)
    assert b'"test"' not in ours[len(looks) :]  # no test picture was looked at


def test_one_map(run_of_digits: Path, say: Command) -> None:
    said = say("health", run_of_digits, "--layer", "relu1", "--map", "2")
    assert said.code == 0, said.err
    assert "relu1, map 2: the pictures that excite it most" in said.out
    assert re.search(r"(?m)^digits/\d+ +\d +[\d.]+ +\d+,\d+$", said.out)


def test_json(run_of_digits: Path, say: Command) -> None:
    said = say("health", run_of_digits, "--json", "--layer", "dense1", "--map", "3")
    told = json.loads(said.out)
    assert [layer["label"] for layer in told["layers"]] == ["conv1", "relu1", "pool1", "gap1", "dense1"]
    (first, *_) = told["exciting"]["dense1"]["3"]
    classifier = cs.load(run_of_digits)
    images = cs.data("digits").validation
    logits = classifier.logits(images.images[images.names.index(first["name"])][None])
    assert float(logits[0, 3]) == pytest.approx(first["value"], rel=1e-4)


def test_snapshots(say: Command) -> None:
    assert say("train", "digits", "--net", "conv 3x3 4, relu, gap, dense", "--steps", "4", "--snapshots",
               "-o", "m", "--quiet").code == 0  # fmt: skip
    assert len(cs.Run("m").snapshots) == 5
    said = say("health", "m", "-o", "m.html", "--most", "30")
    assert "5 snapshots, step 0 to 4; how far the weights moved, as a share of their length:" in said.out
    assert "How the network came about" in Path("m.html").read_text(encoding="utf-8")
    told = json.loads(say("health", "m", "--json", "--most", "30").out)
    assert [one["step"] for one in told["snapshots"]] == [0, 1, 2, 3, 4]
    Image.fromarray(cs.data("digits").validation.images[0, 0]).save("digit.png")
    assert say("predict", told["snapshots"][0]["path"], "digit.png").code == 0  # a snapshot is a model like any other
    said = say("train", "--resume", "m", "--snapshots")
    assert said.code == 2
    assert "--resume goes on with a run as it was begun" in said.err


def test_of_a_run_without_validation_pictures_those_of_training(say: Command) -> None:
    assert say("train", "digits", "--net", "gap, dense", "--steps", "1", "--set", "split.validation=0", "-o", "m",
               "--quiet").code == 0  # fmt: skip
    assert "training pictures" in say("health", "m", "--most", "9").out


@pytest.mark.parametrize(("words", "sentence"), [
    (["--layer", "conv9"], r"unknown layer 'conv9'.*conv1"),
    (["--layer", "conv1", "--map", "4"], r"a map of conv1 must be 0 to 3, counted from 0. Got 4; the nearest is 3"),
    (["--map", "1"], r"a map is one of a layer. Got map 1 and no layer"),
    (["-o", "page.pdf"], r"a page's file must end in \.html\. Got page\.pdf: use page\.html\."),
    (["--split", "tests"], r"a split must be train, validation, test or all. Got 'tests'"),
])  # fmt: skip
def test_what_can_not_be_looked_at(words: list[str], sentence: str, run_of_digits: Path, say: Command) -> None:
    said = say("health", run_of_digits, *words)
    assert said.code == 2
    assert re.search(sentence, said.err.replace("\n", " ")), said.err


def test_a_bare_model_needs_data(run_of_digits: Path, say: Command) -> None:
    shutil.copy(run_of_digits / "model.safetensors", "m.safetensors")
    said = say("health", "m.safetensors")
    assert said.code == 2
    assert "--data" in said.err
