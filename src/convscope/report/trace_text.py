"""A trace as lines for the terminal: what was multiplied with what, and the sum, in plain ASCII.

Also what lines and page share: how a place is called, and which of many terms are shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from convscope.explain.trace import Move, Share, Term, Trace
from convscope.report.numbers import plural
from convscope.report.text import table

KERNELS = frozenset({"conv"})
"""Kinds whose terms are a window times a kernel, map by map."""

WINDOWS = frozenset({"maxpool", "avgpool", "minpool", "subsample", "gap", "gmp"})
"""Kinds whose terms are one window."""

SUMMED = frozenset({"conv", "dense"})
"""Kinds whose first step is a sum of products."""

POWER = "exp(value - largest)"
"""What a cell adds in softmax."""

WIDEST = 11  # a window of more rows or columns is no longer printed cell by cell
WIDEST_KERNEL = 7  # three of them stand side by side


def where(place: tuple[int, ...]) -> str:
    """A place in words."""
    if len(place) == 3:
        return f"map {place[0]}, row {place[1]}, column {place[2]}"
    return f"unit {place[0]}" if place else ""


def title(trace: Trace, classes: Sequence[str] = ()) -> str:
    """What is traced, in words. classes: their names, in order."""
    if trace.kind == "loss":
        return f"the loss for {named(trace.place[0], classes)}"
    return f"{trace.label}, {where(trace.place)}"


def named(target: int, classes: Sequence[str] = ()) -> str:
    """A class by its name; by its number where the names aren't known."""
    return classes[target] if classes else f"class {target}"


def sees(trace: Trace) -> str:
    """Which part of the picture the number hangs on, in words."""
    (top, left, bottom, right), (height, width) = trace.seen, trace.picture
    rows, columns = (max(0, top), min(height, bottom)), (max(0, left), min(width, right))
    if rows == (0, height) and columns == (0, width):
        return "sees the whole picture"
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return "sees padding alone"
    told = f"sees rows {rows[0]} to {rows[1] - 1} and columns {columns[0]} to {columns[1] - 1} of the picture"
    return told if (*rows, *columns) == (top, bottom, left, right) else f"{told}, and padding"


def cell(value: float) -> str:
    """A number in a small cell: two digits behind the point, fewer for large ones."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if value == round(value) and abs(value) < 1000:
        return f"{value:.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}" if abs(value) < 10_000 else f"{value:.0e}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.0e}".replace("e-0", "e-")


def long(value: float) -> str:
    """A number where there is room: four digits."""
    return f"{value + 0.0:.4g}"  # -0 is 0


@dataclass(frozen=True)
class Slice:
    """The terms of one map that a convolution reads: which map of the source, and what they add up to."""

    source: str
    map: int
    terms: Sequence[Term]
    total: float


def slices(trace: Trace) -> list[Slice]:
    """The terms map by map, those that add most (up or down) first."""
    _, rows, columns = trace.window
    size = max(1, rows * columns)
    found = []
    for begin in range(0, len(trace.terms), size):
        terms = trace.terms[begin : begin + size]
        map_ = terms[0].place[0]
        found.append(Slice(terms[0].source, map_, terms, math.fsum(term.product for term in terms)))
    return sorted(found, key=lambda each: -abs(each.total))


def largest(terms: Iterable[Term]) -> list[Term]:
    """Terms, those that add most (up or down) first."""
    return sorted(terms, key=lambda term: -abs(term.product))


def steps(trace: Trace, most: int) -> list[tuple[str, str]]:
    """The arithmetic in words: name and formula. A sum of many products is written out by its maps or its largest
    terms, at most so many."""
    told = [(step.name, step.formula) for step in trace.steps]
    if trace.kind in SUMMED and told[0][1].startswith(f"{len(trace.terms)} products"):
        told[0] = (told[0][0], _written_out(trace, most))
    return told


def _written_out(trace: Trace, most: int) -> str:
    _, rows, columns = trace.window
    by_map = trace.kind in KERNELS and rows * columns > 1
    parts = [each.total for each in slices(trace)] if by_map else [term.product for term in largest(trace.terms)]
    most += len(parts) == most + 1
    shown = " + ".join(_added(part, turn) for turn, part in enumerate(parts[:most]))
    if len(parts) > most:
        rest = math.fsum(parts[most:])
        shown += f" + {_added(rest, 1)} ({plural(len(parts) - most, 'other map' if by_map else 'other product')})"
    return f"{shown} = {long(trace.steps[0].value)}"


def _added(value: float, turn: int) -> str:
    return f"({long(value)})" if value < 0 and turn else long(value)


def lines(trace: Trace, limit: int = 8, classes: Sequence[str] = ()) -> list[str]:
    """What the terminal shows of a trace. limit: of maps, terms, cells and weights at most so many, the largest; the
    rest stands as one sum. classes: their names, in order, for the loss's."""
    said = f" ({trace.text})" if trace.text else ""
    out = [f"{title(trace, classes)}{said} = {long(trace.value)}"]
    out.append("places count from 0" + (f"; {sees(trace)}" if trace.kind not in ("loss", "input") else ""))
    out += ["", *_terms(trace, limit)] if trace.terms else []
    told = [*steps(trace, limit), *((step.name, step.formula) for step in trace.after)]
    out += ["", *table((), [(name, formula) for name, formula in told])]
    out += [f"({note})" for note in trace.notes]
    if trace.gradient is not None and trace.kind != "loss":
        out += ["", *_gradient(trace, limit, classes)]
    return out


