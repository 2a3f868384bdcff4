"""Parts that are alike become one class, and what differs between them its parameters.

All parts with the same layers in the same order share a class; an argument that is the same in all of them stands in
the class as a number, one that isn't becomes a parameter, and arguments that always go together become one. So the
classes are right whatever the pieces were: no number is worked out anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from convscope.export.steps import Arg, Dialect, Literal, Module, Step, place
from convscope.export.structure import Cut, Join, Leaf, Node, Part, Repeat, Side

Skeleton = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """One object of a class: what stands between its parentheses."""

    name: str
    args: tuple[Arg, ...]


@dataclass(slots=True)
class Class:
    """One class: its parameters, and for each argument inside it a number or the parameter that stands for it.

    first: one of its parts, from which it is written; labels: where its objects stand in the network.
    """

    name: str
    parameters: tuple[str, ...]
    values: tuple[str | Arg, ...]
    first: Part
    parts: list[Part] = field(default_factory=list)


class Classes:
    """All classes of a network, the inner ones first; `made` says what each part is an object of."""

    def __init__(self, network: Part, dialect: Dialect) -> None:
        self.dialect = dialect
        self.made: dict[Part, Made] = {}
        self.all: list[Class] = []
        self._steps: dict[int, list[Step]] = {}
        self._taken = {"Net", *dialect.words, *dialect.helpers}
        levels: dict[int, list[Part]] = {}
        _level(network, levels)
        for level in sorted(levels):
            alike: dict[Skeleton, list[tuple[Part, list[Arg]]]] = {}
            for part in levels[level]:
                args: list[Arg] = []
                skeleton = tuple(self._skeleton(node, args) for node in part.nodes)
                alike.setdefault((part is network, skeleton), []).append((part, args))
            for group in alike.values():
                self._unite(group, network)

    def steps(self, leaf: Leaf) -> list[Step]:
        """The lines of a layer."""
        if id(leaf) not in self._steps:
            self._steps[id(leaf)] = self.dialect.rules[leaf.row.item.kind](leaf.row)
        return self._steps[id(leaf)]

    def _skeleton(self, node: Node, args: list[Arg]) -> Skeleton:
        """What must be the same for two nodes to be written alike; their arguments are added to `args`."""
        match node:
            case Leaf():
                forms: list[Skeleton] = []
                for step in self.steps(node):
                    args += step.args
                    form = step.make if isinstance(step, Module) else step.template
                    forms.append((form, *(arg.key for arg in step.args)))
                return ("leaf", node.name, *forms)
            case Join():
                return (node.kind, *(tuple(self._skeleton(inner, args) for inner in b) for b in node.branches))
            case Side():
                return ("aux", node.name)
            case Part():
                args += self.made[node].args
                return ("part", node.name, self.made[node].name)
            case Repeat():
                return ("repeat", node.name, *self._several(node.turns, args))
            case Cut():
                args += [place(node.grid[0], "rows"), place(node.grid[1], "columns")]
                return ("regions", node.name, *self._several(node.parts, args))

    def _several(self, parts: tuple[Part, ...], args: list[Arg]) -> Skeleton:
        made = [self.made[part] for part in parts]
        if is_one(made):
            args += [place(len(parts), "count"), *made[0].args]
            return ("times", made[0].name)
        args += [arg for each in made for arg in each.args]
        return ("each", *(each.name for each in made))

    def _unite(self, group: list[tuple[Part, list[Arg]]], network: Part) -> None:
        """One class for parts with one skeleton, and what each of them hands to it."""
        parts = [part for part, _ in group]
        columns: list[tuple[Literal, ...]] = [
            tuple(args[at].value for _, args in group) for at in range(len(group[0][1]))
        ]
        first = group[0][1]
        handed = _handed(parts)
        keys: list[tuple[str, Any]] = []
        hints: dict[Any, list[str]] = {}
        for arg, column in zip(first, columns, strict=True):
            typed = tuple(map(_typed, column))
            own = arg.counts in _NEVER_HANDED or typed not in handed
            keys.append((arg.counts if own else "", typed))
            hints.setdefault(keys[-1], []).append(arg.hint if own else handed[typed])
        names: dict[Any, str] = {}
        taken = {node.name for node in walk(parts[0].nodes) if not isinstance(node, Join)}
        values: list[str | Arg] = []
        for arg, key, column in zip(first, keys, columns, strict=True):
            if len(set(map(_typed, column))) == 1:
                values.append(arg)
                continue
            if key not in names:
                wanted = _plainest(hints[key])
                names[key] = _free(f"{wanted}_" if wanted in self.dialect.words else wanted, taken)
                taken.add(names[key])
            values.append(names[key])
        name = "Net" if parts[0] is network else _free(_camel(_origin(parts)), self._taken)
        self._taken.add(name)
        self.all.append(Class(name, tuple(names.values()), tuple(values), parts[0], parts))
        where = [keys.index(key) for key in names]
        for part, args in group:
            given = (
                Arg(args[at].value, parameter, sort=first[at].counts)
                for at, parameter in zip(where, names.values(), strict=True)
            )
            self.made[part] = Made(name, tuple(given))


_NEVER_HANDED = ("padding", "pad", "rows", "columns", "more_channels")
"""What an author hands to a piece is hardly one of these: where the numbers are the same, that is by chance."""


def is_one(made: list[Made]) -> bool:
    """Whether several objects are made in one and the same way."""
    return all(each == made[0] for each in made)


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """The nodes of one part, those in branches too; the parts in it are nodes, and not gone into."""
    for node in nodes:
        yield node
        if isinstance(node, Join):
            for branch in node.branches:
                yield from walk(branch)


def inner_parts(nodes: tuple[Node, ...]) -> Iterator[Part]:
    """The parts that stand directly in some nodes."""
    for node in walk(nodes):
        if isinstance(node, Part):
            yield node
        elif isinstance(node, Repeat):
            yield from node.turns
        elif isinstance(node, Cut):
            yield from node.parts


def _level(part: Part, levels: dict[int, list[Part]]) -> int:
    level = max((_level(inner, levels) + 1 for inner in inner_parts(part.nodes)), default=0)
    levels.setdefault(level, []).append(part)
    return level


def _handed(parts: list[Part]) -> dict[Any, str]:
    """What was handed to a piece, as a column over its uses: the names that its author gave."""
    if any(part.values.keys() != parts[0].values.keys() for part in parts):
        return {}
    columns: dict[Any, str] = {}
    for name in parts[0].values:
        values = [part.values[name] for part in parts]
        short = [v[0] if isinstance(v, tuple) and v[0] == v[1] else v for v in values]
        columns.setdefault(tuple(map(_typed, short)), name)
    return columns


def _typed(value: Any) -> Any:
    """1, 1.0 and True are not one."""
    return type(value).__name__, value


def _plainest(hints: list[str]) -> str:
    """What a parameter that stands in several places is called."""
    return next((hint for hint in ("in_channels", "in_features") if hint in hints), hints[0])


def _origin(parts: list[Part]) -> str:
    """What a class is called after: `layer` for parts that are labelled layer2 and layer3, `block` for parts that have
    nothing of a name in common."""
    origins = {part.origin for part in parts}
    if len(origins) == 1:
        return parts[0].origin
    stems = {origin.rstrip("0123456789_") for origin in origins}
    return stems.pop() if len(stems) == 1 else "block"


def _free(name: str, taken: set[str]) -> str:
    """The name, or the name with the first number that makes it one of its own."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}" if name[-1].isdigit() else f"{name}{number}"
    return found


def _camel(word: str) -> str:
    """`dark_block` and `layer2` as names of classes."""
    return "".join(part[:1].upper() + part[1:] for part in word.split("_") if part) or "Part"
