"""`convscope fit`."""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from convscope.network.fitting import Along, Fit
    from convscope.notation.tree import Size

HELP = "The strides and paddings that lead from one size to another, and the cells that each never sees."


def command(
    before: Annotated[str, Argument(help="the size that arrives: 28, or 28x14 (height x width)")],
    after: Annotated[str, Argument(help="the size that should leave")] = "",
    kernel: Annotated[str, Option("--kernel", "-k", help="5, or 5x3 (height x width)")] = "",
    dilation: Annotated[int, Option(min=1, help="the distance of the kernel's cells")] = 1,
    pool: Annotated[bool, Option("--pool", help="pooling in place of a convolution: `ceil` counts too")] = False,
    every: Annotated[bool, Option("--all", help="all of them, not the first twelve")] = False,
    json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope.network.fitting import fits
    from convscope.report.text import json_line, say, table

    if not before[:1].isdigit():
        raise ConvscopeError(
            f"fit takes two sizes and a kernel: convscope fit 28 14 --kernel 5. Got {before!r}. To train, write "
            f"convscope train {before}."
        )
    if not after or not kernel:
        raise ConvscopeError(
            f"fit takes two sizes and a kernel: convscope fit {before} {after or '14'} --kernel {kernel or 5}. Got "
            f"{'no kernel' if after else 'one size'}."
        )
    start, end, window = _size("a size", before), _size("a size", after), _size("--kernel", kernel)
    found = fits(start, end, window, dilation, pool)
    if json:
        about: dict[str, Any] = {"from": start, "to": end, "kernel": window, "dilation": dilation}
        print(json_line({**about, "fits": [_record(fit) for fit in found]}, sys.stdout))
        return 0 if found else 2
    if not found:
        raise ConvscopeError(_none(start, end, window, dilation, pool))
    rows = [(fit.text, _exact(fit), _unseen(fit)) for fit in found]
    shown = rows if every else rows[:12]
    say(sys.stdout, table(("layer", "(n + pads - k) / s + 1", "never seen"), shown, stream=sys.stdout))
    if len(rows) > len(shown):
        say(sys.stdout, f"and {len(rows) - len(shown)} more: --all")
    if not pool:
        say(sys.stdout, "C stands for the number of maps.")
    return 0


def _size(what: str, word: str) -> Size:
    """28, or 28x14: height x width."""
    parts = re.split("[xX×]", unicodedata.normalize("NFKC", word).strip())
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and 0 < int(part) <= 10_000 for part in parts):
        raise ConvscopeError(f"{what} must be a whole number from 1 to 10000, or height x width: 28x14. Got {word!r}.")
    return int(parts[0]), int(parts[-1])


def _axes(fit: Fit) -> tuple[Along, ...]:
    return (fit.rows,) if fit.rows == fit.columns else (fit.rows, fit.columns)


def _exact(fit: Fit) -> str:
    """What the formula gives before it is rounded."""
    return " x ".join(
        str(way.exact)
        if way.exact.denominator == 1
        else f"{float(way.exact):.4g}, rounded {'up' if way.ceil else 'down'}"
        for way in _axes(fit)
    )


def _unseen(fit: Fit) -> str:
    """The rows and columns that no window covers."""
    if fit.rows == fit.columns:
        return f"rows and columns {_ranges(fit.rows.unseen)}" if fit.rows.unseen else "-"
    parts = [(name, way.unseen) for name, way in (("rows", fit.rows), ("columns", fit.columns)) if way.unseen]
    return "; ".join(f"{name} {_ranges(unseen)}" for name, unseen in parts) or "-"


def _ranges(cells: tuple[int, ...]) -> str:
    """`3, 6-8`: cells that follow each other as one; of many the first ones."""
    runs: list[list[int]] = []
    for cell in cells:
        if runs and runs[-1][1] == cell - 1:
            runs[-1][1] = cell
        else:
            runs.append([cell, cell])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    return ", ".join(words[:6]) + (f", ... ({len(cells)} of them)" if len(words) > 6 else "")


def _record(fit: Fit) -> dict[str, Any]:
    ways = (fit.rows, fit.columns)
    return {
        "layer": fit.text,
        "stride": fit.stride,
        "pads": [[way.before, way.after] for way in ways],
        "exact": [float(way.exact) for way in ways],
        "unseen_rows": fit.rows.unseen,
        "unseen_columns": fit.columns.unseen,
    }


def _none(start: Size, end: Size, window: Size, dilation: int, pool: bool) -> str:
    """Why there is none, axis by axis, and the sizes next to it that there are."""
    from convscope.network.fitting import along, nearest, needed_padding

    what = "pooling" if pool else "convolution"
    kernel = f"{window[0]}x{window[1]}" + (f" (dilation {dilation})" if dilation > 1 else "")
    said = [f"no {what} with a kernel of {kernel} leads from {_show(start)} to {_show(end)}."]
    alone = True
    for axis, name in ((0, "height"), (1, "width")):
        n, m, k = start[axis], end[axis], window[axis]
        if next(along(n, m, k, dilation, pool), None) is not None:
            continue
        alone = False
        near = nearest(n, m, k, dilation, pool)
        padding = needed_padding(n, m, k, max(1, n // m), dilation)
        why = f"at stride {max(1, n // m)} the padding would have to be {float(padding):g}"
        said.append(f"The {name} can't become {m}: {why}; it can become {' or '.join(map(str, near))}.")
        if start[0] == start[1] and end[0] == end[1] and window[0] == window[1]:
            break
    if alone:
        said.append("Each axis can, but with paddings of two kinds, which one layer can't have.")
    return " ".join([*said, "Two layers may: try a size between."])


def _show(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
