"""`convscope evaluate`: the run's own split, other data, and what can't be scored."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import Command, write_pictures
from convscope import api
from convscope.data.images import ImageSet


@pytest.fixture
def copied(run_of_digits: Path, tmp_path: Path) -> Path:
    """A run of one's own to look at."""
    return Path(shutil.copytree(run_of_digits, tmp_path / "own" / "digits"))


def test_a_run_is_scored_on_its_own_test_split(copied: Path, say: Command) -> None:
    run = api.Run(copied)
    trained = run.test
    assert trained is not None
    assert run.looks == 1
    said = say("evaluate", copied)
    assert said.code == 0
    assert re.findall(r"\((\d+) of (\d+)[;,)]", said.out)[-1] == (str(trained.k), str(trained.n))
    assert run.looks == 2
    assert "look 2 at the test split of this run" in said.out
    assert "class" in said.out
    assert "precision" in said.out


def test_json(copied: Path, say: Command) -> None:
    said = say("evaluate", copied, "--json")
    assert said.code == 0
    assert said.err == ""
    about = json.loads(said.out)
    trained = api.Run(copied).test
    assert trained is not None
    assert (about["k"], about["n"], about["split"], about["look"]) == (trained.k, trained.n, "test", 2)
    assert about["confidence"] == 0.95
    assert about["low"] < about["accuracy"] < about["high"]
    assert len(about["classes"]) == 10
    assert sum(map(sum, about["confusion"])) == about["n"]


def test_several_views_are_a_second_score(copied: Path, say: Command) -> None:
    run = api.Run(copied)
    trained = run.test
    assert trained is not None
    said = say("evaluate", copied, "--views", "both")
    assert said.code == 0
    *_, second, first = said.out.splitlines()
    assert re.fullmatch(
        r"test accuracy of 6 views [\d.]+ % \(\d+ of 269; 95 % interval [\d.]+ to [\d.]+ %\), 6 times the work", second
    )
    assert f"test accuracy {100 * trained.k / trained.n:.2f} % ({trained.k} of 269;" in first
    assert run.looks == 2
    about = json.loads(say("evaluate", copied, "--views", "shift", "--json").out)
    assert about["k"] == trained.k
    assert "views" not in about
    expected = api.evaluate(api.load(copied), api.data("digits").test, views="shift")
    assert about["in_views"] == expected.to_json()
    assert about["in_views"]["views"] == 3
    assert "in_views" not in json.loads(say("evaluate", copied, "--json").out)
    looks = run.looks
    refused = say("evaluate", copied, "--views", "ten")
    assert refused.code == 2
    assert "unknown views 'ten'" in refused.err
    assert "These exist: both, mirror, shift." in refused.err
    assert run.looks == looks  # nothing was looked at


def test_other_splits_and_the_model_file_itself(copied: Path, say: Command) -> None:
    assert json.loads(say("evaluate", copied, "--split", "validation", "--json").out)["n"] == 269
    assert json.loads(say("evaluate", copied, "--split", "train", "--json").out)["n"] == 1259
    assert api.Run(copied).looks == 1
    every = json.loads(say("evaluate", copied / "model.safetensors", "--split", "all", "--json").out)
    assert every["n"] == 1797
    assert api.Run(copied).looks == 2  # the test pictures are among them


def test_other_data(run_of_pictures: Path, say: Command) -> None:
    others = write_pictures(Path("others"), ("狗", "猫"), each=5)
    said = say("evaluate", run_of_pictures, "--data", others, "--json")
    assert said.code == 0
    about = json.loads(said.out)
    assert (about["n"], about["split"], about["look"]) == (6, "all", 2)  # some are the run's own test pictures
    assert any("4 of 10 pictures were left out: the model was trained on them" in note for note in about["notes"])


