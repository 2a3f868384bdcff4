"""What a value must be: one rule a sort of value, which reads it, refuses it with a sentence, and prints it.

A rule sees what stood in the text (`Raw`) and gives what the tree holds. Knows no layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from convscope.errors import nearest
from convscope.notation.syntax import Parameter, Start, Value
from convscope.notation.tree import Size

Raw = int | float | str | tuple[int, ...] | Start
"""What stands in the text: `3`, `0.5`, a word, `3x3` (any number of parts), `normal(0.05)`."""


class RefusedValue(Exception):  # a rule's refusal; what reads the text makes the error of it
    """The value breaks its rule. `what` is the end of a sentence that starts with the value's name."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class Rule(Protocol):
    """What one value must be."""

    @property
    def example(self) -> str: ...

    def read(self, raw: Raw) -> Value: ...


def show_raw(raw: Raw) -> str:
    """A value as its author would write it."""
    if isinstance(raw, tuple):
        return "x".join(str(part) for part in raw)
    if isinstance(raw, Start):
        return show(raw)
    return raw if isinstance(raw, str) else show(raw)


def show(value: Value) -> str:
    """A value of the tree as canonical text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        text = repr(value)
        return text[:-2] if text.endswith(".0") else text
    if isinstance(value, tuple):
        return f"{value[0]}" if value[0] == value[1] else f"{value[0]}x{value[1]}"
    if isinstance(value, Parameter):
        return value.name
    if isinstance(value, Start):
        if value.kind == "constant":
            return show(value.value)
        return value.kind if value.value is None else f"{value.kind}({show(value.value)})"
    return str(value)


def whole(raw: Raw, low: int, *, got: str = "") -> int:
    """A whole number of at least `low`."""
    if isinstance(raw, tuple):
        raise RefusedValue(f"must be one number. Got the size {show_raw(raw)}", f"write {raw[0]}")
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise RefusedValue(f"must be a whole number. Got {show_raw(raw)}{got}")
    if raw < low:
        raise RefusedValue(f"must be at least {low}. Got {show_raw(raw)}{got}")
    return raw


@dataclass(frozen=True, slots=True)
class Extent:
    """A size, height x width; one number stands for both."""

    low: int = 1
    example: str = "3x3"

    def read(self, raw: Raw) -> Size:
        if isinstance(raw, tuple):
            if len(raw) != 2:
                raise RefusedValue(f"must be height x width, two numbers. Got {show_raw(raw)}")
            return (
                whole(raw[0], self.low, got=f" in {show_raw(raw)}"),
                whole(raw[1], self.low, got=f" in {show_raw(raw)}"),
            )
        number = whole(raw, self.low)
        return (number, number)


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number from `low`, or one of `words` that stand for a number."""

    low: int = 1
    words: tuple[str, ...] = ("in", "classes")
    odd: bool = False
    example: str = "32"

    def read(self, raw: Raw) -> int | str:
        if isinstance(raw, str) and raw in self.words:
            return raw
        number = whole(raw, self.low)
        if self.odd and number % 2 == 0:
            raise RefusedValue(f"must be odd. Got {number}", f"write {number - 1} or {number + 1}")
        return number


@dataclass(frozen=True, slots=True)
class Real:
    """A number within bounds; `below` is outside them."""

    low: float = -math.inf
    high: float = math.inf
    below: float = math.inf
    above: float = -math.inf
    bounds: str = ""
    example: str = "0.5"

    def read(self, raw: Raw) -> float:
        if isinstance(raw, tuple):
            raise RefusedValue(f"must be one number. Got the size {show_raw(raw)}")
        if isinstance(raw, (str, Start)):
            raise RefusedValue(f"must be a number. Got {show_raw(raw)}")
        number = float(raw) + 0.0  # -0 is 0
        if not (self.low <= number <= self.high and self.above < number < self.below and math.isfinite(number)):
            raise RefusedValue(f"must be {self.bounds or 'a finite number'}. Got {show_raw(raw)}")
        return number


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words, each standing for a value; or, with `number`, a number."""

    words: Mapping[str, Value]
    number: Real | None = None
    meant: Mapping[str, str] = field(default_factory=dict)

    @property
    def example(self) -> str:
        return " or ".join(self.words)

    def read(self, raw: Raw) -> Value:
        if isinstance(raw, str):
            if raw in self.words:
                return self.words[raw]
            close = self.meant.get(raw.lower()) or nearest(raw, self.words)
            raise RefusedValue(f"takes {self._all()}. Got '{raw}'", f"did you mean '{close}'?" if close else "")
        if self.number is None or not isinstance(raw, (int, float)):
            close = self.meant.get(show_raw(raw))
            raise RefusedValue(f"takes {self._all()}. Got {show_raw(raw)}", f"did you mean '{close}'?" if close else "")
        return self.number.read(raw)

    def _all(self) -> str:
        words = [*self.words, *(["a number"] if self.number else [])]
        return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


YES_NO = {"false": "no", "none": "no", "off": "no", "0": "no", "true": "yes", "on": "yes", "1": "yes"}

_DEVIATION = Real(low=0.0, bounds="a number from 0")
_STARTS = {"kaiming": False, "glorot": False, "normal": True, "truncnormal": True, "uniform": True, "dirac": False,
           "whiten": False}  # fmt: skip
_STARTS_MEANT = {"he": "kaiming", "msra": "kaiming", "xavier": "glorot", "gaussian": "normal(0.05)", "zeros": "0",
                 "zero": "0", "ones": "1", "identity": "dirac", "trunc_normal": "truncnormal(0.1)", "constant": "0.1",
                 "truncated_normal": "truncnormal(0.1)"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Initial:
    """How a tensor starts: a word of `_STARTS`, some with a number in parentheses, or a number, a constant."""

    example: str = "kaiming"

    def read(self, raw: Raw) -> Start:
        if isinstance(raw, tuple):
            raise RefusedValue(f"takes a word or one number. Got the size {show_raw(raw)}")
        if isinstance(raw, (int, float)):
            return Start("constant", Real().read(raw))
        kind = raw if isinstance(raw, str) else raw.kind
        value = None if isinstance(raw, str) else raw.value
        if kind == "constant" and value is not None:
            return Start("constant", value)
        if kind not in _STARTS:
            close = _STARTS_MEANT.get(kind.lower()) or nearest(kind, _STARTS)
            raise RefusedValue(
                f"takes {', '.join(_STARTS)} or a number. Got '{kind}'", f"did you mean '{close}'?" if close else ""
            )
        if _STARTS[kind] and value is None:
            raise RefusedValue(f"needs its number in parentheses. Got '{kind}' alone", f"write {kind}(0.05)")
        if not _STARTS[kind] and value is not None:
            raise RefusedValue(f"takes '{kind}' without a number. Got {show_raw(raw)}", f"write {kind}")
        if isinstance(value, (int, float)):
            value = _DEVIATION.read(value)
        return Start(kind, value)
