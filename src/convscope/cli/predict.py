"""`convscope predict`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from convscope.classifier import Classifier, Prediction

_AT_ONCE = 256

HELP = "Say what is on pictures: files, or every picture below a folder."


def command(
    model: Annotated[str, Argument(help="a run's folder or a .safetensors file")],
    pictures: Annotated[list[str], Argument(help="picture files or folders")],
    csv: Annotated[str, Option(help="write a table of path, label and every probability to this file")] = "",
    top: Annotated[int, Option(min=1, help="how many classes to name for each picture")] = 3,
    json: Annotated[bool, Option("--json", help="print one JSON object a picture")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope import api
    from convscope.report import listings
    from convscope.report.text import json_line, say

    classifier = api.load(model)
    paths = _paths(pictures)
    unreadable: list[str] = []
    rows = []
    table = []
    for said in _readable(classifier, paths, unreadable):
        best, *others = said.top(top)
        if json:
            about = {"path": said.name, "label": best[0], "probability": best[1], "probabilities": said.probabilities}
            print(json_line(about, sys.stdout), flush=True)
        elif not csv:
            rows.append((said.name, best[0], best[1], others))
        if csv:
            table.append([said.name, said.label, *(f"{p:.6g}" for p in said.probabilities.values())])
    if rows:
        say(sys.stdout, listings.predictions(rows, sys.stdout))
    if csv:
        _write_csv(Path(csv), classifier.classes, table)
        say(sys.stderr if json else sys.stdout, f"{len(table)} predictions are in {csv}")
    for line in unreadable:
        say(sys.stderr, f"unreadable: {line}")
    if unreadable:
        raise ConvscopeError(
            f"every picture must be readable. {len(unreadable)} of {len(paths)} are not (listed above); the others "
            "were predicted."
        )
    return 0


def _paths(words: list[str]) -> list[Path]:
    from convscope.classifier import pictures_in

    found: list[Path] = []
    for word in words:
        path = Path(word)
        if not path.exists():
            raise ConvscopeError(f"a picture must exist to be predicted. There is none at {word}.")
        found += pictures_in(path) if path.is_dir() else [path]
    return found


def _readable(classifier: Classifier, paths: list[Path], unreadable: list[str]) -> Iterator[Prediction]:
    """Predictions of the pictures that can be read; the reasons of the others are added to `unreadable`.

    Many are read and predicted at once; where one of them is none, they are taken one by one.
    """
    from convscope.data.decode import UnreadablePicture

    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        try:
            yield from list(classifier.predict_each(some))
        except UnreadablePicture:
            for path in some:
                try:
                    yield classifier.predict(path)
                except UnreadablePicture as error:
                    unreadable.append(f"{path}: {error}")


def _write_csv(path: Path, classes: tuple[str, ...], rows: list[list[str]]) -> None:
    import csv
    import io

    from convscope import files

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "label", *classes])
    writer.writerows(rows)
    files.write_text(path, out.getvalue())
