"""What the X of `convscope train X` means: a bundled recipe, a recipe file, or data. And the bundled recipes.

Looks at names and at what is there; loads nothing.
"""

from __future__ import annotations

import importlib.resources
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convscope.errors import ConvscopeError, nearest
from convscope.recipe.read import DATA_NAMES, load
from convscope.recipe.settings import Recipe

ALSO = {"mnist": "mnist-medium", "cifar10": "cifar10-medium", "cifar10-jpeg": "cifar10-medium"}
"""Which of several recipes is meant by the name of their data."""
_SLICE = re.compile(r"(.+?)\[[^\]]*\]")


@dataclass(frozen=True, slots=True)
class Choice:
    """What a word was taken for.

    `recipe` is the file to load; `data`, where not empty, takes the place of its data. `name` is what the run's
    folder is called; `note`, where not empty, is a line to be shown.
    """

    kind: Literal["recipe", "file", "data"]
    name: str
    recipe: Path
    data: str = ""
    note: str = ""

    def load(self) -> Recipe:
        """The recipe that is meant, with its data."""
        recipe = load(self.recipe)
        return recipe.model_copy(update={"data": self.data}) if self.data else recipe


def bundled() -> dict[str, Path]:
    """The recipes that come with the package, by name, sorted."""
    folder = Path(str(importlib.resources.files("convscope") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def named(name: str) -> Path | None:
    """The file of a bundled recipe by its name, or by that of its data where several are for it; None for no recipe."""
    return bundled().get(ALSO.get(name, name))


def header(name: str) -> str:
    """The comment that opens a bundled recipe: what it is, command, time, score."""
    file = named(name)
    if file is None:
        raise ConvscopeError(_unknown(name, []))
    lines = file.read_text(encoding="utf-8").splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[:end])


def choose(word: str, base: Path | None = None) -> Choice:
    """What `word` means, seen from the folder `base` (the working folder unless given).

    A bundled recipe's name means that recipe even where a file or folder has that name; a .toml file is a recipe; a
    folder, a .csv or a data set's name is data. Raises ConvscopeError naming the nearest of the three otherwise.
    """
    base = base or Path()
    files, path = bundled(), base / Path(word).expanduser()
    found = named(word)
    if found is not None and (word in files or load(found).data == word):
        note = f"{word} is the bundled recipe; what is here under that name is ./{word}." if path.exists() else ""
        return Choice("recipe", word, found, note=note)
    if word.lower().endswith(".toml"):
        if not path.is_file():
            load(path)  # raises, naming what is there
        name = path.resolve().parent.name if path.name == "recipe.toml" else path.stem  # a run's own recipe
        return Choice("file", folder_name(name), path)
    known = _SLICE.fullmatch(word)
    set_name = known[1] if known else word
    if set_name in DATA_NAMES:
        return Choice("data", folder_name(word), named(set_name) or files["folder"], data=word)
    if path.is_dir() and (path / "recipe.toml").is_file():
        raise ConvscopeError(
            f"{word} is the folder of a run, not of pictures. Go on with it by `convscope train --resume {word}`, "
            f"or train its recipe anew by `convscope train {Path(word) / 'recipe.toml'}`."
        )
    if path.is_dir() or (path.is_file() and word.lower().endswith(".csv")):
        name = folder_name(path.resolve().stem if path.is_file() else path.resolve().name)
        return Choice("data", name, files["folder"], data=str(path.resolve()))
    if path.is_file():
        raise ConvscopeError(f"{word} must be a recipe (.toml), a folder of pictures or a .csv to be trained on.")
    if re.search(r"[/\\]", word):
        raise ConvscopeError(_no_such_path(word, base))
    raise ConvscopeError(_unknown(word, _beside(path)))


def folder_name(word: str) -> str:
    """A name for a folder that every file system takes: `mnist[:1000]` becomes `mnist-1000`."""
    clean = re.sub(r"[\s<>:\"/\\|?*\[\]\x00-\x1f]+", "-", word).strip("-. ")
    return clean or "run"


def _beside(path: Path) -> list[str]:
    """What else lies beside a path and could have been meant."""
    if not path.parent.is_dir():
        return []
    return [
        other.name
        for other in sorted(path.parent.iterdir())
        if not other.name.startswith(".") and (other.is_dir() or other.suffix.lower() == ".toml" or _is_table(other))
    ]


def _is_table(path: Path) -> bool:
    """Whether a file is a .csv that names pictures: predictions and scores are written as .csv too."""
    if path.suffix.lower() != ".csv":
        return False
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = re.split(r"[,;\t]", file.readline(10_000).strip().lower())
    except (OSError, UnicodeDecodeError):
        return False
    return {"path", "label"} <= {name.strip(' "') for name in header}


def _no_such_path(word: str, base: Path) -> str:
    """The sentence for a path where nothing is: the first of its folders that is missing, and what lies beside that."""
    path = Path(word.replace("\\", "/"))  # also for who writes a Windows path elsewhere
    typed = path.expanduser()
    if (base / typed).exists():
        return f"there is no such folder or file: {word}, did you mean {str(path)!r}?"
    while typed.parent != typed and not (base / typed.parent).is_dir():
        typed = typed.parent
    missing = f" There is no folder {typed} either." if typed != path.expanduser() else ""
    close = nearest(typed.name, _beside(base / typed))
    meant = f", did you mean {str(typed.parent / close)!r}?" if close else "."
    return f"there is no such folder or file: {word}{meant}{missing}"


def _unknown(word: str, beside: list[str]) -> str:
    recipes = sorted({*bundled(), *(name for name in ALSO if load(bundled()[ALSO[name]]).data == name)})
    close = nearest(word, [*recipes, *DATA_NAMES, *beside])
    kinds = {**dict.fromkeys(beside, "folder or file"), **dict.fromkeys(DATA_NAMES, "data set")}
    kinds |= dict.fromkeys(recipes, "recipe")
    meant = f", did you mean the {kinds[close]} {close!r}?" if close else "."
    return (
        f"{word!r} is no bundled recipe, no recipe file, no data set and no folder here{meant} "
        f"Bundled recipes: {', '.join(recipes)}. Data sets: {', '.join(DATA_NAMES)}."
    )