def test_data_that_has_changed_is_told_of(say: Command) -> None:
    folder = write_pictures(Path("pets"), ("a", "b"))
    assert say("train", folder, "--net", "dense", "--set", "steps=2", "--out", "run", "--quiet").code == 0
    assert json.loads(say("evaluate", "run", "--json").out)["notes"] == []
    Image.effect_noise((12, 12), 50).save(folder / "a" / "new.png")
    said = say("evaluate", "run")
    assert said.code == 0
    assert "note: 1 pictures have joined the data since the run was begun; they are left out here" in said.out


def test_what_a_lone_model_was_trained_on_is_refused(copied: Path, say: Command) -> None:
    Path("alone").mkdir()
    shutil.copy(copied / "model.safetensors", "alone/model.safetensors")
    said = say("evaluate", "alone/model.safetensors", "--data", "digits")
    assert said.code == 2
    assert "a score needs pictures that the model never saw" in said.err
    assert "is what it was trained on. Evaluate the run's folder without --data" in said.err


def test_pictures_that_have_moved(say: Command) -> None:
    """The very same content somewhere else is the run's own data: its test split is scored, and the look counted."""
    write_pictures(Path("pets"), ("a", "b"))
    assert say("train", "pets", "--net", "dense", "--set", "steps=2", "--out", "run", "--quiet").code == 0
    at = Path("pets").resolve()
    Path("pets").rename("moved")
    said = say("evaluate", "run")
    assert said.code == 2
    assert f"It was at {at}, where nothing is now; if it has moved, give its place: --data NEW." in said.err
    about = json.loads(say("evaluate", "run", "--data", "moved", "--json").out)
    run = api.Run("run")
    assert run.test is not None
    assert (about["split"], about["look"], about["k"], about["n"]) == ("test", 2, run.test.k, run.test.n)
    assert (
        json.loads(say("evaluate", "run", "--data", "moved", "--split", "val", "--json").out)["split"] == "validation"
    )


def test_a_model_outside_of_a_run(copied: Path, say: Command) -> None:
    Path("alone").mkdir()
    shutil.copy(copied / "model.safetensors", "alone/model.safetensors")
    said = say("evaluate", "alone/model.safetensors")
    assert said.code == 2
    assert "lies in no run's folder, so nobody knows which these are. Give some: --data FOLDER." in said.err


def test_other_classes(run_of_pictures: Path, say: Command) -> None:
    others = write_pictures(Path("others"), ("狗", "兔"), each=4)
    said = say("evaluate", run_of_pictures, "--data", others)
    assert said.code == 2
    assert "the data's classes must be the model's. The model has 2, the data 2: " in said.err
    assert "the data lacks 猫; the model doesn't know 兔" in said.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none"], r"a model file must exist to be loaded. There is none at none"),
        (["RUN", "--split", "tst"], r"a split must be train, validation, test or all. Got 'tst'"),
        (["RUN", "--data", "nowhere"], r"nowhere"),
    ],
)
def test_what_can_not_be_scored(words: list[str], sentence: str, run_of_digits: Path, say: Command) -> None:
    said = say("evaluate", *(str(run_of_digits) if word == "RUN" else word for word in words))
    assert said.code == 2
    assert re.search(sentence, said.err)
    assert said.out == ""


def test_a_split_without_pictures(say: Command) -> None:
    words = ("--net", "dense", "--set", "steps=2", "--set", "split.test=0", "--out", "x", "--quiet")
    assert say("train", "digits", *words).code == 0
    said = say("evaluate", "x")
    assert said.code == 2
    assert "a split must have pictures to be scored. x has none in test." in said.err


def test_a_run_that_has_no_model(run_of_digits: Path, say: Command) -> None:
    folder = Path(shutil.copytree(run_of_digits, "half"))
    (folder / "model.safetensors").unlink()
    for verb in (["evaluate"], ["predict", "x.png"]):
        said = say(verb[0], folder, *verb[1:])
        assert said.code == 2
        assert (
            "half has no model yet: its training did not end. Go on with it: convscope train --resume half" in said.err
        )


