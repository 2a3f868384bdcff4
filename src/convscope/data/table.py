"""A .csv that names pictures and their labels.

    path,label
    photos/1.jpg,cat
A column split (train, validation or val, test) says the part; any other column may be the group. Paths are relative to
the .csv's folder. Knows names only; the store reads the pictures.
"""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np

from convscope import files
from convscope.data.folder import PART_FOLDERS
from convscope.data.listing import Files, Source, class_order, listing_key
from convscope.errors import ConvscopeError, nearest

_MOST_NAMED = 10


def find(spec: str, path: Path) -> Source:
    """The data set in a .csv. Raises ConvscopeError that names the line of each bad row."""
    text = files.read_text(path)
    header, rows = _rows(path, text)
    base = path.parent
    bad: list[str] = []
    names: list[str] = []
    labels: list[str] = []
    parts: list[str] = []
    facts: list[tuple[str, int, int]] = []
    seen: dict[str, int] = {}
    others = [name for name in header if name not in ("path", "label", "split")]
    columns: dict[str, list[str]] = {name: [] for name in others}
    for line, row in rows:
        if len(row) != len(header):
            bad.append(f"line {line}: {len(row)} values where the first line names {len(header)} columns")
            continue
        record = dict(zip(header, (value.strip() for value in row), strict=True))
        word = record.get("split", "")
        file = _file(base, record["path"]) if record["path"] else None
        if not record["path"]:
            bad.append(f"line {line}: the path is empty")
        elif not record["label"]:
            bad.append(f"line {line}: {record['path']} has no label")
        elif word and word.lower() not in PART_FOLDERS:
            bad.append(f"line {line}: split must be train, validation or test, or empty. Got {word!r}")
        elif record["path"] in seen:
            bad.append(f"line {line}: {record['path']} stands in line {seen[record['path']]} already")
        elif file is None:
            bad.append(f"line {line}: there is no file {base / record['path']}")
        else:
            seen[record["path"]] = line
            status = file.stat()
            facts.append((str(file), status.st_size, status.st_mtime_ns))
            names.append(record["path"].replace("\\", "/"))
            labels.append(record["label"])
            parts.append(PART_FOLDERS[word.lower()] if word else "")
            for name in others:
                columns[name].append(record[name])
    if bad:
        more = f"\n  and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
        listed = "\n  ".join(bad[:_MOST_NAMED])
        raise ConvscopeError(f"every row of {path} must name a picture file and its label.\n  {listed}{more}")
    classes = class_order(labels)
    if len(classes) < 2:
        held = f"It holds one: {classes[0]}." if classes else "It holds no row."
        raise ConvscopeError(f"{path} must hold pictures of at least two classes. {held}")
    number = {name: i for i, name in enumerate(classes)}
    return Source(
        spec=spec,
        kind="csv",
        root=path,
        classes=classes,
        labels=np.array([number[label] for label in labels], np.int64),
        names=tuple(names),
        parts=tuple(parts),
        files=Files(listing_key(str(path), facts), len(facts), lambda i: Path(facts[i][0]).open("rb")),
        columns={name: tuple(values) for name, values in columns.items()},
    )


def _rows(path: Path, text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The column names, and each row with the number of its (last) line; comma, semicolon or tab between values."""
    first = text.split("\n", 1)[0]
    sign = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        rows = [(reader.line_num, row) for row in reader if any(value.strip() for value in row)]
    except csv.Error as error:
        raise ConvscopeError(f"{path}, line {reader.line_num}, is no line of a .csv: {error}.") from error
    lowered = [name.lower() if name.lower() in ("path", "label", "split") else name for name in header]
    for wanted in ("path", "label"):
        if wanted not in lowered:
            close = nearest(wanted, header)
            meant = f" Did you mean {close!r}?" if close else ""
            raise ConvscopeError(
                f"the first line of {path} must name the columns path and label. "
                f"Got {', '.join(header) or 'nothing'}.{meant}"
            )
    twice = [name for name in lowered if lowered.count(name) > 1]
    if twice:
        raise ConvscopeError(f"the first line of {path} must name each column once. {twice[0]!r} stands there twice.")
    return lowered, rows


def _file(base: Path, name: str) -> Path | None:
    """The file of a row; a table made on Windows may write a\\b."""
    for text in (name, name.replace("\\", "/")):
        path = base / text
        if os.path.isfile(path):  # noqa: PTH113 (a name with a zero byte is no error here)
            return path
    return None
