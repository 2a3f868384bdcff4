"""A loss landscape as a page: the map with its contours and ways downhill, and what it shows and doesn't.

Knows the words and the figure; what was measured, `explain.landscape` knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convscope import files
from convscope.explain.landscape import Landscape
from convscope.report import contours, frame
from convscope.report.markup import Markup, tag
from convscope.report.numbers import grouped, plural
from convscope.report.svg import Curve, chart, linear, logarithmic, short

_WIDE, _HIGH = 600, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 10, 42


@dataclass(frozen=True)
class About:
    """What was measured: the run, how many weights can move, what the loss is called, the seed of the directions, and
    whether the network has running statistics."""

    model: str
    weights: int
    loss: str
    seed: int
    normalised: bool


def lines(found: Landscape, about: About) -> list[str]:
    """What a terminal shows: the heights, and where the walks end."""
    finite = found.heights[np.isfinite(found.heights)]
    said = [
        f"{_directions(found, about)}",
        f"loss {found.middle:.4g} at the trained network; on {found.heights.size} places {finite.min():.4g} to "
        f"{finite.max():.4g} ({about.loss}, {plural(found.pictures, 'training picture')})",
    ]
    if found.heights.size > finite.size:
        said.append(f"at {plural(found.heights.size - finite.size, 'place')} it isn't finite")
    for walk in found.walks:
        (a, b), (c, d) = walk.places[0], walk.places[-1]
        said.append(
            f"downhill from {a:.2f}, {b:.2f} (loss {walk.losses[0]:.4g}) in {plural(len(walk.losses) - 1, 'step')} to "
            f"{c:.2f}, {d:.2f} (loss {walk.losses[-1]:.4g})"
        )
    if len(found.path_losses):
        first, last = found.path_losses[0], found.path_losses[-1]
        said.append(f"training's path: loss {first:.4g} at its first moment, {last:.4g} at its last")
    return said


def _directions(found: Landscape, about: About) -> str:
    if found.plane.share is None:
        return f"two random directions of {grouped(about.weights)} (seed {about.seed}), scaled filter by filter"
    return (
        f"the two directions of {grouped(about.weights)} in which training moved most: "
        f"{100 * found.plane.share:.3g} % of its path's squared distances from its end"
    )


def write(path: Path, found: Landscape, about: About) -> None:
    """Writes the page; a file of that name is replaced."""
    files.write_text(path, page(found, about))


def page(found: Landscape, about: About) -> str:
    """One HTML file that needs nothing beside it."""
    name = Path(about.model).name
    keys = [tag("span", tag("i", class_="walk"), "gradient descent from each corner, in these two directions")]
    if len(found.plane.path):
        keys.append(tag("span", tag("i", class_="path"), "the path of training, its shadow on this plane"))
    keys.append(tag("span", "+ the trained network"))
    head = tag("header", tag("h1", f"Downhill: the loss around {name}"),
               tag("p", "Learning is walking downhill: each step goes where the loss falls fastest. This is a map of "
                        "real ground, measured around a trained network: the stronger the colour, the higher the loss.",
                   class_="note"))  # fmt: skip
    drawn = tag("section", tag("h2", "The map"), tag("p", f"{_directions(found, about)}.", class_="note"),
                tag("figure", tag("div", *keys, class_="keys"), _map(found)))  # fmt: skip
    heights = tag("section", tag("h2", "Height along the way"), tag("div", *_profiles(found), class_="charts"))
    shown = tag("section", tag("h2", "What is shown, and what isn't"),
                tag("ul", *(tag("li", word) for word in _caption(found, about)), class_="shown"))  # fmt: skip
    return frame.page(f"Downhill: {name}", head, drawn, heights, shown, styles=("landscape.css",))


def _caption(found: Landscape, about: About) -> list[str]:
    finite = found.heights[np.isfinite(found.heights)]
    said = [
        f"Each of the {found.heights.size} places is this network with other weights, and its height is the mean "
        f"{about.loss} of {plural(found.pictures, 'training picture')}, always the same ones: without augmentation, "
        "dropout, label smoothing and penalties. From one contour line to the next the loss grows by the same factor; "
        "between the places that were measured the ground is taken for straight.",
        f"The network has {grouped(about.weights)} weights, so the ground has as many directions, and two are shown. "
        "What looks like a wall here may have a way around it, and what looks like the bottom of a valley may go on "
        "down in a direction that isn't shown.",
        "The walks move in these two directions alone; each step goes down the slope, and is shortened until it comes "
        "down. A walk may leave the map. Where two walks end apart, "
        "the higher end is a valley of its own, not a longer way to the same place.",
    ]
    if found.plane.share is None:
        said.append(
            "The directions are random, so the walks are not what training did. Each is scaled filter by filter: 1 to "
            "the right changes a filter by as much as it is long (Li et al. 2018). Biases stay."
        )
    else:
        said.append(
            f"The plane is laid through the trained network in the two directions in which the "
            f"{len(found.plane.path)} moments that the run kept lie farthest from it. It holds "
            f"{100 * found.plane.share:.3g} % of their squared distances; the rest is not seen. A moment is drawn at "
            "the nearest place of the plane, and its own loss is not that of the ground there: the chart has it."
        )
        said.append(
            "Training steps on other pictures each time, by its own rule and rate, so it needn't go straight down this "
            "map. And don't read much into the bend of its path: such a plane shows a smooth bend of any long walk, "
            "even of a random one (Antognini and Sohl-Dickstein 2018)."
        )
    if about.normalised:
        said.append(
            "Batch normalisation is in evaluation mode: its running statistics are those of the trained network "
            "everywhere. Training, which takes each batch's own, finds other heights far from it."
        )
    if finite.size < found.heights.size:
        wild = plural(found.heights.size - finite.size, "place")
        said.append(f"At {wild} the loss isn't finite; it counts as higher than all others.")
    return said


def _map(found: Landscape) -> Markup:
    right, bottom = _WIDE - _RIGHT, _HIGH - _BOTTOM
    count = len(found.a)

    def x(step: float) -> float:
        return _LEFT + (right - _LEFT) * step / (count - 1)

    def y(step: float) -> float:
        return bottom - (bottom - _TOP) * step / (count - 1)

    def at(place: NDArray[np.float64]) -> tuple[float, float]:
        return x(_step(found.a, float(place[0]))), y(_step(found.b, float(place[1])))

    heights = contours.levels(found.heights)
    parts = [tag("path", d=contours.region(found.heights, level, x, y), class_="height") for level in heights]
    parts += [
        tag("path", tag("title", f"loss {level:.3g}"), d=contours.lines(found.heights, level, x, y), class_="contour")
        for level in heights
    ]
    parts.append(tag("rect", x=_LEFT, y=_TOP, width=right - _LEFT, height=bottom - _TOP, class_="frame"))
    parts += _labels(found, heights, x, y)
    ways = [each for walk in found.walks for each in _way([at(p) for p in walk.places], walk.losses, "walk", "step")]
    if len(found.plane.path):
        ways += _way([at(p) for p in found.plane.path], found.path_losses, "path", "moment")
    window = tag("rect", x=_LEFT, y=_TOP, width=right - _LEFT, height=bottom - _TOP)
    parts += [tag("clipPath", window, id="window"), tag("g", *ways, clip_path="url(#window)")]  # a walk may leave it
    a, b = at(np.zeros(2))
    parts.append(tag("path", d=f"M{short(a - 7)} {short(b)}h14M{short(a)} {short(b - 7)}v14", class_="middle"))
    parts += _ticks(found, x, y, bottom)
    title = f"a contour map of the loss, {found.middle:.3g} at the trained network in the middle"
    return tag("svg", tag("title", title), *parts, viewBox=f"0 0 {_WIDE} {_HIGH}", role="img", class_="map")


def _way(points: list[tuple[float, float]], losses: NDArray[np.float64], way: str, dot: str) -> list[Markup]:
    drawn = " ".join(f"{short(a)},{short(b)}" for a, b in points)
    parts = [tag("polyline", points=drawn, class_="halo"), tag("polyline", points=drawn, class_=way)]
    for number, ((a, b), loss) in enumerate(zip(points, losses, strict=True)):
        size = 4.5 if number == 0 else 2.4
        said = tag("title", f"{dot} {number}: loss {loss:.4g}")
        parts.append(tag("circle", said, cx=short(a), cy=short(b), r=size, class_=dot))
    return parts


def _labels(found: Landscape, heights: list[float], x: contours.Place, y: contours.Place) -> list[Markup]:
    """Each third contour's loss, along a slanting line from the middle on, where it crosses."""
    count = len(found.a)
    middle = (count - 1) / 2
    along = np.linspace(0, 1, 400)
    columns, rows = middle + along * (count - 1.6) / 2, middle + along * (count - 1.6) * 0.3
    values = np.array([_between(found.heights, row, column) for row, column in zip(rows, columns, strict=True)])
    parts = []
    for level in heights[1::3]:
        crossed = np.flatnonzero((values[:-1] <= level) & (values[1:] > level))
        if crossed.size:
            at = int(crossed[-1])
            place = {"x": short(x(float(columns[at]))), "y": short(y(float(rows[at]))), "dy": "0.35em",
                     "text_anchor": "middle"}  # fmt: skip
            parts += [tag("text", f"{level:.2g}", **place, class_="halo"), tag("text", f"{level:.2g}", **place)]
    return parts


