"""Arrays as pictures inside a page: PNG or JPEG in a data URI. Knows pixels and Pillow, and not what they show."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.errors import ConvscopeError


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """A picture (C, H, W) uint8 as "data:image/png;base64,...": grey of one channel, else colour of the first three."""
    return _uri(pixels, "PNG")


def photo_uri(pixels: NDArray[np.uint8]) -> str:
    """The same as "data:image/jpeg;base64,...": a tenth as long for a photograph, and not the very same pixels."""
    return _uri(pixels, "JPEG", quality=88)


def coloured_uri(levels: NDArray[np.uint8], palette: NDArray[np.uint8], nothing: int) -> str:
    """Places (h, w) uint8 in a palette (at most 256, 3) as "data:image/png;base64,...": a byte each. nothing: the place
    that lets the page show through."""
    image = Image.fromarray(np.ascontiguousarray(levels))
    image.putpalette(palette.tobytes() + bytes(3 * (256 - len(palette))))
    file = io.BytesIO()
    image.save(file, "PNG", transparency=nothing)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _uri(pixels: NDArray[np.uint8], kind: str, **settings: Any) -> str:
    pixels = np.asarray(pixels)
    if pixels.ndim != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise ConvscopeError(f"a picture must be uint8 of shape (C, H, W). Got {pixels.dtype} of shape {pixels.shape}.")
    image = Image.fromarray(pixels[0] if len(pixels) < 3 else np.ascontiguousarray(pixels[:3].transpose(1, 2, 0)))
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(file.getvalue()).decode("ascii")


def as_seen(batch: NDArray[Any]) -> tuple[NDArray[np.uint8], float, float]:
    """A batch (B, C, H, W) for showing: uint8 as it is; floats with their (low, high), also returned, as 0 and 255."""
    batch = np.asarray(batch)
    if batch.dtype == np.uint8:
        return batch, 0.0, 255.0
    finite = np.nan_to_num(batch.astype(np.float32))
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scaled = (finite - low) * (255 / (high - low) if high > low else 0)
    return np.asarray(np.rint(scaled), dtype=np.uint8), low, high
