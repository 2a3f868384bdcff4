"""The one decoder: the bytes of a picture file become an upright picture, grey or colour, eight bits a value.

Knows the formats by their first bytes and what each of their modes means (docs/pictures.md is the table). Knows
nothing of the size that a network wants, except that a JPEG may be decoded smaller when it is far larger than that.
Uses Pillow's file classes directly: its other forty parsers can't be reached, and no global setting is touched.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from convscope.errors import ConvscopeError

Fit = Literal["pad", "crop", "stretch"]
Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
MAX_PIXELS = 200_000_000

# What Pillow says on the side (broken EXIF, odd TIFF tags) would be printed in the middle of a progress bar; whether a
# picture is good is told by what `decode` returns or raises. Set once: `catch_warnings` is not safe among threads.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, module=r"PIL\.")


class UnreadablePicture(ConvscopeError):  # noqa: N818
    """A file that is no picture, is damaged, or is of a kind that isn't read. `reason` is what the sentence ends in."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"can't read the picture {name}: {reason}")
        self.name = name
        self.reason = reason


class MissingHeic(UnreadablePicture):
    """A HEIC picture where the package that reads them is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "HEIC pictures need one more package. Install it with: pip install 'convscope[heic]'")


# ---- which files are pictures ----------------------------------------------------------------------------------------

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
    | {".heic", ".heif", ".hif"}
)
_SYSTEM_NAMES = frozenset({".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"})


def is_picture_name(name: str) -> bool:
    """Whether a file of this name claims to be a picture that `decode` reads. The content has the last word."""
    return Path(name).suffix.lower() in SUFFIXES and not is_system_file(name)


def is_system_file(name: str) -> bool:
    """Whether an operating system left this file or folder behind: `.DS_Store`, `Thumbs.db`, `._x.jpg`, `__MACOSX`."""
    parts = [part.lower() for part in name.replace("\\", "/").split("/") if part]
    return any(part in _SYSTEM_NAMES or part.startswith("._") for part in parts)


def _is_bmp(head: bytes) -> bool:
    # "BM" alone begins many a text; the second header's size follows at byte 14.
    return head[:2] == b"BM" and head[14:18] in {bytes([n, 0, 0, 0]) for n in (12, 16, 40, 52, 56, 64, 108, 124)}


def _is_heic(head: bytes) -> bool:
    brands = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
    return head[4:8] == b"ftyp" and head[8:12] in brands


def _open_heic(stream: BinaryIO) -> ImageFile.ImageFile:
    import pillow_heif  # the extra `heic`

    opened: Callable[[BinaryIO], ImageFile.ImageFile] = pillow_heif.HeifImageFile
    return opened(stream)


# A JPEG with several pictures (MPO) begins with the first one, so the JPEG reader takes exactly frame 0.
FORMATS: dict[str, tuple[Callable[[bytes], bool], Callable[[BinaryIO], ImageFile.ImageFile]]] = {
    "JPEG": (lambda head: head[:3] == b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    "PNG": (lambda head: head[:8] == b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    "WebP": (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", WebPImagePlugin.WebPImageFile),
    "GIF": (lambda head: head[:6] in {b"GIF87a", b"GIF89a"}, GifImagePlugin.GifImageFile),
    "BMP": (_is_bmp, BmpImagePlugin.BmpImageFile),
    "TIFF": (
        lambda head: head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"},
        TiffImagePlugin.TiffImageFile,
    ),
    "HEIC": (_is_heic, _open_heic),
}
"""Format to (does the file begin like one, open it): all that can be reached."""

_OTHERS = (
    (b"ftypavif", "AVIF"),
    (b"jP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"JXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"%PDF", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML or SVG"),
    (b"<!DOCTYPE", "HTML"),
    (b"<html", "HTML"),
    (b"PK\x03\x04", "ZIP"),
)


def format_of(head: bytes) -> str | None:
    """The format that a file's first 32 bytes tell, or None."""
    return next((name for name, (begins, _) in FORMATS.items() if begins(head)), None)


# ---- decode ----------------------------------------------------------------------------------------------------------


def decode(
    source: Path | str | bytes | BinaryIO,
    *,
    target: tuple[int, int] | None = None,
    fit: Fit = "crop",
    max_pixels: int = MAX_PIXELS,
    background: Colour = WHITE,
) -> Image.Image:
    """The picture in a file: upright, mode "L" (grey) or "RGB", frame or page 0. Safe to call from many threads.

    source: a path, the file's bytes, or an open binary file (read from its start).
    target, fit: the (height, width) that `Preprocess.fit` will make of it, and how. A JPEG is then decoded at the
        smallest of the DCT scales 1/8, 1/4, 1/2, 1 that leaves at least twice the pixels needed in both directions.
    background: what shows through where a picture is transparent.

    Raises UnreadablePicture; its kind MissingHeic where HEIC comes without the extra `heic`.
    """
    name = _name(source)
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise UnreadablePicture(
            name, "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so damaged pictures can't be told. Set it to False"
        )
    try:
        with _stream(source) as stream:
            return _decode(stream, name, target, fit, max_pixels, background)
    except ConvscopeError:
        raise
    except Exception as error:  # Pillow's parsers raise what comes: OSError, SyntaxError, struct.error, KeyError, ...
        raise UnreadablePicture(name, _why(error)) from error


