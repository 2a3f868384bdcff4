"""From what the user wrote to image sets: found, decoded, split, measured.

`load` is what training, evaluation and `data info` call. Knows the order of these steps and what is kept between runs;
each step is a module of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convscope import files
from convscope.data import cache, groups, sources, split
from convscope.data.decode import WHITE, Colour, Fit, is_picture_name
from convscope.data.images import DataSet, ImageSet
from convscope.data.listing import Source
from convscope.data.preprocess import Preprocess, statistics
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError, RunFailed, unknown

Statistic = Literal["train", "position-range"] | tuple[float, ...]

LARGEST_IN_MEMORY = 512 << 20
"""Bytes up to which the parts are copied into memory; a larger set is laid out on disk, part after part."""
_MOST_LISTED = 50
_MOST_NAMED = 3
_UNEVEN = 5
_PIECE = 32 << 20


def load(
    spec: str,
    *,
    base: Path = Path(),
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    fit: Fit = "pad",
    validation: float = 0.15,
    test: float = 0.15,
    group: str = "",
    seed: int = 0,
    split_file: Path | None = None,
    mean: Statistic = "train",
    std: Statistic = "train",
    per_picture: bool = False,
    crop_to: tuple[int, int] | None = None,
    manner: str | None = "auto",
    bring: str | None = None,
    background: Colour = WHITE,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
    in_memory: int = LARGEST_IN_MEMORY,
) -> DataSet:
    """The data set that `spec` means, split and ready to train on.

    spec: a data set's name, with "[:1000]" behind it for the first 1000 training pictures; a folder; a .csv. A path is
        relative to `base`.
    size, channels: of the stored pictures; None is the data set's own (`cache.open_or_build` says what that is).
    validation, test: fractions to split off, 0 for none; a part that the data brings is used as it is.
    group: "", "folder", a column of the .csv, or a pattern on the names (`groups.names`).
    split_file: a saved split; what it lists stays where it was.
    mean, std: "train" (each channel over the training part), "position-range" (`preprocess.statistics`), or numbers.
    manner: what brings pictures from outside to this data's manner; it is recorded, and none of these pictures goes
        through it. "auto" is that of a data set which has a name, where its pictures are grey.
    bring: the manner into which these pictures themselves are brought, as `predict` brings a picture from outside; for
        files, with `size` and 1 channel.
    skip_unreadable: leave out pictures that can't be read, with a note; without it they are an error that lists them.
    progress: called with what is being done, how many are done, and of how many (0 where nobody knows); with 0 of 0
        once before a download, to say how much comes and where it stays.
    Raises ConvscopeError for all that the user can mend.
    """
    split.check_fractions(validation, test)
    listed = split.load(split_file) if split_file is not None else None
    source = sources.find(spec, base, progress)
    notes = list(source.notes)
    kept: Path | None = None
    if source.files is None:
        images, plain = _fitted(source, size, channels, fit, background, progress)
        hashes, times = source.hashes(), np.full(len(source), -1, np.int64)
    else:
        fitting = cache.Fitting(size, channels, fit, background, bring)
        cached = cache.open_or_build(source.files, source.names, fitting, _identity(source), progress)
        source = _usable(source, cached, skip_unreadable, notes)
        images, hashes, times, kept = cached.images, cached.hashes, cached.times, cached.folder
        plain = Preprocess((images.shape[2], images.shape[3]), images.shape[1], fit, background=background)
    named = groups.names(source, group)
    notes += groups.notes(source, group, named) if group else groups.warning(source, times)
    made = split.assign(
        source.names,
        source.labels,
        source.classes,
        hashes,
        brought=source.parts,
        groups=named,
        validation=validation,
        test=test,
        seed=seed,
        listed=listed,
    )
    if manner == "auto":
        manner = sources.manner(source) if plain.channels == 1 else None
    plain = plain.replace(crop_to=crop_to, manner=manner, per_picture=per_picture)
    parts = _parts(source, images, made, kept, in_memory, progress)
    if not len(parts["train"]):
        raise ConvscopeError(f"{spec} must leave at least one picture to train on. Its training part is empty.")
    if not per_picture:
        plain = plain.replace(**_numbers(parts["train"].images, mean, std, kept, made))
    return DataSet(
        parts["train"],
        parts["validation"],
        parts["test"],
        source.classes,
        content_sha256(source, hashes),
        source.root,
        made,
        plain,
        (*notes, *made.notes, *_uneven(parts["train"])),
    )


def content_sha256(source: Source, hashes: NDArray[np.uint8]) -> str:
    """The hash of a data set's content: name, class, part and content hash of each picture, in the order of names."""
    digest = hashlib.sha256()
    words = [name.encode("utf-8") for name in source.classes]
    for row in sorted(range(len(source)), key=source.names.__getitem__):
        facts = (source.names[row].encode("utf-8"), words[source.labels[row]], source.parts[row].encode())
        digest.update(b"\t".join(facts) + b"\t" + hashes[row].tobytes() + b"\n")
    return digest.hexdigest()


