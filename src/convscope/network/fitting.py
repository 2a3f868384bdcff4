"""Which kernel, stride and padding lead from one size to another, and what each leaves unseen. Arithmetic alone.

One axis: with padding p on both sides (n + 2p - k) / s + 1 windows fit. Where that isn't whole, frameworks round down,
and the last cells are under no window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from convscope.network.geometry import Padding, windows
from convscope.notation.tree import Size


@dataclass(frozen=True, slots=True)
class Along:
    """What leads from n to m along one axis. padding is a word or a number; exact: (n + pads - k) / s + 1, before it is
    rounded; unseen: the cells that no window covers, counted from 1."""

    stride: int
    padding: Padding | int
    ceil: bool
    before: int
    after: int
    exact: Fraction
    unseen: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """One layer that leads from one size to the other: its text, and for each axis what it does."""

    text: str
    stride: Size
    dilation: int
    rows: Along
    columns: Along


def along(n: int, m: int, kernel: int, dilation: int, pool: bool) -> Iterator[Along]:
    """Every way from n cells to m with a kernel of so many; what comes to the same windows is there once, the words
    first.

    A pooling window has less padding than kernel, so that none lies outside; so has a convolution's here.
    """
    extent = dilation * (kernel - 1) + 1
    known: set[tuple[int, int, int]] = set()
    words: tuple[Padding, ...] = ("same", "valid", "full")
    for stride in range(1, n + 1):
        ways: list[tuple[Padding | int, bool]] = [(word, False) for word in words]
        ways += [(p, False) for p in range(1, extent)]
        ways += [("valid", True), *((p, True) for p in range(1, extent))] if pool else []
        for padding, ceil in ways:
            found = windows(n, kernel, stride, dilation, padding, ceil)
            way = (stride, found.before, found.after)
            if found.count != m or way in known:
                continue
            known.add(way)
            pads = found.before * 2 if isinstance(padding, int) or padding == "full" else found.before + found.after
            exact = Fraction(n + (0 if ceil and padding == "valid" else pads) - extent, stride) + 1
            seen = {start * stride - found.before + cell * dilation for start in range(m) for cell in range(kernel)}
            unseen = tuple(cell + 1 for cell in range(n) if cell not in seen)
            yield Along(stride, padding, ceil, found.before, found.after, exact, unseen)


def fits(before: Size, after: Size, kernel: Size, dilation: int = 1, pool: bool = False) -> list[Fit]:
    """Every layer of this kernel from one (height, width) to the other, the usual first.

    Both axes share the padding's word and `ceil`; numbers may differ. What leaves fewer cells unseen comes first, then
    the same on both axes, then words before numbers, then small strides.
    """
    found = []
    square = before[0] == before[1] and after[0] == after[1] and kernel[0] == kernel[1]
    down = list(along(before[0], after[0], kernel[0], dilation, pool))
    across = down if square else list(along(before[1], after[1], kernel[1], dilation, pool))
    for rows in down:
        for columns in [rows] if square else across:
            padding = _together(rows, columns)
            if padding is None or rows.ceil != columns.ceil:
                continue
            stride = (rows.stride, columns.stride)
            found.append(
                Fit(_text(kernel, stride, dilation, padding, rows.ceil, pool), stride, dilation, rows, columns)
            )
    return sorted(found, key=_usual)


def _together(rows: Along, columns: Along) -> str | None:
    """The padding of both axes as the notation writes it; None where it has no word for both."""
    if rows.padding == columns.padding:
        return rows.padding if isinstance(rows.padding, str) else f"pad={rows.padding}"
    one, two = _as_number(rows), _as_number(columns)
    return None if one is None or two is None else f"pad={one}x{two}"


def _as_number(way: Along) -> int | None:
    """The padding as `pad=` writes it; None where the two sides differ."""
    if isinstance(way.padding, int) or way.padding == "valid":
        return way.before
    return way.before if way.before == way.after else None


def _text(kernel: Size, stride: Size, dilation: int, padding: str, ceil: bool, pool: bool) -> str:
    words = [f"{'maxpool' if pool else 'conv'} {_size(kernel, pool)}"]
    words += [] if pool else ["C"]
    words += [f"/{_short(stride)}"] if pool or stride != (1, 1) else []
    words += [padding] if not (ceil and padding == "valid") else []
    words += ["ceil"] if ceil else []
    words += [f"dilation={dilation}"] if dilation > 1 else []
    return " ".join(words)


def _size(kernel: Size, pool: bool) -> str:
    return _short(kernel) if pool else f"{kernel[0]}x{kernel[1]}"


def _short(size: Size) -> str:
    return str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"


def _usual(fit: Fit) -> tuple[object, ...]:
    unseen = len(fit.rows.unseen) + len(fit.columns.unseen)
    ranks = {"same": 0, "valid": 1, "full": 3}
    rank = max(ranks.get(str(way.padding), 2) for way in (fit.rows, fit.columns))
    uneven = fit.stride[0] != fit.stride[1]
    pads = fit.rows.before + fit.columns.before
    return (unseen > 0, uneven, fit.rows.ceil, rank, fit.stride, pads, fit.text)


def nearest(n: int, m: int, kernel: int, dilation: int = 1, pool: bool = False) -> list[int]:
    """Where m can't be reached from n: the next size below and the next above that can, as far as there are any."""
    reached = {
        size
        for size in range(1, n + dilation * (kernel - 1) + 1)
        if next(along(n, size, kernel, dilation, pool), None) is not None
    }
    below, above = [s for s in reached if s < m], [s for s in reached if s > m]
    return [*([max(below)] if below else []), *([min(above)] if above else [])]


def needed_padding(n: int, m: int, kernel: int, stride: int, dilation: int = 1) -> Fraction:
    """The padding on each side that would give m windows exactly: p in (n + 2p - k) / s + 1 = m. A half has no
    meaning, nor has one below 0."""
    extent = dilation * (kernel - 1) + 1
    return Fraction((m - 1) * stride + extent - n, 2)
