"""Pooling: the maximum, the mean or the minimum of each window, map by map.

Cells outside the picture never win and aren't counted in a mean. Where several cells share a maximum, the first in
reading order is the winner and alone gets the gradient (as in PyTorch and TensorFlow).
"""

from __future__ import annotations

import numpy as np

from convscope.errors import ConvscopeError
from convscope.explain.reference.border import add_border, add_border_gradient
from convscope.explain.reference.sizes import Array, Axis, Padding, Pair, axes, pair


def maxpool(
    x: Array, kernel: Pair, stride: Pair | None = None, padding: Padding = "valid", ceil: bool = False
) -> Array:
    """(N, C, H, W) to (N, C, oh, ow): y[n, c, r, q] = the largest x[n, c, i, j] of window (r, q).

    The stride is the kernel unless given. Ranzato, Huang, Boureau and LeCun, 2007; overlapping (3 /2):
    Krizhevsky, Sutskever and Hinton, 2012, section 3.4. Raises ConvscopeError where the padding is as large as the
    kernel, for a window could then lie outside the picture altogether, and as `out_size` does.
    """
    rows, columns = _axes(x, kernel, stride, padding, ceil)
    return np.asarray(_cells(x, rows, columns, outside=-np.inf).max(axis=0))


def maxpool_gradient(
    x: Array, upstream: Array, kernel: Pair, stride: Pair | None = None, padding: Padding = "valid", ceil: bool = False
) -> Array:
    """Each window hands its gradient to its winner; where windows overlap, a cell that wins twice collects twice."""
    rows, columns = _axes(x, kernel, stride, padding, ceil)
    winner = _cells(x, rows, columns, outside=-np.inf).argmax(axis=0)  # (N, C, oh, ow): a cell of the kernel
    padded = np.zeros(add_border(x, rows, columns).shape)
    for index, (i, j) in enumerate(np.ndindex(rows.kernel, columns.kernel)):
        padded[..., rows.seen_by(i), columns.seen_by(j)] += np.where(winner == index, upstream, 0.0)
    return add_border_gradient(padded, rows, columns)


def avgpool(
    x: Array, kernel: Pair, stride: Pair | None = None, padding: Padding = "valid", ceil: bool = False
) -> Array:
    """(N, C, H, W) to (N, C, oh, ow): the sum of a window's real cells divided by how many they are.

    TensorFlow's definition for `same`; PyTorch's with count_include_pad=False; PaddlePaddle's with exclusive=True.
    """
    rows, columns = _axes(x, kernel, stride, padding, ceil)
    return np.asarray(_cells(x, rows, columns, outside=0.0).sum(axis=0)) / _real_cells(rows, columns)


def avgpool_gradient(
    x: Array, upstream: Array, kernel: Pair, stride: Pair | None = None, padding: Padding = "valid", ceil: bool = False
) -> Array:
    """Each window spreads its gradient evenly over its real cells."""
    rows, columns = _axes(x, kernel, stride, padding, ceil)
    share = upstream / _real_cells(rows, columns)
    padded = np.zeros(add_border(x, rows, columns).shape)
    for i, j in np.ndindex(rows.kernel, columns.kernel):
        padded[..., rows.seen_by(i), columns.seen_by(j)] += share
    return add_border_gradient(padded, rows, columns)


def minpool(
    x: Array, kernel: Pair, stride: Pair | None = None, padding: Padding = "valid", ceil: bool = False
) -> Array:
    """(N, C, H, W) to (N, C, oh, ow): the smallest cell of each window, min(x) = -max(-x)."""
    return -maxpool(-x, kernel, stride, padding, ceil)


def minpool_gradient(
    x: Array, upstream: Array, kernel: Pair, stride: Pair | None = None, padding: Padding = "valid", ceil: bool = False
) -> Array:
    """As the maximum's of -x: the two minus signs cancel."""
    return maxpool_gradient(-x, upstream, kernel, stride, padding, ceil)


def maxpool_to(x: Array, to: Pair) -> Array:
    """(N, C, H, W) to (N, C, *to): the largest of each cell, see `cells_to`."""
    y = np.zeros((*x.shape[:2], *pair(to)))
    for (r, q), (rows, columns) in cells_to(x, to):
        y[..., r, q] = x[..., rows, columns].max(axis=(2, 3))
    return y


def maxpool_to_gradient(x: Array, upstream: Array, to: Pair) -> Array:
    """Each cell hands its gradient to its first largest value in reading order."""
    d_x = np.zeros(x.shape)
    for (r, q), (rows, columns) in cells_to(x, to):
        part = x[..., rows, columns]
        flat = part.reshape(*x.shape[:2], -1)  # (N, C, values of the cell)
        won = np.arange(flat.shape[-1]) == flat.argmax(axis=-1)[..., None]
        d_x[..., rows, columns] += (won * upstream[..., r, q, None]).reshape(part.shape)
    return d_x


