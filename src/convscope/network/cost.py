"""What a layer costs: its tensors, from its text and shapes alone. One rule a kind; the module is built from it."""

from __future__ import annotations

from collections.abc import Callable

from convscope.network.shapes import Shape, Sized, Sizes
from convscope.notation.tree import Layer

Tensors = dict[str, tuple[int, ...]]


def _conv(layer: Layer, before: Shape, after: Shape) -> Tensors:
    kernel = layer.kernel or (1, 1)
    tensors: Tensors = {"weight": (after[2], before[2] // int(str(layer.options["groups"])), *kernel)}
    if layer.options["bias"] == "position":
        tensors["bias"] = (after[2], after[0], after[1])
    elif layer.options["bias"]:
        tensors["bias"] = (after[2],)
    return tensors


def _dense(layer: Layer, before: Shape, after: Shape) -> Tensors:
    inputs = 1
    for n in before:
        inputs *= n
    tensors: Tensors = {"weight": (after[0], inputs)}
    if layer.options["bias"]:
        tensors["bias"] = (after[0],)
    return tensors


def _bn(layer: Layer, before: Shape, after: Shape) -> Tensors:
    per = after[-1:] if layer.options.get("per") != "activation" or len(after) == 1 else (after[2], *after[:2])
    return {name: per for name, option in (("weight", "scale"), ("bias", "shift")) if layer.options[option]}


def _subsample(layer: Layer, before: Shape, after: Shape) -> Tensors:
    return {"weight": (after[2],), "bias": (after[2],)}


PARAMETERS: dict[str, Callable[[Layer, Shape, Shape], Tensors]] = {
    "conv": _conv,
    "dense": _dense,
    "bn": _bn,
    "subsample": _subsample,
}


def parameters(row: Sized) -> Tensors:
    """The parameters of one row, by name: their shapes as PyTorch has them. Empty where nothing is learned."""
    if not isinstance(row.item, Layer) or row.item.kind not in PARAMETERS:
        return {}
    return PARAMETERS[row.item.kind](row.item, row.before, row.after)


def parameter_count(row: Sized) -> int:
    """How many numbers a row learns."""
    total = 0
    for shape in parameters(row).values():
        numbers = 1
        for n in shape:
            numbers *= n
        total += numbers
    return total


def total_parameters(sizes: Sizes) -> int:
    """How many numbers the network learns."""
    return sum(parameter_count(row) for row in sizes.rows)
