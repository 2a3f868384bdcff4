"""A kernel of one's own on any picture: what a convolution answers at each place, and how its answers become pixels.

The arithmetic is that of the network's `conv`, so the kernel isn't turned (mathematics: cross-correlation; MATLAB's
`conv2` turns it by 180 degrees). Knows pixels and numbers; reads no file.
"""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from convscope.errors import ConvscopeError, unknown
from convscope.explain.reference.border import source
from convscope.explain.reference.sizes import Axis, axes
from convscope.network.layers import convolution

Padding = Literal["same", "valid", "full"]
Border = Literal["zeros", "replicate", "reflect"]
Scale = Literal["clip", "absolute", "min-max", "mid-grey"]

_LARGEST = 256


@dataclass(frozen=True, eq=False)
class Kernel:
    """values: (kh, kw) float64. name: "" for one that was written out. says: what it finds."""

    values: NDArray[np.float64]
    name: str = ""
    says: str = ""

    @property
    def differs(self) -> bool:
        """Whether its values add up to nothing, so that an even picture answers 0: it finds differences."""
        return bool(abs(self.values.sum()) <= 1e-9 * max(1.0, float(np.abs(self.values).sum())))


_NAMED: dict[str, tuple[str, str]] = {
    "sobel-x": ("-1,0,1; -2,0,2; -1,0,1", "edges that stand upright: positive where it gets brighter to the right"),
    "sobel-y": ("-1,-2,-1; 0,0,0; 1,2,1", "edges that lie: positive where it gets brighter downwards"),
    "prewitt-x": ("-1,0,1; -1,0,1; -1,0,1", "upright edges, every row alike"),
    "prewitt-y": ("-1,-1,-1; 0,0,0; 1,1,1", "lying edges, every column alike"),
    "laplacian": ("0,1,0; 1,-4,1; 0,1,0", "edges of every direction: the four neighbours less the middle"),
    "outline": ("-1,-1,-1; -1,8,-1; -1,-1,-1", "outlines: the middle less all eight neighbours"),
    "sharpen": ("0,-1,0; -1,5,-1; 0,-1,0", "the picture and its edges on top"),
    "emboss": ("-2,-1,0; -1,1,1; 0,1,2", "the picture as a relief, lit from the upper left"),
    "blur": ("1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9", "the mean of nine pixels"),
    "gaussian": ("1/16 2/16 1/16; 2/16 4/16 2/16; 1/16 2/16 1/16", "a mean in which the nearer count for more"),
    "identity": ("0,0,0; 0,1,0; 0,0,0", "the picture as it is"),
}
_ALSO = {"mean": "blur"}


def named() -> dict[str, Kernel]:
    """The kernels that have a name."""
    return {name: Kernel(_written(text), name, says) for name, (text, says) in _NAMED.items()}


def read(text: str) -> Kernel:
    """A kernel by its name, or written out: rows parted by ";", values by "," or spaces, fractions like 1/9.

    Raises ConvscopeError.
    """
    word = text.strip().lower()
    word = _ALSO.get(word, word)
    if word in _NAMED:
        return named()[word]
    if re.fullmatch(r"[a-z][\w -]*", word):
        raise ConvscopeError(unknown("kernel", text.strip(), [*_NAMED, *_ALSO]))
    return Kernel(_written(text))


def _written(text: str) -> NDArray[np.float64]:
    plain = text.translate(str.maketrans("，；−\n", ",;-;"))
    rows = [[_number(word) for word in re.split(r"[,\s]+", row.strip(", \t"))] for row in plain.strip("; ").split(";")]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise ConvscopeError(
            f"the rows of a kernel must be of one length. Got {', '.join(str(len(row)) for row in rows)} values. "
            'Rows are parted by ";", values by ",": "1,0,-1; 2,0,-2; 1,0,-1".'
        )
    if max(len(rows), len(rows[0])) > _LARGEST:
        raise ConvscopeError(f"a kernel may have {_LARGEST} rows and columns. Got {len(rows)} x {len(rows[0])}.")
    return np.array(rows, np.float64)


