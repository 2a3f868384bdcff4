"""The page of one picture looked into: its numbers are the trace's, it asks nobody for anything, and a browser shows it
whole at every width, in light and dark."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import browser as chromium
import convscope as cs
from convscope.data.preprocess import Preprocess
from convscope.explain.explanation import Asked
from convscope.report.explained import heat, lines
from convscope.report.explanation import text
from convscope.report.frame import POLICY
from convscope.report.trace import MAPS
from convscope.report.trace_text import cell, long, steps
from report.test_html import read

HOSTILE = (
    '<img src="https://evil.example/x" onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "猫 of a name" * 9,
)
NET = "conv 3x3 6, bn, relu, maxpool 2, add(conv 3x3 6, relu | identity), conv 3x3 8, relu, gap, dropout 0.3, dense"


def classifier(channels: int = 3, size: int = 20, classes: tuple[str, ...] = HOSTILE) -> cs.Classifier:
    net = cs.Network(NET, input=(size, size, channels), classes=len(classes), seed=1)
    for module in net.modules():  # so that its own numbers show
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return cs.Classifier(
        net, Preprocess((size, size), channels, mean=(0.4,) * channels, std=(0.2,) * channels), classes
    )


def some(height: int = 30, width: int = 44, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.fixture(scope="module")
def explanation() -> cs.Explanation:
    torch.manual_seed(0)
    found = cs.explain(classifier(), some())
    found.name = HOSTILE[0]
    return found


@pytest.fixture(scope="module")
def page(explanation: cs.Explanation) -> str:
    return text(explanation)


def words(page: str) -> str:
    """What a reader sees of a page."""
    return " ".join(" ".join(read(page).text).split())


def test_no_host_no_script(page: str) -> None:
    found = read(page).found
    assert {tag for tag, _ in found}.isdisjoint({"script", "link", "iframe", "object", "base", "form", "embed"})
    for tag, attributes in found:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "xlink:href", "data", "poster", "action"):
                assert (value or "").startswith("#" if tag == "a" else "data:image/"), (tag, name)
    assert html.escape(POLICY) in page
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in re.sub(r"data:image/[^\"]*", "", page).replace(html.escape(HOSTILE[0]), "").replace(
        'http-equiv="Content-Security-Policy"', "")  # fmt: skip


def test_hostile_names_are_only_text(page: str) -> None:
    for name in HOSTILE:
        assert html.escape(name) in page
    assert "<script" not in page
    assert '<img src="https' not in page


def test_the_contents_name_every_section(page: str) -> None:
    found = read(page).found
    sections = [attributes["id"] for tag, attributes in found if tag == "section"]
    assert [attributes["href"] for tag, attributes in found if tag == "a"] == [f"#{name}" for name in sections]
    assert sections == ["input", "layers", "kernels", "arithmetic", "attribution"]
    assert all(attributes.get("alt") for tag, attributes in found if tag == "img")


def test_the_answer(page: str, explanation: cs.Explanation) -> None:
    said = explanation.prediction
    assert said.probabilities == explanation.classifier.predict(some()).probabilities
    shown = words(page)
    for label, share in said.probabilities.items():
        assert f"{label} {100 * share:.2f} %" in shown


def test_what_the_network_is_given(page: str, explanation: cs.Explanation) -> None:
    shown = words(page)
    assert "As it came 30 × 44, colour" in shown
    low, high = (long(float(explanation.input.flatten()[at])).replace("-", "−")
                 for at in (explanation.input.argmin(), explanation.input.argmax()))  # fmt: skip
    assert f"black is {low}, white {high}" in shown
    grey = cs.explain(classifier(1), some(channels=1))
    numbers = re.search(r'<table class="pixels-as-numbers">(.*?)</table>', text(grey), re.S)
    assert numbers is not None
    assert [int(n) for n in re.findall(r">(\d+)</td>", numbers[1])] == grey.picture[0].ravel().tolist()


def test_what_was_done_to_the_picture_is_shown() -> None:
    of = cs.explain(classifier(1), some(channels=1))
    assert of.given is not None
    of.given = replace(of.given, steps=(("It was turned.", some(9, 9, 1)[None, :, :, 0]), ("And <cut>.", of.picture)))
    shown = words(text(of))
    assert "Step 1 It was turned. Step 2 And <cut>. As the network sees it" in shown


def test_every_layer_has_its_maps(page: str, explanation: cs.Explanation) -> None:
    strip = page[page.index('<div class="strip">') : page.index("in numbers</summary>")]
    assert re.findall(r"<b>(.*?)</b>", strip) == list(explanation.maps)
    for label, values in explanation.maps.items():
        assert re.search(rf'alt="{label}: {len(values)} (maps|units)"', strip)
    assert 'alt="the kernels of conv1"' in page


def test_every_layer_has_a_row(page: str, explanation: cs.Explanation) -> None:
    rows = re.findall(r'<tr><th scope="row">(.*?)</th><td><code>(.*?)</code></td><td>(.*?)</td>(.*?)</tr>', page)
    assert [row[0] for row in rows] == list(explanation.maps)
    for label, _, size, rest in rows:
        values = explanation.maps[label]
        assert size == " × ".join(map(str, (*values.shape[1:], len(values))))
        largest, at, zeros, sees = (html.unescape(one) for one in re.findall(r'<td class="num">(.*?)</td>', rest))
        assert largest == long(float(values.max())).replace("-", "−")
        place = tuple(map(int, at.split(",")))
        assert values[place] == values.max()
        share = float((values == 0).mean())
        assert zeros == "" if not share else float(zeros.removesuffix(" %")) == pytest.approx(100 * share, abs=0.06)
        if len(place) == 3:
            top, left, bottom, right = explanation.seen(label, *place[1:])
            assert sees == f"{bottom - top} × {right - left}"


def test_every_kind_of_layer_is_worked_out(page: str, explanation: cs.Explanation) -> None:
    examples = explanation.examples()
    assert [trace.kind for trace in examples] == ["conv", "bn", "relu", "maxpool", "add", "gap", "dense"]
    shown = words(page)
    assert page.count('<details class="example"') == len(examples) + 1
    for trace in [*examples, explanation.loss]:
        for name, formula in [*steps(trace, MAPS), *((step.name, step.formula) for step in trace.after)]:
            assert name in shown
            assert " ".join(formula.split()) in shown
        assert f">{long(trace.value)}</output>" in page


def test_the_numbers_of_a_cell_are_the_traces(explanation: cs.Explanation) -> None:
    page = text(explanation, Asked("conv1", (3, 4), 2))
    trace = explanation.trace("conv1", (3, 4), 2)
    assert trace.value == pytest.approx(float(explanation.maps["conv1"][2, 3, 4]), rel=1e-6)
    shown = [html.unescape(c) for c in re.findall(r'<td class="(?:plus|minus|zero)[^"]*"[^>]*>([^<]*)</td>', page)]
    of_terms = {cell(n) for term in trace.terms for n in (term.value, term.weight or 0.0, term.product)}
    assert len(shown) >= 3 * len(trace.terms)
    assert of_terms <= set(shown)
    assert f">{long(trace.value)}</output>" in page
    assert trace.gradient is not None
    assert f">{long(trace.gradient.value)}</output>" in page
    assert "conv1, map 2, row 3, column 4" in page
    assert re.findall(r'<section id="(.*?)">', page) == ["arithmetic", "maps", "kernels"]


def test_what_a_cell_sees_is_framed(explanation: cs.Explanation) -> None:
    trace = explanation.trace("conv3", (0, 9))
    top, left, bottom, right = trace.seen
    assert (top, left, bottom, right) == explanation.seen("conv3", 0, 9)
    assert top < 0
    assert right > 20
    page = text(explanation, Asked("conv3", (0, 9)))
    place = f"top:{5 * top:.2f}%;left:{5 * left:.2f}%"
    assert f"{place};height:{5 * (bottom - top):.2f}%;width:{5 * (right - left):.2f}%" in page
    assert f"It sees {bottom - top} × {right - left} of the picture, border included" in words(page)
    assert "What it sees" in words(text(explanation, Asked("dense1")))


def test_only_an_attribution(explanation: cs.Explanation) -> None:
    page = text(explanation, Asked(method="occlusion"))
    assert re.findall(r'<section id="(.*?)">', page) == ["attribution"]


class Own(nn.Module):
    """A network that no text describes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one = nn.Conv2d(3, 6, 3)
        self.two = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.two(torch.relu_(self.one(x)).mean((2, 3))))


