"""Numbers as people read them: as many digits as the count supports, never a bare accuracy."""

from __future__ import annotations

import pytest

from convscope.evaluate.intervals import wilson
from convscope.report.numbers import (
    grouped,
    interval,
    mebibytes,
    percent,
    plural,
    probability,
    score_line,
    seconds,
    short_score,
)


def test_the_line_of_a_score() -> None:
    assert score_line(268, 270) == "99.26 % (268 of 270; 95 % interval 97.3 to 99.8 %)"
    assert score_line(268, 270, *wilson(268, 270)) == score_line(268, 270)
    assert score_line(9930, 10_000) == "99.30 % (9930 of 10000; 95 % interval 99.12 to 99.45 %)"
    assert score_line(20, 20) == "100.0 % (20 of 20; 95 % interval 84 to 100 %)"
    assert score_line(0, 0) == "no % (0 of 0; 95 % interval 0 to 100 %)"
    assert short_score(7, 8) == "87.5 % (7 of 8; 53 to 98 %)"


def test_all_and_nothing_are_said_of_nothing_else() -> None:
    for n in (3, 60, 99, 100, 999, 99_999, 100_000, 3_000_000):
        for k in (0, 1, n // 2, n - 1, n):
            said = float(percent(k, n).removesuffix(" %"))
            assert (said == 100) == (k == n)
            assert (said == 0) == (k == 0)
            assert said == pytest.approx(100 * k / n, abs=0.05)
            low, high = wilson(k, n)
            words = interval(low, high).removesuffix(" %").split(" to ")
            assert (words[0] == "0") == (low == 0)
            assert (words[1] == "100") == (high == 1)


def test_times() -> None:
    said = {0: "0 s", 0.04: "0 s", 0.43: "0.4 s", 9.94: "9.9 s", 9.96: "10 s", 99.4: "99 s", 99.6: "1 min 40 s"}
    said |= {125: "2 min 05 s", 3599.6: "1 h 00 min", 12_000: "3 h 20 min", 187_200: "2 d 04 h", -1: "0 s"}
    assert {time: seconds(time) for time in said} == said
    assert seconds(float("nan")) == seconds(float("inf")) == "?"


def test_counts_sizes_and_probabilities() -> None:
    assert [grouped(n) for n in (0, 9999, 10_000, 1_663_370)] == ["0", "9999", "10 000", "1 663 370"]
    assert [mebibytes(m * 2**20) for m in (0.44, 52, 999, 2048)] == ["0.4 MiB", "52 MiB", "999 MiB", "2.0 GiB"]
    assert plural(1, "class", "classes") == "1 class"
    assert plural(2, "class", "classes") == "2 classes"
    assert plural(0, "step") == "0 steps"
    said = {0.0: "0.00 %", 1e-6: "<0.01 %", 0.5: "50.00 %", 0.99994: "99.99 %", 0.999999: ">99.99 %", 1.0: "100.00 %"}
    assert {p: probability(p) for p in said} == said
