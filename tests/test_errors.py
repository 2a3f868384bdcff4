"""The nearest word, and the sentence for one that doesn't exist."""

from __future__ import annotations

import pytest

from convscope.errors import nearest, unknown

KNOWN = ("digits", "mnist", "tutorial-a-drawn", "tutorial-a-written", "tutorial-b-mnist", "tutorial-d")


@pytest.mark.parametrize(
    ("word", "close"),
    [
        ("tutorial-a", "tutorial-a-drawn"),  # the beginning of two: the shorter
        ("Tutorial-B", "tutorial-b-mnist"),
        ("tutorial", "tutorial-d"),
        ("di", "digits"),
        ("mnits", "mnist"),
        ("mnist-b", "mnist"),
        ("d", None),  # one letter begins too much
        ("", None),
        ("qqqq", None),
    ],
)
def test_nearest(word: str, close: str | None) -> None:
    assert nearest(word, KNOWN) == close


def test_the_sentence() -> None:
    said = unknown("recipe", "tutorial-a-d", KNOWN)
    assert said.startswith(
        "unknown recipe 'tutorial-a-d', did you mean 'tutorial-a-drawn'? These exist: digits, mnist,"
    )
    assert unknown("part", "x", ("b", "a")) == "unknown part 'x'. These exist: a, b."
