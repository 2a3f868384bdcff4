"""Pixels in a page are the pixels that were given."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from convscope.errors import ConvscopeError
from convscope.report.pictures import as_seen, data_uri, photo_uri


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_pixels_come_back(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 5, 7), dtype=np.uint8)
    head, data = data_uri(pixels).split(",")
    assert head == "data:image/png;base64"
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.array_equal(back, pixels[0] if channels < 3 else pixels[:3].transpose(1, 2, 0))


def test_a_batch_of_floats_is_stretched_and_says_so() -> None:
    shown, low, high = as_seen(np.array([[[[-1.0, 0.0], [1.0, 3.0]]]]))
    assert (low, high) == (-1, 3)
    assert shown.tolist() == [[[[0, 64], [128, 255]]]]
    assert as_seen(np.full((1, 1, 2, 2), 7.0))[0].max() == 0
    assert as_seen(np.array([[[[np.nan, 1.0]]]]))[0].tolist() == [[[[0, 255]]]]
    bytes_ = np.full((1, 1, 2, 2), 7, np.uint8)
    assert as_seen(bytes_)[0] is bytes_


@pytest.mark.parametrize("pixels", [np.zeros((2, 2), np.uint8), np.zeros((1, 0, 2), np.uint8), np.zeros((1, 2, 2))])
def test_what_is_no_picture_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ConvscopeError, match=r"a picture must be uint8 of shape \(C, H, W\)\. Got"):
        data_uri(pixels)


def test_a_photograph_may_be_a_jpeg() -> None:
    pixels = np.full((3, 200, 150), 90, np.uint8)
    head, data = photo_uri(pixels).split(",")
    assert head == "data:image/jpeg;base64"
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert back.shape == (200, 150, 3)
    assert np.abs(back.astype(int) - 90).max() <= 2
