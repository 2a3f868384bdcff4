"""A network that can't be read or built: the error as a finding, with an edit that was tried and helps."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from convscope.network.shapes import NetworkError, Sizes, check_end, resolve, where
from convscope.notation import NotationError, parse, write_out
from convscope.notation.tree import Branches, Item, Layer, Regions, Sequence, Written, bodies
from convscope.preflight.edits import arrow, at_the_end, removed, replaced, span, with_number, with_word, without, words
from convscope.preflight.finding import Finding, Rewrite, rewritten

Input = tuple[int, int, int]

ASSUMED_CLASSES = 10
"""Where neither text nor data says how many classes there are, shapes are worked out for so many."""
Tries = Iterator[tuple[Rewrite, ...]]


def notation_finding(text: str, error: NotationError) -> Finding:
    """A text that is no network; the nearest word is tried."""
    meant = re.search(r"did you mean '([^']+)'|^write (\S+)$", error.hint)
    line = text.split("\n")[error.line - 1] if error.line <= text.count("\n") + 1 else ""
    old = line[error.column - 1 : error.column - 1 + error.place.length]
    tries = [Rewrite(error.line, error.column, old, meant[1] or meant[2])] if meant else []
    if "comma" in error.what:
        tries.append(Rewrite(error.line, error.column, old, f", {old}"))
    edits = next(((edit,) for edit in tries if _read(text, (edit,)) is not None), ())
    return Finding(
        "not-readable", "error", where(error.place),
        f"the text can't be read as a network: {error.what.rstrip('.')}.", error.hint or "see docs/notation.md",
        edits, str(error),
    )  # fmt: skip


def misfit_finding(text: str, error: NetworkError, input: Input | None, classes: int | None) -> Finding:
    """A layer that can't be built on what reaches it, or an end that is no classifier.

    Raises the error again where no layer is at fault: the input or the classes are not known.
    """
    if not error.finding or error.place is None:
        raise error
    table = str(error)[: str(error).find(where(error.place))]
    edits = mend(text, error, input, classes)
    reason = f"{error.layer} can't be built on {'x'.join(map(str, error.shape))}: {error.wrong}"
    if error.finding in ("class-count", "stated-size-differs"):
        reason = error.wrong
    return Finding(error.finding, "error", error.layer, reason, error.fix, edits, table)


def mend(text: str, error: NetworkError, input: Input | None, classes: int | None) -> tuple[Rewrite, ...]:
    """The first edit after which the whole network can be built, or else one that lets the walk go further."""
    written = write_out(parse(text))
    item = next((each for each in _items(written.body) if each.name == error.layer), None)
    if error.place is None or (item is None and error.finding != "stated-size-differs"):
        return ()
    further: tuple[Rewrite, ...] = ()
    for edits in CANDIDATES[error.finding](text, error, item, written, classes):
        after = _read(text, edits)
        if after is None:
            continue
        left = fault(after, input, classes)
        if left is None:
            return edits
        if not further and _place(left) > _place(error):
            further = edits
    return further


def fault(written: Written, input: Input | None, classes: int | None) -> NetworkError | None:
    """Why a network can't be built, or can't be trained where there are `classes`; None where it can."""
    try:
        sizes: Sizes = resolve(written, input, classes or ASSUMED_CLASSES)
        if classes is not None:
            check_end(sizes, classes)
    except NetworkError as error:
        return error
    return None


def _place(error: NetworkError) -> tuple[int, int]:
    return (error.place.line, error.place.column) if error.place else (0, 0)


def _read(text: str, edits: tuple[Rewrite, ...]) -> Written | None:
    try:
        return write_out(parse(rewritten(text, edits)))
    except NotationError:
        return None


def _items(sequence: Sequence) -> Iterator[Item]:
    for item in sequence.items:
        for body in bodies(item):
            yield from _items(body)
        yield item


# ---- what may help, by the finding; the likeliest first -------------------------------------------------------------


def _smaller(text: str, error: NetworkError, item: Item | None, written: Written, classes: int | None) -> Tries:
    assert isinstance(item, Layer)
    assert item.kernel
    paddings = ("valid", "full", r"pad=\S+", "same")
    if item.kind == "conv" and item.padding != "same":
        yield (without(text, item.place, *paddings),)
    fits = tuple(min(k, n) for k, n in zip(item.kernel, error.shape[:2], strict=True))
    if item.kind != "conv" and fits == (1, 1):
        yield (removed(text, item.place),)
    yield (with_number(text, item.place, 0, f"{fits[0]}x{fits[1]}"),)
    yield (removed(text, item.place),)


def _maps(text: str, error: NetworkError, item: Item | None, written: Written, classes: int | None) -> Tries:
    assert isinstance(item, Layer)
    for sequence in _sequences(written.body):
        before = None
        for each in sequence.items:
            if each is item and isinstance(before, Layer) and before.kind == "flatten":
                yield (removed(text, before.place),)
            before = each
    if item.kind == "conv" and isinstance(item.units, int | str):
        yield (replaced(text, item.place, f"dense {item.units}"),)
    yield (removed(text, item.place),)


def _sequences(sequence: Sequence) -> Iterator[Sequence]:
    yield sequence
    for item in _items(sequence):
        yield from bodies(item)


def _groups(text: str, error: NetworkError, item: Item | None, written: Written, classes: int | None) -> Tries:
    assert isinstance(item, Layer)
    units = item.units if isinstance(item.units, int) else error.shape[-1]
    common, asked = math.gcd(units, error.shape[-1]), item.options["groups"]
    most = max(
        (d for d in range(1, common + 1) if common % d == 0 and isinstance(asked, int) and d <= asked), default=1
    )
    yield (with_word(text, item.place, f"groups={most}"),)


def _branches(text: str, error: NetworkError, item: Item | None, written: Written, classes: int | None) -> Tries:
    """Every branch is brought to the shape of every other in turn: a shortcut by `conv 1x1`, a chain by its last layer
    that has a stride or channels."""
    assert isinstance(item, Branches)
    for wanted in item.branches:
        shape = _after(wanted, error.shape, classes)
        if shape is None:
            continue
        edits: list[Rewrite] = []
        for branch in item.branches:
            here = _after(branch, error.shape, classes)
            if here is None or (here == shape if item.kind == "add" else here[:-1] == shape[:-1]):
                continue
            edit = _brought(text, branch, error.shape, shape, item.kind)
            if edit is not None:
                edits.append(edit)
        yield tuple(edits)
    for branch in item.branches:
        for layer in branch.items:
            if isinstance(layer, Layer) and layer.kernel:
                same = without(text, layer.place, "valid", "full", r"pad=\S+", "ceil")
                yield (Rewrite(same.line, same.column, same.old, f"{same.new} same"),)


def _after(branch: Sequence, shape: tuple[int, ...], classes: int | None) -> tuple[int, ...] | None:
    if len(shape) != 3:
        return None
    try:
        return resolve(Written(branch), (shape[0], shape[1], shape[2]), classes).output
    except NetworkError:
        return None


def _brought(
    text: str, branch: Sequence, before: tuple[int, ...], wanted: tuple[int, ...], kind: str
) -> Rewrite | None:
    layers = [item for item in branch.items if isinstance(item, Layer)]
    if len(wanted) != 3 or not layers:
        return None
    stride = max(-(-before[0] // wanted[0]), 1)
    if len(layers) == 1 and layers[0].kind == "identity":
        units = f" {wanted[2]}" if kind == "add" else f" {before[2]}"
        return replaced(text, layers[0].place, f"conv 1x1{units}{f' /{stride}' if stride > 1 else ''}")
    last = next((layer for layer in reversed(layers) if layer.kind == "conv"), None)
    here = _after(branch, before, None)
    if last is None or here is None:
        return None
    if here[:2] == wanted[:2]:
        return with_number(text, last.place, 1, str(wanted[2]))
    slider = next((layer for layer in layers if layer.kernel and layer.stride != (1, 1)), layers[0])
    changed = without(text, slider.place, r"/\S+")
    return Rewrite(changed.line, changed.column, changed.old, changed.new + (f" /{stride}" if stride > 1 else ""))


def _stated(text: str, error: NetworkError, item: Item | None, written: Written, classes: int | None) -> Tries:
    assert error.place
    edit = arrow(text, error.place, "x".join(map(str, error.shape)))
    if edit is not None:
        yield (edit,)


def _classes(text: str, error: NetworkError, item: Item | None, written: Written, classes: int | None) -> Tries:
    """The last layer with channels or units gives as many as there are classes; else a head is put behind."""
    last = item if isinstance(item, Layer) and item.kind in ("conv", "dense") else None
    if last is None:
        every = reversed(list(_items(written.body)))
        last = next((e for e in every if isinstance(e, Layer) and e.units is not None), None)
    if last is not None and last.kind == "dense":
        yield (replaced(text, last.place, re.sub(r"^dense\s+\w+", "dense", words(text, last.place))),)
    if last is not None and last.kind == "conv":
        yield (with_number(text, last.place, 1, "classes"),)
    yield (at_the_end(text, "dense"),)
    yield (at_the_end(text, "gap, dense"),)


def _others(text: str, error: NetworkError, item: Item | None, written: Written, classes: int | None) -> Tries:
    assert item is not None
    if isinstance(item, Regions):
        grid = [max(d for d in range(1, g + 1) if n % d == 0) for g, n in zip(item.grid, error.shape, strict=False)]
        start, _ = span(text, item.place)
        old = re.compile(r"\d+(x\d+)?").search(text, start)
        if old is not None and len(grid) == 2:
            line, first = text[: old.start()].count("\n") + 1, text.rfind("\n", 0, old.start()) + 1
            yield (Rewrite(line, old.start() - first + 1, old[0], f"{grid[0]}x{grid[1]}"),)
        return
    if not isinstance(item, Layer):
        return
    if item.kind == "rbf":
        yield (replaced(text, item.place, f"dense 84, {words(text, item.place)}"),)
    if item.options.get("connect") == "lenet5":
        yield (without(text, item.place, "connect=lenet5"),)
    if item.options.get("border") == "reflect":
        yield (with_word(text, item.place, "border=replicate"),)
    if item.kind == "identity":
        stride = "" if item.stride in (None, (1, 1)) else f" /{item.stride[0]}x{item.stride[1]}"
        yield (replaced(text, item.place, f"conv 1x1 {item.units}{stride}"),)
    yield (removed(text, item.place),)


CANDIDATES: dict[
    str, Callable[[str, NetworkError, Item | None, Written, int | None], Iterator[tuple[Rewrite, ...]]]
] = {
    "kernel-does-not-fit": _smaller,
    "maps-needed": _maps,
    "groups-do-not-divide": _groups,
    "branches-differ": _branches,
    "stated-size-differs": _stated,
    "class-count": _classes,
    "layer-does-not-fit": _others,
}
"""One row a finding that a network's error can be: the edits that may mend it, the likeliest first."""