def _number(word: str) -> float:
    value = math.nan
    with contextlib.suppress(ValueError, ZeroDivisionError, OverflowError):
        value = float(Fraction(word)) if "/" in word else float(word)
    if not math.isfinite(value) or abs(value) > 1e6:
        raise ConvscopeError(
            f"each value of a kernel must be a number, at most a million. Got {word!r}. Write it as "
            '"1,0,-1; 2,0,-2; 1,0,-1", fractions as 1/9, or take one by name: convscope kernel --list.'
        )
    return value


# ---- what it answers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Answer:
    """What a kernel answers: values (C, h, w) float32, in units of pixel values, of the picture (C, H, W) uint8."""

    values: NDArray[np.float32]
    picture: NDArray[np.uint8]
    kernel: Kernel
    padding: Padding
    border: Border
    stride: int


def apply(
    kernel: Kernel,
    picture: NDArray[np.uint8],
    padding: Padding = "same",
    border: Border = "zeros",
    stride: int = 1,
) -> Answer:
    """The kernel over each channel of picture (C, H, W) by itself. Raises ConvscopeError where it doesn't fit.

    padding: "same" gives ceil(n / stride) values along an axis; "valid" only windows inside the picture; "full" every
    window that touches it. border: what lies outside.
    """
    for what, word, known in (("padding", padding, Padding), ("border", border, Border)):
        if word not in get_args(known):
            raise ConvscopeError(unknown(what, word, get_args(known)))
    high, wide = kernel.values.shape
    height, width = picture.shape[1:]
    if high > height or wide > width:
        raise ConvscopeError(
            f"a kernel must not be larger than the picture. Got a kernel of {high} x {wide} and a picture of "
            f"{height} x {width}. Use a smaller kernel."
        )
    if not 1 <= stride <= max(height, width):
        raise ConvscopeError(
            f"the stride must be from 1 to the picture's larger side, {max(height, width)}. Got {stride}."
        )
    weight = torch.from_numpy(kernel.values.astype(np.float32))[None, None]  # (1, 1, kh, kw)
    rows, columns = (_Seen.along(axis, border) for axis in _axes(picture, kernel, stride, padding))
    values = np.empty((len(picture), rows.axis.out, columns.axis.out), np.float32)
    many = max(1, _BAND // max(1, columns.axis.out))
    with torch.inference_mode():
        for channel, into in zip(picture, values, strict=True):
            for first in range(0, rows.axis.out, many):
                part = into[first : first + many]
                block = _block(channel, rows.windows(first, len(part)), columns)[None, None]
                y = convolution(torch.from_numpy(block), weight, None, (stride, stride), "valid", (1, 1), 1, 0.0)
                part[...] = y[0, 0].numpy()
    return Answer(values, picture, kernel, padding, border, stride)


_BAND = 1 << 16  # values at a time: of a whole photograph the convolution would make copies of gigabytes


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the windows see along an axis: the cell that is shown at each place of the padded axis, and whether the
    place lies in the picture (False: border)."""

    axis: Axis
    cells: NDArray[np.int64]
    inside: NDArray[np.bool_]
    zeros: bool

    @classmethod
    def along(cls, axis: Axis, border: Border) -> _Seen:
        place = np.arange(-axis.before, axis.n + axis.after)
        cells = place.clip(0, axis.n - 1) if border == "zeros" else source(axis, border)
        return cls(axis, cells, (place >= 0) & (place < axis.n), border == "zeros")

    def windows(self, first: int, count: int) -> _Seen:
        """What so many windows from this one on see."""
        start = first * self.axis.stride
        part = slice(start, start + (count - 1) * self.axis.stride + self.axis.kernel)
        return _Seen(self.axis, self.cells[part], self.inside[part], self.zeros)


def _axes(picture: NDArray[np.uint8], kernel: Kernel, stride: int, padding: Padding) -> tuple[Axis, Axis]:
    empty = np.empty((0, *picture.shape[1:]))  # only its size is asked for
    return axes(empty, (kernel.values.shape[0], kernel.values.shape[1]), stride, 1, padding)


def _block(channel: NDArray[np.uint8], rows: _Seen, columns: _Seen) -> NDArray[np.float32]:
    """The part of a channel (H, W) that these rows and columns show, with what lies beyond: (h, w)."""
    block = channel[rows.cells][:, columns.cells].astype(np.float32)
    if rows.zeros:
        block[~rows.inside] = 0
        block[:, ~columns.inside] = 0
    return block


# ---- one of its values -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Cell:
    """One value written out. window: (C, kh, kw), the pixels under the kernel. inside: (kh, kw), False where they come
    from the border. products: (C, kh, kw) float64. sums: (C,). top, left: where in the picture the window begins, which
    may be outside.
    """

    row: int
    column: int
    top: int
    left: int
    window: NDArray[np.float64]
    inside: NDArray[np.bool_]
    products: NDArray[np.float64]
    sums: NDArray[np.float64]


def cell(answer: Answer, row: int, column: int) -> Cell:
    """The arithmetic of the value at (row, column), from 0. Raises ConvscopeError for one that doesn't exist."""
    high, wide = answer.values.shape[1:]
    if not (0 <= row < high and 0 <= column < wide):
        raise ConvscopeError(
            f"a place must lie in the answer, rows 0 to {high - 1} and columns 0 to {wide - 1}. Got {row},{column}."
        )
    down, across = (
        _Seen.along(axis, answer.border).windows(at, 1)
        for axis, at in zip(
            _axes(answer.picture, answer.kernel, answer.stride, answer.padding), (row, column), strict=True
        )
    )
    window = np.stack([_block(channel, down, across) for channel in answer.picture]).astype(np.float64)
    products = window * answer.kernel.values
    top, left = (at * seen.axis.stride - seen.axis.before for at, seen in ((row, down), (column, across)))
    inside = down.inside[:, None] & across.inside
    return Cell(row, column, top, left, window, inside, products, products.sum(axis=(1, 2)))


# ---- how they become pixels ------------------------------------------------------------------------------------------


def usual_scale(kernel: Kernel) -> Scale:
    """How a kernel's answers are shown unless one says: by their size where it finds differences, else as they are."""
    return "absolute" if kernel.differs else "clip"


def check_scale(scale: str) -> None:
    """Raises ConvscopeError for a word that means no scale."""
    if scale not in get_args(Scale):
        raise ConvscopeError(unknown("scale", scale, get_args(Scale)))


def to_pixels(values: NDArray[np.float32], scale: Scale) -> tuple[NDArray[np.uint8], float]:
    """Values (C, h, w) as pixels, and the share of them that lay beyond 0..255 and was cut.

    clip: as they are. absolute: without their sign. min-max: the least is black, the greatest white (all channels by
    one rule). mid-grey: 0 is 128, and the value farthest from 0 is black or white.
    """
    check_scale(scale)
    pixels = np.empty(values.shape, np.uint8)
    low, high = float(values.min()), float(values.max())
    most = max(abs(low), abs(high))
    cut = 0
    for into, channel in zip(pixels, values, strict=True):
        if scale == "min-max":
            shown = (channel - low) * np.float32(255 / (high - low) if high > low else 0)
        elif scale == "mid-grey":
            shown = channel * np.float32(127 / most if most else 0) + 128
        else:
            shown = np.abs(channel) if scale == "absolute" else channel.copy()
            shown = np.rint(shown, out=shown)
            cut += int(np.count_nonzero((shown < 0) | (shown > 255)))
        into[...] = np.rint(shown).clip(0, 255)
    return pixels, cut / values.size