def _between(heights: NDArray[np.float64], row: float, column: float) -> float:
    i, j = min(int(row), len(heights) - 2), min(int(column), len(heights) - 2)
    v, u = row - i, column - j
    top = heights[i, j] * (1 - u) + heights[i, j + 1] * u
    return float(top * (1 - v) + (heights[i + 1, j] * (1 - u) + heights[i + 1, j + 1] * u) * v)


def _step(side: NDArray[np.float64], value: float) -> float:
    """A value in grid steps."""
    return (value - float(side[0])) / float(side[-1] - side[0]) * (len(side) - 1)


def _ticks(found: Landscape, x: contours.Place, y: contours.Place, bottom: float) -> list[Markup]:
    parts = []
    for value, word in _round(found.a):
        parts.append(tag("text", word, x=short(x(_step(found.a, value))), y=bottom + 17, text_anchor="middle"))
    for value, word in _round(found.b):
        at = short(y(_step(found.b, value)))
        parts.append(tag("text", word, x=_LEFT - 7, y=at, dy="0.35em", text_anchor="end"))
    unit = "in lengths of the weights" if found.plane.share is None else "distance from the trained network"
    parts.append(tag("text", unit, x=_WIDE - _RIGHT, y=_HIGH - 6, text_anchor="end"))
    return parts


