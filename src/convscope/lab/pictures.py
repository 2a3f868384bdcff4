"""Pixels on their way to and from the page: {"height", "width", "channels", "pixels": base64 of uint8 H x W x C}."""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.data.decode import decode
from convscope.errors import ConvscopeError
from convscope.web import Refused, identifier

KEPT, KEPT_BYTES = 32, 64 * 2**20
SHOWN = 512  # pixels of the longer side of a picture as it came
_LARGEST = 4096  # pixels of a drawing's side


def to_json(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """A picture of uint8 (H, W) or (H, W, C)."""
    array = pixels[:, :, None] if pixels.ndim == 2 else pixels
    height, width, channels = array.shape
    return {"height": height, "width": width, "channels": channels, "pixels": _text(array)}


def stored(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """The same of uint8 (C, H, W), as image sets hold them."""
    return to_json(np.asarray(pixels).transpose(1, 2, 0))


def shown(picture: Image.Image) -> dict[str, Any]:
    """The same of a decoded picture, made small for showing."""
    small = picture.copy()
    small.thumbnail((SHOWN, SHOWN), Image.Resampling.BICUBIC)
    return to_json(np.asarray(small))


def from_json(value: object) -> NDArray[np.uint8]:
    """uint8 (H, W, 1 or 3) out of what the page sent. Raises ConvscopeError."""
    if not isinstance(value, dict):
        raise ConvscopeError("a drawing must have height, width, channels and pixels. Got something else.")
    sizes = [value.get(name) for name in ("height", "width", "channels")]
    whole = all(isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= _LARGEST for n in sizes)
    if not whole or sizes[2] not in (1, 3):
        raise ConvscopeError(
            f"a drawing must be 1 to {_LARGEST} pixels high and wide, in 1 or 3 channels. Got {sizes!r:.80}."
        )
    pixels = value.get("pixels")
    try:
        data = base64.b64decode(pixels if isinstance(pixels, str) else "!", validate=True)
    except (binascii.Error, ValueError):
        raise ConvscopeError("a drawing's pixels must be base64 of bytes. These are not.") from None
    height, width, channels = (int(n) for n in sizes if isinstance(n, int))
    if len(data) != height * width * channels:
        raise ConvscopeError(
            f"a drawing of {height} x {width} x {channels} must have {height * width * channels} bytes. "
            f"Got {len(data)}."
        )
    return np.frombuffer(data, np.uint8).reshape(height, width, channels)


def scaled(values: NDArray[np.floating]) -> dict[str, Any]:
    """Values of any shape as bytes: low is 0 and high is 255, over all of them. Infinities are cut to these."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    steps = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    steps = (steps - low) * (255 / (high - low)) if high > low else np.zeros(values.shape)
    return {"low": low, "high": high, "values": _text(np.rint(steps).astype(np.uint8))}


def _text(array: NDArray[np.uint8]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


class Brought:
    """Picture files that were dropped or pasted, by id: the last 32, and together at most 64 MiB."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, data: bytes) -> tuple[str, dict[str, Any]]:
        """Keeps a file; its id, and the picture for showing. Raises UnreadablePicture for what the decoder refuses."""
        picture = decode(data)
        name = f"picture-{hashlib.sha256(data).hexdigest()[:16]}"
        with self._lock:
            self._kept[name] = data
            self._kept.move_to_end(name)
            while len(self._kept) > KEPT or sum(map(len, self._kept.values())) > KEPT_BYTES:
                self._kept.popitem(last=False)
        return name, shown(picture)

    def get(self, name: object) -> bytes:
        """The file of an id. Raises Refused where it is no longer kept."""
        with self._lock:
            data = self._kept.get(identifier(name))
        if data is None:
            raise Refused(
                404, f"the lab keeps the last {KEPT} pictures, and this one is not among them. Bring it again."
            )
        return data
