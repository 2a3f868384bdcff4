"""Manners: ink is found in shade and on either ground, comes to the right size and place; what is in it stays."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

import convscope as cs
from convscope import recipe
from convscope.data.known import KNOWN
from convscope.data.manner import MANNERS, _extreme, explain, stroke_width
from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError
from convscope.recipe.settings import InputSettings

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


@pytest.mark.parametrize("shade", [0, 255])
def test_a_square_that_nobody_has_drawn_on_has_no_ink(shade: int) -> None:
    last = explain("digits", Image.new("L", (112, 112), shade), (8, 8))[-1]
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


def drawn(digit: int, width: int) -> Image.Image:
    """A digit drawn as by mouse: black strokes of `width` pixels with round ends on white, 280 x 280."""
    picture = Image.new("L", (280, 280), 255)
    pen = ImageDraw.Draw(picture)

    def line(*points: tuple[int, int]) -> None:
        pen.line(points, fill=0, width=width, joint="curve")
        for x, y in points:
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=0)

    def arc(box: tuple[int, int, int, int], start: int = 0, end: int = 360) -> None:
        pen.arc(box, start, end, fill=0, width=width)

    match digit:
        case 0:
            arc((90, 50, 190, 230))
        case 1:
            line((105, 95), (145, 50), (145, 230))
        case 2:
            arc((90, 50, 190, 150), 180, 400)
            line((178, 132), (90, 230), (195, 230))
        case 3:
            arc((90, 50, 185, 140), 200, 450)
            arc((85, 130, 190, 230), 270, 520)
        case 4:
            line((160, 230), (160, 50), (80, 170), (200, 170))
        case 5:
            line((180, 50), (105, 50), (100, 130))
            arc((80, 115, 185, 230), 240, 510)
        case 6:
            line((165, 50), (115, 110), (95, 170))
            arc((90, 130, 190, 230))
        case 7:  # with a bar, as the data set's people write it
            line((85, 55), (190, 55), (125, 230))
            line((105, 140), (200, 140))
        case 8:
            arc((95, 50, 185, 135))
            arc((85, 130, 195, 230))
        case _:
            arc((90, 50, 185, 145))
            line((183, 100), (178, 170), (150, 230))
    return picture


def test_digits_drawn_by_mouse_are_read_by_a_network_of_the_embedded_ones(tmp_path: Path) -> None:
    run = cs.train("digits", quiet=True, out=tmp_path / "run")
    assert recipe.load(run.recipe_path).input.manner == "digits"
    classifier = run.classifier
    pictures = {(digit, width): drawn(digit, width) for digit in range(10) for width in (12, 18, 24)}
    right = [of for of, picture in pictures.items() if classifier.predict(picture).label == str(of[0])]
    assert len(right) >= 24, f"of {len(pictures)}: {right}"
    assert {(7, 12), (7, 18), (7, 24)} <= set(right)
    classifier.preprocess = classifier.preprocess.replace(manner=None)
    as_is = sum(classifier.predict(picture).label == str(digit) for (digit, _), picture in pictures.items())
    assert as_is <= 10  # so it is the manner that does it


@pytest.mark.parametrize("width", [6, 12, 24])
def test_the_way_of_the_embedded_digits(width: int) -> None:
    fitted = Preprocess((8, 8), 1, manner="digits").fit(drawn(0, width))[0]
    there = fitted > 16
    assert there.any(1).all()  # as high as the picture
    assert np.flatnonzero(there.any(0)).tolist() == [1, 2, 3, 4, 5, 6]  # 5 columns' width in the middle
    assert 14 < fitted.sum() / 255 < 25  # as much ink as 90 % of the data's own have


def test_a_known_data_set_brings_its_manner_and_its_own_pictures_stay() -> None:
    named, without = cs.data("digits"), cs.data("digits", manner="")
    assert named.preprocess.manner == "digits"
    assert cs.data("digits[:100]").preprocess.manner == "digits"
    assert without.preprocess == named.preprocess.replace(manner=None)
    assert named.sha256 == without.sha256
    assert np.array_equal(named.train.images, without.train.images)
    assert cs.data("digits", channels=3).preprocess.manner is None


def test_the_names_of_manners_agree() -> None:
    assert set(get_args(InputSettings.model_fields["manner"].annotation)) == {"auto", "", *MANNERS}
    assert {known.manner for known in KNOWN.values()} == {"", *MANNERS}


def test_a_data_set_that_is_brought_is_what_prediction_reads(tmp_path: Path) -> None:
    big = np.asarray(seven()).repeat(3, 0).repeat(3, 1)  # a JPEG that is decoded at a smaller scale
    for number, kind in enumerate(("png", "jpg", "tif")):
        (tmp_path / "own" / "7").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(big, 30 * number, 1)).save(tmp_path / "own" / "7" / f"{number}.{kind}")
    Image.fromarray(big).rotate(180, fillcolor=200).convert("RGB").save(tmp_path / "own" / "7" / "3.png")
    (tmp_path / "own" / "1").mkdir()
    drawn(1, 14).save(tmp_path / "own" / "1" / "0.png")
    brought = cs.data(str(tmp_path / "own"), size=(28, 28), channels=1, validation=0, test=0, bring="mnist").train
    for name, picture in zip(brought.names, brought.images, strict=True):
        assert np.array_equal(picture, MNIST.read(tmp_path / "own" / name))


def test_a_folder_of_ones_own_has_a_manner_where_it_is_told(tmp_path: Path) -> None:
    for number in range(8):
        path = tmp_path / "own" / "17"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn(1 + 6 * (number % 2), 12 + number).save(path)
    folder = str(tmp_path / "own")
    assert cs.data(folder).preprocess.manner is None
    told = cs.data(folder, manner="mnist", size=(28, 28))
    assert told.preprocess.manner == "mnist"
    assert np.array_equal(told.train.images, cs.data(folder, size=(28, 28)).train.images)
    with pytest.raises(ConvscopeError, match=r"channels must be 1 with manner 'mnist'\. Got 3\. Set channels to 1"):
        cs.data(folder, manner="mnist", channels=3)


@pytest.mark.parametrize("window", [3, 9, 33])
def test_the_extremes_of_windows_are_pillows(window: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 51), np.uint8)
    for of, theirs in ((np.maximum, ImageFilter.MaxFilter), (np.minimum, ImageFilter.MinFilter)):
        assert np.array_equal(_extreme(pixels, window, of), np.asarray(Image.fromarray(pixels).filter(theirs(window))))
