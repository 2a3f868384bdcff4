"""A drawing as SVG that stands alone: no script, no style sheet, nothing from elsewhere; letters stay letters.

Colours are tints that stay apart in grey and for the colour-blind (after M. Okabe and K. Ito), and every box says its
kind in words besides.
"""

from __future__ import annotations

from typing import Final

from convscope.network.figure import Box, Drawing, Frame, Line, Text
from convscope.report.markup import Markup, escaped, tag

FONTS: Final = (
    "Arial, Helvetica, 'Liberation Sans', 'Noto Sans', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
)
FONTS_WRITTEN: Final = escaped(FONTS)
# role: (face, edge)
COLOURS: Final[dict[str, tuple[str, str]]] = {
    "input": ("#f6f6f6", "#555555"),
    "convolution": ("#d3e5f3", "#2b6a9b"),
    "pooling": ("#f9d9b8", "#b5651d"),
    "dense": ("#cbe6d4", "#2a7d52"),
    "normalisation": ("#e6dcf0", "#77559c"),
    "activation": ("#fbf1bd", "#96802a"),
    "dropout": ("#e3e3e3", "#707070"),
    "other": ("#f3f3f3", "#707070"),
    "merge": ("#ffffff", "#333333"),
}
INK: Final = {"plain": "#1a1a1a", "strong": "#1a1a1a", "quiet": "#555555"}
LINE, SIDE = "#333333", "#8a8a8a"
HEAD = 3.6  # an arrow's head, along its line


