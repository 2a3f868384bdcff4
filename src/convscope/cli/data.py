"""`convscope data`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from convscope.errors import ConvscopeError, unknown

if TYPE_CHECKING:
    from convscope.data.images import DataSet

HELP = """The data sets: `list` says which are known by name and where they are, `get NAME` downloads one, and
`info NAME|FOLDER|CSV` counts its pictures by class and part."""

ACTIONS = ("list", "get", "info")


def command(
    action: Annotated[str, Argument(help="list, get or info")] = "list",
    x: Annotated[str, Argument(help="get: a data set's name; info: a name, a folder or a .csv")] = "",
    group: Annotated[str, Option(help="info: what keeps pictures together: 'folder', a pattern, a CSV column")] = "",
    json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope.cli.watching import announced
    from convscope.report.progress import Progress
    from convscope.report.text import json_line, say

    if action not in ACTIONS:
        raise ConvscopeError(unknown("action", action, ACTIONS))
    if (action == "list") == bool(x):
        wanted = "takes nothing more" if action == "list" else "needs one more word"
        raise ConvscopeError(f"data {action} {wanted}: data list, data get NAME, data info NAME|FOLDER|CSV.")
    with Progress(sys.stderr, show=not json) as progress:
        told = announced(progress, sys.stderr, not json)
        about, lines = {"list": _list, "get": _get, "info": _info}[action](x, group, told)
    if json:
        print(json_line(about, sys.stdout))
    else:
        say(sys.stdout, lines)
    return 0


def _list(x: str, group: str, progress: Any) -> tuple[Any, list[str]]:
    from convscope.data import sources
    from convscope.data.known import KNOWN
    from convscope.report import listings

    places = {name: sources.where(name) for name in KNOWN}
    about = [
        {
            "name": name, "title": entry.title, "pictures": entry.pictures, "size": entry.size,
            "classes": len(entry.classes), "licence": entry.licence, "source": entry.source,
            "embedded": entry.format == "embedded", "path": places[name],
        }
        for name, entry in KNOWN.items()
    ]  # fmt: skip
    rows = [
        (
            name,
            sum(entry.pictures),
            entry.size,
            len(entry.classes),
            listings.place(
                str(places[name] or ""), embedded=entry.format == "embedded", downloadable=bool(entry.hosts)
            ),
        )
        for name, entry in KNOWN.items()
    ]
    return about, listings.data_sets(rows, sys.stdout)


def _get(x: str, group: str, progress: Any) -> tuple[Any, list[str]]:
    from convscope.data import sources

    path = sources.get(x, progress)
    return {"name": x, "path": path}, [f"{x} is in {path}"]


def _info(x: str, group: str, progress: Any) -> tuple[Any, list[str]]:
    from convscope.data import store
    from convscope.data.known import KNOWN
    from convscope.report import listings
    from convscope.report.text import noted, table

    dataset = store.load(x, group=group, progress=progress)
    counts = _counts(dataset)
    height, width = dataset.preprocess.size
    size = (height, width, dataset.preprocess.channels)
    about: dict[str, Any] = {
        "data": x, "path": dataset.root, "pictures": sum(map(sum, counts.values())), "size": size,
        "sha256": dataset.sha256, "mean": dataset.preprocess.mean, "std": dataset.preprocess.std,
        "classes": {name: dict(zip(_PARTS, row, strict=True)) for name, row in counts.items()},
        "notes": dataset.notes,
    }  # fmt: skip
    facts = [("data", x), ("path", str(dataset.root or "part of convscope")), ("size", listings.shape(size))]
    known = KNOWN.get(x)
    if known is not None:
        about |= {"title": known.title, "source": known.source, "licence": known.licence}
        facts += [("what", known.title), ("source", known.source), ("licence", known.licence)]
    facts += [("mean", _numbers(dataset.preprocess.mean)), ("deviation", _numbers(dataset.preprocess.std))]
    facts += [("sha256", dataset.sha256)]
    totals = [sum(row[part] for row in counts.values()) for part in range(3)]
    body = [*counts.items(), ("all", totals)]
    rows = [(name, *(str(count) for count in row), str(sum(row))) for name, row in body]
    lines = [*listings.facts(facts, sys.stdout), "", *table(("class", *_PARTS, "all"), rows, "<>>>>", sys.stdout)]
    return about, [*lines, *noted(dataset.notes)]


_PARTS = ("train", "validation", "test")


def _counts(dataset: DataSet) -> dict[str, list[int]]:
    """Pictures of each class in train, validation and test."""
    parts = (dataset.train, dataset.validation, dataset.test)
    return {name: [int((part.labels == i).sum()) for part in parts] for i, name in enumerate(dataset.classes)}


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
