"""A folder of class folders: which files belong to which class and part.

    root/cat/1.jpg  root/dog/2.jpg                        one folder, to be split
    root/train/cat/1.jpg  root/val/cat/3.jpg  root/test/  parts that the data brings
Folders below a class folder belong to that class. Knows names only: whether a file is a picture, its content tells
when it is read.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from convscope.data.decode import is_system_file
from convscope.data.listing import Files, Source, class_order, listing_key
from convscope.errors import ConvscopeError

PART_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Entry:
    """A file: path relative to the root with "/", size in bytes, time of its last change in nanoseconds."""

    path: str
    size: int
    time: int


@dataclass(frozen=True)
class Listing:
    """Every file below a root, sorted by path; the folders that hold none too; how many files were left out."""

    entries: tuple[Entry, ...]
    folders: frozenset[str]
    system: int


def is_left_out(path: str) -> bool:
    """Whether a path is a system file's or a hidden one's (a name that begins with a dot)."""
    return is_system_file(path) or any(piece.startswith(".") for piece in path.split("/"))


def scan(root: Path) -> Listing:
    """Lists all files below a folder. System files, hidden ones (a name that begins with a dot) and what is no file (a
    pipe) are counted only.

    Links to folders are followed, each real folder once. Raises ConvscopeError where a folder can't be read.
    """
    entries: list[Entry] = []
    folders: set[str] = set()
    system = 0
    visited: set[str] = set()
    waiting = [(str(root), "")]
    while waiting:
        folder, prefix = waiting.pop()
        try:
            with os.scandir(folder) as found:
                for item in found:
                    name = item.name
                    if is_left_out(name):
                        system += not item.is_dir()
                    elif item.is_dir():
                        if item.is_symlink():
                            real = os.path.realpath(item.path)
                            if real in visited or f"{os.path.realpath(folder)}{os.sep}".startswith(f"{real}{os.sep}"):
                                continue
                            visited.add(real)
                        folders.add(prefix + name)
                        waiting.append((item.path, f"{prefix}{name}/"))
                    elif (status := _status(item)) is not None:
                        entries.append(Entry(prefix + name, status.st_size, status.st_mtime_ns))
                    else:
                        system += 1
        except OSError as error:
            where = error.filename or folder
            raise ConvscopeError(f"{where} can't be read: {error.strerror or error}.") from error
    entries.sort(key=lambda entry: entry.path)
    return Listing(tuple(entries), frozenset(folders), system)


def _status(item: os.DirEntry[str]) -> os.stat_result | None:
    """What the system knows of a file, or of a link that leads nowhere: that is a picture which can't be read. None for
    what is no file (a pipe, a device): opening it might wait for ever."""
    try:
        status = item.stat()
    except FileNotFoundError:
        return item.stat(follow_symlinks=False)
    return status if stat.S_ISREG(status.st_mode) else None


def find(spec: str, root: Path) -> Source:
    """The data set in a folder. Raises ConvscopeError where it isn't laid out as one."""
    listing = scan(root)
    paths = [entry.path for entry in listing.entries]
    base = str(root)

    def opened(i: int) -> BinaryIO:
        return open(os.path.join(base, kept[i]), "rb")  # noqa: PTH118, PTH123 (a Path costs as much as the read)

    source, rows = arrange(spec, root, paths, listing.folders, listing.system)
    kept = [paths[i] for i in rows]
    facts = [(listing.entries[i].path, listing.entries[i].size, listing.entries[i].time) for i in rows]
    files = Files(listing_key(os.path.realpath(root), facts), len(kept), opened)
    return Source(**{**source.__dict__, "files": files})


