"""Boxes from top to bottom, in as many columns as make the letters largest on a page: for networks with branches.

Each function gives a `Sketch` of its part; a branch's line may bend, its boxes never move apart from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from convscope.network.draw import Fork, Grid, Group, Leaf, Node, Side, Strip, dimensions, is_line
from convscope.network.figure import Box, Frame, Line, Sketch, Text
from convscope.network.lettering import shortened, width

SIZE, SMALL = 9.0, 7.5  # letters, in points
_GAP, _BESIDE, _PAD = 11.0, 9.0, 8.0
_ROW, _STRIP = 11.5, 10.0
_MINI = 11.0  # the widest of the small slabs in boxes
_LEAST, _MOST = 74.0, 132.0  # a box's width
PAGE = (482.0, 700.0)  # what a page of A4 leaves between its margins


def columns(figure: Sequence[Node], largest: int) -> Sketch:
    """The figure in the number of columns that makes its letters largest on a page. `largest`: the input's height."""
    parts = [(_side(node, largest) if isinstance(node, Side) else part(node, largest), node) for node in figure]
    best: Sketch | None = None
    for count in range(1, 9):
        sketch = _wrapped(parts, count)
        if best is None or _shrunk(sketch) < 0.97 * _shrunk(best):
            best = sketch
    assert best is not None
    return best


def _shrunk(sketch: Sketch) -> float:
    """By how much a sketch must shrink to fit a page; 1 where it fits as it is."""
    return max(sketch.width / PAGE[0], sketch.height / PAGE[1], 1.0)


def part(node: Node, largest: int) -> Sketch:
    """One node of a column."""
    match node:
        case Leaf():
            return _leaf(node, largest)
        case Fork():
            return _fork(node, largest)
        case Grid():
            return _grid(node, largest)
        case Group():
            return _group(node, largest)
        case Side():
            return _stack([Sketch(2, 2, 1), _side(node, largest)])
    raise AssertionError(node)


def _leaf(node: Leaf, largest: int) -> Sketch:
    if node.kind == "strips":
        wide = min(max(_LEAST, max(width(strip.words, SMALL) for strip in node.strips) + 8), _MOST)
        return _strips(node.strips, wide)
    shape = dimensions(node.shape, node.last)
    first = f"{node.label}: {node.words}" if node.label and node.kind != "input" else node.words
    inner = max(width(first, SIZE), width(shape, SMALL))
    wide = min(max(_LEAST, inner + _MINI + 14), _MOST)
    tall = 2 * _ROW + 5
    room = wide - _MINI - 11
    middle = _MINI + 7 + room / 2
    said = f"{''.join(node.names[:1]) or 'input'}: {node.words}, {shape}"
    box = Box(0, 0, wide, tall, node.role if node.kind != "input" else "input", "box", node.names[:1], said=said)
    texts = (
        Text(middle, 2.5 + _ROW / 2, shortened(first, SIZE, room), SIZE),
        Text(middle, 2.5 + 1.5 * _ROW, shortened(shape, SMALL, room), SMALL, look="quiet"),
    )
    sketch = Sketch(wide, tall, wide / 2, (box, _mini(node, tall, largest)), texts=texts)
    return _under(sketch, node.strips, 0, wide)


def _mini(node: Leaf, tall: float, largest: int) -> Box:
    """The small slab in a box: as high as the root of the map's height, as wide as the logarithm of its channels."""
    room = tall - 6
    if len(node.shape) == 1:
        high = min(1.0, math.log2(node.shape[0] + 1) / 12) * room
        return Box(4 + _MINI / 2 - 1.25, 3 + (room - high) / 2, 2.5, high, node.role, "mini")
    high = max(2.0, room * math.sqrt(min(1.0, node.shape[0] / largest)))
    wide = max(1.5, _MINI * min(1.0, math.log2(node.shape[2] + 1) / 11))
    role = node.role if node.kind != "input" else "input"
    return Box(4 + (_MINI - wide) / 2, 3 + (room - high) / 2, wide, high, role, "mini")


def _strip_rows(strips: Sequence[Strip], wide: float) -> list[list[Strip]]:
    rows: list[list[Strip]] = []
    for strip in strips:
        need = sum(width(other.words, SMALL) + 6 for other in rows[-1]) if rows else math.inf
        if need + width(strip.words, SMALL) + 6 <= wide:
            rows[-1].append(strip)
        else:
            rows.append([strip])
    return rows


