"""`convscope landscape`: a run in, a page out."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from cli.conftest import Command
from convscope.classifier import Classifier
from convscope.network.build import Network

QUICK = ["--grid", "5", "--pictures", "64"]


def test_random_directions(say: Command, run_of_digits: Path) -> None:
    said = say("landscape", run_of_digits, *QUICK)
    assert said.code == 0, said.err
    assert re.search(r"^two random directions of \d+ \(seed 0\), scaled filter by filter\n", said.out)
    assert re.search(r"loss [\d.]+ at the trained network; on 25 places ", said.out)
    assert "(cross-entropy loss, 64 training pictures)" in said.out
    assert len(re.findall(r"(?m)^downhill from", said.out)) == 4
    assert said.out.endswith("the page is digits-landscape.html\n")
    assert "<svg" in Path("digits-landscape.html").read_text(encoding="utf-8")
    again = say("landscape", run_of_digits, *QUICK, "-o", "map.html", "--seed", "1")
    assert again.out != said.out
    assert Path("map.html").is_file()


def test_the_path_of_training(say: Command, run_of_digits: Path, tmp_path: Path) -> None:
    """Snapshots that lead from another start to the trained network, in the order of their numbers."""
    run = Path(shutil.copytree(run_of_digits, tmp_path / "run"))
    network = Classifier.load(run).network
    assert isinstance(network, Network)
    end, start = network.state_dict(), Network(network.text, input=network.input, classes=10, seed=5).state_dict()
    (run / "snapshots").mkdir()
    for number, share in ((2, 0.0), (9, 0.3), (10, 0.7), (100, 1.0)):
        mixed = {name: torch.lerp(start[name], end[name], share ** (1 + (i % 2))) for i, name in enumerate(end)}
        safetensors.torch.save_file(mixed, run / "snapshots" / f"{number}.safetensors")
    said = say("landscape", run, *QUICK)
    assert said.code == 0, said.err
    assert re.search(r"in which training moved most: \d+(\.\d+)? % of its path's squared distances", said.out)
    assert "training's path: loss" in said.out
    page = Path("run-landscape.html").read_text(encoding="utf-8")
    assert page.count('class="moment"') == 4
    assert "two random directions" in say("landscape", run, *QUICK, "--directions", "random").out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--directions", "pathe"], "unknown directions 'pathe', did you mean 'path'"),
        (["--directions", "path"], "keeps 0: train with --snapshots, or take --directions random"),
        (["-o", "x.png"], r"must end in \.html\. Got x\.png: use x\.html\."),
        (["--grid", "4"], "odd number of places"),
        (["--span", "0"], "span must be above 0"),
    ],
)
def test_what_can_not_be_done(words: list[str], sentence: str, say: Command, run_of_digits: Path) -> None:
    said = say("landscape", run_of_digits, *words)
    assert said.code == 2
    assert re.search(sentence, said.err), said.err
    assert not list(Path().glob("*.html"))


def test_a_model_file_knows_no_training_pictures(say: Command, run_of_digits: Path) -> None:
    shutil.copy(run_of_digits / "model.safetensors", "alone.safetensors")
    said = say("landscape", "alone.safetensors")
    assert said.code == 2
    assert "a run's folder knows which these are. alone.safetensors lies in none" in said.err
