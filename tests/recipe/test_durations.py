"""Lengths of time, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.errors import ConvscopeError
from convscope.recipe import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("2m", 120), ("1h30m", 5400), ("0.5h", 1800), ("1h2m3s", 3723), (" 2 M ", 120), ("45", 45), (7, 7)],
)
def test_parse(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "2 minutes", "m", "-1s", "0s", "0", "inf", "nan", "1s1h", "1m1m"])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(ConvscopeError, match=r"must be written like '90s', '2m' or '1h30m', above 0. Got '"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "1m30s"), (120, "2m"), (5400, "1h30m"), (3600, "1h"), (10, "10s"), (0.5, "0.5s")]
)
def test_format(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(1e-6, 1e7))
@settings(deadline=None, derandomize=True)
def test_there_and_back(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
