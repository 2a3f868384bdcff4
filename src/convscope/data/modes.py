"""What the modes of pictures mean: any Pillow picture as an upright one, grey or colour, eight bits a value.

Knows orientation, transparency, palettes, 16 and 32 bits, inks. Knows no file and no size.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)


class NoPicture(ValueError):
    """Numbers that tell no picture: negative, not finite, or so large that white can't be guessed."""


def standard(picture: Image.Image, background: Colour = WHITE) -> Image.Image:
    """Any Pillow picture as an upright "L" or "RGB" one; where it is transparent, the background shows through.

    Raises NoPicture for numbers that tell no picture (negative, not finite, above 65535).
    """
    turn = _TURNS.get(orientation(picture))
    stored = _pixel_format(picture)
    picture.load()
    plain = _grey_or_colour(picture, _transparent(picture, stored), background)
    if turn is not None:
        plain = plain.transpose(turn)
    if plain is not picture:
        plain.info = {}  # what was said there has been done, and must not be done twice
    return plain


# ---- upright ---------------------------------------------------------------------------------------------------------

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_ORIENTED = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})


def orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8. (A TIFF's is applied by Pillow when it loads; pillow-heif has applied HEIC's.)"""
    if _ORIENTED.isdisjoint(picture.info):
        return 1
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # whatever a broken EXIF block brings about, the pixels are none the worse
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


# ---- grey or colour, eight bits --------------------------------------------------------------------------------------


def _grey_or_colour(picture: Image.Image, transparent: Any, background: Colour) -> Image.Image:
    mode = picture.mode
    if mode in ("L", "RGB") and transparent is None:
        return picture
    if mode == "1":
        mode, picture = "L", picture.convert("L")
    if mode.startswith("I;16"):
        return _sixteen_bits(picture, transparent, background)
    if mode in ("I", "F"):
        return Image.fromarray(_eight_bits(np.asarray(picture)))
    if mode in ("L", "RGB"):
        return picture if transparent is None else _without_colour(np.array(picture), transparent, background)
    if mode in ("P", "PA"):
        if transparent is not None or mode == "PA":
            return _flat(picture.convert("RGBA"), background)
        return picture.convert("L" if _grey_palette(picture) else "RGB")
    if mode in ("La", "RGBa"):  # premultiplied
        picture = picture.convert({"La": "LA", "RGBa": "RGBA"}[mode])
    if picture.mode in ("LA", "RGBA"):
        return _flat(picture, background)
    return picture.convert("RGB")  # CMYK, YCbCr, LAB, HSV, RGBX


def _flat(picture: Image.Image, background: Colour) -> Image.Image:
    """LA or RGBA on the background, each value round((value * alpha + background * (255 - alpha)) / 255)."""
    grey = picture.mode == "LA" and len(set(background)) == 1
    mode = "L" if grey else "RGB"
    canvas = Image.new(mode, picture.size, background[0] if grey else background)
    canvas.paste(picture.convert(mode), mask=picture.getchannel("A"))
    return canvas


def _grey_palette(picture: Image.Image) -> bool:
    palette = np.asarray(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _without_colour(pixels: NDArray[np.uint8], transparent: Any, background: Colour) -> Image.Image:
    """A PNG's one transparent grey or colour replaced by the background. pixels: (H, W) or (H, W, 3)."""
    see_through = (pixels == transparent).all(axis=-1) if pixels.ndim == 3 else pixels == transparent
    if pixels.ndim == 2 and len(set(background)) > 1:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    pixels[see_through] = background if pixels.ndim == 3 else background[0]
    return Image.fromarray(pixels)


def _pixel_format(picture: Image.Image) -> str:
    """How a file that is not yet loaded stores its pixels: Pillow's raw mode, such as "RGB;16B", or "" if unknown."""
    for tile in getattr(picture, "tile", ()):
        args = tile[3]
        return str(args[0] if isinstance(args, tuple) and args else args)
    return ""


def _transparent(picture: Image.Image, stored: str) -> Any:
    """The transparent value or colour, if there is one, in the units of the pixels: Pillow scales these and not it."""
    value = picture.info.get("transparency")
    if value is None:
        return None
    if stored in ("L;2", "L;4"):
        return value * (85 if stored == "L;2" else 17)
    if stored == "RGB;16B":
        return tuple(part >> 8 for part in value)
    return value


@lru_cache(maxsize=4)
def _scale_table(white: int) -> NDArray[np.uint8]:
    """round(v * 255 / white) for all 16-bit v."""
    v = np.arange(65536, dtype=np.int64)
    return np.minimum((v * 255 + white // 2) // white, 255).astype(np.uint8)


def _sixteen_bits(picture: Image.Image, transparent: Any, background: Colour) -> Image.Image:
    """16-bit grey scaled, not clipped: Pillow's own `convert` makes 255 of everything above 255."""
    tags = getattr(picture, "tag_v2", {})
    values = np.asarray(picture)
    grey = _scale_table(4095 if tags.get(258) == (12,) else 65535)[values]
    if tags.get(262) == 0:  # PhotometricInterpretation "white is zero", which Pillow leaves alone at 16 bits
        grey = 255 - grey
    if transparent is None:
        return Image.fromarray(grey)
    if len(set(background)) > 1:
        grey = np.repeat(grey[:, :, None], 3, axis=2)
    grey[values == transparent] = background if grey.ndim == 3 else background[0]
    return Image.fromarray(grey)


def _eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """32-bit integers or floats. No file states their white: the first of 1 (floats), 255, 65535 that none exceeds."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not (math.isfinite(low) and math.isfinite(high)) or low < 0 or high > 65535:
        raise NoPicture(
            f"a picture of 32-bit numbers must lie in 0..1, 0..255 or 0..65535. Got {low:g} to {high:g}. "
            "Save it with 8 or 16 bits"
        )
    white = 1 if high <= 1 and values.dtype.kind == "f" else 255 if high <= 255 else 65535
    return np.floor(values.astype(np.float64) * (255 / white) + 0.5).astype(np.uint8)
