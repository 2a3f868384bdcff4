"""From shapes to a whole drawing: which of the two styles, the key of colours, the sentence on scale, the canvas."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convscope.errors import ConvscopeError
from convscope.network.draw import Leaf, Node, is_line, leaves, nodes
from convscope.network.figure import Box, Drawing, Sketch, Text
from convscope.network.lettering import shortened, width
from convscope.network.place import SMALL, columns
from convscope.network.shapes import Sizes, show
from convscope.network.slabs import rows, scale_of

STYLES = ("auto", "scale", "plain")
_MARGIN, _SWATCH = 8.0, 8.0
_LONGEST = 24  # slabs in a figure that nobody asked to be of slabs
_ORDER = ("convolution", "pooling", "dense", "normalisation", "activation", "dropout", "other")


def draw(sizes: Sizes, title: str = "", style: str = "auto", unfold: bool = False) -> Drawing:
    """A figure of a network.

    style: "scale" for slabs to scale, from left to right, which take a chain; "plain" for boxes from top to bottom;
    "auto" for slabs where the network is a chain of at most 24. Raises ConvscopeError for "scale" and branches.
    """
    figure = nodes(sizes, unfold=True)
    chain = [node for node in leaves(figure) if isinstance(node, Leaf)]
    is_chain = all(isinstance(node, Leaf) or not node.names for node in leaves(figure))
    if style == "scale" and not is_chain:
        raise ConvscopeError("--style scale draws a chain of layers. This network has branches: use --style plain.")
    if style == "scale" or (style == "auto" and is_chain and len(chain) <= _LONGEST):
        sketch, foot = rows(chain), scale_of(chain).said
    else:
        figure = nodes(sizes, unfold=unfold)
        sketch = columns(figure, sizes.input[0])
        foot = "small slabs: height as the root of the map's height, width as the logarithm of the channels"
    return _finished(sketch, figure, foot, title, sizes)


def _finished(sketch: Sketch, figure: Sequence[Node], foot: str, title: str, sizes: Sizes) -> Drawing:
    wide = max(sketch.width, 150.0)
    key = _key(figure, foot, wide)
    body = sketch.moved((wide - sketch.width) / 2, 0).adding([key.moved(0, sketch.height + 14)])
    canvas = (math.ceil(wide + 2 * _MARGIN), math.ceil(sketch.height + 14 + key.height + 2 * _MARGIN))
    named = title or "a network"
    count = sum(1 for row in sizes.rows)
    about = f"{named}: input {show(sizes.input)}, output {show(sizes.output)}, {count} layers."
    return Drawing(canvas[0], canvas[1], body.moved(_MARGIN, _MARGIN), named, about)


def _key(figure: Sequence[Node], foot: str, wide: float) -> Sketch:
    """The colours that the figure has, each with its word, in as many lines as they take; then what is to scale."""
    drawn = [node for node in leaves(figure) if isinstance(node, Leaf) and not is_line(node)]
    roles = {node.role for node in drawn if node.kind not in ("input", "strips")}
    used: set[str] = {*roles, *(strip.role for node in leaves(figure) for strip in node.strips)}
    boxes, texts = [], []
    x = y = 0.0
    for role in (role for role in _ORDER if role in used):
        need = _SWATCH + 4 + width(role, SMALL)
        if x and x + need > wide:
            x, y = 0.0, y + 12
        boxes.append(Box(x, y, _SWATCH, _SWATCH, role, "swatch"))
        texts.append(Text(x + _SWATCH + 4, y + _SWATCH / 2, role, SMALL, "start"))
        x += need + 12
    y += 12
    for line in _broken(foot, wide):
        texts.append(Text(0, y + _SWATCH / 2, line, SMALL, "start", "quiet"))
        y += 10
    return Sketch(wide, y, 0, tuple(boxes), texts=tuple(texts))


def _broken(sentence: str, wide: float) -> list[str]:
    lines: list[str] = []
    for word in sentence.split():
        if lines and width(f"{lines[-1]} {word}", SMALL) <= wide:
            lines[-1] += f" {word}"
        else:
            lines.append(shortened(word, SMALL, wide))
    return lines