def _terms(trace: Trace, limit: int) -> list[str]:
    _, rows, columns = trace.window
    small = rows * columns > 1 and max(rows, columns) <= (WIDEST_KERNEL if trace.kind in KERNELS else WIDEST)
    if trace.kind in KERNELS and small:
        return _kernels(trace, limit)
    if len(trace.terms) == 1:
        (term,) = trace.terms
        return [f"reads {term.source}, {where(term.place)}: {long(term.value)}"]
    if trace.kind in WINDOWS and small:
        first = trace.terms[0]
        head = f"the window in map {first.place[0]} of {first.source}" + _beyond(trace.terms)
        return [head, *_grid([_shown(term) for term in trace.terms], columns)]
    return _list(trace, limit)


def _beyond(terms: Iterable[Term]) -> str:
    return "; in parentheses: beyond the edge" if not all(term.inside for term in terms) else ""


def _shown(term: Term) -> str:
    return cell(term.value) if term.inside else f"({cell(term.value)})"


def _grid(cells: Sequence[str], columns: int) -> list[str]:
    wide = max(map(len, cells))
    return ["  " + " ".join(text.rjust(wide) for text in cells[i : i + columns]) for i in range(0, len(cells), columns)]


def _kernels(trace: Trace, limit: int) -> list[str]:
    """Window x kernel = products, for the maps that add most."""
    _, rows, columns = trace.window
    found = slices(trace)
    out = ["window x kernel = products" + _beyond(trace.terms)]
    for each in found[:limit]:
        parts = (
            _grid([_shown(term) for term in each.terms], columns),
            _grid([cell(term.weight or 0.0) for term in each.terms], columns),
            _grid([cell(term.product) for term in each.terms], columns),
        )
        out.append(f"map {each.map} of {each.source}: sum {long(each.total)}")
        for turn, (one, two, three) in enumerate(zip(*parts, strict=True)):
            times, equals = ("x", "=") if turn == (rows - 1) // 2 else (" ", " ")
            out.append(f"{one}  {times}{two}  {equals}{three}")
    if len(found) > limit:
        rest = math.fsum(each.total for each in found[limit:])
        out.append(f"the other {plural(len(found) - limit, 'map')}: sum {long(rest)}")
    return out


def _list(trace: Trace, limit: int) -> list[str]:
    """The terms that add most, one a line."""
    found = largest(trace.terms)
    limit += len(found) == limit + 1  # rather than a line that says that one is missing
    multiplied = trace.terms[0].weight is not None
    head = ("cell", "value", "weight", "adds") if multiplied else ("cell", "value", POWER)
    rows = []
    for term in found[:limit]:
        named = f"{term.source}, {where(term.place)}" + ("" if term.inside else " (beyond the edge)")
        weight = [long(term.weight)] if term.weight is not None else []
        rows.append((named, long(term.value), *weight, long(term.product)))
    out = table(head, rows, "<>>>")
    if len(found) > limit:
        rest = math.fsum(term.product for term in found[limit:])
        out.append(f"the other {plural(len(found) - limit, 'cell')} add {long(rest)}")
    return out


def _gradient(trace: Trace, limit: int, classes: Sequence[str]) -> list[str]:
    gradient = trace.gradient
    assert gradient is not None
    target = named(gradient.target, classes)
    out = [
        f"gradient of the loss for {target} (loss {long(gradient.loss)}): {long(gradient.value)}",
        "it comes from the cells that this one feeds: slope x their gradient",
    ]
    shares = by_size(gradient.comes_from)
    rows = [
        (f"{share.label}, {where(share.place)}" if share.place else share.label, long(share.slope),
         long(share.upstream), long(share.product)) for share in shares[:limit]
    ]  # fmt: skip
    out += table(("cell", "slope", "gradient there", "product"), rows, "<>>>") if rows else ["  none"]
    if len(shares) > limit:
        rest = math.fsum(share.product for share in shares[limit:])
        out.append(f"the other {plural(len(shares) - limit, 'cell')}: {long(rest)}")
    if gradient.moves:
        out += ["", "what it moves: slope x gradient here, and the sum over all cells of this picture"]
        moves = moves_by_size(gradient.moves)
        moved = [
            (f"{move.tensor}[{', '.join(map(str, move.at))}]", long(move.value), long(move.slope), long(move.part),
             long(move.total)) for move in moves[:limit]
        ]  # fmt: skip
        out += table(("parameter", "value", "slope", "this cell", "all cells"), moved, "<>>>>")
        if len(moves) > limit:
            out.append(f"and {plural(len(moves) - limit, 'other parameter')}")
    return out


def by_size(shares: Iterable[Share]) -> list[Share]:
    """Parts of a gradient, the largest first."""
    return sorted(shares, key=lambda share: -abs(share.product))


def moves_by_size(moves: Iterable[Move]) -> list[Move]:
    """Parameters, those that are moved most first."""
    return sorted(moves, key=lambda move: -abs(move.part))
