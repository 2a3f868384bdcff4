"""The Python surface, as DESIGN.md's table has it; what a run keeps of itself; what importing costs."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import convscope as cs
from convscope import files, recipe
from convscope.classifier import ModelError
from convscope.cli import run as command_line
from convscope.data.images import DataSet
from convscope.run import Epoch, Finished, Note, Record, Started, Stopped
from convscope.run import Tested as Scored  # pytest takes what is called Test... for a test

NET = "conv 3x3 8, relu, maxpool 2, dense"
SHORT: dict[str, Any] = {"steps": 3, "batch_size": 32}


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return cs.data("digits")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> cs.Run:
    """The run that the tests which only read share."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    return cs.train("digits", network=NET, epochs=1, out=out)


class Flat(nn.Module):
    """Takes 28 x 28 alone."""

    def __init__(self) -> None:
        super().__init__()
        self.end = nn.Linear(28 * 28, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.end(x.flatten(1))
        return logits


def weights_digest(network: nn.Module) -> str:
    total = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        total.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return total.hexdigest()


# ---- the table ------------------------------------------------------------------------------------------------------


def test_training_is_shown_unless_it_is_not_to_be(digits: DataSet, tmp_path: Path, capsys: Any) -> None:
    run = cs.train(digits, network=NET, out=tmp_path / "shown", **SHORT)
    shown = capsys.readouterr().out
    assert run.test is not None
    assert f"({run.test.k} of {run.test.n};" in shown
    assert "training accuracy" in shown or "validation accuracy" in shown
    cs.train(digits, network=NET, out=tmp_path / "quiet", quiet=True, **SHORT)
    cs.train(digits, network=NET, out=tmp_path / "told", on_record=lambda record: None, **SHORT)
    list(cs.train_records(digits, network=NET, out=tmp_path / "records", **SHORT))
    assert capsys.readouterr() == ("", "")


def notes_of(*given: Any, **options: Any) -> list[str]:
    return [record.text for record in cs.train_records(*given, **options) if isinstance(record, Note)]


def test_what_a_run_says_of_itself(digits: DataSet, tmp_path: Path) -> None:
    still: dict[str, Any] = {"settings": {"optimizer.learning_rate": 1e-9}, "steps": 1}
    notes = notes_of("digits", network=NET, out=tmp_path / "a", keep="best", freeze=["conv1"], batch_size=4000, **still)
    assert (
        "of the recipe digits the data, its augmentation and the length are taken; the optimizer is the usual one for "
        "any network, since the recipe's was chosen for its own"
    ) in notes
    assert "batch_size 4000 is more than the training part: an epoch is one step of all its 1259 pictures" in notes
    assert "1290 of 1370 parameters learn" in notes
    assert "the weights of epoch 1 are kept: the lowest validation loss" in notes
    chance = r"the test accuracy is (no|not surely) better than always saying \d \(1\d\.\d %\)"
    assert any(re.match(chance, note) for note in notes)
    again = notes_of("digits", out=tmp_path / "a", **SHORT)
    assert f"{tmp_path / 'a'} exists, so the run is in {tmp_path / 'a-2'}" in again
    assert not any("another network" in note for note in again)


def test_the_network_of_a_run_is_taken(run: cs.Run, tmp_path: Path) -> None:
    for place in (run.path, run.model_path):
        other = cs.train("digits[:300]", network=str(place), out=tmp_path / "other", quiet=True, **SHORT)
        assert other.classifier.network.text == run.classifier.network.text


def test_a_network() -> None:
    net = cs.Network("conv 5x5 32, relu, maxpool 2, dense", input=(28, 28, 1), classes=10)
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_what_is_shown_of_an_object_is_a_line(digits: DataSet, run: cs.Run) -> None:
    assert repr(digits) == "DataSet(1259 training, 269 validation, 269 test pictures 8x8x1, 10 classes)"
    assert run.test is not None
    score = f"{run.test.k} of {run.test.n}"
    assert repr(run) == f"Run({str(run.path)!r}, test {score})"
    assert repr(run.classifier) == f"Classifier(input 8x8x1, 10 classes, test {score})"


def test_data_is_a_function_and_a_folder_of_the_package(digits: DataSet) -> None:
    from convscope.data import images

    assert isinstance(digits, images.DataSet)
    assert callable(sys.modules["convscope.data"])
    assert [len(part) for part in (digits.train, digits.validation, digits.test)] == [1259, 269, 269]
    assert digits.train.images.shape == (1259, 1, 8, 8)
    assert digits.train.classes == digits.classes == tuple("0123456789")
    few = cs.data("digits", validation=0.5, test=0.1, size=(16, 16))
    assert few.train.images.shape[2:] == (16, 16)


def test_a_run(run: cs.Run) -> None:
    assert run.path.name == "digits"
    assert run.test is not None
    assert run.test.n == 269
    assert 27 < run.test.k <= 269
    assert run.classifier.classes == tuple("0123456789")
    assert run.looks == 1
    opened = cs.Run(str(run.path))
    assert opened.test == run.test
    assert sorted(path.name for path in run.path.iterdir()) == [
        "environment.json", "log.jsonl", "looks.jsonl", "model.safetensors", "plan.json", "predictions.npz",
        "recipe.toml", "report.html", "split.csv",
    ]  # fmt: skip


def test_records_are_yielded_and_kept(tmp_path: Path) -> None:
    told: list[Any] = list(cs.train_records("digits", network=NET, out=tmp_path / "r", **SHORT))
    assert isinstance(told[0], Started)
    assert told[0].train_n == 1259
    kinds = [type(record) for record in told if not isinstance(record, Note)]
    assert kinds[-4:] == [Epoch, Stopped, Scored, Finished]
    assert cs.Run(tmp_path / "r").records == told
    also: list[Any] = []
    cs.train("digits", network=NET, out=tmp_path / "r", on_record=also.append, **SHORT)
    assert also[0].path == str(tmp_path / "r-2")  # nothing is overwritten
    assert also[-2] == told[-2]


def test_a_classifier_predicts(run: cs.Run, digits: DataSet, tmp_path: Path) -> None:
    clf = cs.load(str(run.path))
    Image.fromarray(digits.test.images[0, 0]).resize((80, 80)).save(tmp_path / "one.png")
    Image.fromarray(digits.test.images[1, 0]).save(tmp_path / "two.png")
    said = clf.predict(str(tmp_path / "one.png"))
    assert isinstance(said, cs.Prediction)
    assert said.label in clf.classes
    assert said.probability == max(said.probabilities.values())
    assert sum(said.probabilities.values()) == pytest.approx(1)
    both = clf.predict([tmp_path / "one.png", Image.open(tmp_path / "two.png")])
    assert [one.label for one in both] == [said.label, clf.predict(digits.test.images[1, 0]).label]
    assert len(clf.predict(tmp_path)) == 2


def test_a_picture_is_looked_into(run: cs.Run, digits: DataSet, tmp_path: Path) -> None:
    clf = cs.load(run.path)
    picture = digits.validation.images[0, 0]
    looked = cs.explain(clf, picture)
    assert isinstance(looked, cs.Explanation)
    assert looked.prediction.probabilities == clf.predict(picture).probabilities
    assert list(looked.maps) == ["conv1", "relu1", "pool1", "dense1"]
    assert looked.kernels("conv1").shape == (8, 1, 3, 3)
    trace = looked.trace("conv1", cell=(3, 4), map=2)
    assert trace.value == pytest.approx(float(looked.maps["conv1"][2, 3, 4]), rel=1e-6)
    assert looked.attribution.map.shape == (8, 8)
    assert looked.attribution.method == "gradcam"
    looked.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    torch_picture = torch.from_numpy(picture)[None]
    assert cs.explain(clf, torch_picture, target="3").trace("conv1").gradient.target == 3  # type: ignore[union-attr]
    assert cs.explain(clf, torch_picture, target=3).target == 3
    assert cs.explain(clf).name.startswith("validation picture digits/")
    assert callable(sys.modules["convscope.explain"])
    with pytest.raises(cs.ConvscopeError, match=r"a class must be a name or a number from 0 to 9\. Got 10\."):
        cs.explain(clf, picture, target=10)
    with pytest.raises(cs.ConvscopeError, match=r"a picture must be \(H, W\), \(H, W, 1 or 3\) as an array or"):
        cs.explain(clf, torch.zeros(2, 8, 8))
    with pytest.raises(cs.ConvscopeError, match=r"one picture at a time\. Got a batch of 2: take pictures\[0\]\."):
        cs.explain(clf, torch.zeros(2, 1, 8, 8))
    for cell in (3, "3,4"):
        with pytest.raises(cs.ConvscopeError, match=r"a cell must be whole numbers, as in cell=\(3, 4\)"):
            looked.trace("conv1", cell=cell)  # type: ignore[arg-type]
    with pytest.raises(cs.ConvscopeError, match=r"a cell and a map are those of a layer\. Got cell 3,4 and none"):
        looked.save(tmp_path / "page.html", cell=(3, 4))
    (tmp_path / "mine.png").write_bytes(b"a picture")
    with pytest.raises(cs.ConvscopeError, match=r"a page's file must end in \.html\. Got .*mine\.png: use mine\.html"):
        looked.save(tmp_path / "mine.png")
    assert (tmp_path / "mine.png").read_bytes() == b"a picture"
    with pytest.raises(cs.ConvscopeError, match=r"explain must be given a classifier\. Got 'runs/x': convscope\.load"):
        cs.explain("runs/x", picture)  # type: ignore[arg-type]


def test_what_a_manner_did_is_told(run: cs.Run) -> None:
    clf = cs.load(run.path)
    clf.preprocess = clf.preprocess.replace(manner="mnist")
    paper = np.full((60, 80), 230, np.uint8)
    paper[10:50, 35:42] = 40
    looked = cs.explain(clf, paper)
    assert looked.given is not None
    assert len(looked.given.steps) > 2
    assert np.array_equal(looked.given.steps[-1][1], looked.picture)
    plain = cs.explain(clf, paper, as_is=True)
    assert plain.given is not None
    assert plain.given.steps == ()
    assert plain.picture.mean() > looked.picture.mean()


def test_a_score(run: cs.Run, digits: DataSet) -> None:
    found = cs.evaluate(run.classifier, digits.test)
    assert isinstance(found, cs.Score)
    assert run.test is not None
    assert (found.k, found.n) == (run.test.k, run.test.n)
    assert found.low < found.k / found.n < found.high
    assert cs.Run(run.path).looks == 1  # in Python nobody counts


def test_a_score_needs_the_models_classes(run: cs.Run, digits: DataSet) -> None:
    from dataclasses import replace

    other = replace(digits.test, classes=(*"012345678", "ten"))
    with pytest.raises(cs.ConvscopeError, match="the data lacks 9; the model doesn't know ten"):
        cs.evaluate(run.classifier, other)
    turned = replace(digits.test, classes=digits.classes[::-1])
    with pytest.raises(cs.ConvscopeError, match="they stand in another order"):
        cs.evaluate(run.classifier, turned)


def test_the_surface_is_listed() -> None:
    assert set(cs.__all__) <= set(dir(cs))
    with pytest.raises(AttributeError, match="module 'convscope' has no attribute 'trian'"):
        cs.trian  # noqa: B018


# ---- one's own module, one's own data -------------------------------------------------------------------------------


class Own(nn.Module):
    """A network that no text describes."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one = nn.Conv2d(1, 6, 3)
        self.two = nn.Linear(6 * 36, classes)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.two(torch.relu(self.one(x)).flatten(1)))


@pytest.fixture(scope="module")
def own_run(tmp_path_factory: pytest.TempPathFactory) -> cs.Run:
    return cs.train("digits", network=Own(), out=tmp_path_factory.mktemp("own") / "own", **SHORT)


def test_ones_own_module(own_run: cs.Run, digits: DataSet, tmp_path: Path) -> None:
    assert own_run.test is not None
    clf = cs.load(own_run.path, network=Own())
    assert cs.evaluate(clf, digits.test).k == own_run.test.k
    assert clf.predict(digits.test.images[0, 0]).label in clf.classes
    made = cs.Classifier(clf.network, clf.preprocess, clf.classes)
    made.save(tmp_path / "mine.safetensors")
    again = cs.load(tmp_path / "mine.safetensors", network=Own())
    assert np.array_equal(again.probabilities(digits.test.images), clf.probabilities(digits.test.images))


def test_the_command_line_runs_no_python_of_a_file(own_run: cs.Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match=r"somebody's own nn\.Module, and no text of a network"):
        cs.load(own_run.path)
    for words in (["evaluate"], ["predict", "x"], ["summary"]):
        verb, *rest = words
        assert command_line([verb, str(own_run.model_path), *rest]) == 2
        error = capsys.readouterr().err
        assert "somebody's own nn.Module" in error
        assert "network=module" in error


def test_a_module_that_does_not_fit(own_run: cs.Run, tmp_path: Path) -> None:
    with pytest.raises(cs.ConvscopeError, match=r"one number a class for each picture: \(32, 10\). Got \(32, 4\)"):
        cs.train("digits", network=Own(4), out=tmp_path / "x", **SHORT)
    with pytest.raises(cs.ConvscopeError, match=r"must take the data's pictures. It takes 28x28x1, the data has 8x8x1"):
        cs.train("digits", network=cs.Network(NET, input=(28, 28, 1), classes=10), out=tmp_path / "x", **SHORT)


def test_an_image_set_in_memory(digits: DataSet, tmp_path: Path) -> None:
    run = cs.train(digits, network=NET, out=tmp_path / "m", **SHORT)
    assert run.test is not None
    assert cs.evaluate(run.classifier, digits.test).k == run.test.k
    with pytest.raises(cs.ConvscopeError, match="were an image set in memory, which no file keeps"):
        cs.train(str(run.recipe_path), out=tmp_path / "n")


def interrupted(records: Any, after: list[int]) -> None:
    for _ in records:
        after[0] += 1


def test_an_interrupted_run_of_ones_own_goes_on(digits: DataSet, tmp_path: Path) -> None:
    """One's own module on one's own pictures, stopped after two of four steps."""
    whole = cs.train(digits, network=Own(), out=tmp_path / "whole", steps=4)
    asked = iter([False, False, True])
    cs.train(digits, network=Own(), out=tmp_path / "part", steps=4, stop=lambda: next(asked))
    run = cs.Run(tmp_path / "part")
    with pytest.raises(ModelError, match=r"part has no model yet: its training did not end. Go on with it: convscope"):
        _ = run.classifier
    with pytest.raises(cs.ConvscopeError, match=r"trains somebody's own nn.Module.*convscope.resume\(.*network=module"):
        list(cs.resume(run.path))
    with pytest.raises(cs.ConvscopeError, match="were an image set in memory"):
        list(cs.resume(run.path, network=Own()))
    told: list[Any] = list(cs.resume(run.path, network=Own(), data=digits))
    assert "going on from step 2" in [record.text for record in told if isinstance(record, Note)]
    first, second = (cs.load(r.path, network=Own()).network for r in (whole, run))
    assert weights_digest(first) == weights_digest(second)
    with pytest.raises(cs.ConvscopeError, match="is finished: it has a model"):
        list(cs.resume(run.path, network=Own(), data=digits))


def test_train_needs_something() -> None:
    with pytest.raises(cs.ConvscopeError, match=r"train needs a recipe's name, a data set's name, a folder or a .csv"):
        cs.train("")


# ---- what a run keeps of itself -------------------------------------------------------------------------------------


def test_the_recipe_of_a_run_holds_numbers_and_trains_to_the_same_bits(run: cs.Run, tmp_path: Path) -> None:
    kept = recipe.load(run.recipe_path)
    assert kept.input.size == (8, 8)
    assert kept.input.channels == 1
    assert isinstance(kept.input.mean, tuple)
    assert isinstance(kept.input.std, tuple)
    assert kept.train.loss == "cross-entropy"
    assert kept.train.precision == "float32"
    assert len(kept.data_sha256) == 64
    assert "classes" in kept.network  # canonical: each default written out
    assert "init=kaiming" in kept.network
    again = cs.train(str(run.recipe_path), out=tmp_path / "again")
    assert weights_digest(again.classifier.network) == weights_digest(run.classifier.network)
    assert again.test == run.test
    assert recipe.load(again.recipe_path) == kept


def test_a_recipe_of_other_data_says_so(run: cs.Run, tmp_path: Path) -> None:
    text = run.recipe_text.replace(recipe.load(run.recipe_path).data_sha256, "0" * 64)
    (tmp_path / "old.toml").write_text(text, encoding="utf-8")
    told: list[Any] = list(cs.train_records(str(tmp_path / "old.toml"), out=tmp_path / "x", **SHORT))
    notes = [record.text for record in told if isinstance(record, Note)]
    assert "the data is no longer what this recipe was written for: the numbers will differ" in notes


def test_weights_to_start_from(run: cs.Run, tmp_path: Path) -> None:
    told: list[Any] = list(
        cs.train_records("digits", network=NET + " ", out=tmp_path / "x", settings={"from": str(run.path)}, **SHORT)
    )
    notes = [record.text for record in told if isinstance(record, Note)]
    assert f"from {run.path}: 4 of 4 tensors taken" in notes
    kept = recipe.load(tmp_path / "x" / "recipe.toml")
    assert kept.from_sha256 == hashlib.sha256(run.model_path.read_bytes()).hexdigest()
    other = "conv 3x3 8, relu, maxpool 2, dense 5, relu, dense"
    told = list(
        cs.train_records("digits", network=other, out=tmp_path / "y", settings={"from": str(run.path)}, **SHORT)
    )
    notes = [record.text for record in told if isinstance(record, Note)]
    assert any(
        "2 of 6 tensors taken; made anew: dense1.weight" in note and "not used: dense1" in note for note in notes
    )
    with pytest.raises(
        cs.ConvscopeError, match=r"must fit at least one layer by name and shape. None of the 4 tensors"
    ):
        cs.train("digits", network="conv 5x5 3, dense 7, dense", out=tmp_path / "z", settings={"from": str(run.path)})


def test_a_run_without_a_test_split_says_so(tmp_path: Path) -> None:
    told: list[Any] = list(
        cs.train_records("digits", network=NET, out=tmp_path / "x", settings={"split.test": 0.0}, **SHORT)
    )
    assert "there is no test split, so there is no test accuracy" in [r.text for r in told if isinstance(r, Note)]
    run = cs.Run(tmp_path / "x")
    assert run.test is None
    assert run.looks == 0
    assert run.classifier.score["split"] == "validation"


def test_the_mark_of_the_best_epoch_is_shown_where_it_decides(tmp_path: Path) -> None:
    def monitor(**settings: Any) -> object:
        records = cs.train_records("digits", network=NET, out=tmp_path / "x", **SHORT, **settings)
        started: Any = next(records)
        return started.plan["monitor"]

    assert monitor(keep="last") == ""
    assert monitor(keep="best") == "validation loss"
    assert monitor(patience=2) == "validation loss"
    assert monitor(keep="best", settings={"split.validation": 0.0}) == ""


# ---- what importing costs -------------------------------------------------------------------------------------------


def modules(code: str, folder: Path) -> set[str]:
    """The top modules, and convscope's own rooms, that are loaded after some code."""
    script = f"import sys\n{code}\nimport json\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    return {name for name in loaded if "." not in name or name.startswith("convscope.")}


HEAVY = {"torch", "numpy", "PIL", "pydantic", "typer", "rich", "lark", "safetensors", "pooch", "requests", "matplotlib",
         "convscope.data", "convscope.network", "convscope.notation", "convscope.recipe", "convscope.report",
         "convscope.run", "convscope.classifier", "convscope.train", "convscope.evaluate", "convscope.api",
         "convscope.files", "convscope.kernels"}  # fmt: skip


def test_importing_loads_nothing(tmp_path: Path) -> None:
    assert not modules("import convscope", tmp_path) & HEAVY


COMMANDS: dict[str, set[str]] = {
    "--help": set(),
    "--version": set(),
    "train --help": {"typer"},
    "evaluate --help": {"typer"},
    "predict --help": {"typer"},
    "demo --help": {"typer"},
    "explain --help": {"typer"},
    "summary --help": {"typer"},
    "data --help": {"typer"},
    "recipes --help": {"typer"},
    "doctor --help": {"typer"},
    "recipes": {"typer", "pydantic", "convscope.recipe", "convscope.report"},
    "recipes digits": {"typer", "pydantic", "convscope.recipe", "convscope.report"},
    "data list": {"typer", "numpy", "PIL", "convscope.data", "convscope.report"},
    "check --help": {"typer"},
    "check resnet50": {"typer", "lark", "convscope.notation", "convscope.network", "convscope.report"},
    "summary 'conv 3x3 8, relu, dense 10' --input 8x8x1": {
        "typer", "lark", "convscope.notation", "convscope.network", "convscope.report",
    },
}  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS)
def test_a_verb_loads_what_it_uses(words: str, tmp_path: Path) -> None:
    import shlex

    code = f"from convscope.cli import run\nassert run({shlex.split(words)!r}) == 0"
    loaded = modules(code, tmp_path) & HEAVY
    assert "torch" not in loaded
    assert not {"matplotlib", "safetensors", "pooch", "requests"} & loaded
    if words.endswith("--help") or words == "--version":
        assert loaded <= COMMANDS[words] | {"rich"}
    else:
        assert COMMANDS[words] <= loaded


