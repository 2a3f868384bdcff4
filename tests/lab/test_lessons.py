"""The lab's lessons: each task can be solved, isn't solved at its start, and a file that is wrong is told where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convscope import api
from convscope.errors import ConvscopeError
from convscope.lab import checks, lesson_files, lessons
from convscope.lab.app import Lab
from convscope.lab.lessons import Lesson
from convscope.lab.quantities import QUANTITIES, Subject, Trained
from convscope.network.shapes import resolve
from convscope.notation import parse, write_out
from convscope.run import Epoch, Run, records
from lab.conftest import LabSite

ROOT = Path(__file__).parents[2]
INPUT, CLASSES = (8, 8, 1), 10
LESSONS = lesson_files.bundled()
TASKS = {(lesson.id, task): found for lesson in LESSONS.values() for task, found in lesson.tasks().items()}

WRITTEN = {
    ("kernel", "larger-kernel"): "conv 5x5 8 same, relu, maxpool 2, dense 10",
    ("kernel", "count-them"): "conv 3x3 8 same, relu, conv 3x3 16 same, relu, maxpool 2, dense 10",
    ("stride-padding", "keep-the-size"): "conv 3x3 8 same, relu, conv 3x3 16 same, relu, dense 10",
    ("stride-padding", "stride-two"): "conv 3x3 8 /2 same, relu, conv 3x3 16 same, relu, dense 10",
    ("receptive-field", "see-nine"): "conv 5x5 16 same, relu, conv 5x5 32 same, relu, gmp, dense 10",
    ("receptive-field", "small-kernels"): "6 * (conv 3x3 16 same, relu), gmp, dense 10",
}
"""An answer to each task that needs no training."""
ALMOST = [
    ("kernel", "larger-kernel", "conv 1x5 8 same, relu, maxpool 2, dense 10", "conv1 is 1 x 5; exactly 5 x 5"),
    ("kernel", "larger-kernel", "conv 5x1 8 same, relu, maxpool 2, dense 10", "conv1 is 5 x 1; exactly 5 x 5"),
    ("kernel", "count-them", "conv 3x3 24 same, relu, conv 1x3 16 same, relu, dense 10",
     "conv2 is 1 x 3; exactly 3 x 3"),
    ("stride-padding", "keep-the-size", "conv 3x3 8 pad=1x0, relu, conv 3x3 16 same, relu, dense 10",
     "The size of the maps of conv1 is 8 x 6; exactly 8 x 8"),
    ("stride-padding", "stride-two", "conv 3x3 8 /2x1 same, relu, conv 3x3 16 /1x2 same, relu, dense 10",
     "The stride of conv1 is 2 x 1; exactly 2 x 2"),
    ("receptive-field", "see-nine", "conv 1x9 16 same, relu, conv 3x3 32 same, relu, gmp, dense 10",
     "conv2 is 3 x 11; at least 9 x 9"),
    ("receptive-field", "small-kernels", "conv 7x7 8, relu, 4 * (conv 3x3 8, relu), gmp, dense 10",
     "The kernel of conv1 is 7 x 7; exactly 3 x 3"),
    ("receptive-field", "small-kernels", "6 * (conv 3x3 8, relu), conv 5x5 8, relu, gmp, dense 10",
     "The kernel of conv7 is 5 x 5; exactly 3 x 3"),
    ("receptive-field", "small-kernels", "5 * (conv 3x3 9, relu), gmp, dense 10", "conv5 is 11 x 11; at least 13 x 13"),
    ("receptive-field", "small-kernels", "dense 10", "This network has no conv."),
]  # fmt: skip
"""Answers that do what is asked on one side, or in one layer, alone."""
GMP = "conv 3x3 16 same, bn, relu, maxpool 2, conv 3x3 32 same, bn, relu, gmp, dense 10"
TRAINED = {
    ("kernel", "train-it"): ("conv 3x3 8 same, relu, conv 3x3 16, relu, maxpool 2, dense 10", {}),
    ("stride-padding", "cheap-and-good"): ("conv 3x3 8 /2 same, relu, conv 3x3 16 same, relu, dense 10", {}),
    ("receptive-field", "halve-it"): ("conv 3x3 10, relu, conv 3x3 16, bn, relu, maxpool 2, dense 10", {}),
    ("overfitting", "by-heart"): (
        "dense 512, relu, dense 512, relu, dense 10", {"train.epochs": 30, "augment.shift": 0, "augment.rotate": 0}),
    ("overfitting", "fewer"): (GMP, {}),
    ("overfitting", "no-gap"): (GMP.replace("gmp", "dropout 0.3"), {}),
}  # fmt: skip
"""An answer to each task that needs one: the network, and settings beside those of the recipe `digits`."""


def test_every_task_has_an_answer_here() -> None:
    assert set(TASKS) == {*WRITTEN, *TRAINED}
    assert list(LESSONS) == ["kernel", "stride-padding", "receptive-field", "overfitting"]


@pytest.mark.parametrize(("lesson", "task"), WRITTEN)
def test_a_task_of_a_network(lesson: str, task: str) -> None:
    asked, start = TASKS[lesson, task]
    assert asked.kind == "network"
    found = lessons.check(LESSONS[lesson], task, WRITTEN[lesson, task], INPUT, CLASSES)
    assert found["passed"], found["checks"]
    if "every" in str([check.line for check in asked.checks]):
        assert "The kernel of every conv is as asked for: exactly 3 x 3." in str(found["checks"])
        assert "每个 conv 的卷积核都符合要求：正好 3 x 3。" in str(found["checks"])
    assert start is not None
    begun = lessons.check(LESSONS[lesson], task, start.network, INPUT, CLASSES)
    assert not begun["passed"], "the start solves it already"
    failed = [check for check in begun["checks"] if not check["passed"]]
    assert begun["sentence"] == failed[0]["sentence"]
    told = begun["sentence"]
    assert re.search(r"is .*; (at least|exactly) .* is asked for\.|unknown layer 'conv\d'", told["en"])
    assert re.search("要求|没有叫 conv", told["zh"])


@pytest.mark.parametrize(("lesson", "task", "text", "said"), ALMOST)
def test_an_answer_that_is_right_in_part(lesson: str, task: str, text: str, said: str) -> None:
    found = lessons.check(LESSONS[lesson], task, text, INPUT, CLASSES)
    assert not found["passed"]
    assert said in found["sentence"]["en"]


@pytest.mark.slow
@pytest.mark.parametrize(("lesson", "task"), TRAINED)
def test_a_task_of_a_training(lesson: str, task: str, tmp_path: Path) -> None:
    text, settings = TRAINED[lesson, task]
    settings = {"train.epochs": 60, **settings}
    api.train("digits", network=text, settings=settings, out=tmp_path / "run", quiet=True)
    found = lessons.check(LESSONS[lesson], task, text, INPUT, CLASSES, Run(tmp_path / "run"))
    assert found["passed"], found["checks"]
    untrained = lessons.check(LESSONS[lesson], task, text, INPUT, CLASSES)
    assert not untrained["passed"]
    assert "train yours first" in str(untrained["checks"])


def test_a_network_that_can_not_be_built() -> None:
    found = lessons.check(LESSONS["kernel"], "larger-kernel", "conv 5x5 8, rel", INPUT, CLASSES)
    assert not found["passed"]
    assert found["sentence"]["en"].startswith("The network can't be built yet: unknown layer 'rel'")
    with pytest.raises(ConvscopeError, match=r"unknown task 'larger', did you mean 'larger-kernel'\?"):
        lessons.check(LESSONS["kernel"], "larger", "dense", INPUT, CLASSES)


def epoch(train: int, validation: int, loss: float) -> Epoch:
    return Epoch(epoch=1, step=9, train_loss=0.1, train_k=train, train_n=100, validation_loss=loss,
                 validation_k=validation, validation_n=50, learning_rate=0.1, elapsed=1.0, left=0.0,
                 best=False)  # fmt: skip


def test_what_is_measured_of_a_training() -> None:
    """Two epochs and a test, by hand: 99 of 100, 48 of 50, loss from 0.2 to 0.25, 47 of 50."""
    test = records.Tested(k=47, n=50, low=0.8, high=0.99, loss=0.3, split="test", look=1)
    trained = Trained((epoch(90, 45, 0.2), epoch(99, 48, 0.25)), test)
    subject = Subject.of(resolve(write_out(parse("conv 3x3 4, relu, dense 10")), INPUT, CLASSES), trained)
    wanted = {"training accuracy": 0.99, "validation accuracy": 0.96, "test accuracy": 0.94, "gap": 0.03,
              "validation loss": 0.25, "rise of validation loss": 0.25, "epochs": 2}  # fmt: skip
    for name, value in wanted.items():
        ((_, (found,)),) = QUANTITIES[name].measure(subject, "")
        assert found == pytest.approx(value)
    assert checks.read("test accuracy >= 94 %", "here").holds(subject, None)[0]
    assert not checks.read("test accuracy > 94 %", "here").holds(subject, None)[0]
    passed, said = checks.read("stride of relu1 = 2", "here").holds(subject, None)
    assert not passed
    assert said["en"] == "relu1 slides no kernel, so it has no stride."


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("receptive field of conv2", r"here: a check must be a quantity, one of >= <= = > < and a number, such as"),
        ("receptive_fields of conv2 >= 9", r"here: unknown quantity .*receptive_field"),
        ("kernel >= 3", r"here: kernel is of one layer: write 'kernel of conv1 \.\.\.'"),
        ("parameters >= 40 %", r"what is asked for must be a number, or such as 'half of the start's'. Got '40 %'"),
        ("test accuracy >= half of the start's", r"the start is not trained, so test accuracy can't be compared"),
        ("kernel of each conv = 3", r"a layer must be a label, or every or last and a kind: conv2, every conv, last"),
        ("kernel of every cnov = 3", r"here: unknown kind of layer 'cnov', did you mean 'conv'\?"),
        ("test accuracy >= 98", r"a share must be at most 1, or 100 %\. Got '98'"),
    ],
)
def test_a_check_that_can_not_be_read(line: str, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=sentence):
        checks.read(line, "here")


GOOD = """format = 1
title = "Own"
[[step]]
text = "Read."
[step.start]
network = "conv 3x3 8, relu, dense 10"
[step.task]
id = "t"
text = "Do."
check = "parameters <= half of the start's"
"""


def own(folder: Path, text: str, name: str = "own.toml") -> Lesson:
    (folder / name).write_text(text, encoding="utf-8")
    return lesson_files.read_lesson(folder / name)


def test_a_lesson_of_ones_own(tmp_path: Path) -> None:
    lesson = own(tmp_path, GOOD)
    assert lesson.title == {"en": "Own", "zh": "Own"}
    assert lessons.check(lesson, "t", "conv 3x3 2, relu, dense 10", INPUT, CLASSES)["passed"]
    assert list(lesson_files.read_folder(tmp_path)) == ["own"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('title = "Own"', "", r"own\.toml: title is missing\. Add it\."),
        ("title =", "titel =", r"own\.toml: unknown key 'titel', did you mean 'title'\?"),
        ("format = 1", "format = 9", r"own\.toml.*9"),
        ("conv 3x3 8, relu", "conv 3x3 8, rel", r"own\.toml, step 1, start: the network must be one .*rel"),
        ('id = "t"', 'id = "A b"', r"own\.toml, step 1, task: id must be of a-z"),
        ("[step.start]\nnetwork = \"conv 3x3 8, relu, dense 10\"\n", "", r"compares with the start; no step up to it"),
        ("[[step]]", "[step]", r"a lesson must have steps, each under \[\[step\]\]"),
        ('text = "Do."', "text = 3", r"own\.toml, step 1, task, text: must be a table|must be text"),
        ("check =", "check", r"own\.toml must be TOML"),
        ("conv 3x3 8, relu, dense 10", "conv 9x9 8 valid, relu, dense 10",
         r"step 1, start: the network must be one that can be built for digits\. .*9 high"),
        ("[step.task]", 'data = "digit"\n[step.task]', r"start: unknown data set 'digit', did you mean 'digits'\?"),
        ("[step.task]", "train = { epoch = 3 }\n[step.task]",
         r"start, train: unknown key 'epoch', did you mean 'epochs'\?"),
        ("[step.task]", "train = { epochs = 3, budget = 3 }\n[step.task]", r"must have one of epochs and budget"),
        ("[step.task]", 'train = { epochs = "3" }\n[step.task]',
         r"epochs must be a whole number from 1 to 10000\. Got '3'"),
        ("[step.task]", "train = { augment = 0 }\n[step.task]", r"augment must be true or false\. Got 0"),
        ("[step.task]", '[step.look]\nview = "tri"\n[step.task]', r"look: unknown view 'tri', did you mean 'try'\?"),
        ("[step.task]", '[step.look]\nview = "try"\ndata = "x"\n[step.task]', r"look: unknown data set 'x'"),
        ("[step.task]", '[step.look]\nview = "try"\nindex = -1\n[step.task]',
         r"index must be a row of the data set, from 0"),
        ("parameters <=", "parameters of conv2 <=",
         r"the task 't': .* can't be measured of the start\. unknown layer 'conv2'"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    assert old in GOOD
    with pytest.raises(ConvscopeError, match=sentence):
        own(tmp_path, GOOD.replace(old, new))


def test_files_that_are_not_there_or_badly_named(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match=r"lessons must be files in a folder\. There is no folder"):
        lesson_files.read_folder(tmp_path / "none")
    with pytest.raises(ConvscopeError, match=r"a lesson's file must be called by a-z"):
        own(tmp_path, GOOD, "Mein Kurs.toml")


def test_the_docs_list_what_can_be_asked() -> None:
    told = (ROOT / "docs" / "lessons.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+?) \|$", told, re.M))
    shown = {(f"{name.removesuffix(' of')} of LAYER" if what.of_layer else name): what.about
             for name, what in QUANTITIES.items()}  # fmt: skip
    assert rows == shown


def test_the_labs_own_network_solves_no_task_of_training(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "runs")
    body = {"task": "train-it", "text": "conv 3x3 8, relu, gap, dense", "input": [8, 8, 1], "classes": 10}
    lesson, task = next((id, each.id) for id, lesson in lab.lessons.items()
                        for each, _ in lesson.tasks().values() if each.kind == "trained")  # fmt: skip
    answer = LabSite(lab).post(f"/api/lessons/{lesson}/check", {**body, "task": task, "model": "lab-digits"})
    assert answer["passed"] is False
    assert any("train" in each["sentence"]["en"] for each in answer["checks"] if not each["passed"])


def test_a_network_of_the_zoo_is_judged_as_in_write(tmp_path: Path) -> None:
    body = {"task": "larger-kernel", "text": "resnet20", "input": [32, 32, 3], "classes": 10, "model": None}
    lab = Lab(tmp_path / "runs")
    lesson = next(id for id, lesson in lab.lessons.items() if "larger-kernel" in lesson.tasks())
    answer = LabSite(lab).post(f"/api/lessons/{lesson}/check", body)
    assert answer["checks"]
    wrong = {**body, "text": "conv 3x3 8 valid, relu, conv 9x9 8 valid, gap, dense", "input": [8, 8, 1]}
    said = LabSite(lab).post(f"/api/lessons/{lesson}/check", wrong)["sentence"]["en"]
    assert "->" not in said
    assert "9" in said


def test_a_training_on_other_data_solves_no_task_of_the_digits(tmp_path: Path) -> None:
    """It has all that is asked, and was trained on two classes of a folder."""
    (tmp_path / "recipe.toml").write_text('format = 1\ndata = "pictures"\n', encoding="utf-8")
    said = lessons.check(LESSONS["kernel"], "train-it", "dense 10", INPUT, CLASSES, Run(tmp_path))
    assert not said["passed"]
    assert said["sentence"]["en"].startswith(
        "This task is of digits; the network at the top of the page was trained on"
    )
    assert "digits 训练一个" in said["sentence"]["zh"]


def test_pictures_for_which_the_start_can_not_be_built(tmp_path: Path) -> None:
    lesson = own(tmp_path, GOOD.replace("conv 3x3 8, relu, dense", "conv 7x7 8 valid, relu, dense"))
    said = lessons.check(lesson, "t", "dense 10", (5, 5, 1), CLASSES)
    assert not said["passed"]
    assert said["sentence"]["en"].startswith(
        "The network that this task begins with can't be built for these pictures:"
    )
