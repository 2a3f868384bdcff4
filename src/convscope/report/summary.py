"""The tables of `convscope summary`: as text for a terminal of any width, and as Markdown.

Takes what the network's walks found; knows no streams but for the signs that one can show.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TextIO

from convscope.network.memory import Memory
from convscope.network.receptive import Field, Seen
from convscope.network.shapes import Sizes
from convscope.network.weigh import Folded, Totals
from convscope.report.layers import describe
from convscope.report.listings import facts, shape
from convscope.report.numbers import grouped, mebibytes, plural, short_seconds
from convscope.report.text import table, width

_GAP = 2
_LEAST_ROOM = 30
_TIED = "\u00a0"
"""A space at which no line ends; it is printed as any other."""

COLUMNS = (
    ("label", "<"), ("turns", ">"), ("layer", "<"), ("output", "<"), ("weights", ">"), ("biases", ">"),
    ("multiply-adds", ">"), ("values", ">"), ("kept, picture", ">"), ("kept, batch", ">"), ("field", ">"),
    ("stride", ">"), ("offset", ">"), ("% params", ">"), ("% mult-adds", ">"), ("ms", ">"),
)  # fmt: skip
"""The heading of each column and how it stands."""


def rows(
    sizes: Sizes, layers: Sequence[Folded], total: Totals, batch_size: int, seconds: dict[str, float] | None = None
) -> list[tuple[str, ...]]:
    """A row for the input, one a layer, and one for the sums, with a cell for each of COLUMNS.

    seconds: by label, what a layer takes of a training step. A column that is empty throughout is left out by `text`.
    """
    height, width_, channels = sizes.input
    made = [_cells({"label": "input", "output": shape(sizes.input), "values": grouped(height * width_ * channels)})]
    for folded in layers:
        made.append(_row(sizes, folded, total, batch_size, seconds))
    made.append(
        _cells({
            "label": "total", "weights": grouped(total.weights), "biases": grouped(total.biases),
            "multiply-adds": grouped(total.multiply_adds), "values": grouped(total.values),
            "kept, picture": _size(total.kept), "kept, batch": _size(total.kept * batch_size),
        })
    )  # fmt: skip
    return made


def _cells(named: dict[str, str]) -> tuple[str, ...]:
    return tuple(named.get(name, "") for name, _ in COLUMNS)


def _row(
    sizes: Sizes, folded: Folded, total: Totals, batch_size: int, seconds: dict[str, float] | None
) -> tuple[str, ...]:
    layer, times = folded.layer, folded.times
    item = layer.row.item

    def count(number: int) -> str:
        return grouped(number) if number else ""

    def share(part: int, of: int) -> str:
        return "" if layer.aux or not part or not of else f"{100 * times * part / of:.1f}"

    return _cells({
        "label": item.name, "turns": f"{times} x" if times > 1 else "", "layer": describe(item),
        "output": shape(layer.row.after), "weights": count(layer.weights), "biases": count(layer.biases),
        "multiply-adds": count(layer.multiply_adds), "values": count(layer.values),
        "kept, picture": _size(layer.kept),
        "kept, batch": _size(layer.kept * batch_size),
        "field": _sees(layer.field, sizes.input), "stride": _pair(layer.field, "stride"),
        "offset": _pair(layer.field, "offset"), "% params": share(layer.parameters, total.parameters),
        "% mult-adds": share(layer.multiply_adds, total.multiply_adds),
        "ms": f"{1000 * seconds[item.name]:.2f}" if seconds and item.name in seconds else "",
    })  # fmt: skip


def _size(kept: int) -> str:
    """Bytes; "" for none."""
    return mebibytes(kept) if kept >= 2**20 else f"{kept / 1024:.1f} KiB" if kept else ""


def _sees(field: Field, input: Sequence[int]) -> str:
    """The size of a field; "all" where the only unit sees the whole picture."""
    if all(_whole(seen, cells) for seen, cells in zip(field, input, strict=False)):
        return "all"
    return _pair(field, "size")


def _whole(seen: Seen, cells: int) -> bool:
    return seen.count == 1 and seen.offset <= 0 and seen.offset + seen.size >= cells


def _pair(field: Field, what: str) -> str:
    """Down x across; one number where they are the same, none for a stride that has no next unit."""
    if what == "stride" and field[0].count == field[1].count == 1:
        return ""
    down, across = (f"{getattr(seen, what):.4g}" for seen in field)
    return down if down == across else f"{down} x {across}"


def text(cells: Sequence[tuple[str, ...]], columns: int, stream: TextIO | None = None) -> list[str]:
    """The rows as tables no wider than `columns`, as far as single columns allow: where they don't fit side by side,
    the rest stands in further tables under the same labels."""
    used = [i for i in range(len(COLUMNS)) if any(row[i] for row in cells)]
    wide = {i: max(width(COLUMNS[i][0]), *(width(row[i]) for row in cells)) for i in used}
    parts: list[list[int]] = [[used[0]]]
    for i in used[1:]:
        if len(parts[-1]) > 1 and sum(wide[j] + _GAP for j in parts[-1]) + wide[i] > columns:
            parts.append([used[0]])
        parts[-1].append(i)
    lines: list[str] = []
    for part in parts:
        heading, align = [COLUMNS[i][0] for i in part], "".join(COLUMNS[i][1] for i in part)
        shown = [[row[i] for i in part] for row in cells if part is parts[0] or any(row[i] for i in part[1:])]
        lines += ([""] if lines else []) + table(heading, shown, align, stream)
    return lines


def markdown(cells: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows as one Markdown table."""
    used = [i for i in range(len(COLUMNS)) if any(row[i] for row in cells)]
    lines = ["| " + " | ".join(COLUMNS[i][0] for i in used) + " |"]
    lines.append("|" + "|".join("---:" if COLUMNS[i][1] == ">" else "---" for i in used) + "|")
    lines += ["| " + " | ".join(row[i].replace("|", "\\|") for i in used) + " |" for row in cells]
    return lines


