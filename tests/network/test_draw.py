"""Figures of every network of the zoo: nothing overlaps, nothing is missing, nothing leaves the canvas."""

from __future__ import annotations

import itertools
from functools import cache

import pytest

from convscope.errors import ConvscopeError
from convscope.network.compose import draw
from convscope.network.draw import LOOKS, Group, Leaf, leaves, nodes
from convscope.network.figure import Box, Drawing, Frame, Text
from convscope.network.lettering import shortened, width
from convscope.network.shapes import Sizes, resolve
from convscope.network.source import text_of, zoo
from convscope.notation import parse, write_out
from convscope.notation.kinds import KINDS

EXAMPLES = {
    "regions": "input 28x28x1\nconv 3x3 8, relu, regions 2x2 ( conv 3x3 8, relu, maxpool 2 ), gelu, gap, dense 9",
    "many regions": "input 24x24x3, classes 10\nregions 3x4 ( conv 3x3 8 ), gap, dense",
    "bare": "input 8x8x1\nrelu",
    "one layer": "input 8x8x1\ndense 3",
    "strips first": "input 8x8x3\nbn, relu, conv 3x3 4, add( bn, relu, conv 3x3 4 | identity ), softmax, gap, dense 2",
    "only lines": "input 8x8x3\nadd( identity | identity ), concat( identity | identity )",
    "nested": (
        "input 32x32x3, classes 10\nbn, conv 3x3 16, relu\n"
        "res: add( conv 3x3 16, bn, relu, conv 3x3 16 | identity | conv 1x1 16 )\n"
        "mid: 3 * ( add( concat( conv 3x3 8 | conv 1x1 4 | identity 32, maxpool 3 /1 same ), "
        "conv 1x1 16 | identity ), relu )\n"
        "identity 32 /2, scale 0.5, aux weight=0.1 ( gap, dense ), gap, aux ( dense ), aux ( dense ), dense"
    ),
    "aux last": "input 8x8x3, classes 10\ngap, dense, aux ( dense )",
    "aux first": "input 8x8x3, classes 10\naux ( gap, dense ), aux ( gap, dense ), gap, dense",
    "aux inside": "input 8x8x3, classes 4\nadd( conv 3x3 4, aux ( gap, dense ), relu | conv 1x1 4 ), gap, dense",
    "long label": f"input 8x8x3\n{'a' * 80}: conv 3x3 4\n{'b' * 90}: ( add( relu | identity ), relu ), gap, dense 4",
    "shapes of one axis": "input 8x8x3\nflatten, concat( dense 4, tanh | dense 1000 ), 5 * ( dense 9, relu ), dense 4",
    "wide": f"input 64x64x3, classes 4\nconcat( {' | '.join(f'conv 1x1 {n}' for n in range(1, 13))} ), gap, dense",
    "oblong": "input 3x400x1, classes 4\nconv 1x9 8 /1x4, conv 3x1 8 dilation=1x2, gap, dense",
}
NETWORKS = [*EXAMPLES, *zoo()]
EPSILON = 0.05
Area = tuple[float, float, float, float]


@cache
def sizes_of(name: str) -> Sizes:
    return resolve(write_out(parse(EXAMPLES.get(name) or text_of(name))))


@cache
def drawing_of(name: str, style: str = "auto", unfold: bool = False) -> Drawing:
    return draw(sizes_of(name), name, style, unfold)


def area(text: Text) -> Area:
    """The place that a text takes, by the estimate of its width: left, top, right, bottom."""
    long, high = width(text.words, text.size, text.look == "strong"), 0.9 * text.size
    left = {"start": 0.0, "middle": -long / 2, "end": -long}[text.anchor]
    if text.turned:
        return text.x - high / 2, text.y - left - long, text.x + high / 2, text.y - left
    return text.x + left, text.y - high / 2, text.x + left + long, text.y + high / 2


def meet(one: Area, two: Area) -> bool:
    return min(one[2], two[2]) - max(one[0], two[0]) > EPSILON and min(one[3], two[3]) - max(one[1], two[1]) > EPSILON


