"""`convscope explain`: every flag, what can't be explained and why, and that terminal, JSON and page say the same."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convscope as cs
from cli.conftest import Command


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A digit of another size than the network's, and in colour."""
    digit = cs.data("digits").validation.images[3, 0]
    Image.fromarray(digit).resize((40, 32)).convert("RGB").save(tmp_path / "digit.png")
    return tmp_path / "digit.png"


def test_the_whole_story(run_of_digits: Path, picture: Path, say: Command) -> None:
    said = say("explain", run_of_digits, picture, "-o", "digit.html")
    assert said.code == 0, said.err
    best = cs.load(run_of_digits).predict(picture)
    assert said.out.startswith(f"digit.png: {best.label} {100 * best.probability:.2f} %; ")
    assert "32 x 40, for the network 8 x 8 x 1, values " in said.out
    for label in ("conv1", "relu1", "pool1", "gap1", "dense1"):
        assert re.search(rf"(?m)^{label} ", said.out), label
    zeros = "zeros: the share of values that are exactly 0, empty where none is; sees: rows "
    assert zeros in said.out
    assert zeros in Path("digit.html").read_text(encoding="utf-8")
    assert "the arithmetic of the largest number of conv1" in said.out
    assert "gradcam for " in said.out
    assert said.out.endswith("\nthe page is digit.html\n")
    assert "<h2>What the network is given</h2>" in Path("digit.html").read_text(encoding="utf-8")


def test_a_validation_picture_is_taken_and_named(run_of_digits: Path, say: Command) -> None:
    looks = (run_of_digits / "looks.jsonl").read_bytes()
    said = say("explain", run_of_digits)
    assert said.code == 0, said.err
    assert re.match(r"validation picture digits/\d+: \d \d+\.\d\d %", said.out), said.out[:80]
    assert (run_of_digits / "looks.jsonl").read_bytes() == looks  # no test picture was looked at


def test_a_bare_model_file_needs_a_picture(run_of_digits: Path, picture: Path, say: Command) -> None:
    shutil.copy(run_of_digits / "model.safetensors", "m.safetensors")
    assert say("explain", "m.safetensors", picture).code == 0
    said = say("explain", "m.safetensors")
    assert said.code == 2
    assert "This model lies in no run's folder, which would have validation pictures: give one" in said.err


def test_a_run_whose_pictures_are_gone(pictures: Path, run_of_pictures: Path, say: Command) -> None:
    shutil.copytree(run_of_pictures, "moved")
    recipe = Path("moved/recipe.toml")
    text = recipe.read_text(encoding="utf-8").replace(str(pictures), str(pictures) + "-gone")
    recipe.write_text(text, encoding="utf-8")
    said = say("explain", "moved")
    assert said.code == 2
    assert "where nothing is now: give a picture, convscope explain MODEL PICTURE." in said.err


def test_one_layer(run_of_digits: Path, picture: Path, say: Command) -> None:
    said = say("explain", run_of_digits, picture, "--layer", "conv1")
    assert said.code == 0, said.err
    assert "conv1: conv 3x3 4 same, 8 x 8 x 1 -> 8 x 8 x 4" in said.out
    assert re.search(r"conv1, map \d, row \d, column \d, the largest of all maps", said.out)
    assert "gradcam" not in said.out
    said = say("explain", run_of_digits, picture, "--layer", "dense1")
    assert re.search(r"dense1, unit \d, the largest", said.out)


def test_one_cell(run_of_digits: Path, picture: Path, say: Command) -> None:
    maps = cs.explain(cs.load(run_of_digits), picture).maps["conv1"]
    there = int(maps[:, 3, 4].argmax())
    said = say("explain", run_of_digits, picture, "--layer", "conv1", "--cell", "3,4")
    assert f"conv1, map {there}, row 3, column 4: of all maps, map {there} is largest there" in said.out
    said = say("explain", run_of_digits, picture, "--layer", "conv1", "--cell", "3,4", "--map", "2")
    assert "conv1, map 2, row 3, column 4\n" in said.out
    said = say("explain", run_of_digits, picture, "--layer", "conv1", "--map", "2")
    row, column = np.unravel_index(int(maps[2].argmax()), maps[2].shape)
    assert f"conv1, map 2, row {row}, column {column}, the largest of this map" in said.out
    said = say("explain", run_of_digits, picture, "--layer", "dense1", "--cell", "7")
    assert "dense1, unit 7\n" in said.out


def test_json(run_of_digits: Path, picture: Path, say: Command) -> None:
    of = cs.explain(cs.load(run_of_digits), picture, target="3")
    words = ["explain", run_of_digits, picture, "--target", "3", "--json"]
    cell = json.loads(say(*words, "--layer", "conv1", "--cell", "3,4").out)
    trace = of.trace("conv1", cell=(3, 4))
    assert cell["trace"]["value"] == pytest.approx(trace.value, rel=1e-6)
    assert cell["trace"]["place"] == list(trace.place)
    assert sum(t["product"] for t in cell["trace"]["terms"]) + cell["trace"]["bias"] == pytest.approx(trace.value, 1e-5)
    assert np.allclose(cell["values"], of.maps["conv1"][trace.place[0]])
    assert cell["target"] == "3"
    assert cell["trace"]["gradient"]["target"] == 3
    whole = json.loads(say(*words).out)
    assert [layer["label"] for layer in whole["layers"]] == list(of.maps)
    assert whole["probabilities"] == pytest.approx(of.prediction.probabilities)
    assert "attribution" not in cell
    assert whole["attribution"]["method"] == "gradcam"
    assert whole["attribution"]["target"] == "3"
    assert np.shape(whole["attribution"]["map"]) == (8, 8)
    assert [one["label"] for one in whole["traces"]] == ["conv1", "relu1", "pool1", "gap1", "dense1", "the loss"]


