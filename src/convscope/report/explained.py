"""One picture looked into, as lines for the terminal and as JSON."""

from __future__ import annotations

from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from convscope.explain.attribute import Attribution
from convscope.explain.explanation import Asked, Explanation
from convscope.report import trace as traces
from convscope.report.layers import describe
from convscope.report.listings import shape
from convscope.report.numbers import percent, plural, probability
from convscope.report.text import table

_LIKELY = 5
_MAPS = 12  # rows of the table of a layer's maps
_SHADES = " .:-=+*#%@"
_HIGH, _WIDE = 14, 28  # signs of a heat map; one is twice as high as wide
_TERMS = 5  # products that are written out


def lines(explanation: Explanation, asked: Asked, stream: TextIO | None = None) -> list[str]:
    """What the terminal shows of what was asked for; `stream`: where it will be printed."""
    out = _head(explanation)
    if asked.whole:
        if explanation.from_text:
            out += ["", *_layers(explanation, stream)]
            example = next(iter(explanation.examples()), None)
            if example is not None:
                out += ["", f"the arithmetic of the largest number of {example.label}"]
                out += traces.lines(example, _TERMS, explanation.classifier.classes)
                out += ["", "any other number: --layer LAYER --map MAP --cell ROW,COLUMN"]
        else:
            out += ["", "its layers have no names in a text, so only its answer is explained"]
        return [*out, "", *decided(explanation, explanation.attribution)]
    if asked.opened:
        out += ["", *_layer(explanation, asked, stream)]
    if asked.method:
        out += ["", *decided(explanation, explanation.attribute(asked.method, asked.attributed))]
    return out


def to_json(explanation: Explanation, asked: Asked) -> dict[str, Any]:
    """The same as plain data."""
    said = explanation.prediction
    about: dict[str, Any] = {
        "picture": explanation.name, "label": said.label, "probability": said.probability,
        "probabilities": said.probabilities, "target": explanation.classifier.classes[explanation.target],
    }  # fmt: skip
    if asked.whole:
        if explanation.from_text:
            about["layers"] = [_facts(explanation, label) for label in explanation.maps]
            about["traces"] = [*explanation.examples(), explanation.loss]
        about["attribution"] = _attributed(explanation, explanation.attribution)
    if asked.opened:
        trace = explanation.trace(asked.layer, asked.cell, asked.map)
        values = explanation.maps[asked.layer]
        about["layer"] = _facts(explanation, asked.layer)
        if values.ndim == 3:
            about["maps"] = [{"map": n, "mean": float(each.mean()), "largest": float(each.max())}
                             for n, each in enumerate(values)]  # fmt: skip
            about["values"] = values[trace.place[0]]
        else:
            about["values"] = values
        about["trace"] = trace
    if asked.method:
        about["attribution"] = _attributed(explanation, explanation.attribute(asked.method, asked.attributed))
    return about


# ---- the picture and the layers --------------------------------------------------------------------------------------


def _head(explanation: Explanation) -> list[str]:
    said = explanation.prediction
    others = ", ".join(f"{label} {probability(share)}" for label, share in said.top(_LIKELY)[1:])
    name = explanation.name or "the picture"
    of, seen = explanation.classifier.preprocess, explanation.input
    out = [f"{name}: {said.label} {probability(said.probability)}" + (f"; {others}" if others else "")]
    came = f"{explanation.given.height} x {explanation.given.width}, " if explanation.given is not None else ""
    size = shape((*of.input_size, of.channels))
    out.append(f"{came}for the network {size}, values {float(seen.min()):.4g} to {float(seen.max()):.4g}")
    target = explanation.classifier.classes[explanation.target]
    if target != said.label:
        out.append(f"gradients speak of {target}, {probability(said.probabilities[target])}")
    return out


HEADING = ("layer", "what", "leaves", "largest", "at", "zeros", "sees")
"""Of the table of layers."""


def layer_rows(explanation: Explanation) -> list[tuple[str, ...]]:
    """A row a layer, in words: see HEADING. "at" is the place of the largest value."""
    by_name = explanation.network.sizes.by_name()
    rows: list[tuple[str, ...]] = []
    for label, values in explanation.maps.items():
        place = explanation.place(label)
        rows.append(
            (
                label, describe(by_name[label].item), shape(by_name[label].after), f"{values[place]:.4g}",
                ",".join(map(str, place)), _zeros(values), _sees(explanation, label, place),
            )
        )  # fmt: skip
    return rows


def _layers(explanation: Explanation, stream: TextIO | None) -> list[str]:
    return [
        *table(HEADING, layer_rows(explanation), "<<<>>>>", stream),
        "at: map, row and column of the largest value, counted from 0",
        "zeros: the share of values that are exactly 0, empty where none is; sees: rows x columns of the picture",
    ]


