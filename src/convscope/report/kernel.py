"""What `convscope kernel` prints: what was done, how the answers became pixels, and one of them written out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from convscope.explain.picture_kernel import Answer, Cell, Kernel, Scale
from convscope.report.text import table

_SHOWN = {
    "clip": "as they are, cut at 0 and 255",
    "absolute": "without their sign, 0 is black, cut at 255",
    "min-max": "the least is black, the greatest white",
    "mid-grey": "0 is mid-grey (128), below it darker, above it brighter",
}
_BORDER = {"zeros": "zeros", "replicate": "its nearest pixel", "reflect": "its mirror image"}


def kernels(found: Iterable[Kernel], stream: TextIO | None = None) -> list[str]:
    """The kernels that have a name, and how one is written out."""
    rows = [(kernel.name, as_text(kernel), kernel.says) for kernel in found]
    lines = table(("kernel", "values", "what it finds"), rows, stream=stream)
    return [*lines, "", 'one of your own: rows parted by ";", values by ",", as in "1,0,-1; 2,0,-2; 1,0,-1"']


def as_text(kernel: Kernel) -> str:
    """The kernel as it is written: "1,0,-1; 2,0,-2; 1,0,-1"; what is no short number as a fraction or four digits."""
    return "; ".join(",".join(number(value) for value in row) for row in kernel.values)


def number(value: float) -> str:
    """A value as short as it can be: -2, 0.5, 1/9, 0.3333."""
    if value == round(value) and abs(value) < 1e6:
        return str(round(value))
    for below in range(2, 257):
        above = round(value * below)
        if above and abs(value * below - above) < 1e-12 * below and len(f"{value:g}") > 4:
            return f"{above}/{below}"
    return f"{value:.4g}"


def done(answer: Answer, scale: Scale, chosen: bool, cut: float) -> list[str]:
    """Lines: kernel, sizes, border, range, and how the values became pixels. chosen: whether the user said so."""
    kernel = answer.kernel
    (channels, height, width), (_, high, wide) = answer.picture.shape, answer.values.shape
    name = f" ({kernel.name})" if kernel.name else ""
    shape = "x".join(map(str, kernel.values.shape))
    colours = "grey" if channels == 1 else "each colour channel by itself"
    outside = "the kernel stays inside" if answer.padding == "valid" else f"outside are {_BORDER[answer.border]}"
    if answer.padding != "valid" and answer.border != "zeros":
        outside = f"outside is {_BORDER[answer.border]}"
    stride = f", stride {answer.stride}" if answer.stride > 1 else ""
    why = ""
    if not chosen:
        total = "0" if kernel.differs else number(float(kernel.values.sum()))
        why = f" (--scale {scale}, usual for values that add up to {total})"
    lost = f"; {100 * cut:.2g} % were cut" if cut else ""
    low, high_value = float(answer.values.min()), float(answer.values.max())
    return [
        f"kernel  {shape}{name}: {as_text(kernel) if kernel.values.size <= 49 else f'{kernel.values.size} values'}",
        "        not turned, as in every network: cross-correlation",
        f"size    {height} x {width} -> {high} x {wide}, {colours}; {answer.padding}, {outside}{stride}",
        f"values  {low:.6g} to {high_value:.6g}",
        f"shown   {_SHOWN[scale]}{why}{lost}",
    ]


def cell(found: Cell, kernel: Kernel, stream: TextIO | None = None) -> list[str]:
    """One value written out: the window, times the kernel, gives the products, whose sum it is; a part a channel."""
    kh, kw = kernel.values.shape
    lines = [
        f"row {found.row}, column {found.column} (from 0) sees rows {found.top} to {found.top + kh - 1}, columns "
        f"{found.left} to {found.left + kw - 1}"
    ]
    if not found.inside.all():
        lines.append("values in brackets lie outside the picture")
    names = ("red", "green", "blue") if len(found.window) == 3 else ("",)
    for name, window, products, total in zip(names, found.window, found.products, found.sums, strict=True):
        lines.append("")
        parts = [_grid(window, found.inside), _grid(kernel.values), _grid(products)]
        rows = [["  ".join(part) for part in row] for row in zip(*parts, strict=True)]
        lines += table((f"{name} window".strip(), "kernel", "products"), rows, stream=stream)
        lines.append(f"sum of the products: {total:.6g}")
    return lines


def _grid(values: NDArray[np.float64], inside: NDArray[np.bool_] | None = None) -> list[list[str]]:
    """The numbers, all of one width."""
    words = [[number(float(value)) for value in row] for row in values]
    if inside is not None and not inside.all():
        words = [
            [f" {word} " if here else f"({word})" for word, here in zip(row, place, strict=True)]
            for row, place in zip(words, inside, strict=True)
        ]
    wide = max(len(word) for row in words for word in row)
    return [[word.rjust(wide) for word in row] for row in words]
