"""The one preprocessing: how any picture becomes the network's input.

`read` and `fit` make of a file, a Pillow picture or an array the bytes that are stored; `to_input` makes of these the
numbers that the network sees. Training's cache, evaluation, prediction and export call these and nothing else.
Knows no data set; imports torch only where a batch becomes a tensor.
"""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.data.decode import MAX_PIXELS, Fit, Source, decode, scaled_size
from convscope.data.manner import MANNERS, bring
from convscope.data.modes import WHITE, Colour
from convscope.errors import ConvscopeError, unknown

if TYPE_CHECKING:
    import torch

PAD_VALUE = 0
"""What `fit="pad"` puts beside a picture: black, everywhere. It is what lies around the digits of MNIST; and beside a
photograph any one value will do, since training and prediction use the same."""

How = Literal["channel", "position-range"]

# A picture that shrinks is averaged over whole blocks of pixels down to this many times its final size, then resized
# with antialiasing. `decode` keeps the same distance with JPEG, so that the last step is always this one.
_REDUCING_GAP = 2.0

# A manner looks for strokes in the whole picture: JPEG may shrink a photograph to about this, no further.
_ALL_THE_INK = (480, 480)


@dataclasses.dataclass(frozen=True, init=False)
class Preprocess:
    """What makes a network's input of a picture. Equal records make equal inputs.

    size: (height, width) of a stored picture; channels: 1 (grey) or 3 (colour).
    fit (kept as `fitting`, since `fit` is the function): "pad" keeps the whole picture and its shape and fills up with
        black; "crop" keeps its middle and its shape; "stretch" keeps the whole picture and not its shape.
    mean, std: in units of pixel / 255, one a channel or one for each of the C x H x W values; () is 0 and 1.
    per_picture: each picture is standardised by itself instead, (x - mean) / max(deviation, 1 / sqrt(values)) with x in
        0..255 (TensorFlow's per_image_standardization); mean and std are left out then.
    manner: what brings a picture from outside to the data set's own manner, by its name in `manner.MANNERS`; None is
        nothing. A data set's own pictures are stored by a record without it.
    crop_to: (height, width) of the window of a stored picture that the network sees: in training a random one
        (`Augment`), else the middle one. None is all of it.
    background: what shows through where a picture is transparent.
    """

    size: tuple[int, int]
    channels: int
    fitting: Fit
    mean: tuple[float, ...]
    std: tuple[float, ...]
    per_picture: bool
    manner: str | None
    crop_to: tuple[int, int] | None
    background: Colour

    def __init__(
        self,
        size: tuple[int, int],
        channels: int,
        fit: Fit = "pad",
        mean: tuple[float, ...] = (),
        std: tuple[float, ...] = (),
        per_picture: bool = False,
        manner: str | None = None,
        crop_to: tuple[int, int] | None = None,
        background: Colour = WHITE,
    ) -> None:
        """Raises ConvscopeError where a value can't be used."""
        put = object.__setattr__  # the record is frozen
        put(self, "size", _pair("size", size))
        put(self, "channels", channels)
        put(self, "fitting", fit)
        put(self, "per_picture", per_picture)
        put(self, "manner", manner or None)
        put(self, "crop_to", None if crop_to is None else _pair("crop_to", crop_to))
        put(self, "background", _colour(background))
        self._check()
        means, stds = self._numbers(mean, std)
        put(self, "mean", means)
        put(self, "std", stds)

    def _check(self) -> None:
        if self.channels not in (1, 3) or type(self.channels) is not int:
            raise ConvscopeError(f"channels must be 1 (grey) or 3 (colour). Got {self.channels!r}.")
        if self.fitting not in get_args(Fit):
            raise ConvscopeError(unknown("fit", str(self.fitting), get_args(Fit)))
        if type(self.per_picture) is not bool:
            raise ConvscopeError(f"per_picture must be true or false. Got {self.per_picture!r}.")
        if self.manner is not None:
            if type(self.manner) is not str or self.manner not in MANNERS:
                raise ConvscopeError(unknown("manner", str(self.manner), tuple(MANNERS)))
            if self.channels != 1:
                raise ConvscopeError(
                    f"a manner is for grey pictures: channels must be 1 with manner {self.manner!r}. Got 3. "
                    "Set channels to 1, or leave manner out."
                )
        if self.crop_to is not None and (self.crop_to[0] > self.size[0] or self.crop_to[1] > self.size[1]):
            window, whole = (f"{height} x {width}" for height, width in (self.crop_to, self.size))
            raise ConvscopeError(f"crop_to must not be larger than size. Got crop_to {window} and size {whole}.")

    def _numbers(self, mean: Any, std: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """mean and std, () written out, both of one length."""
        values = self.channels * self.size[0] * self.size[1]
        for name, given in (("mean", mean), ("std", std)):
            if not (isinstance(given, tuple | list) and all(_is_number(n) for n in given)):
                raise ConvscopeError(f"{name} must be a list of numbers, in units of pixel / 255. Got {given!r}.")
            if len(given) not in (0, self.channels, values):
                raise ConvscopeError(
                    f"{name} must have one number a channel ({self.channels}) or one a value ({values}). "
                    f"Got {len(given)}."
                )
        if any(n <= 0 for n in std):
            raise ConvscopeError(f"std must be above 0. Got {min(std):g}.")
        if self.per_picture and (any(mean) or any(n != 1 for n in std)):
            raise ConvscopeError(
                "per_picture takes the place of mean and std. Leave these out, or set per_picture to false."
            )
        count = max(len(mean), len(std), self.channels)
        if count > self.channels and self.crop_to is not None:
            raise ConvscopeError(
                "one mean for each value can't go with crop_to: the window moves. Give one for each channel."
            )
        return _spread(mean, 0.0, count, self.channels), _spread(std, 1.0, count, self.channels)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of what the network sees: `crop_to`, or all of the stored picture."""
        return self.crop_to or self.size

    def replace(self, **changes: Any) -> Preprocess:
        """A copy with some fields changed; names as in the constructor."""
        return Preprocess(**{**self._arguments(), **changes})

    def _arguments(self) -> dict[str, Any]:
        """What the constructor was given, by its names."""
        return {_argument(field.name): getattr(self, field.name) for field in dataclasses.fields(self)}

    # ---- the record as JSON ------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and words, keyed as the constructor's arguments."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._arguments().items()}

    @classmethod
    def from_json(cls, record: Any) -> Preprocess:
        """The record that `to_json` gave. Raises ConvscopeError for anything else, since files come from strangers."""
        if not isinstance(record, dict):
            raise ConvscopeError(f"the preprocessing must be an object with named values. Got {type(record).__name__}.")
        known = [_argument(field.name) for field in dataclasses.fields(cls)]
        for name in record:
            if name not in known:
                raise ConvscopeError(unknown("value of the preprocessing", str(name), known))
        for name in ("size", "channels"):
            if name not in record:
                raise ConvscopeError(f"the preprocessing must have a {name}. It has {', '.join(record) or 'nothing'}.")
        values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in record.items()}
        return cls(**values)

    # ---- a picture becomes bytes -------------------------------------------------------------------------------------

    def read(self, source: Source, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
        """A picture file, fitted: uint8 (C, H, W). The one way from a file to a network. Raises UnreadablePicture."""
        return self.read_noted(source, max_pixels=max_pixels)[0]

    def read_noted(self, source: Source, *, max_pixels: int = MAX_PIXELS) -> tuple[NDArray[np.uint8], str]:
        """The same, and what its reader must know, "" for nothing: a manner may find no ink, or several figures."""
        return self._stored(self.decoded(source, max_pixels=max_pixels))

    def decoded(self, source: Source, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
        """A picture file as `fit` takes it, "L" or "RGB": a JPEG at no more pixels than that needs."""
        target = self.size if self.manner is None else _ALL_THE_INK
        return decode(source, target=target, fit=self.fitting, max_pixels=max_pixels, background=self.background)

    def fit(self, picture: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture as it is stored: uint8 (C, H, W) of this record's size and channels.

        picture: any Pillow picture, or uint8 (H, W), (H, W, 1) or (H, W, 3). What has the right size keeps its values.
        A Pillow picture of a large JPEG differs a little from its file, which `read` decodes at a smaller scale.
        """
        return self.fit_noted(picture)[0]

    def fit_noted(self, picture: Image.Image | NDArray[np.uint8]) -> tuple[NDArray[np.uint8], str]:
        """The same, with the note of `read_noted`."""
        if isinstance(picture, np.ndarray):
            picture = _as_picture(picture)
        return self._stored(decode(picture, background=self.background))

    def _stored(self, picture: Image.Image) -> tuple[NDArray[np.uint8], str]:
        """A decoded picture, "L" or "RGB", in this record's size and channels, and the manner's note."""
        note = ""
        if self.channels == 1 and picture.mode == "RGB":
            picture = picture.convert("L")
        if self.manner is not None:
            picture, note = bring(self.manner, picture, self.size)
        pixels = np.asarray(self._scaled(picture))
        pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # (1 or 3, h, w)
        stored = np.full((self.channels, *self.size), PAD_VALUE, np.uint8)
        top, left = ((whole - part) // 2 for whole, part in zip(self.size, pixels.shape[1:], strict=True))
        stored[:, top : top + pixels.shape[1], left : left + pixels.shape[2]] = pixels
        return stored, note

    def _scaled(self, picture: Image.Image) -> Image.Image:
        """Resized to `size`, or for "pad" to what lies inside it."""
        high, wide = self.size
        if picture.size == (wide, high):
            return picture
        box = (0.0, 0.0, float(picture.width), float(picture.height))
        if self.fitting == "crop":
            scale = max(high / picture.height, wide / picture.width)
            cut = (picture.width - wide / scale) / 2, (picture.height - high / scale) / 2
            box = (max(cut[0], 0.0), max(cut[1], 0.0), box[2] - max(cut[0], 0.0), box[3] - max(cut[1], 0.0))
        elif self.fitting == "pad":
            high, wide = scaled_size(picture.height, picture.width, self.size, "pad")
        return picture.resize((wide, high), Image.Resampling.BICUBIC, box=box, reducing_gap=_REDUCING_GAP)

    # ---- bytes become the network's input ----------------------------------------------------------------------------

    def to_input(self, batch: torch.Tensor | NDArray[np.uint8]) -> torch.Tensor:
        """What the network sees: float32 (N, C, h, w), h x w being `input_size`, on the batch's device.

        batch: (N, C, H, W), uint8 or float in 0..255 (augmented, perhaps beyond), of this record's size or already of
        `input_size`; a larger one gives its middle window. Raises ConvscopeError for another shape.
        """
        import torch

        if isinstance(batch, np.ndarray):
            batch = torch.from_numpy(np.require(batch, requirements=["W", "C"]))
        if (
            batch.ndim != 4
            or batch.shape[1] != self.channels
            or tuple(batch.shape[2:]) not in (self.size, self.input_size)
        ):
            high, wide = self.size
            raise ConvscopeError(
                f"a batch must be N x {self.channels} x {high} x {wide}. "
                f"Got {' x '.join(str(n) for n in batch.shape)}. Put each picture through `fit` first."
            )
        high, wide = self.input_size
        top, left = (batch.shape[2] - high) // 2, (batch.shape[3] - wide) // 2
        pixels = batch[:, :, top : top + high, left : left + wide].float()
        if self.per_picture:
            return _standardised(pixels)
        scale, offset = (torch.from_numpy(numbers).to(pixels.device) for numbers in self._scale_and_offset)
        # two roundings each: one fused one would depend on the place in the batch
        return pixels.mul(scale).add_(offset)

    @cached_property
    def _scale_and_offset(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """x * scale + offset is (x / 255 - mean) / std: float32 (1, C, 1, 1) or (1, C, H, W)."""
        mean, std = np.array(self.mean, np.float64), np.array(self.std, np.float64)
        shape = (1, self.channels, 1, 1) if len(self.mean) == self.channels else (1, self.channels, *self.input_size)
        scale, offset = (1 / (255 * std)), -mean / std
        return scale.reshape(shape).astype(np.float32), offset.reshape(shape).astype(np.float32)


def _standardised(pixels: torch.Tensor) -> torch.Tensor:
    """(x - mean) / max(deviation, 1 / sqrt(values)) of each picture: TensorFlow's `tf.image.per_image_standardization`.

    Sums are taken in float64, where those of bytes are exact: a picture alone gives the same bits as among others.
    """
    values = pixels[0].numel()
    wide = pixels if pixels.device.type == "mps" else pixels.double()  # that device has no float64
    mean = wide.sum((1, 2, 3), keepdim=True) / values
    variance = (wide.square().sum((1, 2, 3), keepdim=True) / values - mean.square()).clamp_(min=0)
    deviation = variance.sqrt_().clamp_(min=1 / math.sqrt(values))
    return pixels.sub(mean.float()).div_(deviation.float())


def _as_picture(array: NDArray[np.uint8]) -> Image.Image:
    if (
        array.dtype != np.uint8
        or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3)))
        or not array.size
    ):
        raise ConvscopeError(
            "a picture as an array must be uint8 of height x width, or height x width x 1 or 3. "
            f"Got {array.dtype} of {' x '.join(str(n) for n in array.shape)}."
        )
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)


