"""HTML and SVG as text in which everything is escaped unless it was made here.

`tag` and `join` return `Markup`; any other text, a class's or a file's name above all, is escaped on its way in. So a
name can't become an element by being forgotten: forgetting to escape is not possible.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from convscope.report.text import visible

_EMPTY = frozenset({"img", "meta", "br", "hr"})


class Markup(str):
    """Text that is HTML already. Only this module makes it, but for the style sheet that comes with the package."""

    __slots__ = ()


def escaped(text: object) -> Markup:
    """The text for content and for attribute values in double quotes; signs that nobody sees are written out."""
    return text if isinstance(text, Markup) else Markup(html.escape(visible(str(text)), quote=True))


def join(children: Iterable[object], between: str = "") -> Markup:
    """One piece of markup out of many."""
    return Markup(escaped(between).join(escaped(child) for child in children))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element. `class_="num"` is class="num", `font_size=3` is font-size="3"; what is None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")
