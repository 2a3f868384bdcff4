"""Manners: bringing a drawn or photographed figure to the way in which a data set shows its own.

A network that has seen light strokes on black, 20 pixels high and centred by their mass, knows nothing of a pencil on
paper. `explain` gives every step with its picture, `bring` the last one. Knows grey pictures, and no network.
The way of MNIST is its authors' (Y. LeCun, C. Cortes, C. J. C. Burges, 1998): a box of 20 x 20 with the aspect kept,
antialiased, its centre of mass in the middle of 28 x 28.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

_LONGEST = 640  # pixels of a photograph's longer side that are looked at: a stroke is still several of them wide
_COARSE = 128  # the paper's brightness is estimated at this size
_FINE = 4  # strokes are measured and changed at this many times the final size,
_FINEST = 80  # and with a figure of at least this many pixels
_WIDENED = 2.0  # a narrow figure, as a 1 without a foot, is stretched at most so many times
_CONTRAST = 0.12  # ink takes at least this share of the paper's light, or there is none
_SPECK = 0.08  # a piece of ink of less than this share of the largest is dirt


@dataclass(frozen=True)
class Manner:
    """figure: the longer side of a figure, as a share of the picture's; stroke: the strokes' width, as a share of the
    figure's longer side; by_mass: centred by the centre of mass, else by the middle of the box; middle: where that
    comes to lie, as a share of height and width; wide: the width that a figure is stretched to, as a share of its
    height, 0 where it keeps its shape."""

    figure: float
    stroke: float
    by_mass: bool
    middle: float
    wide: float = 0.0


# measured on the first 3000 training pictures of MNIST: longer side 20 in 5 % to 95 % of them, strokes 0.134 of it in
# the median, centre of mass 14.49 from above and 14.50 from the left (its deviation is 0.3); on the first 1400 embedded
# digits: all 8 high, 5 to 7 of 8 columns touched in 97 %, the box's middle at 4.0 and 4.1. Those were stretched before
# their pixels were counted: a 0 is as wide as a 5, and a 1 is one stroke as wide as two of others
MANNERS: dict[str, Manner] = {
    "mnist": Manner(figure=20 / 28, stroke=0.134, by_mass=True, middle=14.5 / 28),
    "digits": Manner(figure=1.0, stroke=0.16, by_mass=False, middle=0.5, wide=20 / 32),
}


@dataclass(frozen=True)
class Step:
    """One step: what was done, as a sentence, and how the picture looks after it, uint8 (h, w). note: what the user
    must know of it, "" for nothing."""

    text: str
    picture: NDArray[np.uint8]
    note: str = ""


def bring(name: str, picture: Image.Image, size: tuple[int, int]) -> tuple[Image.Image, str]:
    """A picture of any size in a data set's manner: "L", of `size` (height, width). And what the user must know."""
    steps = explain(name, picture, size)
    return Image.fromarray(steps[-1].picture), " ".join(step.note for step in steps if step.note)