@pytest.mark.parametrize("method", ["gradcam", "integrated-gradients", "occlusion"])
def test_methods(method: str, run_of_digits: Path, picture: Path, say: Command) -> None:
    said = say("explain", run_of_digits, picture, "--method", method, "--target", "3")
    assert said.code == 0, said.err
    assert f"{method} for 3" in said.out
    assert "every check is passed" in said.out or "not trustworthy: " in said.out
    assert "conv1 " not in said.out.split(method)[0]


def test_gradcam_of_a_layer(run_of_digits: Path, picture: Path, say: Command) -> None:
    said = say("explain", run_of_digits, picture, "--gradcam", "--layer", "conv1")
    assert "gradcam for " in said.out
    assert ", at conv1: " in said.out
    assert "map 0" not in said.out
    both = say("explain", run_of_digits, picture, "--gradcam", "--layer", "conv1", "--cell", "0,0")
    assert re.search(r"conv1, map \d, row 0, column 0", both.out)
    assert "gradcam for " in both.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--layer", "conv2"], r"unknown layer 'conv2', did you mean 'conv1'\? These exist: conv1, dense1, gap1"),
        (
            ["--layer", "conv1", "--map", "4"],
            r"a map of conv1 must be 0 to 3, counted from 0\. Got 4; the nearest is 3",
        ),
        (["--layer", "conv1", "--cell", "8,2"], r"a row of conv1 must be 0 to 7, counted from 0\. Got 8; the nearest"),
        (
            ["--layer", "conv1", "--cell", "2,9"],
            r"a column of conv1 must be 0 to 7, counted from 0\. Got 9; the nearest",
        ),
        (
            ["--layer", "conv1", "--cell", "7"],
            r"a cell of conv1 must be a row and a column, as in 3,4\. Got cell 7\.",
        ),
        (
            ["--layer", "dense1", "--cell", "10"],
            r"a unit of dense1 must be 0 to 9, counted from 0\. Got 10; the nearest",
        ),
        (["--layer", "dense1", "--map", "1"], r"dense1 gives 10 numbers and no maps: .*, cell 0 to 9\. Got map 1\."),
        (["--layer", "conv1", "--cell", "-1,2"], r"a cell must be a row and a column, .* Got '-1,2'\."),
        (["--layer", "conv1", "--cell", "a"], r"a cell must be a row and a column, .* Got 'a'\."),
        (["--cell", "1,2"], r"a cell and a map are those of a layer\. Got cell 1,2 and none: name a layer\."),
        (["--target", "ten"], r"unknown class 'ten'\. These exist: 0, 1, 2"),
        (["--method", "gradcan"], r"unknown method of attribution 'gradcan', did you mean 'gradcam'\?"),
        (["--gradcam", "--method", "occlusion"], r"--gradcam and --method occlusion are two methods\. Give one of"),
        (
            ["--layer", "conv1", "--method", "occlusion"],
            r"a layer is what Grad-CAM looks at; occlusion looks at the pi",
        ),
        (["--layer", "dense1", "--gradcam"], r"unknown layer with maps 'dense1'\. These exist: conv1, gap1"),
        (["-o", "page.pdf"], r"a page's file must end in \.html\. Got page\.pdf: use page\.html\."),
    ],
)
def test_what_does_not_exist(words: list[str], sentence: str, run_of_digits: Path, picture: Path, say: Command) -> None:
    said = say("explain", run_of_digits, picture, *words)
    assert said.code == 2
    assert re.search(sentence, said.err), said.err
    assert said.out == ""


def test_a_cell_in_two_words(run_of_digits: Path, say: Command) -> None:
    """The shell makes a picture's name of the second."""
    said = say("explain", run_of_digits, "--layer", "conv1", "--cell", "3", "4")
    assert said.code == 2
    assert re.search(r"a cell must be a row and a column, as in --cell 3,4, .* Got '3 4'\.", said.err), said.err


def test_a_picture_that_is_none(run_of_digits: Path, say: Command) -> None:
    assert "none.png is not there." in say("explain", run_of_digits, "none.png").err
    Path("folder").mkdir()
    assert "a picture must be a file to look into the network with. folder is a folder." in say(
        "explain", run_of_digits, "folder").err  # fmt: skip
    Path("words.png").write_text("words", encoding="utf-8")
    said = say("explain", run_of_digits, "words.png")
    assert said.code == 2
    assert "can't read the picture words.png: its first bytes are those of no picture format" in said.err


@pytest.fixture(scope="module")
def dense_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without convolutions."""
    out = tmp_path_factory.mktemp("dense") / "run"
    cs.train("digits", network="dense 12, relu, dense", steps=3, batch_size=32, out=out, quiet=True)
    return out


def test_a_network_without_convolutions(dense_run: Path, picture: Path, say: Command) -> None:
    said = say("explain", dense_run, picture, "-o", "page.html")
    assert said.code == 0, said.err
    assert "the arithmetic of the largest number of dense1" in said.out
    assert "integrated-gradients for " in said.out
    assert "kernels" not in re.findall(r'<section id="(.*?)">', Path("page.html").read_text(encoding="utf-8"))

    said = say("explain", dense_run, picture, "--gradcam")
    assert said.code == 2
    assert "Grad-CAM needs a convolution whose maps have rows and columns. This network has none; take" in said.err


def test_the_same_file_is_replaced(run_of_digits: Path, picture: Path, say: Command) -> None:
    Path("page.html").write_text("old", encoding="utf-8")
    assert say("explain", run_of_digits, picture, "--layer", "conv1", "-o", "page.html").code == 0
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
