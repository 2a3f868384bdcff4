"""What may happen to a picture on its way to a network, in strengths: moved, turned, lit, blurred, packed.

Every change is made on stored pictures, uint8 (N, C, H, W), and gives such. What comes in from outside is the border's
nearest pixel. Which way a picture is moved or turned, and its noise, are drawn by key from its id: the same picture is
changed alike whatever batch it is in. Knows no network.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin
from torch import Tensor

from convscope import draws

Images = NDArray[np.uint8]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Change:
    """A property of pictures that can be changed.

    plain: the strength that is no change. strengths: what is tried, in order along the axis, for pictures of a shorter
    side of so many pixels. make: (images, ids, seed, strength) to the changed pictures. unit: behind a strength in
    words. axis: what the strengths are. says: what is done, as a sentence.
    """

    name: str
    axis: str
    unit: str
    plain: float
    strengths: Callable[[int], tuple[float, ...]]
    make: Callable[[Images, Ids, int, float], Images]
    says: str

    def apply(self, images: Images, ids: Ids, seed: int, strength: float) -> Images:
        """The pictures with this change; those of `plain` are the same."""
        return images if strength == self.plain else self.make(images, ids, seed, strength)


def _bytes(values: Tensor) -> Images:
    found: Images = values.round_().clamp_(0, 255).to(torch.uint8).numpy()
    return found


def _floats(images: Images) -> Tensor:
    return torch.from_numpy(images.astype(np.float32))


# ---- where the pixels are --------------------------------------------------------------------------------------------


def shift(images: Images, ids: Ids, seed: int, pixels: float) -> Images:
    """Moved by whole pixels: up, down, left or right, a quarter of the pictures each."""
    height, width = images.shape[2:]
    way = (draws.uniform(seed, 0, ids, "probe.shift") * 4).astype(int)
    moved = np.empty_like(images)
    for number, (down, right) in enumerate(((1, 0), (-1, 0), (0, 1), (0, -1))):
        rows = (np.arange(height) - down * int(pixels)).clip(0, height - 1)
        columns = (np.arange(width) - right * int(pixels)).clip(0, width - 1)
        moved[way == number] = images[way == number][:, :, rows[:, None], columns]
    return moved


def rotation(images: Images, ids: Ids, seed: int, degrees: float) -> Images:
    """Turned about the middle, half of the pictures either way; bilinear."""
    height, width = images.shape[2:]
    way = np.where(draws.uniform(seed, 0, ids, "probe.rotation") < 0.5, -1.0, 1.0)
    angle = torch.from_numpy(np.deg2rad(degrees) * way)
    down = torch.arange(height, dtype=torch.float64)[:, None] - (height - 1) / 2
    right = torch.arange(width, dtype=torch.float64)[None, :] - (width - 1) / 2
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    x = (cos * right - sin * down) * (2 / max(width - 1, 1))  # grid_sample counts from -1 to 1
    y = (sin * right + cos * down) * (2 / max(height - 1, 1))
    grid = torch.stack([x, y], dim=-1).float()  # (N, H, W, 2)
    return _bytes(F.grid_sample(_floats(images), grid, mode="bilinear", padding_mode="border", align_corners=True))


def scale(images: Images, ids: Ids, seed: int, factor: float) -> Images:
    """Smaller or larger about the middle, to whole pixels; bilinear, with antialiasing."""
    height, width = images.shape[2:]
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    scaled = F.interpolate(_floats(images), size, mode="bilinear", antialias=True, align_corners=False)
    rows, columns = (
        (np.arange(n) - (n - made) // 2).clip(0, made - 1) for n, made in zip((height, width), size, strict=True)
    )
    return _bytes(scaled[:, :, torch.from_numpy(rows)[:, None], torch.from_numpy(columns)])


# ---- what the pixels are ---------------------------------------------------------------------------------------------


def brightness(images: Images, ids: Ids, seed: int, added: float) -> Images:
    """A number added to every value, cut at 0 and 255."""
    return (images.astype(np.int16) + round(added)).clip(0, 255).astype(np.uint8)


def contrast(images: Images, ids: Ids, seed: int, factor: float) -> Images:
    """Each value's distance from the picture's mean multiplied, cut at 0 and 255."""
    values = _floats(images)
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    return _bytes((values - mean) * factor + mean)


def noise(images: Images, ids: Ids, seed: int, deviation: float) -> Images:
    """A normal number added to each value by itself, cut at 0 and 255."""
    count = int(np.prod(images.shape[1:]))
    noisy = np.empty_like(images)
    for row, number in enumerate(ids):  # one at a time: of large pictures the numbers take much memory
        one = np.array([number])
        first = draws.uniform(seed, 0, one, "probe.noise.radius", count).reshape(images.shape[1:])
        second = draws.uniform(seed, 0, one, "probe.noise.angle", count).reshape(images.shape[1:])
        normal = np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)  # Box and Muller 1958
        noisy[row] = np.rint(images[row] + deviation * normal).clip(0, 255)
    return noisy


def blur(images: Images, ids: Ids, seed: int, deviation: float) -> Images:
    """Gaussian blur, down and then across."""
    reach = max(1, int(np.ceil(3 * deviation)))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weight = torch.from_numpy((bell / bell.sum()).astype(np.float32))
    count, channels, height, width = images.shape
    values = F.pad(_floats(images).view(count * channels, 1, height, width), (reach,) * 4, mode="replicate")
    values = F.conv2d(F.conv2d(values, weight.view(1, 1, -1, 1)), weight.view(1, 1, 1, -1))
    return _bytes(values.view(images.shape))


def jpeg(images: Images, ids: Ids, seed: int, quality: float) -> Images:
    """Packed as JPEG and unpacked (Pillow's tables; colour at half the resolution)."""
    packed = np.empty_like(images)
    for into, picture in zip(packed, images, strict=True):
        file = io.BytesIO()
        pixels = picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
        Image.fromarray(pixels).save(file, "JPEG", quality=int(quality))
        file.seek(0)
        with JpegImagePlugin.JpegImageFile(file) as read:
            again = np.asarray(read)
        into[...] = again[None] if again.ndim == 2 else again.transpose(2, 0, 1)
    return packed


def inversion(images: Images, ids: Ids, seed: int, share: float) -> Images:
    """Black and white exchanged: 255 less each value."""
    return np.asarray(255 - images, np.uint8)


# ---- all of them -----------------------------------------------------------------------------------------------------


def _fixed(*strengths: float) -> Callable[[int], tuple[float, ...]]:
    return lambda side: strengths


def _of_size(*of_28: float, whole: bool = False) -> Callable[[int], tuple[float, ...]]:
    """Strengths in pixels, as given for pictures of up to 28 pixels a side and in proportion for larger ones."""

    def strengths(side: int) -> tuple[float, ...]:
        unit = max(1.0, side / 28)
        found = [float(round(s * unit)) if whole else float(f"{s * unit:.2g}") for s in of_28]
        return tuple(s for s in found if s < side / 2)

    return strengths


CHANGES = {
    change.name: change
    for change in (
        Change("shift", "pixels", " px", 0.0, _of_size(1, 2, 3, 4, 6, 8, whole=True), shift,
               "each picture is moved up, down, left or right"),
        Change("rotation", "degrees", " degrees", 0.0, _fixed(5, 10, 15, 20, 30, 45, 60, 90), rotation,
               "each picture is turned about its middle, one way or the other"),
        Change("scale", "times the size", " times", 1.0, _fixed(0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.25, 1.5, 2), scale,
               "what is shown becomes smaller or larger, about the middle"),
        Change("brightness", "added to each value of 0 to 255", "", 0.0,
               _fixed(-128, -96, -64, -32, 32, 64, 96, 128), brightness, "a number is added to every value"),
        Change("contrast", "times the contrast", " times", 1.0, _fixed(0.1, 0.25, 0.5, 0.75, 1.5, 2, 4), contrast,
               "each value's distance from the picture's mean is multiplied"),
        Change("noise", "standard deviation, of values from 0 to 255", "", 0.0, _fixed(8, 16, 32, 48, 64, 96), noise,
               "a normal number is added to each value"),
        Change("blur", "standard deviation, pixels", " px", 0.0, _of_size(0.5, 0.75, 1, 1.5, 2, 3), blur,
               "Gaussian blur"),
        Change("jpeg", "quality", "", 100.0, _fixed(5, 10, 20, 30, 50, 70, 90), jpeg,
               "packed as JPEG and unpacked; 100 stands for not packed at all"),
        Change("inversion", "inverted", "", 0.0, _fixed(1), inversion, "black and white are exchanged"),
    )
}  # fmt: skip
"""By name, in the order in which they are told."""
