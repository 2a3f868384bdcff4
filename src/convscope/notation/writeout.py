"""The syntax tree written out: pieces and repeats unrolled, parameters replaced, every layer named.

Names are as NOTATION says: a kind and its turn in reading order, counted afresh in each scope; a label on a layer is
its name; a label on any other form, `aux` and `regions` open a scope, and in a labelled repeat each turn does. Turns
count from 1, as everything in a name does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from convscope.notation import syntax, tree
from convscope.notation.arguments import disagreement
from convscope.notation.kinds import GRID, KINDS, PADDING, STRIDE, WEIGHT
from convscope.notation.rules import RefusedValue, Rule, show
from convscope.notation.source import NotationError
from convscope.notation.syntax import Parameter, Start
from convscope.notation.tree import Place

MOST_LAYERS = 10_000
_MOST_TURNS = 10 * MOST_LAYERS  # groups, uses of pieces and turns of repeats, which may hold no layer at all
_DEEPEST = 100  # pieces in pieces in brackets


def write_out(network: syntax.Tree) -> tree.Written:
    """The tree that the walks over shapes, cost, drawing and module are given.

    Raises NotationError for what only a piece's use shows: a value that does not fit, a name twice, more than 10 000
    layers.
    """
    writer = _Writer(network)
    items, expects = writer.sequence(network.items, _Scope(""), {})
    body = tree.Sequence(tuple(items), tuple(expects))
    return tree.Written(body, network.input, network.classes)


@dataclass(slots=True)
class _Scope:
    """Names that count together. `prefix` ends in a dot where it isn't empty."""

    prefix: str
    turns: Counter[str] = field(default_factory=Counter)

    def turn(self, word: str) -> str:
        self.turns[word] += 1
        return f"{self.prefix}{word}{self.turns[word]}"

    def inner(self, name: str) -> _Scope:
        return _Scope(f"{name}.")


_Values = dict[str, Any]
_Expects = list[tuple[int, tuple[int, ...], Place]]