def to_svg(drawing: Drawing) -> str:
    """The drawing as the text of an .svg file."""
    sketch = drawing.sketch
    parts = [
        *(_frame(frame) for frame in sketch.frames),
        *(_line(line) for line in sketch.lines),
        *(_box(box) for box in sketch.boxes),
        *(_text(text) for text in sketch.texts),
    ]
    svg = tag(
        "svg",
        tag("title", drawing.title),
        tag("desc", drawing.about),
        tag("rect", width="100%", height="100%", fill="#ffffff"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        width=f"{short(drawing.width)}pt",
        height=f"{short(drawing.height)}pt",
        viewBox=f"0 0 {short(drawing.width)} {short(drawing.height)}",
        role="img",
        font_family=FONTS,
        font_size="9",
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{svg}\n'


def short(value: float) -> str:
    """A length with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def darker(colour: str, share: float) -> str:
    """A colour with that share of black."""
    return "#" + "".join(f"{round(int(colour[i : i + 2], 16) * (1 - share)):02x}" for i in (1, 3, 5))


def lighter(colour: str, share: float) -> str:
    """A colour with that share of white."""
    return "#" + "".join(f"{round(255 - (255 - int(colour[i : i + 2], 16)) * (1 - share)):02x}" for i in (1, 3, 5))


def faces(box: Box) -> list[tuple[list[tuple[float, float]], str]]:
    """Front, top and right side of a slab, each as its corners and colour; without depth the front alone."""
    face, _ = COLOURS[box.role]
    right, up = slant(box)
    x, y, wide, tall = box.x, box.y + up, box.width - right, box.height - up
    front = [(x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall)]
    if not box.depth:
        return [(front, face)]
    top = [(x, y), (x + right, y - up), (x + right + wide, y - up), (x + wide, y)]
    side = [(x + wide, y), (x + wide + right, y - up), (x + wide + right, y + tall - up), (x + wide, y + tall)]
    found = [(front, face), (top, darker(face, 0.06)), (side, darker(face, 0.16))]
    return found[:2] if box.look == "slice" else found  # the side is the slab's that it lies on


def slant(box: Box) -> tuple[float, float]:
    """How far to the right and up a slab's back stands."""
    return box.depth * 0.34, box.depth * 0.30


def _box(box: Box) -> Markup:
    face, edge = COLOURS[box.role]
    said = tag("title", box.said) if box.said else ""
    x, y, wide, tall = short(box.x), short(box.y), short(box.width), short(box.height)
    if box.look in ("slab", "slice"):
        shapes = [tag("polygon", points=_points(points), fill=colour) for points, colour in faces(box)]
        return tag("g", said, *shapes, stroke=edge, stroke_width="0.6", stroke_linejoin="round")
    if box.look == "sum":
        r = box.width / 2
        cx, cy = box.x + r, box.y + r
        arm = r * 0.55
        plus = f"M{short(cx - arm)} {short(cy)}H{short(cx + arm)}M{short(cx)} {short(cy - arm)}V{short(cy + arm)}"
        circle = tag("circle", cx=short(cx), cy=short(cy), r=short(r), fill=face)
        return tag("g", said, circle, tag("path", d=plus), stroke=edge, stroke_width="0.9")
    if box.look == "mini":
        return tag("rect", x=x, y=y, width=wide, height=tall, fill=lighter(edge, 0.25))
    corner = {"box": 2, "bar": 1}.get(box.look)
    edge_width = "0.8" if box.look in ("box", "bar") else "0.6"
    return tag(
        "rect", said, x=x, y=y, width=wide, height=tall, rx=corner, fill=face, stroke=edge, stroke_width=edge_width
    )


def _line(line: Line) -> Markup:
    colour = SIDE if line.side else LINE
    parts = [tag("polyline", points=_points(shaft(line)), fill="none", stroke=colour, stroke_width="0.9",
                 stroke_linejoin="round", stroke_dasharray="3 2" if line.side else None)]  # fmt: skip
    if line.arrow:
        parts.append(tag("polygon", points=_points(head(line)), fill=colour))
    return parts[0] if len(parts) == 1 else tag("g", *parts)


def _unit(line: Line) -> tuple[float, float]:
    (a, b), (c, d) = line.points[-2:]
    long = max(abs(c - a), abs(d - b)) or 1.0
    return (c - a) / long, (d - b) / long


def shaft(line: Line) -> list[tuple[float, float]]:
    """A line's points; one with a head ends inside it."""
    if not line.arrow:
        return list(line.points)
    across, down = _unit(line)
    x, y = line.points[-1]
    return [*line.points[:-1], (x - across * HEAD * 0.8, y - down * HEAD * 0.8)]


def head(line: Line) -> list[tuple[float, float]]:
    """The three corners of a line's head; its last stretch is level or upright."""
    across, down = _unit(line)
    x, y = line.points[-1]
    back, half = (x - across * HEAD, y - down * HEAD), HEAD * 0.45
    return [(x, y), (back[0] - down * half, back[1] + across * half), (back[0] + down * half, back[1] - across * half)]


FRAMES: Final = {
    "scope": ("#f7f8fa", "#c3c9d1", None),
    "fold": ("#f1f4f8", "#8d99a8", "4 2"),
    "cell": ("none", "#8d99a8", None),
    "side": ("#fbfbfb", "#8a8a8a", "3 2"),
}


def _frame(frame: Frame) -> Markup:
    face, edge, dashes = FRAMES[frame.look]
    return tag("rect", x=short(frame.x), y=short(frame.y), width=short(frame.width), height=short(frame.height),
               rx=4 if frame.look != "cell" else None, fill=face, stroke=edge, stroke_width="0.8",
               stroke_dasharray=dashes)  # fmt: skip


def _text(text: Text) -> Markup:
    x, y = short(text.x), short(text.y)
    return tag(
        "text",
        text.words,
        x=x,
        y=y,
        dy="0.35em",
        font_size=short(text.size) if text.size != 9 else None,
        text_anchor=text.anchor if text.anchor != "start" else None,
        font_weight="bold" if text.look == "strong" else None,
        fill=INK[text.look],
        transform=f"rotate(-90 {x} {y})" if text.turned else None,
    )


def _points(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{short(x)},{short(y)}" for x, y in points)
