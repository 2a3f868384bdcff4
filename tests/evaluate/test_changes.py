"""Changes of pictures: no strength is no change, each does what it says, and a picture's own is the same anywhere."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from convscope.evaluate.changes import CHANGES

RANDOM = np.random.default_rng(3)
IDS = np.arange(40, 52)


def pictures(channels: int = 3, height: int = 13, width: int = 16) -> Any:
    return RANDOM.integers(0, 256, (len(IDS), channels, height, width), dtype=np.uint8)


def changed(name: str, images: Any, strength: float, ids: Any = IDS, seed: int = 0) -> Any:
    return CHANGES[name].apply(images, ids, seed, strength)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_holds_of_all(name: str, channels: int) -> None:
    images, change = pictures(channels), CHANGES[name]
    before = images.copy()
    assert np.array_equal(changed(name, images, change.plain), images)
    for strength in change.strengths(13):
        made = changed(name, images, strength)
        assert made.dtype == np.uint8
        assert made.shape == images.shape
        assert not np.array_equal(made, images)
        some = [7, 2, 3]  # one's own change doesn't depend on who stands beside it
        assert np.array_equal(changed(name, images[some], strength, IDS[some]), made[some])
    assert np.array_equal(images, before)
    assert change.plain not in change.strengths(13)
    assert list(change.strengths(13)) == sorted(change.strengths(13))


@pytest.mark.parametrize("name", ["shift", "rotation", "scale", "blur"])
def test_an_even_picture_stays(name: str) -> None:
    """Nothing comes in from outside but what is at the border."""
    images = np.full((len(IDS), 1, 14, 11), 77, np.uint8)
    for strength in CHANGES[name].strengths(11):
        assert np.array_equal(changed(name, images, strength), images)


def test_shift_goes_four_ways() -> None:
    images = np.zeros((200, 1, 9, 9), np.uint8)
    images[:, 0, 4, 4] = 255
    made = changed("shift", images, 3.0, np.arange(200))
    places = {(int(row), int(column)) for _, _, row, column in np.argwhere(made)}
    assert places == {(1, 4), (7, 4), (4, 1), (4, 7)}
    assert (made.sum(axis=(1, 2, 3)) == 255).all()
    assert not np.array_equal(made, changed("shift", images, 3.0, np.arange(200), seed=1))


def test_a_quarter_turn_is_exact() -> None:
    images = pictures(3, 12, 12)
    made = changed("rotation", images, 90.0)
    turns = {
        next(k for k in (1, -1) if np.array_equal(np.rot90(before, k, axes=(1, 2)), after))
        for before, after in zip(images, made, strict=True)
    }
    assert turns == {1, -1}


def test_scale() -> None:
    images = np.zeros((len(IDS), 1, 16, 16), np.uint8)
    images[:, :, 4:12, 4:12] = 200
    assert (changed("scale", images, 2.0)[:, :, 1:15, 1:15] > 150).all()  # fills all of it
    half = changed("scale", images, 0.5)[0, 0]
    assert (half[6:10, 6:10] > 150).all()
    assert abs(int(half.sum()) - 16 * 200) <= 16 * 5


def test_light() -> None:
    images = np.array([0, 10, 130, 255], np.uint8).reshape(1, 1, 2, 2)
    assert changed("brightness", images, 64.0).ravel().tolist() == [64, 74, 194, 255]
    assert changed("brightness", images, -64.0).ravel().tolist() == [0, 0, 66, 191]
    assert changed("inversion", images, 1.0).ravel().tolist() == [255, 245, 125, 0]
    grey = np.array([90, 110], np.uint8).reshape(1, 1, 1, 2)
    assert changed("contrast", grey, 0.5).ravel().tolist() == [95, 105]
    assert changed("contrast", grey, 4.0).ravel().tolist() == [60, 140]


def test_noise_is_normal() -> None:
    images = np.full((20, 3, 32, 32), 128, np.uint8)
    made = changed("noise", images, 16.0, np.arange(20)).astype(float) - 128
    assert abs(made.mean()) < 0.2
    assert made.std() == pytest.approx(16, abs=0.2)
    assert (np.abs(made) < 16).mean() == pytest.approx(0.683, abs=0.02)
    assert abs(np.corrcoef(made[0].ravel(), made[1].ravel())[0, 1]) < 0.05


def test_blur_is_scipys() -> None:
    images = pictures(1, 20, 24)
    for deviation in (0.75, 2.0):
        reach = int(np.ceil(3 * deviation))
        wanted = [gaussian_filter(one[0].astype(float), deviation, mode="nearest", radius=reach) for one in images]
        assert np.abs(changed("blur", images, deviation)[:, 0] - np.rint(wanted)).max() <= 1


def test_jpeg_is_pillows() -> None:
    images = pictures(3, 24, 24)
    file = io.BytesIO()
    Image.fromarray(images[0].transpose(1, 2, 0)).save(file, "JPEG", quality=30)
    with Image.open(file) as read:
        assert np.array_equal(changed("jpeg", images, 30.0)[0].transpose(1, 2, 0), np.asarray(read))


def test_strengths_in_pixels_grow_with_the_picture() -> None:
    assert CHANGES["shift"].strengths(28) == (1, 2, 3, 4, 6, 8)
    assert CHANGES["shift"].strengths(224) == (8, 16, 24, 32, 48, 64)
    assert CHANGES["shift"].strengths(8) == (1, 2, 3)
    assert CHANGES["blur"].strengths(56) == (1, 1.5, 2, 3, 4, 6)
