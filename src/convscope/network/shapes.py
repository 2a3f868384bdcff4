"""The walk over shapes: what reaches every layer and what leaves it, before any weight is made.

Shapes are (height, width, channels) for maps and (units,) after `dense` or `flatten`. Knows no torch.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from convscope.errors import ConvscopeError
from convscope.network.geometry import windows
from convscope.notation.tree import Aux, Branches, Item, Layer, Place, Regions, Sequence, Size, Value, Written, bodies

Shape = tuple[int, ...]
_Value = TypeVar("_Value")


class NetworkError(ConvscopeError):
    """A network that parses but can't be built: which layer, what reached it, what would fix it.

    Where a layer is at fault: `finding` is the name under which docs/check.md explains it, `layer` the layer's name,
    `place` where it stands, `shape` what reached it (what left it, where another size or another end is wanted),
    `wrong` the sentence alone and `fix` the mend alone.
    """

    def __init__(
        self, message: str, *, finding: str = "", layer: str = "", place: Place | None = None, shape: Shape = (),
        wrong: str = "", fix: str = "",
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.finding, self.layer, self.place, self.shape = finding, layer, place, shape
        self.wrong, self.fix = wrong, fix


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
        items = self.body.items
        return self.by_name()[items[-1].name].after if items else self.input

    def by_name(self) -> dict[str, Sized]:
        """The rows by the label that they have everywhere."""
        return {row.item.name: row for row in self.rows}


def scaled(sizes: Sizes) -> dict[str, float]:
    """Layers with a `scale` right behind them, and its factor: as if their weights were so many times as large."""
    found, waiting = {}, [sizes.body]
    while waiting:
        sequence = waiting.pop()
        waiting += [inner for item in sequence.items for inner in bodies(item)]
        for first, second in pairwise(sequence.items):
            if isinstance(first, Layer) and isinstance(second, Layer) and second.kind == "scale":
                found[first.name] = option(second, "factor", float)
    return found


def show(shape: Shape) -> str:
    """`55x55x96` for maps, `4096` for units: as `->` writes it."""
    return "x".join(map(str, shape))


def option(layer: Layer, name: str, kind: type[_Value]) -> _Value:
    """An option of a layer as the type that the notation promises for it."""
    value = layer.options[name]
    assert isinstance(value, kind), f"{layer.name}: {name} is {value!r}"
    return value


def dilation_of(layer: Layer) -> Size:
    """The dilation of a layer's kernel, down and across; pooling has none, so 1."""
    dilation = layer.options.get("dilation", (1, 1))
    assert isinstance(dilation, tuple)
    return dilation


def numbers(shape: Shape) -> int:
    """How many numbers a shape holds."""
    return math.prod(shape)


