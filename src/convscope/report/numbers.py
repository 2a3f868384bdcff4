"""How a number is written for people: percentages with the digits that their count supports, times, sizes.

The one rule for an accuracy is `score_line`: it never appears without its count and its interval.
"""

from __future__ import annotations

import math

from convscope.evaluate.intervals import wilson


def percent(k: int, n: int) -> str:
    """k of n as "99.26 %": one decimal below 100 pictures, two from 100, three from 100 000.

    More are added rather than write 100 for what is not all, or 0 for what is not nothing. Of no pictures: "no %".
    """
    if n == 0:
        return "no %"
    digits = 1 if n < 100 else 2 if n < 100_000 else 3
    while 0 < k < n and float(f"{100 * k / n:.{digits}f}") in (0, 100):
        digits += 1
    return f"{100 * k / n:.{digits}f} %"


def interval(low: float, high: float) -> str:
    """Two fractions as "97.3 to 99.8 %": the decimals give the width two digits; 0 and 100 stand for exactly these."""
    width = 100 * (high - low)
    digits = 0 if width >= 10 else 1 if width >= 1 else 2 if width >= 0.1 else 3
    while digits < 9 and any(0 < x < 1 and float(f"{100 * x:.{digits}f}") in (0, 100) for x in (low, high)):
        digits += 1
    return " to ".join("0" if x == 0 else "100" if x == 1 else f"{100 * x:.{digits}f}" for x in (low, high)) + " %"


def score_line(k: int, n: int, low: float | None = None, high: float | None = None) -> str:
    """The way an accuracy is printed: "99.26 % (268 of 270; 95 % interval 97.3 to 99.8 %)".

    Without `low` and `high` it is the 95 % Wilson interval of k of n.
    """
    if low is None or high is None:
        low, high = wilson(k, n)
    return f"{percent(k, n)} ({k} of {n}; 95 % interval {interval(low, high)})"


def again(look: int, split: str) -> str:
    """What belongs to every score but that of a first look."""
    return f"look {look} at the {split} split of this run: a choice made by these looks makes the number too good"


def short_score(k: int, n: int) -> str:
    """The same where the heading says what the interval is: "99.26 % (268 of 270; 97.3 to 99.8 %)"."""
    return f"{percent(k, n)} ({k} of {n}; {interval(*wilson(k, n))})"


def probability(p: float) -> str:
    """A probability as "98.31 %"; what would round to all or nothing as ">99.99 %" and "<0.01 %"."""
    if 0.99995 <= p < 1:
        return ">99.99 %"
    if 0 < p < 0.00005:
        return "<0.01 %"
    return f"{100 * p:.2f} %"


def seconds(time: float) -> str:
    """A time as "0.4 s", "34 s", "2 min 05 s", "3 h 20 min", "2 d 04 h"."""
    if not math.isfinite(time):
        return "?"
    time = max(0.0, time)
    if time < 0.05:
        return "0 s"
    if time < 9.95:
        return f"{time:.1f} s"
    whole = round(time)
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def grouped(number: int) -> str:
    """A count as "1 663 370"; four digits stay together. A count that belongs to a score is never grouped."""
    return f"{number:,}".replace(",", " ") if abs(number) >= 10_000 else str(number)


def mebibytes(size: float) -> str:
    """Bytes as "210 MiB", "0.4 MiB", "3.2 GiB"."""
    mib = size / 2**20
    if mib >= 1000:
        return f"{mib / 1024:.1f} GiB"
    return f"{mib:.1f} MiB" if mib < 10 else f"{mib:.0f} MiB"


def plural(number: int, one: str, many: str = "") -> str:
    """ "1 epoch", "3 epochs", "51 000 pictures"; `many` where an s is not enough."""
    return f"{grouped(number)} {one if number == 1 else many or one + 's'}"


def short_seconds(time: float) -> str:
    """A short time, to three digits: "42.4 ms", "1.2 s"."""
    return f"{1000 * time:.3g} ms" if time < 1 else f"{time:.3g} s"
