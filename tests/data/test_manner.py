"""Manners: ink is found in shade and on either ground, comes to the right size and place; what is in it stays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.data.manner import MANNERS, explain, stroke_width
from convscope.data.preprocess import Preprocess

MNIST = Preprocess((28, 28), 1, manner="mnist")


def seven(width: int = 12, *, light_ink: bool = False, at: tuple[int, int] = (380, 90)) -> Image.Image:
    """A seven on paper that is lit from one side, 400 x 600."""
    shade = np.repeat(np.linspace(120, 240, 600)[None], 400, 0)
    ink = Image.new("L", (600, 400))
    x, y = at
    ImageDraw.Draw(ink).line([(x, y), (x + 100, y), (x + 40, y + 200)], fill=255, width=width, joint="curve")
    pixels = np.where(np.asarray(ink) > 0, shade * 0.3, shade)
    return Image.fromarray((255 - pixels if light_ink else pixels).astype(np.uint8))


def box(picture: NDArray[np.uint8]) -> tuple[int, int]:
    rows, columns = np.nonzero(picture > 40)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.mark.parametrize("light_ink", [False, True])
@pytest.mark.parametrize("width", [4, 12, 36])
def test_size_place_and_strokes(width: int, light_ink: bool) -> None:
    fitted = MNIST.fit(seven(width, light_ink=light_ink))[0]
    assert abs(max(box(fitted)) - 20) <= 1
    mass = fitted / fitted.sum()
    assert abs((mass.sum(1) * np.arange(28)).sum() - 14) <= 0.6
    assert abs((mass.sum(0) * np.arange(28)).sum() - 14) <= 0.6
    assert 1.5 < stroke_width(fitted.repeat(4, 0).repeat(4, 1)) / 4 < 4.5


def test_a_picture_in_the_manner_stays_as_it_is() -> None:
    once = MNIST.fit(seven())
    assert np.array_equal(MNIST.fit(once[0]), once)


def test_an_empty_page_is_black_and_said_to_be() -> None:
    last = explain("mnist", Image.new("L", (300, 200), 230), (28, 28))[-1]
    assert not last.picture.any()
    assert "No ink was found" in last.text


def test_several_figures_are_noticed() -> None:
    two = np.minimum(np.asarray(seven(at=(80, 90))), np.asarray(seven(at=(380, 90))))
    said = " ".join(step.text for step in explain("mnist", Image.fromarray(two), (28, 28)))
    assert "several figures" in said
    assert "several figures" not in " ".join(step.text for step in explain("mnist", seven(), (28, 28)))


def test_the_record_keeps_its_manner() -> None:
    assert Preprocess.from_json(MNIST.to_json()) == MNIST
    assert MNIST.manner in MANNERS
