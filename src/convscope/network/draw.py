"""The walk for drawings: what stands in a figure of a network, before anything has a place.

Layers that change no shape become strips on the layer before them; turns that are alike become one, with a count. Knows
no lengths: `place` and `slabs` put what comes from here onto paper.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from convscope.network.fold import fold
from convscope.network.shapes import Shape, Sized, Sizes
from convscope.notation.tree import Aux, Branches, Item, Layer, Regions
from convscope.notation.tree import Sequence as Body

Role = Literal["convolution", "pooling", "dense", "other", "normalisation", "activation", "dropout"]


@dataclass(frozen=True)
class Look:
    """How a kind of layer is drawn: its role, which has a colour, and whether it is a strip on the layer before it."""

    role: Role
    strip: bool = False
    short: str = ""  # the word for it, where the kind's own isn't meant


_ACTIVATION, _NORMALISATION = Look("activation", strip=True), Look("normalisation", strip=True)
LOOKS: dict[str, Look] = {
    "conv": Look("convolution"),
    "maxpool": Look("pooling"),
    "avgpool": Look("pooling"),
    "minpool": Look("pooling"),
    "subsample": Look("pooling"),
    "gap": Look("pooling", short="global avgpool"),
    "gmp": Look("pooling", short="global maxpool"),
    "dense": Look("dense"),
    "rbf": Look("dense"),
    "flatten": Look("other", strip=True),
    "relu": _ACTIVATION,
    "relu6": _ACTIVATION,
    "tanh": _ACTIVATION,
    "sigmoid": _ACTIVATION,
    "gelu": _ACTIVATION,
    "silu": _ACTIVATION,
    "elu": _ACTIVATION,
    "leaky": _ACTIVATION,
    "softmax": _ACTIVATION,
    "bn": _NORMALISATION,
    "lrn": _NORMALISATION,
    "dropout": Look("dropout", strip=True),
    "scale": Look("other", strip=True),
    "identity": Look("other"),
}


@dataclass(frozen=True)
class Strip:
    """A layer that changes no shape, on what stands before it."""

    role: Role
    words: str
    name: str


@dataclass(frozen=True)
class Node:
    """What every part of a figure has: what leaves it, in a folded turn also the last turn's, strips, layers' names."""

    shape: Shape
    last: Shape
    strips: tuple[Strip, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Leaf(Node):
    """A layer with its strips. `words` is kind, kernel and stride; `label` is what the text calls it, or ""."""

    kind: str
    words: str
    label: str = ""

    @property
    def role(self) -> Role:
        """What its colour says."""
        return LOOKS[self.kind].role if self.kind in LOOKS else "other"


@dataclass(frozen=True)
class Fork(Node):
    """`add` or `concat`: branches side by side; an empty one is a plain line."""

    kind: Literal["add", "concat"]
    branches: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Grid(Node):
    """`regions`: the parts of a picture, row by row."""

    grid: tuple[int, int]
    parts: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Side(Node):
    """`aux`: a branch off to the side, for training only."""

    label: str
    weight: float
    body: tuple[Node, ...]


@dataclass(frozen=True)
class Group(Node):
    """Nodes in a frame: what a label names, or one turn of several that are alike."""

    label: str
    count: int
    body: tuple[Node, ...]


def nodes(sizes: Sizes, unfold: bool = False) -> tuple[Node, ...]:
    """The input and the parts of the network, in order.

    Turns whose layers have the same settings, heights and widths are folded unless `unfold`; their channels may differ,
    as in a network whose layers are joined to all before them.
    """
    walk = _Walk(sizes.by_name(), unfold)
    start = Leaf(sizes.input, sizes.input, (), (), "input", "input")
    return (start, *walk.groups(walk.sequence(sizes.body)))


def leaves(figure: Sequence[Node]) -> Iterator[Node]:
    """Every node, those in others too."""
    for node in figure:
        yield node
        match node:
            case Fork(branches=bodies) | Grid(parts=bodies):
                for body in bodies:
                    yield from leaves(body)
            case Side(body=body) | Group(body=body):
                yield from leaves(body)


def dimensions(shape: Shape, last: Shape | None = None) -> str:
    """`56×56×64`, and `56×56×96–256` where the turns of a fold differ in their channels."""
    text = "×".join(map(str, shape))
    return text if last is None or last == shape else f"{text}–{last[-1]}"


class _Walk:
    def __init__(self, rows: dict[str, Sized], unfold: bool) -> None:
        self.rows, self.unfold = rows, unfold

    def sequence(self, body: Body) -> list[Node]:
        """The nodes of a sequence. Strips with nothing before them stand as a node of their own."""
        found: list[Node] = []
        for item in body.items:
            if isinstance(item, Layer) and LOOKS[item.kind].strip:
                strip = Strip(LOOKS[item.kind].role, words(item), item.name)
                shape = self.rows[item.name].after
                if found and not isinstance(found[-1], Side) and _together(found[-1].names[0], item.name):
                    old = found[-1]
                    found[-1] = replace(old, strips=(*old.strips, strip), names=(*old.names, item.name))
                    if LOOKS[item.kind].role == "other" and shape != old.shape:
                        found[-1] = replace(found[-1], shape=shape, last=shape)
                else:
                    found.append(Leaf(shape, shape, (strip,), (item.name,), "strips", ""))
            else:
                found.append(self.node(item))
        return found

    def node(self, item: Item) -> Node:
        after = self.rows[item.name].after
        names = (item.name,)
        match item:
            case Layer():
                return Leaf(after, after, (), names, item.kind, words(item), _label(item))
            case Branches():
                bodies = tuple(tuple(self.folded(self.sequence(body))) for body in item.branches)
                return Fork(after, after, (), names, item.kind, bodies)
            case Regions():
                parts = tuple(tuple(self.folded(self.sequence(body))) for body in item.parts)
                return Grid(after, after, (), names, item.grid, parts)
            case Aux():
                body = tuple(self.folded(self.sequence(item.body)))
                return Side(after, after, (), names, item.name, item.weight, body)

    def folded(self, found: list[Node]) -> list[Node]:
        if self.unfold:
            return found
        out: list[Node] = []
        for run in fold(found, _alike):
            if run.count == 1 or not _worth(run.turns[0], run.count):
                out += [node for turn in run.turns for node in turn]
                continue
            first, last = run.turns[0], run.turns[-1]
            body = tuple(_blend(a, b) for a, b in zip(first, last, strict=True))
            names = tuple(name for turn in run.turns for node in leaves(turn) for name in node.names)
            out.append(Group(first[-1].shape, last[-1].shape, (), names, "", run.count, body))
        return out

    def groups(self, found: list[Node]) -> list[Node]:
        """The nodes of the network's body, those that one label names in a frame."""
        runs: list[tuple[str, list[Node]]] = []
        for node in found:
            scope = _scope(node)
            if runs and runs[-1][0] == scope:
                runs[-1][1].append(node)
            else:
                runs.append((scope, [node]))
        out: list[Node] = []
        for scope, run in runs:
            body = self.folded(run)
            if not scope or (len(body) == 1 and isinstance(body[0], Leaf)):
                out += body
            elif len(body) == 1 and isinstance(body[0], Group):
                out.append(replace(body[0], label=scope))
            else:
                out.append(Group(body[-1].shape, body[-1].last, (), (), scope, 1, tuple(body)))
        return out


