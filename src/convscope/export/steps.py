"""What a line of source is made of: one layer is a few steps, each a module that is kept or an expression in forward.

Knows no framework, and of geometry how far the windows of a layer reach.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convscope.network.geometry import Windows, windows
from convscope.network.shapes import Sized, dilation_of
from convscope.notation.tree import Layer, Size

Literal = int | float | bool | str | tuple["Literal", ...]


_CHANNELS = frozenset(
    "in_channels out_channels num_features channels in_features out_features filters units groups".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument. key: the keyword, or "" where it is told by place; hint: what a parameter for it is called; sort:
    what it counts, so that a padding is not taken for the stride that happens to be as large; usual: the value that
    needs no writing, None where there is none."""

    value: Literal
    hint: str
    key: str = ""
    sort: str = ""
    usual: Literal | None = None

    @property
    def left_out(self) -> bool:
        """Whether the framework takes this value by itself."""
        return self.usual is not None and self.value == self.usual and type(self.value) is type(self.usual)

    @property
    def counts(self) -> str:
        return self.sort or ("channels" if self.hint in _CHANNELS else self.hint)


@dataclass(frozen=True, slots=True)
class Module:
    """An object that the class keeps under the layer's name: `nn.Conv2d(3, 64, 7)`. weights: whether it has tensors
    of the model file."""

    make: str
    args: tuple[Arg, ...] = ()
    weights: bool = True


@dataclass(frozen=True, slots=True)
class Inline:
    """An expression: `{x}` is what arrives, `{args}` stands for the arguments with a comma before each."""

    template: str
    args: tuple[Arg, ...] = ()


Step = Module | Inline
Rule = Callable[[Sized], list[Step]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """A framework: its rule for each layer kind, and the words that classes are made of.

    imports: each line with the names that it is for. concat, flatten: expressions of `{branches}` and of `{x}`.
    helpers: by name, the source of what the framework has no plain layer for, and the helpers that it uses in turn.
    """

    name: str
    imports: tuple[tuple[str, tuple[str, ...]], ...]
    base: str
    forward: str
    sequential: tuple[str, str]
    concat: str
    flatten: str
    rules: dict[str, Rule]
    helpers: dict[str, str]
    loading: str
    shape: Callable[[tuple[int, ...]], str]
    words: frozenset[str]


def place(value: Literal, hint: str) -> Arg:
    """An argument that is told by place."""
    return Arg(value, hint)


def given(key: str, value: Literal, usual: Literal | None = None) -> tuple[Arg, ...]:
    """A keyword argument, which is left out where the value is the usual one."""
    return (Arg(value, key, key, usual=usual),)


def size(value: Size) -> Literal:
    """3 for (3, 3)."""
    return value[0] if value[0] == value[1] else value


def layer_of(row: Sized) -> Layer:
    """The layer of a row; forms have rows too."""
    assert isinstance(row.item, Layer)
    return row.item


@dataclass(frozen=True, slots=True)
class Slide:
    """The windows of a layer over its maps, down and across, with the sizes that they come from."""

    axes: tuple[Windows, Windows]
    n: Size
    kernel: Size
    stride: Size
    dilation: Size

    @property
    def before(self) -> Size:
        return self.axes[0].before, self.axes[1].before

    @property
    def sides(self) -> tuple[Size, Size]:
        """(top, bottom), (left, right): the cells outside of the picture that windows need; as many on both sides
        where that changes no window."""
        down, across = self.axes
        if self.padded(self.before):
            return (down.before, down.before), (across.before, across.before)
        return (down.before, down.after), (across.before, across.after)

    def padded(self, before: Size, ceil: bool = False) -> bool:
        """Whether padding by so much on both sides, as PyTorch does, gives these very windows."""
        for axis, found in enumerate(self.axes):
            extent = self.dilation[axis] * (self.kernel[axis] - 1) + 1
            n, s, p = self.n[axis], self.stride[axis], before[axis]
            other = windows(n, self.kernel[axis], s, self.dilation[axis], p, ceil)
            if p != found.before or n + 2 * p < extent or other.count != found.count:
                return False
        return True

    def same(self) -> bool:
        """Whether `same`, as TensorFlow means it, gives these very windows."""
        return all(
            windows(self.n[axis], self.kernel[axis], self.stride[axis], self.dilation[axis], "same") == found
            for axis, found in enumerate(self.axes)
        )


def slide(row: Sized) -> Slide:
    """How a conv or pooling layer slides over what reaches it."""
    layer = layer_of(row)
    kernel = layer.kernel or (1, 1)
    stride = layer.stride or kernel
    dilation, padding = dilation_of(layer), layer.padding
    assert padding is not None
    n = (row.before[0], row.before[1])
    down, across = (
        windows(n[axis], kernel[axis], stride[axis], dilation[axis],
                padding[axis] if isinstance(padding, tuple) else padding, layer.ceil)
        for axis in (0, 1)
    )  # fmt: skip
    return Slide((down, across), n, kernel, stride, dilation)


def number(layer: Layer, name: str) -> float | int:
    """An option that is a number; whole ones are printed as such."""
    value = layer.options[name]
    assert isinstance(value, int | float)
    return value
