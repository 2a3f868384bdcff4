"""One class written down: its `__init__` and its forward, which reads like the figure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from convscope.export.classes import Class, Classes, Made, is_one
from convscope.export.layout import WIDTH, call, folded, is_atom, literal, statement
from convscope.export.steps import Arg, Inline, Module
from convscope.export.structure import Cut, Join, Leaf, Node, Part, Repeat, Side
from convscope.network.shapes import Shape

_JOINING = frozenset({"bn", "relu", "relu6", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky", "dropout", "conv",
                      "dense", "identity", "flatten", "scale", "softmax"})  # fmt: skip
"""What may stand inside of what follows it, on one line; after any other layer a line ends."""


class Body:
    """The two methods of one class. An argument is taken from the front of the class's values, in reading order."""

    def __init__(self, each: Class, classes: Classes) -> None:
        self.each, self.classes, self.dialect = each, classes, classes.dialect
        self.values = iter(each.values)
        self.letters = 0
        self.lines: list[str] = []
        self.made: list[str] = []
        self.last: tuple[int, str, str] | None = None
        self.same_shapes = all(part.before == each.first.before for part in each.parts)

    def forward(self, net: bool) -> list[str]:
        """Writes both methods; gives the lines of the second."""
        end = self.nodes(self.each.first.nodes, "x", "x")
        if net and len(self.each.first.after) == 3 and self.each.first.after[:2] == (1, 1):
            end = self.dialect.flatten.replace("{x}", end)
        if end == "x" and self.last is not None:  # the last line gives what it would have put into x
            count, expression, comment = self.last
            return [*self.lines[:count], *statement("return ", expression, comment)]
        return [*self.lines, *statement("return ", end, "")]

    def taken(self, count: int) -> list[str | Arg]:
        return [next(self.values) for _ in range(count)]

    def nodes(self, nodes: Sequence[Node], arrives: str, target: str) -> str:
        """Lines that compute several nodes from the expression `arrives` into the variable `target`; gives the last
        expression, which may be unassigned yet. Nothing is written over but `target`."""
        now = arrives
        for node in nodes:
            match node:
                case Leaf():
                    now = self.leaf(node, now, target)
                case Join():
                    now = self.join(node, now, target)
                case Side():
                    pass
                case Part():
                    now = self.settled(now, target)
                    made = self.classes.made[node]
                    self.keep(node.name, f"{made.name}(", self.args(made), ")")
                    now = self.assign(target, f"self.{self.attribute(node.name)}({now})", node.after)
                case Repeat():
                    now = self.settled(now, target)
                    self.several(node.name, node.turns, *self.dialect.sequential)
                    now = self.assign(target, f"self.{self.attribute(node.name)}({now})", node.after)
                case Cut():
                    now = self.settled(now, target)
                    rows, columns = (self.shown(value) for value in self.taken(2))
                    self.several(node.name, node.parts, f"Regions({rows}, {columns}, [", "])")
                    now = self.assign(target, f"self.{self.attribute(node.name)}({now})", node.after)
        return now

    def settled(self, now: str, target: str) -> str:
        """A variable that holds what `now` says."""
        return now if now.isidentifier() else self.assign(target, now, None)

    def attribute(self, name: str) -> str:
        return f"{name}_" if name in self.dialect.words else name

    def leaf(self, leaf: Leaf, now: str, target: str) -> str:
        steps = self.classes.steps(leaf)
        joining = leaf.row.item.kind in _JOINING or not steps
        if not joining and len(now) > 26:  # what pools has a line to itself, or stands around a short one
            now = self.assign(target, now, None)
        modules = 0
        for step in steps:
            values = self.taken(len(step.args))
            if isinstance(step, Module):
                modules += 1
                name = leaf.name if modules == 1 else f"{leaf.name}_{step.make.rpartition('.')[2].lower()}"
                args = self.written(step.args, values)
                self.keep(name, f"{step.make}(", args, ")")
                if _starts(leaf) and now not in ("x", target) and modules == 1 and not _padding(now):
                    now = self.assign(target, now, None)
                now = f"self.{self.attribute(name)}({now})"
            else:
                now = self.inline(step, values, now, target)
        if len(now) > WIDTH - 16 or not joining:
            now = self.assign(target, now, leaf.row.after)
        return now

    def inline(self, step: Inline, values: list[str | Arg], now: str, target: str) -> str:
        if not now.isidentifier() and not re.search(r"\(\{x\}[,){]", step.template) and not is_atom(now):
            now = self.assign(target, now, None)
        written = self.written(step.args, values, inside=True)
        text = step.template.replace("{args}", "".join(f", {each}" for each in written))
        for digit in re.findall(r"\{(\d)\}", step.template):
            text = text.replace(f"{{{digit}}}", self.shown(values[int(digit)], inside=True))
        text = text.replace("::1,", ":,").replace("::1]", ":]")
        if len(text) + len(now) > WIDTH - 16 and now != target:
            now = self.assign(target, now, None)
        return text.replace("{x}", now)

    def join(self, join: Join, now: str, target: str) -> str:
        now = self.settled(now, target)
        ends: list[str] = []
        marks = self.letters
        for branch in join.branches:
            variable = chr(ord("a") + self.letters) if self.letters < 20 else f"a{self.letters}"
            self.letters += 1
            end = self.nodes(branch, now, variable)
            ends.append(self.settled(end, variable))
            self.letters -= ends[-1] == now  # a branch that hands on what it sees needs no variable
        self.letters = marks
        if join.kind == "concat":
            joined = self.dialect.concat.replace("{branches}", ", ".join(ends))
            return self.assign(target, joined, join.after)
        return self.sum(ends, target)

    def sum(self, ends: list[str], target: str) -> str:
        joined = " + ".join(ends)
        if len(joined) < WIDTH - 30:
            return joined
        return self.assign(target, joined, None)

    def several(self, name: str, parts: tuple[Part, ...], opens: str, closes: str) -> None:
        """Objects in a row: those made alike are folded."""
        made = [self.classes.made[part] for part in parts]
        if is_one(made):
            count = self.shown(self.taken(1)[0])
            one = f"{made[0].name}({', '.join(self.args(made[0]))})"
            if count == "1":
                self.keep(name, opens, [one], closes)
                return
            loop = f"{one} for _ in range({count})"
            if opens.endswith("["):
                self.keep(name, opens, [loop], closes, comma=False)
            else:
                self.keep(name, opens, [f"*({loop})"], closes)
            return
        calls = [(each.name, self.args(each)) for each in made]
        self.keep(name, opens, list(folded(calls)), closes)

    def args(self, made: Made) -> list[str]:
        return [self.shown(value) for value in self.taken(len(made.args))]

    def written(self, args: tuple[Arg, ...], values: list[str | Arg], inside: bool = False) -> list[str]:
        """What stands between the parentheses, without what the framework takes by itself."""
        return [
            f"{arg.key}={self.shown(value, inside)}" if arg.key else self.shown(value, inside)
            for arg, value in zip(args, values, strict=True)
            if not (isinstance(value, Arg) and value.left_out)
        ]

    def shown(self, value: str | Arg, inside: bool = False) -> str:
        """A number, or the parameter for it: in forward (`inside`) it is kept by the object."""
        if isinstance(value, Arg):
            return literal(value.value)
        return f"self.{value}" if inside else value

    def keep(self, name: str, opens: str, args: list[str], closes: str, comma: bool = True) -> None:
        self.made += call(f"        self.{self.attribute(name)} = {opens}", args, closes, comma)

    def assign(self, target: str, expression: str, after: Shape | None) -> str:
        """A line, with the shape behind it where all objects of the class have it."""
        if expression == target:
            return target
        known = after is not None and self.same_shapes
        comment = f"  # {self.dialect.shape(after)}" if known and after else ""
        self.last = (len(self.lines), expression, comment) if target == "x" else None
        self.lines += statement(f"{target} = ", expression, comment)
        return target


def _starts(leaf: Leaf) -> bool:
    return leaf.row.item.kind in ("conv", "dense", "subsample", "rbf")


def _padding(now: str) -> bool:
    """Whether an expression only prepares what the next layer takes."""
    return bool(re.fullmatch(r"(F\.pad|pad|border|flatten)\(\w+(, .*)?\)|\w+\.flatten\(1\)", now))
