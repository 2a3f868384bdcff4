"""Where a window starts and how many there are: the arithmetic of kernel, stride and padding along one axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Padding = Literal["same", "valid", "full"]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows along one axis: `before` and `after` cells lie outside the picture, `count` windows fit.

    `after` is what the last window needs beyond the picture; cells that no window reaches are simply not seen.
    """

    before: int
    after: int
    count: int


def windows(n: int, kernel: int, stride: int, dilation: int, padding: Padding | int, ceil: bool = False) -> Windows:
    """How windows of `kernel` cells (dilated: d(k-1)+1) cover an axis of n cells.

    `same` gives ceil(n/s), the odd cell of padding at the end, as TensorFlow; `valid` ceil((n-k+1)/s); `full`
    ceil((n+k-1)/s); a number p gives floor((n+2p-k)/s)+1 as PyTorch, and with `ceil` one more where a last, cut-off
    window still starts inside the picture or its first padding. A count below 1 means that the kernel doesn't fit.
    """
    extent = dilation * (kernel - 1) + 1
    if padding == "same":
        count = -(-n // stride)
        missing = max(0, (count - 1) * stride + extent - n)
        return Windows(missing // 2, missing - missing // 2, count)
    before = extent - 1 if padding == "full" else 0 if padding == "valid" else int(padding)
    room = n + 2 * before - extent
    if room < 0 and not ceil:
        return Windows(before, before, 0)
    count = room // stride + 1
    if ceil:
        count = -(-room // stride) + 1
        if (count - 1) * stride >= n + before:
            count -= 1
    after = (count - 1) * stride + extent - n - before
    return Windows(before, max(0, after), count)


def counts(n: int, kernel: int, stride: int, w: Windows) -> list[int]:
    """How many real cells each window sees: what an average over them is divided by."""
    starts = [i * stride - w.before for i in range(w.count)]
    return [min(start + kernel, n) - max(start, 0) for start in starts]