def _strips(strips: Sequence[Strip], wide: float) -> Sketch:
    """Strips side by side as far as they fit, then one row under the other."""
    boxes, texts, y = [], [], 0.0
    for row in _strip_rows(strips, wide):
        spare = (wide - sum(width(strip.words, SMALL) + 6 for strip in row)) / len(row)
        x = 0.0
        for strip in row:
            own = width(strip.words, SMALL) + 6 + spare
            boxes.append(
                Box(x, y, own, _STRIP, strip.role, "strip", (strip.name,), said=f"{strip.name}: {strip.words}")
            )
            texts.append(Text(x + own / 2, y + _STRIP / 2, shortened(strip.words, SMALL, own - 4), SMALL))
            x += own
        y += _STRIP
    return Sketch(wide, y, wide / 2, tuple(boxes), texts=tuple(texts))


def _under(sketch: Sketch, strips: Sequence[Strip], x: float, wide: float) -> Sketch:
    if not strips:
        return sketch
    below = _strips(strips, wide).moved(x, sketch.height)
    return Sketch(sketch.width, below.height, sketch.axis).adding([sketch, below])


def _stack(parts: Sequence[Sketch], gap: float = _GAP) -> Sketch:
    """One under the other, their axes in one line, with an arrow from each to the next."""
    axis = max(one.axis for one in parts)
    placed, lines, y = [], [], 0.0
    for number, one in enumerate(parts):
        if number:
            lines.append(Line(((axis, y), (axis, y + gap)), arrow=not one.open))
            y += gap
        placed.append(one.moved(axis - one.axis, y))
        y += one.height
    whole = Sketch(max(one.width for one in placed), y, axis, open=parts[0].open)
    return whole.adding(placed, lines=lines)


def _body(body: Sequence[Node], largest: int) -> Sketch:
    """A sequence; side classifiers stand to the right of what follows them."""
    return _column([(_side(node, largest) if isinstance(node, Side) else part(node, largest), node) for node in body])


def _column(parts: Sequence[tuple[Sketch, Node]]) -> Sketch:
    main: list[Sketch] = []
    sides: list[tuple[int, Sketch]] = []
    for sketch, node in parts:
        if isinstance(node, Side):
            sides.append((len(main), sketch))
        else:
            main.append(sketch)
    if not main:
        main = [Sketch(2, 2, 1)]
    column = _stack(main)
    if not sides:
        return column
    tops, y = [0.0], 0.0
    for one in main:
        y += one.height + _GAP
        tops.append(y)
    x, least = column.width + 2 * _BESIDE, 0.0
    added, lines, bottom = [], [], column.height
    if sides[-1][0] == len(main):  # nothing follows: the column's line goes on far enough to leave from
        bottom += _GAP
        lines.append(Line(((column.axis, column.height), (column.axis, bottom)), arrow=False))
    for after, sketch in sides:
        leaves = tops[after] - _GAP / 2 if after else 0.0
        top = max(leaves + _GAP, least)
        placed = sketch.moved(x, top)
        lines.append(Line(((column.axis, leaves), (placed.axis, leaves), (placed.axis, top)), arrow=False, side=True))
        if top > leaves + _GAP:
            # the line must not run down through the classifier above: it comes down beside it
            lane = x - _BESIDE
            lines[-1] = Line(((column.axis, leaves), (lane, leaves), (lane, top - 5), (placed.axis, top - 5),
                              (placed.axis, top)), arrow=False, side=True)  # fmt: skip
        added.append(placed)
        least, bottom = placed.height + 2 * _GAP, max(bottom, placed.height)
    wide = max(one.width for one in added)
    return Sketch(wide, bottom, column.axis, open=column.open).adding([column, *added], lines=lines)


def _side(node: Side, largest: int) -> Sketch:
    """A side classifier in its frame; entered at the top, left nowhere."""
    body = _body(node.body, largest) if node.body else Sketch(_LEAST, 2, _LEAST / 2)
    heads = [f"{node.label}: training only", f"weight {node.weight:g}"]
    wide = max(body.width + 2 * _PAD, max(width(head, SMALL) for head in heads) + 2 * _PAD)
    top = _GAP + 1
    inner = body.moved((wide - body.width) / 2, top)
    low = inner.height + 4
    texts = tuple(Text(wide / 2, low + 5 + 9.5 * i, head, SMALL, look="quiet") for i, head in enumerate(heads))
    tall = low + 9.5 * len(heads) + 3
    frame = Frame(0, 0, wide, tall, "side", node.names)
    line = Line(((inner.axis, 0), (inner.axis, top)), arrow=not body.open, side=True)
    return Sketch(wide, tall, inner.axis, open=True).adding([inner], lines=[line], frames=[frame], texts=texts)


