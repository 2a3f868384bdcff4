"""A figure as a file: well-formed, self-contained, with everything escaped, in every format."""

from __future__ import annotations

import io
import re
import sys
import time
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from PIL import Image

from convscope.errors import ConvscopeError
from convscope.network.compose import draw
from convscope.network.figure import Drawing, Text
from convscope.network.shapes import resolve
from convscope.network.source import text_of, zoo
from convscope.notation import parse, write_out
from convscope.report import paper
from convscope.report.drawing import COLOURS, darker, lighter, to_svg

SVG = "{http://www.w3.org/2000/svg}"
CHAIN = "input 28x28x1\nconv 5x5 6, tanh, maxpool 2, dense 10"
BRANCHES = "input 28x28x1\nres: 2 * ( add( conv 3x3 1, bn | identity ), relu ), aux ( gap ), gap"


def drawing(text: str, title: str = "a net") -> Drawing:
    return draw(resolve(write_out(parse(text))), title)


@pytest.mark.parametrize("name", zoo())
def test_every_network_of_the_zoo(name: str) -> None:
    sizes = resolve(write_out(parse(text_of(name))))
    start = time.process_time()
    svg = to_svg(draw(sizes, name))
    assert time.process_time() - start < 2
    assert len(svg.encode()) < 500_000
    root = ElementTree.fromstring(svg.encode())
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title") == name
    assert root.attrib["role"] == "img"
    assert {node.tag.removeprefix(SVG) for node in root.iter()} <= {
        "svg", "title", "desc", "rect", "g", "polyline", "polygon", "text", "circle", "path"}  # fmt: skip
    assert "href" not in svg
    assert "url(" not in svg


@pytest.mark.parametrize("text", [CHAIN, BRANCHES])
def test_what_is_written_is_escaped(text: str) -> None:
    whole = drawing(text, 'R&D <"猫">')
    sketch = whole.sketch
    whole = replace(whole, sketch=replace(sketch, texts=(*sketch.texts, Text(9, 9, "<b>卷积 & 1", 9))))
    root = ElementTree.fromstring(to_svg(whole))
    assert root.findtext(f"{SVG}title") == 'R&D <"猫">'
    assert "<b>卷积 & 1" in [node.text for node in root.iter(f"{SVG}text")]


def test_each_layer_says_what_it_is() -> None:
    said = [node.text for node in ElementTree.fromstring(to_svg(drawing(BRANCHES))).iter(f"{SVG}title")]
    assert "res.1.conv1: conv 3×3, 28×28×1" in said
    assert "res.1.bn1: bn" in said


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("role", COLOURS)
def test_letters_can_be_read_on_every_colour(role: str) -> None:
    face, edge = COLOURS[role]
    assert (luminance(face) + 0.05) / (luminance("#555555") + 0.05) >= 4.5
    assert (luminance(face) + 0.05) / (luminance(edge) + 0.05) >= 2.5


def test_shades() -> None:
    assert (darker("#ffffff", 0.5), lighter("#000000", 0.5)) == ("#808080", "#808080")


@pytest.mark.parametrize("text", [CHAIN, BRANCHES])
def test_pdf(text: str) -> None:
    pytest.importorskip("reportlab")
    whole = drawing(text)
    pdf = paper.to_pdf(whole)
    assert pdf.startswith(b"%PDF-")
    assert b"/FontFile2" in pdf  # the letters' font is embedded
    assert re.search(rb"/MediaBox \[ 0 0 (\d+) (\d+) \]", pdf)
    assert pdf == paper.to_pdf(whole)


@pytest.mark.parametrize("text", [CHAIN, BRANCHES])
def test_png(text: str) -> None:
    pytest.importorskip("resvg_py")
    whole = drawing(text)
    with Image.open(io.BytesIO(paper.to_png(whole))) as picture:
        assert picture.width == pytest.approx(whole.width * 300 / 72, abs=2)
        assert picture.height == pytest.approx(whole.height * 300 / 72, abs=2)
        assert picture.convert("RGBA").getchannel("A").getextrema() == (255, 255), "paper is white to the edge"
        grey = picture.convert("L")
        assert min(grey.tobytes()) < 60
        assert max(grey.tobytes()) == 255
        letters = next(text for text in whole.sketch.texts if text.words == "gap" or "conv" in text.words)
        x, y = letters.x * 300 / 72, letters.y * 300 / 72
        assert min(grey.crop((int(x - 40), int(y - 12), int(x + 40), int(y + 12))).tobytes()) < 80


@pytest.mark.parametrize(("module", "write", "what"), [("reportlab", "to_pdf", "PDF"), ("resvg_py", "to_png", "PNG")])
def test_a_missing_extra_is_named(module: str, write: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConvscopeError, match=rf'{what} needs an extra: pip install "convscope\[draw\]"\. Without it'):
        getattr(paper, write)(drawing(CHAIN))
