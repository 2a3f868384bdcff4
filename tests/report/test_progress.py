"""The bar of what takes a while: quiet at first, one line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io

import pytest

from convscope.report.progress import Progress


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERM", raising=False)


def told(stream: io.StringIO, seconds_each: float, total: int, what: str = "reading") -> str:
    clock = Clock()
    with Progress(stream, clock=clock) as progress:
        for done in range(1, 6):
            progress(what, done, total)
            clock.now += seconds_each
    return stream.getvalue()


def test_what_is_quick_says_nothing() -> None:
    assert told(Screen(), 0.05, 5) == ""
    assert told(io.StringIO(), 1.0, 5) == ""


def test_a_terminal_has_one_line_that_is_wiped() -> None:
    said = told(Screen(), 1.0, 5)
    lines = said.split("\r")
    assert lines[1] == "reading [#########...............] 2 of 5, 1.5 s left"
    assert lines[4].startswith("reading [########################] 5 of 5, 0 s left")
    assert lines[-2].strip() == ""
    assert "\n" not in said


def test_a_file_has_plain_lines() -> None:
    assert told(io.StringIO(), 6.0, 5) == "reading: 3 of 5, 8.0 s left\nreading: 5 of 5, 0 s left\n"


def test_a_terminal_that_can_not_go_back_has_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert told(Screen(), 6.0, 5) == "reading: 3 of 5, 8.0 s left\nreading: 5 of 5, 0 s left\n"


def test_a_total_that_nobody_knows() -> None:
    assert told(io.StringIO(), 6.0, 0) == "reading: 3\nreading: 5\n"
    assert told(Screen(), 1.0, 0).split("\r")[1] == "reading: 2"


def test_no_line_is_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    for line in told(Screen(), 1.0, 5, "reading 猫" * 9).split("\r"):
        assert len(line) < 30


def test_it_can_be_silent() -> None:
    stream = Screen()
    with Progress(stream, show=False) as progress:
        progress("reading", 1, 2)
    assert stream.getvalue() == ""
