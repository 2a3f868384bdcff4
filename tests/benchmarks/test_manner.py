"""The photographs of benchmarks/manner.py: made by their seed, dark on light, with all of the figure on the page."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def manner(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("manner")


def test_a_photograph_is_made_by_its_seed(manner: Any) -> None:
    picture = np.zeros((28, 28), np.uint8)
    picture[4:24, 12:16] = 255
    pages = [manner.photograph(picture, seed, row) for seed, row in ((0, 3), (0, 3), (1, 3), (0, 4))]
    assert pages[0] == pages[1]
    assert len({page.size for page, _ in pages}) == 3
    for (page, quality), (seed, row) in zip(pages, ((0, 3), (0, 3), (1, 3), (0, 4)), strict=True):
        empty, _ = manner.photograph(np.zeros((28, 28), np.uint8), seed, row)
        darker = np.asarray(empty, np.int64) - np.asarray(page)
        assert (darker >= -1).all()  # the same light and the same grain
        share = (darker > 20).sum() / page.width / page.height
        assert 80 / 784 * 0.6 * 0.25**2 / 1.6 < share < 80 / 784 * 1.4 * 0.7**2  # no part of the stroke is cut off
        assert 60 <= quality <= 95