def write_digits(folder: Path, part: ImageSet, *, as_drawn: bool = False) -> Path:
    """The pictures of an image set as files in class folders: as they are, or dark on a light page, off-centre."""
    for name, label, picture in zip(part.names, part.labels, part.images, strict=True):
        path = folder / str(label) / f"{name.replace('/', ' ')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        figure = Image.fromarray(picture[0])
        if as_drawn:
            page = Image.new("L", (160, 120))
            page.paste(figure.resize((50, 80), Image.Resampling.BICUBIC), (20, 10))
            figure = page.point(lambda value: 230 - round(0.75 * value))
        figure.save(path)
    return folder


def test_pictures_from_outside_are_brought_into_the_manner(copied: Path, say: Command) -> None:
    drawn = write_digits(Path("drawn"), api.data("digits").test.subset(np.arange(40)), as_drawn=True)
    note = f"the pictures of {drawn} were brought into the manner 'digits' first; --as-is leaves that out"
    classifier = api.load(copied)
    found = {}
    for words, manner, notes in (((), "digits", [note]), (("--as-is",), "", [])):
        about = json.loads(say("evaluate", copied, "--data", drawn, "--json", *words).out)
        assert (about["manner"], about["notes"], about["n"]) == (manner, notes, 40)
        classifier.preprocess = classifier.preprocess.replace(manner=manner)
        shares = [said.probabilities[Path(said.name).parent.name] for said in classifier.predict(drawn)]
        assert about["loss"] == pytest.approx(
            -np.mean(np.log(shares)), rel=1e-5
        )  # the network saw what `predict` shows
        found[manner] = about["loss"]
    assert found["digits"] != pytest.approx(found[""], rel=1e-3)
    assert f"note: {note}\n" in say("evaluate", copied, "--data", drawn).out
    assert "note: " not in say("evaluate", copied, "--data", drawn, "--as-is").out
    for verb in ("probe", "health"):
        asked = (verb, copied, "--data", drawn, "--most", "8", "--json")
        more = ("--only", "inversion") if verb == "probe" else ()
        assert json.loads(say(*asked, *more).out)["notes"] == [note]
        assert json.loads(say(*asked, *more, "--as-is").out)["notes"] == []


def test_an_exported_test_set_scores_as_it_does_in_its_run(copied: Path, say: Command) -> None:
    exported = write_digits(Path("exported"), api.data("digits").test)
    own = json.loads(say("evaluate", copied, "--json").out)
    for more in ((), ("--as-is",)):
        about = json.loads(say("evaluate", copied, "--data", exported, "--json", *more).out)
        assert (about["k"], about["n"], about["confusion"]) == (own["k"], own["n"], own["confusion"])


def test_what_is_not_from_outside_is_not_brought(copied: Path, say: Command) -> None:
    """A data set by its name, and the very pictures that a model was trained on, in a run or without it."""
    assert json.loads(say("evaluate", copied, "--json").out)["manner"] == ""
    assert json.loads(say("evaluate", copied, "--data", "digits[:90]", "--json").out)["manner"] == ""
    drawn = write_digits(Path("drawn"), api.data("digits").test.subset(np.arange(40)), as_drawn=True)
    Path("own/test").mkdir(parents=True)
    drawn.rename("own/train")
    shutil.copytree("own/train", "own/test", dirs_exist_ok=True)
    for path in Path("own/test").rglob("*.png"):
        Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    words = ("--set", "manner=digits", "--set", "size=[8,8]", "--set", "channels=1", "--set", "steps=2", "--quiet")
    assert say("train", "own", "--net", "dense", "--out", "run", *words).code == 0
    Path("alone").mkdir()
    shutil.copy("run/model.safetensors", "alone")
    own = json.loads(say("evaluate", "run", "--json").out)
    for model in ("run", "alone/model.safetensors"):
        about = json.loads(say("evaluate", model, "--data", "own", "--json").out)
        assert (about["manner"], about["k"], about["loss"]) == ("", own["k"], own["loss"])
    Path("own").rename("moved")
    shutil.rmtree("moved/train")
    assert json.loads(say("evaluate", "run", "--data", "moved/test", "--json").out)["manner"] == "digits"
