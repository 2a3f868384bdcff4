"""The walk over shapes: what reaches every layer and what leaves it, before any weight is made.

Shapes are (height, width, channels) for maps and (units,) after `dense` or `flatten`. Knows no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from convscope.errors import ConvscopeError
from convscope.network.geometry import windows
from convscope.notation.tree import Aux, Branches, Item, Layer, Place, Regions, Sequence, Size, Written

Shape = tuple[int, ...]


class NetworkError(ConvscopeError):
    """A network that parses but can't be built: which layer, what reached it, what would fix it."""


@dataclass(frozen=True, slots=True)
class Sized:
    """One item with what reaches it and what leaves it; a layer's `in` and `classes` are numbers here."""

    item: Item
    before: Shape
    after: Shape


@dataclass(frozen=True, slots=True)
class Sizes:
    """A network with its shapes: rows in reading order, by name, and the body with every number known."""

    input: tuple[int, int, int]
    classes: int | None
    body: Sequence
    rows: tuple[Sized, ...]

    @property
    def output(self) -> Shape:
        """What leaves the network."""
        return self.rows[-1].after if self.rows else self.input

    def by_name(self) -> dict[str, Sized]:
        """The rows by the label that they have everywhere."""
        return {row.item.name: row for row in self.rows}


def show(shape: Shape) -> str:
    """`55x55x96` for maps, `4096` for units: as `->` writes it."""
    return "x".join(map(str, shape))


def kernel_extent(layer: Layer) -> tuple[Size, Size]:
    """Kernel and dilation of a layer, both as height and width."""
    dilation = layer.options.get("dilation", 1)
    pair = dilation if isinstance(dilation, tuple) else (int(str(dilation)), int(str(dilation)))
    return layer.kernel or (1, 1), pair


