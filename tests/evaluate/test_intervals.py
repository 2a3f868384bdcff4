"""The interval equals scipy's, and covers what it claims to cover (targets T2)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from convscope.errors import ConvscopeError
from convscope.evaluate.intervals import wilson


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_equals_scipy(confidence: float) -> None:
    random = np.random.default_rng(0)
    cases = [(k, n) for n in (1, 2, 3, 10, 33) for k in range(n + 1)]
    for n in (100, 270, 9_999, 10_000, 60_000, 10**7):
        cases += [(int(k), n) for k in (0, 1, n // 2, n - 1, n, *random.integers(0, n + 1, 20))]
    worst = 0.0
    for k, n in cases:
        theirs = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
        low, high = wilson(k, n, confidence)
        worst = max(worst, abs(low - theirs.low), abs(high - theirs.high))
    assert worst <= 1e-12


def test_known_values() -> None:
    """The sizes that the reliability notes keep in mind, in percent."""
    for k, n, low, high in [(9400, 10_000, 93.52, 94.45), (990, 1000, 98.17, 99.46), (500, 500, 99.24, 100)]:
        assert [round(100 * x, 2) for x in wilson(k, n)] == [low, high]


def test_the_ends_are_exact() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0
    for n in range(1, 400):
        for k in (0, 1, n - 1, n):
            low, high = wilson(k, n)
            assert 0 <= low <= k / n <= high <= 1


@pytest.mark.parametrize("n", [100, 200, 270, 500, 1000, 2000, 5000, 10_000])
def test_coverage_enumerated_exactly(n: int) -> None:
    """The mean over p of the exact chance that the interval holds p lies in 94 to 96 %: sums of binomial masses."""
    p = np.linspace(0.5, 0.999, 1500)
    k = np.arange(n + 1)
    ends = np.array([wilson(int(i), n) for i in k])
    # The intervals move up with k, so those that hold p are the k from `first` to `last`.
    first, last = np.searchsorted(ends[:, 1], p, "left"), np.searchsorted(ends[:, 0], p, "right") - 1
    covered = stats.binom.cdf(last, n, p) - stats.binom.cdf(first - 1, n, p)
    assert 0.94 <= covered.mean() <= 0.96
    assert covered.min() > 0.80


@pytest.mark.parametrize(("n", "least"), [(100, 0.838), (1000, 0.916), (10_000, 0.936)])
def test_the_least_coverage_is_what_the_docs_say(n: int, least: float) -> None:
    """It jumps where p is an end of an interval, so an even grid misses the least: there it was 84.6 and 94.4 %."""
    ends = np.array([wilson(k, n) for k in range(n + 1)])
    jumps = ends[(ends > 0.5) & (ends < 0.999)]
    p = np.concatenate([jumps - 1e-10, jumps + 1e-10])
    first, last = np.searchsorted(ends[:, 1], p, "left"), np.searchsorted(ends[:, 0], p, "right") - 1
    covered = stats.binom.cdf(last, n, p) - stats.binom.cdf(first - 1, n, p)
    assert round(float(covered.min()), 3) == least


@pytest.mark.parametrize(("k", "n"), [(-1, 10), (11, 10), (1.5, 10), (1, -1), (True, 1)])
def test_refuses_what_is_no_count(k: int, n: int) -> None:
    with pytest.raises(ConvscopeError, match=r"an interval needs whole numbers 0 <= k <= n\. Got k="):
        wilson(k, n)


@pytest.mark.parametrize("confidence", [0, 1, 95, float("nan")])
def test_refuses_a_confidence_in_percent(confidence: float) -> None:
    with pytest.raises(ConvscopeError, match="the confidence must lie between 0 and 1"):
        wilson(1, 2, confidence)
