"""A layer as the notation writes it, one line."""

from __future__ import annotations

from convscope.notation.tree import Item, Layer


def _size(size: object) -> str:
    if isinstance(size, tuple):
        return str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"
    return f"{size:g}" if isinstance(size, float) else str(size)


_USUAL = {"groups": 1, "dilation": (1, 1), "bias": True, "border": 0.0, "connect": "all", "per": "map", "to": None,
          "scale": True, "shift": True}  # fmt: skip
_BY_PLACE = ("slope", "window", "p", "factor")


def text(item: Item | None) -> str:
    """`conv 5x5 20 /2 same`: kind, kernel, units, stride and padding, and of the options those that aren't usual; ""
    for the picture."""
    if item is None:
        return ""
    if not isinstance(item, Layer):
        return item.kind
    words = [item.kind]
    if item.kernel:
        words.append(f"{item.kernel[0]}x{item.kernel[1]}")
    if item.kind in ("conv", "dense", "rbf", "identity") and item.units is not None:
        words.append(str(item.units))
    words += [_size(item.options[name]) for name in _BY_PLACE if item.options.get(name) is not None]
    if item.stride and item.stride != (1, 1):
        words.append(f"/{_size(item.stride)}")
    if item.padding and item.kernel:
        words.append(item.padding if isinstance(item.padding, str) else f"pad={_size(item.padding)}")
    words += ["ceil"] if item.ceil else []
    words += ["scaled"] if item.options.get("scaled") else []
    for name, usual in _USUAL.items():
        given = item.options.get(name, usual)
        if given != usual:
            words.append(f"{name}={'no' if given is False else _size(given)}")
    if item.kind == "lrn":
        words += [f"{name}={_size(item.options[name])}" for name in ("k", "alpha", "beta")]
    return " ".join(words)
