"""The report: whole in itself, harmless whatever things are called, and no accuracy without its count and interval."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from convscope.evaluate import metrics
from convscope.evaluate.predictions import Predictions
from convscope.report.frame import POLICY
from convscope.report.html import write
from convscope.report.numbers import score_line
from convscope.run import Diagnosis, Epoch, Note, Run, Started, Step, Stopped
from convscope.run import Tested as Scored  # pytest would take a class named Test* for tests

HOSTILE = ('<img src="https://evil.example/x" onerror=alert(1)>', "\"quoted\" & 'single'", "猫", "</style><script>")


def a_run(folder: Path, classes: tuple[str, ...], epochs: int = 3, tested: bool = True, validated: bool = True) -> Run:
    """A run folder as training leaves it."""
    run = Run.create(folder)
    run.write_recipe('format = 1\ndata = "<b>data</b>"\nnetwork = "conv 3x3 8, dense"\n')
    run.write_environment()
    run.log(Started(str(folder), "<b>data</b>", classes, 900, 200, 100, 98_026, (8, 8, 1), "cpu", 2, {}))
    run.log(Note("<script>a note</script>"))
    for step in range(10 * epochs):
        run.log(Step(step + 1, step // 10 + 1, 2.0 / (step + 1), 0.1, 100.0, step / 10, 1.0))
        if step % 10 == 9:
            epoch = step // 10 + 1
            k, n, loss = (150 + 10 * epoch, 200, 0.5 / epoch) if validated else (None, None, None)
            run.log(Epoch(epoch, step + 1, 0.4 / epoch, 700 + 50 * epoch, 900, loss, k, n, 0.1, step / 10, 0.0, True))
    run.log(Stopped("early stopping: <i>", 10 * epochs, epochs))
    if tested:
        run.look("test", "train")
        run.log(Scored(97, 100, 0.9155, 0.9897, 0.11, "test", 2))
    return run


def some(classes: tuple[str, ...], n: int = 100) -> Predictions:
    random = np.random.default_rng(len(classes))
    logits = random.normal(size=(n, len(classes)))
    labels = random.integers(0, len(classes), n)
    logits[np.arange(n), labels] += 2
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = tuple(f"{classes[label]}/{i} \udcff\u202e.png" for i, label in enumerate(labels))
    return Predictions(np.arange(n) + 50, names, labels, probabilities.astype(np.float32), classes)


def report(folder: Path, classes: tuple[str, ...] = HOSTILE) -> str:
    """The text of a full report."""
    p = some(classes)
    random = np.random.default_rng(0)
    pictures = {m.id: random.integers(0, 256, (3, 9, 11), dtype=np.uint8) for m in metrics.mistakes(p, 10)}
    batch = random.normal(size=(6, 1, 8, 8)).astype(np.float32)
    write(
        folder / "report.html",
        title="<b>title</b>",
        run=a_run(folder / "run", classes),
        predictions=p,
        pictures=pictures,
        batch=batch,
        batch_labels=[classes[i % len(classes)] for i in range(6)],
        parameters="conv1 <conv 3x3>",
    )
    return (folder / "report.html").read_text(encoding="utf-8")


class Reader(HTMLParser):
    """The elements and attributes of a page, and whether each end closes what was last opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return report(tmp_path_factory.mktemp("report"))


def test_hostile_names_are_only_text(page: str) -> None:
    for name in (*HOSTILE, "<b>title</b>", "<b>data</b>", "<script>a note</script>", "<i>", "conv1 <conv 3x3>"):
        assert html.escape(name) in page
        assert name == html.escape(name) or name not in page.replace("</style></head>", "")
    found = read(page).found
    assert {tag for tag, _ in found}.isdisjoint({"script", "b>", "i>", "link", "iframe", "object", "base", "form", "a"})
    assert all(not name.startswith("on") for _, attributes in found for name in attributes)
    assert "\u202e" not in page


def test_no_request_to_any_host(page: str) -> None:
    for tag, attributes in read(page).found:
        for name in ("src", "href", "xlink:href", "srcset", "action", "background", "poster", "data"):
            if name in attributes:
                assert (tag, name) == ("img", "src")
                assert (attributes[name] or "").startswith("data:image/png;base64,")
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert html.escape(POLICY) in page
    assert POLICY.startswith("default-src 'none'")


def test_the_sections_are_there_in_order(page: str) -> None:
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads == [
        "Training", "Confusion matrix", "Classes", "Mistakes", "A training batch", "Network", "Recipe", "Environment",
    ]  # fmt: skip
    text = " ".join(read(page).text)
    for said in ("97 of 100", "95 % interval 91.5 to 99.0 %", "Look 2 at these pictures", "early stopping: <i>"):
        assert said in text
    assert "97.00 %" in text
    assert "torch 2" in text
    for label in ("conv 3x3 8, dense", "98 026 parameters", 'network = "conv 3x3 8, dense"'):
        assert label in text


def test_every_accuracy_has_its_count_and_interval(page: str) -> None:
    """Each percentage is an interval's, a probability, a scale's, or stands beside its `k of n` and its interval."""
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", page)
    for row in rows[:4]:
        assert re.search(r"\d %.*\d+ of \d+.*\d to [\d.]+ %", row)
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    page = re.sub(r"<tr>.*?</tr>|<svg.*?</svg>", "", page, flags=re.S)  # rows above; a drawing's points are titled
    page = re.sub(r'<div class="(scale|quiet)">.*?</div>', "", page)
    text = html.unescape(re.sub(r"<[^>]*>", " ", page)).replace("\u00a0", " ")
    checked = 0
    for match in re.finditer(r"(?<![\d.])(\d+\.\d+) %", text):
        around = text[max(0, match.start() - 70) : match.end() + 120]
        if text[: match.start()].endswith(" to ") or text[match.end() :].startswith(" to "):
            continue
        assert re.search(r"\d+ of \d+", around), around
        assert re.search(r"[\d.]+ to [\d.]+ %", around), around
        checked += 1
    assert checked >= 3


