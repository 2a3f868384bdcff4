"""What a network may be given as: a text, a network of the zoo by its name, or a .net file; and the zoo's headers.

A model's own text is known to those who load models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from convscope.errors import ConvscopeError, nearest, unknown
from convscope.notation.kinds import KINDS, STRUCTURE
from convscope.notation.source import plain

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_KEY = re.compile(r"# ([a-z][a-z ]*): (.*)")
_KEYS = ("paper", "follows", "weights", "parameters", "aux parameters", "deviations")


@dataclass(frozen=True, slots=True)
class ZooHeader:
    """What the opening comment of a network of the zoo says.

    paper: authors, title, year; or "none" and where else it is from. follows: the paper, or the port whose shapes the
    text has. weights: who publishes trained weights that map onto it, or "". parameters: without side classifiers,
    which aux_parameters counts. deviations: where well-known ports, or this text, differ from the paper.
    """

    title: str
    paper: str
    follows: str
    weights: str
    parameters: int
    aux_parameters: int
    deviations: str

    @property
    def year(self) -> int | None:
        """The year that the paper's entry ends in; a tutorial's has none."""
        found = re.search(r", (\d{4})$", self.paper)
        return int(found[1]) if found else None


@cache
def zoo() -> dict[str, Path]:
    """The networks that come with the package: name to .net file, sorted so that vgg9 would stand before vgg11."""
    folder = Path(str(resources.files("convscope") / "zoo"))
    return {path.stem: path for path in sorted(folder.glob("*.net"), key=lambda path: _by_number(path.stem))}


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def about(name: str) -> ZooHeader:
    """The header of a network of the zoo. Raises ConvscopeError for an unknown name, with the nearest and all."""
    title, values = "", dict.fromkeys(_KEYS, "")
    key = ""
    for line in text_of_zoo(name).splitlines():
        if not line.startswith("#"):
            break
        found = _KEY.fullmatch(line)
        if not title:
            title = line.removeprefix("# ")
        elif found and found[1] in values:
            key = found[1]
            values[key] = found[2]
        else:  # a line that goes on with the key before it
            values[key] += " " + line.removeprefix("#").strip()
    return ZooHeader(
        title=title,
        paper=values["paper"],
        follows=values["follows"],
        weights=values["weights"],
        parameters=int(values["parameters"]),
        aux_parameters=int(values["aux parameters"] or 0),
        deviations=values["deviations"],
    )


def text_of_zoo(name: str) -> str:
    """The text of a network of the zoo, header and all. Raises ConvscopeError for an unknown name."""
    if name not in zoo():
        raise ConvscopeError(unknown("network", name, zoo()))
    return zoo()[name].read_text(encoding="utf-8")


def text_of(given: str, base: Path = Path()) -> str:
    """The notation that `given` stands for; a path is relative to `base`.

    Raises ConvscopeError for a file that isn't there or isn't UTF-8, and for what `named` refuses.
    """
    word = given.strip()
    return _read(base / word) if word.endswith(".net") else named(given)


def named(given: str) -> str:
    """The text of the zoo's network that `given` names, or `given`, a text itself: no file but the zoo's is read.

    Raises ConvscopeError for a single word that is neither a layer nor a network of the zoo; what is like a layer's
    name is left to the parser, which shows the place.
    """
    name = plain(given.strip())
    if name in zoo():
        return text_of_zoo(name)
    if not _WORD.fullmatch(name) or name in KINDS:
        return given
    if nearest(name, [*zoo(), *KINDS, *STRUCTURE]) in {*KINDS, *STRUCTURE}:
        return given
    raise ConvscopeError(
        f"{unknown('network', name, zoo())} Give one of these, a .net file, or a text: conv 3x3 32, relu, gap, dense."
    )


def _read(path: Path) -> str:
    if not path.is_file():
        raise ConvscopeError(f"a .net file must exist to be read. There is none at {path}.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConvscopeError(
            f"a .net file must be UTF-8 text. {path} isn't, at byte {error.start}: save it as UTF-8."
        ) from None
