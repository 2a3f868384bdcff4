"""Augmentation: keyed by picture, so the same whatever the batch; and each change is what it says."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from convscope.data.augment import Augment, PadMode
from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError

MODES: tuple[PadMode, ...] = get_args(PadMode)

EACH = {
    "crop": Augment(crop=3),
    "crop, reflected": Augment(crop=3, pad_mode="reflect"),
    "shift": Augment(shift=2, pad_mode="replicate"),
    "flip": Augment(flip=True),
    "flip, alternating": Augment(flip="alternating"),
    "rotate": Augment(rotate=20),
    "zoom": Augment(zoom=0.2),
    "elastic": Augment(elastic=2, pad_mode="reflect"),
    "rotate, zoom, elastic": Augment(rotate=10, zoom=0.1, elastic=1, flip="alternating"),
    "brightness": Augment(brightness=63),
    "contrast": Augment(contrast=(0.2, 1.8)),
    "cutout": Augment(cutout=5),
    "all": Augment(2, 1, True, 15, "reflect", 30, (0.5, 1.5), 4),
}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def ids(count: int) -> NDArray[np.int64]:
    return np.arange(count, dtype=np.int64) * 7 + 3


# ---- keyed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("size", [None, (13, 11)])
def test_a_pictures_change_does_not_depend_on_its_batch(name: str, size: tuple[int, int] | None) -> None:
    augment, batch, key = EACH[name], noise(23, 3, 17, 15), ids(23)
    together = augment.apply(batch, key, 5, 2, size)
    for row in range(23):
        alone = augment.apply(batch[row : row + 1], key[row : row + 1], 5, 2, size)[0]
        torch.testing.assert_close(alone, together[row], rtol=1e-5, atol=1e-3)
    order = np.random.default_rng(0).permutation(23)[:10]
    some = augment.apply(batch[order], key[order], 5, 2, size)
    torch.testing.assert_close(some, together[order], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("name", EACH)
def test_the_key_is_seed_epoch_and_id(name: str) -> None:
    augment, batch, key = EACH[name], noise(16, 1, 12, 12), ids(16)
    first = augment.apply(batch, key, 5, 2)
    assert torch.equal(augment.apply(batch, key, 5, 2), first)
    for other in (
        augment.apply(batch, key, 6, 2),
        augment.apply(batch, key, 5, 3),
        augment.apply(batch, key + 1, 5, 2),
    ):
        assert not torch.equal(other, first)


@pytest.mark.parametrize("name", EACH)
def test_the_stored_pictures_stay_as_they_are(name: str) -> None:
    for batch in (noise(9, 3, 12, 12), noise(9, 3, 12, 12).float()):
        before = batch.clone()
        EACH[name].apply(batch, ids(9), 0, 0)
        assert torch.equal(batch, before)


def test_one_change_does_not_move_anothers_draws() -> None:
    batch, key = noise(64, 1, 9, 9), ids(64)
    alone = Augment(flip=True).apply(batch, key, 0, 0).float()
    lit = Augment(flip=True, brightness=20).apply(batch, key, 0, 0)
    assert ((lit - alone).flatten(1).std(1) < 1e-4).all()


def test_bytes_stay_bytes_where_no_arithmetic_is_asked_for() -> None:
    batch = noise(8, 3, 12, 12)
    for name in ("crop", "shift", "flip", "cutout"):
        assert EACH[name].apply(batch, ids(8), 0, 0).dtype == torch.uint8
    for name in ("rotate", "zoom", "elastic", "brightness", "contrast"):
        assert EACH[name].apply(batch, ids(8), 0, 0).dtype == torch.float32
    assert Augment().apply(batch, ids(8), 0, 0) is batch


# ---- moves -----------------------------------------------------------------------------------------------------------


def all_windows(picture: NDArray[np.uint8], reach: int, mode: PadMode, mirrored: bool) -> set[bytes]:
    """Every window that a crop or shift of `reach` may take of a picture (C, H, W): NumPy's padding, then slices."""
    sides = ((0, 0), (reach, reach), (reach, reach))
    how = {"zero": "constant", "replicate": "edge", "reflect": "reflect"}[mode]
    padded = np.pad(picture, sides, mode=how)  # type: ignore[call-overload]
    height, width = picture.shape[1:]
    found = set()
    for top in range(2 * reach + 1):
        for left in range(2 * reach + 1):
            window = padded[:, top : top + height, left : left + width]
            found.add(window.tobytes())
            if mirrored:
                found.add(window[:, :, ::-1].tobytes())
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["crop", "shift"])
@pytest.mark.parametrize("flip", [False, True])
def test_moves_take_every_window_and_no_other(mode: PadMode, how: str, flip: bool) -> None:
    picture = noise(1, 2, 6, 7)
    reach: dict[str, Any] = {how: 2}
    augment = Augment(flip=flip, pad_mode=mode, **reach)
    got = augment.apply(picture.expand(2000, -1, -1, -1), np.arange(2000), 0, 0)
    assert {window.tobytes() for window in got.numpy()} == all_windows(picture[0].numpy(), 2, mode, flip)


