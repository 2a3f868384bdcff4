"""A trace as HTML: the window, the kernel and their products as small coloured numbers, the sum written out, and the
same backward. `lines` is the terminal's.

`trace.css` holds the looks. Colour says sign and size; each cell says its place and product where the pointer rests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from convscope.explain.trace import Move, Term, Trace
from convscope.report.markup import Markup, join, tag
from convscope.report.numbers import plural
from convscope.report.trace_text import (
    KERNELS,
    POWER,
    WINDOWS,
    by_size,
    cell,
    largest,
    lines,
    long,
    moves_by_size,
    sees,
    slices,
    steps,
    title,
    where,
)

__all__ = ["STYLE", "lines", "section"]

STYLE = "trace.css"
"""The style sheet of this room that `section` needs beside `style.css`."""

MAPS, LISTED = 4, 10  # maps that are drawn, terms that are listed
FOLDED = 256  # maps that are listed where asked for
NUMBERS = 7  # cells of a wider grid have no number written in them; the pointer shows it
DOTS = 64  # a window of more rows or columns than this isn't drawn, only listed


def section(trace: Trace, classes: Sequence[str] = ()) -> Markup:
    """The trace as a part of a page. classes: their names, in order, for the target's."""
    return tag(
        "div",
        _head(trace, classes),
        _forward(trace),
        _steps(trace),
        tag("ul", *(tag("li", note) for note in trace.notes), class_="tr-notes") if trace.notes else "",
        _backward(trace, classes) if trace.gradient is not None and trace.kind != "loss" else "",
        class_="trace",
    )


def _head(trace: Trace, classes: Sequence[str]) -> Markup:
    facts: list[object] = [tag("code", trace.text)] if trace.text else []
    if trace.kind not in ("loss", "input"):
        facts.append(sees(trace))
    facts.append("places count from 0")
    name = title(trace, classes)
    return tag(
        "div",
        tag("div", tag("h3", name[:1].upper() + name[1:] if trace.kind == "loss" else name),
            tag("p", join(facts, " · "), class_="quiet")),
        tag("output", long(trace.value), class_=f"tr-value {_sign(trace.value)}"),
        class_="tr-head",
    )  # fmt: skip


def _sign(value: float) -> str:
    return "plus" if value > 0 else "minus" if value < 0 else "zero"


# ---- forward ---------------------------------------------------------------------------------------------------------


def _forward(trace: Trace) -> Markup:
    if not trace.terms:
        return Markup("")
    _, rows, columns = trace.window
    drawn = rows * columns > 1 and max(rows, columns) <= DOTS
    if trace.kind in KERNELS and drawn:
        return _kernels(trace)
    if trace.kind in WINDOWS and drawn:
        return _window(trace)
    if len(trace.terms) == 1:
        (term,) = trace.terms
        cells = grid([(term.value, _said(term))], 1)
        which = tag("p", tag("b", term.source), " ", where(term.place), class_="which")
        return tag("div", tag("div", which, cells, class_="tr-row"), class_="tr-forward")
    return _list(trace)


Text = Callable[[Term], tuple[float, str]]