def within(inner: Area, outer: Area) -> bool:
    return (
        inner[0] >= outer[0] - EPSILON
        and inner[1] >= outer[1] - EPSILON
        and inner[2] <= outer[2] + EPSILON
        and inner[3] <= outer[3] + EPSILON
    )


def meeting(areas: list[Area]) -> list[tuple[Area, Area]]:
    """The pairs that overlap: a sweep from left to right, since a figure may have thousands."""
    found: list[tuple[Area, Area]] = []
    active: list[Area] = []
    for one in sorted(areas):
        active = [other for other in active if other[2] > one[0] + EPSILON]
        found += [(other, one) for other in active if meet(one, other)]
        active.append(one)
    return found


def solid(drawing: Drawing) -> list[Area]:
    """What stands for itself: no small slab in a box, no slice of a slab."""
    return [
        (box.x, box.y, box.x + box.width, box.y + box.height)
        for box in drawing.sketch.boxes
        if box.look not in ("mini", "slice")
    ]


CASES = [(name, "auto", False) for name in NETWORKS] + [(name, "plain", True) for name in NETWORKS]


@pytest.mark.parametrize(("name", "style", "unfold"), CASES)
def test_every_layer_is_in_it(name: str, style: str, unfold: bool) -> None:
    sketch = drawing_of(name, style, unfold).sketch
    parts: list[Box | Frame] = [*sketch.boxes, *sketch.frames]
    drawn = {layer for part in parts for layer in part.names}
    assert {row.item.name for row in sizes_of(name).rows} == drawn
    if unfold or style == "scale":
        boxes = [layer for box in sketch.boxes for layer in box.names]
        assert len(boxes) == len(set(boxes))


@pytest.mark.parametrize(("name", "style", "unfold"), CASES)
def test_nothing_overlaps(name: str, style: str, unfold: bool) -> None:
    drawing = drawing_of(name, style, unfold)
    boxes = solid(drawing)
    assert meeting(boxes) == []
    texts = [(text, area(text)) for text in drawing.sketch.texts]
    assert meeting([place for _, place in texts]) == []
    lines = [
        (min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))
        for line in drawing.sketch.lines
        for a, b in itertools.pairwise(line.points)
    ]
    inner = [(x + 0.5, y + 0.5, right - 0.5, low - 0.5) for x, y, right, low in boxes]
    for at, one in enumerate(lines):
        thick = (one[0] - 0.1, one[1] - 0.1, one[2] + 0.1, one[3] + 0.1)
        assert not [box for box in inner if meet(thick, box)], (at, one)
        assert not [text.words for text, place in texts if meet(thick, place)], (at, one)
    for text, place in texts:
        assert all(within(place, box) for box in boxes if meet(place, box)), text


@pytest.mark.parametrize(("name", "style", "unfold"), CASES)
def test_the_canvas_holds_everything(name: str, style: str, unfold: bool) -> None:
    drawing = drawing_of(name, style, unfold)
    canvas = (4.0, 4.0, drawing.width - 4, drawing.height - 4)
    sketch = drawing.sketch
    parts: list[Box | Frame] = [*sketch.boxes, *sketch.frames]
    for part in parts:
        assert within((part.x, part.y, part.x + part.width, part.y + part.height), canvas), part
    for text in sketch.texts:
        assert within(area(text), canvas), text
    for line in sketch.lines:
        assert all(within((x, y, x, y), canvas) for x, y in line.points), line


def test_each_kind_has_a_look() -> None:
    assert set(LOOKS) == set(KINDS)


@pytest.mark.parametrize("name", zoo())
def test_how_large_a_figure_is(name: str) -> None:
    """Folded, each network of the zoo fits a page with letters that can be read: 9 points become no less than 3.9."""
    drawing = drawing_of(name)
    assert max(drawing.width / 482, drawing.height / 700) <= 9 / 3.9