def below(
    total: Totals, aux: Totals, memory: Memory, batch_size: int, optimizer: str, *, folded: bool, seconds: float | None,
    precision: str = "",
) -> list[tuple[str, str]]:  # fmt: skip
    """What stands under the table: (what, value) each. precision: that of the step that takes so many seconds."""
    lines = [
        (
            "parameters",
            f"{grouped(total.parameters)}: {grouped(total.weights)} weights, {grouped(total.biases)} biases",
        ),
        ("multiply-adds", f"{grouped(total.multiply_adds)} a picture"),
        ("values", f"{grouped(total.values)} a picture, the input among them"),
    ]
    if aux.parameters:
        more = f"{grouped(aux.parameters)} parameters, {grouped(aux.multiply_adds)} multiply-adds; in training alone"
        lines.append(("side classifiers", f"besides, {more}"))
    parts = ", ".join(
        f"{mebibytes(size)} {what}".replace(" ", _TIED)
        for what, size in (("weights", memory.weights), ("gradients", memory.gradients),
                           (f"optimizer ({optimizer})", memory.optimizer), ("activations", memory.activations),
                           ("in passing", memory.passing), ("idle", memory.idle))
    )  # fmt: skip
    most = f"about {mebibytes(memory.peak)} with batches of {grouped(batch_size)}, besides the process itself"
    lines.append(("training", f"{most}: {parts}"))
    if seconds is not None:
        lines.append(
            (
                "time",
                f"about {short_seconds(seconds)} a step of {plural(batch_size, 'picture')} in {precision} "
                "on this machine",
            )
        )
    if folded:
        lines.append(
            ("turns", "N x stands for N in a row; the numbers are one turn's, but for the field, the last one's")
        )
    return lines


def told(pairs: Sequence[tuple[str, str]], columns: int, stream: TextIO | None = None) -> list[str]:
    """The lines below the table as text no wider than `columns`."""
    room = max(_LEAST_ROOM, columns - _GAP - max(width(what) for what, _ in pairs))
    cut = []
    for what, value in pairs:
        first, *more = textwrap.wrap(value, room)
        cut += [(name, line.replace(_TIED, " ")) for name, line in ((what, first), *(("", line) for line in more))]
    return ["", *facts(cut, stream)]


def markdown_list(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The lines below the table as a Markdown list."""
    return [f"- {what}: {value.replace(_TIED, ' ')}" for what, value in pairs]
