"""The health of a network's layers, what excites their maps and how they changed, as lines and as a page.

Knows words, colours and how much of a large network a page has room for. What was found, `explain` knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope import files
from convscope.explain.excite import Exciting, crop, windows
from convscope.explain.health import ALIKE, SWITCHES, Health, Histogram
from convscope.explain.inspection import Inspection
from convscope.report import frame, maps
from convscope.report.change import change
from convscope.report.markup import Markup, join, tag
from convscope.report.numbers import plural
from convscope.report.pictures import data_uri, photo_uri
from convscope.report.text import table

STYLES = (maps.STYLE, "health.css")
_NAMED = 6  # dead units that a line names
_SIDE = 56  # pixels of a picture that excites
HEADING = ("layer", "kind", "units", "dead", "alike", "zeros", "smallest", "largest", "gradients up to")


@dataclass(frozen=True)
class About:
    """What was asked: the model, and what its pictures are called ("256 of the 9000 validation pictures")."""

    model: str
    pictures: str


# ---- lines -----------------------------------------------------------------------------------------------------------


def lines(found: Inspection, about: About, stream: TextIO | None = None, exciting: bool = True) -> list[str]:
    """What the terminal shows. exciting: whether also the pictures that excite maps."""
    out = [f"{about.model} over {about.pictures}", ""]
    out += table(HEADING, rows(found), "<<>>>>>>>", stream)
    out += ["", *verdicts(found)]
    for label, excited in found.exciting.items() if exciting else ():
        for pictures in excited.values():
            out += ["", f"{_named(pictures[0], label)}: the pictures that excite it most"]
            told = [(found.images.names[one.picture], found.images.classes[found.images.labels[one.picture]],
                     f"{one.value:.4g}", ",".join(str(n) for n in one.place[1:])) for one in pictures[:3]]  # fmt: skip
            out += table(("picture", "class", "value", "at"), told, "<<>>", stream)
    if found.change is not None:
        first, last = found.change.moments[0], found.change.moments[-1]
        many = plural(len(found.change.moments), "snapshot")
        out += ["", f"{many}, step {first.step} to {last.step}; how far the weights moved, as a share of their length:"]
        out += table((), [(label, percent_of(float(moved[-1]))) for label, moved in found.change.moved.items()], "<>")
    return out


def rows(found: Inspection) -> list[tuple[str, ...]]:
    """A row a layer, in words: see HEADING."""
    return [
        (
            layer.label, layer.kind, str(layer.units), str(len(layer.dead) or ""), str(len(layer.duplicates) or ""),
            percent_of(layer.activations.zeros / layer.activations.total) if layer.activations.zeros else "",
            f"{layer.activations.low:.3g}", f"{layer.activations.high:.3g}", _size(layer.gradients),
        )
        for layer in found.health.values()
    ]  # fmt: skip


def verdicts(found: Inspection) -> list[str]:
    """A sentence for each layer with dead units or maps that say the same; one that says so where there are none."""
    said = []
    for layer in found.health.values():
        if layer.dead:
            why = "never above 0, or always the same" if layer.kind in SWITCHES else "the same for every picture"
            said.append(f"{layer.label}: {_numbers(layer.dead)} of {layer.units} {_word(layer)} dead: {why}")
        if layer.duplicates:
            pairs = ", ".join(f"{second} as {first}" for first, second, _ in layer.duplicates[:_NAMED])
            more = f" and {len(layer.duplicates) - _NAMED} more" if len(layer.duplicates) > _NAMED else ""
            said.append(f"{layer.label}: says the same (correlation above {ALIKE:g}): {pairs}{more}")
    return said or ["no layer has dead units, and no two maps of a layer say the same"]


def _numbers(dead: tuple[int, ...]) -> str:
    if len(dead) <= _NAMED:
        return ", ".join(map(str, dead))
    return f"{len(dead)} ({', '.join(map(str, dead[:_NAMED]))} ...)"


def _word(layer: Health) -> str:
    return "is" if len(layer.dead) == 1 else "are"


def _size(gradients: Histogram | None) -> str:
    return "" if gradients is None else f"{max(abs(gradients.low), abs(gradients.high)):.2g}"


def percent_of(share: float) -> str:
    """ "43 %"."""
    return f"{100 * share:.3g} %"


def _named(one: Exciting, label: str) -> str:
    return f"{label}, {'map' if len(one.place) == 3 else 'unit'} {one.place[0]}"


def to_json(found: Inspection, about: About) -> dict[str, Any]:
    """The same as plain data."""
    excited = {
        label: {str(map): [{**one._asdict(), "name": found.images.names[one.picture]} for one in pictures]
                for map, pictures in each.items()}
        for label, each in found.exciting.items()
    }  # fmt: skip
    out: dict[str, Any] = {"model": about.model, "pictures": len(found.images), "exciting": excited}
    out["layers"] = [
        {**vars(layer), "activations": vars(layer.activations),
         "gradients": None if layer.gradients is None else vars(layer.gradients)}
        for layer in found.health.values()
    ]  # fmt: skip
    if found.change is not None:
        out["snapshots"] = [{"step": one.step, "epoch": one.epoch, "weights": one.weights, "path": one.path}
                            for one in found.change.moments]  # fmt: skip
        out["moved"] = dict(found.change.moved)
    return out


# ---- a page ----------------------------------------------------------------------------------------------------------


def write(path: Path, found: Inspection, about: About) -> None:
    """Writes the page; a file of that name is replaced."""
    files.write_text(path, page(found, about))


def page(found: Inspection, about: About) -> str:
    """One HTML file that needs nothing beside it."""
    name = Path(about.model).name
    sections = [health(found), histograms(found), exciting(found)]
    if found.change is not None:
        sections.append(change(found.change))
    head = tag("header", tag("h1", f"The layers of {name}"), tag("p", f"Over {about.pictures}.", class_="quiet"))
    return frame.page(f"The layers of {name}", head, *sections, styles=STYLES)


def health(found: Inspection) -> Markup:
    """Dead units and maps that say the same."""
    right = set(HEADING[2:])
    heading = tag("tr", *(tag("th", word, class_="num" if word in right else None) for word in HEADING))
    body = [
        tag("tr", tag("th", row[0], scope="row"), tag("td", row[1]),
            *(tag("td", cell.replace("-", "−"), class_="num") for cell in row[2:]))
        for row in rows(found)
    ]  # fmt: skip
    told = tag("ul", *(tag("li", line) for line in verdicts(found)))
    note = (
        "dead: units that are the same for every picture, or behind an activation never above 0; alike: maps that say "
        f"what an earlier one says (correlation above {ALIKE:g} over all pictures and places). Numbers count from 0. "
        "In the table an empty place is none."
    )
    grid = tag("div", tag("table", tag("thead", heading), tag("tbody", *body), class_="layers"), class_="wide")
    return tag("section", tag("h2", "Dead units and maps that say the same"), tag("p", note, class_="note"), told,
               tag("details", tag("summary", f"All {len(body)} layers in numbers"), grid), id="health")  # fmt: skip


# ---- histograms ------------------------------------------------------------------------------------------------------

_WIDE, _HIGH = 192, 48


def histograms(found: Inspection) -> Markup:
    """How activations and gradients are spread, a layer a row."""
    cells = [
        tag("figure", tag("h3", layer.label, " ", tag("span", layer.kind, class_="quiet")),
            _bars(layer.activations, "validation", f"activations of {layer.label}"),
            "" if layer.gradients is None else _bars(layer.gradients, "train", f"gradients of {layer.label}"))
        for layer in found.health.values()
    ]  # fmt: skip
    keys = tag("p", tag("span", tag("i", class_="validation"), "activations"),
               tag("span", tag("i", class_="train"), "gradients of the loss with respect to them"),
               class_="keys")  # fmt: skip
    note = (
        "How often each value occurs, over all pictures, maps and places: from the smallest to the largest, heights "
        "logarithmic. Values that are exactly 0 are counted apart; the thin line is 0."
    )
    return tag("section", tag("h2", "How activations and gradients are spread"), tag("p", note, class_="note"), keys,
               tag("div", *cells, class_="spreads"), id="histograms")  # fmt: skip


def _bars(found: Histogram, look: str, name: str) -> Markup:
    counts = np.array(found.counts, np.float64)
    span = found.high - found.low
    zero = -1
    if found.low <= 0 <= found.high:
        zero = min(len(counts) - 1, int(-found.low / span * len(counts))) if span > 0 else 0
        counts[zero] -= found.zeros
    heights = np.log1p(counts)
    heights = heights / (heights.max() or 1.0) * _HIGH
    step = _WIDE / len(counts)
    path = "".join(
        f"M{n * step:g} {_HIGH}v-{high:.1f}h{step:g}v{high:.1f}z" for n, high in enumerate(heights) if high > 0
    )
    x = 0.0 if span <= 0 else -found.low / span * _WIDE
    mark = tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=0, y2=_HIGH, class_="axis") if zero >= 0 else ""
    drawn = tag("svg", tag("title", name), tag("path", d=path, class_=f"bars {look}"), mark,
                viewBox=f"0 0 {_WIDE} {_HIGH}", role="img")  # fmt: skip
    zeros = f"{percent_of(found.zeros / found.total)} are 0" if found.zeros else ""
    ends = tag(
        "div", tag("span", _short(found.low)), tag("span", zeros), tag("span", _short(found.high)), class_="scale"
    )
    return join((drawn, ends))


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


# ---- what excites ----------------------------------------------------------------------------------------------------


def exciting(found: Inspection) -> Markup:
    """The pictures that excite maps most, each cropped to what the cell sees."""
    parts = []
    for label, excited in found.exciting.items():
        parts.append(tag("h3", label))
        parts += [_row(found, label, pictures) for pictures in excited.values()]
    note = (
        "Of each map the pictures in which its largest value is largest, cropped to the part of the picture that this "
        "value hangs on; what lies beyond the picture's edge is grey. The pointer shows which picture, and where."
    )
    return tag("section", tag("h2", "What excites a map most"), tag("p", note, class_="note"), *parts, id="exciting")


def _row(found: Inspection, label: str, pictures: list[Exciting]) -> Markup:
    first, last = pictures[0], pictures[-1]
    shown = []
    for one in pictures:
        (picture,) = windows(found.classifier, found.images.images[one.picture : one.picture + 1])
        part = _sized(crop(picture, _inside(one, picture)))
        address = data_uri(part) if len(part) == 1 else photo_uri(part)
        where = f", row {one.place[1]}, column {one.place[2]}" if len(one.place) == 3 else ""
        said = f"{found.images.names[one.picture]}: {one.value:.4g}{where}"
        shown.append(tag("img", src=address, alt=said, title=said, width=_SIDE, loading="lazy"))
    kind = f"{'map' if len(first.place) == 3 else 'unit'} {first.place[0]}"
    about = tag("div", tag("b", kind), tag("span", f"{_short(first.value)} to {_short(last.value)}"), class_="which")
    return tag("figure", about, tag("div", *shown, class_="excite"), class_="excites")


def _inside(one: Exciting, picture: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """The box; a side that is longer than the picture's becomes the picture's own."""
    top, left, bottom, right = one.box
    height, width = picture.shape[1:]
    if bottom - top > height:
        top, bottom = 0, height
    if right - left > width:
        left, right = 0, width
    return top, left, bottom, right


def _sized(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As large as it is shown: small parts enlarged without blur."""
    way = Image.Resampling.NEAREST if max(part.shape[1:]) < _SIDE else Image.Resampling.BOX
    size = 2 * _SIDE if way == Image.Resampling.BOX else _SIDE
    high, wide = (max(1, round(side * size / max(part.shape[1:]))) for side in part.shape[1:])
    planes = [np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize((wide, high), way)) for plane in part]
    return np.stack(planes)