def _fork(node: Fork, largest: int) -> Sketch:
    lines = [len(branch) == 1 and is_line(branch[0]) for branch in node.branches]
    bodies = [Sketch(2, 0, 1) if line else _body(branch, largest)
              for line, branch in zip(lines, node.branches, strict=True)]  # fmt: skip
    x, placed = 0.0, []
    drop = _GAP + 4
    for body in bodies:
        placed.append(body.moved(x, drop))
        x += body.width + _BESIDE
    wide, low = x - _BESIDE, max(one.height for one in placed)
    solid = [one for one, line in zip(placed, lines, strict=True) if not line]
    if node.kind == "add":
        axis = max(solid, key=lambda one: one.height).axis if solid else placed[0].axis
    else:
        axis = solid[0].axis if len(solid) == 1 else (placed[0].axis + placed[-1].axis) / 2
    merge = _sum(node, axis, wide) if node.kind == "add" else _join(node, placed, axis, wide)
    top = low + _GAP
    merge = merge.moved(0, top)
    left = min(0.0, *(box.x for box in merge.boxes))
    drawn: list[Line] = []
    for one, line in zip(placed, lines, strict=True):
        start = ((axis, 0), (axis, 4), (one.axis, 4)) if one.axis != axis else ((axis, 0),)
        end = _into(node, one.axis, axis, top)
        if line:
            drawn.append(Line((*start, *end)))
        else:
            drawn += [Line((*start, (one.axis, drop)), arrow=not one.open), Line(((one.axis, one.height), *end))]
    names = tuple(name for branch, line in zip(node.branches, lines, strict=True) if line for name in branch[0].names)
    sign = next(box for box in merge.boxes if box.look in ("sum", "bar"))
    boxes = tuple(_named(box, names) if box is sign else box for box in merge.boxes)
    merge = Sketch(merge.width, merge.height, axis, boxes, merge.lines, merge.frames, merge.texts)
    whole = Sketch(max(wide, merge.width), merge.height, axis, open=True).adding([*placed, merge], lines=drawn)
    if left < 0:
        shifted = whole.moved(-left, 0)
        return Sketch(shifted.width, whole.height, axis - left, open=True).adding([shifted])
    return whole


def _named(box: Box, names: tuple[str, ...]) -> Box:
    return Box(box.x, box.y, box.width, box.height, box.role, box.look, (*box.names, *names), box.depth, box.said)


_RADIUS = 6.5


def _sum(node: Fork, axis: float, wide: float) -> Sketch:
    """The sign + in a circle, its strips below it."""
    own = [node.names[0]]
    box = Box(axis - _RADIUS, 0, 2 * _RADIUS, 2 * _RADIUS, "merge", "sum", tuple(own), said=f"{own[0]}: sum")
    sketch = Sketch(max(wide, axis + _RADIUS), 2 * _RADIUS, axis, (box,))
    if not node.strips:
        return sketch
    need = max(52.0, *(width(strip.words, SMALL) + 8 for strip in node.strips))
    below = _strips(node.strips, need).moved(axis - need / 2, 2 * _RADIUS + 4)
    line = Line(((axis, 2 * _RADIUS), (axis, 2 * _RADIUS + 4)), arrow=False)
    return Sketch(max(sketch.width, below.width), below.height, axis).adding([sketch, below], lines=[line])


def _join(node: Fork, placed: Sequence[Sketch], axis: float, wide: float) -> Sketch:
    """A bar that all branches end on."""
    words = f"concat {dimensions(node.shape, node.last)}"
    first, last = placed[0].axis - 8, placed[-1].axis + 8
    spare = width(words, SMALL) + 10 - (last - first)
    if spare > 0:
        first, last = first - spare / 2, last + spare / 2
    long = last - first
    said = f"{node.names[0]}: {words}"
    box = Box(first, 0, long, _STRIP + 2, "merge", "bar", (node.names[0],), said=said)
    text = Text(first + long / 2, (_STRIP + 2) / 2, words, SMALL)
    sketch = Sketch(max(wide, last), _STRIP + 2, axis, (box,), texts=(text,))
    return _under(sketch, node.strips, first, long)


def _into(node: Fork, x: float, axis: float, top: float) -> tuple[tuple[float, float], ...]:
    """The end of a branch's line: onto the bar, or into the circle from above, left or right."""
    if node.kind == "concat":
        return ((x, top),)
    if x == axis:
        return ((axis, top),)
    y = top + _RADIUS
    return ((x, y), (axis + (_RADIUS if x > axis else -_RADIUS), y))