@pytest.mark.parametrize("mode", MODES)
def test_moves_farther_than_the_picture_is_wide(mode: PadMode) -> None:
    got = Augment(shift=40, pad_mode=mode).apply(noise(200, 1, 3, 1), ids(200), 0, 0)
    assert got.shape == (200, 1, 3, 1)
    if mode == "zero":
        assert (got.flatten(1) == 0).all(1).sum() > 100


def test_crop_and_shift_add_up() -> None:
    picture = noise(1, 1, 9, 9)
    got = Augment(crop=1, shift=2).apply(picture.expand(4000, -1, -1, -1), np.arange(4000), 0, 0)
    assert {window.tobytes() for window in got.numpy()} == all_windows(picture[0].numpy(), 3, "zero", False)
    places = torch.arange(81.0).view(1, 1, 9, 9).expand(4000, -1, -1, -1)
    down = Augment(crop=1, shift=2).apply(places, np.arange(4000), 0, 0)[:, 0, 4, 4] // 9 - 4
    assert 0.05 < float((down == 3).float().mean()) < 0.09  # 1/3 of 1/5; drawn alike it would be 1/5


def test_a_random_window_of_a_larger_picture() -> None:
    """Tutorial B: 32 x 32 are stored, the network sees 24 x 24; all 81 windows come up, about equally often."""
    places = torch.arange(32 * 32).reshape(1, 1, 32, 32).expand(8100, 1, 32, 32).float()
    got = Augment().apply(places, np.arange(8100), 0, 0, (24, 24))
    assert got.shape == (8100, 1, 24, 24)
    corner = got[:, 0, 0, 0].long()
    assert torch.equal(got[:, 0, -1, -1].long(), corner + 23 * 32 + 23)
    counts = torch.bincount(corner)
    counts = counts[counts > 0]
    assert len(counts) == 81
    assert counts.min() > 60
    assert counts.max() < 145


def test_half_are_flipped() -> None:
    ramp = torch.arange(10, dtype=torch.uint8).expand(4000, 1, 3, 10)
    got = Augment(flip=True).apply(ramp, np.arange(4000), 1, 0)
    flipped = got[:, 0, 0, 0] == 9
    assert torch.equal(got[flipped], ramp[flipped].flip(3))
    assert torch.equal(got[~flipped], ramp[~flipped])
    assert 1850 < int(flipped.sum()) < 2150


def test_alternating_flips_show_both_sides_in_two_epochs() -> None:
    """Half of the pictures are mirrored in even epochs, exactly the others in odd ones, for ever alike."""
    ramp = torch.arange(10, dtype=torch.uint8).expand(4000, 1, 3, 10)
    augment = Augment(flip="alternating")
    flipped = [augment.apply(ramp, np.arange(4000), 1, epoch)[:, 0, 0, 0] == 9 for epoch in range(4)]
    assert 1850 < int(flipped[0].sum()) < 2150
    assert torch.equal(flipped[1], ~flipped[0])
    assert torch.equal(flipped[2], flipped[0])
    assert torch.equal(flipped[3], flipped[1])
    other = augment.apply(ramp, np.arange(4000), 2, 0)[:, 0, 0, 0] == 9
    assert 1800 < int((other ^ flipped[0]).sum()) < 2200


