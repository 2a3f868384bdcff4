"""Feature maps and kernels as pictures: each layer's side by side in one picture, blue above 0, orange below.

Knows colours and how much of a large layer a page has room for. What the numbers are, `explain` knows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convscope.report.markup import Markup, join, tag
from convscope.report.numbers import plural
from convscope.report.pictures import coloured_uri, data_uri

STYLE = "maps.css"
MAPS = 32  # of a layer, side by side
LARGEST = 64  # cells across a map; a larger one is shown as means of blocks
MANY = 60  # of so many layers those that only change single numbers are left out
_SMALLER = 32  # cells across a map where there are that many
_WIDE = 800  # pixels that a row of maps takes at most
_MAP, _UNIT = 48, 16  # pixels across a map, and across one that is a single number
_APART = 2  # pixels between maps
_SINGLE = frozenset({"relu", "relu6", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky", "bn", "dropout", "scale",
                     "identity", "flatten", "lrn"})  # fmt: skip
_BETWEEN = 255  # the place in the palette of what lies between maps: nothing is drawn there


def _palette() -> NDArray[np.uint8]:
    """(255, 3): orange for -1, white for 0, blue for 1."""
    ends = np.array([[204, 70, 20], [255, 255, 255], [31, 95, 208]], np.float64)
    share = np.linspace(0, 2, 255)
    colours = [np.interp(share, [0, 1, 2], ends[:, channel]) for channel in range(3)]
    return np.stack(colours, 1).round().astype(np.uint8)


PALETTE = _palette()


@dataclass(frozen=True)
class Sheet:
    """Maps side by side: uint8 (H, W) in pixels of the page, places in PALETTE or _BETWEEN; shown, of how many; the
    value of the strongest colour."""

    levels: NDArray[np.uint8]
    shown: int
    of: int
    strongest: float


def sheet(
    maps: NDArray[np.float32], most: int = MAPS, largest: int = LARGEST, columns: int = 0, strongest: float = 0.0
) -> Sheet:
    """maps: (M, h, w) to one sheet of the first `most`, each of at most `largest` cells across, enlarged without blur.

    All are coloured on one scale, up to `strongest` or, unless given, the largest absolute value of those shown; what
    isn't finite counts as 0.
    """
    values = np.nan_to_num(np.asarray(maps[:most], np.float32), posinf=0.0, neginf=0.0)
    values = np.stack([_smaller(one, largest) for one in values])
    strongest = strongest or float(np.abs(values).max(initial=0.0))
    levels = np.rint(127 + (values * (127 / strongest if strongest > 0 else 0)).clip(-127, 127)).astype(np.uint8)
    across = max(levels.shape[1:])
    cell = _UNIT if across == 1 else max(1, round(_MAP / across))
    if columns:
        cell = max(1, min(cell, (_WIDE // columns - _APART) // levels.shape[2]))
    return Sheet(_beside(levels.repeat(cell, 1).repeat(cell, 2), columns), len(levels), len(maps), strongest)


def _beside(pictures: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """(N, h, w) in rows of `columns`, 0: as many as there is room for; between them _BETWEEN."""
    count, high, wide = pictures.shape
    columns = min(count, columns or max(1, _WIDE // (wide + _APART)))
    high, wide = high + _APART, wide + _APART
    out = np.full((math.ceil(count / columns) * high - _APART, columns * wide - _APART), _BETWEEN, np.uint8)
    for number, one in enumerate(pictures):
        top, left = (number // columns) * high, (number % columns) * wide
        out[top : top + one.shape[0], left : left + one.shape[1]] = one
    return out


def _smaller(values: NDArray[np.float32], largest: int) -> NDArray[np.float32]:
    """(h, w) as means of blocks, so that at most `largest` are left in a row or column; what fits stays as it is."""
    step = math.ceil(max(values.shape) / largest)
    if step <= 1:
        return values
    high, wide = (math.ceil(n / step) for n in values.shape)
    padded = np.full((high * step, wide * step), np.nan, np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    found: NDArray[np.float32] = np.nanmean(padded.reshape(high, step, wide, step), axis=(1, 3))
    return found


def picture(found: Sheet, name: str) -> Markup:
    """The sheet as an image; `name` is what a screen reader says."""
    address = coloured_uri(found.levels, PALETTE, nothing=_BETWEEN)
    return tag("img", src=address, alt=name, class_="pixels sheet", width=found.levels.shape[1], loading="lazy")


@dataclass(frozen=True)
class Line:
    """A layer of the strip: its label, its notation, its kind, and what leaves it: (M, h, w) or (units,)."""

    label: str
    text: str
    kind: str
    values: NDArray[np.float32]


def strip(layers: Iterable[Line], classes: tuple[str, ...] = ()) -> Markup:
    """Every layer's maps, from the picture to the answer; a vector is one row of cells.

    classes: the names of the last layer's units. Of a network of more than MANY layers, those that change single
    numbers only (activations, normalisation) are left out, and the strip says so.
    """
    every = list(layers)
    kept = [one for one in every if len(every) <= MANY or one.kind not in _SINGLE]
    largest = LARGEST if len(every) <= MANY else _SMALLER
    most = MAPS if len(every) <= MANY else MAPS // 2
    rows = [_row(one, most, largest) for one in kept]
    said: list[object] = []
    if len(kept) < len(every):
        left = plural(len(every) - len(kept), "layer")
        said.append(tag("p", f"{left} that change single numbers only are left out here.", class_="quiet"))
    if classes and kept and kept[-1].values.shape == (len(classes),):
        said.append(tag("p", f"The last row is the answer: {', '.join(classes[:20])}"
                        + (" ..." if len(classes) > 20 else ""), class_="quiet"))  # fmt: skip
    return tag("div", legend(), *rows, *said, class_="strip")


def _row(line: Line, most: int, largest: int) -> Markup:
    values = line.values
    if values.ndim == 1:
        found = sheet(values[:, None, None], most=min(len(values), 256))
        size, kind = str(len(values)), "unit"
    else:
        found = sheet(values, most, largest)
        size, kind = f"{values.shape[1]} × {values.shape[2]} × {values.shape[0]}", "map"
    shown = f"the first {found.shown} of {found.of} {kind}s" if found.shown < found.of else plural(found.of, kind)
    said = f"{shown}; the strongest colour is ±{found.strongest:.3g}"
    about = tag("div", tag("b", line.label), tag("code", line.text), tag("span", size), class_="which")
    return tag("figure", about, tag("div", picture(found, f"{line.label}: {shown}"), class_="wide"),
               tag("figcaption", said), class_="layer")  # fmt: skip


def legend() -> Markup:
    """What the colours mean."""
    blocks = [tag("i", style=f"background:rgb({','.join(map(str, PALETTE[place]))})") for place in range(0, 255, 2)]
    return tag("p", "below 0 ", tag("span", *blocks, class_="scale-of-colours", aria_hidden="true"), " above 0; "
               "white is 0. Each layer has a scale of its own.", class_="quiet")  # fmt: skip


def kernels(weight: NDArray[np.float32], label: str) -> Markup:
    """The kernels of a convolution: (M, C, kh, kw). Of three channels each kernel is one picture in colour; else one
    row a kernel, a picture a channel, as many as there is room for."""
    count, channels, high, wide = weight.shape
    if channels == 3:
        shown = min(count, 2 * MAPS)
        return join(
            (
                in_colour(weight[:shown], f"the kernels of {label}"),
                _told(shown, count, "kernel", "each in red, green and blue"),
            )
        )
    if channels == 1:
        shown = min(count, 2 * MAPS)
        found = sheet(weight[:shown, 0], most=shown, columns=0)
        words = f"the strongest colour is ±{found.strongest:.3g}"
        return join((legend(), picture(found, f"the kernels of {label}"), _told(shown, count, "kernel", words)))
    across, down = min(channels, 16), min(count, 8)
    found = sheet(weight[:down, :across].reshape(-1, high, wide), most=across * down, columns=across)
    words = f"a row each, {plural(across, 'channel')} of {channels}; the strongest colour is ±{found.strongest:.3g}"
    return join((legend(), picture(found, f"kernels of {label}"), _told(down, count, "kernel", words)))


def in_colour(weight: NDArray[np.float32], name: str, strongest: float = 0.0) -> Markup:
    """(M, 3, kh, kw) as one picture: grey is 0, on one scale for all, up to `strongest` or the largest of these."""
    strongest = strongest or float(np.abs(weight).max(initial=0.0)) or 1.0
    values = np.rint(128 + weight * (127 / strongest)).clip(0, 255).astype(np.uint8)
    cell = max(1, round(_MAP / max(weight.shape[2:])))
    values = values.repeat(cell, 2).repeat(cell, 3)
    out = np.stack([_beside(values[:, channel], 0) for channel in range(3)])
    return tag("img", src=data_uri(out), alt=name, class_="pixels sheet", width=out.shape[2])


def _told(shown: int, count: int, word: str, words: str) -> Markup:
    some = f"the first {shown} of {count} {word}s" if shown < count else plural(count, word)
    return tag("p", f"{some}, {words}", class_="quiet")