def grid(numbers: Sequence[tuple[float, str]], columns: int, looks: Sequence[str] = (), largest: float = 0.0) -> Markup:
    """Numbers as coloured cells. numbers: each with what the pointer shows; looks: further classes of each; largest:
    the size that is coloured most, unless given the largest of these."""
    most = largest or max((abs(value) for value, _ in numbers if math.isfinite(value)), default=0.0)
    tight = columns > NUMBERS
    size = ("tiny " if columns > DOTS // 4 else "tight ") if tight else "small " if columns > 5 else ""
    cells = []
    for turn, (value, said) in enumerate(numbers):
        share = min(abs(value) / most, 1.0) if most and math.isfinite(value) else 0.0
        look = " ".join(word for word in (_sign(value), looks[turn] if looks else "") if word)
        cells.append(tag("td", "" if tight else cell(value), class_=look, style=f"--s:{share:.2f}", title=said))
    lines_ = [tag("tr", *cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return tag("table", tag("tbody", *lines_), class_=f"{size}cells")


def _said(term: Term) -> str:
    beyond = "" if term.inside else ", beyond the edge"
    return f"{term.source}, {where(term.place)}{beyond}: {long(term.value)}"


def _triple(terms: Sequence[Term], columns: int, most: tuple[float, float, float]) -> Markup:
    looks = ["" if term.inside else "beyond" for term in terms]
    weights = [term.weight or 0.0 for term in terms]
    products = [
        (term.product, f"{long(term.value)} x {long(weight)} = {long(term.product)}")
        for term, weight in zip(terms, weights, strict=True)
    ]
    return join((
        grid([(term.value, _said(term)) for term in terms], columns, looks, most[0]),
        tag("span", "×", class_="sign"),
        grid([(weight, f"weight {long(weight)}") for weight in weights], columns, (), most[1]),
        tag("span", "=", class_="sign"),
        grid(products, columns, (), most[2]),
    ))  # fmt: skip


def _kernels(trace: Trace) -> Markup:
    """Window, kernel, products of the maps that add most; the others as one sum, and each in a list."""
    columns = trace.window[2]
    found = slices(trace)
    shown = found if len(found) <= MAPS + 1 else found[:MAPS]
    most = (
        max((abs(t.value) for t in trace.terms), default=0.0),
        max((abs(t.weight or 0.0) for t in trace.terms), default=0.0),
        max((abs(t.product) for t in trace.terms), default=0.0),
    )
    rows = [
        tag("div", tag("p", tag("b", f"map {each.map}"), f" of {each.source}", class_="which"),
            tag("div", _triple(each.terms, columns, most), class_="triple"),
            tag("p", tag("span", "sum ", class_="quiet"), tag("b", long(each.total), class_=_sign(each.total)),
                class_="sum"),
            class_="tr-row")
        for each in shown
    ]  # fmt: skip
    head = tag("div", tag("span", "window"), tag("span", "kernel"), tag("span", "products"), class_="tr-legend")
    rest: list[Markup] = []
    if len(found) > len(shown):
        others = found[len(shown) :]
        total = math.fsum(each.total for each in others)
        listed = tag(
            "ol",
            *(tag("li", f"map {each.map}: ", tag("b", long(each.total), class_=_sign(each.total)))
              for each in others[:FOLDED]),
            class_="tr-others",
        )  # fmt: skip
        told = f"the other {plural(len(others), 'map')} add {long(total)} together"
        rest.append(tag("details", tag("summary", told), listed))
    return tag("div", head, *rows, *rest, class_="tr-forward")


def _window(trace: Trace) -> Markup:
    """One window of one map; of a maximum or minimum the cell that wins is marked."""
    columns = trace.window[2]
    chosen = trace.kind in ("maxpool", "minpool", "gmp")
    looks = [
        "beyond" if not term.inside else "wins" if chosen and term.weight else "loses" if chosen else ""
        for term in trace.terms
    ]
    cells = grid([(term.value, _said(term)) for term in trace.terms], columns, looks)
    first = trace.terms[0]
    beside = {"maxpool": "the largest wins", "gmp": "the largest wins", "minpool": "the smallest wins"}.get(
        trace.kind, "all cells count alike"
    )
    return tag(
        "div",
        tag("div", tag("p", tag("b", f"map {first.place[0]}"), f" of {first.source}", class_="which"),
            tag("div", cells, tag("span", "→", class_="sign"), grid([(trace.value, title(trace))], 1),
                class_="triple"),
            tag("p", beside, class_="sum quiet"), class_="tr-row"),
        class_="tr-forward",
    )  # fmt: skip


def _list(trace: Trace) -> Markup:
    """The terms that add most as a table, with bars; the rest as one line."""
    found = largest(trace.terms)
    shown = found if len(found) <= LISTED + 2 else found[:LISTED]
    multiplied = found[0].weight is not None
    slopes = trace.kind in ("softmax", "loss")
    most = max((abs(term.product) for term in found), default=0.0)
    heading = ["cell", "value", *(["weight", "adds"] if multiplied else [POWER]), "", *(["slope"] if slopes else [])]
    rows = []
    for term in shown:
        numbers = [long(term.value), *([long(term.weight)] if term.weight is not None else []), long(term.product)]
        rows.append(tag(
            "tr",
            tag("th", term.source, tag("span", f" {where(term.place)}", class_="quiet"), scope="row"),
            *(tag("td", text, class_="num") for text in numbers),
            tag("td", _bar(term.product, most), class_="tr-reach"),
            *([tag("td", long(term.slope), class_=f"num {_sign(term.slope)}")] if slopes else []),
        ))  # fmt: skip
    if len(found) > len(shown):
        rest = math.fsum(term.product for term in found[len(shown) :])
        told = f"the other {plural(len(found) - len(shown), 'cell')}"
        rows.append(tag("tr", tag("th", told, scope="row", class_="quiet"),
                        tag("td", colspan=2 if multiplied else 1), tag("td", long(rest), class_="num"),
                        tag("td"), *([tag("td")] if slopes else [])))  # fmt: skip
    return tag("div", _table(heading, rows), class_="tr-forward wide")


def _table(heading: Sequence[str], rows: Sequence[Markup]) -> Markup:
    head = tag("tr", *(tag("th", word, class_=None if not turn else "num") for turn, word in enumerate(heading)))
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="tr-list")


def _bar(value: float, most: float) -> Markup:
    """A bar from the middle: to the right for what adds, to the left for what takes away."""
    share = min(abs(value) / most, 1.0) if most else 0.0
    return tag("span", tag("i", class_=_sign(value), style=f"--s:{share:.3f}"), class_="tr-bar", aria_hidden="true")


def _steps(trace: Trace) -> Markup:
    """The sum written out, the bias, and what the layers that follow make of it."""
    done = [_step(name, formula) for name, formula in steps(trace, MAPS if trace.kind in KERNELS else LISTED)]
    after = [_step(step.name, step.formula, "then") for step in trace.after]
    return tag("ol", *done, *after, class_="tr-steps")


def _step(name: str, formula: str, look: str = "") -> Markup:
    left, equals, right = formula.rpartition(" = ")
    result, comma, place = right.partition(", ")
    shown = join((left, equals, tag("b", result + comma), place)) if equals else formula
    return tag("li", tag("span", name, class_="name"), tag("code", shown), class_=look or None)


# ---- backward --------------------------------------------------------------------------------------------------------


def _backward(trace: Trace, classes: Sequence[str]) -> Markup:
    gradient = trace.gradient
    assert gradient is not None
    name = classes[gradient.target] if gradient.target < len(classes) else str(gradient.target)
    pushed = "down" if gradient.value > 0 else "up"
    told = (
        f"Were this number 0.01 larger, the loss for {name} ({long(gradient.loss)}) would "
        f"{'rise' if gradient.value > 0 else 'fall'} by about {long(abs(gradient.value) * 0.01)}, so training "
        f"pushes it {pushed}."
        if gradient.value
        else f"The loss for {name} ({long(gradient.loss)}) doesn't hang on this number: no gradient comes back to it."
    )
    return tag(
        "div",
        tag("div", tag("div", tag("h4", "Backward: the gradient of the loss"), tag("p", told, class_="quiet")),
            tag("output", long(gradient.value), class_=f"tr-value {_sign(gradient.value)}"), class_="tr-head"),
        _shares(trace),
        _moves(trace),
        class_="tr-backward",
    )  # fmt: skip


def _shares(trace: Trace) -> Markup:
    """The cells that the traced one feeds, with slope x gradient there."""
    assert trace.gradient is not None
    found = by_size(trace.gradient.comes_from)
    if not found:
        return tag("p", "No later layer reads this number.", class_="quiet")
    shown = found if len(found) <= LISTED + 2 else found[:LISTED]
    most = max(abs(share.product) for share in found)
    rows = [
        tag("tr",
            tag("th", share.label, tag("span", f" {where(share.place)}", class_="quiet"), scope="row"),
            tag("td", long(share.slope), class_="num"), tag("td", long(share.upstream), class_="num"),
            tag("td", long(share.product), class_="num"), tag("td", _bar(share.product, most), class_="tr-reach"))
        for share in shown
    ]  # fmt: skip
    if len(found) > len(shown):
        rest = math.fsum(share.product for share in found[len(shown) :])
        told = f"the other {plural(len(found) - len(shown), 'cell')}"
        rows.append(tag("tr", tag("th", told, scope="row", class_="quiet"), tag("td", colspan=2),
                        tag("td", long(rest), class_="num"), tag("td")))  # fmt: skip
    told = "Where it comes from: the cells that read this one. How much each rises with it, times the gradient there."
    return tag("div", tag("p", told, class_="tr-told"),
               _table(("read by", "slope", "gradient there", "product", ""), rows), class_="wide")  # fmt: skip


def _moves(trace: Trace) -> Markup:
    """The parameters that made the number: for a kernel as window x gradient, else as a list."""
    assert trace.gradient is not None
    moves = trace.gradient.moves
    if not moves:
        return Markup("")
    told = tag(
        "p",
        "What it moves: each weight by what it was multiplied with, times the gradient here. A step of plain gradient "
        "descent takes learning rate × the sum over all cells off the weight.",
        class_="tr-told",
    )
    _, rows, columns = trace.window
    if trace.kind in KERNELS and rows * columns > 1 and max(rows, columns) <= DOTS:
        return tag("div", told, _moved_kernel(trace, moves, rows * columns, columns))
    found = moves_by_size(moves)
    shown = found[:LISTED]
    lines_ = [
        tag("tr", tag("th", tag("code", f"{move.tensor}[{', '.join(map(str, move.at))}]"), scope="row"),
            *(tag("td", long(n), class_="num") for n in (move.value, move.slope, move.part, move.total)))
        for move in shown
    ]  # fmt: skip
    more = (
        tag("p", f"and {plural(len(found) - len(shown), 'other')}", class_="quiet") if len(found) > len(shown) else ""
    )
    heading = ("parameter", "value", "slope", "from this cell", "from all cells")
    return tag("div", told, tag("div", _table(heading, lines_), class_="wide"), more)


def _moved_kernel(trace: Trace, moves: Sequence[Move], size: int, columns: int) -> Markup:
    """The map whose kernel is moved most: window x gradient = this cell's part, beside the sum of all cells."""
    assert trace.gradient is not None
    kernel = [move for move in moves if move.tensor.endswith(".weight")]
    blocks = [(i, kernel[i : i + size]) for i in range(0, len(kernel), size)]
    begin, most = max(blocks, key=lambda block: math.fsum(abs(move.part) for move in block[1]))
    first = trace.terms[begin]
    gradient = tag("b", long(trace.gradient.value), class_=_sign(trace.gradient.value))
    row = tag(
        "div",
        tag("p", tag("b", f"map {first.place[0]}"), f" of {first.source}", class_="which"),
        tag("div",
            _captioned("window", grid([(move.slope, f"read {long(move.slope)}") for move in most], columns)),
            tag("span", "×", class_="sign"), _captioned("gradient here", gradient),
            tag("span", "=", class_="sign"),
            _captioned("this cell's part", grid([(move.part, _moved(move)) for move in most], columns)),
            tag("span", "of", class_="sign quiet"),
            _captioned("all cells", grid([(move.total, _moved(move)) for move in most], columns)),
            class_="triple"),
        class_="tr-row moved",
    )  # fmt: skip
    others = len(blocks) - 1
    bias = [move for move in moves if not move.tensor.endswith(".weight")]
    told = (
        [f"{plural(others, 'other map')} of this kernel likewise; this is the one that is moved most."]
        if others
        else []
    )
    told += [f"{move.tensor}[{', '.join(map(str, move.at))}]: {long(move.part)} from this cell, {long(move.total)} "
             "from all." for move in bias]  # fmt: skip
    return join((row, *(tag("p", line, class_="quiet") for line in told)))


def _captioned(name: str, shown: Markup) -> Markup:
    return tag("div", tag("span", name, class_="caption"), shown, class_="captioned")


def _moved(move: Move) -> str:
    place = ", ".join(map(str, move.at))
    return f"{move.tensor}[{place}] = {long(move.value)}: {long(move.part)} of {long(move.total)}"
