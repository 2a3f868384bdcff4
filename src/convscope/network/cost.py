"""What a layer costs: its tensors, multiply-adds and values, from its text and shapes alone. One rule a kind.

The module is built from `parameters`. What training keeps in memory is `memory`'s.
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.network import lenet5
from convscope.network.shapes import Shape, Sized, Sizes, numbers, option
from convscope.notation.tree import Aux, Layer

Tensors = dict[str, tuple[int, ...]]


def _conv(layer: Layer, before: Shape, after: Shape) -> Tensors:
    assert layer.kernel is not None
    if layer.options["connect"] == "lenet5":
        weight: tuple[int, ...] = (len(lenet5.KERNELS), *layer.kernel)
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
    inside = in_aux(sizes)
    return sum(parameter_count(row) for row in sizes.rows if row.item.name in inside)


def weight_count(row: Sized) -> int:
    """How many of a row's parameters are weights: all but those that are added, `bias`."""
    return sum(numbers(shape) for name, shape in parameters(row).items() if name != "bias")


def bias_count(row: Sized) -> int:
    """How many of a row's parameters are added: biases, and the shift of `bn`."""
    return parameter_count(row) - weight_count(row)


def _conv_products(row: Sized) -> int:
    return numbers(parameters(row)["weight"]) * row.after[0] * row.after[1]


def _dense_products(row: Sized) -> int:
    return numbers(row.before) * row.after[0]


def _none(row: Sized) -> int:
    return 0


_WITHOUT_PRODUCTS = ("maxpool", "avgpool", "minpool", "subsample", "gap", "gmp", "flatten", "relu", "relu6", "tanh",
                     "sigmoid", "gelu", "silu", "elu", "leaky", "bn", "lrn", "dropout", "softmax", "scale",
                     "identity")  # fmt: skip
MULTIPLY_ADDS: dict[str, Callable[[Sized], int]] = {
    "conv": _conv_products,
    "dense": _dense_products,
    "rbf": _dense_products,  # 84 squared differences for each digit
    **dict.fromkeys(_WITHOUT_PRODUCTS, _none),
}
"""One row a layer kind. As papers count: one for each connection, that is, a product that is added to others. Biases,
pooling (`subsample` too), normalisation and activations are not counted; `connect=lenet5` has its 60 kernels' alone."""


def multiply_adds(row: Sized) -> int:
    """The products that a row adds up for one picture."""
    return MULTIPLY_ADDS[row.item.kind](row) if isinstance(row.item, Layer) else 0


def _own(row: Sized) -> bool:
    return True


def _same_numbers(row: Sized) -> bool:
    return False


def _changed(row: Sized) -> bool:
    return row.before != row.after


def _pooled(row: Sized) -> bool:
    """`to=` the size that arrives changes nothing."""
    return _changed(row) or not (isinstance(row.item, Layer) and row.item.options.get("to"))


_ONE_BY_ONE = ("flatten", "relu", "relu6", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky", "bn", "lrn", "dropout",
               "softmax", "scale")  # fmt: skip
VALUES: dict[str, Callable[[Sized], bool]] = {
    **dict.fromkeys(("conv", "subsample", "gap", "gmp", "dense", "rbf"), _own),
    **dict.fromkeys(("maxpool", "avgpool", "minpool"), _pooled),
    **dict.fromkeys(_ONE_BY_ONE, _same_numbers),
    "identity": _changed,
    "add": _own,
    "concat": _same_numbers,
    "regions": _same_numbers,
    "aux": _same_numbers,
}
"""One row a kind of the tree: whether what leaves it are new values. Those of a layer that changes each value in its
place, or puts maps side by side, have been counted before it: so VGG's table has 15 237 608, input included."""


def values(row: Sized) -> int:
    """The values that a row makes for one picture: 0 where it only changes or hands on those that arrive."""
    return numbers(row.after) if VALUES[row.item.kind](row) else 0


def in_aux(sizes: Sizes) -> frozenset[str]:
    """The names of the layers that stand in side classifiers, which prediction leaves out."""
    scopes = tuple(f"{row.item.name}." for row in sizes.rows if isinstance(row.item, Aux))
    return frozenset(row.item.name for row in sizes.rows if row.item.name.startswith(scopes))
