"""Which picture trains, which chooses, which tests: decided by content, kept in a file, never changed after.

The order is that of a keyed hash of each picture's content, within each class, so neither file names nor file order
nor other pictures decide. Identical pictures and the members of one group stand in one part. A picture that comes
later is placed by its hash's threshold; no listed picture moves.
Knows names, labels, hashes and groups. Knows nothing of pixels.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convscope import draws, files
from convscope.errors import ConvscopeError, unknown

PARTS = ("train", "validation", "test")
HASH_BYTES = 16  # of the content's SHA-256: by chance two of a million pictures agree with probability 2e-27
_TRAIN, _VALIDATION, _TEST = 0, 1, 2
_COLUMNS = ("name", "label", "part", "hash", "group")


@dataclass(frozen=True, eq=False)
class Split:
    """The part of each picture of a data set, in the data set's order.

    names and labels: N names and N class names; parts: (N,) int8, an index into PARTS; hashes: (N, 16) uint8, the
    first bytes of the content's SHA-256; groups: N names, "" for a picture that stands alone.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    parts: NDArray[np.int8]
    hashes: NDArray[np.uint8]
    groups: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, part: str) -> NDArray[np.int64]:
        """The rows of the data set that belong to "train", "validation" or "test", in rising order."""
        if part not in PARTS:
            raise ConvscopeError(unknown("part", part, PARTS))
        return np.flatnonzero(self.parts == PARTS.index(part)).astype(np.int64)

    def counts(self) -> dict[str, int]:
        """Pictures in each part."""
        return {part: int((self.parts == number).sum()) for number, part in enumerate(PARTS)}

    @cached_property
    def sha256(self) -> str:
        """The hash of which content is in which part: names and file order don't change it."""
        rows = np.concatenate([self.hashes, self.parts.astype(np.uint8)[:, None]], axis=1)  # (N, 17)
        return hashlib.sha256(np.sort(rows.view(f"S{rows.shape[1]}"), axis=0).tobytes()).hexdigest()

    def save(self, path: Path | str) -> None:
        """Writes `split.csv`: one line a picture, with its name, class, part, content hash and group."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row in zip(
            self.names,
            self.labels,
            (PARTS[p] for p in self.parts),
            (h.tobytes().hex() for h in self.hashes),
            self.groups,
            strict=True,
        ):
            writer.writerow(row)
        files.write_text(path, text.getvalue())


def load(path: Path | str) -> Split:
    """Reads a `split.csv`. `ConvscopeError` names the file and the line that is wrong."""
    reader = csv.reader(io.StringIO(files.read_text(path), newline=""))
    if tuple(next(reader, ())) != _COLUMNS:
        raise ConvscopeError(f"{path} must begin with the line {','.join(_COLUMNS)}: it is no saved split.")
    names, labels, parts, hashes, groups = [], [], [], [], []
    for row in reader:
        try:
            name, label, part, digest, group = row
            parts.append(PARTS.index(part))
            hashes.append(np.frombuffer(bytes.fromhex(digest).ljust(1, b"?"), np.uint8).reshape(HASH_BYTES))
        except ValueError:
            raise ConvscopeError(
                f"{path}, line {reader.line_num}: a line must hold name, label, part ({', '.join(PARTS)}), "
                f"hash ({2 * HASH_BYTES} hexadecimal digits) and group. Got {','.join(row)[:120]!r}."
            ) from None
        names.append(name)
        labels.append(label)
        groups.append(group)
    table = np.stack(hashes) if hashes else np.zeros((0, HASH_BYTES), np.uint8)
    return Split(tuple(names), tuple(labels), np.array(parts, np.int8), table, tuple(groups))


def check_fractions(validation: float, test: float) -> None:
    """`ConvscopeError` unless something is left to train on."""
    for word, value in (("validation", validation), ("test", test)):
        if not 0 <= value < 1:
            raise ConvscopeError(f"split.{word} must be a fraction from 0 (none) to below 1. Got {value:g}.")
    if validation + test >= 1:
        raise ConvscopeError(
            "split.validation and split.test must leave something to train on: their sum must be below 1. "
            f"Got {validation:g} + {test:g}."
        )


def assign(
    names: Sequence[str],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    hashes: NDArray[np.uint8],
    *,
    brought: Sequence[str] = (),
    groups: Sequence[str] = (),
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    listed: Split | None = None,
) -> Split:
    """The part of each of N pictures.

    labels: (N,) into classes; hashes: (N, 16 or more) uint8 of the content; brought: N words, a part that the data
    brings or "" (none at all: an empty sequence); groups: N names or "".
    A part that is brought stays as it is, and no other picture joins it; what is missing is drawn from training and
    from the pictures without a part: within each class the first in the order of the keyed hash become test, the next
    validation. `listed` is the split of an earlier time: what it lists keeps its part, the rest is placed by hash.
    """
    check_fractions(validation, test)
    n = len(names)
    brought = tuple(brought) or ("",) * n
    groups = tuple(groups) or ("",) * n
    hashes = np.ascontiguousarray(hashes[:, :HASH_BYTES])
    has = set(brought)
    wanted = {_TEST: 0.0 if "test" in has else test, _VALIDATION: 0.0 if "validation" in has else validation}
    parts = np.array([PARTS.index(word) if word else _TRAIN for word in brought], np.int8).reshape(n)
    free = parts == _TRAIN
    units = _units(hashes, groups, free)
    keys = _keys(hashes, groups, seed)
    notes: list[str] = []
    fresh = free
    if listed is not None:
        fresh = _keep_listed(names, hashes, groups, free, parts, listed)
        _by_threshold(parts, fresh, units, keys, wanted)
    else:
        _draw(parts, labels, len(classes), units, keys, wanted)
    notes += _leaks(names, labels, parts, hashes, groups)
    if listed is None:
        notes += _missing(parts, labels, classes, wanted, n)
    return Split(tuple(names), tuple(classes[i] for i in labels), parts, hashes, groups, tuple(notes))


def _first_words(hashes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The first eight bytes of each hash as a number: (N,)."""
    return np.ascontiguousarray(hashes[:, :8]).view("<i8").reshape(len(hashes)).astype(np.int64)


