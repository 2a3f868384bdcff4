"""A syntax tree as text: pieces, repeats, groups and labels kept, every default written out.

The text parses to the same tree, and so printing it again gives the same text. A model's header stores it beside
`notation = 1`.
"""

from __future__ import annotations

from convscope.notation import syntax
from convscope.notation.kinds import KINDS
from convscope.notation.rules import show
from convscope.notation.syntax import Value

NOTATION = 1
"""The version of the notation that `canonical` prints."""


def canonical(tree: syntax.Tree) -> str:
    """The canonical text: what stands before the layers on the first lines, then one item a line."""
    lines: list[str] = []
    if tree.input is not None:
        lines.append("input " + "x".join(map(str, tree.input)))
    if tree.classes is not None:
        lines.append(f"classes {tree.classes}")
    lines += [f"let {piece.name}({', '.join(piece.parameters)}) = {_form(piece.body)}" for piece in tree.pieces]
    lines += [_item(item) for item in tree.items]
    return "\n".join(lines) + "\n"


def _item(item: syntax.Item) -> str:
    label = f"{item.label}: " if item.label else ""
    check = f" -> {'x'.join(map(str, item.expect))}" if item.expect else ""
    return label + _form(item.form) + check


def _inside(group: syntax.Group) -> str:
    return ", ".join(_item(item) for item in group.items)


def _form(form: syntax.Form) -> str:
    match form:
        case syntax.Layer():
            return layer(form)
        case syntax.Group():
            return f"( {_inside(form)} )"
        case syntax.Repeat():
            return f"{show(form.count)} * {_form(form.body)}"
        case syntax.Branches():
            return f"{form.kind}( {' | '.join(map(_inside, form.branches))} )"
        case syntax.Regions():
            return f"regions {_full(form.grid)} {_form(form.body)}"
        case syntax.Aux():
            return f"aux weight={show(form.weight)} {_form(form.body)}"
        case syntax.Call():
            return f"{form.name}({', '.join(map(_value, form.values))})"


def _value(value: Value) -> str:
    """A value handed on: a size stays a size."""
    return _full(value) if isinstance(value, tuple) else show(value)


def _full(value: Value) -> str:
    return f"{value[0]}x{value[1]}" if isinstance(value, tuple) else show(value)


def layer(node: syntax.Layer) -> str:
    """One layer, with every default."""
    kind = KINDS[node.kind]
    words = [node.kind]
    resized = node.options.get("to") is not None
    for place in kind.places:
        if place.name == "kernel":
            words += [] if resized else [_full(node.kernel)]
        elif place.name == "units":
            words.append(show(node.units))
        else:
            words.append(show(node.options[place.name]))
    if kind.stride in ("one", "kernel") and not resized:
        words.append(f"/{show(node.stride)}")
    if kind.padding is not None and not kind.fixed and not resized:
        words.append(node.padding if isinstance(node.padding, str) else f"pad={show(node.padding)}")
    if node.ceil:
        words.append("ceil")
    words += [flag for flag in kind.flags if node.options[flag]]
    for name in kind.options:
        value = node.options[name]
        if value is not None:
            words.append(f"{name}={_full(value) if name == 'to' else show(value)}")
    return " ".join(words)