def avgpool_to(x: Array, to: Pair) -> Array:
    """(N, C, H, W) to (N, C, *to): the mean of each cell, see `cells_to`."""
    y = np.zeros((*x.shape[:2], *pair(to)))
    for (r, q), (rows, columns) in cells_to(x, to):
        y[..., r, q] = x[..., rows, columns].mean(axis=(2, 3))
    return y


def avgpool_to_gradient(x: Array, upstream: Array, to: Pair) -> Array:
    """Each cell spreads its gradient evenly; where cells overlap, a value collects from each."""
    d_x = np.zeros(x.shape)
    for (r, q), (rows, columns) in cells_to(x, to):
        values = (rows.stop - rows.start) * (columns.stop - columns.start)
        d_x[..., rows, columns] += upstream[..., r, q, None, None] / values
    return d_x


def minpool_to(x: Array, to: Pair) -> Array:
    """(N, C, H, W) to (N, C, *to): the smallest of each cell."""
    return -maxpool_to(-x, to)


def minpool_to_gradient(x: Array, upstream: Array, to: Pair) -> Array:
    """As the maximum's of -x."""
    return maxpool_to_gradient(-x, upstream, to)


def subsample(x: Array, weight: Array, bias: Array, kernel: Pair) -> Array:
    """(N, C, H, W) to (N, C, oh, ow): weight times the sum of each window plus bias, one of each a map; windows stand
    side by side. LeCun, Bottou, Bengio and Haffner, 1998, section II.B, layer S2."""
    sums = _cells(x, *_axes(x, kernel, None, "valid", False), outside=0.0).sum(axis=0)
    return np.asarray(sums * weight[:, None, None] + bias[:, None, None])


def subsample_gradient(x: Array, weight: Array, upstream: Array, kernel: Pair) -> tuple[Array, Array, Array]:
    """The gradients with respect to x, weight and bias: every cell of a window has the weight as its share."""
    rows, columns = _axes(x, kernel, None, "valid", False)
    sums = _cells(x, rows, columns, outside=0.0).sum(axis=0)
    d_x = np.zeros(x.shape)
    for i, j in np.ndindex(rows.kernel, columns.kernel):
        d_x[..., rows.seen_by(i), columns.seen_by(j)] = upstream * weight[:, None, None]
    return d_x, (upstream * sums).sum(axis=(0, 2, 3)), upstream.sum(axis=(0, 2, 3))


def gap(x: Array) -> Array:
    """Global average: (N, C, H, W) to (N, C, 1, 1). Lin, Chen and Yan, "Network in network", 2014, section 3.2."""
    return np.asarray(x.mean(axis=(2, 3), keepdims=True))


def gap_gradient(x: Array, upstream: Array) -> Array:
    """Every cell of a map gets 1 / (H W) of the map's gradient."""
    return np.broadcast_to(upstream / (x.shape[2] * x.shape[3]), x.shape).copy()


def gmp(x: Array) -> Array:
    """Global maximum: (N, C, H, W) to (N, C, 1, 1)."""
    return maxpool_to(x, 1)


def gmp_gradient(x: Array, upstream: Array) -> Array:
    """The first largest value of a map gets the map's gradient."""
    return maxpool_to_gradient(x, upstream, 1)


def cells_to(x: Array, to: Pair) -> list[tuple[tuple[int, int], tuple[slice, slice]]]:
    """`to=HxW`: for each output place, the rows and columns of x that it takes.

    Cell i of n takes rows floor(i h / n) to ceil((i + 1) h / n) - 1: together they cover the picture, and where n
    doesn't divide h, neighbours overlap by a row. The idea: He, Zhang, Ren and Sun, "Spatial pyramid pooling", 2014;
    these cells: PyTorch's adaptive pooling.
    """
    height, width = pair(to)

    def part(i: int, n: int, size: int) -> slice:
        return slice(i * size // n, -(-(i + 1) * size // n))

    return [((r, q), (part(r, height, x.shape[2]), part(q, width, x.shape[3]))) for r, q in np.ndindex(height, width)]


def _axes(x: Array, kernel: Pair, stride: Pair | None, padding: Padding, ceil: bool) -> tuple[Axis, Axis]:
    rows, columns = axes(x, kernel, kernel if stride is None else stride, 1, padding, ceil)
    if not isinstance(padding, str):
        for p, k in zip(pair(padding), pair(kernel), strict=True):
            if p >= k:
                raise ConvscopeError(
                    f"padding must be smaller than a pooling kernel. Got {p} and {k}. Use at most pad={k - 1}."
                )
    return rows, columns


def _cells(x: Array, rows: Axis, columns: Axis, outside: float) -> Array:
    """What each cell of the kernel sees, in reading order: (kh kw, N, C, oh, ow)."""
    padded = add_border(x, rows, columns, outside)
    return np.stack(
        [padded[..., rows.seen_by(i), columns.seen_by(j)] for i, j in np.ndindex(rows.kernel, columns.kernel)]
    )


def _real_cells(rows: Axis, columns: Axis) -> Array:
    """How many cells of each window lie in the picture: (oh, ow)."""
    picture = np.ones((1, 1, rows.n, columns.n))
    return np.asarray(_cells(picture, rows, columns, outside=0.0).sum(axis=0)[0, 0])
