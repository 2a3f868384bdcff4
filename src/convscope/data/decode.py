"""The one decoder: the bytes of a picture file become an upright picture, grey or colour, eight bits a value.

Knows the formats by their first bytes (docs/pictures.md is the table); what their modes mean is `modes`. Knows nothing
of the size that a network wants, except that a JPEG may be decoded smaller when it is far larger than that.
Uses Pillow's file classes directly: its other forty parsers can't be reached, and no global setting is touched.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Literal

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

from convscope.data.modes import WHITE, Colour, NoPicture, orientation, standard
from convscope.errors import ConvscopeError

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "WHITE",
    "Colour",
    "Fit",
    "MissingHeic",
    "Source",
    "UnreadablePicture",
    "decode",
    "format_of",
    "is_picture_name",
    "is_system_file",
    "scaled_size",
]

Fit = Literal["pad", "crop", "stretch"]
Source = Path | str | bytes | BinaryIO | Image.Image

MAX_PIXELS = 200_000_000


class UnreadablePicture(ConvscopeError):
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
    source: Source,
    *,
    target: tuple[int, int] | None = None,
    fit: Fit = "crop",
    max_pixels: int = MAX_PIXELS,
    background: Colour = WHITE,
) -> Image.Image:
    """The picture in a file: upright, mode "L" (grey) or "RGB", frame or page 0. Safe to call from many threads.

    source: a path, the file's bytes, an open binary file (read from its start), or a Pillow picture in any mode.
    target, fit: the (height, width) that `Preprocess.fit` will make of it, and how. A JPEG is then decoded at the
        smallest of the DCT scales 1/8, 1/4, 1/2, 1 that leaves at least twice the pixels needed in both directions.
    background: what shows through where a picture is transparent.

    Raises UnreadablePicture; its kind MissingHeic where HEIC comes without the extra `heic`.
    """
    _silence()
    name = _name(source)
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise UnreadablePicture(
            name, "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so damaged pictures can't be told. Set it to False"
        )
    try:
        if isinstance(source, Image.Image):
            return standard(source, background)
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
        turned = orientation(picture) >= 5
        high, wide = (width, height) if turned else (height, width)
        high, wide = (2 * n for n in scaled_size(high, wide, target, fit))
        picture.draft(None, (high, wide) if turned else (wide, high))
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


def _silence() -> None:
    """Keeps what Pillow says on the side (broken EXIF, odd TIFF tags) out of the middle of a progress bar.

    Whether a picture is good is told by what `decode` returns or raises. The filter stays, since taking it away again
    (`catch_warnings`) is not safe among threads; it is put in front of others that came later, if any.
    """
    if warnings.filters[:1] != [_QUIET]:
        warnings.filterwarnings("ignore", module=_PILLOW)


_PILLOW = r"(PIL|pillow_heif)\."
_QUIET = ("ignore", None, Warning, re.compile(_PILLOW), 0)

# ---- names and reasons -----------------------------------------------------------------------------------------------


def _name(source: Source) -> str:
    if isinstance(source, Path | str):
        return str(source)
    name = getattr(source, "filename" if isinstance(source, Image.Image) else "name", None)
    return str(name) if name and isinstance(name, str | Path) else "without a name"


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
    text = " ".join(str(error).split())
    if isinstance(error, NoPicture):
        return text
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return f"the file is cut off or damaged ({text})" if text else "the file is cut off or damaged"


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "there is no such file"),
    (IsADirectoryError, "it is a folder"),
    (PermissionError, "reading it is not permitted"),
    (MemoryError, "there is not enough memory to decode it"),
    # The parsers' own stumbling says nothing to a person.
    (struct.error, "the file is cut off or damaged"),
    (LookupError, "the file is cut off or damaged"),
    (TypeError, "the file is cut off or damaged"),
    (AttributeError, "the file is cut off or damaged"),
)