def _maps(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise _Misfit(
            f"{layer.kind} needs maps (height x width x channels). Got {show(shape)} units.",
            "move it before `dense` or `flatten`, or use `dense` here",
            "maps-needed",
        )
    return shape[0], shape[1], shape[2]


class _Misfit(Exception):
    """What is wrong at one layer and what would mend it; the walk adds the layer's name, place and the table."""

    def __init__(self, wrong: str, fix: str, finding: str = "layer-does-not-fit") -> None:
        super().__init__(wrong)
        self.wrong, self.fix, self.finding = wrong, fix, finding


def _slide(layer: Layer, shape: Shape) -> Size:
    """Rows and columns of windows of a layer that slides over its maps."""
    height, width, _ = _maps(layer, shape)
    kernel, stride, padding, dilation = layer.kernel, layer.stride, layer.padding, dilation_of(layer)
    assert kernel, layer
    assert stride, layer
    assert padding is not None, layer
    out = []
    for axis, n in enumerate((height, width)):
        pad = padding[axis] if isinstance(padding, tuple) else padding
        found = windows(n, kernel[axis], stride[axis], dilation[axis], pad, layer.ceil)
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        if found.count < 1:
            raise _Misfit(
                f"the kernel must fit its picture. A kernel {extent} {'high' if axis == 0 else 'wide'} meets maps of "
                f"{show(shape)}.",
                f"use a kernel of at most {n}, `same` padding, or fewer strides before it",
                "kernel-does-not-fit",
            )
        if layer.options.get("border") == "reflect" and max(found.before, found.after) >= n:
            raise _Misfit(
                f"border=reflect needs padding smaller than the picture. Got padding {max(found.before, found.after)} "
                f"on maps of {show(shape)}.",
                "use border=replicate, or a smaller kernel",
            )
        out.append(found.count)
    return out[0], out[1]


def _conv(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    channels = _maps(layer, shape)[2]
    units = _number(layer.units, shape, classes)
    groups = _number(layer.options["groups"], shape, classes)
    for what, number in (("input channels", channels), ("output channels", units)):
        if number % groups:
            raise _Misfit(
                f"groups must divide the {what}. Got groups={groups} with {number} {what}.",
                f"use groups={_divisors(math.gcd(channels, units))}",
                "groups-do-not-divide",
            )
    if layer.options["connect"] == "lenet5" and (channels, units, groups) != (6, 16, 1):
        raise _Misfit(
            f"connect=lenet5 joins 6 maps to 16, in one group. Got {channels} maps to {units} in {groups}.",
            "put it on 6 maps as `conv 5x5 16 connect=lenet5`, or leave connect= out",
        )
    known = dataclasses.replace(layer, units=units, options={**layer.options, "groups": groups})
    return known, (*_slide(layer, shape), units)


def _divisors(number: int) -> str:
    """`1, 2, 4 or 8`: the least divisors, since a number may have hundreds."""
    least = [divisor for divisor in range(1, min(number, 10_000) + 1) if number % divisor == 0][:12]
    return ", ".join(map(str, least[:-1])) + f" or {least[-1]}" if len(least) > 1 else str(least[0])


def _number(given: Value, shape: Shape, classes: int | None) -> int:
    """A whole number, or what `in` and `classes` stand for where `shape` arrives."""
    if given == "in":
        return shape[-1]
    if given != "classes":
        assert isinstance(given, int)
        return given
    if classes is None:
        raise _Misfit(
            "the number of classes must be known. Neither the text nor the data says it.",
            "write `classes 10` before the first layer, or give --classes 10",
        )
    return classes


def _pool(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    channels = _maps(layer, shape)[2]
    to = layer.options.get("to")
    if isinstance(to, tuple):
        return layer, (*to, channels)
    return layer, (*_slide(layer, shape), channels)


def _global(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    return layer, (1, 1, _maps(layer, shape)[2])


def _dense(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    units = _number(layer.units, shape, classes)
    return dataclasses.replace(layer, units=units), (units,)


def _flatten(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    return layer, (numbers(shape),)


def _same(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    return layer, shape


def _identity(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    units, stride = _number(layer.units, shape, classes), layer.stride or (1, 1)
    if (units, stride) == (shape[-1], (1, 1)):
        return dataclasses.replace(layer, units=units), shape
    height, width, channels = _maps(layer, shape)
    if units < channels:
        raise _Misfit(
            f"identity can add maps of zeros, not take maps away. Got {channels} maps to {units}.",
            f"use `identity {channels}` or more, or `conv 1x1 {units}`",
        )
    known = dataclasses.replace(layer, units=units)
    return known, (-(-height // stride[0]), -(-width // stride[1]), units)


def _rbf(layer: Layer, shape: Shape, classes: int | None) -> tuple[Layer, Shape]:
    units = _number(layer.units, shape, classes)
    if numbers(shape) != 84 or units != 10:
        raise _Misfit(
            f"rbf compares 84 numbers with drawings of 10 digits. Got {numbers(shape)} numbers and {units} classes.",
            "put `dense 84` before it, and use it for 10 digits",
        )
    return dataclasses.replace(layer, units=units), (units,)


_KEEPING = ("relu", "relu6", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky",
            "bn", "lrn", "dropout", "softmax", "scale")  # fmt: skip
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
    "identity": _identity,
    "rbf": _rbf,
    **dict.fromkeys(_KEEPING, _same),
}


class _Walk:
    """checks: whether `->` is held. written: the count of classes that the text itself says, for which it is held."""

    def __init__(self, classes: int | None, checks: bool = True, written: int | None = None) -> None:
        self.classes, self.checks, self.written = classes, checks, written
        self.rows: list[Sized] = []

    def sequence(self, sequence: Sequence, shape: Shape) -> tuple[Sequence, Shape]:
        items: list[Item] = []
        self.expects(sequence, 0, shape, "nothing before it, so the input,")
        for turn, item in enumerate(sequence.items, start=1):
            known, shape = self.item(item, shape)
            items.append(known)
            self.expects(sequence, turn, shape, item.name)
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
        except _Misfit as misfit:
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
                raise _Misfit(
                    f"what is added must have one shape. The branches give {listed}.",
                    "change a branch's stride or channels, or bring the shortcut along with `conv 1x1 C /s` or "
                    "`identity C /s`",
                    "branches-differ",
                )
            return known, shapes[0]
        if len({after[:-1] for after in shapes}) > 1 or len({len(after) for after in shapes}) > 1:
            raise _Misfit(
                f"what is joined must agree in height and width. The branches give {listed}.",
                "use `same` padding and one stride in all branches",
                "branches-differ",
            )
        return known, (*shapes[0][:-1], sum(after[-1] for after in shapes))

    def regions(self, item: Regions, shape: Shape) -> tuple[Item, Shape]:
        rows, columns = item.grid
        if len(shape) != 3 or shape[0] % rows or shape[1] % columns:
            raise _Misfit(
                f"regions must divide the picture. {rows}x{columns} regions meet {show(shape)}.",
                "use numbers that divide height and width",
            )
        part = (shape[0] // rows, shape[1] // columns, shape[2])
        walked = [self.sequence(body, part) for body in item.parts]
        after = walked[0][1]
        if len(after) != 3:
            raise _Misfit(
                f"regions must end in maps, so that they can be put back. Each ends in {show(after)}.",
                "leave `dense` and `flatten` to what follows the regions",
            )
        known = dataclasses.replace(item, parts=tuple(body for body, _ in walked))
        return known, (after[0] * rows, after[1] * columns, after[2])

    def expects(self, sequence: Sequence, turn: int, shape: Shape, name: str) -> None:
        """The checks of the groups and repeats that end after so many items; there may be several."""
        for after, wanted, place in sequence.expects:
            if after == turn:
                self.expect(shape, wanted, place, name)

    def expect(self, shape: Shape, wanted: tuple[int, ...], place: Place, name: str) -> None:
        """Hold one check, unless what it was written for was replaced from outside: the input, or the classes."""
        if not self.checks:
            return
        if wanted[-1] == self.written != self.classes and shape == (*wanted[:-1], self.classes):
            return
        if shape != wanted:
            wrong, fix = (
                f"{name} gives {show(shape)} where the text says -> {show(wanted)}",
                "or the size after the arrow",
            )
            raise NetworkError(
                f"{table(self.rows)}{where(place)}: {wrong}. Change the layer, {fix}.",
                finding="stated-size-differs", layer=name, place=place, shape=shape, wrong=f"{wrong}.",
                fix=f"change the layer, {fix}",
            )  # fmt: skip

    def error(self, item: Item, before: Shape, misfit: _Misfit) -> NetworkError:
        return NetworkError(
            f"{table(self.rows)}{where(item.place)}: {item.name} can't be built on {show(before)}: {misfit.wrong} "
            f"To fix it, {misfit.fix}.",
            finding=misfit.finding, layer=item.name, place=item.place, shape=before, wrong=misfit.wrong, fix=misfit.fix,
        )  # fmt: skip


def where(place: Place) -> str:
    """How an error names a place in the text."""
    return f"line {place.line}, column {place.column}"


def table(rows: Iterable[Sized]) -> str:
    """The layers that could be built, one a line, so that one sees how a shape came about."""
    rows = list(rows)
    wide = max((len(row.item.name) for row in rows), default=0)
    return "".join(f"  {row.item.name:{wide}}  {show(row.before)} -> {show(row.after)}\n" for row in rows)


def resolve(written: Written, input: tuple[int, int, int] | None = None, classes: int | None = None) -> Sizes:
    """Every shape of a network, for pictures of `input` (height, width, channels) and a count of classes.

    What is given takes the place of what the text says; `->` checks are of the text's own input, so with another they
    don't count. Raises NetworkError where the input is unknown or no size, or a layer doesn't fit what reaches it.
    """
    shape = written.input if input is None else _given(input)
    if shape is None:
        raise NetworkError(
            "the input's size must be known. Neither the text nor the data says it: write `input 28x28x1` before the "
            "first layer, or give --input 28x28x1."
        )
    count = classes if classes is not None else written.classes
    if count is not None and count < 1:
        raise NetworkError(f"the number of classes must be a whole number from 1. Got {count}.")
    walk = _Walk(count, checks=written.input in (None, shape), written=written.classes)
    body, _ = walk.sequence(written.body, shape)
    return Sizes(shape, count, body, tuple(walk.rows))


def _given(input: tuple[int, ...]) -> tuple[int, int, int]:
    if len(input) != 3 or min(input) < 1:
        raise NetworkError(
            f"an input must be height, width and channels, whole numbers from 1, such as (28, 28, 1). Got {input}."
        )
    height, width, channels = input
    return height, width, channels


def check_end(sizes: Sizes, classes: int) -> None:
    """A network that is trained ends in one number a class, and so does each `aux`; raises NetworkError where one
    doesn't."""
    by_name = sizes.by_name()
    for row in sizes.rows:
        if isinstance(row.item, Aux):
            items = row.item.body.items
            last = by_name[items[-1].name] if items else row
            _check_end(sizes, f"{row.item.name} must end", last, last.after if items else row.before, classes)
    items = sizes.body.items
    _check_end(sizes, "a network must end", by_name[items[-1].name] if items else None, sizes.output, classes)


def _check_end(sizes: Sizes, what: str, last: Sized | None, out: Shape, classes: int) -> None:
    if out in ((classes,), (1, 1, classes)):
        return
    name, place = ("the input", "") if last is None else (last.item.name, f"{where(last.item.place)}: ")
    wrong = f"{what} in one number a class. {name} gives"
    if numbers(out) != out[-1]:
        wrong = f"{wrong} {show(out)} and there are {classes} classes."
        fix = "End it with `dense`, or with `conv 1x1 classes, gap`."
    else:
        wrong = f"{wrong} {out[-1]} and there are {classes} classes."
        fix = (
            f"Write `dense` alone (as many as there are classes), `dense {classes}`, or give --classes {out[-1]} with "
            f"data of {out[-1]} classes."
        )
    raise NetworkError(
        f"{table(sizes.rows)}{place}{wrong} {fix}",
        finding="class-count", layer=name, place=last.item.place if last else None, shape=out, wrong=wrong, fix=fix,
    )  # fmt: skip
