"""What `convscope probe` found, as lines and as a page: a curve for each change, and how far one can go.

Knows the words; what was measured, `evaluate.probe` knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope import files
from convscope.evaluate.probe import FALL, Curve, Limit, Point, Probed
from convscope.report import frame, text
from convscope.report.markup import Markup, tag
from convscope.report.numbers import percent, score_line, short_score
from convscope.report.pictures import data_uri
from convscope.report.svg import Axis, chart, linear
from convscope.report.svg import Curve as Line

_SHOWN = 64  # pixels of a picture's longer side below a curve
_SIDES = {
    "scale": ("smaller", "larger"),
    "brightness": ("darker", "brighter"),
    "contrast": ("less", "more"),
}


@dataclass(frozen=True)
class About:
    """What was asked, and about which pictures: n of `all`, drawn by the seed."""

    model: str
    data: str
    split: str
    n: int
    all: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        return {"model": self.model, "data": self.data, "split": self.split, "pictures": self.n, "of": self.all}

    @property
    def pictures(self) -> str:
        """ "1000 of the 5000 validation pictures (drawn by seed 0)"."""
        kind = {"train": "training ", "all": ""}.get(self.split, f"{self.split} ")
        of = f" of {self.data}" if self.data else ""
        if self.n == self.all:
            return f"all {self.n} {kind}pictures{of}"
        return f"{self.n} of the {self.all} {kind}pictures{of} (drawn by seed {self.seed})"


# ---- lines -----------------------------------------------------------------------------------------------------------


def table(found: Probed, stream: TextIO | None = None) -> list[str]:
    """Every strength with its score and its difference to the unchanged pictures."""
    rows = []
    for curve in found.curves:
        for point in curve.points:
            if point.strength != curve.change.plain:
                rows.append(
                    (
                        curve.change.name,
                        strength(curve, point.strength),
                        short_score(point.k, point.n),
                        difference(point),
                    )
                )
    heads = ("change", "strength", "accuracy (95 % interval)", "difference in points (paired 95 % interval)")
    return text.table(heads, rows, "<><<", stream)


def verdicts(found: Probed, about: About, stream: TextIO | None = None) -> list[str]:
    """The unchanged score, and a line for each change: how far one can go."""
    plain = found.plain
    rows = [(curve.change.name, verdict(curve)) for curve in found.curves]
    return [
        f"unchanged: {score_line(plain.k, plain.n, plain.low, plain.high)}, of {about.pictures}",
        f"how far one can go until {100 * FALL:g} points of it are lost:",
        *(f"  {line}" for line in text.table((), rows, stream=stream)),
    ]


def difference(point: Point) -> str:
    """ "-11.2 (-13.3 to -9.1)"."""
    low, high = (signed(100 * value) for value in (point.difference_low, point.difference_high))
    return f"{signed(100 * point.difference)} ({low} to {high})"


def signed(points: float) -> str:
    return "0.0" if abs(points) < 0.05 else f"{points:+.1f}"


def strength(curve: Curve, value: float) -> str:
    """A strength in words: "20 degrees", "0.5 times", "+64"; of what is on or off, "yes"."""
    if curve.change.name == "inversion":
        return "yes"
    sign = "+" if value > 0 and min(p.strength for p in curve.points) < 0 else ""
    return f"{sign}{value:.3g}{curve.change.unit}"


def verdict(curve: Curve) -> str:
    """How far one can go, in one line; of what has two sides, both."""
    limits = curve.limits()
    if curve.change.name == "inversion":
        (point,) = limits["above"].tried
        return f"{percent(point.k, point.n)} are right when inverted: {difference(point)} points"
    names = dict(zip(("below", "above"), _SIDES.get(curve.change.name, ("", "")), strict=True))
    said = []
    for side, limit in limits.items():
        name = f"{names[side]}: " if len(limits) > 1 else ""
        said.append(name + _limit(curve, limit))
    return "; ".join(said)


def _limit(curve: Curve, limit: Limit) -> str:
    last = limit.tried[-1]
    if limit.strength is None:
        least = min(limit.tried, key=lambda point: point.difference)
        at = (
            ""
            if least.difference > last.difference - 0.005
            else f", least {signed(100 * least.difference)} at {strength(curve, least.strength)}"
        )
        return f"holds to {strength(curve, last.strength)}, the last tried ({signed(100 * last.difference)} there{at})"
    number = next(i for i, point in enumerate(limit.tried) if point.difference <= -FALL)
    around = [
        f"{signed(100 * point.difference)} at {strength(curve, point.strength)}"
        for point in limit.tried[max(0, number - 1) : number + 1]
    ]
    return f"about {strength(curve, float(f'{limit.strength:.2g}'))} ({', '.join(around)})"


# ---- a page ----------------------------------------------------------------------------------------------------------


def write(path: Path, found: Probed, about: About) -> None:
    """Writes the page; a file of that name is replaced."""
    files.write_text(path, page(found, about))


def page(found: Probed, about: About) -> str:
    """One HTML file that needs nothing beside it."""
    plain = found.plain
    head = tag(
        "header",
        tag("h1", f"How far {Path(about.model).name} holds"),
        tag(
            "div",
            tag("div", percent(plain.k, plain.n), class_="big"),
            tag(
                "div",
                tag("p", tag("b", f"{plain.k} of {plain.n}"), " pictures are recognised as they are."),
                tag("p", f"95 % interval {score_line(plain.k, plain.n).rpartition('interval ')[2].rstrip(')')}; "
                         f"{about.pictures}."),
            ),
            class_="score",
        ),
    )  # fmt: skip
    rows = [tag("tr", tag("th", c.change.name, scope="row"), tag("td", verdict(c))) for c in found.curves]
    summary = tag(
        "section",
        tag("h2", f"Until {100 * FALL:g} points are lost"),
        tag("p", "Between two strengths that were tried, a straight line. The differences are paired: of the same "
                 "pictures, unchanged.", class_="note"),
        tag("table", tag("tbody", *rows), class_="plain"),
    )  # fmt: skip
    curves = tag(
        "section",
        tag("h2", "Curves"),
        tag("p", "The band is the 95 % interval of each score; the thin line is 5 points less than unchanged, the "
                 "dashed one no change. Below each curve is one picture, changed as much. What comes in from "
                 "outside is the border's nearest pixel.", class_="note"),
        tag("div", *(_figure(curve, found) for curve in found.curves), class_="charts"),
    )  # fmt: skip
    every = tag("details", tag("summary", "Show them"), tag("div", _numbers(found), class_="wide"))
    numbers = tag("section", tag("h2", "Every number"), every)
    return frame.page(f"How far {Path(about.model).name} holds", head, summary, curves, numbers, styles=("probe.css",))


def _figure(curve: Curve, found: Probed) -> Markup:
    up = linear("accuracy", [0.0, 1.0], percent=True)
    ends = [curve.points[0].strength, curve.points[-1].strength]
    fallen = Line("5 points less", "thin", ends, [found.plain.accuracy - FALL] * 2, points=False)
    line = Line(
        "accuracy", "validation", [point.strength for point in curve.points],
        [point.accuracy for point in curve.points], [p.low for p in curve.points], [p.high for p in curve.points],
        said=[f"{strength(curve, p.strength)}: {score_line(p.k, p.n)}" for p in curve.points],
    )  # fmt: skip
    plain = curve.change.plain
    drawn = chart([fallen, line], _across(curve), up, f"accuracy against {curve.change.name}", (plain, ""))
    note = tag("p", tag("b", "5 points: "), verdict(curve), class_="verdict")
    caption = tag("figcaption", tag("h3", curve.change.name, " ", tag("span", curve.change.says, class_="quiet")))
    return tag("figure", caption, drawn, _strip(curve), note)


def _across(curve: Curve) -> Axis:
    """From the first strength to the last; a tick at each that has room."""
    values = [point.strength for point in curve.points]
    low, high = values[0], values[-1]
    if curve.change.name == "inversion":
        return Axis("", float, [(0.0, "as they are"), (1.0, "inverted")], -0.3, 1.3)
    apart = (high - low) / 14
    ticks: list[tuple[float, str]] = []
    for value in sorted(values, key=lambda value: (value != curve.change.plain, -abs(value - curve.change.plain))):
        if all(abs(value - other) >= apart for other, _ in ticks):
            ticks.append((value, f"{value:g}"))
    return Axis(curve.change.axis, float, sorted(ticks), low, high)


def _strip(curve: Curve) -> Markup:
    cells = []
    for point, picture in zip(curve.points, curve.shown, strict=True):
        said = strength(curve, point.strength)
        look = "plain" if point.strength == curve.change.plain else None
        image = tag("img", src=data_uri(_small(picture)), alt=f"a picture, {curve.change.name} {said}",
                    class_="pixels" if max(picture.shape[1:]) <= _SHOWN else None)  # fmt: skip
        word = "as it is" if look else f"{point.strength:g}" if curve.change.name != "inversion" else "inverted"
        cells.append(tag("div", image, tag("span", word), class_=look))
    return tag("div", *cells, class_="strip")


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most so large as it is shown."""
    if max(picture.shape[1:]) <= _SHOWN:
        return picture
    image = Image.fromarray(picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0)))
    image.thumbnail((_SHOWN, _SHOWN), Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _numbers(found: Probed) -> Markup:
    heads = ("change", "strength", "accuracy (95 % interval)", "difference in points (paired 95 % interval)")
    rows = []
    for curve in found.curves:
        for point in curve.points:
            plain = point.strength == curve.change.plain
            said = "unchanged" if plain else strength(curve, point.strength)
            cells = (said, short_score(point.k, point.n), "" if plain else difference(point))
            rows.append(
                tag("tr", tag("th", curve.change.name, scope="row"), *(tag("td", cell, class_="num") for cell in cells))
            )
    head = tag("tr", *(tag("th", word, class_="num" if i else None) for i, word in enumerate(heads)))
    return tag("table", tag("thead", head), tag("tbody", *rows))
