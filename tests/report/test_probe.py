"""What is said of a probe and of a landscape, and their pages in a browser: whole at every width, asking nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import browser as chromium
from convscope.classifier import Classifier
from convscope.evaluate.changes import CHANGES
from convscope.evaluate.intervals import paired, wilson
from convscope.evaluate.metrics import Score
from convscope.evaluate.probe import Curve, Point, Probed, probe
from convscope.report.probe import About, page, strength, table, verdict, verdicts
from report.test_html import HOSTILE, read
from train.small import CLASSES, data_set, network

ABOUT = About("runs/<b>x</b>", "", "validation", 60, 90, 7)


def curve(name: str, drops: dict[float, int]) -> Curve:
    """A curve on 1000 pictures, 900 of them right unchanged, of which so many are lost at each strength."""
    change = CHANGES[name]
    points = []
    for value, lost in sorted({**drops, change.plain: 0}.items()):
        k = 900 - lost
        points.append(Point(value, k, 1000, *wilson(k, 1000), lost, 0, *paired(lost, 0, 1000)))
    return Curve(change, tuple(points), np.zeros((len(points), 1, 2, 2), np.uint8))


@pytest.mark.parametrize(
    ("name", "drops", "said"),
    [
        ("rotation", {10: 20, 20: 120}, "about 13 degrees (-2.0 at 10 degrees, -12.0 at 20 degrees)"),
        ("shift", {1: 100}, "about 0.5 px (-10.0 at 1 px)"),
        ("jpeg", {5: 10, 50: 2}, "holds to 5, the last tried (-1.0 there)"),
        ("noise", {8: 30, 16: 10}, "holds to 16, the last tried (-1.0 there, least -3.0 at 8)"),
        (
            "scale",
            {0.5: 100, 0.9: 0, 2.0: 4},
            "smaller: about 0.7 times (0.0 at 0.9 times, -10.0 at 0.5 times); "
            "larger: holds to 2 times, the last tried (-0.4 there)",
        ),
        (
            "brightness",
            {-64: 100, 64: 200},
            "darker: about -32 (-10.0 at -64); brighter: about +16 (-20.0 at +64)",
        ),
        ("inversion", {1: 800}, "10.00 % are right when inverted: -80.0 (-82.3 to -77.3) points"),
    ],
)
def test_verdicts(name: str, drops: dict[float, int], said: str) -> None:
    assert verdict(curve(name, drops)) == said


def test_lines() -> None:
    found = Probed(Score(900, 1000, *wilson(900, 1000), 0.3, None, 3), (curve("rotation", {10: 20}),), 7)
    last = table(found)[-1]
    assert last.startswith("rotation  10 degrees  88.00 % (880 of 1000; 85.8 to 89.9 %)")
    assert last.endswith("-2.0 (-2.9 to -1.1)")
    told = verdicts(found, ABOUT)
    assert told[0].endswith("of 60 of the 90 validation pictures (drawn by seed 7)")
    assert told[2].startswith("  rotation  holds to 10 degrees")
    assert strength(curve("inversion", {1: 5}), 1.0) == "yes"
    assert About("m", "photos", "all", 5, 5, 0).pictures == "all 5 pictures of photos"
    assert About("m", "", "train", 5, 5, 0).pictures == "all 5 training pictures"


@pytest.fixture(scope="module")
def probed() -> str:
    data = data_set(size=20)
    said = probe(Classifier(network(data), data.preprocess, CLASSES), data.test)
    return page(said, ABOUT)


def test_the_page(probed: str) -> None:
    found = read(probed)
    assert "<b>x</b>" not in probed
    assert probed.count("<svg") == len(CHANGES)
    assert probed.count("<img") == sum(len(c.strengths(20)) + 1 for c in CHANGES.values())
    assert found is not None
    hostile = page(
        Probed(Score(1, 1, 0.2, 1.0, 0.0, None, 2), (curve("shift", {1: 1}),), 0),
        About(HOSTILE[0], HOSTILE[0], "test", 1, 1, 0),
    )
    assert HOSTILE[0] not in hostile


@pytest.fixture(scope="module")
def landscape() -> str:
    from convscope.report.landscape import About as Of
    from convscope.report.landscape import page as drawn
    from explain.test_landscape import landscape as made

    return drawn(made(share=True), Of("runs/m", 12345, "cross-entropy loss", 0, True))


@pytest.fixture(scope="module")
def opened() -> Iterator[chromium.Browser]:
    with chromium.browser() as found:
        yield found


@chromium.needed
@pytest.mark.parametrize(("width", "dark"), [(360, True), (1000, False), (1600, True)])
@pytest.mark.parametrize("which", ["probed", "landscape"])
def test_in_chromium(
    which: str, width: int, dark: bool, opened: chromium.Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = tmp_path / "page.html"
    place.write_text(request.getfixturevalue(which), encoding="utf-8")
    done = opened.open(place, width, dark)
    assert done.outside == []
    assert done.console == []
    assert done.wide <= width
    assert done.images[0] == done.images[1]
