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


def brief(tree: syntax.Tree) -> str:
    """The same network on one line, as a person would write it: what is as usual is left out, and comes back when the
    text is parsed."""
    head = [f"input {'x'.join(map(str, tree.input))}"] if tree.input is not None else []
    head += [f"classes {tree.classes}"] if tree.classes is not None else []
    head += [f"let {p.name}({', '.join(p.parameters)}) = {_form(p.body, usual=True)}" for p in tree.pieces]
    return ", ".join([*head, *(_item(item, usual=True) for item in tree.items)])


def _item(item: syntax.Item, usual: bool = False) -> str:
    label = f"{item.label}: " if item.label else ""
    check = f" -> {'x'.join(map(str, item.expect))}" if item.expect else ""
    return label + _form(item.form, usual) + check


def _inside(group: syntax.Group, usual: bool) -> str:
    return ", ".join(_item(item, usual) for item in group.items)


def _form(form: syntax.Form, usual: bool = False) -> str:
    match form:
        case syntax.Layer():
            return _short(form) if usual else layer(form)
        case syntax.Group():
            return f"( {_inside(form, usual)} )"
        case syntax.Repeat():
            return f"{show(form.count)} * {_form(form.body, usual)}"
        case syntax.Branches():
            return f"{form.kind}( {' | '.join(_inside(branch, usual) for branch in form.branches)} )"
        case syntax.Regions():
            return f"regions {_full(form.grid)} {_form(form.body, usual)}"
        case syntax.Aux():
            return f"aux weight={show(form.weight)} {_form(form.body, usual)}"
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
    words += [_option(name, node.options[name]) for name in kind.options if node.options[name] is not None]
    return " ".join(words)


def _short(node: syntax.Layer) -> str:
    """One layer without what is as usual: the words of `layer` that a parser would not add by itself."""
    kind = KINDS[node.kind]
    options = [
        _option(name, node.options[name])
        for name, given in kind.options.items()
        if node.options[name] is not None and node.options[name] != given.default
    ]
    usual = {"/1"} if kind.stride == "one" else {f"/{show(node.kernel)}"} if kind.stride == "kernel" else set()
    usual |= {kind.padding} if kind.padding and not node.ceil else set()
    given = [word for word in layer(node).split(" ") if word not in usual and "=" not in word]
    last = kind.places[-1] if kind.places else None
    if last is not None and not last.required:
        value = node.units if last.name == "units" else node.options[last.name]
        if value == last.default and given[-1] == show(value):
            given.pop()
    pad = [word for word in layer(node).split(" ") if word.startswith("pad=")]
    return " ".join([*given, *(word for word in pad if not (node.ceil and word == "pad=0")), *options])


def _option(name: str, value: Value) -> str:
    return f"{name}={_full(value) if name == 'to' else show(value)}"
