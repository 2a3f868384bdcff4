"""Maps side by side: colours that say the numbers, a scale that is named, room that is bounded."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from convscope.report import maps
from convscope.report.pictures import coloured_uri


def decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_colours_say_the_sign_and_the_size() -> None:
    found = maps.sheet(np.array([[[-2.0, 0.0], [1.0, 2.0]]], np.float32))
    assert found.strongest == 2
    cell = found.levels.shape[0] // 2
    assert found.levels[::cell, ::cell].tolist() == [[0, 127], [190, 254]]
    assert maps.PALETTE[127].tolist() == [255, 255, 255]
    assert maps.PALETTE[0][0] > maps.PALETTE[0][2]  # orange
    assert maps.PALETTE[254][2] > maps.PALETTE[254][0]  # blue


def test_what_lies_between_maps_is_not_drawn() -> None:
    found = maps.sheet(np.ones((2, 4, 4), np.float32))
    picture = decoded(coloured_uri(found.levels, maps.PALETTE, nothing=255)).convert("RGBA")
    assert picture.getpixel((0, 0)) == (*maps.PALETTE[254].tolist(), 255)
    gap = found.levels.shape[1] // 2
    pixel = picture.getpixel((gap, 0))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 0


def test_what_is_not_finite_counts_as_0() -> None:
    found = maps.sheet(np.array([[[np.nan, np.inf, 1.0]]], np.float32))
    assert found.strongest == 1
    assert found.levels[0, 0] == 127


def test_a_large_map_is_shown_as_means_of_blocks() -> None:
    values = np.arange(130 * 130, dtype=np.float32).reshape(1, 130, 130)
    found = maps.sheet(values, largest=64)
    assert max(found.levels.shape) == 44  # blocks of 3 x 3, the last one cut off
    assert found.strongest == pytest.approx(values[0, 129:, 129:].mean())


def test_many_maps_are_counted_and_left_out() -> None:
    line = maps.Line("conv1", "conv 3x3 100", "conv", np.ones((100, 3, 3), np.float32))
    page = str(maps.strip([line]))
    assert "the first 32 of 100 maps" in page
    assert len(re.findall("<img", page)) == 1


def test_of_a_deep_network_single_numbers_are_left_out() -> None:
    values = np.ones((2, 3, 3), np.float32)
    layers = [maps.Line(f"{kind}{i}", kind, kind, values) for i in range(40) for kind in ("conv", "relu")]
    page = str(maps.strip(layers))
    assert "40 layers that change single numbers only are left out here." in page
    assert "relu3" not in page
    assert "conv3" in page


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_kernels_of_any_number_of_channels(channels: int) -> None:
    weight = np.random.default_rng(0).normal(size=(12, channels, 3, 3)).astype(np.float32)
    page = str(maps.kernels(weight, "conv1"))
    assert "<img" in page
    assert ('"quiet">12 kernels' in page) == (channels != 5)
    assert ("the first 8 of 12 kernels" in page) == (channels == 5)
