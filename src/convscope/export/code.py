"""A network as source that stands alone: a class with a forward, written as an engineer would.

What the source is made of is known to `structure` (the author's parts), `classes` (which of them are alike), and one
table for each framework; here it is only written down. Nothing here is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from convscope.errors import ConvscopeError, unknown
from convscope.export.body import Body
from convscope.export.classes import Class, Classes
from convscope.export.keras_rules import KERAS
from convscope.export.layout import call, comment, filled
from convscope.export.steps import Dialect, Module
from convscope.export.structure import Cut, Join, Leaf, Node, Part, Repeat, Side, structure
from convscope.export.torch_rules import TORCH
from convscope.network.cost import buffers, parameters, total_parameters
from convscope.network.shapes import Sizes
from convscope.notation.syntax import Tree

DIALECTS = {dialect.name: dialect for dialect in (TORCH, KERAS)}


@dataclass(frozen=True, slots=True)
class About:
    """What the source's first lines say: what it was written of and by, and how pictures become its input."""

    title: str
    version: str
    text: str
    notes: tuple[str, ...] = ()


def source(network: Tree, sizes: Sizes, dialect: str, about: About) -> str:
    """The Python source of a network. `sizes` must be of the same text.

    Raises ConvscopeError for an unknown dialect.
    """
    if dialect not in DIALECTS:
        raise ConvscopeError(unknown("framework", dialect, DIALECTS))
    about = replace(about, notes=(*_instead(network, sizes), *about.notes))
    return _Writer(structure(network, sizes), sizes, DIALECTS[dialect]).source(about)


def _instead(network: Tree, sizes: Sizes) -> list[str]:
    """Which of the text's own numbers the source doesn't have, since others were given."""
    said, more = [], ""
    if network.input not in (None, sizes.input):
        said.append(f"input {'x'.join(map(str, sizes.input))}")
        more = "; the sizes after -> are the text's own"
    if network.classes not in (None, sizes.classes):
        said.append(f"classes {sizes.classes}")
    return [f"Written for {', '.join(said)}, not for what the text has{more}."] if said else []


class _Writer:
    def __init__(self, net: Part, sizes: Sizes, dialect: Dialect) -> None:
        self.net, self.sizes, self.dialect = net, sizes, dialect
        self.classes = Classes(net, dialect)

    def source(self, about: About) -> str:
        written = [self.class_(each) for each in self.classes.all]
        body = "\n\n\n".join(written)
        needed = self.helpers(body)
        loading = self.loading()
        head = comment(self.heading(about))
        imports = self.imports(body + needed + loading)
        if not needed.lstrip().startswith(("class", "def")):
            needed = needed[1:]  # a formatter wants one line free between the imports and a plain assignment
        return f"{head}\n{imports}{needed}\n\n{body}\n\n{loading}"

    # ---- what stands around the classes ------------------------------------------------------------------------

    def heading(self, about: About) -> list[str]:
        height, width, channels = self.sizes.input
        sides = [node.label for node in _all_sides(self.net)]
        lines = [
            about.title,
            f"Written by convscope {about.version}; it needs {self.dialect.name} alone.",
            f"{total_parameters(self.sizes):,} parameters".replace(",", " ")
            + f"; pictures of {height} x {width} x {channels} (height x width x channels).",
            "",
            *(f"  {line}".rstrip() for line in about.text.splitlines()),
            "",
            *about.notes,
        ]
        if sides:
            lines.append(
                f"Left out: {', '.join(sides)}, side classifiers that count in training alone; the outputs don't "
                f"need them."
            )
        return lines

    def helpers(self, body: str) -> str:
        """The helpers that the classes name, with those that these name, in the table's order."""
        needed: set[str] = set()
        text = body
        while True:
            found = {name for name in self.dialect.helpers if re.search(rf"(?<![\w.]){name}\(", text)} - needed
            if not found:
                break
            needed |= found
            text = "".join(self.dialect.helpers[name] for name in found)
        return "".join(f"\n\n{self.dialect.helpers[name].strip()}\n" for name in self.dialect.helpers if name in needed)

    def imports(self, text: str) -> str:
        """The imports that a source uses, the standard library's apart."""
        plain = "".join(f"import {name}\n" for name in ("json", "math") if f"{name}." in text)
        others = "".join(f"{line}\n" for line, uses in self.dialect.imports if any(f"{use}." in text for use in uses))
        others = others.replace("import layers\nfrom keras import ops", "import layers, ops")
        return f"{plain}\n{others}" if plain else others

    def loading(self) -> str:
        names = self.names()
        height, width, channels = self.sizes.input
        lines = [f"\nINPUT = ({height}, {width}, {channels})  # height, width, channels"]
        if names:
            lines += ["# What the model file calls the layers with weights, in the order of the classes",
                      'NAMES = """', *filled(names), '"""']  # fmt: skip
        return "\n".join(lines) + "\n" + (f"\n{self.dialect.loading}" if names else "")

    def names(self) -> list[str]:
        """What the model file calls each object with tensors, in the order in which they are made."""
        return [
            leaf.row.item.name
            for leaf in _leaves(self.net.nodes)
            for step in self.classes.steps(leaf)
            if isinstance(step, Module) and step.weights and (parameters(leaf.row) or buffers(leaf.row))
        ]

    # ---- one class ---------------------------------------------------------------------------------------------

    def class_(self, each: Class) -> str:
        body = Body(each, self.classes)
        net = each.first is self.net
        forward = body.forward(net)
        kept = [name for name in each.parameters if re.search(rf"\bself\.{name}\b", "\n".join(forward)) is not None]
        lines = [f"class {each.name}({self.dialect.base}):"]
        if net:
            sizes = (self.dialect.shape(shape) for shape in (self.sizes.input, self.sizes.output))
            lines += ['    """Pictures of {} to {}."""'.format(*sizes), ""]
        if body.made or kept:
            lines += call("    def __init__(", ["self", *each.parameters], "):")
            lines += ["        super().__init__()", *(f"        self.{name} = {name}" for name in kept), *body.made, ""]
        return "\n".join([*lines, f"    def {self.dialect.forward}(self, x):", *forward])


def _leaves(nodes: Sequence[Node]) -> Iterator[Leaf]:
    """Every layer in reading order, those of all turns and branches."""
    for node in nodes:
        match node:
            case Leaf():
                yield node
            case Join():
                for branch in node.branches:
                    yield from _leaves(branch)
            case Part():
                yield from _leaves(node.nodes)
            case Repeat():
                for turn in node.turns:
                    yield from _leaves(turn.nodes)
            case Cut():
                for part in node.parts:
                    yield from _leaves(part.nodes)
            case Side():
                pass


def _all_sides(part: Part) -> Iterator[Side]:
    """The side classifiers, wherever they stand."""
    stack: list[Node] = [*part.nodes]
    while stack:
        node = stack.pop(0)
        match node:
            case Side():
                yield node
            case Join():
                stack = [inner for branch in node.branches for inner in branch] + stack
            case Part():
                stack = [*node.nodes, *stack]
            case Repeat():
                stack = [*node.turns, *stack]
            case Cut():
                stack = [*node.parts, *stack]
            case Leaf():
                pass