def _round(side: NDArray[np.float64]) -> list[tuple[float, str]]:
    low, high = float(side[0]), float(side[-1])
    return [(value, word) for value, word in linear("", [low, high]).ticks if low - 1e-9 <= value <= high + 1e-9]


def _profiles(found: Landscape) -> list[Markup]:
    """Loss against step: of the walks, and of training's moments with their own weights."""
    drawn = []
    if found.walks:
        ways = [
            Curve("walk", "train", range(len(walk.losses)), walk.losses.tolist(), said=_said("step", walk.losses))
            for walk in found.walks
        ]
        drawn.append(_profile("The walks", "step", ways))
    if len(found.path_losses):
        losses = found.path_losses
        way = Curve("loss", "validation", range(len(losses)), losses.tolist(), said=_said("moment", losses))
        drawn.append(_profile("Training", "moment", [way]))
    return drawn


def _said(what: str, losses: NDArray[np.float64]) -> list[str]:
    return [f"{what} {number}: loss {loss:.4g}" for number, loss in enumerate(losses)]


def _profile(title: str, across: str, ways: list[Curve]) -> Markup:
    values = [v for way in ways for v in way.y if np.isfinite(v)]
    wide = min(values) > 0 and max(values) / min(values) > 8
    up = logarithmic("loss", values) if wide else linear("loss", [0.0, *values])
    steps = linear(across, [0.0, float(max(len(way.y) for way in ways) - 1)])
    note = tag("span", "loss, logarithmic axis" if wide else "loss", class_="quiet")
    return tag(
        "figure", tag("figcaption", tag("h3", title, " ", note)), chart(ways, steps, up, f"loss against {across}")
    )