def ramps(count: int, height: int, width: int) -> torch.Tensor:
    """(count, 2, height, width): each pixel's row and column, so that what is sampled says where it came from."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows, columns]).float().expand(count, -1, -1, -1)


def test_zoom_stretches_height_and_width_apart() -> None:
    """A place at d from the middle comes from d / factor, and the factors fill their range."""
    got = Augment(zoom=0.2, pad_mode="replicate").apply(ramps(2000, 21, 31), np.arange(2000), 0, 0)
    down = 1 / (got[:, 0, 11, 15] - got[:, 0, 10, 15])
    across = 1 / (got[:, 1, 10, 16] - got[:, 1, 10, 15])
    for factor in (down, across):
        assert 0.7999 < float(factor.min()) < 0.81
        assert 1.19 < float(factor.max()) < 1.2001
        assert abs(float(factor.mean()) - 1) < 0.01
    assert abs(float(torch.corrcoef(torch.stack([down, across]))[0, 1])) < 0.1
    inside = got[:, :, 5:16, 8:23]
    wanted = torch.stack(
        [
            10 + (torch.arange(5, 16) - 10).view(1, -1, 1) / down.view(-1, 1, 1) + torch.zeros(1, 1, 15),
            15 + (torch.arange(8, 23) - 15).view(1, 1, -1) / across.view(-1, 1, 1) + torch.zeros(1, 11, 1),
        ],
        dim=1,
    )
    assert (inside - wanted).abs().max() < 1e-3


def cubic(length: int) -> NDArray[np.float64]:
    """(length, 4): Keys's cubic convolution , a = -0.75, of four points over `length` places; the ends are repeated."""
    weights = np.zeros((length, 4))
    for place in range(length):
        at = place * 3 / (length - 1)
        for neighbour in range(int(at) - 1, int(at) + 3):
            d = abs(at - neighbour)
            near = 1.25 * d**3 - 2.25 * d**2 + 1
            far = -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)
            weights[place, min(max(neighbour, 0), 3)] += near if d <= 1 else far if d < 2 else 0
    return weights


def test_elastic_moves_a_grid_of_points_and_smoothly_what_lies_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against cubic convolution written out; each point moves by at most what was asked for."""
    draw = np.random.default_rng(0).random((50, 32))
    monkeypatch.setattr("convscope.draws.uniform", lambda *key: draw if key[-1] == 32 else np.full(50, 0.5))
    got = Augment(elastic=1.5, pad_mode="replicate").apply(ramps(50, 28, 22), np.arange(50), 0, 0)
    moved = (got - ramps(50, 28, 22)).numpy()[:, ::-1]  # across, then down
    points = ((2 * draw - 1) * 1.5).reshape(50, 2, 4, 4)
    wanted = cubic(28) @ points @ cubic(22).T
    assert np.abs(moved - wanted)[:, :, 2:-2, 2:-2].max() < 1e-3  # the border itself can't be sampled beyond
    assert np.abs(points).max() > 1.45


def test_elastic_of_nothing_is_the_plain_picture() -> None:
    batch = noise(20, 3, 12, 13)
    for size in (None, (1, 1), (8, 9)):
        plain = Augment(flip=True).apply(batch, ids(20), 3, 1, size).float()
        assert (Augment(flip=True, elastic=1e-9).apply(batch, ids(20), 3, 1, size) - plain).abs().max() < 1e-2


def test_rotation_is_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the angle that was drawn, about the middle, bilinear: as `Image.rotate` away from the border."""
    soft = Image.fromarray(noise(7, 7).numpy()).resize((41, 41), Image.Resampling.BICUBIC)
    batch = torch.from_numpy(np.asarray(soft).copy())[None, None]
    for draw, degrees in ((0.0, -30.0), (0.25, -15.0), (0.5, 0.0), (0.9, 24.0)):
        monkeypatch.setattr("convscope.draws.uniform", lambda *key, draw=draw: np.full(1, draw))
        got = Augment(rotate=30).apply(batch, ids(1), 0, 0)[0, 0].numpy()
        wanted = np.asarray(soft.rotate(degrees, Image.Resampling.BILINEAR)).astype(float)
        inside = np.hypot(*np.mgrid[-20:21, -20:21]) < 18
        assert np.abs(got - wanted)[inside].max() < 2, degrees


