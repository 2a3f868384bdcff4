"""Probing: what can be known beforehand of planted networks, and tutorial B's finding with a trained one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import convscope
from convscope.classifier import Classifier
from convscope.data.images import ImageSet
from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError
from convscope.evaluate.changes import CHANGES
from convscope.evaluate.intervals import paired
from convscope.evaluate.metrics import score
from convscope.evaluate.model import predictions
from convscope.evaluate.probe import Curve, Point, Probed, check, probe, sample
from convscope.network.build import Network


def of_brightness() -> tuple[Classifier, ImageSet]:
    """A network that reads nothing but the mean, on dim and bright squares in the middle of black."""
    network = Network("gap, dense", input=(20, 20, 1), classes=2)
    bias = [13 / 255, -13 / 255]
    network.load_state_dict({"dense1.weight": torch.tensor([[-1.0], [1.0]]), "dense1.bias": torch.tensor(bias)})
    labels = np.arange(300) % 2
    images = np.zeros((300, 1, 20, 20), np.uint8)
    images[:, :, 7:13, 7:13] = np.where(labels == 0, 100, 200)[:, None, None, None]  # means 9 and 18
    ids = np.arange(1000, 1300)
    made = ImageSet(images, labels.astype(np.int64), ("dim", "bright"), ids, tuple(map(str, ids)))
    return Classifier(network, Preprocess((20, 20), 1), ("dim", "bright")), made


def curve(found: Probed, name: str) -> Curve:
    return next(curve for curve in found.curves if curve.change.name == name)


def test_a_network_that_reads_the_mean_alone() -> None:
    found = probe(*of_brightness())
    assert [c.change.name for c in found.curves] == list(CHANGES)
    assert (found.plain.k, found.plain.n) == (300, 300)
    for name in ("shift", "rotation"):  # the square stays inside, and so does its light
        points = [p for p in curve(found, name).points if p.strength <= 45]
        assert [p.k for p in points] == [300] * len(points), name
        assert curve(found, name).limits()["above"].strength is None
    brighter = {p.strength: p.k for p in curve(found, "brightness").points}
    assert brighter[0.0] == 300
    assert brighter[32.0] == brighter[128.0] == 150  # all are bright then
    assert brighter[-128.0] == 150  # the dim squares are gone, and so are 128 of the 200: 72 * 36 / 400 is dim
    limits = curve(found, "brightness").limits()
    assert limits["above"].strength == pytest.approx(32 * 0.05 / 0.5)
    assert limits["below"].strength is not None
    (inverted,) = (p for p in curve(found, "inversion").points if p.strength == 1)
    assert (inverted.k, inverted.lost, inverted.won) == (150, 150, 0)
    assert inverted.difference == -0.5
    assert inverted.difference_low < -0.5 < inverted.difference_high


def test_unchanged_is_what_evaluate_says() -> None:
    classifier, images = of_brightness()
    weights = classifier.network.state_dict()
    classifier.network.load_state_dict({**weights, "dense1.bias": torch.tensor([0.0, 5.0])})
    found = probe(classifier, images, ("blur", "jpeg"))
    assert found.plain == score(predictions(classifier, images))
    for each in found.curves:
        (plain,) = (p for p in each.points if p.strength == each.change.plain)
        assert (plain.k, plain.n, plain.low, plain.high) == (
            found.plain.k, found.plain.n, found.plain.low, found.plain.high,
        )  # fmt: skip
        assert (plain.lost, plain.won, plain.difference) == (0, 0, 0)
        row = [p.strength for p in each.points].index(each.change.plain)
        assert np.array_equal(each.shown[row], images.images[1])  # the first that is right: all are called bright


def test_it_tells_how_far_it_is() -> None:
    told: list[tuple[str, int, int]] = []
    probe(*of_brightness(), ("noise",), progress=lambda *now: told.append(now))
    assert told[0] == ("probing: noise", 256, 6 * 300)
    assert told[-1] == ("probing: noise", 6 * 300, 6 * 300)


def test_where_five_points_are_lost() -> None:
    def point(strength: float, lost: int, won: int = 0) -> Point:
        return Point(strength, 90 - lost + won, 100, 0.0, 1.0, lost, won, -1.0, 1.0)

    points = tuple(point(*p) for p in ((0.5, 9), (0.9, 1), (1.0, 0), (1.5, 3), (2.0, 13, 2), (3.0, 0)))
    limits = Curve(CHANGES["scale"], points, np.zeros((6, 1, 2, 2), np.uint8)).limits()
    assert limits["below"].strength == pytest.approx(0.9 - 0.4 * (4 / 8))
    assert limits["above"].strength == pytest.approx(1.5 + 0.5 * (2 / 8))
    assert [p.strength for p in limits["below"].tried] == [0.9, 0.5]


def test_names() -> None:
    assert check([]) == tuple(CHANGES)
    assert check(["noise", "shift"]) == ("shift", "noise")
    with pytest.raises(ConvscopeError, match="unknown change 'rotate', did you mean 'rotation'"):
        check(["rotate"])


def test_a_sample_is_the_same_again() -> None:
    _, images = of_brightness()
    some = sample(images, 50)
    assert len(some) == 50
    assert some.ids.tolist() == sorted(some.ids.tolist()) == sample(images, 50).ids.tolist()
    assert some.ids.tolist() != sample(images, 50, seed=1).ids.tolist()
    assert sample(images, 300) is images


def test_the_paired_interval_covers() -> None:
    """Summed exactly over all outcomes of 60 pictures, at chances of a loss and a win."""
    n, covered = 60, []
    for p, q in ((0.02, 0.02), (0.1, 0.02), (0.1, 0.1), (0.3, 0.05), (0.5, 0.2), (0.05, 0.0)):
        total = 0.0
        for lost in range(n + 1):
            for won in range(n + 1 - lost):
                low, high = paired(lost, won, n)
                if low <= q - p <= high:
                    ways = math.comb(n, lost) * math.comb(n - lost, won)
                    total += ways * p**lost * q**won * (1 - p - q) ** (n - lost - won)
        covered.append(total)
    assert min(covered) > 0.93
    assert 0.945 < float(np.mean(covered)) < 0.98


def test_the_paired_interval_at_its_ends() -> None:
    assert paired(0, 0, 0) == (-1.0, 1.0)
    low, high = paired(0, 0, 100)
    assert -0.04 < low < 0 < high < 0.04
    assert paired(10, 3, 200) == tuple(-x for x in reversed(paired(3, 10, 200)))
    assert paired(5, 5, 1000)[1] < paired(50, 50, 1000)[1]
    with pytest.raises(ConvscopeError, match=r"lost \+ won <= n. Got lost=3, won=4, n=5"):
        paired(3, 4, 5)
    with pytest.raises(ConvscopeError, match="between 0 and 1"):
        paired(1, 1, 5, 1.0)


def test_invariant_to_turning_and_inversion_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tutorial B claims, measured on a small network of our own."""
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    text = "conv 3x3 16, relu, maxpool 2, conv 3x3 32, relu, maxpool 2, dense"
    run = convscope.train("digits", network=text, out=tmp_path / "run", epochs=20)
    data = convscope.data("digits")
    found = probe(run.classifier, data.validation, ("shift", "rotation", "jpeg", "inversion"))
    assert found.plain.accuracy > 0.85
    turned = {p.strength: p for p in curve(found, "rotation").points}
    assert turned[20.0].difference_high < 0
    assert turned[45.0].accuracy < turned[20.0].accuracy
    assert turned[90.0].accuracy < 0.5
    assert {p.strength: p for p in curve(found, "shift").points}[2.0].difference < -0.2
    assert curve(found, "inversion").points[-1].accuracy < 0.3
    assert curve(found, "rotation").limits()["above"].strength is not None