def _keys(hashes: NDArray[np.uint8], groups: Sequence[str], seed: int) -> NDArray[np.float64]:
    """The keyed hash of each picture in [0, 1): of its group where it has one, else of its content."""
    words = _first_words(hashes)
    known: dict[str, int] = {}
    for row, group in enumerate(groups):
        if group:
            if group not in known:
                known[group] = int.from_bytes(hashlib.sha256(group.encode("utf-8")).digest()[:8], "little", signed=True)
            words[row] = known[group]
    return draws.uniform(seed, 0, words, "split")


def _units(hashes: NDArray[np.uint8], groups: Sequence[str], free: NDArray[np.bool_]) -> dict[int, list[int]]:
    """What can't be parted: rows that are free to go and share content or a group, by the lowest row of each."""
    contents = np.unique(hashes[free].view(f"V{HASH_BYTES}"))
    if len(contents) == int(free.sum()) and not any(groups):
        return {row: [row] for row in np.flatnonzero(free).tolist()}
    first: dict[bytes | str, int] = {}
    parent: dict[int, int] = {}

    def find(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    for row in np.flatnonzero(free).tolist():
        parent[row] = row
        for tie in (hashes[row].tobytes(), groups[row]):
            if tie:
                one, other = find(first.setdefault(tie, row)), find(row)
                parent[max(one, other)] = min(one, other)
    units: dict[int, list[int]] = {}
    for row in parent:
        units.setdefault(find(row), []).append(row)
    return units


def _draw(
    parts: NDArray[np.int8],
    labels: NDArray[np.int64],
    classes: int,
    units: dict[int, list[int]],
    keys: NDArray[np.float64],
    wanted: dict[int, float],
) -> None:
    """Fills test, then validation, class by class in the order of the keys; the rest stays in training."""
    strata: list[list[tuple[float, int]]] = [[] for _ in range(classes)]
    label_of, key_of = labels.tolist(), keys.tolist()
    for unit, rows in units.items():
        if len(rows) == 1:
            strata[label_of[unit]].append((key_of[unit], unit))
            continue
        counts = Counter(label_of[row] for row in rows)
        majority = min(counts, key=lambda label: (-counts[label], label))
        strata[majority].append((min(key_of[row] for row in rows), unit))
    for members in strata:
        members.sort()
        waiting = [(len(units[unit]), unit) for _, unit in members]
        total = sum(size for size, _ in waiting)
        for part, left in ((_TEST, 2 if wanted[_VALIDATION] > 0 else 1), (_VALIDATION, 1)):
            if wanted[part] <= 0 or len(waiting) < 2:
                continue
            chosen = _fill(waiting, wanted[part] * total, most=max(1, len(waiting) - left))
            for unit in chosen:
                parts[units[unit]] = part
            waiting = [(size, unit) for size, unit in waiting if unit not in chosen]


def _fill(waiting: list[tuple[int, int]], target: float, most: int) -> set[int]:
    """Units in order until the target is met as nearly as may be; at least one and at most `most` of them."""
    chosen: set[int] = set()
    filled = 0
    for size, unit in waiting:
        if filled + size / 2 <= target and len(chosen) < most:
            chosen.add(unit)
            filled += size
        if filled >= target:
            break
    if not chosen:
        smallest = min(range(len(waiting)), key=lambda i: (waiting[i][0], i))
        chosen = {waiting[smallest][1]}
    return chosen


def _keep_listed(
    names: Sequence[str],
    hashes: NDArray[np.uint8],
    groups: Sequence[str],
    free: NDArray[np.bool_],
    parts: NDArray[np.int8],
    listed: Split,
) -> NDArray[np.bool_]:
    """Gives listed pictures their part; returns which rows are new.

    A picture is known by its content, else (it was edited) by its name; a new one follows its group. Where the data
    brings one picture in two parts, the name tells the copies apart: the one that trained goes on training.
    """
    exact = {(listed.names[i], listed.hashes[i].tobytes()): i for i in range(len(listed))}
    by_hash = {listed.hashes[i].tobytes(): i for i in range(len(listed))}
    seen = {h.tobytes() for h in hashes}
    by_name = {name: i for i, name in enumerate(listed.names) if listed.hashes[i].tobytes() not in seen}
    by_group: dict[str, int] = {}
    fresh = free.copy()
    for row in np.flatnonzero(free).tolist():
        digest = hashes[row].tobytes()
        at = exact.get((names[row], digest), by_hash.get(digest, by_name.get(names[row])))
        if at is None:
            continue
        parts[row] = listed.parts[at]
        fresh[row] = False
        group = groups[row]
        if group and by_group.setdefault(group, int(parts[row])) != int(parts[row]):
            raise ConvscopeError(
                f"the pictures of a group must stand in one part. Group {group!r} stands in {PARTS[by_group[group]]} "
                f"and, with {names[row]}, in {PARTS[int(parts[row])]}: the saved split was made without these groups, "
                "or this picture is a copy of one in another group. Make a new split, or leave the group setting as "
                "it was."
            )
    for i, group in enumerate(listed.groups):  # a listed group whose pictures are gone still decides
        if group:
            by_group.setdefault(group, int(listed.parts[i]))
    for row in np.flatnonzero(fresh).tolist():
        if groups[row] in by_group:
            parts[row] = by_group[groups[row]]
            fresh[row] = False
    return fresh


def _by_threshold(
    parts: NDArray[np.int8],
    fresh: NDArray[np.bool_],
    units: dict[int, list[int]],
    keys: NDArray[np.float64],
    wanted: dict[int, float],
) -> None:
    """Places the new pictures: each unit by its smallest key, so it falls where its hash says."""
    for rows in units.values():
        new = [row for row in rows if fresh[row]]
        if not new:
            continue
        old = {int(parts[row]) for row in rows if not fresh[row]}
        key = float(keys[new].min())
        drawn = _TEST if key < wanted[_TEST] else _VALIDATION if key < wanted[_TEST] + wanted[_VALIDATION] else _TRAIN
        parts[new] = min(old) if old else drawn


def _leaks(
    names: Sequence[str],
    labels: NDArray[np.int64],
    parts: NDArray[np.int8],
    hashes: NDArray[np.uint8],
    groups: Sequence[str],
) -> list[str]:
    """Sentences on copies, on those with two labels, and on what stands in two parts (which the data brought so)."""
    notes: list[str] = []
    _, which, counts = np.unique(
        hashes.view(f"V{HASH_BYTES}").reshape(len(hashes)), return_inverse=True, return_counts=True
    )
    copies = int((counts - 1).sum())
    if copies:
        rows = np.flatnonzero(counts[which] > 1)
        rows = rows[np.lexsort((rows, which[rows]))]
        pair = f"{names[rows[0]]} and {names[rows[1]]}"
        verb = "picture is a copy" if copies == 1 else "pictures are copies"
        notes.append(f"{copies} {verb} of another with the same content (such as {pair}).")
        pairs = np.unique(np.stack([which[rows], labels[rows]], axis=1), axis=0)  # (content, class)
        torn_labels = int((np.bincount(pairs[:, 0]) > 1).sum())
        if torn_labels:
            word = "picture stands" if torn_labels == 1 else "pictures stand"
            notes.append(f"{torn_labels} {word} in more than one class with the same content: all but one is wrong.")
        across = _across(which, parts, len(counts))
        if across:
            word = "picture stands" if across == 1 else "pictures stand"
            notes.append(
                f"{across} {word} in more than one part with the same content: the data brings them so, and "
                "a score on them is too good. Remove the copies, or let convscope split one folder."
            )
    straddling: dict[str, set[int]] = {}
    for group, part in zip(groups, parts.tolist(), strict=True):
        if group:
            straddling.setdefault(group, set()).add(part)
    torn = sorted(group for group, where in straddling.items() if len(where) > 1)
    if torn:
        notes.append(
            f"{len(torn)} group(s) stand in more than one part, as the data brings them: {', '.join(torn[:5])}."
        )
    return notes


def _across(which: NDArray[np.intp], parts: NDArray[np.int8], contents: int) -> int:
    """How many contents stand in more than one part."""
    low = np.full(contents, len(PARTS), np.int8)
    high = np.full(contents, -1, np.int8)
    np.minimum.at(low, which, parts)
    np.maximum.at(high, which, parts)
    return int((low < high).sum())


def _missing(
    parts: NDArray[np.int8], labels: NDArray[np.int64], classes: Sequence[str], wanted: dict[int, float], n: int
) -> list[str]:
    """Sentences on classes that a drawn part lacks; an error where the whole part came out empty."""
    notes: list[str] = []
    for part in (_VALIDATION, _TEST):
        if wanted[part] <= 0 or not n:
            continue
        word = PARTS[part]
        there = np.bincount(labels[parts == part], minlength=len(classes))
        if not there.any():
            raise ConvscopeError(
                f"the {word} part must get at least one picture, but every class has too few pictures, or its "
                f"pictures are one group or copies of one. Add pictures, change the group setting, or set "
                f"split.{word} = 0."
            )
        lacking = [classes[i] for i in np.flatnonzero(there == 0).tolist()]
        if lacking:
            notes.append(
                f"the {word} part has no picture of {', '.join(lacking[:10])}"
                f"{' ...' if len(lacking) > 10 else ''}: too few pictures or groups there."
            )
    return notes