@pytest.mark.parametrize("mode", MODES)
def test_a_turn_of_nothing_is_the_plain_move(mode: PadMode) -> None:
    plain = Augment(crop=3, flip=True, pad_mode=mode)
    hardly = dataclasses.replace(plain, rotate=1e-9)
    batch = noise(40, 2, 12, 13)
    for size in (None, (8, 9)):
        looked_up = plain.apply(batch, ids(40), 3, 1, size).float()
        resampled = hardly.apply(batch, ids(40), 3, 1, size)
        assert (looked_up - resampled).abs().max() < 1e-2


def test_angles_fill_their_range() -> None:
    bar = torch.zeros(500, 1, 41, 41)
    bar[:, :, 20, 30] = 255  # right of the middle by 10
    got = Augment(rotate=45).apply(bar, np.arange(500), 0, 0)[:, 0]
    rows = (got.sum(2) * torch.arange(41)).sum(1) / got.sum((1, 2)) - 20
    degrees = torch.rad2deg(torch.asin((rows / 10).clamp(-1, 1)))
    assert degrees.min() < -42
    assert degrees.max() > 42
    assert abs(float(degrees.mean())) < 4
    assert degrees.abs().max() < 47


# ---- light -----------------------------------------------------------------------------------------------------------


def test_brightness_adds_one_number_to_a_picture_and_clips_nothing() -> None:
    batch = noise(300, 3, 6, 6)
    added = (Augment(brightness=63).apply(batch, ids(300), 0, 0) - batch).flatten(1)
    assert (added.std(1) < 1e-4).all()
    assert -63 <= added.min() < -58
    assert 58 < added.max() <= 63
    assert Augment(brightness=63).apply(batch, ids(300), 0, 0).max() > 255


def test_contrast_is_about_each_channels_own_mean() -> None:
    batch = noise(300, 3, 6, 6)
    got = Augment(contrast=(0.2, 1.8)).apply(batch, ids(300), 0, 0)
    mean = batch.float().mean((2, 3), keepdim=True)
    assert torch.allclose(got.mean((2, 3), keepdim=True), mean, atol=1e-3)
    factors = ((got - mean) / (batch - mean)).flatten(1).nanmedian(1).values
    assert torch.allclose(got, mean + (batch - mean) * factors.view(-1, 1, 1, 1), atol=1e-2)
    assert 0.2 <= factors.min() < 0.25
    assert 1.75 < factors.max() <= 1.8


def test_brightness_and_contrast_are_drawn_apart() -> None:
    step = torch.tensor([100, 110], dtype=torch.uint8).view(1, 1, 1, 2).expand(2000, 1, 1, 2)
    got = Augment(brightness=50, contrast=(0.5, 1.5)).apply(step, np.arange(2000), 0, 0).flatten(1)
    added, factor = got.mean(1), got[:, 1] - got[:, 0]
    assert abs(float(torch.corrcoef(torch.stack([added, factor]))[0, 1])) < 0.1


def test_standardisation_takes_brightness_out_again() -> None:
    """Tutorial B's brightness does nothing: 2e-7 of difference was measured there."""
    preprocess = Preprocess((32, 32), 3, per_picture=True, crop_to=(24, 24))
    batch, key = noise(50, 3, 32, 32), ids(50)
    plain = Augment(flip=True, contrast=(0.2, 1.8))
    bright = dataclasses.replace(plain, brightness=63)
    with_it, without = (
        preprocess.to_input(augment.apply(batch, key, 0, 0, preprocess.input_size)) for augment in (bright, plain)
    )
    assert (with_it - without).abs().max() < 1e-5
    assert with_it.shape == (50, 3, 24, 24)


