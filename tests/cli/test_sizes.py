"""Sizes as the command line takes them."""

from __future__ import annotations

import pytest

from convscope.cli.sizes import read_input


@pytest.mark.parametrize(
    ("word", "size"),
    [("64", (64, 64, None)), ("28x30", (28, 30, None)), ("28×28x3", (28, 28, 3)), (" ６４ ", (64, 64, None))],
)
def test_a_size(word: str, size: tuple[int, int, int | None]) -> None:
    assert read_input(word) == size
