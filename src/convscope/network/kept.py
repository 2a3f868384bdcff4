"""What PyTorch's autograd keeps of a layer until the backward pass. One rule a kind; knows no torch.

`tests/network/test_memory.py` holds the table against what autograd says that it saves. Float32, pictures laid out
channels last, as the loop trains on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convscope.network.geometry import windows
from convscope.network.shapes import Shape, Sized, dilation_of, numbers, option
from convscope.notation.tree import Layer

NUMBER = 4
"""Bytes of a float32."""

INDEX = 8
"""Bytes of the place of a maximum: int64."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the backward pass of a layer needs, for one picture.

    input, output: whether it needs what arrived, what left. own: bytes of further tensors that it made and keeps (a
    mask, indices, a padded copy). passing: bytes that it needs for a moment in the backward pass, besides the gradients
    of its output and input. view: what leaves is what arrived, no new tensor.
    """

    input: bool = False
    output: bool = False
    own: int = 0
    passing: int = 0
    view: bool = False


def size_in_bytes(shape: Shape) -> int:
    """The bytes of float32 numbers of a shape."""
    return NUMBER * numbers(shape)


def _layer(row: Sized) -> Layer:
    assert isinstance(row.item, Layer)
    return row.item


def _padded(row: Sized, native: bool) -> int:
    """The bytes of the maps with their padding, where a layer copies them to add it; 0 where it needn't.

    native: whether PyTorch's own padding, as much after as before, will do.
    """
    layer = _layer(row)
    kernel, stride, dilation = layer.kernel or (1, 1), layer.stride or (1, 1), dilation_of(layer)
    cells, copied = row.before[2], False
    for axis in (0, 1):
        pad = layer.padding[axis] if isinstance(layer.padding, tuple) else layer.padding or "valid"
        n = row.before[axis]
        found = windows(n, kernel[axis], stride[axis], dilation[axis], pad, layer.ceil)
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        fits = native and (n + 2 * found.before - extent) // stride[axis] + 1 == found.count
        copied = copied or (not fits and found.before + found.after > 0)
        cells *= found.before + n + found.after
    return NUMBER * cells if copied else 0


def _conv(row: Sized) -> Kept:
    border = _layer(row).options["border"]
    padded = _padded(row, native=border == 0)
    return Kept(input=not padded or isinstance(border, str), own=padded, passing=padded)


def _average(row: Sized) -> Kept:
    if _layer(row).options.get("to"):
        return Kept(input=True)
    padded = _padded(row, native=False)
    return Kept(input=not padded, own=padded, passing=padded)


def _maximum(row: Sized) -> Kept:
    padded = 0 if _layer(row).options.get("to") else _padded(row, native=False)
    return Kept(input=not padded, own=padded + INDEX * numbers(row.after), passing=padded)


def _minimum(row: Sized) -> Kept:
    """A maximum of the negated maps."""
    copied = (0 if _layer(row).options.get("to") else _padded(row, native=False)) or size_in_bytes(row.before)
    return Kept(own=copied + INDEX * numbers(row.after), passing=copied)


def _subsample(row: Sized) -> Kept:
    return Kept(input=True, own=size_in_bytes(row.after))


def _global_maximum(row: Sized) -> Kept:
    return Kept(input=True, own=INDEX * numbers(row.after))


def _reordered(row: Sized) -> bool:
    """Whether flattening copies: maps lie channels last in memory, and are read channels first."""
    return len(row.before) == 3 and row.before[2] > 1 and row.before[0] * row.before[1] > 1


def _dense(row: Sized) -> Kept:
    return (
        Kept(own=size_in_bytes(row.before), passing=size_in_bytes(row.before)) if _reordered(row) else Kept(input=True)
    )


def _flatten(row: Sized) -> Kept:
    return Kept(view=not _reordered(row))


def _rbf(row: Sized) -> Kept:
    return Kept(own=size_in_bytes((*row.after, numbers(row.before))))


def _bn(row: Sized) -> Kept:
    if _layer(row).options["per"] == "activation" and _reordered(row):
        return Kept(own=size_in_bytes(row.before))
    return Kept(input=True)


def _lrn(row: Sized) -> Kept:
    """The squares, k + alpha * sum, and that to the power of -beta."""
    return Kept(input=True, own=3 * size_in_bytes(row.before), passing=3 * size_in_bytes(row.before))


def _dropout(row: Sized) -> Kept:
    return Kept(own=size_in_bytes(row.after)) if option(_layer(row), "p", float) else Kept(view=True)


def _tanh(row: Sized) -> Kept:
    return Kept(own=size_in_bytes(row.after)) if _layer(row).options.get("scaled") else Kept(output=True)


def _needs_input(row: Sized) -> Kept:
    return Kept(input=True)


def _needs_output(row: Sized) -> Kept:
    return Kept(output=True)


def _needs_nothing(row: Sized) -> Kept:
    return Kept()


def _identity(row: Sized) -> Kept:
    return Kept(view=row.before == row.after)


KEPT: dict[str, Callable[[Sized], Kept]] = {
    "conv": _conv,
    "maxpool": _maximum,
    "avgpool": _average,
    "minpool": _minimum,
    "subsample": _subsample,
    "gap": _needs_nothing,
    "gmp": _global_maximum,
    "dense": _dense,
    "flatten": _flatten,
    "relu": _needs_output,
    "relu6": _needs_input,
    "tanh": _tanh,
    "sigmoid": _needs_output,
    "gelu": _needs_input,
    "silu": _needs_input,
    "elu": _needs_input,
    "leaky": _needs_input,
    "bn": _bn,
    "lrn": _lrn,
    "dropout": _dropout,
    "softmax": _needs_output,
    "scale": _needs_nothing,
    "identity": _identity,
    "rbf": _rbf,
}
"""One row a layer kind: what PyTorch's autograd keeps of it."""
