"""What a person at a terminal, and what a pipe, is told of a training."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator

import pytest

from convscope.report.terminal import Terminal
from convscope.run import Diagnosis, Epoch, Finished, Forecast, Note, Record, Saved, Started, Step, Stopped
from convscope.run import Tested as Scored  # pytest would take a class named Test* for tests

STARTED = Started("runs/猫", "mnist", tuple("0123456789"), 51_000, 9000, 10_000, 1_663_370, (28, 28, 1), "cpu", 2, {})
FORECAST = Forecast(11.3, 34.0, 3, 1170, 220 * 2**20)
TESTED = Scored(268, 270, 0.97336, 0.99796, 0.0212, "test", 1)


def epoch(number: int, *, best: bool = True, validated: bool = True, each: float = 11.0) -> Epoch:
    """An epoch that took `each` seconds, of three."""
    k, n = (8800 + min(40 * number, 120), 9000) if validated else (None, None)
    loss = 0.2 / number if validated else None
    elapsed = each * number
    return Epoch(number, 390 * number, 0.5 / number, 47_000, 51_000, loss, k, n, 0.01, elapsed, 34 - elapsed, best)


def training(validated: bool = True) -> Iterator[Record]:
    yield STARTED
    yield Note("10 classes were filled in\nfrom the data")
    yield FORECAST
    for number in (1, 2, 3):
        for i in range(39):
            step = 390 * (number - 1) + 10 * i + 10
            yield Step(step, number, 0.5, 0.01, 13_567.2, step * 0.03, 34 - step * 0.03)
        yield Saved(390 * number, "runs/m/checkpoint/step-00000390")
        yield epoch(number, best=number != 3, validated=validated)
    yield Stopped("epochs", 1170, 3)
    yield TESTED
    yield Finished("runs/猫", 34.2)


def told(records: Iterable[Record], live: bool = False, columns: int = 100) -> str:
    """All that is printed of these records; the clock runs a second a call."""
    out = io.StringIO()
    times = iter(range(100_000))
    os.environ["COLUMNS"] = str(columns)
    with Terminal(out, live, clock=lambda: float(next(times))) as terminal:
        for record in records:
            terminal.show(record)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")  # `told` sets it; this puts it back


def test_a_pipe() -> None:
    text = told(training())
    assert text == (
        "data     mnist: 51 000 training, 9000 validation, 10 000 test pictures; 10 classes\n"
        "network  1 663 370 parameters, input 28 x 28 x 1\n"
        "on       cpu, 2 threads\n"
        "run      runs/猫\n"
        "note: 10 classes were filled in\n"
        "note: from the data\n"
        "about 34 s: 3 epochs of 390 steps; 220 MiB for weights and a batch\n"
        "validation accuracy: % (k of n; 95 % interval); * best validation loss so far; "
        "epochs between the rows are in log.jsonl\n"
        "  epoch      loss  val. loss  validation accuracy                        elapsed < left\n"
        "    1/3    0.5000     0.2000  98.22 % (8840 of 9000; 97.93 to 98.48 %)   11 s < 23 s *\n"
        "    2/3    0.2500     0.1000  98.67 % (8880 of 9000; 98.41 to 98.88 %)   22 s < 12 s *\n"
        "    3/3    0.1667     0.0667  99.11 % (8920 of 9000; 98.90 to 99.29 %)   33 s < 1.0 s\n"
        "trained: 3 epochs, 1170 steps; best validation loss: epoch 2\n"
        "test accuracy 99.26 % (268 of 270; 95 % interval 97.3 to 99.8 %), loss 0.0212\n"
        "34 s in all; the run is in runs/猫\n"
    )
    assert re.findall(r"(\d+) of (\d+)", text)[-1] == ("268", "270")


def test_a_terminal_has_one_live_line_above_which_rows_stand() -> None:
    text = told(training(), live=True)
    assert "\x1b" not in text
    screen = drawn(text)
    assert [line for line in screen if re.match(r" +\d/3 ", line)] == [
        "    1/3    0.5000     0.2000  98.22 % (8840 of 9000; 97.93 to 98.48 %)   11 s < 23 s *",
        "    2/3    0.2500     0.1000  98.67 % (8880 of 9000; 98.41 to 98.88 %)   22 s < 12 s *",
        "    3/3    0.1667     0.0667  99.11 % (8920 of 9000; 98.90 to 99.29 %)   33 s < 1.0 s",
    ]
    assert not any("img/s" in line for line in screen)
    assert "\repoch 1/3  step 10  loss 0.5000  rate 0.01  13567 img/s  0.3 s < 34 s" in text


def drawn(text: str) -> list[str]:
    """What stays on the screen: after a carriage return, signs replace those that stood there."""
    lines = []
    for line in text.split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 140])
def test_the_live_line_fits_and_never_cuts_a_score(columns: int) -> None:
    records: list[Record] = [STARTED, FORECAST, epoch(1), Step(500, 2, 0.4, 0.01, 13_567.2, 12, 22)]
    line = told(records, live=True, columns=columns).split("\n")[-1].split("\r")[1]
    assert len(line) < columns
    assert "epoch 2/3" in line
    assert "12 s < 22 s" in line
    assert ("98.22 %" in line) == ("98.22 % (8840 of 9000; 97.93 to 98.48 %)" in line)


def test_the_live_line_is_not_drawn_too_often() -> None:
    out = io.StringIO()
    terminal = Terminal(out, live=True, clock=lambda: 1.0)
    for step in range(100):
        terminal.show(Step(step, 1, 0.4, 0.01, 100.0, step * 1e-3, 1.0))
    assert out.getvalue().count("\repoch") == 1


def test_a_pipe_is_told_of_fast_epochs_a_few_seconds_apart_and_of_the_last() -> None:
    records: list[Record] = [STARTED, Forecast(0.3, 30, 100, 1000, 0)]
    records += [epoch(number, each=0.3) for number in range(1, 101)]
    text = told([*records, Stopped("epochs", 1000, 100)])
    numbers = [int(n) for n in re.findall(r"^ *(\d+)/100 ", text, re.M)]
    assert numbers[0] == 1
    assert numbers[-1] == 100
    assert len(numbers) <= 12


def test_a_pipe_is_told_within_a_long_epoch() -> None:
    steps: list[Record] = [Step(i, 1, 0.5, 0.01, 10.0, float(i), 1000.0 - i) for i in range(100)]
    lines = told([STARTED, *steps]).splitlines()[4:]
    assert len(lines) == 3
    assert lines[0] == "epoch 1  step 30  loss 0.5000  rate 0.01  10 img/s  30 s < 16 min 10 s"


def test_without_validation_the_training_accuracy_is_named_as_such() -> None:
    text = told(training(validated=False))
    assert "training accuracy: % (k of n; 95 % interval), while learning from them: no score" in text
    assert "no score" not in told(training())
    assert "92.16 % (47000 of 51000; 91.92 to 92.39 %)" in text
    assert "val. loss" not in text


def test_what_is_monitored_is_named() -> None:
    started = Started("r", "d", ("a", "b"), 1, 1, 1, 1, (1, 1, 1), "cpu", 1, {"monitor": "validation accuracy"})
    assert "* best validation accuracy so far" in told([started, epoch(1)])


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("epochs", "trained: 2 epochs, 40 steps\n"),
        ("budget", "the time budget is used up: 2 epochs, 40 steps\n"),
        ("interrupted", "interrupted: 2 epochs, 40 steps; go on with: convscope train --resume runs/猫\n"),
        ("early stopping: no better validation loss for 3 epochs", "stopped, early stopping: no better"),
    ],
)
def test_why_it_ended(reason: str, sentence: str) -> None:
    assert sentence in told([STARTED, Stopped(reason, 40, 2)])


def test_an_end_within_the_first_epoch() -> None:
    assert "trained: 40 steps\n" in told([STARTED, Stopped("epochs", 40, 0)])


def test_a_second_look_is_said() -> None:
    assert "look" not in told([TESTED])
    assert "look 2 at the test split of this run" in told([Scored(268, 270, 0.97, 0.99, 0.02, "test", 2)])


def test_forecasts() -> None:
    assert "about 0.4 s: 5 steps\n" in told([Forecast(10, 0.4, 0.2, 5, 0)])
    assert "about 34 s: 1 epoch of 390 steps\n" in told([Forecast(34, 34, 1, 390, 0)])
    assert "about 2 min 00 s: about 4 epochs of 390 steps\n" in told([Forecast(34, 120, 3.7, 1443, 0)])


def test_an_exception_leaves_a_clean_line_and_the_last_row() -> None:
    out = io.StringIO()

    def interrupted() -> None:
        with Terminal(out, live=True, clock=lambda: 1.0) as terminal:
            terminal.show(Step(1, 1, 0.4, 0.01, 100.0, 1.0, 1.0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert drawn(out.getvalue()) == [""]


def test_every_accuracy_has_its_count_and_interval() -> None:
    for live in (False, True):
        for validated in (False, True):
            text = told(training(validated), live=live)
            for match in re.finditer(r"\d\.\d+ %(.{0,12})", text.replace("95 %", "")):
                before = text[: match.start()]
                assert re.match(r" \(\d+ of", match[1]) or re.search(r"\d+ of \d+; (95 % interval )?[^)]*$", before)


SCRIPT = """
import sys
from convscope.report.listings import predictions
from convscope.report.terminal import Terminal
from convscope.report.text import json_line, say
from convscope.run import Note, Started, Step
terminal = Terminal(sys.stdout, live=LIVE)
terminal.show(Started("runs/猫 ×", "数据 ± –", ("猫", "a"), 9, 9, 9, 9, (1, 1, 1), "cpu", 1, {}))
terminal.show(Note("\\U0001f600 ß ± × – \\x1b[2J \\udcff"))
terminal.show(Step(1, 1, 0.5, 0.1, 1.0, 1.0, 1.0))
terminal.close()
say(sys.stdout, predictions([("猫/1.png", "猫", 0.9, [("ß", 0.1)])], sys.stdout))
print(json_line({"猫": "ß"}, sys.stdout))
"""


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("encoding", ["gbk", "ascii", "utf-8", "cp437"])
def test_no_encoding_crashes_it(encoding: str, live: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("LIVE", str(live))],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    text = done.stdout.decode(encoding).splitlines()[0] + done.stdout.decode(encoding).splitlines()[3]
    assert ("猫" in text) == (encoding in ("gbk", "utf-8"))
    assert ("\\u732b" in text) == (encoding in ("ascii", "cp437"))
    assert b"\x1b" not in done.stdout


def test_what_decides_nothing_is_not_marked() -> None:
    """With an empty monitor no epoch is the best: the last weights are the result."""
    started = Started("r", "d", ("a", "b"), 1, 1, 1, 1, (1, 1, 1), "cpu", 1, {"monitor": ""})
    said = told([started, epoch(1), Stopped("epochs", 390, 1)])
    assert "best" not in said
    assert "*" not in said


def test_a_first_batch_is_told_of_where_there_is_something_to_tell() -> None:
    sound = Diagnosis(8, 10, 2.4, 2.3, 0.0, 0.0, 0, 1.0, ("conv1",), (1.0,), (0.1,), (0.0,), (), ())
    assert told([sound]) == ""
    ill = Diagnosis(8, 10, 2.4, 2.3, 0.0, 0.0, 8, 1.0, ("conv1",), (1.0,), (0.1,), (0.0,), ("dead-units",), ("90 %",))
    assert told([ill]) == "note: first batch: 90 %\n"