class _Writer:
    """One walk over a syntax tree; `uses` are the pieces that are being written out, the innermost last."""

    def __init__(self, network: syntax.Tree) -> None:
        self.network = network
        self.pieces = {piece.name: piece for piece in network.pieces}
        self.names: dict[str, Place] = {}
        self.uses: list[syntax.Call] = []
        self.layers = 0
        self.turns = 0
        self.depth = 0

    def error(self, place: Place, what: str, hint: str = "") -> NotationError:
        notes = [
            f"in the piece '{use.name}', used at line {use.place.line}, column {use.place.column}"
            for use in reversed(self.uses)
        ]
        if len(notes) > 6:
            notes = [*notes[:3], f"... {len(notes) - 6} more ...", *notes[-3:]]
        return self.network.source.error(place, what, hint, notes)

    def value(self, given: Any, rule: Rule, subject: str, values: _Values) -> Any:
        """A parameter's value, read by its rule; anything else was read when it was parsed."""
        if isinstance(given, Start) and isinstance(given.value, Parameter):
            place = given.value.place
            start = Start(given.kind, values[given.value.name])
            return self._read(start, rule, subject, given.value.name, place)
        if not isinstance(given, Parameter):
            return given
        return self._read(values[given.name], rule, subject, given.name, given.place)

    def _read(self, raw: Any, rule: Rule, subject: str, name: str, place: Place) -> Any:
        try:
            return rule.read(raw)
        except RefusedValue as refused:
            raise self.error(place, f"{subject} {refused.what} for '{name}'", refused.hint) from None

    def name(self, name: str, place: Place, labelled: bool) -> str:
        """The name, taken for the whole network."""
        before = self.names.get(name)
        if before is not None:
            if labelled and before == place:
                raise self.error(
                    place, f"the name '{name}' comes twice, because what it labels is used twice", "label the uses"
                )
            raise self.error(
                place,
                f"the name '{name}' comes twice: it is taken at line {before.line}, column {before.column}",
                "give it another label",
            )
        self.names[name] = place
        return name

    def count(self, place: Place) -> None:
        self.layers += 1
        if self.layers > MOST_LAYERS:
            raise self.error(place, "written out, this text has more than 10 000 layers", "repeat less")

    def count_turn(self, place: Place) -> None:
        self.turns += 1
        if self.turns > _MOST_TURNS:
            raise self.error(place, "written out, this text has more than 100 000 groups and turns", "repeat less")

    def sequence(
        self, items: tuple[syntax.Item, ...], scope: _Scope, values: _Values
    ) -> tuple[list[tree.Item], _Expects]:
        """The items written out, and the checks of groups among them."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error(items[0].form.place, f"more than {_DEEPEST} pieces and groups stand in each other")
        done: list[tree.Item] = []
        expects: _Expects = []
        for item in items:
            self.item(item, scope, values, done, expects)
        self.depth -= 1
        return done, expects

    def body(self, group: syntax.Group, scope: _Scope, values: _Values) -> tree.Sequence:
        items, expects = self.sequence(group.items, scope, values)
        return tree.Sequence(tuple(items), tuple(expects))

    def item(self, item: syntax.Item, scope: _Scope, values: _Values, done: list[tree.Item], expects: _Expects) -> None:
        form = item.form
        match form:
            case syntax.Layer():
                done.append(self.layer(form, item, scope, values))
            case syntax.Branches():
                self.count(form.place)
                name, inner = self.named(form.kind, item, form.place, scope)
                inside = inner if item.label else scope
                branches = tuple(self.body(branch, inside, values) for branch in form.branches)
                done.append(tree.Branches(form.kind, name, form.place, branches, item.expect))
            case syntax.Regions():
                grid = self.value(form.grid, GRID, "the number of parts", values)
                name, inner = self.named("regions", item, form.place, scope)
                parts = []
                for row in range(1, grid[0] + 1):
                    for column in range(1, grid[1] + 1):
                        self.count(form.place)
                        parts.append(self.body(form.body, inner.inner(f"{inner.prefix}{row}x{column}"), values))
                done.append(tree.Regions(name, form.place, grid, tuple(parts), item.expect))
            case syntax.Aux():
                self.count(form.place)
                weight = self.value(form.weight, WEIGHT.rule, "weight=", values)
                name, inner = self.named("aux", item, form.place, scope)
                done.append(tree.Aux(name, form.place, weight, self.body(form.body, inner, values), item.expect))
            case _:
                if item.label:
                    name = self.name(scope.prefix + item.label, item.label_place, True)
                    scope = scope.inner(name)
                self.unroll(form, scope, values, done, expects, bool(item.label))
                if item.expect is not None:
                    expects.append((len(done), item.expect, item.expect_place))

    def named(self, word: str, item: syntax.Item, place: Place, scope: _Scope) -> tuple[str, _Scope]:
        """The name of a form that may open a scope, and that scope. A label changes no other name: the turn counts."""
        turn = scope.turn(word)
        if item.label:
            name = self.name(scope.prefix + item.label, item.label_place, True)
        else:
            name = self.name(turn, place, False)
        return name, scope.inner(name)

    def unroll(
        self, form: syntax.Form, scope: _Scope, values: _Values, done: list[tree.Item], expects: _Expects, label: bool
    ) -> None:
        """The items of a group, a repeat or a use of a piece, added to `done`."""
        match form:
            case syntax.Group():
                self.count_turn(form.place)
                items, inner = self.sequence(form.items, scope, values)
                expects += [(len(done) + at, shape, place) for at, shape, place in inner]
                done += items
            case syntax.Repeat():
                for turn in range(1, self.times(form.count, values) + 1):
                    self.count_turn(form.place)
                    each = scope.inner(f"{scope.prefix}{turn}") if label else scope
                    bare = syntax.Item(form.body)
                    self.item(bare, each, values, done, expects)
            case syntax.Call():
                self.count_turn(form.place)
                piece = self.pieces[form.name]
                handed = [values[value.name] if isinstance(value, Parameter) else value for value in form.values]
                self.uses.append(form)
                self.unroll(piece.body, scope, dict(zip(piece.parameters, handed, strict=True)), done, expects, False)
                self.uses.pop()
            case _:
                raise AssertionError(f"{form} is an item of its own")

    def times(self, count: int | Parameter, values: _Values) -> int:
        if isinstance(count, int):
            return count
        value = values[count.name]
        if not isinstance(value, int) or value < 0:
            raise self.error(
                count.place, f"a count must be a whole number from 0. Got {_full(value)} for '{count.name}'"
            )
        return value

    def layer(self, node: syntax.Layer, item: syntax.Item, scope: _Scope, values: _Values) -> tree.Layer:
        """One layer with its name and values."""
        self.count(node.place)
        kind = KINDS[node.kind]
        turn = scope.turn(kind.turn)
        if item.label:
            name = self.name(scope.prefix + item.label, item.label_place, True)
        else:
            name = self.name(turn, node.place, False)
        kernel, units, options = node.kernel, node.units, dict(node.options)
        stride, padding = node.stride, node.padding
        if values:
            for place in kind.places:
                subject = place.subject(kind.name)
                if place.name == "kernel":
                    kernel = self.value(kernel, place.rule, subject, values)
                elif place.name == "units":
                    units = self.value(units, place.rule, subject, values)
                else:
                    options[place.name] = self.value(options[place.name], place.rule, subject, values)
            stride = self.value(stride, STRIDE, "a stride", values)
            padding = self.value(padding, PADDING, "pad=", values)
            for given in kind.options.values():
                options[given.name] = self.value(options[given.name], given.rule, f"{given.name}=", values)
            whole = replace(node, kernel=kernel, units=units, stride=stride, padding=padding, options=options)
            wrong = disagreement(whole)
            if wrong:
                raise self.error(node.places.get(wrong[0], node.place), wrong[1], wrong[2])
        for key, value in options.items():
            if isinstance(value, Start):
                options[key] = tree.Init(value.kind, value.value)  # type: ignore[assignment, arg-type]
        return tree.Layer(
            node.kind,
            name,
            node.place,
            kernel,  # type: ignore[arg-type]  # no parameter is left
            units,  # type: ignore[arg-type]
            stride,  # type: ignore[arg-type]
            padding,  # type: ignore[arg-type]
            node.ceil,
            options,  # type: ignore[arg-type]
            item.expect,
        )


def _full(value: Any) -> str:
    return f"{value[0]}x{value[1]}" if isinstance(value, tuple) else show(value)
