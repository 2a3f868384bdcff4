"""Lengths of time as people write them: "90s", "2m", "1h30m". Knows seconds; knows nothing of recipes."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from convscope.errors import ConvscopeError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def parse_duration(text: str | float) -> float:
    """Seconds: of `1h30m`, `2m`, `90s`, `0.5h`, or of a plain number, which is seconds already.

    Raises ConvscopeError where it is none of these, or not above 0.
    """
    if isinstance(text, str):
        word = text.strip().lower().replace(" ", "")
        try:
            seconds = float(word)
        except ValueError:
            found = _DURATION.fullmatch(word)
            seconds = math.nan
            if found and word:
                seconds = sum(float(n) * _UNITS[unit] for n, unit in zip(found.groups(), "hms", strict=True) if n)
    else:
        seconds = float(text)
    if not (math.isfinite(seconds) and seconds > 0):
        raise ConvscopeError(f"a length of time must be written like '90s', '2m' or '1h30m', above 0. Got {text!r}.")
    return seconds


def format_duration(seconds: float) -> str:
    """5400 is `1h30m`, 90.5 is `90.5s`: exact, so that `parse_duration` gives the same number back."""
    if not float(seconds).is_integer():
        return f"{Decimal(repr(seconds)):f}s"
    hours, rest = divmod(int(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if count)