def _together(first: str, second: str) -> bool:
    """Whether two layers stand below one label, or both below none."""
    one, two = (name.partition(".")[0] if "." in name else "" for name in (first, second))
    return one == two


def is_line(node: Node) -> bool:
    """Whether a node only hands its input on: a plain line where it is a whole branch."""
    return isinstance(node, Leaf) and node.kind == "identity" and node.words == "identity" and not node.strips


def _scope(node: Node) -> str:
    """The label whose scope a node of the network's body stands in."""
    if isinstance(node, Side) or not node.names:
        return ""
    first, dot, _ = node.names[0].partition(".")
    return first if dot or (isinstance(node, Fork | Grid) and not _counted(first, node)) else ""


def _counted(name: str, node: Node) -> bool:
    kind = node.kind if isinstance(node, Fork) else "regions"
    return name.removeprefix(kind).isdigit()


def _label(layer: Layer) -> str:
    own = layer.name.rpartition(".")[2]
    kind = "pool" if layer.kind in ("maxpool", "avgpool", "subsample") else layer.kind
    return "" if own.removeprefix(kind).isdigit() else own


def _worth(turn: Sequence[Node], count: int) -> bool:
    """Whether a fold makes the figure shorter: a frame takes about the place of one layer."""
    return any(isinstance(node, Fork | Grid) for node in turn) or len(turn) * (count - 1) > 1


def _alike(node: Node) -> Hashable:
    """What two nodes have in common where they are drawn alike: everything but names and channels that arrive."""
    values: list[Hashable] = [type(node).__name__]
    for field in fields(node):
        value = getattr(node, field.name)
        if field.name in ("shape", "last"):
            learned = isinstance(node, Leaf) and node.role in ("convolution", "dense")
            values.append(value if learned or len(value) == 1 else value[:-1])
        elif field.name == "strips":
            values.append(tuple((strip.role, strip.words) for strip in value))
        elif field.name in ("branches", "parts"):
            values.append(tuple(tuple(map(_alike, body)) for body in value))
        elif field.name == "body":
            values.append(tuple(map(_alike, value)))
        elif field.name not in ("names", "label"):
            values.append(value)
    return tuple(values)


def _blend(first: Node, last: Node) -> Node:
    """The first turn's node, which also says what leaves the last turn's."""
    if isinstance(first, Fork) and isinstance(last, Fork):
        pairs = zip(first.branches, last.branches, strict=True)
        branches = tuple(tuple(_blend(a, b) for a, b in zip(x, y, strict=True)) for x, y in pairs)
        return replace(first, last=last.last, branches=branches)
    return replace(first, last=last.last, names=first.names)


_POOLS = ("maxpool", "avgpool", "minpool", "subsample")  # whose stride is the kernel unless it is said


def words(layer: Layer) -> str:
    """A layer in few words, its channels left out, for its shape says them: `conv 3×3 /2`, `dropout 0.5`."""
    found = [LOOKS[layer.kind].short or layer.kind]
    if layer.kernel:
        found.append("×".join(map(str, layer.kernel)))
    options = layer.options
    to = options.get("to")
    if isinstance(to, tuple):
        found.append(f"to {to[0]}×{to[1]}")
    stride = layer.stride or (1, 1)
    if stride != (layer.kernel if layer.kind in _POOLS else (1, 1)) and layer.stride:
        found.append(f"/{stride[0]}" if stride[0] == stride[1] else f"/{stride[0]}×{stride[1]}")
    dilation = options.get("dilation", (1, 1))
    if isinstance(dilation, tuple) and dilation != (1, 1):
        found.append(
            f"dilation {dilation[0]}" if dilation[0] == dilation[1] else f"dilation {dilation[0]}×{dilation[1]}"
        )
    if layer.kind == "conv" and options["groups"] not in (1, None):
        found.append("depthwise" if options["groups"] == layer.units else f"groups {options['groups']}")
    if layer.kind in ("dropout", "scale"):
        found.append(f"{options['p' if layer.kind == 'dropout' else 'factor']:g}")
    return " ".join(found)