# ---- checks ----------------------------------------------------------------------------------------------------------


_LARGEST = 16384  # a stranger's file must not make us reserve all memory


def _argument(field: str) -> str:
    """The constructor's name of a field."""
    return "fit" if field == "fitting" else field


def _pair(name: str, value: Any) -> tuple[int, int]:
    good = isinstance(value, tuple | list) and len(value) == 2
    if not good or not all(type(n) is int and 1 <= n <= _LARGEST for n in value):
        raise ConvscopeError(f"{name} must be height and width, whole numbers from 1 to {_LARGEST}. Got {value!r}.")
    return (value[0], value[1])


def _colour(value: Any) -> Colour:
    good = isinstance(value, tuple | list) and len(value) == 3
    if not good or not all(type(n) is int and 0 <= n <= 255 for n in value):
        raise ConvscopeError(f"background must be red, green and blue, each 0 to 255. Got {value!r}.")
    return (value[0], value[1], value[2])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _spread(given: Any, default: float, count: int, channels: int) -> tuple[float, ...]:
    """As many as `count`: one a channel is repeated over that channel's positions."""
    each = tuple(float(n) for n in given) or (default,) * channels
    return each if len(each) == count else tuple(n for n in each for _ in range(count // channels))


# ---- what the training pictures say ----------------------------------------------------------------------------------

_CHUNK = 1 << 24  # values at a time: a memory map larger than memory is walked once


def statistics(images: NDArray[np.uint8], how: How = "channel") -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) for `Preprocess`, in units of pixel / 255, of uint8 images (N, C, H, W), which may be a memory map.

    "channel": each channel's mean and population deviation (at least 1e-3), summed in whole numbers, so exact.
    "position-range": for each value (C * H * W) its least, and greatest less least (1 where it never changes): what
        scikit-learn's MinMaxScaler does.
    """
    if how not in get_args(How):
        raise ConvscopeError(unknown("kind of statistics", how, get_args(How)))
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) == 0:
        raise ConvscopeError(
            "statistics need at least one picture, uint8 N x C x H x W. "
            f"Got {images.dtype} {' x '.join(str(n) for n in images.shape)}."
        )
    rows = max(1, _CHUNK // max(1, math.prod(images.shape[1:])))
    parts = (np.asarray(images[start : start + rows]) for start in range(0, len(images), rows))
    if how == "position-range":
        low, high = np.full(images.shape[1:], 255, np.uint8), np.zeros(images.shape[1:], np.uint8)
        for part in parts:
            np.minimum(low, part.min(0), out=low)
            np.maximum(high, part.max(0), out=high)
        reach = (high - low).astype(np.float64) / 255
        return tuple((low.ravel() / 255).tolist()), tuple(np.where(reach > 0, reach, 1.0).ravel().tolist())
    counts = np.zeros((images.shape[1], 256), np.int64)  # a histogram: exact, and one pass
    for part in parts:
        for channel in range(images.shape[1]):
            counts[channel] += np.bincount(part[:, channel].ravel(), minlength=256)
    levels, each = np.arange(256), counts[0].sum()
    mean = counts @ levels / (255 * each)
    variance = (counts * (levels / 255 - mean[:, None]) ** 2).sum(1) / each
    return tuple(mean.tolist()), tuple(np.maximum(np.sqrt(variance), 1e-3).tolist())