def test_turns_that_are_alike_are_one() -> None:
    groups = [node for node in leaves(nodes(sizes_of("resnet152"))) if isinstance(node, Group)]
    assert {(group.label, group.count) for group in groups} >= {("", 2), ("", 7), ("", 35), ("layer3", 1)}
    dense = [node for node in nodes(sizes_of("densenet121")) if isinstance(node, Group) and node.count > 1]
    assert [(group.label, group.count) for group in dense] == [
        ("block1", 6), ("block2", 12), ("block3", 24), ("block4", 16)]  # fmt: skip
    words = {text.words for text in drawing_of("densenet121").sketch.texts}
    assert {"× 6", "× 24", "concat 56×56×96–256"} <= words
    whole = leaves(nodes(sizes_of("resnet152"), unfold=True))
    assert not [node for node in whole if isinstance(node, Group) and node.count > 1]


def test_turns_of_other_shapes_are_not_folded() -> None:
    """Strided turns have the same settings, and other heights."""
    sizes = resolve(write_out(parse("input 64x64x3\n4 * ( conv 3x3 8 /2, relu )")))
    assert not [node for node in nodes(sizes) if isinstance(node, Group)]
    sizes = resolve(write_out(parse("input 64x64x8\n4 * ( conv 3x3 8, relu )")))
    assert [node.count for node in nodes(sizes) if isinstance(node, Group)] == [4]


def test_what_is_written() -> None:
    words = [text.words for text in drawing_of("nested", "plain").sketch.texts]
    said = {
        "conv 3×3",
        "32×32×16",
        "× 3",
        "mid",
        "res",
        "scale 0.5",
        "identity /2",
        "aux1: training only",
        "weight 0.1",
    }
    assert said <= set(words)
    oblong = [text.words for text in drawing_of("oblong", "plain").sketch.texts]
    assert {"conv 1×9 /1×4", "conv 3×1 dilation 1×2"} <= set(oblong)
    assert "maxpool 2×2" in [node.words for node in nodes(sizes_of("vgg16"), unfold=True) if isinstance(node, Leaf)]
    assert any("depthwise" in node.words for node in leaves(nodes(sizes_of("mobilenet_v2"))) if isinstance(node, Leaf))


def test_slabs_are_to_scale() -> None:
    """Heights are proportional where they can be, and go as the root where the highest map is 12 times the least."""
    boxes = {name: box for box in drawing_of("lenet5").sketch.boxes if box.look == "slab" for name in box.names}
    fronts = {name: box.height - 0.30 * box.depth for name, box in boxes.items()}
    assert fronts["c1"] / fronts["s2"] == pytest.approx(2)
    assert fronts["c1"] / fronts["c3"] == pytest.approx(2.8)
    said = [text.words for text in drawing_of("vgg16").sketch.texts]
    assert any("the root of the map's height" in line for line in said)


def test_slabs_take_a_chain() -> None:
    with pytest.raises(ConvscopeError, match=r"--style scale draws a chain of layers\. This network has branches"):
        drawing_of("resnet18", "scale")


@pytest.mark.parametrize("look", ["plain", "strong"])
def test_letters_are_no_wider_than_thought(look: str) -> None:
    metrics = pytest.importorskip("reportlab.pdfbase.pdfmetrics")
    font = "Helvetica-Bold" if look == "strong" else "Helvetica"
    texts = [text for name in NETWORKS for text in drawing_of(name).sketch.texts]
    found = [text for text in texts if (text.look == "strong") == (look == "strong")]
    assert found
    for text in found:
        known = text.words.replace("×", "+")  # which is as wide, and in that font's table
        assert (
            metrics.stringWidth(known, font, text.size) <= width(text.words, text.size, text.look == "strong") + 1e-6
        ), text.words


def test_what_is_too_long_is_cut() -> None:
    assert shortened("conv 3×3", 9, 100) == "conv 3×3"
    cut = shortened("a" * 99, 9, 50)
    assert cut.endswith("a…")
    assert width(cut, 9) <= 50
    assert width("卷积", 10) >= 20
