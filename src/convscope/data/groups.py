"""What belongs together: groups that a split must not part, and the warning where there seem to be some.

Two frames of one video, or two photographs of one burst, are nearly the same picture: with one in training and the
other in the test, the score measures memory. Knows names, times of taking and a table's columns; no pixels.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convscope.data.listing import Source
from convscope.errors import ConvscopeError

_BURST_SECONDS = 2
_SAME_CLOCK = 30  # so many pictures with one time were not taken then: a batch tool or a dead clock wrote it
_ENOUGH = 10


def names(source: Source, group: str) -> tuple[str, ...]:
    """The group of each picture, "" for one that stands alone.

    group: "" (none), a column of the .csv, "folder" (the folder that the picture lies in), or a regular expression
    that is searched in the picture's name: its first bracket, or all that it matches, is the group.
    """
    if not group:
        return ()
    if source.files is None:
        raise ConvscopeError(
            f"split.group goes with a folder or a .csv: {source.spec} is one array without folders. Set it to ''."
        )
    if group in source.columns:
        return source.columns[group]
    if group == "folder":
        found = tuple(name.rpartition("/")[0] or "." for name in source.names)
        if len(set(found)) <= len(source.classes) * len(set(source.parts)):
            raise ConvscopeError(
                "split.group = 'folder' needs several folders in each class folder, one for each group. "
                f"Here all pictures of a class lie in one: {found[0]}. Give a pattern on the names instead, or ''."
            )
        return found
    try:
        pattern = re.compile(group)
    except re.error as error:
        column = f" or a column of the table ({', '.join(source.columns)})" if source.columns else ""
        raise ConvscopeError(
            f"split.group must be 'folder', a regular expression on the names{column}. "
            f"{group!r} is none of these: {error}."
        ) from error
    found = tuple(_matched(pattern, name) for name in source.names)
    if not any(found):
        column = f" It is no column of the table either ({', '.join(source.columns)})." if source.columns else ""
        raise ConvscopeError(
            f"split.group = {group!r} must match some of the pictures' names, such as {source.names[0]!r}. "
            f"It matches none.{column}"
        )
    return found


def _matched(pattern: re.Pattern[str], name: str) -> str:
    match = pattern.search(name)
    if match is None:
        return ""
    return (match.group(1) if pattern.groups else match.group(0)) or ""


def notes(source: Source, group: str, found: Sequence[str]) -> list[str]:
    """What is worth saying of a group setting: how many groups, and how many pictures match none."""
    alone = sum(not name for name in found)
    kept = len({name for name in found if name})
    said = f"split.group = {group!r} keeps {len(found) - alone} pictures together in {kept} groups"
    return [said + (f"; {alone} pictures are in none and stand alone." if alone else ".")]


# Signs of groups that nobody named. What is suggested must make, of the names that caused it, a group of each burst.

# A phone's burst: the time of its first picture is the burst's name, and the pictures are counted before it.
_BURST = re.compile(r"^.*(?P<stem>BURST\d{8,})(?!.*BURST)")
_FRAME = re.compile(
    r"(?i)^(?P<stem>.*?(?:frame|clip|video|vid|burst|scene|shot|seq)[a-z]*(?:[-_ ]?\d+[-_ ]|[-_ ]?))\d+(?:_COVER)?$"
)
_ROBOFLOW = re.compile(r"^(?P<stem>.+)\.rf\.[0-9A-Za-z]{8,}$")
_COUNTED = re.compile(r"^(?!.*\d{8})(?P<stem>.*\d.*?[-_. ]\D*?)\d{1,5}$")  # eight digits are a date: a phone's names


def warning(source: Source, times: NDArray[np.int64]) -> list[str]:
    """A sentence where names or times suggest bursts, frames or copies; [] where nothing does.

    times: (N,) when each picture was taken, in seconds, -1 where its file doesn't say.
    """
    if source.files is None:
        return []
    stems: dict[str, Counter[tuple[int, str]]] = defaultdict(Counter)
    example: dict[str, str] = {}
    for label, name in zip(source.labels.tolist(), source.names, strict=True):
        folder, _, file = name.rpartition("/")  # not pathlib: 60 000 of its paths take half a second
        kind, stem = _stem(file.rpartition(".")[0] or file)
        if kind:
            stems[kind][label, f"{folder}/{stem}"] += 1
            example.setdefault(kind, name)
    cover = "(_COVER)?" if any("_COVER." in name for name in source.names) else ""
    tests = (
        ("burst", 1, "bursts", '--group "(BURST[0-9]+)"'),
        ("frame", 1, "frames of videos or bursts", rf'--group "(.*?)[0-9]+{cover}\.\w+$"'),
        ("copy", 1, "copies of one picture, changed a little", r'--group "([^/]+)\.rf\."'),
        ("counted", 3, "several pictures of each subject", r'--group "([^/]*?)[0-9]+\.\w+$"'),
    )
    for kind, least, what, flag in tests:
        groups = {key: count for key, count in stems[kind].items() if count >= 3 - (kind == "copy")}
        per_class = Counter(label for label, _ in groups)
        if per_class and max(per_class.values()) >= least and sum(groups.values()) >= max(_ENOUGH, len(source) // 10):
            return [_sentence(f"names such as {example[kind]!r} suggest {what}", flag)]
    bursts = _bursts(source, times)
    burst = sum(map(len, bursts))
    if burst >= max(_ENOUGH, len(source) // 20):
        return [
            _sentence(
                f"the cameras' clocks say that {burst} pictures were taken within {_BURST_SECONDS} seconds of another",
                _flag_of_bursts(source, bursts),
            )
        ]
    return []


def _flag_of_bursts(source: Source, bursts: list[list[int]]) -> str:
    """What keeps bursts together that only the clocks tell: their folders if they have some, else what to prepare."""
    if source.kind == "csv":
        return "--group COLUMN, a column of the table that names the scene of each picture"
    try:
        folders = names(source, "folder")
    except ConvscopeError:
        folders = ()
    if folders and all(len({folders[row] for row in burst}) == 1 for burst in bursts):
        return "--group folder"
    return "--group folder, once each scene has a folder of its own below its class folder"


def _sentence(sign: str, flag: str) -> str:
    return (
        f"{sign}. If so, pictures that are nearly the same stand in training and in the test, and the score is too "
        f"good. Keep them together with {flag}."
    )


def _stem(stem: str) -> tuple[str, str]:
    for kind, pattern in (("copy", _ROBOFLOW), ("burst", _BURST), ("frame", _FRAME), ("counted", _COUNTED)):
        if match := pattern.match(stem):
            return kind, match["stem"]
    return "", ""


def _bursts(source: Source, times: NDArray[np.int64]) -> list[list[int]]:
    """The rows of runs of three or more pictures of one class, each taken within two seconds of the one before."""
    bursts: list[list[int]] = []
    values, counts = np.unique(times, return_counts=True)
    useless = set(values[counts > _SAME_CLOCK].tolist()) | {-1}
    for label in range(len(source.classes)):
        mine = sorted((int(times[row]), row) for row in np.flatnonzero(source.labels == label).tolist())
        run: list[int] = []
        last = 0
        for time, row in [*(found for found in mine if found[0] not in useless), (1 << 62, -1)]:
            if run and time - last > _BURST_SECONDS:
                bursts += [run] if len(run) >= 3 else []
                run = []
            run.append(row)
            last = time
    return bursts