def _group(node: Group, largest: int) -> Sketch:
    """A frame around nodes, its label up the left side and its count at the right."""
    body = _body(node.body, largest)
    left = _PAD + (10 if node.label else 0)
    tall = body.height + 2 * _PAD
    counted = f"× {node.count}" if node.count > 1 else ""
    right = _PAD
    frame_wide = left + body.width + right
    inner = body.moved(left, _PAD)
    texts = []
    if node.label:
        texts.append(
            Text(9, tall / 2, shortened(node.label, SMALL, tall - 6, strong=True), SMALL, look="strong", turned=True)
        )
    wide = frame_wide
    if counted:
        texts.append(Text(frame_wide + 4, tall / 2, counted, SIZE + 1, "start", "strong"))
        wide += 5 + width(counted, SIZE + 1, strong=True)
    frame = Frame(0, 0, frame_wide, tall, "fold" if node.count > 1 else "scope", node.names)
    ports = [
        Line(((inner.axis, 0), (inner.axis, _PAD)), arrow=not body.open),
        Line(((inner.axis, tall - _PAD), (inner.axis, tall)), arrow=False),
    ]
    whole = Sketch(wide, tall, inner.axis, open=True).adding([inner], lines=ports, frames=[frame], texts=texts)
    return _strips_below(whole, node.strips)


def _strips_below(sketch: Sketch, strips: Sequence[Strip]) -> Sketch:
    """Strips of something without a box of its own stand by themselves below it."""
    if not strips:
        return sketch
    wide = max(_LEAST, *(width(strip.words, SMALL) + 8 for strip in strips))
    return _stack([sketch, _strips(strips, wide)])


def _grid(node: Grid, largest: int) -> Sketch:
    """The parts of a picture as cells of a grid, each with its layers; a line comes in from above and leaves below."""
    rows, columns = node.grid
    bodies = [_body(body, largest) if body else Sketch(_LEAST, 2, _LEAST / 2) for body in node.parts]
    wide = max(body.width for body in bodies) + 2 * _PAD
    tall = max(body.height for body in bodies) + 2 * _PAD + _ROW
    top = _ROW + 6
    axis = columns * wide / 2
    cells, frames, texts = [], [], []
    for number, body in enumerate(bodies):
        x, y = (number % columns) * wide, top + (number // columns) * tall
        cells.append(body.moved(x + (wide - body.width) / 2, y + _ROW + _PAD))
        frames.append(Frame(x, y, wide, tall, "cell"))
        texts.append(
            Text(x + 4, y + _ROW / 2 + 1, f"{number // columns + 1}×{number % columns + 1}", SMALL, "start", "quiet")
        )
    words = f"regions {rows}×{columns}, {dimensions(node.shape, node.last)}"
    bar = Box(
        0,
        0,
        max(columns * wide, width(words, SMALL) + 10),
        _STRIP + 2,
        "merge",
        "bar",
        node.names[:1],
        said=f"{node.names[0]}: {words}",
    )
    texts.append(Text(bar.width / 2, bar.height / 2, words, SMALL))
    low = top + rows * tall
    sketch = Sketch(bar.width, low, axis).adding(cells, boxes=[bar], frames=frames, texts=texts)
    return _strips_below(sketch, node.strips)


def _wrapped(parts: Sequence[tuple[Sketch, Node]], count: int) -> Sketch:
    """The parts in `count` columns, about equally high, each joined to the next by a line up between them."""
    runs = _balanced(parts, count)
    x, placed, lines = 0.0, [], []
    top = _GAP if len(runs) > 1 else 0.0
    for run in runs:
        placed.append(_column(run).moved(x, top))
        x = placed[-1].width + 2.6 * _GAP
    low = max(one.height for one in placed)
    for run, before, after in zip(runs, placed, placed[1:], strict=False):
        main = _stack([sketch for sketch, node in run if not isinstance(node, Side)] or [Sketch(2, 2, 1)]).height + top
        end = before.height + _GAP
        lane = before.width + 1.3 * _GAP
        way = ((before.axis, main), (before.axis, end), (lane, end), (lane, 0), (after.axis, 0), (after.axis, top))
        lines.append(Line(way, arrow=not after.open))
    return Sketch(placed[-1].width, low + top, placed[0].axis).adding(placed, lines=lines)


def _balanced(parts: Sequence[tuple[Sketch, Node]], count: int) -> list[list[tuple[Sketch, Node]]]:
    """The parts in order in at most `count` runs, the highest as low as can be."""

    def cut(limit: float) -> list[list[tuple[Sketch, Node]]]:
        runs: list[list[tuple[Sketch, Node]]] = [[]]
        for one in parts:
            if runs[-1] and not isinstance(one[1], Side) and _high([*runs[-1], one]) > limit:
                runs.append([])
            runs[-1].append(one)
        return runs

    low, high = max(sketch.height for sketch, _ in parts), _high(parts)
    for _ in range(24):
        middle = (low + high) / 2
        if len(cut(middle)) <= count:
            high = middle
        else:
            low = middle
    return cut(high)


def _high(parts: Iterable[tuple[Sketch, Node]]) -> float:
    return sum(sketch.height + _GAP for sketch, node in parts if not isinstance(node, Side)) - _GAP