def _decode(
    stream: BinaryIO, name: str, target: tuple[int, int] | None, fit: Fit, max_pixels: int, background: Colour
) -> Image.Image:
    stream.seek(0)
    head = stream.read(32)
    stream.seek(0)
    kind = format_of(head)
    if kind is None:
        raise UnreadablePicture(name, _no_picture(head))
    try:
        picture = FORMATS[kind][1](stream)
    except ImportError as error:
        raise MissingHeic(name) from error
    width, height = picture.size
    if width * height > max_pixels:
        raise UnreadablePicture(
            name,
            f"a picture may have {max_pixels / 1e6:.10g} megapixels. Got {width} x {height}, "
            f"{width * height / 1e6:.0f} megapixels. Make it smaller",
        )
    if target is not None and kind == "JPEG":
        turned = _orientation(picture) >= 5
        high, wide = (width, height) if turned else (height, width)
        high, wide = (2 * n for n in scaled_size(high, wide, target, fit))
        picture.draft(None, (high, wide) if turned else (wide, high))
    rawmode = _rawmode(picture)
    picture.load()
    if "transparency" in picture.info:
        picture.info["transparency"] = _transparent_value(picture.info["transparency"], rawmode)
    return standard(picture, background)


def scaled_size(height: int, width: int, target: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """(height, width) to which a whole picture is scaled: inside the target (pad), around it (crop), it (stretch)."""
    if fit == "stretch":
        return target
    pick = min if fit == "pad" else max
    scale = pick(target[0] / height, target[1] / width)
    high, wide = max(1, round(height * scale)), max(1, round(width * scale))
    return (
        (min(high, target[0]), min(wide, target[1])) if fit == "pad" else (max(high, target[0]), max(wide, target[1]))
    )


def standard(picture: Image.Image, background: Colour = WHITE) -> Image.Image:
    """Any Pillow picture as an upright "L" or "RGB" one; where it is transparent, the background shows through.

    Raises ValueError for numbers that tell no picture (negative, not finite, above 65535).
    """
    turn = _TURNS.get(_orientation(picture))
    picture = _grey_or_colour(picture, background)
    if turn is not None:
        picture = picture.transpose(turn)
    picture.info = {}  # the orientation has been used: it must not be used again
    return picture


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


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8. (A TIFF's is applied by Pillow when it loads; pillow-heif has applied HEIC's.)"""
    if _ORIENTED.isdisjoint(picture.info):
        return 1
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # a broken EXIF block doesn't make the pixels worse
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


# ---- grey or colour, eight bits --------------------------------------------------------------------------------------


def _grey_or_colour(picture: Image.Image, background: Colour) -> Image.Image:
    mode, transparent = picture.mode, picture.info.get("transparency")
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
    if mode == "LAB":
        return _from_lab(picture)
    return picture.convert("RGB")  # CMYK, YCbCr, HSV, RGBX


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


def _transparent_value(value: Any, rawmode: str) -> Any:
    """A PNG's transparent value in the units of the pixels that Pillow gives: it scales these and not the value."""
    if rawmode in ("L;2", "L;4"):
        return value * (85 if rawmode == "L;2" else 17)
    if rawmode == "RGB;16B":
        return tuple(part >> 8 for part in value)
    return value


def _rawmode(picture: Image.Image) -> str:
    for tile in getattr(picture, "tile", ()):
        args = tile[3]
        return str(args[0] if isinstance(args, tuple) and args else args)
    return ""


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
        raise ValueError(
            f"a picture of 32-bit numbers must lie in 0..1, 0..255 or 0..65535. Got {low:g} to {high:g}. "
            "Save it with 8 or 16 bits"
        )
    white = 1 if high <= 1 and values.dtype.kind == "f" else 255 if high <= 255 else 65535
    return np.floor(values.astype(np.float64) * (255 / white) + 0.5).astype(np.uint8)


def _from_lab(picture: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
    assert converted is not None  # only in-place conversion returns None
    return converted


# ---- names and reasons -----------------------------------------------------------------------------------------------


def _name(source: Path | str | bytes | BinaryIO) -> str:
    if isinstance(source, Path | str):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "(bytes)"


def _stream(source: Path | str | bytes | BinaryIO) -> Any:
    if isinstance(source, Path | str):
        return Path(source).open("rb")
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    return nullcontext(source if source.seekable() else io.BytesIO(source.read()))


def _no_picture(head: bytes) -> str:
    if not head:
        return "the file is empty"
    read = ", ".join(FORMATS)
    for mark, kind in _OTHERS:
        if mark in head[:16]:
            return f"it is {kind}, which is not read. Save it as one of {read}"
    return f"its first bytes are those of no picture format that is read ({read})"


def _why(error: Exception) -> str:
    """Pillow's and the system's reasons, as a sentence's part."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, PermissionError):
        return "reading it is not permitted"
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    text = " ".join(str(error).split())
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "the file is cut off or damaged" + (f" ({text})" if text else "")
    if isinstance(error, ValueError) and text.startswith("a picture of 32-bit"):
        return text
    return f"the file is damaged ({text or type(error).__name__})"
