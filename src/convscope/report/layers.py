"""A layer in few words, for tables of layers."""

from __future__ import annotations

from convscope.notation.tree import Item, Layer


def describe(item: Item) -> str:
    """A layer in few words: `3x3 32 /2 same`. What is as usual is left out."""
    if not isinstance(item, Layer):
        return getattr(item, "kind", "")
    words = [item.kind]
    if item.kernel:
        words.append(f"{item.kernel[0]}x{item.kernel[1]}")
    if isinstance(item.units, int):
        words.append(str(item.units))
    if item.stride and item.stride != (1, 1):
        down, across = item.stride
        words.append(f"/{down}" if down == across else f"/{down}x{across}")
    if item.padding and item.kernel:
        pad = item.padding
        words.append(pad if isinstance(pad, str) else f"pad={pad[0]}" if pad[0] == pad[1] else f"pad={pad[0]}x{pad[1]}")
    if item.ceil:
        words.append("ceil")
    for option in ("p", "factor", "slope", "window"):
        value = item.options.get(option)
        if value is not None:
            words.append(f"{value:g}")
    for option, usual in (("to", None), ("groups", 1), ("dilation", (1, 1)), ("connect", "all"), ("per", "map")):
        value = item.options.get(option, usual)
        if value != usual:
            words.append(f"{option}={_size(value) if isinstance(value, tuple) else value}")
    if item.options.get("scaled"):
        words.append("scaled")
    if item.options.get("bias") == "position":
        words.append("bias=position")
    return " ".join(words)


def _size(size: tuple[int, int]) -> str:
    down, across = size
    return str(down) if down == across else f"{down}x{across}"
