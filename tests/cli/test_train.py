"""`convscope train`: what it prints and leaves behind, and what it can't use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cli.conftest import NET, Command, write_pictures
from convscope import api
from convscope.recipe import load
from convscope.run import Stopped

QUICK = ("--net", NET, "--set", "steps=4", "--set", "batch_size=16")


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_a_training_ends_with_its_test_score(say: Command) -> None:
    said = say("train", "digits", *QUICK)
    assert said.code == 0
    run = api.Run("runs/digits")
    assert run.test is not None
    scores = re.findall(r"\((\d+) of (\d+)[;,)]", said.out)
    assert scores[-1] == (str(run.test.k), str(run.test.n))
    assert "95 % interval" in said.out
    assert said.out.splitlines()[-1].endswith("the run is in " + str(Path("runs/digits")))
    assert "<html" in run.report_path.read_text(encoding="utf-8")
    assert run.predictions_path.is_file()
    assert len(lines_of(run.looks_path)) == 2  # its format, and the one look

    again = say("train", "digits", *QUICK)
    assert again.code == 0
    assert (Path("runs") / "digits-2" / "model.safetensors").is_file()


def test_a_folder_of_pictures_with_chinese_names(say: Command, pictures: Path) -> None:
    said = say("train", "--data", pictures, *QUICK, "--lr", "0.01", "--seed", "3", "--batch-size", "8")
    assert said.code == 0
    run = api.Run("runs/the-pets")
    assert run.test is not None
    kept = load(run.recipe_path)
    assert (kept.seed, kept.optimizer.learning_rate, kept.data) == (3, 0.01, str(pictures.resolve()))
    assert kept.train.batch_size == 16  # what --set says stands
    assert "猫" in run.report_path.read_text(encoding="utf-8")


def test_flags_and_settings(say: Command) -> None:
    words = ("--input", "12x10", "--budget", "1s", "--freeze", "conv1.bias", "--patience", "3", "--out", "here")
    assert say("train", "digits", "--net", NET, *words).code == 0
    kept = load(Path("here/recipe.toml"))
    assert kept.input.size == (12, 10)
    assert kept.train.budget == 1
    assert kept.train.freeze == ("conv1.bias",)
    assert kept.train.patience == 3


def test_json_is_all_that_is_printed(say: Command) -> None:
    said = say("train", "digits", *QUICK, "--json")
    assert said.code == 0
    records = [json.loads(line) for line in said.out.splitlines()]
    kinds = [record["kind"] for record in records]
    assert kinds[0] == "started"
    assert kinds.count("step") == 4
    assert kinds[-2:] == ["tested", "finished"]
    assert said.err == ""


def test_quiet_prints_the_score_alone(say: Command) -> None:
    said = say("train", "digits", *QUICK, "--quiet")
    assert len(said.out.splitlines()) == 1
    assert re.match(r"test accuracy .* \(\d+ of 269; 95 % interval .*\), loss ", said.out)
    assert said.err == ""


BAD: list[tuple[list[str], str]] = [
    ([], r"train needs something to train on: a recipe .* For instance: convscope train digits"),
    (["digit"], r"'digit' is no bundled recipe, .*did you mean the (recipe|data set) 'digits'\?"),
    (["digits", "--set", "learning_rat=1"], r"unknown key 'learning_rat', did you mean 'learning_rate'\?"),
    (["digits", "--set", "epochs"], r"--set takes a key and a value: --set optimizer.momentum=0.8. Got 'epochs'"),
    (["digits", "--set", "=3"], r"--set takes a key and a value"),
    (["digits", "--epochs", "some"], r"epochs"),
    (["digits", "--lr", "-1"], r"learning_rate"),
    (["digits", "--input", "28x"], r"--input must be height x width"),
    (["digits", "--device", "tpu"], r"a device must be auto, cpu, cuda or mps. Got 'tpu'"),
    (["digits", "--net", "conv 3x3 8, rleu, dense"], r"line 1, column 13"),
    (["digits", "--net", "conv 3x3 8"], r"dense"),
    (["digits", "--from", "nowhere.safetensors"], r"a model file must exist to be loaded. There is none at"),
    (["digits", "--freeze", "conv9"], r"unknown layer or tensor in freeze 'conv9', did you mean 'conv\d'\?"),
    (["digits", "--patience", "2", "--set", "split.validation=0"], r"early stopping needs validation pictures"),
    (["--data", "no/such/folder"], r"no/such/folder"),
    (["--resume", "runs/none"], r"runs.none is no run folder: there is no such folder. `convscope train` makes one"),
    (["digits", "--resume", "runs/none"], r"--resume goes on with a run as it was begun: give nothing beside it"),
    (["--resume", "runs/none", "--lr", "1"], r"--resume goes on with a run as it was begun"),
    (["--resume", "runs/none", "--out", "x"], r"--resume goes on with a run as it was begun"),
]


@pytest.mark.parametrize(
    ("words", "sentence"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_what_can_not_be_used(words: list[str], sentence: str, say: Command) -> None:
    said = say("train", *words)
    assert said.code == 2
    assert re.search(sentence, said.err), said.err
    assert said.err.startswith("error: ")
    assert said.out == ""
    assert not Path("runs").exists()


def test_folders_that_can_not_be_trained_on(say: Command) -> None:
    Path("empty").mkdir()
    said = say("train", "empty")
    assert said.code == 2
    assert re.search(r"empty", said.err)
    write_pictures(Path("one"), ("猫",))
    said = say("train", "one")
    assert said.code == 2
    assert re.search(r"class", said.err)
    folder = write_pictures(Path("bad"), ("a", "b"))
    (folder / "a" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n then nothing")
    said = say("train", "bad", *QUICK)
    assert said.code == 2
    assert "a/broken.png" in said.err
    assert re.search(r"30? files found|29 files found", said.err)
    assert not Path("runs").exists()


def test_a_finished_run_is_not_resumed(run_of_digits: Path, say: Command) -> None:
    said = say("train", "--resume", run_of_digits)
    assert said.code == 2
    assert "is finished: it has a model. Train its recipe anew: convscope train " in said.err
    assert say("train", run_of_digits).code == 2


def test_a_run_whose_pictures_have_moved_is_resumed(say: Command) -> None:
    write_pictures(Path("pets"), ("a", "b"))
    kept = api.train_records("pets", network=NET, settings={"steps": 4}, out="run", stop=iter([False, True]).__next__)
    assert [record.reason for record in kept if isinstance(record, Stopped)] == ["interrupted"]
    Path("pets").rename("moved")
    said = say("train", "--resume", "run")
    assert said.code == 2
    assert "where nothing is now; if it has moved, give its place: --data NEW." in said.err
    write_pictures(Path("others"), ("a", "b"), each=5)
    said = say("train", "--resume", "run", "--data", "others")
    assert said.code == 2
    assert re.search(r"a run goes on with the pictures that it was begun with|every picture .* must be there", said.err)
    assert say("train", "--resume", "run", "--data", "moved").code == 0
    assert say("evaluate", "run").code == 0  # it knows the new place


def test_the_recipe_of_a_run_is_trained_anew(run_of_digits: Path, say: Command) -> None:
    said = say("train", run_of_digits / "recipe.toml", "--out", "again", "--quiet")
    assert said.code == 0
    assert api.Run("again").test == api.Run(run_of_digits).records[-2]


def test_a_run_that_diverges_leaves_with_1(say: Command) -> None:
    words = ("--lr", "1e20", "--set", "optimizer.name=sgd", "--set", "schedule.name=constant")
    said = say("train", "digits", "--net", "conv 3x3 8, relu, dense 16, relu, dense", "--epochs", "3", *words)
    assert said.code == 1
    assert "error: training needs finite numbers. At step " in said.err
    assert "stopped, non-finite " in said.out
    assert not list(Path("runs").rglob("*.safetensors"))
