"""How far a proportion that was counted may lie from the true one.

Knows counts and nothing of pictures or networks. `wilson` is the interval beside every accuracy that convscope prints.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from convscope.errors import ConvscopeError


def wilson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval (low, high), as fractions, for the chance of a success when k of n trials succeeded.

    Wilson's score interval without continuity correction (E. B. Wilson, "Probable Inference, the Law of Succession, and
    Statistical Inference", JASA 22, 1927): the chances p for which k lies within z standard deviations of n p. Unlike
    k/n +- z sqrt(p(1-p)/n) it never leaves [0, 1] and does not shrink to nothing at k = n. Its coverage, averaged over
    p, is the confidence to within a point from n = 100 on. Of no trials nothing is known: the answer is (0, 1).
    """
    if isinstance(k, bool) or isinstance(n, bool) or int(k) != k or int(n) != n or not 0 <= k <= n:
        raise ConvscopeError(f"an interval needs whole numbers 0 <= k <= n. Got k={k!r}, n={n!r}.")
    if not 0 < confidence < 1:
        raise ConvscopeError(f"the confidence must lie between 0 and 1. Got {confidence!r}; 0.95 is usual.")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if k == 0 else max(0.0, middle - half)  # exactly 0 and 1 at the ends, which rounding would miss
    high = 1.0 if k == n else min(1.0, middle + half)
    return low, high


def paired(lost: int, won: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval (low, high) for a change of accuracy on the same n pictures, as a fraction.

    lost: pictures right before and wrong after; won: wrong before and right after; the change is (won - lost) / n. The
    interval of Agresti and Min ("Simple improved confidence intervals for comparing matched proportions", Statistics in
    Medicine 24, 2005): Wald's, with half a picture added to each of the four counts. Pictures that are right both
    times, or wrong both times, say nothing of the change, so it is narrower than the two scores' own intervals
    suggest. Of no pictures nothing is known: (-1, 1).
    """
    whole = all(not isinstance(k, bool) and int(k) == k and k >= 0 for k in (lost, won, n))
    if not whole or lost + won > n:
        raise ConvscopeError(
            f"a paired interval needs whole numbers, lost + won <= n. Got lost={lost!r}, won={won!r}, n={n!r}."
        )
    if not 0 < confidence < 1:
        raise ConvscopeError(f"the confidence must lie between 0 and 1. Got {confidence!r}; 0.95 is usual.")
    if n == 0:
        return -1.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    b, c, m = lost + 0.5, won + 0.5, n + 2
    middle = (c - b) / m
    half = z * math.sqrt((b + c) / m - middle**2) / math.sqrt(m)
    return max(-1.0, middle - half), min(1.0, middle + half)
