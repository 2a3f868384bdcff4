"""`convscope probe`: whose pictures it asks about, what is a look, and what comes out."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from cli.conftest import NET, Command
from convscope.run import Run


@pytest.fixture
def digits(run_of_digits: Path, tmp_path: Path) -> Path:
    """A copy: looks are counted in it."""
    return Path(shutil.copytree(run_of_digits, tmp_path / "digits"))


def test_a_run_is_asked_about_its_validation_pictures(say: Command, digits: Path) -> None:
    looks = Run(digits).looks
    said = say("probe", digits, "-o", "probe.html")
    assert said.code == 0, said.err
    assert re.search(r"(?m)^rotation +20 degrees  .* % \(\d+ of 269; ", said.out)
    assert re.search(r"(?m)^inversion +yes ", said.out)
    assert re.search(r"(?m)^unchanged: .* of 269; 95 % interval .*\), of all 269 validation pictures$", said.out)
    assert "how far one can go until 5 points of it are lost:" in said.out
    for name in ("shift", "rotation", "scale", "brightness", "contrast", "noise", "blur", "jpeg", "inversion"):
        assert re.search(rf"(?m)^  {name} +\S", said.out)
    assert said.out.endswith("the page is probe.html\n")
    assert Run(digits).looks == looks
    page = Path("probe.html").read_text(encoding="utf-8")
    assert "all 269 validation pictures" in page
    assert page.count("<svg") == 9
    assert "http" not in re.sub(r"data:image/png;base64,[\w+/=]*", "", page).replace("http-equiv", "")


def test_a_look_at_the_test_pictures_is_counted(say: Command, digits: Path) -> None:
    looks = Run(digits).looks
    said = say("probe", digits, "--split", "test", "--only", "shift", "--most", "20")
    assert f"look {looks + 1} at the test split of this run" in said.out
    assert "of 20 of the 269 test pictures (drawn by seed 0)" in said.out
    assert Run(digits).looks == looks + 1


def test_json(say: Command, digits: Path) -> None:
    said = json.loads(say("probe", digits, "--only", "noise, blur", "--json").out)
    assert (said["split"], said["pictures"], said["of"]) == ("validation", 269, 269)
    assert [change["name"] for change in said["changes"]] == ["noise", "blur"]
    points = said["changes"][0]["points"]
    assert points[0]["k"] == said["plain"]["k"]
    assert points[0]["difference"] == 0
    assert all(p["difference_low"] <= p["difference"] <= p["difference_high"] for p in points)
    validation = json.loads(say("evaluate", digits, "--split", "validation", "--json").out)
    for key in ("k", "n", "accuracy", "low", "high", "loss", "top5_k"):
        assert said["plain"][key] == validation[key], key


def test_other_pictures(say: Command, run_of_pictures: Path, pictures: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_of_pictures, tmp_path / "run"))
    said = say("probe", run, "--only", "shift")
    assert said.code == 0, said.err
    assert "validation pictures" in said.out
    moved = say("probe", run, "--data", pictures, "--only", "shift")  # its own, wherever it lies
    assert moved.out == said.out
    alone = shutil.copy(run / "model.safetensors", "alone.safetensors")
    said = say("probe", alone, "--only", "shift")
    assert (said.code, "lies in no run's folder" in said.err) == (2, True)
    said = say("probe", alone, "--data", pictures, "--only", "shift")
    assert (said.code, "is what it was trained on" in said.err) == (2, True)


def test_without_validation_pictures(say: Command) -> None:
    words = ["train", "digits", "--net", NET, "--steps", "2", "--set", "split.validation=0", "-o", "run", "--quiet"]
    assert say(*words).code == 0
    said = say("probe", "run")
    assert said.code == 2
    assert "run has none in validation. Its test pictures: --split test, which counts as a look." in said.err
    assert say("probe", "run", "--split", "test", "--only", "inversion").code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--only", "rotate"], "unknown change 'rotate', did you mean 'rotation'"),
        (["-o", "probe.txt"], r"must end in \.html\. Got probe\.txt: use probe\.html\."),
        (["--split", "best"], "a split must be train, validation, test or all"),
    ],
)
def test_what_can_not_be_done(words: list[str], sentence: str, say: Command, digits: Path) -> None:
    said = say("probe", digits, *words)
    assert said.code == 2
    assert re.search(sentence, said.err)
    assert not Path("probe.txt").exists()