def explain(name: str, picture: Image.Image, size: tuple[int, int]) -> tuple[Step, ...]:
    """The steps of `bring`, the last one being its result. A picture without ink ends as plain black, and says so."""
    manner = MANNERS[name]
    grey = picture.convert("L")
    shown = np.asarray(grey)
    if shown.shape == size and _is_in(manner, shown):
        return (Step("The picture is in the data's manner already: it stays as it is.", shown),)
    factor = -(-max(grey.size) // _LONGEST)
    if factor > 1:
        grey = grey.reduce(factor)
    steps = [Step("The picture in grey.", np.asarray(grey))]
    light, dark_ink = _light_paper(np.asarray(grey, np.float32))
    paper = _paper(light)
    ink = np.asarray(1 - light / np.maximum(paper, 1), np.float32)
    ink[paper < 1] = 0  # where even the paper is black nothing stands out: an empty drawing
    cut = _otsu(ink)
    strong = float(ink[ink > cut].mean()) if (ink > cut).any() else 0.0
    if strong < _CONTRAST:
        text = "No ink was found: nothing stands out from the paper."
        steps.append(Step(text, np.zeros(size, np.uint8), text))
        return tuple(steps)
    soft = np.clip((ink - cut / 2) / (strong - cut / 2), 0, 1).astype(np.float32)
    told = "Dark ink on light paper becomes light on black" if dark_ink else "Light ink on dark stays light on black"
    steps.append(Step(f"{told}; shadows and the paper's own shade are taken out.", _bytes(soft)))
    kept, pieces, several = _pieces(ink > cut)
    rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    near = np.asarray(Image.fromarray(kept).convert("L").filter(ImageFilter.MaxFilter(3))) > 0
    figure = Image.fromarray(_bytes(np.where(near, soft, 0))).crop(box)
    text = f"The ink's box, {figure.height} x {figure.width} pixels; {pieces} smaller specks are left out."
    note = ""
    if several:
        note = "There seem to be several figures in the picture: a network for one will read them as one."
        text += " " + note
    steps.append(Step(text, np.asarray(figure), note))
    side = round(manner.figure * min(size))
    figure, before, after = _stroked(figure, manner, side)
    steps.append(Step(f"Strokes {before:.1f} pixels wide become {after:.1f}.", np.asarray(figure)))
    steps.append(
        Step(
            f"The longer side becomes {side} of {min(size)} pixels, the "
            f"{'centre of mass' if manner.by_mass else 'box'} goes to the middle.",
            _placed(figure, manner, side, size),
        )
    )
    return tuple(steps)


def _is_in(manner: Manner, picture: NDArray[np.uint8]) -> bool:
    """Whether a picture of the final size is light on black, of the right height and in the middle."""
    there = picture > 0
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    if not len(rows):
        return False
    sides = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    wanted = manner.figure * min(picture.shape)
    box = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
    middle = _mass(picture.astype(np.float64)) if manner.by_mass else box
    centred = all(abs(place - manner.middle * whole) <= 1 for place, whole in zip(middle, picture.shape, strict=True))
    return abs(max(sides) - wanted) <= 1 and centred and float((picture == 0).mean()) > 0.25


def _light_paper(grey: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """The picture with ink darker than paper, and whether it was so.

    Against the median nearby, ink stands out far and paper a little; the cube tells the sign of what stands out far.
    The picture's own median won't do: thin ink on paper that is lit from one side hardly moves it.
    """
    coarse = _coarse(grey, _COARSE // 2)
    window = max(coarse.size) // 3 | 1
    margin = window // 2
    padded = np.pad(np.asarray(coarse), margin, mode="reflect" if min(coarse.size) > window else "edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (window, window)).reshape(-1, window * window)
    middle = window * window // 2  # Pillow's median filter gives the same, and takes three times as long
    nearby = np.partition(around, middle, axis=1)[:, middle].reshape(coarse.height, coarse.width)
    beyond = np.asarray(coarse, np.float32) - nearby.astype(np.float32)
    dark_ink = bool((beyond**3).sum() <= 0)
    return (grey if dark_ink else 255 - grey), dark_ink


def _paper(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the paper would be without ink: the brightest nearby, then the darkest of these (a grey closing)."""
    high, wide = light.shape
    coarse = _coarse(light, _COARSE)
    window = max(coarse.size) // 4 | 1
    margin = window
    padded = Image.fromarray(np.pad(np.asarray(coarse), margin, mode="edge"))
    brightest = _extreme(np.asarray(padded.filter(ImageFilter.MedianFilter(3))), window, np.maximum)
    closed = Image.fromarray(_extreme(brightest, window, np.minimum)).filter(ImageFilter.GaussianBlur(2))
    closed = closed.crop((margin, margin, margin + coarse.width, margin + coarse.height))
    return np.asarray(closed.resize((wide, high), Image.Resampling.BILINEAR), np.float32)


def _extreme(
    values: NDArray[np.uint8], window: int, of: Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """The largest or smallest value (`of`: np.maximum or np.minimum) in a square window around each pixel.

    Rows first, then columns; each by windows that double, so that a wide one takes a handful of comparisons.
    """
    beside = window // 2
    for axis in (0, 1):
        margins = [(beside, beside) if axis == i else (0, 0) for i in range(2)]
        values = np.moveaxis(np.pad(values, margins, mode="edge"), axis, 0)
        done = 1
        while done < window:
            step = min(done, window - done)
            values, done = of(values[:-step], values[step:]), done + step
        values = np.moveaxis(values, 0, axis)
    return values


def _coarse(light: NDArray[np.float32], longest: int) -> Image.Image:
    """The picture averaged down to a longer side of at most `longest` pixels."""
    high, wide = light.shape
    scale = min(1.0, longest / max(high, wide))
    return Image.fromarray(np.rint(light).astype(np.uint8)).resize(
        (max(1, round(wide * scale)), max(1, round(high * scale))), Image.Resampling.BOX
    )


def _otsu(ink: NDArray[np.float32]) -> float:
    """The cut that parts two heaps of values best (N. Otsu, 1979)."""
    counts, edges = np.histogram(ink, 128, (0.0, 1.0))
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = below[-1] + counts[-1] - below
    sums = np.cumsum(counts * middles)
    between = (sums[-1] * below - sums[:-1] * (below + above)) ** 2 / np.maximum(below * above, 1)
    return float(edges[1 + int(between.argmax())])


def _pieces(there: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int, bool]:
    """The large pieces of ink, how many small ones were dropped, and whether several large ones stand side by side."""
    marks, areas, spans = _connected(there)
    order = np.argsort(-areas, kind="stable")
    large = [int(i) for i in order if areas[i] >= _SPECK * areas[order[0]]]
    side_by_side = any(
        areas[i] >= areas[large[0]] / 4 and (spans[i][0] > spans[large[0]][1] or spans[i][1] < spans[large[0]][0])
        for i in large[1:]
    )
    return np.isin(marks, [i + 1 for i in large]), len(areas) - len(large), side_by_side


def _connected(there: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], list[tuple[int, int]]]:
    """Pieces that hang together, also by corners: their marks (0 is none, piece i is i + 1), areas, and the first and
    last column of each. Runs of each row are joined with those above that they touch."""
    edges = np.diff(np.pad(there, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    stop = np.nonzero(edges == -1)[1]
    parent = list(range(len(row)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first = np.searchsorted(row, np.arange(there.shape[0] + 1))
    for y in range(1, there.shape[0]):
        above, here = int(first[y - 1]), int(first[y])
        while above < first[y] and here < first[y + 1]:
            if start[above] <= stop[here] and start[here] <= stop[above]:
                parent[root(here)] = root(above)
            if stop[above] < stop[here]:
                above += 1
            else:
                here += 1
    roots, piece = np.unique([root(i) for i in range(len(row))], return_inverse=True)
    areas = np.bincount(piece, stop - start, len(roots)).astype(np.int64)
    marks = np.zeros(there.shape, np.int64)
    for at, a, b, i in zip(row, start, stop, piece, strict=True):
        marks[at, a:b] = i + 1
    spans = [(int(start[piece == i].min()), int(stop[piece == i].max())) for i in range(len(roots))]
    return marks, areas, spans


def stroke_width(figure: NDArray[np.uint8]) -> float:
    """About how wide the strokes are, in pixels: twice the area over the outline's length."""
    there = np.pad(figure > 127, 1)
    inner = there[1:-1, 1:-1] & there[:-2, 1:-1] & there[2:, 1:-1] & there[1:-1, :-2] & there[1:-1, 2:]
    area = int(there.sum())
    return 2 * area / max(1, area - int(inner.sum()))


def _stroked(figure: Image.Image, manner: Manner, side: int) -> tuple[Image.Image, float, float]:
    """The figure, at `_FINE` times its final size, with strokes about as wide as the data's; the widths in pixels of
    the final picture before and after. Thinning stops where strokes would break."""
    times = max(_FINE, -(-_FINEST // side))
    fine = side * times
    scale = fine / max(figure.size)
    high, wide = round(figure.height * scale), round(figure.width * scale)
    if manner.wide:
        high, wide = fine, round(fine * min(manner.wide, _WIDENED * figure.width / figure.height))
    figure = figure.resize((max(1, wide), max(1, high)), Image.Resampling.BICUBIC)
    before = stroke_width(np.asarray(figure))
    by = round((manner.stroke * fine - before) / 2)
    room = abs(by) + 1
    figure = Image.fromarray(np.pad(np.asarray(figure), room))
    if by > 0:
        figure = figure.filter(ImageFilter.MaxFilter(2 * by + 1))
    elif by < 0:
        figure = figure.filter(ImageFilter.MinFilter(2 * min(-by, round(before / 4)) + 1))
    figure = figure.crop(figure.point(lambda value: 255 if value > 127 else 0).getbbox())
    return figure, before / times, stroke_width(np.asarray(figure)) / times


def _placed(figure: Image.Image, manner: Manner, side: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The figure in its final size, its middle in the middle of the picture: uint8 of `size`."""
    if not manner.by_mass:
        return _in_the_middle(figure, manner, side, size)
    scale = side / max(figure.size)
    small = figure.resize(
        (max(1, round(figure.width * scale)), max(1, round(figure.height * scale))), Image.Resampling.BOX
    )
    values = np.asarray(small)
    placed = np.zeros(size, np.uint8)
    corner = [
        int(np.clip(round(manner.middle * whole - middle), 0, whole - part))
        for whole, middle, part in zip(size, _mass(values.astype(np.float64)), values.shape, strict=True)
    ]
    placed[corner[0] : corner[0] + values.shape[0], corner[1] : corner[1] + values.shape[1]] = values
    return placed


def _in_the_middle(figure: Image.Image, manner: Manner, side: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The same by the middle of the box, which may lie between two pixels: placed first, then made small."""
    high, wide = (round(whole * max(figure.size) / side) for whole in size)
    placed = Image.new("L", (wide, high))
    placed.paste(
        figure, (round(manner.middle * wide - figure.width / 2), round(manner.middle * high - figure.height / 2))
    )
    return np.asarray(placed.resize((size[1], size[0]), Image.Resampling.BOX))


def _mass(values: NDArray[np.float64]) -> tuple[float, float]:
    """The row and column of the centre of mass, in pixels from the upper left corner."""
    if not values.any():
        return values.shape[0] / 2, values.shape[1] / 2
    total = values.sum()
    down = float((values.sum(1) * (np.arange(values.shape[0]) + 0.5)).sum() / total)
    across = float((values.sum(0) * (np.arange(values.shape[1]) + 0.5)).sum() / total)
    return down, across


def _bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values of 0 to 1 as 0 to 255."""
    return np.rint(values * 255).astype(np.uint8)
