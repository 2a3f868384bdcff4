"""A confusion matrix as SVG. Knows counts and class names."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convscope.report.markup import Markup, tag
from convscope.report.svg import short
from convscope.report.text import width

NAMED = 30  # a matrix of more classes numbers them instead
COUNTED = 20  # and of more than these writes no counts


def matrix(counts: NDArray[np.int64], classes: Sequence[str]) -> Markup:
    """A confusion matrix (K, K), rows true: right ones in one colour, wrong ones in another, as strong as their share.

    Up to 20 classes with counts, up to 30 with names; beyond, numbers at every tenth and the names under the pointer.
    """
    size = len(classes)
    cell = 68.0 if size <= 4 else 40.0 if size <= 12 else 32.0 if size <= COUNTED else max(720 / size, 1.0)
    named = size <= NAMED
    margin = 14 + min(150, 7.8 * max((min(width(name), 18) for name in classes), default=1)) if named else 40
    parts = []
    for i, name in enumerate(classes):
        middle = margin + (i + 0.5) * cell
        if named or i % 10 == 0:
            word = _short(name) if named else str(i)
            tip = tag("title", name)
            parts.append(tag("text", word, tip, x=short(margin - 8), y=short(middle), dy="0.35em", text_anchor="end"))
            upright = not named or all(width(c) <= 4 for c in classes)
            turn = None if upright else f"rotate(-60 {short(middle)} {short(margin - 8)})"
            anchor = "middle" if upright else "start"
            parts.append(
                tag("text", word, tip, x=short(middle), y=short(margin - 8), text_anchor=anchor, transform=turn)
            )
    side = short(size * cell)
    parts.append(tag("rect", x=short(margin), y=short(margin), width=side, height=side, class_="ground"))
    if size <= COUNTED:
        lines = [margin + i * cell for i in range(1, size)]
        path = "".join(f"M{short(margin)} {short(a)}h{side}M{short(a)} {short(margin)}v{side}" for a in lines)
        parts.append(tag("path", d=path, class_="grid"))
    parts += _cells(counts, classes, cell, margin)
    # Turned names reach out to the right of the last column.
    reach = 0 if not named or all(width(c) <= 4 for c in classes) else 0.5 * (margin - 8)
    across, down = margin + size * cell + max(2.0, reach - cell / 2), margin + size * cell + 2
    return tag(
        "svg",
        tag("title", f"confusion matrix of {size} classes: rows are the true class, columns the predicted one"),
        *parts,
        viewBox=f"0 0 {short(across)} {short(down)}",
        role="img",
        class_="matrix" + ("" if size <= COUNTED else " fine"),
        style=f"width:{short(across)}px",
    )


def _cells(counts: NDArray[np.int64], classes: Sequence[str], cell: float, margin: float) -> list[Markup]:
    parts = []
    rows, columns = np.nonzero(counts)
    told = len(rows) <= 4000
    gap = 1.0 if cell >= 20 else 0.0
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        count, of = int(counts[i, j]), int(counts[i].sum())
        faintest = 0.08 if len(classes) <= COUNTED else 0.35  # a cell without a number must be seen
        dark = faintest + (1 - faintest) * math.sqrt(count / of)
        x, y = margin + j * cell, margin + i * cell
        what = "right" if i == j else "wrong"
        verb = "right" if i == j else f"taken for {classes[j]}"
        inside: list[Markup] = [tag("title", f"{classes[i]} {verb}: {count} of {of}")] if told else []
        rect = tag(
            "rect", *inside, x=short(x + gap), y=short(y + gap), width=short(max(cell - 2 * gap, 0.5)),
            height=short(max(cell - 2 * gap, 0.5)), fill_opacity=f"{dark:.2f}", class_=what,
        )  # fmt: skip
        parts.append(rect)
        if len(classes) <= COUNTED:
            look = "count strong" if dark > 0.55 else "count"
            size = min(13.0, 1.5 * cell / len(str(count)))
            parts.append(
                tag(
                    "text",
                    str(count),
                    x=short(x + cell / 2),
                    y=short(y + cell / 2),
                    dy="0.35em",
                    text_anchor="middle",
                    class_=look,
                    font_size=short(size),
                )
            )
    return parts


def _short(name: str, columns: int = 18) -> str:
    if width(name) <= columns:
        return name
    while width(name) > columns - 1:
        name = name[:-1]
    return name + "…"
