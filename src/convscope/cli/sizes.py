"""How the command line writes sizes: `28x28` and `28x28x1`, height x width (x channels); `28` is 28x28."""

from __future__ import annotations

import re
import unicodedata

from convscope.errors import ConvscopeError


def read_input(word: str) -> tuple[int, int, int | None]:
    """Height, width and, where given, channels; full-width signs and `×` are fine. Raises ConvscopeError."""
    parts = re.split("[xX×]", unicodedata.normalize("NFKC", word).strip())
    if len(parts) == 1:
        parts *= 2
    if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise ConvscopeError(f"--input must be height x width, or height x width x channels: 28x28x1. Got {word!r}.")
    height, width, *channels = map(int, parts)
    return height, width, channels[0] if channels else None


def read_shape(word: str, usual: int | None = None) -> tuple[int, int, int]:
    """Height, width and channels, where no data says how many channels there are; `usual` are those of the network's
    text. Raises ConvscopeError where neither says it."""
    height, width, channels = read_input(word)
    channels = channels or usual
    if channels is None:
        raise ConvscopeError(f"--input must be height x width x channels here: {height}x{width}x3. Got {word!r}.")
    return height, width, channels