def _identity(source: Source) -> str:
    """What the data is called on this machine: two states of the same identity never live in the cache together."""
    root = source.root.resolve() if source.root is not None else ""
    slice_of = source.spec[source.spec.rfind("[:") :] if source.spec.endswith("]") else ""
    return f"{source.kind}\t{root}\t{slice_of}"


def _fitted(
    source: Source,
    size: tuple[int, int] | None,
    channels: int | None,
    fit: Fit,
    background: Colour,
    progress: Progress | None,
) -> tuple[NDArray[np.uint8], Preprocess]:
    """The pictures of an array in the size and channels asked for."""
    images = source.arrays
    assert images is not None
    own = (images.shape[2], images.shape[3])
    plain = Preprocess(size or own, channels or images.shape[1], fit, background=background)
    if (plain.size, plain.channels) == (own, images.shape[1]):
        return images, plain
    fitted = np.empty((len(images), plain.channels, *plain.size), np.uint8)
    for row, picture in enumerate(images):
        fitted[row] = plain.fit(np.ascontiguousarray(picture.transpose(1, 2, 0)))  # (C, H, W) -> (H, W, C)
        if progress is not None and (row + 1) % 1000 == 0:
            progress("fitting pictures", row + 1, len(images))
    return fitted, plain


def _usable(source: Source, cached: cache.Cached, skip_unreadable: bool, notes: list[str]) -> Source:
    """The source without the files that are no pictures; an error where one that claims to be a picture is not."""
    broken = [(source.names[row], why) for row, why in cached.failures if is_picture_name(source.names[row])]
    other = [(source.names[row], why) for row, why in cached.failures if not is_picture_name(source.names[row])]
    other += source.others
    found = len(source) + len(source.others) + source.system
    sums = (
        f"{found} files found = {len(cached.rows)} pictures + {len(broken)} unreadable + {len(other)} others "
        f"+ {source.system} of the system."
    )
    if not len(cached.rows):
        raise ConvscopeError(
            f"{source.root} must hold pictures. None of its files can be read as one.\n"
            f"{_listed(broken + other)}\n{sums}"
        )
    if broken and not skip_unreadable:
        word = "picture" if len(broken) == 1 else "pictures"
        raise ConvscopeError(
            f"every picture in {source.root} must be readable. {len(broken)} {word} can't be read:\n{_listed(broken)}\n"
            f"{sums} Mend these files, or move them out of the folder."
        )
    if broken:
        notes.append(f"unreadable pictures were left out:\n{_listed(broken)}")
    if other:
        notes.append(_others(other))
    if broken or other or source.system:
        notes.append(sums)
    there = set(np.unique(source.labels[cached.rows]).tolist())
    empty = [name for i, name in enumerate(source.classes) if i not in there]
    if empty:
        raise ConvscopeError(
            f"each class in {source.root} must have at least one picture that can be read. "
            f"{', '.join(empty)}: none.\n{_listed(broken + other)}"
        )
    return source.rows(cached.rows)


def _others(other: list[tuple[str, str]]) -> str:
    """One line on the files that are no pictures: how many, and the first few of each reason."""
    by_reason: dict[str, list[str]] = {}
    for name, why in other:
        short = re.split(r" \(|\. ", why, maxsplit=1)[0]  # without the list of the formats that are read
        by_reason.setdefault(short, []).append(name)
    said = [
        f"{', '.join(names[:_MOST_NAMED])}{f' and {len(names) - _MOST_NAMED} more' * (len(names) > _MOST_NAMED)}: {why}"
        for why, names in by_reason.items()
    ]
    kind = "1 file that is no picture" if len(other) == 1 else f"{len(other)} files that are no pictures"
    return f"{kind} of a class, left out: {'; '.join(said)}"


