"""One preprocessing: the same bytes and the same numbers for the same picture, whichever way it comes."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.preprocessing import MinMaxScaler

from convscope.data.decode import Fit, UnreadablePicture, decode
from convscope.data.preprocess import PAD_VALUE, Preprocess, statistics
from convscope.errors import ConvscopeError

FITS: tuple[Fit, ...] = get_args(Fit)


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


# ---- fit -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit", FITS)
def test_what_has_the_right_size_passes_untouched(fit: Fit) -> None:
    colour, grey = noise(20, 30, 3), noise(20, 30)
    as_colour, as_grey = Preprocess((20, 30), 3, fit), Preprocess((20, 30), 1, fit)
    for same in (colour, Image.fromarray(colour)):
        assert (as_colour.fit(same) == colour.transpose(2, 0, 1)).all()
    for same in (grey, grey[:, :, None], Image.fromarray(grey)):
        assert (as_grey.fit(same) == grey).all()
        assert (as_colour.fit(same) == grey).all()  # three equal channels
    assert as_colour.fit(colour).flags.c_contiguous


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(20, 30), (61, 47), (3, 200), (200, 3), (1, 1), (9, 31)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_way_in_gives_the_same_bytes(fit: Fit, shape: tuple[int, int], channels: int, tmp_path: Path) -> None:
    preprocess = Preprocess((24, 16), channels, fit)
    pixels = noise(*shape, 3)
    path = tmp_path / "a.png"
    path.write_bytes(png(pixels))
    got = preprocess.read(path)
    assert got.shape == (channels, 24, 16)
    assert got.dtype == np.uint8
    with path.open("rb") as stream:
        ways = [preprocess.fit(pixels), preprocess.fit(Image.fromarray(pixels)), preprocess.read(stream)]
    ways += [preprocess.read(path.read_bytes()), preprocess.read(Image.open(path)), preprocess.fit(Image.open(path))]
    assert all((way == got).all() for way in ways)


def test_pad_keeps_the_picture_and_fills_up_with_black() -> None:
    got = Preprocess((40, 40), 1, "pad").fit(np.full((10, 20), 200, np.uint8))  # becomes 20 x 40
    assert (got[0, 10:30] == 200).all()
    assert (got[0, :10] == PAD_VALUE).all()
    assert (got[0, 30:] == PAD_VALUE).all()
    assert PAD_VALUE == 0
    odd = Preprocess((5, 4), 1, "pad").fit(np.full((4, 4), 7, np.uint8))  # the odd row comes last
    assert odd[0].tolist() == [[7] * 4] * 4 + [[0] * 4]


def test_crop_takes_the_middle() -> None:
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 255
    assert (Preprocess((10, 10), 1, "crop").fit(wide) == 255).all()
    assert (Preprocess((10, 10), 1, "crop").fit(wide.T.copy()) == 255).all()
    even = Preprocess((6, 6), 1, "crop").fit(np.full((600, 13), 9, np.uint8))
    assert (even == 9).all()


def test_stretch_keeps_everything_and_not_the_shape() -> None:
    halves = np.repeat(np.array([[0, 255]], np.uint8), 20, 1).repeat(10, 0)  # 10 x 40, left black, right white
    got = Preprocess((20, 20), 1, "stretch").fit(halves)[0]
    assert (got[:, :8] == 0).all()
    assert (got[:, 12:] == 255).all()


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("factor", [2, 3, 7, 20])
def test_shrinking_averages(fit: Fit, factor: int) -> None:
    """A fine checkerboard becomes its mean grey; taking single pixels would leave black and white."""
    board = (np.indices((factor * 16, factor * 16)).sum(0) % 2 * 255).astype(np.uint8)
    got = Preprocess((16, 16), 1, fit).fit(board)[0].astype(int)
    assert np.abs(got[2:-2, 2:-2] - 127.5).max() < 30


def test_grey_of_a_colour_is_its_luma() -> None:
    got = Preprocess((1, 3), 1).fit(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8))
    assert np.abs(got[0, 0].astype(int) - [76, 150, 29]).max() <= 1  # ITU-R BT.601: 0.299, 0.587, 0.114


def test_the_background_belongs_to_the_record() -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (Preprocess((4, 4), 1).fit(clear) == 255).all()
    blue = Preprocess((4, 4), 3, background=(1, 2, 3))
    assert blue.fit(clear)[:, 0, 0].tolist() == [1, 2, 3]
    stream = io.BytesIO()
    clear.save(stream, "PNG")
    assert (blue.read(stream.getvalue()) == blue.fit(clear)).all()


@pytest.mark.parametrize("fit", FITS)
def test_a_large_jpeg_read_small_looks_as_read_whole(fit: Fit) -> None:
    soft = Image.fromarray(noise(9, 12, 3)).resize((1600, 1200), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    soft.save(stream, "JPEG", quality=95)
    preprocess = Preprocess((64, 64), 3, fit)
    small, whole = preprocess.read(stream.getvalue()), preprocess.fit(np.asarray(soft))
    assert np.abs(small.astype(int) - whole).mean() < 2


def test_reading_decodes_at_the_scale_that_fitting_needs() -> None:
    stream = io.BytesIO()
    Image.fromarray(noise(400, 600, 3)).save(stream, "JPEG")
    preprocess = Preprocess((25, 60), 3, "crop")  # a tenth: at a quarter, 150 wide, there are twice as many
    quarter, whole = decode(stream.getvalue(), target=(25, 60), fit="crop"), decode(stream.getvalue())
    assert quarter.size == (150, 100)
    assert (preprocess.read(stream.getvalue()) == preprocess.fit(quarter)).all()
    assert (preprocess.read(stream.getvalue()) != preprocess.fit(whole)).any()


@pytest.mark.parametrize(
    ("array", "came"),
    [
        (np.zeros((4, 4), np.float32), r"Got float32 of 4 x 4"),
        (np.zeros((3, 4, 4), np.uint8), r"Got uint8 of 3 x 4 x 4"),
        (np.zeros((4, 4, 4), np.uint8), r"Got uint8 of 4 x 4 x 4"),
        (np.zeros(4, np.uint8), r"Got uint8 of 4\.$"),
        (np.zeros((0, 4), np.uint8), r"Got uint8 of 0 x 4"),
    ],
)
def test_arrays_that_are_no_pictures(array: Any, came: str) -> None:
    with pytest.raises(ConvscopeError, match=r"must be uint8 of height x width, or height x width x 1 or 3\. " + came):
        Preprocess((4, 4), 1).fit(array)


def test_a_damaged_pillow_picture_is_told_too() -> None:
    half = Image.open(io.BytesIO(png(noise(50, 50))[:1500]))
    with pytest.raises(UnreadablePicture, match="cut off or damaged"):
        Preprocess((4, 4), 1).fit(half)


# ---- to_input --------------------------------------------------------------------------------------------------------


def test_each_channel_has_its_mean_and_deviation() -> None:
    batch = noise(5, 3, 8, 9)
    preprocess = Preprocess((8, 9), 3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    want = (batch / 255 - np.array([0.1, 0.2, 0.3]).reshape(3, 1, 1)) / np.array([0.5, 0.25, 2.0]).reshape(3, 1, 1)
    for given in (batch, torch.from_numpy(batch), torch.from_numpy(batch).float()):
        got = preprocess.to_input(given)
        assert got.dtype == torch.float32
        np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=1e-6)


def test_nothing_said_is_zero_to_one() -> None:
    assert Preprocess((1, 2), 1).to_input(np.array([[[[0, 255]]]], np.uint8)).tolist() == [[[[0.0, 1.0]]]]


def test_each_value_may_have_its_own() -> None:
    batch = noise(50, 1, 8, 8)
    batch[:, 0, 0, 0] = 7  # never changes
    mean, std = statistics(batch, "position-range")
    got = Preprocess((8, 8), 1, mean=mean, std=std).to_input(batch).numpy().reshape(50, -1)
    np.testing.assert_allclose(got, MinMaxScaler().fit_transform(batch.reshape(50, -1)), atol=1e-6)


def test_the_batch_is_left_as_it_was_and_may_be_read_only(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", noise(3, 1, 4, 4))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    floats = torch.from_numpy(noise(3, 1, 4, 4)).float()
    for preprocess in (Preprocess((4, 4), 1, mean=(0.5,)), Preprocess((4, 4), 1, per_picture=True)):
        assert torch.equal(preprocess.to_input(mapped), preprocess.to_input(floats))
    assert torch.equal(floats, torch.from_numpy(noise(3, 1, 4, 4)).float())


@pytest.mark.parametrize("per_picture", [False, True])
@pytest.mark.parametrize("crop_to", [None, (21, 17)])
def test_a_picture_alone_is_bit_for_bit_as_among_others(per_picture: bool, crop_to: tuple[int, int] | None) -> None:
    numbers: dict[str, Any] = {} if per_picture else {"mean": (0.47, 0.2, 0.31), "std": (0.21, 0.3, 0.17)}
    preprocess = Preprocess((33, 31), 3, per_picture=per_picture, crop_to=crop_to, **numbers)
    batch = noise(19, 3, 33, 31)
    together = preprocess.to_input(batch)
    for row in range(19):
        assert torch.equal(preprocess.to_input(batch[row : row + 1])[0], together[row])
    assert torch.equal(preprocess.to_input(batch[4:17]), together[4:17])


def test_per_picture_is_tensorflows_standardisation() -> None:
    batch = noise(4, 3, 24, 24)
    batch[1] = 77  # flat: the deviation is raised to 1 / sqrt(values), and the result is 0
    batch[2] = 100
    batch[2, 0, 0, 0] = 101  # all but flat: deviation 0.024 of at least 0.0241
    x = batch.astype(np.float64)
    least = 1 / math.sqrt(3 * 24 * 24)
    want = (x - x.mean((1, 2, 3), keepdims=True)) / np.maximum(x.std((1, 2, 3), keepdims=True), least)
    got = Preprocess((24, 24), 3, per_picture=True).to_input(batch).numpy()
    np.testing.assert_allclose(got, want, atol=2e-4)
    np.testing.assert_allclose(got[0], want[0], atol=2e-6)
    assert (got[1] == 0).all()


def test_per_picture_is_exact_for_pale_pictures() -> None:
    """Mean 250, deviation 0.4: mean square less squared mean loses all digits in float32."""
    batch = 250 + (noise(2, 3, 224, 224) > 200).astype(np.uint8)
    x = batch.astype(np.float64)
    want = (x - x.mean((1, 2, 3), keepdims=True)) / x.std((1, 2, 3), keepdims=True)
    got = Preprocess((224, 224), 3, per_picture=True).to_input(batch).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-4)


def test_the_middle_window_where_the_network_sees_less() -> None:
    preprocess = Preprocess((32, 32), 3, crop_to=(24, 20))
    assert preprocess.input_size == (24, 20)
    assert Preprocess((32, 32), 3).input_size == (32, 32)
    batch = noise(2, 3, 32, 32)
    whole = Preprocess((32, 32), 3).to_input(batch)
    assert torch.equal(preprocess.to_input(batch), whole[:, :, 4:28, 6:26])
    window = torch.from_numpy(batch[:, :, :24, :20].copy())  # augmented: already so small
    assert torch.equal(preprocess.to_input(window), whole[:, :, :24, :20])


@pytest.mark.parametrize("shape", [(2, 3, 32, 31), (2, 1, 32, 32), (3, 32, 32), (2, 3, 28, 28)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConvscopeError, match=r"a batch must be N x 3 x 32 x 32\. Got .*Put each picture through `fit`"):
        Preprocess((32, 32), 3, crop_to=(24, 24)).to_input(noise(*shape))


# ---- the record ------------------------------------------------------------------------------------------------------

RECORDS = [
    Preprocess((28, 28), 1),
    Preprocess((32, 48), 3, "crop", (0.1, 0.2, 0.3), (1.0, 2.0, 3.0), background=(0, 1, 2)),
    Preprocess((32, 32), 3, "stretch", per_picture=True, crop_to=(24, 24)),
    Preprocess((2, 2), 1, mean=(0.0, 0.1, 0.2, 0.3), std=(1.0, 0.5, 0.25, 0.125)),
]


@pytest.mark.parametrize("record", RECORDS)
def test_json_and_back(record: Preprocess) -> None:
    again = Preprocess.from_json(json.loads(json.dumps(record.to_json(), allow_nan=False)))
    assert again == record
    assert hash(again) == hash(record)
    assert list(record.to_json()) == list(RECORDS[0].to_json())


def test_replace_changes_what_is_named() -> None:
    record = RECORDS[1]
    assert record.replace() == record
    assert record.replace(mean=(0.0, 0.0, 0.0), fit="pad").to_json() == {
        **record.to_json(),
        "mean": [0.0, 0.0, 0.0],
        "fit": "pad",
    }


def test_a_channels_numbers_are_spread_beside_a_values() -> None:
    record = Preprocess((1, 2), 3, mean=(0.1,) * 6, std=(1.0, 2.0, 3.0))
    assert record.std == (1.0, 1.0, 2.0, 2.0, 3.0, 3.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (0, 28)}, r"size must be height and width, whole numbers from 1 to 16384\. Got \(0, 28\)"),
        ({"size": (28, 16385)}, r"size must be height and width"),
        ({"size": 28}, r"size must be height and width"),
        ({"size": (28.0, 28)}, r"size must be height and width"),
        ({"channels": 4}, r"channels must be 1 \(grey\) or 3 \(colour\)\. Got 4"),
        ({"channels": True}, r"channels must be 1"),
        ({"fit": "padd"}, r"unknown fit 'padd', did you mean 'pad'\? These exist: crop, pad, stretch"),
        ({"mean": (0.1, 0.2)}, r"mean must have one number a channel \(1\) or one a value \(784\)\. Got 2"),
        ({"mean": ("a",)}, r"mean must be a list of numbers, in units of pixel / 255\. Got \('a',\)"),
        ({"mean": 0.5}, r"mean must be a list of numbers"),
        ({"std": (math.nan,)}, r"std must be a list of numbers"),
        ({"std": (0.0,)}, r"std must be above 0\. Got 0"),
        ({"std": (-1.0,)}, r"std must be above 0\. Got -1"),
        ({"per_picture": 1}, r"per_picture must be true or false\. Got 1"),
        ({"per_picture": True, "mean": (0.5,)}, r"per_picture takes the place of mean and std\. Leave these out"),
        ({"manner": "mnits"}, r"unknown manner 'mnits', did you mean 'mnist'\? These exist: digits, mnist"),
        ({"manner": "mnist", "channels": 3}, r"a manner is for grey pictures: channels must be 1 with manner 'mnist'"),
        ({"crop_to": (24,)}, r"crop_to must be height and width"),
        ({"crop_to": (29, 24)}, r"crop_to must not be larger than size\. Got crop_to 29 x 24 and size 28 x 28"),
        ({"crop_to": (24, 24), "mean": (0.1,) * 784}, r"one mean for each value can't go with crop_to"),
        ({"background": (0, 0, 256)}, r"background must be red, green and blue, each 0 to 255\. Got \(0, 0, 256\)"),
        ({"background": 5}, r"background must be red, green and blue, each 0 to 255\. Got 5"),
    ],
)
def test_values_that_cannot_be_used(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvscopeError, match=message):
        Preprocess(**{"size": (28, 28), "channels": 1, **changes})


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([], r"the preprocessing must be an object with named values\. Got list"),
        (
            {"size": [2, 2], "channels": 1, "men": []},
            r"unknown value of the preprocessing 'men', did you mean 'mean'\?",
        ),
        ({"channels": 1}, r"the preprocessing must have a size\. It has channels"),
        ({"size": [2, 2]}, r"the preprocessing must have a channels\. It has size"),
        ({"size": [2, 2], "channels": 1, "std": [1e999]}, r"std must be a list of numbers"),
        ({"size": [2, 2], "channels": 1, "fit": ["pad"]}, r"unknown fit"),
        ({"size": [2, 2], "channels": [1]}, r"channels must be 1"),
        ({"size": [2, 2], "channels": 1, "manner": 3}, r"unknown manner '3'"),
        ({"size": [2, 2], "channels": 1, "manner": {"a": 1}}, r"unknown manner"),
    ],
)
def test_records_from_strangers(record: Any, message: str) -> None:
    with pytest.raises(ConvscopeError, match=message):
        Preprocess.from_json(record)


# ---- statistics ------------------------------------------------------------------------------------------------------


def test_statistics_of_channels_are_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(101, 3, 7, 5) // np.array([1, 2, 4], np.uint8).reshape(3, 1, 1)
    x = images / 255
    for chunk in (1, 1000, 1 << 24):  # values at a time
        monkeypatch.setattr("convscope.data.preprocess._CHUNK", chunk)
        mean, std = statistics(images)
        np.testing.assert_allclose(mean, x.mean((0, 2, 3)), rtol=1e-13)
        np.testing.assert_allclose(std, x.std((0, 2, 3)), rtol=1e-12)
        low, reach = statistics(images, "position-range")
        np.testing.assert_allclose(low, x.min(0).ravel(), rtol=1e-15)
        np.testing.assert_allclose(reach, (x.max(0) - x.min(0)).ravel(), rtol=1e-12)


def test_flat_pictures_have_a_deviation_that_can_be_divided_by() -> None:
    assert statistics(np.full((3, 1, 2, 2), 51, np.uint8)) == ((0.2,), (1e-3,))
    assert statistics(np.full((3, 1, 1, 1), 51, np.uint8), "position-range") == ((0.2,), (1.0,))


def test_statistics_need_pictures() -> None:
    with pytest.raises(ConvscopeError, match=r"at least one picture, uint8 N x C x H x W\. Got uint8 0 x 1 x 2 x 2"):
        statistics(np.zeros((0, 1, 2, 2), np.uint8))
    with pytest.raises(ConvscopeError, match=r"unknown kind of statistics 'chanel', did you mean 'channel'"):
        statistics(np.zeros((1, 1, 2, 2), np.uint8), "chanel")  # type: ignore[arg-type]
