"""What a layer costs: its tensors, from its text and shapes alone. One rule a kind; the module is built from it."""

from __future__ import annotations

from collections.abc import Callable

from convscope.network.shapes import Shape, Sized, Sizes, numbers, option
from convscope.notation.tree import Aux, Layer

Tensors = dict[str, tuple[int, ...]]

LENET5_KERNELS = 60
"""How many of the 6 x 16 pairs of maps LeCun et al. 1998 join in C3 (table I)."""


def _conv(layer: Layer, before: Shape, after: Shape) -> Tensors:
    assert layer.kernel is not None
    if layer.options["connect"] == "lenet5":
        weight: tuple[int, ...] = (LENET5_KERNELS, *layer.kernel)
    else:
        weight = (after[2], before[2] // option(layer, "groups", int), *layer.kernel)
    bias = layer.options["bias"]
    if not bias:
        return {"weight": weight}
    return {"weight": weight, "bias": (after[2], *after[:2]) if bias == "position" else (after[2],)}


def _dense(layer: Layer, before: Shape, after: Shape) -> Tensors:
    weight = (after[0], numbers(before))
    return {"weight": weight, "bias": (after[0],)} if layer.options["bias"] else {"weight": weight}


def _statistics(layer: Layer, after: Shape) -> tuple[int, ...]:
    """The shape of what `bn` knows: one number a map or unit, or with per=activation one a value."""
    per_value = layer.options["per"] == "activation" and len(after) == 3
    return (after[2], *after[:2]) if per_value else after[-1:]


def _bn(layer: Layer, before: Shape, after: Shape) -> Tensors:
    shape = _statistics(layer, after)
    return {name: shape for name, given in (("weight", "scale"), ("bias", "shift")) if layer.options[given]}


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


def buffers(row: Sized) -> Tensors:
    """What a row keeps beside its parameters, by name: the running statistics of `bn`."""
    if not isinstance(row.item, Layer) or row.item.kind != "bn":
        return {}
    return dict.fromkeys(("running_mean", "running_var"), _statistics(row.item, row.after))


def state(sizes: Sizes) -> Tensors:
    """Every tensor of the network's state dict, by its full name (`conv1.weight`), with its shape."""
    return {
        f"{row.item.name}.{name}": shape
        for row in sizes.rows
        for name, shape in (parameters(row) | buffers(row)).items()
    }


def parameter_count(row: Sized) -> int:
    """How many numbers a row learns."""
    return sum(map(numbers, parameters(row).values()))


def total_parameters(sizes: Sizes) -> int:
    """How many numbers the network learns; those of side classifiers (`aux`) are counted apart."""
    return sum(parameter_count(row) for row in sizes.rows) - aux_parameters(sizes)


def aux_parameters(sizes: Sizes) -> int:
    """How many numbers the side classifiers learn, which prediction leaves out."""
    scopes = tuple(f"{row.item.name}." for row in sizes.rows if isinstance(row.item, Aux))
    return sum(parameter_count(row) for row in sizes.rows if row.item.name.startswith(scopes))
