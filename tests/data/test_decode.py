"""One decoder: every format and mode has one meaning, damage is told, and nothing else can be reached."""

from __future__ import annotations

import io
import sys
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

from convscope.data.decode import (
    FORMATS,
    Fit,
    MissingHeic,
    UnreadablePicture,
    decode,
    format_of,
    is_picture_name,
    is_system_file,
    scaled_size,
)
from data.odd_pictures import png, tiff

ORACLE = Path(__file__).parent.parent / "oracle" / "pictures"
RAMP = np.arange(256, dtype=np.uint16) * 257  # 16-bit, one step of 8 bits each


def smooth(height: int, width: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """A picture in which neighbours are alike, so that JPEG keeps it: (height, width, channels)."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, channels), np.uint8)
    picture = Image.fromarray(small if channels == 3 else small[:, :, 0])
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def encoded(picture: Image.Image | NDArray[Any], form: str, **how: Any) -> bytes:
    stream = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(stream, form, **how)
    return stream.getvalue()


def pixels(source: Any, **how: Any) -> NDArray[np.uint8]:
    return np.asarray(decode(source, **how))


# ---- sources ---------------------------------------------------------------------------------------------------------


def test_a_path_its_bytes_and_an_open_file_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "图 片.png"
    path.write_bytes(encoded(smooth(20, 30), "PNG"))
    with path.open("rb") as stream:
        stream.seek(7)  # read from the start, wherever it stands
        from_file = pixels(stream)
    for source in (path, str(path), path.read_bytes(), Image.open(path)):
        assert (pixels(source) == from_file).all()
    assert (from_file == smooth(20, 30)).all()


def test_a_stream_that_cannot_be_rewound_is_read() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    assert (pixels(Pipe(encoded(smooth(8, 9), "PNG"))) == smooth(8, 9)).all()


def test_the_suffix_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "really-a-png.JPEG"
    path.write_bytes(encoded(smooth(8, 9), "PNG"))
    assert (pixels(path) == smooth(8, 9)).all()


# ---- lossless formats, exactly ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "how"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True, "exact": True}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "packbits"}),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_keep_every_value(form: str, how: dict[str, Any], channels: int) -> None:
    whole = smooth(37, 53, channels)
    got = decode(encoded(whole, form, **how))
    if form == "WEBP" and channels == 1:  # the format has no grey
        whole = np.repeat(whole[:, :, None], 3, 2)
    assert got.mode == ("L" if whole.ndim == 2 else "RGB")
    assert (np.asarray(got) == whole).all()


def test_jpeg_is_close_and_grey_stays_grey() -> None:
    for channels in (1, 3):
        whole = smooth(64, 48, channels)
        got = decode(encoded(whole, "JPEG", quality=95))
        assert got.mode == ("L" if channels == 1 else "RGB")
        assert np.abs(np.asarray(got).astype(int) - whole).mean() < 2


def test_one_two_and_four_bits_span_black_to_white() -> None:
    for depth in (1, 2, 4):
        steps = 2**depth
        values = np.arange(steps, dtype=np.uint8)
        packed = np.packbits(((values[:, None] >> np.arange(depth)[::-1]) & 1).ravel())
        got = pixels(png(steps, 1, depth, 0, [packed.tobytes()]))
        assert (got[0] == np.round(values * (255 / (steps - 1)))).all()


def test_a_palette_of_greys_is_grey_and_another_is_colour() -> None:
    assert decode(encoded(smooth(20, 20, 1), "GIF")).mode == "L"
    assert (pixels(encoded(smooth(20, 20, 1), "GIF")) == smooth(20, 20, 1)).all()
    four = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2), "L")
    four = four.convert("P")
    four.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    for form in ("PNG", "GIF", "BMP", "TIFF"):
        got = pixels(encoded(four, form))
        assert got.reshape(-1, 3).tolist() == [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], form


# ---- 16 and 32 bits --------------------------------------------------------------------------------------------------

SIXTEEN: dict[str, bytes] = {
    "png": png(256, 1, 16, 0, [RAMP.astype(">u2").tobytes()]),
    "tiff": tiff(256, 1, RAMP.astype("<u2").tobytes(), bits=(16,)),
    "tiff, big endian": tiff(256, 1, RAMP.astype(">u2").tobytes(), bits=(16,), big_endian=True),
    "tiff, deflated": tiff(256, 1, zlib.compress(RAMP.astype("<u2").tobytes()), bits=(16,), compression=8),
    "tiff, 32 bits": tiff(256, 1, RAMP.astype("<i4").tobytes(), bits=(32,), sample_format=2),
    "tiff, 0 to 1": tiff(256, 1, (RAMP / 65535).astype("<f4").tobytes(), bits=(32,), sample_format=3),
    "tiff, 0 to 255": tiff(256, 1, (RAMP / 257).astype("<f4").tobytes(), bits=(32,), sample_format=3),
    "tiff, 0 to 65535": tiff(256, 1, RAMP.astype("<f4").tobytes(), bits=(32,), sample_format=3),
}


@pytest.mark.parametrize("kind", SIXTEEN)
def test_a_deep_ramp_keeps_its_256_levels(kind: str) -> None:
    got = decode(SIXTEEN[kind])
    assert got.mode == "L"
    assert (np.asarray(got)[0] == np.arange(256)).all()


def test_sixteen_bits_are_scaled_and_rounded() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    rows = [row.astype(">u2").tobytes() for row in every]
    assert (pixels(png(256, 256, 16, 0, rows)) == np.round(every / 257.0)).all()


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_sixteen_bit_colour_and_alpha_keep_256_levels(colour: int) -> None:
    """Pillow hands on the high byte of these: at most one level darker than rounding."""
    opaque = np.full_like(RAMP, 65535)
    planes = {2: [RAMP] * 3, 4: [RAMP, opaque], 6: [RAMP] * 3 + [opaque]}[colour]
    got = pixels(png(256, 1, 16, colour, [np.stack(planes, -1).astype(">u2").tobytes()]))
    assert (got.reshape(256, 3) == np.arange(256)[:, None]).all()


def test_ones_of_a_whole_number_picture_are_not_white() -> None:
    assert pixels(tiff(2, 1, np.array([0, 1], "<i4").tobytes(), bits=(32,), sample_format=2)).tolist() == [[0, 1]]


def test_white_is_zero_and_twelve_bits() -> None:
    inverted = tiff(256, 1, RAMP.astype("<u2").tobytes(), bits=(16,), photometric=0)
    assert (pixels(inverted)[0] == 255 - np.arange(256)).all()
    first, second = np.arange(0, 4096, 2), np.arange(1, 4096, 2)
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1).astype(np.uint8)
    got = pixels(tiff(4096, 1, packed.tobytes(), bits=(12,)))
    assert (got[0] == np.round(np.arange(4096) * 255 / 4095)).all()


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I", "F"])
def test_a_pillow_picture_of_deep_pixels(mode: str) -> None:
    kind = {"I;16": "<u2", "I;16L": "<u2", "I;16B": ">u2", "I": "i4", "F": "f4"}[mode]
    picture = Image.frombytes(mode, (256, 1), RAMP.astype(kind).tobytes())
    assert (pixels(picture)[0] == np.arange(256)).all()


@pytest.mark.parametrize("bad", [-1.0, 70000.0, float("nan"), float("inf")])
def test_numbers_without_a_known_white_are_refused(bad: float) -> None:
    numbers = np.array([0.5, bad], "<f4")
    with pytest.raises(UnreadablePicture, match=r"must lie in 0\.\.1, 0\.\.255 or 0\.\.65535\. Got .*8 or 16 bits"):
        decode(tiff(2, 1, numbers.tobytes(), bits=(32,), sample_format=3))


# ---- transparency ----------------------------------------------------------------------------------------------------

BLUE = (10, 20, 200)


def on(colour: NDArray[Any], alpha: NDArray[Any], background: tuple[int, ...]) -> NDArray[np.float64]:
    """colour: (..., C), alpha: (...)."""
    share = alpha[..., None] / 255
    mixed: NDArray[np.float64] = np.floor(colour * share + np.array(background) * (1 - share) + 0.5)
    return mixed


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), BLUE])
def test_alpha_is_composited_on_the_background(background: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(1)
    rgba = rng.integers(0, 256, (64, 64, 4), np.uint8)
    want = on(rgba[..., :3], rgba[..., 3], background)
    for form, how in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})):
        got = decode(encoded(rgba, form, **how), background=background)
        assert got.mode == "RGB"
        assert (np.asarray(got) == want).all(), form
    la = Image.merge("LA", [Image.fromarray(rgba[..., 0]), Image.fromarray(rgba[..., 3])])
    for form in ("PNG", "TIFF"):
        got = decode(encoded(la, form), background=background)
        grey = len(set(background)) == 1
        want = on(rgba[..., :1], rgba[..., 3], background[:1] if grey else background)
        assert got.mode == ("L" if grey else "RGB")
        assert (np.asarray(got) == (want[..., 0] if grey else want)).all(), form


def test_the_background_is_white_unless_said() -> None:
    assert pixels(encoded(np.zeros((1, 1, 4), np.uint8), "PNG")).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize(
    ("depth", "see_through", "row"),
    [(1, 1, b"\x40"), (2, 1, b"\x10"), (4, 1, b"\x01"), (8, 5, b"\0\5"), (16, 514, b"\0\0\2\2")],
)
def test_one_transparent_grey(depth: int, see_through: int, row: bytes) -> None:
    """At 2 and 4 bits Pillow scales the pixels and not the transparent value, and so misses it."""
    file = png(2, 1, depth, 0, [row], (b"tRNS", see_through.to_bytes(2, "big")))
    assert pixels(file, background=(255, 255, 255)).tolist() == [[0, 255]]
    assert pixels(file, background=BLUE).tolist() == [[[0, 0, 0], list(BLUE)]]


@pytest.mark.parametrize("depth", [8, 16])
def test_one_transparent_colour(depth: int) -> None:
    wide = depth // 8
    row = bytes(3 * wide) + b"".join(n.to_bytes(wide, "big") for n in (7 << depth - 8, 8, 9))
    chunk = b"".join(n.to_bytes(2, "big") for n in (7 << depth - 8, 8, 9))
    assert pixels(png(2, 1, depth, 2, [row], (b"tRNS", chunk)), background=BLUE).tolist() == [[[0, 0, 0], list(BLUE)]]


def test_a_palette_with_alpha() -> None:
    palette = (b"PLTE", bytes([0, 0, 0, 200, 100, 50, 1, 2, 3]))
    file = png(3, 1, 8, 3, [b"\0\1\2"], palette, (b"tRNS", bytes([255, 128, 0])))
    half = on(np.array([200, 100, 50]), np.array(128), BLUE)
    assert pixels(file, background=BLUE).tolist() == [[[0, 0, 0], half.tolist(), list(BLUE)]]


def test_other_modes_of_a_pillow_picture() -> None:
    red = Image.new("RGBA", (2, 2), (255, 0, 0, 255))
    for mode in ("RGB", "RGBA", "RGBa", "RGBX", "HSV", "CMYK", "YCbCr", "P"):
        got = pixels(red.convert("RGB").convert(mode) if mode not in ("RGBA", "RGBa") else red.convert(mode))
        assert np.abs(got.astype(int) - [255, 0, 0]).max() <= 2, mode
    for mode in ("LA", "La", "PA", "1", "L"):
        got = pixels(
            Image.new("L", (2, 2), 255).convert("LA").convert(mode) if mode != "PA" else Image.new("PA", (2, 2))
        )
        assert got.shape[:2] == (2, 2), mode


# ---- inks and other colour spaces ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cmyk", "ycck"])
def test_inks_agree_with_imagemagick(name: str) -> None:
    with Image.open(ORACLE / f"{name}.jpg") as picture:
        assert picture.info["adobe_transform"] == {"cmyk": 0, "ycck": 2}[name]
    difference = pixels(ORACLE / f"{name}.jpg").astype(int) - pixels(ORACLE / f"{name}.png")
    assert np.abs(difference).mean() <= 3
    assert np.abs(difference).max() <= 3


def test_inks_of_a_tiff_by_the_formula() -> None:
    inks = np.random.default_rng(0).integers(0, 256, (16, 16, 4), np.uint8)
    want = (255.0 - inks[..., :3]) * (255 - inks[..., 3:]) / 255
    got = pixels(encoded(Image.fromarray(inks, "CMYK"), "TIFF"))
    assert np.abs(got - want).max() <= 1


def test_lab_and_ycbcr_of_a_tiff() -> None:
    greys = bytes([0, 0, 0, 128, 0, 0, 255, 0, 0])  # L* 0, 50.2, 100 by IEC 61966-2-1: 0, 119, 255
    got = pixels(tiff(3, 1, greys, bits=(8, 8, 8), photometric=8))
    assert np.abs(got[0].astype(int) - np.array([[0], [119], [255]])).max() <= 2
    luma = Image.new("YCbCr", (2, 2), (100, 128, 128))
    assert (pixels(encoded(luma, "TIFF")) == 100).all()


# ---- upright ---------------------------------------------------------------------------------------------------------

# What a viewer must do, told without Pillow: EXIF 2.32, table of tag 0x0112.
UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "MPO"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_orientation_stands_upright(form: str, orientation: int, channels: int) -> None:
    stored = smooth(24, 40, channels)
    how: dict[str, Any] = {"lossless": True} if form == "WEBP" else {"quality": 95} if form in ("JPEG", "MPO") else {}
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain = pixels(encoded(stored, form, **how))
    got = pixels(encoded(stored, form, exif=exif, **how))
    assert got.shape == UPRIGHT[orientation](plain).shape
    assert (got == UPRIGHT[orientation](plain)).all()


def test_a_picture_is_turned_once_and_the_users_own_is_left_alone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    mine = Image.open(io.BytesIO(encoded(smooth(24, 40), "PNG", exif=exif)))
    first = decode(mine)
    assert first.size == (24, 40)
    assert (np.asarray(decode(first)) == np.asarray(first)).all()
    assert (np.asarray(decode(mine)) == np.asarray(first)).all()
    assert mine.size == (40, 24)


@pytest.mark.parametrize(
    "block", [b"", b"Exif\0\0", b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\xff" * 50]
)
def test_a_broken_exif_block_spoils_nothing_and_says_nothing(block: bytes) -> None:
    plain = encoded(smooth(24, 40), "JPEG")
    segment = b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="convscope")
        assert (pixels(plain[:2] + segment + plain[2:]) == pixels(plain)).all()


def test_an_exif_profile_that_is_no_hex_spoils_nothing() -> None:
    text = (b"tEXt", b"Raw profile type exif\0\nexif\n   4\nno hex\n")
    assert pixels(png(1, 1, 8, 0, [b"\7"], text)).tolist() == [[7]]


# ---- several pictures in one file ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_the_first_frame_counts(form: str) -> None:
    first, second = Image.fromarray(smooth(24, 40)), Image.fromarray(smooth(24, 40, seed=9))
    how: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    several = pixels(encoded(first, form, save_all=True, append_images=[second], **how))
    alone = pixels(encoded(first, "JPEG" if form == "MPO" else form, **how))
    assert np.abs(several.astype(int) - alone).mean() < 2


# ---- HEIC ------------------------------------------------------------------------------------------------------------


def heic(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    pytest.importorskip("pillow_heif").from_pillow(picture).save(stream, quality=95)
    return stream.getvalue()


def test_heic_is_read_with_its_extra() -> None:
    got = decode(heic(Image.fromarray(smooth(64, 48))))
    assert got.mode == "RGB"
    assert np.abs(np.asarray(got).astype(int) - smooth(64, 48)).mean() < 5


def test_heic_without_its_extra_names_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    file = heic(Image.fromarray(smooth(64, 48)))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingHeic, match=r"HEIC pictures need one more package\. .*pip install 'convscope\[heic\]'"):
        decode(file)


# ---- a large JPEG ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "target", "fit", "scale"),
    [
        ((512, 1024), (64, 64), "pad", 8),  # becomes 32 x 64, of which 64 x 128 is twice
        ((512, 1024), (64, 64), "crop", 4),  # becomes 64 x 128
        ((512, 1024), (64, 64), "stretch", 4),  # 64 rows need 128
        ((1024, 512), (32, 128), "stretch", 2),
        ((510, 1020), (64, 64), "crop", 2),  # a scale of 4 leaves 127.5 rows, not 128
        ((100, 100), (64, 64), "pad", 1),
        ((5000, 5000), (28, 28), "pad", 8),
    ],
)
def test_a_large_jpeg_is_decoded_at_the_smallest_scale_of_twice_the_target(
    size: tuple[int, int], target: tuple[int, int], fit: Fit, scale: int
) -> None:
    file = encoded(Image.new("RGB", size[::-1]), "JPEG")
    assert decode(file, target=target, fit=fit).size == (-(-size[1] // scale), -(-size[0] // scale))


def test_a_turned_jpeg_is_measured_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = encoded(Image.new("RGB", (1024, 256)), "JPEG", exif=exif)  # upright: 1024 high, 256 wide
    assert decode(file, target=(64, 64), fit="stretch").size == (128, 512)
    assert decode(file, target=(256, 32), fit="stretch").size == (128, 512)
    assert decode(file, target=(32, 256), fit="stretch").size == (256, 1024)


def test_scaled_sizes() -> None:
    assert scaled_size(100, 200, (50, 50), "pad") == (25, 50)
    assert scaled_size(100, 200, (50, 50), "crop") == (50, 100)
    assert scaled_size(100, 200, (50, 50), "stretch") == (50, 50)
    assert scaled_size(1, 1000, (50, 50), "pad") == (1, 50)


# ---- damage ----------------------------------------------------------------------------------------------------------


def whole_files() -> dict[str, bytes]:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 25, 3), np.uint8)).resize((100, 80))
    again = photo.rotate(90, expand=False)
    deflated = zlib.compress(np.asarray(photo).tobytes())
    return {
        "jpeg": encoded(photo, "JPEG"),
        "jpeg, over a block": encoded(photo.resize((900, 700)), "JPEG", quality=97),
        "jpeg, progressive": encoded(photo, "JPEG", progressive=True),
        "jpeg, grey": encoded(photo.convert("L"), "JPEG"),
        "mpo": encoded(photo, "MPO", save_all=True, append_images=[again]),
        "png": encoded(photo, "PNG"),
        "png, 16 bits": encoded(Image.fromarray(np.asarray(photo)[:, :, 0].astype(np.uint16) * 257), "PNG"),
        "webp": encoded(photo, "WEBP"),
        "webp, lossless": encoded(photo, "WEBP", lossless=True),
        "webp, animated": encoded(photo, "WEBP", save_all=True, append_images=[again]),
        "gif": encoded(photo, "GIF"),
        "gif, animated": encoded(photo, "GIF", save_all=True, append_images=[again]),
        "bmp": encoded(photo, "BMP"),
        "tiff": encoded(photo, "TIFF"),
        "tiff, lzw": encoded(photo, "TIFF", compression="tiff_lzw"),
        "tiff, tags first": tiff(100, 80, deflated, bits=(8, 8, 8), photometric=2, compression=8),
        "heic": heic(photo),
    }


@pytest.mark.parametrize("kind", whole_files())
def test_a_file_cut_off_anywhere_is_refused_or_complete(kind: str) -> None:
    file = whole_files()[kind]
    whole = pixels(file)
    offsets = {*np.linspace(0, len(file) - 1, 100).astype(int).tolist(), *range(len(file) - 20, len(file))}
    refused = 0
    for offset in sorted(offsets):
        try:
            got = pixels(file[:offset])
        except UnreadablePicture:
            refused += 1
        else:
            assert got.shape == whole.shape, offset
            assert (got == whole).all(), offset
    assert refused >= 40  # animated pictures are complete when their first frame is


def test_a_jpeg_cut_off_is_refused_at_a_smaller_scale_too() -> None:
    file = whole_files()["jpeg, over a block"]
    for offset in np.linspace(1000, len(file) - 3, 40).astype(int).tolist():
        with pytest.raises(UnreadablePicture, match="cut off or damaged"):
            decode(file[:offset], target=(16, 16))


def test_damage_anywhere_raises_nothing_else() -> None:
    rng = np.random.default_rng(0)
    for file in whole_files().values():
        for _ in range(30):
            damaged = bytearray(file)
            for place in rng.integers(0, min(len(file), 400), 3):
                damaged[place] = rng.integers(0, 256)
            try:
                got = decode(bytes(damaged), max_pixels=10_000_000)
            except UnreadablePicture:
                continue
            assert got.mode in ("L", "RGB")


def test_broken_pictures_are_not_filled_up_even_if_pillow_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UnreadablePicture, match=r"LOAD_TRUNCATED_IMAGES is on.*Set it to False"):
        decode(encoded(smooth(8, 8), "PNG"))


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, I am text", "no picture format that is read"),
        (b"BM, as in benchmark: text", "no picture format that is read"),
        (b"%PDF-1.7 ....", "it is PDF, which is not read. Save it as one of JPEG, PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is SVG, which is not read"),
        (b"\0\0\0\x20ftypavif\0\0\0\0", "it is AVIF, which is not read"),
        (b"\x89PNG\r\n\x1a\n", "the file is cut off or damaged"),
    ],
)
def test_what_is_no_picture_says_why(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(UnreadablePicture) as caught:
        decode(path)
    assert reason in caught.value.reason
    assert str(caught.value) == f"can't read the picture {path}: {caught.value.reason}"


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture, match="there is no such file"):
        decode(tmp_path / "none.png")
    with pytest.raises(UnreadablePicture, match=r"it is a folder|not permitted"):  # Windows says the second
        decode(tmp_path)


def test_no_other_parser_can_be_reached() -> None:
    Image.init()
    read = {"JPEG", "MPO", "JPEG2000"} - {"JPEG2000"} | {"PNG", "WEBP", "GIF", "BMP", "TIFF"}
    for form in sorted(set(Image.SAVE) - read - {"DIB", "PDF", "HEIF"}):
        for mode in ("RGB", "L", "1", "P"):
            try:
                file = encoded(Image.new(mode, (16, 16)), form)
            except (OSError, ValueError, KeyError, AttributeError):
                continue
            if format_of(file[:32]) in ("PNG", "TIFF"):  # a format that wraps another is that other
                continue
            with pytest.raises(UnreadablePicture):
                decode(file)


def test_every_format_has_a_suffix_and_a_mark() -> None:
    assert set(FORMATS) == {"JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "HEIC"}
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        assert str(format_of(encoded(smooth(8, 8), form)[:32])).upper() == form


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    bomb = png(30_000, 30_000, 8, 0, [])
    with pytest.raises(UnreadablePicture, match=r"may have 200 megapixels\. Got 30000 x 30000, 900 megapixels"):
        decode(bomb)
    with pytest.raises(UnreadablePicture, match=r"may have 0\.001 megapixels\. Got 40 x 30"):
        decode(encoded(smooth(30, 40), "PNG"), max_pixels=1000)


def test_between_pillows_limit_and_ours_no_warning_and_no_error() -> None:
    """Pillow refuses above 179 megapixels and warns above 89; ours is 200 and says nothing below."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnreadablePicture, match="cut off or damaged"):  # as far as the pixels, of which it has none
            decode(png(14_000, 14_000, 1, 0, []))


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jpg", "A.JPEG", "b.tif", "x y.HEIC", "图.png", "a/b/c.webp", "scan.001.bmp"])
def test_names_of_pictures(name: str) -> None:
    assert is_picture_name(name)
    assert not is_system_file(name)


@pytest.mark.parametrize("name", ["a.txt", "jpg", "a.jpg.part", "._a.jpg", "__MACOSX/a.jpg", "a.svg", "x/._b.png"])
def test_names_of_no_pictures(name: str) -> None:
    assert not is_picture_name(name)


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "cats/thumbs.db", "._x.jpg", "__MACOSX", "a\\desktop.ini"])
def test_system_files(name: str) -> None:
    assert is_system_file(name)


# ---- threads and silence ---------------------------------------------------------------------------------------------


def test_many_threads_give_what_one_gives() -> None:
    files = [
        encoded(smooth(60 + n, 80, seed=n), form) for n in range(8) for form in ("JPEG", "PNG", "GIF", "TIFF", "WEBP")
    ]
    alone = [pixels(file, target=(20, 20)) for file in files]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for got, want in zip(pool.map(lambda file: pixels(file, target=(20, 20)), files), alone, strict=True):
                assert (got == want).all()


def test_pillows_warnings_stay_inside(recwarn: pytest.WarningsRecorder) -> None:
    odd = bytearray(tiff(4, 4, bytes(16)))
    odd[10 + 12 * 6 + 4] = 2  # two values of SamplesPerPixel
    for action in ("always", "error"):
        warnings.simplefilter(action)
        picture = TiffImagePlugin.TiffImageFile(io.BytesIO(odd)) if action == "always" else None
        del picture
        heard = len(recwarn)
        assert heard  # Pillow does say something
        assert pixels(bytes(odd)).shape == (4, 4)
        assert len(recwarn) == heard