def _uneven(train: ImageSet) -> list[str]:
    """A note where the largest class has many times the training pictures of the smallest."""
    counts = {name: int((train.labels == i).sum()) for i, name in enumerate(train.classes)}
    counts = {name: count for name, count in counts.items() if count}
    largest, smallest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[largest] < _UNEVEN * counts[smallest]:
        return []
    return [
        f"{largest} has {counts[largest]} training pictures, {smallest} has {counts[smallest]}: a network learns the "
        "small classes less. --set class_weights=balanced counts each class alike."
    ]


def _listed(bad: list[tuple[str, str]]) -> str:
    lines = [f"  {name}: {why}" for name, why in bad[:_MOST_LISTED]]
    return "\n".join([*lines, *([f"  and {len(bad) - _MOST_LISTED} more"] if len(bad) > _MOST_LISTED else [])])


def _parts(
    source: Source,
    images: NDArray[np.uint8],
    made: split.Split,
    kept: Path | None,
    in_memory: int,
    progress: Progress | None,
) -> dict[str, ImageSet]:
    """An image set for each part: copies in memory, or slices of one map that holds part after part."""
    rows = {part: made.rows(part) for part in split.PARTS}
    laid: dict[str, NDArray[np.uint8]] = {}
    if kept is None or images.nbytes <= in_memory:
        laid = {part: images[rows[part]] for part in split.PARTS}
    else:
        path = kept / f"parts-{made.sha256[:16]}.npy"
        order = np.concatenate([rows[part] for part in split.PARTS])
        if not path.is_file():
            for older in kept.glob("parts-*.npy"):
                with contextlib.suppress(RunFailed):  # another process may read it: Windows keeps it then
                    files.remove_file(older)
            piece = max(1, _PIECE // max(1, images[0].nbytes))
            with files.large_array(path, np.uint8, images.shape) as array:
                for start in range(0, len(order), piece):
                    array[start : start + piece] = images[order[start : start + piece]]
                    if progress is not None:
                        progress("laying out the parts", min(start + piece, len(order)), len(order))
        whole = files.open_array(path)
        start = 0
        for part in split.PARTS:
            laid[part] = whole[start : start + len(rows[part])]
            start += len(rows[part])
    return {
        part: ImageSet(
            laid[part],
            source.labels[rows[part]],
            source.classes,
            rows[part],
            tuple(source.names[i] for i in rows[part].tolist()),
            made.hashes[rows[part]],
        )
        for part in split.PARTS
    }


def _numbers(
    images: NDArray[np.uint8], mean: Statistic, std: Statistic, kept: Path | None, made: split.Split
) -> dict[str, tuple[float, ...]]:
    """mean and std as numbers: each as it was given, or from the training pictures (kept beside the cached ones)."""
    numbers: dict[str, tuple[float, ...]] = {}
    measured: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {}
    for name, given, place in (("mean", mean, 0), ("std", std, 1)):
        if not isinstance(given, str):
            numbers[name] = tuple(given)
        elif given not in ("train", "position-range"):
            raise ConvscopeError(unknown(f"value of input.{name}", given, ("train", "position-range")))
        else:
            if given not in measured:
                measured[given] = _measured(images, given, kept, made)
            numbers[name] = measured[given][place]
    return numbers


def _measured(
    images: NDArray[np.uint8], given: str, kept: Path | None, made: split.Split
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    how: Literal["channel", "position-range"] = "position-range" if given == "position-range" else "channel"
    if kept is None:
        return statistics(images, how)
    path = kept / f"statistics-{how}-{made.sha256[:16]}.json"
    try:
        stored = files.read_json(path)
        return tuple(map(float, stored["mean"])), tuple(map(float, stored["std"]))
    except (ConvscopeError, KeyError, TypeError, ValueError):
        measured = statistics(images, how)
        files.write_json(path, {"format": 1, "mean": list(measured[0]), "std": list(measured[1])})
        return measured
