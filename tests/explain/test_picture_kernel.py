"""A kernel over a picture: the same numbers as SciPy's, one value written out, and how numbers become pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import correlate

from convscope.errors import ConvscopeError
from convscope.explain.picture_kernel import Kernel, apply, cell, named, read, to_pixels, usual_scale
from convscope.report.kernel import as_text

RANDOM = np.random.default_rng(5)
MODES = {"zeros": "constant", "replicate": "nearest", "reflect": "mirror"}


def picture(channels: int = 3, height: int = 17, width: int = 23) -> Any:
    return RANDOM.integers(0, 256, (channels, height, width), dtype=np.uint8)


def scipys(kernel: Kernel, pixels: Any, border: str) -> Any:
    """Every value with the kernel's middle at the pixel; of an even side, the earlier of its two middles."""
    origin = [-1 if k % 2 == 0 else 0 for k in kernel.values.shape]
    each = [
        correlate(channel.astype(np.float64), kernel.values, mode=MODES[border], origin=origin) for channel in pixels
    ]
    return np.stack(each)


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (5, 5), (1, 7), (7, 1), (2, 2), (4, 3), (2, 5), (6, 6)])
def test_it_is_what_scipy_answers(shape: tuple[int, int], border: Any) -> None:
    kernel, pixels = Kernel(RANDOM.normal(size=shape)), picture()
    whole = scipys(kernel, pixels, border)
    assert np.allclose(apply(kernel, pixels, "same", border).values, whole, rtol=1e-5, atol=1e-3)
    before = [(k - 1) // 2 for k in shape]
    after = [k - 1 - b for k, b in zip(shape, before, strict=True)]
    inner = whole[:, before[0] : 17 - after[0], before[1] : 23 - after[1]]
    assert np.allclose(apply(kernel, pixels, "valid", border).values, inner, rtol=1e-5, atol=1e-3)
    for stride in (2, 3):
        strided = apply(kernel, pixels, "valid", border, stride).values
        assert np.allclose(strided, inner[:, ::stride, ::stride], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("border", MODES)
def test_full_is_every_window_that_touches(border: Any) -> None:
    kernel, pixels = Kernel(RANDOM.normal(size=(3, 4))), picture(1, 9, 11)
    mode: Any = {"zeros": "constant", "replicate": "edge"}.get(border, "reflect")
    wider = np.pad(pixels[0].astype(float), ((2, 2), (3, 3)), mode=mode)
    windows = np.lib.stride_tricks.sliding_window_view(wider, (3, 4))
    full = apply(kernel, pixels, "full", border).values[0]
    assert full.shape == (9 + 2, 11 + 3)
    assert np.allclose(full, (windows * kernel.values).sum(axis=(2, 3)), rtol=1e-5, atol=1e-3)


def test_a_large_picture_goes_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = picture()
    for border, padding, stride in (("zeros", "full", 2), ("reflect", "same", 3), ("replicate", "same", 1)):
        made: Any = {"padding": padding, "border": border, "stride": stride}
        whole = apply(read("sobel-y"), pixels, **made).values
        with monkeypatch.context() as patch:
            patch.setattr("convscope.explain.picture_kernel._BAND", 40)
            assert np.array_equal(apply(read("sobel-y"), pixels, **made).values, whole)


def test_whole_numbers_are_exact() -> None:
    pixels = picture()
    assert np.array_equal(apply(read("sobel-x"), pixels).values, scipys(read("sobel-x"), pixels, "zeros"))


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("padding", ["same", "valid", "full"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_one_value_written_out_is_the_value(border: Any, padding: Any, stride: int) -> None:
    kernel = Kernel(RANDOM.normal(size=(4, 3)))
    answer = apply(kernel, picture(), padding, border, stride)
    high, wide = answer.values.shape[1:]
    for row in range(high):
        for column in range(wide):
            found = cell(answer, row, column)
            assert np.allclose(found.sums, answer.values[:, row, column], rtol=1e-5, atol=1e-3)
            assert np.array_equal(found.products, found.window * kernel.values)
    corner = cell(answer, 0, 0)
    assert corner.inside.all() == (padding == "valid")
    assert (corner.top, corner.left) == {"valid": (0, 0), "full": (-3, -2)}.get(padding, (corner.top, corner.left))


def test_a_place_that_does_not_exist() -> None:
    answer = apply(read("blur"), picture())
    with pytest.raises(ConvscopeError, match=r"rows 0 to 16 and columns 0 to 22\. Got 17,0"):
        cell(answer, 17, 0)
    with pytest.raises(ConvscopeError, match=r"Got 0,-1"):
        cell(answer, 0, -1)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1,0,-1;2,0,-2;1,0,-1", [[1, 0, -1], [2, 0, -2], [1, 0, -1]]),
        (" -1 2 ; 3 -4 ", [[-1, 2], [3, -4]]),
        ("1/4, -1/4\n.5, 1e-1", [[0.25, -0.25], [0.5, 0.1]]),
        ("7", [[7]]),
        ("1，0；0，−1", [[1, 0], [0, -1]]),
    ],
)
def test_written_out(text: str, rows: list[list[float]]) -> None:
    assert np.array_equal(read(text).values, np.array(rows, float))


def test_named_kernels_do_what_they_say() -> None:
    ramp = np.broadcast_to(np.arange(0, 90, 10, dtype=np.uint8), (1, 9, 9))
    inner = {name: apply(kernel, ramp, "valid").values for name, kernel in named().items()}
    assert (inner["sobel-x"] == 80).all()  # brighter to the right: positive
    assert (apply(read("sobel-y"), ramp.transpose(0, 2, 1), "valid").values == 80).all()
    for name in ("sobel-y", "prewitt-y", "laplacian", "outline"):
        assert (inner[name] == 0).all(), name
    for name in ("identity", "blur", "gaussian", "sharpen"):
        assert np.allclose(inner[name], ramp[:, 1:-1, 1:-1]), name
    assert read("MEAN").name == "blur"
    for name, kernel in named().items():
        assert np.allclose(read(as_text(kernel)).values, kernel.values, rtol=1e-12), name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sobell-x", "unknown kernel 'sobell-x', did you mean 'sobel-x'\\? These exist: blur,"),
        ("prewitt", "did you mean 'prewitt-[xy]'"),
        ("1,2;3", r"of one length\. Got 2, 1 values"),
        ("1,two", "must be a number, at most a million. Got 'two'"),
        ("1,1/0", "Got '1/0'"),
        ("1,,2;nan,0", "Got 'nan'"),
        ("1e9", "Got '1e9'"),
        (";;", "Got ''"),
        (",".join("1" * 257), r"may have 256 rows and columns\. Got 1 x 257"),
    ],
)
def test_what_is_no_kernel(text: str, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=sentence):
        read(text)


