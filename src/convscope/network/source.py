"""What a network may be given as: a text, the name of a network of the zoo, or a .net file."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from convscope.errors import ConvscopeError, nearest
from convscope.notation.kinds import KINDS


def zoo() -> dict[str, str]:
    """The bundled networks: name to text, read from `zoo/*.net`."""
    folder = resources.files("convscope.network") / "zoo"
    if not folder.is_dir():
        return {}
    found = {f.name[:-4]: f for f in folder.iterdir() if f.name.endswith(".net")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def text_of(given: str, base: Path = Path()) -> str:
    """The notation that `given` stands for; a path is relative to `base`. Raises ConvscopeError for a file that
    isn't there or isn't UTF-8, and for a name that is nearly a network's."""
    word = given.strip()
    if word.endswith(".net"):
        path = base / word
        if not path.is_file():
            raise ConvscopeError(f"a .net file must exist to be read. There is none at {path}.")
        try:
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConvscopeError(
                f"a .net file must be UTF-8 text. {path} isn't, at byte {error.start}: save it as UTF-8."
            ) from None
    if re.fullmatch(r"[A-Za-z][\w.-]*", word):
        bundled = zoo()
        if word in bundled:
            return bundled[word]
        close = nearest(word, bundled)
        if close and word not in KINDS:
            raise ConvscopeError(
                f"unknown network {word!r}, did you mean {close!r}? These exist: {', '.join(bundled)}."
            )
    return given
