"""An attribution on a page: the map's colours, the mark, and the checks in words."""

from __future__ import annotations

import dataclasses

import numpy as np

from convscope.data.preprocess import Preprocess
from convscope.explain.attribute import Attribution, attribute
from convscope.explain.trust import Check
from convscope.network.build import Network
from convscope.report.attribution import heat, section

PICTURE = np.random.default_rng(0).integers(0, 256, (3, 16, 16), dtype=np.uint8)


def some(method: str) -> Attribution:
    network = Network("conv 3x3 6, relu, maxpool 2, conv 3x3 6, gap, dense", input=(16, 16, 3), classes=2)
    return attribute((network, Preprocess((16, 16), 3)), PICTURE, method)


def test_colours_of_the_map() -> None:
    map = np.zeros((16, 16), np.float32)
    map[2, 3], map[5, 6] = 1, -1
    pixels = heat(map, PICTURE).astype(int)
    assert pixels[0, 2, 3] > pixels[2, 2, 3] + 80  # orange
    assert pixels[2, 5, 6] > pixels[0, 5, 6] + 80  # blue
    assert (pixels[0, 9] == pixels[2, 9]).all()  # grey where it says nothing
    assert heat(np.zeros((16, 16), np.float32), PICTURE).shape == (3, 16, 16)


def test_the_checks_are_told() -> None:
    for method, word in (("gradcam", "at conv2 (the last layer whose maps"), ("integrated-gradients", "completeness"),
                         ("occlusion", "takes its mean colour")):  # fmt: skip
        found = some(method)
        page = section(dataclasses.replace(found, classes=("cat & <dog>", "cat & <dog>")))
        assert word in page
        assert "cat &amp; &lt;dog&gt;" in page
        assert "<dog>" not in page
        assert page.count("<svg") == 3
        assert page.count("passed") == sum(check.passed for check in found.checks)
        assert "in random order (mean)" in page


def test_the_mark() -> None:
    found = some("gradcam")
    bad = Check(
        "deletion", -0.1, "better than each of 5 random orders", False, "it is no better than chance", ((0, 1), (1, 0))
    )
    page = section(dataclasses.replace(found, checks=(bad,)))
    assert "not trustworthy: it is no better than chance" in page
    good = dataclasses.replace(bad, passed=True)
    assert "not trustworthy" not in section(dataclasses.replace(found, checks=(good,)))
    assert "not trustworthy: it was not checked" in section(dataclasses.replace(found, checks=()))