def _maps(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise _MisfitError(
            f"{layer.kind} needs maps (height x width x channels). Got {show(shape)} units.",
            "move it before `dense` or `flatten`, or use `dense` here",
        )
    return shape[0], shape[1], shape[2]


class _MisfitError(Exception):
    """What is wrong at one layer and what would mend it; the walk adds the layer's name, place and the table."""

    def __init__(self, wrong: str, fix: str) -> None:
        super().__init__(wrong)
        self.wrong, self.fix = wrong, fix


def _slide(layer: Layer, shape: Shape) -> Size:
    """Rows and columns of windows of a layer that slides over its maps."""
    height, width, _ = _maps(layer, shape)
    kernel, dilation = kernel_extent(layer)
    stride, padding = layer.stride or (1, 1), layer.padding if layer.padding is not None else "valid"
    out = []
    for axis, n in enumerate((height, width)):
        pad = padding[axis] if isinstance(padding, tuple) else padding
        found = windows(n, kernel[axis], stride[axis], dilation[axis], pad, layer.ceil)
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        if found.count < 1 or (padding == "valid" and extent > n):
            raise _MisfitError(
                f"the kernel must fit its picture. A kernel {extent} {'high' if axis == 0 else 'wide'} meets maps of "
                f"{show(shape)}.",
                f"use a kernel of at most {n}, `same` padding, or fewer strides before it",
            )
        if layer.options.get("border") == "reflect" and max(found.before, found.after) >= n:
            raise _MisfitError(
                f"border=reflect needs padding smaller than the picture. Got padding {max(found.before, found.after)} "
                f"on maps of {show(shape)}.",
                "use border=replicate, or a smaller kernel",
            )
        out.append(found.count)
    return out[0], out[1]


def _conv(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    channels = _maps(layer, shape)[2]
    units = _count(layer, shape, classes)
    groups = channels if layer.options["groups"] == "in" else int(str(layer.options["groups"]))
    for what, number in (("input channels", channels), ("output channels", units)):
        if number % groups:
            fits = [g for g in range(1, min(channels, units) + 1) if channels % g == 0 and units % g == 0]
            raise _MisfitError(
                f"groups must divide the {what}. Got groups={groups} with {number} {what}.",
                f"use groups={', '.join(map(str, fits[:-1]))}{' or ' if fits[:-1] else ''}{fits[-1]}",
            )
    if layer.options.get("connect") == "lenet5" and (channels, units) != (6, 16):
        raise _MisfitError(
            f"connect=lenet5 joins 6 maps to 16. Got {channels} maps to {units}.", "use `conv 5x5 16` on 6 maps"
        )
    known = dataclasses.replace(layer, units=units, options={**layer.options, "groups": groups})
    return known, (*_slide(layer, shape), units)


def _count(layer: Layer, shape: Shape, classes: int | None) -> int:
    if layer.units == "in":
        return shape[-1]
    if layer.units == "classes" or layer.units is None:
        if classes is None:
            raise _MisfitError(
                "the number of classes must be known. Neither the text nor the data says it.",
                "write `classes 10` before the first layer, or give --classes 10",
            )
        return classes
    return layer.units


def _pool(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    channels = _maps(layer, shape)[2]
    to = layer.options.get("to")
    if isinstance(to, tuple):
        return layer, (*to, channels)
    return layer, (*_slide(layer, shape), channels)


def _global(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    return layer, (1, 1, _maps(layer, shape)[2])


def _dense(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    units = _count(layer, shape, classes)
    return dataclasses.replace(layer, units=units), (units,)


def _flatten(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    return layer, (_numbers(shape),)


def _same(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    return layer, shape


def _identity(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    if layer.units in (None, "in") and layer.stride in (None, (1, 1)):
        return layer, shape
    height, width, channels = _maps(layer, shape)
    stride = layer.stride or (1, 1)
    units = channels if layer.units is None else _count(layer, shape, classes)
    if units < channels:
        raise _MisfitError(
            f"identity can add maps of zeros, not take maps away. Got {channels} maps to {units}.",
            f"use `identity {channels}` or more, or `conv 1x1 {units}`",
        )
    known = dataclasses.replace(layer, units=units, stride=stride)
    return known, (-(-height // stride[0]), -(-width // stride[1]), units)


def _rbf(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    units = _count(layer, shape, classes)
    if _numbers(shape) != 84 or units != 10:
        raise _MisfitError(
            f"rbf compares 84 numbers with drawings of 10 digits. Got {_numbers(shape)} numbers and {units} classes.",
            "put `dense 84` before it, and use it for 10 digits",
        )
    return dataclasses.replace(layer, units=units), (units,)


def _numbers(shape: Shape) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


Rule = Callable[[Layer, Shape, "int | None"], tuple[Layer, Shape]]
RULES: dict[str, Rule] = {
    "conv": _conv,
    "maxpool": _pool,
    "avgpool": _pool,
    "minpool": _pool,
    "subsample": _pool,
    "gap": _global,
    "gmp": _global,
    "dense": _dense,
    "flatten": _flatten,
    "relu": _same,
    "relu6": _same,
    "tanh": _same,
    "sigmoid": _same,
    "gelu": _same,
    "silu": _same,
    "elu": _same,
    "leaky": _same,
    "bn": _same,
    "lrn": _same,
    "dropout": _same,
    "softmax": _same,
    "scale": _same,
    "identity": _identity,
    "rbf": _rbf,
}


class _Walk:
    def __init__(self, classes: int | None) -> None:
        self.classes = classes
        self.rows: list[Sized] = []

    def sequence(self, sequence: Sequence, shape: Shape) -> tuple[Sequence, Shape]:
        checks = {count: (wanted, place) for count, wanted, place in sequence.expects}
        if 0 in checks:
            self.expect(shape, *checks[0], "here")
        items: list[Item] = []
        for turn, item in enumerate(sequence.items, start=1):
            known, shape = self.item(item, shape)
            items.append(known)
            if turn in checks:
                self.expect(shape, *checks[turn], item.name)
        return Sequence(tuple(items), sequence.expects), shape

    def item(self, item: Item, shape: Shape) -> tuple[Item, Shape]:
        before = shape
        known: Item
        mark = len(self.rows)
        try:
            if isinstance(item, Layer):
                known, shape = RULES[item.kind](item, shape, self.classes)
            elif isinstance(item, Branches):
                known, shape = self.branches(item, shape)
            elif isinstance(item, Regions):
                known, shape = self.regions(item, shape)
            else:
                body, _ = self.sequence(item.body, shape)
                known = dataclasses.replace(item, body=body)
        except _MisfitError as misfit:
            raise self.error(item, before, misfit) from None
        if isinstance(known, Aux):
            self.rows.insert(mark, Sized(known, before, shape))
        else:
            self.rows.append(Sized(known, before, shape))
        if item.expect is not None:
            self.expect(shape, item.expect, item.place, item.name)
        return known, shape

    def branches(self, item: Branches, shape: Shape) -> tuple[Item, Shape]:
        walked = [self.sequence(branch, shape) for branch in item.branches]
        shapes = [after for _, after in walked]
        known = dataclasses.replace(item, branches=tuple(body for body, _ in walked))
        listed = " | ".join(map(show, shapes))
        if item.kind == "add":
            if len(set(shapes)) > 1:
                raise _MisfitError(
                    f"what is added must have one shape. The branches give {listed}.",
                    "change a branch's stride or channels, or bring the shortcut along with `conv 1x1 C /s` or "
                    "`identity C /s`",
                )
            return known, shapes[0]
        if len({after[:-1] for after in shapes}) > 1 or len({len(after) for after in shapes}) > 1:
            raise _MisfitError(
                f"what is joined must agree in height and width. The branches give {listed}.",
                "use `same` padding and one stride in all branches",
            )
        return known, (*shapes[0][:-1], sum(after[-1] for after in shapes))

    def regions(self, item: Regions, shape: Shape) -> tuple[Item, Shape]:
        rows, columns = item.grid
        if len(shape) != 3 or shape[0] % rows or shape[1] % columns:
            raise _MisfitError(
                f"regions must divide the picture. {rows}x{columns} regions meet {show(shape)}.",
                "use numbers that divide height and width",
            )
        part = (shape[0] // rows, shape[1] // columns, shape[2])
        walked = [self.sequence(body, part) for body in item.parts]
        after = walked[0][1]
        if len(after) != 3:
            raise _MisfitError(
                f"regions must end in maps, so that they can be put back. Each ends in {show(after)}.",
                "leave `dense` and `flatten` to what follows the regions",
            )
        known = dataclasses.replace(item, parts=tuple(body for body, _ in walked))
        return known, (after[0] * rows, after[1] * columns, after[2])

    def expect(self, shape: Shape, wanted: tuple[int, ...], place: Place, name: str) -> None:
        if shape != wanted:
            raise NetworkError(
                f"{self.table()}line {place.line}, column {place.column}: {name} gives {show(shape)} where the text "
                f"says -> {show(wanted)}. Change the layer, or the size after the arrow."
            )

    def error(self, item: Item, before: Shape, misfit: _MisfitError) -> NetworkError:
        place = item.place
        return NetworkError(
            f"{self.table()}line {place.line}, column {place.column}: {item.name} can't be built on {show(before)}: "
            f"{misfit.wrong} To fix it, {misfit.fix}."
        )

    def table(self) -> str:
        """The layers that could be built, so that one sees how the shape came about."""
        if not self.rows:
            return ""
        wide = max(len(row.item.name) for row in self.rows)
        return "".join(f"  {row.item.name:{wide}}  {show(row.before)} -> {show(row.after)}\n" for row in self.rows)


def resolve(written: Written, input: tuple[int, int, int] | None = None, classes: int | None = None) -> Sizes:
    """Every shape of a network, for pictures of `input` (height, width, channels) and a count of classes.

    What is given takes the place of what the text says. Raises NetworkError where the input is unknown or a layer
    doesn't fit what reaches it.
    """
    shape = input or written.input
    if shape is None:
        raise NetworkError(
            "the input's size must be known. Neither the text nor the data says it: write `input 28x28x1` before the "
            "first layer, or give --input 28x28x1."
        )
    count = classes if classes is not None else written.classes
    walk = _Walk(count)
    body, _ = walk.sequence(written.body, shape)
    return Sizes(shape, count, body, tuple(walk.rows))


def check_end(sizes: Sizes, classes: int) -> None:
    """A network that is trained ends in one number a class; raises NetworkError where it doesn't."""
    out = sizes.output
    if out in ((classes,), (1, 1, classes)):
        return
    last = sizes.rows[-1].item.name if sizes.rows else "the input"
    written = out[-1] if out[:-1] in ((), (1, 1)) else None
    if written is not None:
        raise NetworkError(
            f"a network must end in one number a class. {last} gives {written} and there are {classes} classes. Write "
            f"`dense` alone (as many as there are classes), `dense {classes}`, or give --classes {written} with data "
            f"of {written} classes."
        )
    raise NetworkError(
        f"a network must end in one number a class. {last} gives {show(out)} and there are {classes} classes. End it "
        f"with `dense`, or with `conv 1x1 classes, gap`."
    )