def arrange(spec: str, root: Path, paths: list[str], folders: frozenset[str], system: int) -> tuple[Source, list[int]]:
    """Classes, labels and parts from paths: the source (without its files) and which of the paths are its rows."""
    top = {folder for folder in folders if "/" not in folder}
    if not top:
        held = f"It holds {len(paths)} files and no folder." if paths else "It is empty."
        raise ConvscopeError(
            f"{root} must hold a folder for each class, with its pictures inside. {held} A .csv with the columns path "
            "and label may name the pictures instead."
        )
    named = _part_folders(root, top, folders)
    depth = 1 if named else 0
    rows: list[int] = []
    labels: list[str] = []
    parts: list[str] = []
    others: list[tuple[str, str]] = []
    for i, path in enumerate(paths):
        pieces = path.split("/")
        if named and pieces[0] not in named:
            others.append((_shown(path), f"it is not in {', '.join(sorted(named))}"))
        elif len(pieces) < depth + 2:
            others.append((_shown(path), "it is not in a class folder"))
        else:
            rows.append(i)
            labels.append(unicodedata.normalize("NFC", _shown(pieces[depth])))
            parts.append(named[pieces[0]] if named else "")
    classes = _classes(root, named, folders, Counter(labels), Counter(zip(labels, parts, strict=True)))
    number = {name: i for i, name in enumerate(classes)}
    source = Source(
        spec=spec,
        kind="folder",
        root=root,
        classes=classes,
        labels=np.array([number[label] for label in labels], np.int64),
        names=tuple(unicodedata.normalize("NFC", _shown(paths[i])) for i in rows),
        parts=tuple(parts),
        others=tuple(others),
        system=system,
    )
    return source, rows


def _shown(path: str) -> str:
    """A path as text: a name that is no UTF-8 (possible on Linux) shows its bytes as \\xNN."""
    if path.isprintable():
        return path
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _part_folders(root: Path, top: set[str], folders: frozenset[str]) -> dict[str, str]:
    """The folders that name parts, to the part; {} where the folders at the top are classes.

    They are parts where one is train, it holds folders, and beside it is val or test or nothing: a class may be called
    "train" too, and then stands among other classes.
    """
    named = {folder: PART_FOLDERS[folder.lower()] for folder in top if folder.lower() in PART_FOLDERS}
    holders = {folder.split("/")[0] for folder in folders if "/" in folder}
    training = [folder for folder, part in named.items() if part == "train"]
    if not any(folder in holders for folder in training) or not (len(set(named.values())) > 1 or len(top) == 1):
        return {}
    for part in ("train", "validation", "test"):
        same = sorted(folder for folder, which in named.items() if which == part)
        if len(same) > 1:
            raise ConvscopeError(
                f"{root} must hold one folder for each part. {' and '.join(same)} both mean the {part} part: "
                "keep one, or join them."
            )
    return named


def _classes(
    root: Path,
    named: dict[str, str],
    folders: frozenset[str],
    filled: Counter[str],
    filled_parts: Counter[tuple[str, str]],
) -> tuple[str, ...]:
    """The class names, checked: the same in each part, at least two, none empty in training."""
    if not named:
        classes = class_order(unicodedata.normalize("NFC", _shown(f)) for f in folders if "/" not in f)
        _check_classes(root, classes, folders)
        _check_filled(root, [name for name in classes if not filled[name]])
        return classes
    held = {
        folder: {unicodedata.normalize("NFC", _shown(f.split("/")[1])) for f in folders if _inside(f, folder)}
        for folder in named
    }
    training = next(folder for folder, part in named.items() if part == "train")
    classes = class_order(held[training])
    for folder, there in sorted(held.items()):
        lacking, more = sorted(held[training] - there), sorted(there - held[training])
        if lacking or more:
            said = [f"{folder}/ lacks {_names(lacking)}"] if lacking else []
            said += [f"{training}/ lacks {_names(more)}"] if more else []
            raise ConvscopeError(
                f"in {root}, {training}/ and {folder}/ must hold the same class folders. {'; '.join(said)}. "
                "Add the missing folders, or move the others away."
            )
    _check_classes(root, classes, folders)
    _check_filled(root / training, [name for name in classes if not filled_parts[name, "train"]])
    return classes


def _inside(folder: str, part: str) -> bool:
    pieces = folder.split("/")
    return len(pieces) == 2 and pieces[0] == part


def _check_classes(root: Path, classes: tuple[str, ...], folders: frozenset[str]) -> None:
    if len(classes) < 2:
        inner = sorted(f for f in folders if f.startswith(f"{classes[0]}/") and f.count("/") == 1)
        hint = f" Did you mean {root / classes[0]}?" if len(inner) > 1 else ""
        raise ConvscopeError(
            f"{root} must hold at least two classes, a folder for each. It holds one: {classes[0]}.{hint}"
        )


def _check_filled(root: Path, empty: list[str]) -> None:
    if empty:
        raise ConvscopeError(
            f"each class folder in {root} must hold at least one picture. {_names(empty)}: empty. Put pictures there, "
            "or remove the folder."
        )


def _names(words: list[str]) -> str:
    return ", ".join(words[:10]) + (f" and {len(words) - 10} more" if len(words) > 10 else "")
