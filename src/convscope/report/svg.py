"""Drawings as SVG whose colours and type come from the page's style sheet, so that they follow light and dark.

Knows numbers and lengths. `chart` for curves over a training, `bar` for an interval.
A library of plots was measured against this: matplotlib's import takes 0.3 to 1.0 s, the smallest figure 21 kB, and its
colours are fixed; this takes a few milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from convscope.report.markup import Markup, tag

WIDTH, HEIGHT = 500, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 42


@dataclass(frozen=True)
class Curve:
    """A line of a chart: points (x, y), the style sheet's class for it, and where known a band (low, high)."""

    name: str
    look: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    points: bool = True
    said: Sequence[str] = ()  # what is shown where the pointer rests on a point


@dataclass(frozen=True)
class Axis:
    """How values become places: `place` must increase; ticks are (value, text)."""

    label: str
    place: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]
    low: float
    high: float

    def at(self, value: float, start: float, end: float) -> float:
        """The coordinate of a value between start (the axis' low) and end (its high); beyond them, the nearer one."""
        a, b = self.place(self.low), self.place(self.high)
        share = (self.place(min(max(value, self.low), self.high)) - a) / (b - a) if b > a else 0.5
        return start + share * (end - start)


def linear(label: str, values: Sequence[float], percent: bool = False) -> Axis:
    """An axis with four to seven round ticks around the values."""
    low, high = _span(values)
    if high <= low:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    step = _step((high - low) / 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step * (100 if percent else 1)) + 1e-9))
    ticks = [i * step for i in range(first, last + 1)]
    words = [f"{100 * t:.{digits}f} %" if percent else f"{t:.{digits}f}" for t in ticks]
    return Axis(label, float, list(zip(ticks, words, strict=True)), first * step, last * step)


def logarithmic(label: str, values: Sequence[float]) -> Axis:
    """An axis for positive values that span decades; ticks at 1, 2 and 5 times the powers of ten."""
    low, high = _span([v for v in values if v > 0])
    low, high = max(low, 1e-12), max(high, 1e-12)
    if high <= low:
        low, high = low / 2, high * 2
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1,)):
        marks = [f * 10.0**d for d in decades for f in factors]
        ticks = [m for m in marks if low / 1.0001 <= m <= high * 1.0001]
        below = max((m for m in marks if m <= low * 1.0001), default=low)
        above = min((m for m in marks if m >= high / 1.0001), default=high)
        ticks = sorted({below, *ticks, above})
        if len(ticks) <= 8:
            break
    return Axis(label, math.log10, [(t, f"{t:g}") for t in ticks], ticks[0], ticks[-1])


def stretched(label: str, values: Sequence[float], finest: float) -> Axis:
    """An axis for accuracies that stretches towards 100 %, where the differences are: equal factors of the errors.

    finest: the share of errors that stands for none at all (half a picture, say).
    """

    def place(accuracy: float) -> float:
        return -math.log10(max(1 - accuracy, finest))

    marks = [0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999]
    marks = [m for m in marks if 1 - m > 1.5 * finest] + [1.0]
    low, high = _span(values)
    first = max((i for i, m in enumerate(marks) if m <= low), default=0)
    last = min((i for i, m in enumerate(marks) if m >= high), default=len(marks) - 1)
    ticks = marks[first : max(last, first + 1) + 1]
    return Axis(label, place, [(t, f"{100 * t:g} %") for t in ticks], ticks[0], ticks[-1])


