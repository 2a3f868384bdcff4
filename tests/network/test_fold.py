"""Turns that are alike become one with a count."""

from __future__ import annotations

import pytest

from convscope.network.fold import fold


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("", []),
        ("a", [("a", 1)]),
        ("aaa", [("a", 3)]),
        ("abab", [("ab", 2)]),
        ("xababab", [("x", 1), ("ab", 3)]),
        ("aabaab", [("aab", 2)]),
        ("abcd", [("a", 1), ("b", 1), ("c", 1), ("d", 1)]),
    ],
)
def test_runs(items: str, expected: list[tuple[str, int]]) -> None:
    found = fold(items, str)
    assert [("".join(run.turns[0]), run.count) for run in found] == expected
    assert "".join(sign for run in found for turn in run.turns for sign in turn) == items


def test_a_turn_is_no_longer_than_asked() -> None:
    assert [run.count for run in fold("abcabc", str, longest=2)] == [1] * 6


def test_likeness_is_the_keys() -> None:
    assert fold("aAa", str.lower)[0].turns == (("a",), ("A",), ("a",))
