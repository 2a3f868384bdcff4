"""`convscope kernel`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from convscope.errors import ConvscopeError

HELP = """A kernel of one's own over a picture: edges, outlines, blur, sharpen.

The kernel is a name (see --list) or written out, rows parted by ";" and values by ",": "1,0,-1; 2,0,-2; 1,0,-1".
"""

_WRITTEN = (".png", ".jpg", ".jpeg")


def words(given: list[str]) -> list[str]:
    """A kernel may begin with a minus sign, and then isn't an option: a space before it says so."""
    return [f" {word}" if re.match(r"-[\d.]", word) else word for word in given]


def command(
    kernel: Annotated[str, Argument(help="a name, or the values")] = "",
    picture: Annotated[str, Argument(help="a picture file")] = "",
    out: Annotated[
        str, Option("--out", "-o", help="the file: .png or .jpg; unless given, PICTURE-KERNEL.png, or one beside it")
    ] = "",
    padding: Annotated[
        str, Option(help="same: as large as the picture; valid: inside it; full: wherever the kernel touches it")
    ] = "same",
    border: Annotated[str, Option(help="what lies outside the picture: zeros, replicate or reflect")] = "zeros",
    stride: Annotated[int, Option(min=1, help="by how many pixels the kernel moves on")] = 1,
    scale: Annotated[
        str,
        Option(
            help="how values become pixels: clip, absolute, min-max or mid-grey; unless given, absolute where the "
            "kernel's values add up to 0, else clip"
        ),
    ] = "",
    grey: Annotated[
        bool, Option("--grey", help="of a colour picture its brightness, not each channel by itself")
    ] = False,
    at: Annotated[
        str, Option(help="row,column: write one value out; no file is written then unless -o names one")
    ] = "",
    listed: Annotated[bool, Option("--list", help="show the kernels that have a name")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope.explain import picture_kernel
    from convscope.report import kernel as report
    from convscope.report.text import say

    if listed:
        say(sys.stdout, report.kernels(picture_kernel.named().values(), sys.stdout))
        return 0
    if not kernel.strip() or not picture:
        raise ConvscopeError(
            "a kernel and a picture are needed: convscope kernel sobel-x photo.jpg -o edges.png. "
            "`convscope kernel --list` shows the kernels that have a name."
        )
    found = picture_kernel.read(kernel)
    place = _place(at)
    path = _path(out, picture, found.name or "kernel") if out or place is None else None
    given: dict[str, Any] = {"padding": padding, "border": border, "stride": stride}
    shown: Any = scale or picture_kernel.usual_scale(found)
    picture_kernel.check_scale(shown)
    answer = picture_kernel.apply(found, _pixels(picture, grey), **given)
    pixels, cut = picture_kernel.to_pixels(answer.values, shown)
    say(sys.stdout, report.done(answer, shown, bool(scale), cut))
    if place is not None:
        say(sys.stdout, ["", *report.cell(picture_kernel.cell(answer, *place), found, sys.stdout)])
    if path is not None:
        _write(path, pixels)
        say(sys.stdout, f"file    {path}")
    return 0


def _pixels(picture: str, grey: bool) -> Any:
    """The picture, upright, as uint8 (C, H, W)."""
    import numpy as np

    from convscope.data.decode import decode

    if not Path(picture).is_file():
        found = "is a folder" if Path(picture).is_dir() else "is not there"
        raise ConvscopeError(f"a kernel goes over a picture file. {picture} {found}.")
    decoded = decode(Path(picture))
    if grey and decoded.mode != "L":
        decoded = decoded.convert("L")
    pixels = np.asarray(decoded)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _place(word: str) -> tuple[int, int] | None:
    if not word:
        return None
    found = re.fullmatch(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*", word, re.ASCII)
    if not found:
        raise ConvscopeError(f"a place must be a row and a column, from 0: --at 3,4. Got {word!r}.")
    return int(found[1]), int(found[2])


def _path(out: str, picture: str, name: str) -> Path:
    """Where the answer goes. A name that was not given is one that nothing has yet."""
    if out:
        path = Path(out)
        if path.suffix.lower() not in _WRITTEN:
            raise ConvscopeError(f"a picture's file must end in .png or .jpg. Got {out!r}: use -o {path.stem}.png.")
        if path.exists() and Path(picture).exists() and path.samefile(picture):
            raise ConvscopeError(f"the answer must not replace the picture itself. Got -o {out}: give another name.")
        return path
    stem = f"{Path(picture).stem}-{name}"
    tried = (Path(f"{stem}.png" if number == 1 else f"{stem}-{number}.png") for number in range(1, 10**6))
    return next(path for path in tried if not path.exists())


def _write(path: Path, pixels: Any) -> None:
    import io

    import numpy as np
    from PIL import Image

    from convscope import files

    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    file = io.BytesIO()
    if path.suffix.lower() == ".png":
        picture.save(file, "PNG", compress_level=1)  # of a large photograph more takes many seconds and saves little
    else:
        picture.save(file, "JPEG", quality=95)
    files.write_bytes(path, file.getvalue())
