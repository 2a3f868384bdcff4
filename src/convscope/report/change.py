"""How a network came about, as a section of a page: its first kernels, and its layers' weights and activations, over
the snapshots of its training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convscope.explain.change import Change, Spread
from convscope.report import maps
from convscope.report.markup import Markup, join, tag
from convscope.report.svg import Curve, chart, linear

_ROWS, _KERNELS = 8, 12  # moments, and kernels side by side in each
_LAYERS = 24  # layers whose spread is drawn


def change(found: Change) -> Markup:
    """The section. Its pictures of kernels are all on one scale, so that growth shows."""
    first, last = found.moments[0], found.moments[-1]
    which = "the moving averages of the weights" if first.weights == "average" else "the weights"
    note = (
        f"{len(found.moments)} moments of the training, from step {first.step} (before anything was learned by it) to "
        f"step {last.step} (after {last.epoch:.3g} passes through the pictures); shown are {which}."
    )
    parts = [] if found.kernels is None else [_kernels(found, found.kernels)]
    return tag("section", tag("h2", "How the network came about"), tag("p", note, class_="note"), *parts,
               _spreads(found), id="change")  # fmt: skip


def _kernels(found: Change, kernels: NDArray[np.float32]) -> Markup:
    moments, count, channels = kernels.shape[:3]
    rows = sorted({round(n) for n in np.linspace(0, moments - 1, min(moments, _ROWS))})
    shown = kernels[:, :_KERNELS]
    strongest = float(np.abs(shown[rows]).max(initial=0.0))
    lines = []
    for row in rows:
        moment = found.moments[row]
        name = f"kernels of {found.label} after step {moment.step}"
        drawn = (
            maps.in_colour(shown[row], name, strongest)
            if channels == 3
            else maps.picture(maps.sheet(shown[row][:, 0], strongest=strongest), name)
        )
        lines.append(tag("tr", tag("th", f"step {moment.step}", tag("small", f"epoch {moment.epoch:.3g}"), scope="row"),
                         tag("td", drawn)))  # fmt: skip
    some = f"the first {_KERNELS} of {count} kernels" if count > _KERNELS else f"all {count} kernels"
    where = "in red, green and blue; grey is 0" if channels == 3 else "white is 0, blue above, orange below"
    part = f", of their {channels} channels the first" if channels not in (1, 3) else ""
    words = f"{some}{part}: {where}; the strongest colour is ±{strongest:.3g} in every row"
    return join((tag("h3", f"The kernels of {found.label}"), tag("p", words, class_="quiet"),
                 tag("div", tag("table", tag("tbody", *lines), class_="moments"), class_="wide")))  # fmt: skip


def _spreads(found: Change) -> Markup:
    labels = list(found.weights)
    chosen = sorted({round(n) for n in np.linspace(0, len(labels) - 1, min(len(labels), _LAYERS))}) if labels else []
    epochs = [moment.epoch for moment in found.moments]
    figures = []
    for label in (labels[n] for n in chosen):
        moved = f"moved by {100 * float(found.moved[label][-1]):.3g} % of their first length"
        figures.append(_figure(f"{label}: weights", moved, found.weights[label], epochs))
        if label in found.activations:
            figures.append(_figure(f"{label}: what leaves it", "", found.activations[label], epochs))
    left = f" {len(labels) - len(chosen)} of {len(labels)} layers are left out." if len(chosen) < len(labels) else ""
    note = (
        "The line is the median; between the edges of the dark band lies half of the values, between those of the pale "
        f"one nine tenths.{left}"
    )
    return join((tag("h3", "Weights and activations, layer by layer"), tag("p", note, class_="quiet"),
                 tag("div", *figures, class_="charts")))  # fmt: skip


def _figure(title: str, said: str, spread: Spread, epochs: list[float]) -> Markup:
    _, least, low, middle, high, most, _ = (list(column) for column in spread.quantiles.T)
    pale = Curve("nine tenths", "validation", epochs, middle, least, most, points=False)
    dark = Curve("half", "validation", epochs, middle, low, high, points=False)
    drawn = chart([pale, dark], linear("epoch", [0.0, *epochs]), linear("", [0.0, *least, *most]), title)
    return tag("figure", tag("figcaption", tag("b", title), " ", tag("span", said, class_="quiet")), drawn)