def chart(curves: Sequence[Curve], across: Axis, up: Axis, title: str, mark: tuple[float, str] | None = None) -> Markup:
    """Curves over an axis; `mark` is a place on it with a word. The title is what a screen reader says."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for y, word in _apart([(up.at(value, bottom, TOP), word) for value, word in up.ticks]):
        parts.append(tag("line", x1=LEFT, x2=right, y1=short(y), y2=short(y), class_="grid"))
        parts.append(tag("text", word, x=LEFT - 8, y=short(y), dy="0.35em", text_anchor="end"))
    for value, word in across.ticks:
        x = across.at(value, LEFT, right)
        parts.append(tag("line", x1=short(x), x2=short(x), y1=bottom, y2=bottom + 4, class_="tick"))
        parts.append(tag("text", word, x=short(x), y=bottom + 17, text_anchor="middle"))
    parts.append(tag("text", across.label, x=right, y=HEIGHT - 5, text_anchor="end", class_="label"))
    parts.append(tag("line", x1=LEFT, x2=right, y1=bottom, y2=bottom, class_="axis"))
    if mark is not None:
        x = across.at(mark[0], LEFT, right)
        end = x > WIDTH / 2
        parts.append(tag("line", x1=short(x), x2=short(x), y1=TOP, y2=bottom, class_="mark"))
        parts.append(
            tag(
                "text",
                mark[1],
                x=short(x + (-5 if end else 5)),
                y=bottom - 7,
                text_anchor="end" if end else "start",
                class_="label",
            )
        )
    for curve in curves:
        parts += _curve(curve, lambda v: across.at(v, LEFT, right), lambda v: up.at(v, bottom, TOP))
    return tag("svg", tag("title", title), *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="chart")


def _apart(ticks: Sequence[tuple[float, str]], least: float = 17.0) -> list[tuple[float, str]]:
    """The ticks without those that would touch another: the ends stay, and then each as it comes."""
    kept = [ticks[-1]] if ticks else []
    for tick in ticks[:-1]:
        if all(abs(tick[0] - other[0]) >= least for other in kept):
            kept.append(tick)
    return kept


def _curve(curve: Curve, x: Callable[[float], float], y: Callable[[float], float]) -> list[Markup]:
    drawn = [i for i, value in enumerate(curve.y) if math.isfinite(value)]
    parts = []
    if curve.low and len(drawn) > 1:
        edge = [(x(curve.x[i]), y(curve.high[i])) for i in drawn]
        edge += [(x(curve.x[i]), y(curve.low[i])) for i in reversed(drawn)]
        parts.append(tag("polygon", points=_points(edge), class_=f"band {curve.look}"))
    elif curve.low:
        for i in drawn:
            at = short(x(curve.x[i]))
            parts.append(
                tag(
                    "line",
                    x1=at,
                    x2=at,
                    y1=short(y(curve.low[i])),
                    y2=short(y(curve.high[i])),
                    class_=f"whisker {curve.look}",
                )
            )
    line = [(x(curve.x[i]), y(curve.y[i])) for i in drawn]
    if len(line) > 1:
        parts.append(tag("polyline", points=_points(line), class_=f"line {curve.look}"))
    if curve.points and len(line) <= 60:
        for i, (a, b) in zip(drawn, line, strict=True):
            said = tag("title", curve.said[i]) if curve.said else ""
            parts.append(
                tag(
                    "circle",
                    said,
                    cx=short(a),
                    cy=short(b),
                    r=3 if len(line) <= 30 else 2,
                    class_=f"point {curve.look}",
                )
            )
    return parts


def bar(value: float, low: float, high: float, start: float = 0.0, said: str = "") -> Markup:
    """A fraction with its interval on a line from `start` to 1."""

    def x(v: float) -> float:
        return 100 * (min(max(v, start), 1) - start) / (1 - start)

    return tag(
        "svg",
        tag("title", said) if said else "",
        tag("rect", x=0, y=5, width=100, height=2, class_="track"),
        tag("rect", x=short(x(low)), y=3, width=short(max(x(high) - x(low), 0.8)), height=6, class_="range"),
        tag("rect", x=short(min(max(x(value) - 0.75, 0), 98.5)), y=1, width=1.5, height=10, class_="value"),
        viewBox="0 0 100 12",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true" if not said else None,
    )


def scale_from(low: float) -> float:
    """A round start for a line of `bar` that leaves room below the lowest value; its end is 1."""
    starts = (0.99, 0.98, 0.95, 0.9, 0.8, 0.5)
    return next((start for start in starts if start < 1 - 1.2 * (1 - low)), 0.0)


def _span(values: Sequence[float]) -> tuple[float, float]:
    finite = [v for v in values if math.isfinite(v)]
    return (min(finite), max(finite)) if finite else (0.0, 1.0)


def _step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= least * (1 - 1e-9))


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{short(x)},{short(y)}" for x, y in points)


def short(value: float) -> str:
    """A length with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
