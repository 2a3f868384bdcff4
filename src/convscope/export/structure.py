"""A network as the parts that its author wrote: pieces, repeats and labelled scopes, each with its layers' sizes.

The syntax tree knows the structure and the tree written out knows every number; this walks both at once. A part
becomes a class of the source, a turn of a repeat one of its objects. Knows no framework.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from convscope.network.shapes import Shape, Sized, Sizes
from convscope.notation import syntax, tree
from convscope.notation.kinds import KINDS
from convscope.notation.syntax import Parameter


@dataclass(slots=True)
class Leaf:
    """One layer. `name` is what its part calls it; `row` has its label in the whole network, and its shapes."""

    name: str
    row: Sized


@dataclass(slots=True)
class Join:
    """`add` or `concat`."""

    kind: Literal["add", "concat"]
    branches: tuple[tuple[Node, ...], ...]
    after: Shape


@dataclass(slots=True)
class Side:
    """`aux`: what prediction leaves out."""

    name: str
    label: str


@dataclass(slots=True, eq=False)
class Part:
    """What becomes one object: a piece in use, a labelled scope, a turn of a repeat, or the whole network.

    origin: the piece or label that names its class. values: what the piece was handed, by parameter.
    """

    name: str
    origin: str
    nodes: tuple[Node, ...]
    before: Shape
    after: Shape
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Repeat:
    """`3 * ( A )`: the turns, each fed by the one before."""

    name: str
    turns: tuple[Part, ...]
    after: Shape


@dataclass(slots=True)
class Cut:
    """`regions 2x2 ( A )`: a part for each region, row by row."""

    name: str
    grid: tree.Size
    parts: tuple[Part, ...]
    after: Shape


Node = Leaf | Join | Side | Part | Repeat | Cut


def structure(network: syntax.Tree, sizes: Sizes) -> Part:
    """The whole network as one part. `sizes` must be of the same text."""
    walk = _Walk(network, sizes)
    nodes = walk.items(network.items, iter(sizes.body.items), sizes.input, {}, _Names())
    return Part("", "net", nodes, sizes.input, sizes.output)


class _Names:
    """The names inside one part: a label, or a word and its turn."""

    def __init__(self) -> None:
        self.turns: Counter[str] = Counter()
        self.taken: set[str] = set()

    def turn(self, word: str) -> str:
        while True:
            self.turns[word] += 1
            name = f"{word}{self.turns[word]}" if not word[-1].isdigit() else f"{word}_{self.turns[word]}"
            if name not in self.taken:
                return self.take(name)

    def take(self, name: str) -> str:
        if name in self.taken:  # two scopes inside one part may have a label each that is the same in the end
            return self.turn(name)
        self.taken.add(name)
        return name


class _Walk:
    def __init__(self, network: syntax.Tree, sizes: Sizes) -> None:
        self.pieces = {piece.name: piece for piece in network.pieces}
        self.rows = sizes.by_name()

    def items(
        self, items: tuple[syntax.Item, ...], written: Iterator[tree.Item], shape: Shape, values: dict[str, Any],
        names: _Names,
    ) -> tuple[Node, ...]:  # fmt: skip
        """The nodes of several items, which take theirs from the front of `written`."""
        nodes: list[Node] = []
        for item in items:
            nodes += self.item(item.form, item.label, written, shape, values, names)
            shape = after(nodes, shape)
        return tuple(nodes)

    def item(
        self, form: syntax.Form, label: str | None, written: Iterator[tree.Item], shape: Shape, values: dict[str, Any],
        names: _Names,
    ) -> list[Node]:  # fmt: skip
        match form:
            case syntax.Layer():
                row = self.rows[next(written).name]
                name = names.take(label) if label else names.turn(KINDS[form.kind].turn)
                return [Leaf(name, row)]
            case syntax.Branches():
                joined = next(written)
                assert isinstance(joined, tree.Branches)
                branches = tuple(
                    self.items(group.items, iter(body.items), shape, values, names)
                    for group, body in zip(form.branches, joined.branches, strict=True)
                )
                return [Join(form.kind, branches, self.rows[joined.name].after)]
            case syntax.Aux():
                aside = next(written)
                return [Side(names.take(label) if label else names.turn("aux"), aside.name)]
            case syntax.Regions():
                cut = next(written)
                assert isinstance(cut, tree.Regions)
                part = (shape[0] // cut.grid[0], shape[1] // cut.grid[1], shape[2])
                parts = tuple(
                    self.part("", label or "region", form.body, iter(body.items), part, values) for body in cut.parts
                )
                return [Cut(names.take(label) if label else names.turn("regions"), cut.grid, parts,
                            self.rows[cut.name].after)]  # fmt: skip
            case syntax.Group():
                if label is None:
                    return list(self.items(form.items, written, shape, values, names))
                return _plain(self.part(names.take(label), label, form, written, shape, values), names)
            case syntax.Call():
                name = names.take(label) if label else ""
                part_ = self.part(name, label or form.name, form, written, shape, values)
                return _plain(part_, names)
            case syntax.Repeat():
                return self.repeat(form, label, written, shape, values, names)

    def repeat(
        self, form: syntax.Repeat, label: str | None, written: Iterator[tree.Item], shape: Shape,
        values: dict[str, Any], names: _Names,
    ) -> list[Node]:  # fmt: skip
        count = values[form.count.name] if isinstance(form.count, Parameter) else form.count
        turns: list[Part] = []
        origin = label or "block"
        if isinstance(form.body, syntax.Call):
            origin = form.body.name
        for _ in range(count):
            turn = self.part("", origin, form.body, written, after(turns, shape), values)
            inner = turn.nodes[0] if len(turn.nodes) == 1 else None
            turns.append(inner if isinstance(inner, Part) else turn)
        if not turns:
            return []
        name = names.take(label) if label else names.turn(turns[0].origin)
        return [Repeat(name, tuple(turns), turns[-1].after)]

    def part(
        self, name: str, origin: str, form: syntax.Form, written: Iterator[tree.Item], shape: Shape,
        values: dict[str, Any],
    ) -> Part:  # fmt: skip
        """A form as an object of its own. A piece knows its class by the piece's name."""
        names = _Names()
        if isinstance(form, syntax.Call):
            piece = self.pieces[form.name]
            handed = [values[value.name] if isinstance(value, Parameter) else value for value in form.values]
            inside = dict(zip(piece.parameters, handed, strict=True))
            nodes = self.items(piece.body.items, written, shape, inside, names)
            return Part(name, form.name, nodes, shape, after(nodes, shape), inside)
        if isinstance(form, syntax.Group):
            nodes = self.items(form.items, written, shape, values, names)
        else:
            nodes = tuple(self.item(form, None, written, shape, values, names))
        return Part(name, origin, nodes, shape, after(nodes, shape), values)


def _plain(part: Part, names: _Names) -> list[Node]:
    """A part in its place; a piece of one layer or of none is no part, but that layer."""
    if not part.nodes:
        return []
    if len(part.nodes) == 1 and isinstance(part.nodes[0], Leaf):
        leaf = part.nodes[0]
        row = leaf.row
        assert isinstance(row.item, tree.Layer)
        return [Leaf(part.name or names.turn(KINDS[row.item.kind].turn), row)]
    if not part.name:
        part.name = names.turn(part.origin)
    return [part]


def after(nodes: tuple[Node, ...] | list[Node] | list[Part], shape: Shape) -> Shape:
    """What leaves the last of some nodes that `shape` reaches."""
    for node in reversed(nodes):
        if isinstance(node, Leaf):
            return node.row.after
        if not isinstance(node, Side):
            return node.after
    return shape
