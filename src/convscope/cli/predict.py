"""`convscope predict`."""

from __future__ import annotations

import glob
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHOWN = 5

HELP = "Say what is on pictures: files, every picture below a folder, or a pattern such as 'photos/*.jpg'."


def command(
    model: Annotated[str, Argument(help="a run's folder or a .safetensors file")],
    pictures: Annotated[list[str], Argument(help="picture files or folders")],
    csv: Annotated[str, Option(help="write a table of path, label and every probability to this file")] = "",
    top: Annotated[int, Option(min=1, help="how many classes to name for each picture")] = 3,
    json: Annotated[bool, Option("--json", help="print one JSON object a picture")] = False,
    as_is: Annotated[bool, Option("--as-is", help="don't bring pictures to the data set's own manner first")] = False,
    show_input: Annotated[
        str,
        Option("--show-input", metavar="FILE.png", help="write what the network saw of the one picture to this file"),
    ] = "",
) -> int:
    """Carry it out; see HELP."""
    from convscope import api
    from convscope.data.decode import UnreadablePicture, is_picture_name
    from convscope.report import listings
    from convscope.report.text import json_line, say

    classifier = api.load(model)
    if as_is:
        classifier.preprocess = classifier.preprocess.replace(manner=None)
    named, found = _paths(pictures)
    if show_input:
        _check_shown(Path(show_input), found)
    unreadable: list[tuple[str, str]] = []
    others: list[str] = []  # what lies in a folder and claims to be no picture

    def left_out(name: str, error: UnreadablePicture) -> None:
        if Path(name) in named or is_picture_name(name):
            unreadable.append((name, error.reason))
        else:
            others.append(name)

    rows = []
    notes = []
    table = []
    count = 0
    for said in classifier.predict_each(found, left_out):
        count += 1
        best, *next_best = said.top(top)
        if json:
            about = {"path": said.name, "label": best[0], "probability": best[1], "probabilities": said.probabilities}
            if said.note:
                about["note"] = said.note
            print(json_line(about, sys.stdout), flush=True)
        elif not csv:
            rows.append((said.name, best[0], best[1], next_best))
        if said.note and not json:
            notes.append(f"{said.name}: {said.note}")
        if csv:
            table.append([said.name, said.label, *(f"{p:.6g}" for p in said.probabilities.values())])
    if rows:
        say(sys.stdout, listings.predictions(rows, sys.stdout))
    if csv:
        _write_csv(Path(csv), classifier.classes, table)
        say(sys.stderr if json else sys.stdout, f"{len(table)} predictions are in {csv}")
    for note in notes:
        say(sys.stderr, f"note: {note}")
    if show_input and count:
        _show(Path(show_input), classifier.fitted(found[0]), classifier.preprocess.input_size)
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        kind = "file that is no picture" if len(others) == 1 else "files that are no pictures"
        say(sys.stderr, f"note: {len(others)} {kind}, left out: {', '.join(others[:_SHOWN])}{more}")
    for name, reason in unreadable:
        say(sys.stderr, f"unreadable: {name}: {reason}")
    if unreadable:
        raise ConvscopeError(_not_every(len(unreadable), count))
    if not count:
        raise ConvscopeError(f"there must be a picture to be predicted. {', '.join(pictures)} holds none.")
    return 0


def _check_shown(file: Path, found: list[Path]) -> None:
    if file.suffix.lower() != ".png":
        raise ConvscopeError(f"--show-input must name a .png file. Got {file}.")
    if len(found) != 1:
        raise ConvscopeError(f"--show-input must go with one picture. Got {len(found)}: predict each by itself.")
    if file.exists() and file.samefile(found[0]):
        raise ConvscopeError(f"--show-input must not name the picture itself. Got {file} for both; take another name.")


def _show(file: Path, fitted: NDArray[np.uint8], size: tuple[int, int]) -> None:
    """Write the window that the network sees of a fitted picture, (C, H, W), pixel by pixel."""
    import io

    from PIL import Image

    from convscope import files

    top, left = ((whole - part) // 2 for whole, part in zip(fitted.shape[1:], size, strict=True))
    seen = fitted[:, top : top + size[0], left : left + size[1]]
    out = io.BytesIO()
    Image.fromarray(seen[0] if len(seen) == 1 else seen.transpose(1, 2, 0)).save(out, "PNG")
    files.write_bytes(file, out.getvalue())


def _not_every(bad: int, good: int) -> str:
    said = f"{bad} of {bad + good} {'is' if bad == 1 else 'are'} not (listed above)"
    rest = f"the other {'one was' if good == 1 else f'{good} were'} predicted" if good else "nothing was predicted"
    return f"every picture must be readable. {said}; {rest}."


def _paths(words: list[str]) -> tuple[set[Path], list[Path]]:
    """The files that were named one by one, and all in order: those, and every file below the folders."""
    from convscope.classifier import pictures_in

    named: set[Path] = set()
    found: list[Path] = []
    for word in words:
        for path in [Path(word)] if Path(word).exists() else _expanded(word):
            if path.is_dir():
                found += pictures_in(path)
            else:
                named.add(path)
                found.append(path)
    return named, found


def _expanded(word: str) -> list[Path]:
    """What a pattern with * or ? stands for, in the order of names: Windows' shells hand it on as it is."""
    if not re.search(r"[*?]", word):
        raise ConvscopeError(f"a picture must exist to be predicted. There is none at {word}.")
    # a bracket is part of a name here: who writes [1] means the file that is called so
    pattern = str(Path(word).expanduser()).replace("[", "[[]")
    found = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 (Path.glob takes no absolute pattern)
    if "**" in word:  # the files are there by themselves
        found = [path for path in found if not path.is_dir()]
    if not found:
        raise ConvscopeError(f"a picture must exist to be predicted. No file fits the pattern {word}.")
    return found


def _write_csv(path: Path, classes: tuple[str, ...], rows: list[list[str]]) -> None:
    import csv
    import io

    from convscope import files

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "label", *classes])
    writer.writerows(rows)
    files.write_text(path, out.getvalue())
