"""Axes whose ticks can be read, and drawings that are where the numbers are."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from convscope.report.markup import Markup
from convscope.report.matrix import matrix
from convscope.report.svg import Axis, Curve, bar, chart, linear, logarithmic, scale_from, stretched


def drawn(svg: Markup) -> ElementTree.Element:
    """The drawing as a tree: it must be well-formed."""
    return ElementTree.fromstring(svg)


@pytest.mark.parametrize("seed", range(50))
def test_ticks_are_few_round_rising_and_around_the_values(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = (10 ** random.uniform(-6, 3) * random.lognormal(0, random.choice([0.01, 1, 3]), 20)).tolist()
    accuracies = random.beta(50, random.choice([0.2, 2, 50]), 20).tolist()
    axes = [linear("x", values), logarithmic("x", values), linear("x", accuracies, percent=True)]
    for axis, of in zip(axes, (values, values, accuracies), strict=True):
        places = [value for value, _ in axis.ticks]
        assert places == sorted(set(places))
        assert 2 <= len(places) <= 9
        assert axis.low <= min(of)
        assert max(of) <= axis.high
        assert len({word for _, word in axis.ticks}) == len(places)
    top = stretched("x", accuracies, 1e-4)
    assert top.low <= min(accuracies)
    assert max(accuracies) <= top.high
    assert [value for value, _ in top.ticks] == sorted({value for value, _ in top.ticks})


def test_places() -> None:
    axis = linear("x", [0, 10])
    assert [axis.at(v, 100, 200) for v in (0, 5, 10, -3, 99)] == [100, 150, 200, 100, 200]
    assert logarithmic("x", [0.01, 1]).at(0.1, 0, 10) == pytest.approx(5)
    top = stretched("x", [0.9, 0.999], 1e-5)
    assert top.at(0.99, 0, 10) == pytest.approx(5)
    assert [word for _, word in stretched("x", [0.97, 1.0], 0.002).ticks][-1] == "100 %"
    assert Axis("x", float, [], 1, 1).at(1, 0, 10) == 5


def test_axes_of_nothing_and_of_one_value() -> None:
    for axis in (
        linear("x", []),
        linear("x", [0.0]),
        linear("x", [3.0]),
        logarithmic("x", []),
        logarithmic("x", [2.0]),
    ):
        assert axis.low < axis.high
    assert linear("x", [float("nan"), 1.0, 2.0]).high == 2


def test_a_chart_has_its_curves_band_and_mark() -> None:
    x, y = [1.0, 2.0, 3.0], [0.5, float("nan"), 0.9]
    curves = [Curve("a", "validation", x, y, [v - 0.1 for v in y], [v + 0.1 for v in y], said=["<1>", "2", "3"])]
    svg = chart(curves, linear("epoch", x), linear("y", [0, 1]), "t<", (2.0, "best"))
    tree = drawn(svg)
    assert tree.find("title").text == "t<"  # type: ignore[union-attr]
    assert len(tree.findall("circle")) == 2  # what is not finite is left out
    assert [point.find("title").text for point in tree.findall("circle")] == ["<1>", "3"]  # type: ignore[union-attr]
    assert len(tree.findall("polyline")) == len(tree.findall("polygon")) == 1
    assert "nan" not in svg
    assert "best" in svg


def test_one_epoch_is_a_point_with_a_whisker() -> None:
    tree = drawn(chart([Curve("a", "train", [1], [0.5], [0.4], [0.6])], linear("e", [0, 1]), linear("y", [0, 1]), "t"))
    assert len(tree.findall("circle")) == 1
    assert sum(line.get("class") == "whisker train" for line in tree.findall("line")) == 1


def test_labels_of_an_upright_axis_never_touch() -> None:
    axis = stretched("y", [0.0, 1.0], 1e-5)
    tree = drawn(chart([], linear("x", [0, 1]), axis, "t"))
    heights = sorted(
        float(t.get("y", "")) for t in tree.findall("text") if t.get("text-anchor") == "end" and t.get("dy")
    )
    assert all(b - a >= 17 for a, b in itertools.pairwise(heights))
    assert len(heights) > 4


def test_a_bar_is_to_scale() -> None:
    rects = {r.get("class"): r for r in drawn(bar(0.95, 0.92, 0.98, 0.9)).findall("rect")}
    assert float(rects["range"].get("x", "")) == pytest.approx(20)
    assert float(rects["range"].get("width", "")) == pytest.approx(60)
    assert float(rects["value"].get("x", "")) + 0.75 == pytest.approx(50, abs=0.1)
    assert [scale_from(low) for low in (0.0, 0.3, 0.7, 0.947, 0.979, 0.9986)] == [0, 0, 0.5, 0.9, 0.95, 0.99]
    drawn(bar(0, 0, 1, 0.99))


@pytest.mark.parametrize("size", [1, 2, 10, 20, 21, 30, 31, 100, 200])
def test_matrices(size: int) -> None:
    random = np.random.default_rng(size)
    counts = np.diag(random.integers(0, 200, size)) + (random.random((size, size)) < 0.1)
    names = [f"<class {i}> 猫" for i in range(size)]
    svg = matrix(counts.astype(np.int64), names)
    tree = drawn(svg)
    cells = [r for r in tree.findall("rect") if r.get("class") in ("right", "wrong")]
    assert len(cells) == np.count_nonzero(counts)
    right = [r for r in cells if r.get("class") == "right"]
    assert len(right) == np.count_nonzero(np.diag(counts))
    assert sum((t.get("class") or "").startswith("count") for t in tree.findall("text")) == (
        len(cells) if size <= 20 else 0
    )
    assert ("&lt;class 0&gt; 猫" in svg) or not counts[0].any()
    assert re.search(r"<class", svg) is None
    assert len(svg) < 200 * (len(cells) + 2 * size) + 2000
    width, height = map(float, tree.get("viewBox", "").split()[2:])
    for cell in cells:
        assert float(cell.get("x", "")) + float(cell.get("width", "")) <= width
        assert float(cell.get("y", "")) + float(cell.get("height", "")) <= height


def test_a_matrix_says_each_cell() -> None:
    svg = matrix(np.array([[3, 1], [0, 4]]), ["cat", "dog"])
    assert "cat right: 3 of 4" in svg
    assert "cat taken for dog: 1 of 4" in svg
    assert "dog right: 4 of 4" in svg