def test_without_augmentation_training_sees_what_prediction_sees() -> None:
    preprocess = Preprocess((9, 9), 1, mean=(0.3,), std=(0.2,))
    batch = noise(5, 1, 9, 9)
    augmented = Augment().apply(batch, ids(5), 0, 0, preprocess.input_size)
    assert torch.equal(preprocess.to_input(augmented), preprocess.to_input(batch))


# ---- cutout ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, 4, 5, 50])
def test_cutout_is_one_black_square(side: int) -> None:
    white = torch.full((500, 3, 12, 14), 255, dtype=torch.uint8)
    got = Augment(cutout=side).apply(white, np.arange(500), 0, 0)
    black = got == 0
    assert torch.equal(black[:, :1].expand_as(black), black)  # all channels alike
    high, wide = black[:, 0].any(2).sum(1), black[:, 0].any(1).sum(1)
    assert torch.equal(black[:, 0].sum((1, 2)), high * wide)  # a rectangle, cut off at the border
    assert int(high.max()) == min(side, 12)
    assert int(wide.max()) == min(side, 14)
    assert int(high.min()) >= min(side // 2, 6) or side == 1
    assert (got[~black] == 255).all()


def test_a_cutouts_middle_may_be_anywhere() -> None:
    white = torch.full((3000, 1, 5, 6), 255, dtype=torch.uint8)
    got = Augment(cutout=1).apply(white, np.arange(3000), 0, 0)
    counts = (got == 0).sum((0, 1))
    assert counts.min() > 60


# ---- settings --------------------------------------------------------------------------------------------------------


def test_a_recipes_list_is_taken() -> None:
    assert Augment(contrast=[0.5, 1.5]).contrast == (0.5, 1.5)  # type: ignore[arg-type]
    assert hash(Augment(contrast=[0.5, 1.5]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"crop": -1}, r"crop must be a whole number of pixels, 0 for none\. Got -1"),
        ({"shift": 1.5}, r"shift must be a whole number of pixels, 0 for none\. Got 1\.5"),
        ({"cutout": True}, r"cutout must be a whole number of pixels"),
        ({"flip": 1}, r"flip must be true, false or 'alternating'\. Got 1"),
        ({"zoom": 1}, r"zoom must be a share of the size, from 0 to below 1\. Got 1"),
        ({"elastic": -0.5}, r"elastic must be a number of pixels, 0 for none\. Got -0\.5"),
        ({"rotate": 181}, r"rotate must be degrees from 0 to 180\. Got 181"),
        ({"rotate": float("nan")}, r"rotate must be degrees from 0 to 180\. Got nan"),
        ({"brightness": -1}, r"brightness must be from 0 to 255, in units of a pixel's value\. Got -1"),
        ({"contrast": 0.5}, r"contrast must be two factors, low and high, from 0\. Got 0\.5"),
        ({"contrast": (1.8, 0.2)}, r"contrast must be two factors, low and high, from 0\. Got \(1\.8, 0\.2\)"),
        ({"contrast": (-0.1, 1)}, r"contrast must be two factors"),
        ({"pad_mode": "mirror"}, r"unknown pad_mode 'mirror'.*These exist: reflect, replicate, zero"),
    ],
)
def test_settings_that_cannot_be_used(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvscopeError, match=message):
        Augment(**setting)


@pytest.mark.parametrize(
    ("shape", "count", "size"), [((2, 1, 8, 8), 3, None), ((2, 1, 8, 8), 2, (9, 8)), ((2, 1, 8, 8), 2, (8, 9))]
)
def test_batches_that_cannot_be_used(shape: tuple[int, ...], count: int, size: tuple[int, int] | None) -> None:
    with pytest.raises(
        ConvscopeError, match=r"must be N x C x H x W, at least . x ., with one id a picture\. Got 2 x 1"
    ):
        Augment(flip=True).apply(noise(*shape), ids(count), 0, 0, size)