def _zeros(values: NDArray[np.float32]) -> str:
    """The share of values that are 0."""
    zeros = int((values == 0).sum())
    return percent(zeros, values.size) if zeros else ""


def _sees(explanation: Explanation, label: str, place: tuple[int, ...]) -> str:
    if len(place) != 3:
        return "all"
    top, left, bottom, right = explanation.seen(label, place[1], place[2])
    return f"{bottom - top} x {right - left}"


def _facts(explanation: Explanation, label: str) -> dict[str, Any]:
    values, place = explanation.maps[label], explanation.place(label)
    return {
        "label": label, "shape": list(values.shape), "mean": float(values.mean()), "smallest": float(values.min()),
        "largest": float(values[place]), "place": place, "zeros": float((values == 0).mean()),
    }  # fmt: skip


def _layer(explanation: Explanation, asked: Asked, stream: TextIO | None) -> list[str]:
    place = explanation.place(asked.layer, asked.cell, asked.map)
    values = explanation.maps[asked.layer]
    row = explanation.network.sizes.by_name()[asked.layer]
    out = [f"{asked.layer}: {describe(row.item)}, {shape(row.before)} -> {shape(row.after)}"]
    if values.ndim == 3:
        peaks = values.reshape(len(values), -1)
        order = np.argsort(-peaks.max(1), kind="stable")[:_MAPS]
        rows = []
        for number in order:
            at = np.unravel_index(int(peaks[number].argmax()), values.shape[1:])
            rows.append((str(number), f"{peaks[number].max():.4g}", ",".join(str(int(i)) for i in at),
                         f"{peaks[number].mean():.4g}", _zeros(peaks[number])))  # fmt: skip
        out += table(("map", "largest", "at row, column", "mean", "zeros"), rows, ">>>>>", stream)
        if len(order) < len(values):
            out.append(f"the {len(order)} with the largest values of {plural(len(values), 'map')}; --json has all")
    out += ["", chosen(asked, place)]
    found = explanation.trace(asked.layer, asked.cell, asked.map)
    return [*out, *traces.lines(found, _TERMS, explanation.classifier.classes)]


def chosen(asked: Asked, place: tuple[int, ...]) -> str:
    """Which number is opened, and why this one."""
    if len(place) == 1:
        why = "" if asked.cell is not None else ", the largest"
        return f"{asked.layer}, unit {place[0]}{why}"
    where = f"{asked.layer}, map {place[0]}, row {place[1]}, column {place[2]}"
    if asked.map is None and asked.cell is None:
        return f"{where}, the largest of all maps"
    if asked.map is None:
        return f"{where}: of all maps, map {place[0]} is largest there"
    return where if asked.cell is not None else f"{where}, the largest of this map"


# ---- attribution -----------------------------------------------------------------------------------------------------


def decided(explanation: Explanation, found: Attribution) -> list[str]:
    """An attribution as lines: the map in signs, its checks, and whether to believe it."""
    at = f", at {found.label}: {found.why_label}" if found.label else ""
    out = [f"{found.method} for {explanation.classifier.classes[found.target]}{at}", *heat(found.map)]
    rows = [(check.name, f"{check.value:.4g}", check.needed, "passed" if check.passed else "failed")
            for check in found.checks]  # fmt: skip
    out += table(("check", "value", "needed", ""), rows, "<><<")
    out.append("every check is passed" if found.trusted else f"not trustworthy: {found.why_not}")
    return out


def heat(map: NDArray[np.float32]) -> list[str]:
    """A map (H, W) as lines of signs, the denser the larger; what is not above 0 is empty."""
    high, wide = min(_HIGH, map.shape[0]), min(_WIDE, map.shape[1])
    rows, columns = (np.array_split(np.arange(n), k) for n, k in zip(map.shape, (high, wide), strict=True))
    cells = np.array([[map[np.ix_(r, c)].mean() for c in columns] for r in rows])
    top = cells.max()
    if not top > 0:
        return []
    shades = np.clip(np.rint(cells / top * (len(_SHADES) - 1)), 0, len(_SHADES) - 1).astype(int)
    edge = "+" + "-" * wide + "+"
    return [edge, *("|" + "".join(_SHADES[shade] for shade in row) + "|" for row in shades), edge]


def _attributed(explanation: Explanation, found: Attribution) -> dict[str, Any]:
    return {
        "method": found.method, "layer": found.label, "why_layer": found.why_label,
        "target": explanation.classifier.classes[found.target], "trusted": found.trusted, "why_not": found.why_not,
        "checks": [vars(check) for check in found.checks], "map": found.map,
    }  # fmt: skip
