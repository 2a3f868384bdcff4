"""Changes of the training pictures that don't change what they show: drawn by key, applied to whole batches.

Each picture's draws depend on (seed, epoch, its id) and on the kind of change, never on the batch that it is in, so a
resumed or a sharded run sees the same pictures. Knows nothing of normalisation: `Preprocess.to_input` comes after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from convscope import draws
from convscope.errors import ConvscopeError, unknown

PadMode = Literal["zero", "replicate", "reflect"]
Flip = bool | Literal["alternating"]
_POINTS = 4
"""On each side of the grid that `elastic` moves (ttdoucet's MNIST network, 99.74 %, is trained on one of 4 x 4)."""
_GRID_PADDING = {"zero": "zeros", "replicate": "border", "reflect": "reflection"}


@dataclass(frozen=True)
class Augment:
    """What may happen to a training picture, in this order. As made, nothing does.

    crop: the picture is padded by so many pixels on each side and a random window of its size is taken.
    shift: it is moved by at most so many pixels up or down, and left or right; adds up with `crop` to one move.
    flip: left and right are exchanged in half of the cases; "alternating": in every second epoch, for half of the
        pictures in the even ones and for the other half in the odd ones, so that two epochs show both.
    rotate: it is turned by at most so many degrees either way about the middle of the window (bilinear).
    zoom: height and width are stretched, each by itself, by a factor from 1 - zoom to 1 + zoom about the same middle.
    elastic: the points of a 4 x 4 grid over the window move by at most so many pixels, down and across each, and what
        lies between moves smoothly with them (bicubic). One interpolation does it together with rotate and zoom.
    pad_mode: what comes in from outside: "zero" (black), "replicate" (the border) or "reflect" (a mirror there).
    brightness: a number from [-brightness, brightness], of 0..255, is added to all values.
    contrast: (low, high): each value's distance from its channel's mean in this picture is multiplied by a number
        between these (`tf.image.random_contrast`). (1, 1) is no change.
    cutout: a square of so many pixels a side becomes black, its middle anywhere in the picture (DeVries & Taylor).

    Nothing is clipped to 0..255, as in TensorFlow: what brightness adds, `per_picture` standardisation takes out again.
    """

    crop: int = 0
    shift: int = 0
    flip: Flip = False
    rotate: float = 0.0
    pad_mode: PadMode = "zero"
    brightness: float = 0.0
    contrast: tuple[float, float] = (1.0, 1.0)
    cutout: int = 0
    zoom: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        """Raises ConvscopeError where a setting can't be used."""
        for name in ("crop", "shift", "cutout"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ConvscopeError(f"{name} must be a whole number of pixels, 0 for none. Got {value!r}.")
        if type(self.flip) is not bool and self.flip != "alternating":
            raise ConvscopeError(f"flip must be true, false or 'alternating'. Got {self.flip!r}.")
        if not (_is_number(self.zoom) and 0 <= self.zoom < 1):
            raise ConvscopeError(f"zoom must be a share of the size, from 0 to below 1. Got {self.zoom!r}.")
        if not (_is_number(self.elastic) and self.elastic >= 0):
            raise ConvscopeError(f"elastic must be a number of pixels, 0 for none. Got {self.elastic!r}.")
        if not (_is_number(self.rotate) and 0 <= self.rotate <= 180):
            raise ConvscopeError(f"rotate must be degrees from 0 to 180. Got {self.rotate!r}.")
        if not (_is_number(self.brightness) and 0 <= self.brightness <= 255):
            raise ConvscopeError(
                f"brightness must be from 0 to 255, in units of a pixel's value. Got {self.brightness!r}."
            )
        if self.pad_mode not in get_args(PadMode):
            raise ConvscopeError(unknown("pad_mode", str(self.pad_mode), get_args(PadMode)))
        given: Any = self.contrast  # a recipe's list, perhaps
        pair = given if isinstance(given, tuple | list) and len(given) == 2 else (-1, -1)
        if not (all(_is_number(n) for n in pair) and 0 <= pair[0] <= pair[1]):
            raise ConvscopeError(f"contrast must be two factors, low and high, from 0. Got {self.contrast!r}.")
        object.__setattr__(self, "contrast", tuple(pair))

    def apply(
        self,
        batch: torch.Tensor,
        ids: NDArray[np.int64],
        seed: int,
        epoch: int,
        size: tuple[int, int] | None = None,
    ) -> torch.Tensor:
        """The batch as this epoch's network sees it, before `Preprocess.to_input`: (N, C, h, w) on the batch's device.

        batch: (N, C, H, W), uint8 or float in 0..255, left as it is. ids: (N,), each picture's row in the data set.
        size: (h, w), `Preprocess.input_size`; where it is smaller than the pictures, a random window is taken.
        Gives uint8 for uint8, unless rotate, zoom, elastic, brightness or contrast is set: float32 then, which may
        leave 0..255.
        """
        size = size or (batch.shape[2], batch.shape[3])
        if batch.ndim != 4 or len(ids) != len(batch) or size[0] > batch.shape[2] or size[1] > batch.shape[3]:
            raise ConvscopeError(
                f"a batch to augment must be N x C x H x W, at least {size[0]} x {size[1]}, with one id a picture. "
                f"Got {' x '.join(str(n) for n in batch.shape)} and {len(ids)} ids."
            )
        batch = self._moved(batch, ids, seed, epoch, size)
        batch = self._lit(batch, ids, seed, epoch)
        return self._cut_out(batch, ids, seed, epoch)

    # ---- where the pixels are ----------------------------------------------------------------------------------------

    def _moved(
        self, batch: torch.Tensor, ids: NDArray[np.int64], seed: int, epoch: int, size: tuple[int, int]
    ) -> torch.Tensor:
        """Window, shift, flip, rotation, zoom and elastic, as one look-up or one interpolation."""
        top, left = (
            self._offsets(ids, seed, epoch, axis, batch.shape[2 + axis] - size[axis]) for axis in (0, 1)
        )  # each (N,): where the window begins in the picture, perhaps outside
        mirrored = self._mirrored(ids, seed, epoch)
        if self.rotate or self.zoom or self.elastic:
            angle = np.deg2rad((2 * draws.uniform(seed, epoch, ids, "augment.rotate") - 1) * self.rotate)
            scales = [
                1 + (2 * draws.uniform(seed, epoch, ids, f"augment.zoom{axis}") - 1) * self.zoom if self.zoom else 1.0
                for axis in (0, 1)
            ]
            points = None
            if self.elastic:
                points = (2 * draws.uniform(seed, epoch, ids, "augment.elastic", 2 * _POINTS**2) - 1) * self.elastic
            return _resampled(batch, size, top, left, mirrored, angle, (scales[0], scales[1]), points, self.pad_mode)
        if size == tuple(batch.shape[2:]) and not (top.any() or left.any() or mirrored.any()):
            return batch
        return _looked_up(batch, size, top, left, mirrored, self.pad_mode)

    def _mirrored(self, ids: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.bool_]:
        """(N,) whether left and right are exchanged."""
        if self.flip == "alternating":
            first: NDArray[np.bool_] = draws.uniform(seed, 0, ids, "augment.flip") < 0.5
            return first ^ (epoch % 2 == 1)
        return draws.uniform(seed, epoch, ids, "augment.flip") < 0.5 if self.flip else np.zeros(len(ids), bool)

    def _offsets(self, ids: NDArray[np.int64], seed: int, epoch: int, axis: int, room: int) -> NDArray[np.int64]:
        """(N,) first row (axis 0) or column (axis 1) of each window. room: how much larger the picture is."""
        offsets = np.zeros(len(ids), np.int64)
        if self.crop or room:
            chosen = draws.uniform(seed, epoch, ids, f"augment.crop{axis}") * (room + 2 * self.crop + 1)
            offsets += chosen.astype(np.int64) - self.crop
        if self.shift:
            chosen = draws.uniform(seed, epoch, ids, f"augment.shift{axis}") * (2 * self.shift + 1)
            offsets += chosen.astype(np.int64) - self.shift
        return offsets

    # ---- what the pixels are -----------------------------------------------------------------------------------------

    def _lit(self, batch: torch.Tensor, ids: NDArray[np.int64], seed: int, epoch: int) -> torch.Tensor:
        """Brightness, then contrast: ((x + d) - (mean + d)) * f + (mean + d), as x * f + (mean * (1 - f) + d)."""
        low, high = self.contrast
        if not self.brightness and low == high == 1:
            return batch
        column = (len(batch), 1, 1, 1)
        added = (2 * draws.uniform(seed, epoch, ids, "augment.brightness") - 1) * self.brightness
        delta = torch.from_numpy(added.astype(np.float32)).to(batch.device).view(column)
        if low == high == 1:
            return batch.float() + delta
        factors = low + (high - low) * draws.uniform(seed, epoch, ids, "augment.contrast")
        factor = torch.from_numpy(factors.astype(np.float32)).to(batch.device).view(column)
        pixels = batch.float()
        mean = pixels.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        return pixels.mul(factor).add_(mean.mul_(1 - factor).add_(delta))

    def _cut_out(self, batch: torch.Tensor, ids: NDArray[np.int64], seed: int, epoch: int) -> torch.Tensor:
        if not self.cutout:
            return batch
        inside = []
        for axis in (0, 1):
            length = batch.shape[2 + axis]
            middle = (draws.uniform(seed, epoch, ids, f"augment.cutout{axis}") * length).astype(np.int64)
            place = np.arange(length) - (middle - self.cutout // 2)[:, None]  # (N, length)
            inside.append(torch.from_numpy((place >= 0) & (place < self.cutout)).to(batch.device))
        square = inside[0][:, None, :, None] & inside[1][:, None, None, :]  # (N, 1, h, w)
        return batch.masked_fill(square, 0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _looked_up(
    batch: torch.Tensor,
    size: tuple[int, int],
    top: NDArray[np.int64],
    left: NDArray[np.int64],
    mirrored: NDArray[np.bool_],
    pad_mode: PadMode,
) -> torch.Tensor:
    """Each picture's window by its row and column numbers: no value changes. (N, C, H, W) to (N, C, h, w)."""
    count, channels = batch.shape[:2]
    down, across = _beyond(top, size[0], batch.shape[2]), _beyond(left, size[1], batch.shape[3])
    near = max(down) <= batch.shape[2] and max(across) <= batch.shape[3]  # else too much would be copied
    if batch.dtype == torch.uint8 and batch.device.type == "cpu" and near:
        return _copied(batch, size, top, left, mirrored, pad_mode, down, across)
    rows = top[:, None] + np.arange(size[0])  # (N, h)
    order = np.arange(size[1])
    columns = left[:, None] + np.where(mirrored[:, None], order[::-1], order)  # (N, w)
    if pad_mode == "zero":
        # One black row and column on each side stand for all that lie beyond.
        batch = functional.pad(batch, (1, 1, 1, 1))
        rows, columns = rows + 1, columns + 1
    height, width = batch.shape[2:]
    fold = _mirror if pad_mode == "reflect" else _clamp
    places = fold(rows, height)[:, :, None] * width + fold(columns, width)[:, None, :]  # (N, h, w)
    index = torch.from_numpy(places.reshape(count, 1, -1)).to(batch.device).expand(count, channels, -1)
    return batch.reshape(count, channels, -1).gather(2, index).view(count, channels, *size)


def _beyond(first: NDArray[np.int64], length: int, of: int) -> tuple[int, int]:
    """How far windows of this length, from these places on, reach beyond both ends of a picture's `of` pixels."""
    return -int(first.min(initial=0)), max(int(first.max(initial=0)) + length - of, 0)


def _copied(
    batch: torch.Tensor,
    size: tuple[int, int],
    top: NDArray[np.int64],
    left: NDArray[np.int64],
    mirrored: NDArray[np.bool_],
    pad_mode: PadMode,
    down: tuple[int, int],
    across: tuple[int, int],
) -> torch.Tensor:
    """`_looked_up` for uint8 in main memory, row by row instead of pixel by pixel: each window is copied out of its
    picture, which is made wider before by what lies beyond (`down`, `across`: pixels before and behind)."""
    count, channels, height, width = batch.shape
    wide = pixels = batch.contiguous().numpy()
    if any(down + across):
        shape = (count, channels, down[0] + height + down[1], across[0] + width + across[1])
        wide = np.zeros(shape, np.uint8) if pad_mode == "zero" else np.empty(shape, np.uint8)
        rows = _as_rows(wide[..., across[0] : across[0] + width])
        rows[..., down[0] : down[0] + height] = _as_rows(pixels)
        if pad_mode != "zero":
            fold = _mirror if pad_mode == "reflect" else _clamp
            for place, source in _outside(down, height, fold):
                rows[..., place] = rows[..., source]
            columns = wide.reshape(-1, shape[3])
            for place, source in _outside(across, width, fold):
                columns[:, place] = columns[:, source]
    rows = _as_rows(wide[..., : size[1]])
    windows = np.lib.stride_tricks.as_strided(  # (N, first row, first column, C, h) of rows, one over the other
        rows,
        (count, wide.shape[2] - size[0] + 1, wide.shape[3] - size[1] + 1, channels, size[0]),
        (rows.strides[0], rows.strides[2], 1, rows.strides[1], rows.strides[2]),
    )
    found = windows[np.arange(count), top + down[0], left + across[0]]  # (N, C, h) of rows
    moved: NDArray[np.uint8] = found[..., None].view(np.uint8)
    turned = np.flatnonzero(mirrored)
    if len(turned):
        moved[turned] = torch.from_numpy(moved[turned]).flip(3).numpy()  # NumPy's own flip goes byte by byte
    return torch.from_numpy(moved)


def _as_rows(pixels: NDArray[np.uint8]) -> NDArray[np.void]:
    """(..., w) as (...): each row one item, which NumPy copies as a whole."""
    rows: NDArray[np.void] = pixels.view(f"V{pixels.shape[-1]}")[..., 0]
    return rows


def _outside(
    beyond: tuple[int, int], length: int, fold: Callable[[NDArray[np.int64], int], NDArray[np.int64]]
) -> Iterator[tuple[int, int]]:
    """The places before and behind the picture, counted from the first of them, and whence each is filled."""
    places = np.concatenate([np.arange(-beyond[0], 0), np.arange(length, length + beyond[1])])
    return zip((places + beyond[0]).tolist(), (fold(places, length) + beyond[0]).tolist(), strict=True)


def _clamp(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    return places.clip(0, length - 1)


def _mirror(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Reflected at the middles of the first and last pixel, as often as needed: -1 is 1, length is length - 2."""
    period = max(2 * (length - 1), 1)
    folded = np.abs(places) % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(places)


def _resampled(
    batch: torch.Tensor,
    size: tuple[int, int],
    top: NDArray[np.int64],
    left: NDArray[np.int64],
    mirrored: NDArray[np.bool_],
    angle: NDArray[np.float64],
    scales: tuple[NDArray[np.float64] | float, NDArray[np.float64] | float],
    points: NDArray[np.float64] | None,
    pad_mode: PadMode,
) -> torch.Tensor:
    """Each picture's window turned by `angle` radians and stretched by `scales` (down, across) about its own middle,
    its grid moved by `points` ((N, 32) pixels: 16 across, then 16 down); bilinear: float32 (N, C, h, w)."""
    height, width = batch.shape[2:]
    cos, sin = (np.asarray(of(angle), np.float32)[:, None, None] for of in (np.cos, np.sin))
    down = (np.arange(size[0], dtype=np.float32) - (size[0] - 1) / 2)[None, :, None]  # from the middle, (1, h, 1)
    right = (np.arange(size[1], dtype=np.float32) - (size[1] - 1) / 2)[None, None, :]  # (1, 1, w)
    sign = np.where(mirrored, -1, 1).astype(np.float32)[:, None, None]
    if not (isinstance(scales[0], float) and isinstance(scales[1], float)):  # what lies at 1 comes from 1 / scale
        down, right = (
            axis / np.asarray(by, np.float32).reshape(-1, 1, 1) for axis, by in zip((down, right), scales, strict=True)
        )
    middle_y = (top + (size[0] - 1) / 2).astype(np.float32)[:, None, None]
    middle_x = (left + (size[1] - 1) / 2).astype(np.float32)[:, None, None]
    # grid_sample counts from -1 (the first pixel's middle) to 1 (the last one's).
    unit_x, unit_y = 2 / max(width - 1, 1), 2 / max(height - 1, 1)
    sums = (
        (cos * sign * unit_x * right, (middle_x - sin * down) * unit_x - 1),
        (sin * sign * unit_y * right, (middle_y + cos * down) * unit_y - 1),
    )  # x and y: what each column, (N, 1, w), and each row, (N, h, 1), gives
    places = torch.empty(len(batch), 2, *size, dtype=torch.float32, device=batch.device)
    for axis, parts in enumerate(sums):
        along, by_row = (torch.from_numpy(part).to(batch.device) for part in parts)
        torch.add(along, by_row, out=places[:, axis])  # as NumPy's, to the bit, and much faster over rows this short
    if points is not None:
        moved = points.reshape(-1, 2, _POINTS**2) * np.array([[unit_x], [unit_y]])  # (N, 2, 16)
        between = torch.from_numpy(moved.astype(np.float32)).view(-1, _POINTS**2).to(batch.device)
        places.view(len(between), -1).addmm_(between, _between_points(size).to(batch.device))
    return functional.grid_sample(
        batch.float(),
        places.permute(0, 2, 3, 1),
        mode="bilinear",
        padding_mode=_GRID_PADDING[pad_mode],
        align_corners=True,
    )


@lru_cache(maxsize=8)
def _between_points(size: tuple[int, int]) -> torch.Tensor:
    """(16, h * w): what each point of the grid, whose corners are the window's, gives to each place; bicubic."""
    each = torch.eye(_POINTS**2).view(1, -1, _POINTS, _POINTS)
    return functional.interpolate(each, size, mode="bicubic", align_corners=True).view(_POINTS**2, -1)