def test_ones_own_module() -> None:
    of = cs.explain(cs.Classifier(Own(), Preprocess((20, 20), 3), ("a", "b", "c")), some())
    page = text(of)
    assert re.findall(r'<section id="(.*?)">', page) == ["input", "attribution"]
    assert "somebody&#x27;s own module, Own" in page
    assert of.attribution.label == "one"
    assert of.attribution.map.shape == (20, 20)
    assert any("its layers have no names in a text" in line for line in lines(of, Asked()))
    for asked in (lambda: of.maps, lambda: of.trace("one"), lambda: of.kernels("one"), of.examples):
        with pytest.raises(
            cs.ConvscopeError, match=r"need a network from a text, whose layers have names\. Got somebo"
        ):
            asked()


def test_a_heat_map_in_signs() -> None:
    map = np.zeros((28, 28), np.float32)
    map[14:, 14:] = 1
    shown = heat(map)
    assert len(shown) == 16
    assert shown[1] == "|" + " " * 28 + "|"
    assert shown[-2] == "|" + " " * 14 + "@" * 14 + "|"
    assert heat(-map) == []


# ---- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened() -> Iterator[chromium.Browser]:
    with chromium.browser() as found:
        yield found


@chromium.needed
@pytest.mark.parametrize("width", [360, 1000, 1600])
@pytest.mark.parametrize("dark", [False, True])
def test_in_chromium(width: int, dark: bool, page: str, opened: chromium.Browser, tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    place.write_text(page, encoding="utf-8")
    done = opened.open(place, width, dark)
    assert done.outside == []
    assert done.console == []
    assert done.images[0] == done.images[1] >= 3
    opened.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    light = opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light is not dark


@chromium.needed
def test_the_browser_tells_what_a_page_does(opened: chromium.Browser, tmp_path: Path) -> None:
    """The test above would see a request, a word in the console, a picture that is none, and a page too wide."""
    place = tmp_path / "bad.html"
    place.write_text('<script>console.log(1)</script><img src="file:///none.png"><p style="width:3000px">x',
                     encoding="utf-8")  # fmt: skip
    done = opened.open(place, 500)
    assert done.outside == ["file:///none.png"]
    assert len(done.console) >= 1
    assert done.images == (0, 1)
    assert done.wide > 2900
