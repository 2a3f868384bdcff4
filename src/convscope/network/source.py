"""What a network may be given as: a text, or a .net file. A model's own text is known to those who load models."""

from __future__ import annotations

from pathlib import Path

from convscope.errors import ConvscopeError


def text_of(given: str, base: Path = Path()) -> str:
    """The notation that `given` stands for; a path is relative to `base`. Raises ConvscopeError for a file that
    isn't there or isn't UTF-8."""
    word = given.strip()
    if not word.endswith(".net"):
        return given
    path = base / word
    if not path.is_file():
        raise ConvscopeError(f"a .net file must exist to be read. There is none at {path}.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConvscopeError(
            f"a .net file must be UTF-8 text. {path} isn't, at byte {error.start}: save it as UTF-8."
        ) from None
