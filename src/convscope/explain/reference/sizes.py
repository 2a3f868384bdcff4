"""How large an output is, how much border each side gets, and which cells each window sees.

Height and width never mix, so everything here is about one axis: n cells, a kernel of k cells that lie d apart,
a step of s. Knows nothing of what is computed in the windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convscope.errors import ConvscopeError, unknown

Array = NDArray[np.float64]

Pair = int | tuple[int, int]
"""One number for both axes, or (height, width)."""

Padding = Literal["same", "valid", "full"] | Pair
"""A word, or how many cells are put on each side."""

WORDS = ("same", "valid", "full")


def extent(k: int, d: int = 1) -> int:
    """How many cells a kernel of k cells spans when they lie d apart: d(k - 1) + 1.

    Yu and Koltun, "Multi-scale context aggregation by dilated convolutions", 2016, section 2.
    """
    return d * (k - 1) + 1


def out_size(n: int, k: int, s: int = 1, d: int = 1, padding: str | int = "valid", ceil: bool = False) -> int:
    """How many windows fit on an axis of n cells: the formulas of the notation's "Padding", k read as extent(k, d).

        same    ceil(n / s)
        valid   ceil((n - k + 1) / s)
        full    ceil((n + k - 1) / s)
        p       floor((n + 2p - k) / s) + 1
        p ceil  ceil((n + 2p - k) / s) + 1, less one where the last window would start past n + p

    `ceil` with "valid" is `ceil` with p = 0. The size is whole: where (n + 2p - k) / s isn't, floor leaves the last
    cells unseen and ceil lets the last window hang over.

    Raises ConvscopeError where no window fits, for an unknown word, and for `ceil` beside "same" or "full".
    """
    e = extent(k, d)
    if isinstance(padding, str) and padding not in WORDS:
        raise ConvscopeError(unknown("padding", padding, WORDS))
    if ceil and padding in ("same", "full"):
        raise ConvscopeError(
            f"ceil goes with valid or with a number as padding. Got {padding!r}. Leave one of them out."
        )
    if padding == "same":
        return -(-n // s)
    p = {"valid": 0, "full": e - 1}[padding] if isinstance(padding, str) else padding
    room = n + 2 * p - e
    if ceil:
        out = -(-room // s) + 1
        if (out - 1) * s >= n + p:  # in cells of the padded axis, where the picture ends at n + p
            out -= 1
    else:
        out = room // s + 1
    if out < 1 or (room < 0 and not ceil):
        raise ConvscopeError(
            f"a kernel must fit into its padded picture. Got a kernel that spans {e} and {n + 2 * p} cells "
            f"(padding {padding}). Use a smaller kernel or more padding."
        )
    return out


def pads(n: int, k: int, s: int = 1, d: int = 1, padding: str | int = "valid", ceil: bool = False) -> tuple[int, int]:
    """How many cells are put before and after the n of an axis, so that `out_size` windows fit.

    "same" splits evenly and puts the odd one at the end, as TensorFlow does; so for even kernels, and for some
    strides, the two sides differ. With `ceil` the end gets what the last window needs, be it more than p.
    """
    e = extent(k, d)
    out = out_size(n, k, s, d, padding, ceil)
    needed = max((out - 1) * s + e - n, 0)
    if padding == "same":
        return needed // 2, needed - needed // 2
    p = {"valid": 0, "full": e - 1}[padding] if isinstance(padding, str) else padding
    return p, max(p, needed - p) if ceil else p


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis under its windows: n cells, a kernel, and what follows from the padding."""

    n: int
    kernel: int
    stride: int
    dilation: int
    out: int
    before: int
    after: int

    def seen_by(self, cell: int) -> slice:
        """What one cell of the kernel sees on the padded axis as the window moves: `out` cells, a stride apart."""
        first = cell * self.dilation
        return slice(first, first + (self.out - 1) * self.stride + 1, self.stride)

    def inside(self) -> slice:
        """Where the n real cells lie on the padded axis."""
        return slice(self.before, self.before + self.n)


def pair(value: Pair) -> tuple[int, int]:
    """(height, width) of a number for both, or of a pair."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def axes(
    x: Array, kernel: Pair, stride: Pair = 1, dilation: Pair = 1, padding: Padding = "valid", ceil: bool = False
) -> tuple[Axis, Axis]:
    """The rows and the columns of x (..., H, W) under a kernel. Raises as `out_size` does."""
    each = (padding, padding) if isinstance(padding, str) else pair(padding)
    made = []
    for n, k, s, d, p in zip(x.shape[-2:], pair(kernel), pair(stride), pair(dilation), each, strict=True):
        before, after = pads(n, k, s, d, p, ceil)
        made.append(Axis(n, k, s, d, out_size(n, k, s, d, p, ceil), before, after))
    return made[0], made[1]
