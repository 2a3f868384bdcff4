"""The health of layers as lines and as a page: what is found is said, and a page stays small and whole."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs
from browser import browser, needed
from convscope.classifier import Classifier
from convscope.data.images import ImageSet
from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError
from convscope.explain.inspection import Inspection, inspect
from convscope.report.health import About, lines, page, to_json, write
from convscope.report.text import json_line

CLASSES = ("猫", "<dog>")
ABOUT = About("runs/pets", "all 24 validation pictures")
TEXT = "conv 3x3 6 pad=1, relu, maxpool 2, conv 3x3 20, relu, gap, dense"


def image_set(count: int = 24, channels: int = 3) -> ImageSet:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, channels, 12, 16), dtype=np.uint8)
    return ImageSet(
        images, np.arange(count) % 2, CLASSES, np.arange(count), tuple(f"<b>/{n}.png" for n in range(count))
    )


def classifier(text: str = TEXT, channels: int = 3) -> Classifier:
    network = cs.Network(text, input=(12, 16, channels), classes=2)
    return Classifier(network.eval(), Preprocess((12, 16), channels), CLASSES)


def sick() -> Inspection:
    """Map 2 of conv1 is dead, map 4 is map 1 again."""
    of = classifier()
    weights = of.network.state_dict()
    with torch.no_grad():
        weights["conv1.weight"][2], weights["conv1.bias"][2] = 0, 0
        weights["conv1.weight"][4], weights["conv1.bias"][4] = weights["conv1.weight"][1], weights["conv1.bias"][1]
    return inspect(of, image_set())


def test_what_is_found_is_said() -> None:
    said = "\n".join(lines(sick(), ABOUT))
    assert "runs/pets over all 24 validation pictures" in said
    assert re.search(r"(?m)^relu1 +relu +6 +1 +1 ", said)
    assert "conv1: 2 of 6 is dead: the same for every picture" in said
    assert "relu1: 2 of 6 is dead: never above 0, or always the same" in said
    assert "conv1: says the same (correlation above 0.99): 4 as 1" in said
    assert "conv1, map 0: the pictures that excite it most" in said
    assert "conv1, map 2" not in said  # nothing excites a dead map
    assert "excite" not in "\n".join(lines(sick(), ABOUT, exciting=False))
    healthy = "\n".join(lines(inspect(classifier("conv 3x3 4, gap, dense"), image_set()), ABOUT))
    assert "no layer has dead units, and no two maps of a layer say the same" in healthy


def test_many_dead_units_are_counted() -> None:
    of = classifier()
    with torch.no_grad():
        of.network.state_dict()["conv2.weight"][:9] = 0
    assert "conv2: 9 (0, 1, 2, 3, 4, 5 ...) of 20 are dead" in "\n".join(lines(inspect(of, image_set()), ABOUT))


def test_what_is_shown_of_what() -> None:
    found = inspect(classifier(), image_set())
    assert {label: list(maps) for label, maps in found.exciting.items()} == {
        "conv1": list(range(6)), "conv2": list(range(8)),
    }  # fmt: skip
    assert all(len(pictures) == 9 for maps in found.exciting.values() for pictures in maps.values())
    one = inspect(classifier(), image_set(), label="relu2", map=13)
    assert {label: list(maps) for label, maps in one.exciting.items()} == {"relu2": [13]}
    flat = inspect(classifier("flatten, dense 4, relu, dense"), image_set())
    assert {label: list(maps) for label, maps in flat.exciting.items()} == {"dense2": [0, 1]}
    assert flat.change is None


@pytest.mark.parametrize("channels", [1, 3])
def test_the_page(channels: int) -> None:
    written = page(inspect(classifier(channels=channels), image_set(channels=channels)), ABOUT)
    for title in ("Dead units and maps that say the same", "How activations and gradients are spread",
                  "What excites a map most"):  # fmt: skip
        assert f"<h2>{title}</h2>" in written
    assert "How the network came about" not in written
    assert written.count('<path d="M') == 14  # seven layers, activations and gradients
    assert "&lt;b&gt;/" in written
    assert "<b>/" not in written
    assert re.search(r'title="&lt;b&gt;/\d+\.png: [\d.]+, row \d+, column \d+"', written)
    assert written.count("<img") == 14 * 9


def test_json() -> None:
    told = to_json(sick(), ABOUT)
    by_label = {layer["label"]: layer for layer in told["layers"]}
    assert by_label["relu1"]["dead"] == (2,)
    assert sum(by_label["relu1"]["activations"]["counts"]) == 24 * 6 * 12 * 16
    assert told["exciting"]["conv1"]["0"][0]["name"].startswith("<b>/")
    assert json_line(told)


def test_what_can_not_be_inspected() -> None:
    of, images = classifier(), image_set()
    with pytest.raises(ConvscopeError, match=r"unknown layer 'conv3'.*conv2"):
        inspect(of, images, label="conv3")
    with pytest.raises(ConvscopeError, match=r"a map of conv1 must be 0 to 5, counted from 0. Got 6; the nearest is 5"):
        inspect(of, images, label="conv1", map=6)
    with pytest.raises(ConvscopeError, match=r"a map is one of a layer. Got map 3 and no layer"):
        inspect(of, images, map=3)
    own = Classifier(nn.Conv2d(3, 2, 3), of.preprocess, CLASSES)
    with pytest.raises(ConvscopeError, match=r"a network from a text, whose layers have names. Got Conv2d"):
        inspect(own, images)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> cs.Run:
    """A run of the digits with snapshots."""
    return cs.train("digits", out=tmp_path_factory.mktemp("runs") / "m", quiet=True, network="conv 3x3 14, relu, conv "
                    "3x3 4, relu, gap, dense", steps=12, batch_size=64, snapshots=True)  # fmt: skip


def over(run: cs.Run) -> Inspection:
    images = cs.data("digits").validation
    return inspect(run.classifier, images.subset(np.arange(40)), run=run)


def test_how_it_came_about(trained: cs.Run) -> None:
    found = over(trained)
    written = page(found, ABOUT)
    assert "13 moments of the training, from step 0 (before anything was learned by it) to step 12" in written
    assert "the first 12 of 14 kernels: white is 0, blue above, orange below; the strongest colour is ±" in written
    assert written.count('alt="kernels of conv1 after step ') == 8
    assert written.count(": weights</b>") == written.count(": what leaves it</b>") == 3
    assert "13 snapshots, step 0 to 12; how far the weights moved" in "\n".join(lines(found, ABOUT))


@needed
@pytest.mark.slow
def test_in_a_browser(trained: cs.Run, tmp_path: Path) -> None:
    path = tmp_path / "health.html"
    write(path, over(trained), ABOUT)
    assert path.stat().st_size < 500_000
    with browser() as chromium:
        for width, dark in ((360, False), (1200, True)):
            opened = chromium.open(path, width, dark)
            assert opened.console == []
            assert opened.outside == []
            assert opened.wide <= width
