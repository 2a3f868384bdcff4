"""What is looked over: a network's text with its shapes, and, as far as they are given, its recipe and its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from convscope.network.shapes import Sized, Sizes
from convscope.notation.tree import Branches, Item, Layer, Sequence, bodies
from convscope.preflight.finding import Edit

if TYPE_CHECKING:
    from convscope.data.images import DataSet
    from convscope.recipe import Recipe


class Found(NamedTuple):
    """What a lint says; its name and level are those of its row in the registry."""

    where: str
    reason: str
    fix: str
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Subject:
    """text: the network as written. sizes: with every shape. recipe, data: None where a network alone is looked at."""

    text: str
    sizes: Sizes
    recipe: Recipe | None = None
    data: DataSet | None = None

    @property
    def settings(self) -> Recipe:
        """The recipe, for lints that are only asked where there is one."""
        assert self.recipe is not None
        return self.recipe

    @property
    def pictures(self) -> DataSet:
        """The data, for lints that are only asked where there is some."""
        assert self.data is not None
        return self.data

    def layers(self) -> Iterator[tuple[Layer, Sized]]:
        """Every layer with its shapes, in reading order; those of a piece once for each use."""
        for row in self.sizes.rows:
            if isinstance(row.item, Layer):
                yield row.item, row

    def sequences(self) -> Iterator[tuple[tuple[Item, ...], bool]]:
        """The items of every sequence, and whether it is the network's own body; branches, parts and sides too."""
        yield self.sizes.body.items, True
        for inner in _inner(self.sizes.body):
            yield inner.items, False

    def neighbours(self) -> Iterator[tuple[Layer, Layer]]:
        """Layers of which the second sees what leaves the first, and nothing else."""
        for items, _ in self.sequences():
            for first, second in pairwise(items):
                if isinstance(first, Layer) and isinstance(second, Layer):
                    yield first, second

    def in_branches(self) -> set[str]:
        """The names of layers that stand in a branch of an `add` or `concat`."""
        return {layer.name for item, _ in self._items() if isinstance(item, Branches) for layer in _layers(item)}

    def _items(self) -> Iterator[tuple[Item, bool]]:
        for items, top in self.sequences():
            for item in items:
                yield item, top


def _inner(sequence: Sequence) -> Iterator[Sequence]:
    for item in sequence.items:
        for body in bodies(item):
            yield body
            yield from _inner(body)


def _layers(item: Item) -> Iterator[Layer]:
    if isinstance(item, Layer):
        yield item
    for body in bodies(item):
        for each in body.items:
            yield from _layers(each)


def one_each(rows: list[tuple[Layer, Edit]]) -> tuple[Edit, ...]:
    """The edits of several layers, once for each place in the text: a piece's layers share theirs."""
    return tuple(dict.fromkeys(edit for _, edit in rows))


def named(layers: list[Layer], most: int = 4) -> str:
    """`conv1, conv2 and 11 more`."""
    names = [layer.name for layer in layers]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