def test_points_of_the_curves_say_their_score(page: str) -> None:
    assert f"epoch 1: {score_line(160, 200)}" in page
    assert "epoch 3: 0.1667" in page


def test_mistakes_have_picture_truth_guess_probability_and_name(page: str) -> None:
    figures = re.findall(r"<figure><div class=\"frame.*?</figure>", page, re.S)
    wrong = [figure for figure in figures if "taken for" in figure]
    p = some(HOSTILE)
    assert len(wrong) == min(24, len(metrics.mistakes(p, 24)))
    for figure, m in zip(wrong, metrics.mistakes(p, 24), strict=True):
        assert html.escape(m.label) in figure
        assert html.escape(m.predicted) in figure
        assert f"{100 * m.probability:.2f} % sure" in figure
        assert "\\udcff\\u202e.png" in figure
    assert sum("data:image/png" in figure for figure in wrong) == min(10, len(wrong))


@pytest.mark.parametrize("count", [1, 2, 10, 21, 100])
def test_any_number_of_classes(tmp_path: Path, count: int) -> None:
    text = report(tmp_path, tuple(f"猫 {i}" for i in range(count)))
    read(text)
    assert ("<details>" in text) == (count > 20)
    assert ("Classes are numbered from 0 in their order" in text) == (count > 30)
    assert len(text) < 400_000


def test_a_run_that_has_little(tmp_path: Path) -> None:
    empty = Run.create(tmp_path / "empty")
    empty.write_recipe("format = 1\n")
    write(tmp_path / "a.html", title="t", run=empty)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "No epoch was completed." in text
    assert "This run has no score on test pictures yet." in text
    write(tmp_path / "b.html", title="t", run=a_run(tmp_path / "b", ("a", "b"), epochs=1, validated=False))
    read((tmp_path / "b.html").read_text(encoding="utf-8"))
    write(tmp_path / "c.html", title="t", run=a_run(tmp_path / "c", ("a", "b"), tested=False, validated=False))
    read((tmp_path / "c.html").read_text(encoding="utf-8"))


def test_only_steps(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.write_recipe("format = 1\n")
    for step in range(1, 900):
        run.log(Step(step, 1, float("nan") if step == 7 else 1 / step, 0.1, 1.0, 1.0, 1.0))
    write(tmp_path / "a.html", title="t", run=run)
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "polyline" in text
    assert "nan" not in text.split("</style>")[1]


def test_all_right_and_one_wrong(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ("a", "b"))
    right = Predictions(np.arange(2), ("x", "y"), np.array([0, 1]), np.eye(2, dtype=np.float32), ("a", "b"))
    write(tmp_path / "a.html", title="t", run=run, predictions=right)
    assert "None: all 2 test pictures are recognised." in (tmp_path / "a.html").read_text(encoding="utf-8")
    wrong = Predictions(np.arange(2), ("x", "y"), np.array([0, 0]), np.eye(2, dtype=np.float32), ("a", "b"))
    write(tmp_path / "b.html", title="t", run=run, predictions=wrong, split="validation")
    text = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert "The one validation picture that is not recognised." in text
    assert "no pictures" in text


def test_training_figures_are_told_from_scores(page: str) -> None:
    """They are of augmented pictures, in the midst of learning, and their loss has smoothing and penalties in it."""
    text = " ".join(read(page).text)
    assert "training, while learning" in text
    assert "with label smoothing, class weights and penalties" in text
    assert "The first 6 pictures of the first epoch, after augmentation" in text  # which may be several batches


def test_a_part_of_an_epoch_is_not_counted_as_one(tmp_path: Path) -> None:
    """The page and the terminal say the same: whole epochs, and steps."""
    run = Run.create(tmp_path / "run")
    run.write_recipe('format = 1\nnetwork = ""\n')
    run.log(Epoch(1, 20, 1.0, 5, 20, None, None, None, 0.1, 1.0, 0.5, False))
    run.log(Epoch(2, 30, 0.9, 5, 10, None, None, None, 0.1, 1.5, 0.0, False))
    run.log(Stopped("epochs", 30, 1))
    write(
        run.path / "report.html", title="t", run=run, predictions=None, pictures={}, batch=None, batch_labels=[],
        parameters="",
    )  # fmt: skip
    assert "1 epoch, 30 steps, 1.5 s" in " ".join(read((run.path / "report.html").read_text(encoding="utf-8")).text)


def test_the_first_batch(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", ("a", "b"))
    assert "Before the first step" not in plain_page(tmp_path, run)
    run.log(
        Diagnosis(
            8, 10, 94_273.9, 2.3026, 2.37, 0.0, 5, 0.31, ("conv1", "<b>relu1</b>"), (3.5, float("inf")), (0.2, None),
            (0.0, 0.5), ("dead-units",), ("<i>half</i> of the units are dead",),
        )
    )  # fmt: skip
    text = plain_page(tmp_path, run)
    assert "<h2>Before the first step</h2>" in text
    assert "loss 9.428e+04 = 9.427e+04 of the data (a network that knows nothing: 2.303) + 2.37 of l1= and l2=" in text
    assert "3 of 8 send a gradient or are right already" in text
    assert "&lt;i&gt;half&lt;/i&gt; of the units are dead" in text
    assert '<td class="num">50.00 %</td>' in text.replace("\u00a0", " ")


def plain_page(folder: Path, run: Run) -> str:
    """The report of a run without predictions."""
    write(folder / "report.html", title="a run", run=run)
    return (folder / "report.html").read_text(encoding="utf-8")