def test_what_does_not_fit() -> None:
    pixels = picture(1, 4, 6)
    with pytest.raises(ConvscopeError, match=r"Got a kernel of 5 x 5 and a picture of 4 x 6\. Use a smaller kernel"):
        apply(Kernel(np.ones((5, 5))), pixels)
    with pytest.raises(ConvscopeError, match="unknown padding 'sane', did you mean 'same'"):
        apply(read("blur"), pixels, "sane")  # type: ignore[arg-type]
    with pytest.raises(ConvscopeError, match="unknown border 'mirror'"):
        apply(read("blur"), pixels, "same", "mirror")  # type: ignore[arg-type]
    with pytest.raises(ConvscopeError, match=r"larger side, 6\. Got 7"):
        apply(read("blur"), pixels, stride=7)
    with pytest.raises(ConvscopeError, match="unknown scale 'minmax', did you mean 'min-max'"):
        to_pixels(apply(read("blur"), pixels).values, "minmax")  # type: ignore[arg-type]


def test_values_become_pixels() -> None:
    values = np.array([[[-300, -40, 0], [100.4, 255, 510]]], np.float32)
    shown = {scale: to_pixels(values, scale) for scale in ("clip", "absolute", "min-max", "mid-grey")}
    assert shown["clip"][0].tolist() == [[[0, 0, 0], [100, 255, 255]]]
    assert shown["clip"][1] == pytest.approx(3 / 6)
    assert shown["absolute"][0].tolist() == [[[255, 40, 0], [100, 255, 255]]]
    assert shown["absolute"][1] == pytest.approx(2 / 6)
    assert shown["min-max"][0].tolist() == [[[0, 82, 94], [126, 175, 255]]]
    assert shown["mid-grey"][0].tolist() == [[[53, 118, 128], [153, 192, 255]]]
    assert shown["min-max"][1] == shown["mid-grey"][1] == 0
    flat = np.zeros((1, 2, 2), np.float32)
    assert (to_pixels(flat, "min-max")[0] == 0).all()
    assert (to_pixels(flat, "mid-grey")[0] == 128).all()


def test_what_finds_differences_is_shown_by_its_size() -> None:
    plain = {name for name, kernel in named().items() if usual_scale(kernel) == "clip"}
    assert plain == {"sharpen", "emboss", "blur", "gaussian", "identity"}
    assert usual_scale(read("1/3,1/3,1/3;0,0,0;-1/3,-1/3,-1/3")) == "absolute"
