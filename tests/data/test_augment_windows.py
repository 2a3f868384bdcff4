"""Windows and mirror images are the same bytes whichever way they are looked up."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from convscope.data.augment import Augment, PadMode, _looked_up

MODES: tuple[PadMode, ...] = get_args(PadMode)


def one_by_one(
    batch: NDArray[np.uint8],
    size: tuple[int, int],
    top: NDArray[np.int64],
    left: NDArray[np.int64],
    mirrored: NDArray[np.bool_],
    pad_mode: PadMode,
) -> NDArray[np.uint8]:
    """NumPy's own padding of each picture by itself, then a slice."""
    mode = {"zero": "constant", "replicate": "edge", "reflect": "reflect"}[pad_mode]
    wide = 1 + max(np.abs(top).max(), np.abs(left).max()) + max(size)
    found = np.empty((*batch.shape[:2], *size), np.uint8)
    for i, picture in enumerate(batch):
        padded = np.pad(picture, ((0, 0), (wide, wide), (wide, wide)), mode=mode)  # type: ignore[call-overload]
        y, x = top[i] + wide, left[i] + wide
        window = padded[:, y : y + size[0], x : x + size[1]]
        found[i] = window[:, :, ::-1] if mirrored[i] else window
    return found


@pytest.mark.parametrize("pad_mode", MODES)
@pytest.mark.parametrize("case", range(40))
def test_every_way_gives_the_bytes_of_padding_and_slicing(pad_mode: PadMode, case: int) -> None:
    """Pictures of 1 to 12 pixels, 1 to 5 channels; windows that reach up to three times their size beyond: uint8 near
    by goes row by row, far away and float pixel by pixel."""
    rng = np.random.default_rng(case)
    count, channels, height, width = (int(rng.integers(1, most)) for most in (9, 6, 13, 13))
    size = int(rng.integers(1, height + 1)), int(rng.integers(1, width + 1))
    reach = int(rng.integers(0, (1, 3, 40)[case % 3] + 1))
    top, left = (rng.integers(-reach, room + reach + 1, count) for room in (height - size[0], width - size[1]))
    mirrored = rng.random(count) < (0, 0.5, 1)[case // 3 % 3]
    batch = rng.integers(0, 256, (count, channels, height, width), np.uint8)
    expected = one_by_one(batch, size, top, left, mirrored, pad_mode)
    given = torch.from_numpy(batch)
    for pictures in (given, given.to(memory_format=torch.channels_last), given.float()):
        found = _looked_up(pictures, size, top, left, mirrored, pad_mode)
        assert found.dtype == pictures.dtype
        assert np.array_equal(found.numpy(), expected)
    assert np.array_equal(given.numpy(), batch)


@pytest.mark.parametrize("pad_mode", MODES)
def test_crops_and_flips_of_a_whole_batch_are_those_of_its_floats(pad_mode: PadMode) -> None:
    batch = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (300, 3, 32, 32), np.uint8))
    augment, ids = Augment(crop=2, shift=1, flip="alternating", pad_mode=pad_mode), np.arange(300)
    for epoch in (0, 1):
        rows, pixels = augment.apply(batch, ids, 3, epoch), augment.apply(batch.float(), ids, 3, epoch)
        assert rows.dtype == torch.uint8
        assert torch.equal(rows.float(), pixels)
        assert not torch.equal(rows, batch)


@pytest.mark.parametrize("pad_mode", MODES)
def test_a_batch_without_pictures(pad_mode: PadMode) -> None:
    empty = torch.empty(0, 3, 8, 8, dtype=torch.uint8)
    assert Augment(crop=2, flip=True, pad_mode=pad_mode).apply(empty, np.arange(0), 0, 0, (6, 5)).shape == (0, 3, 6, 5)


def test_the_pictures_given_stay_as_they_are() -> None:
    """Also where nothing lies beyond, so that windows are taken out of the batch itself."""
    stored = np.random.default_rng(0).integers(0, 256, (50, 1, 9, 9), np.uint8)
    stored.flags.writeable = False
    kept = stored.copy()
    batch = torch.from_numpy(kept)
    found = Augment(flip=True).apply(batch, np.arange(50), 0, 0, (7, 7))
    found.zero_()
    assert np.array_equal(batch.numpy(), stored)