def test_a_module_that_does_not_take_the_pictures(digits: DataSet, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    module = Flat()
    sentence = r"Flat, given a batch of shape \(N, C, H, W\) = \(2, 1, 8, 8\), raised RuntimeError: mat1 and mat2"
    with pytest.raises(cs.ConvscopeError, match=sentence) as raised:
        cs.train(digits, network=module, **SHORT)
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert module.training
    assert not list(tmp_path.iterdir())
    module.end = nn.Linear(64, 10)
    assert cs.train(digits, network=module, quiet=True, **SHORT).path == Path("runs/flat")


def test_threads_are_put_back_after_a_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from convscope.kernels import trial

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(trial, "threads", lambda network, plan, shape: 1)
    try:
        run = cs.train("digits", steps=1, out=tmp_path / "run", quiet=True)
        assert run.plan["threads"] == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_training_that_was_left_in_the_middle_holds_its_run_no_longer(tmp_path: Path) -> None:
    """As an interrupted cell of a notebook leaves it: the traceback keeps every frame."""

    def stop(record: Record) -> None:
        if isinstance(record, Epoch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as kept:
        cs.train("digits", network="gap, dense", epochs=3, out=tmp_path / "run", on_record=stop)
    assert kept.traceback
    assert not files.is_held(tmp_path / "run")
    records = cs.resume(tmp_path / "run")
    next(records)
    with pytest.raises(cs.ConvscopeError, match="is being trained already"):
        next(cs.resume(tmp_path / "run"))
    assert any(isinstance(record, Finished) for record in records)
