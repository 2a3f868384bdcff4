"""Lints of windows: padding and cells that nobody sees, kernels larger than their maps, receptive fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from convscope.network.ending import ACTIVATIONS
from convscope.network.geometry import Windows, windows
from convscope.network.receptive import receptive_fields
from convscope.network.shapes import NetworkError, Sized, dilation_of, resolve, show
from convscope.notation import NotationError, parse, write_out
from convscope.notation.tree import Layer
from convscope.preflight.edits import followed, removed, with_number, without
from convscope.preflight.finding import Edit, Rewrite, rewritten
from convscope.preflight.subject import Found, Subject, named, one_each

CUT_OFF = 0.1
"""The share of rows or columns that no window reaches, from which on it is said: 2 x 2 pooling of 11 is 9 %."""
SMALL_FIELD = 0.25
LARGE_FIELD = 24.0
"""The receptive field of the last maps, in sides of the picture. ResNet-110 on 32 x 32 has 16, DenseNet-121 10."""


def _axes(layer: Layer, row: Sized) -> Iterator[tuple[int, int, int, int, Windows]]:
    """Down and across: cells, the kernel's extent, the stride, the axis, and the windows; nothing for other layers."""
    if layer.kernel is None or layer.stride is None or layer.padding is None or len(row.before) != 3:
        return
    for axis in (0, 1):
        pad = layer.padding[axis] if isinstance(layer.padding, tuple) else layer.padding
        dilation = dilation_of(layer)[axis]
        found = windows(row.before[axis], layer.kernel[axis], layer.stride[axis], dilation, pad, layer.ceil)
        yield row.before[axis], dilation * (layer.kernel[axis] - 1) + 1, layer.stride[axis], axis, found


def padding_never_used(s: Subject) -> Iterator[Found]:
    """Windows that lie in the padding altogether: a border of nothing, as pad=1 around a 1 x 1 kernel."""
    for layer, row in s.layers():
        for _, extent, _, _, found in _axes(layer, row):
            if found.before >= extent:
                yield Found(
                    layer.name,
                    f"{layer.name} has {found.before} cells of padding and windows of {extent}: those at the border "
                    f"see nothing of the maps of {show(row.before)}, and {show(row.after)} come out, a rim of them the "
                    "same for every picture.",
                    "leave the padding out",
                    (without(s.text, layer.place, r"pad=\S+", "full", "same", "valid"),),
                )
                break


def stride_skips_cells(s: Subject) -> Iterator[Found]:
    """A stride larger than the kernel. In a branch (ResNet's shortcut) it is usual: the other branch sees all."""
    beside = s.in_branches()
    for layer, row in s.layers():
        axes = list(_axes(layer, row))
        if layer.name in beside or not any(stride > extent for _, extent, stride, _, _ in axes):
            continue
        seen = 1.0
        for _, extent, stride, _, _ in axes:
            seen *= min(1.0, extent / stride)
        strides = "x".join(str(stride) for _, _, stride, _, _ in axes)
        yield Found(
            layer.name,
            f"{layer.name} strides by {strides} with windows of {'x'.join(str(axis[1]) for axis in axes)}: "
            f"{100 * (1 - seen):.0f} % of the cells of its {show(row.before)} maps are seen by nobody.",
            "use a kernel at least as large as the stride",
            (with_number(s.text, layer.place, 0, "x".join(str(max(a[1], a[2])) for a in axes)),),
        )


def rows_cut_off(s: Subject) -> Iterator[Found]:
    """Rows or columns at the end that no window reaches, where they are a tenth or more."""
    for layer, row in s.layers():
        worst, of = 0, 1
        for cells, extent, stride, _, found in _axes(layer, row):
            unseen = cells + found.before - ((found.count - 1) * stride + extent)
            if extent >= stride and unseen > 0 and unseen / cells > worst / of:
                worst, of = unseen, cells
        if worst / of >= CUT_OFF:
            edit = without(s.text, layer.place, "valid", r"pad=\S+", "full")
            if layer.kind != "conv":
                edit = Rewrite(edit.line, edit.column, edit.old, f"{edit.new} ceil")
            yield Found(
                layer.name,
                f"no window of {layer.name} reaches the last {worst} of {of} rows or columns of its {show(row.before)} "
                "maps.",
                "write `ceil`, so that a last, smaller window sees them"
                if layer.kind != "conv"
                else "use same padding",
                (edit,),
            )


def _unmet(s: Subject) -> list[tuple[Layer, Sized, int, tuple[int, int]]]:
    """Convolutions with weights that never meet a cell: how many of a map's, and the largest kernel that has none."""
    found = []
    for layer, row in s.layers():
        if layer.kind != "conv" or layer.kernel is None or layer.options.get("border", 0.0) != 0.0:
            continue
        met, fits = 1, []
        for cells, _, stride, axis, w in _axes(layer, row):
            dilation, kernel = dilation_of(layer)[axis], layer.kernel[axis]
            met *= _met(cells, kernel, stride, dilation, w)
            same = ((k, windows(cells, k, stride, dilation, "same")) for k in range(kernel, 0, -1))
            fits.append(next(k for k, there in same if _met(cells, k, stride, dilation, there) == k))
        total = layer.kernel[0] * layer.kernel[1]
        if met < total:
            found.append((layer, row, total - met, (fits[0], fits[1])))
    return found


def _met(cells: int, kernel: int, stride: int, dilation: int, w: Windows) -> int:
    """How many of a kernel's places along an axis meet a real cell in some window."""
    starts = [i * stride - w.before for i in range(w.count)]
    return sum(any(0 <= at + tap * dilation < cells for at in starts) for tap in range(kernel))


def kernel_larger_than_maps(s: Subject) -> Iterator[Found]:
    """Weights that never meet a cell of the picture, since the maps have shrunk too far."""
    found = _unmet(s)
    if found:
        layer, row, unmet, _ = max(found, key=lambda each: each[2])
        assert layer.kernel is not None
        smaller = [(each, _smaller(s, each, fits)) for each, _, _, fits in found]
        yield Found(
            found[0][0].name,
            f"the maps have shrunk below the kernel at {named([each for each, _, _, _ in found])}: {unmet} of the "
            f"{layer.kernel[0] * layer.kernel[1]} weights a map of {layer.name}, on {show(row.before)}, never meet "
            "anything but padding.",
            "pool and stride less before, give it larger pictures, or use a smaller kernel there",
            _less_shrunk(s) or one_each([*smaller]),
        )


def _smaller(s: Subject, layer: Layer, fits: tuple[int, int]) -> Edit:
    """The layer with a kernel that fits, and `same` padding, which fits every kernel."""
    edit = with_number(s.text, layer.place, 0, "x".join(map(str, fits)))
    kept = [word for word in edit.new.split(" ") if not word.startswith("pad=") and word != "full"]
    return Rewrite(edit.line, edit.column, edit.old, " ".join(kept))


def _shrinking(s: Subject) -> list[Layer]:
    """Poolings and strides in the order of the work, without those in branches, which have to agree."""
    beside = s.in_branches()
    return [
        layer
        for layer, row in s.layers()
        if layer.kernel and layer.stride not in (None, (1, 1)) and layer.name not in beside and len(row.after) == 3
    ]


def _less_shrunk(s: Subject) -> tuple[Edit, ...]:
    """The first poolings and strides go, as few as it takes; nothing where that doesn't help."""
    edits: list[Edit] = []
    for layer in _shrinking(s)[:3]:
        pooled = layer.kind != "conv"
        edits.append(removed(s.text, layer.place) if pooled else without(s.text, layer.place, r"/\S+"))
        after = _after(s, tuple(edits))
        if after is not None and not _unmet(after):
            return tuple(edits)
    return ()


def _after(s: Subject, edits: tuple[Edit, ...]) -> Subject | None:
    """What would be looked over after these edits; None where that is no network."""
    try:
        text = rewritten(s.text, (edit for edit in edits if isinstance(edit, Rewrite)))
        return Subject(text, resolve(write_out(parse(text)), s.sizes.input, s.sizes.classes), s.recipe, s.data)
    except (NotationError, NetworkError):
        return None


def _last_maps(s: Subject) -> tuple[Layer, Sized] | None:
    """The last convolution of the body whose maps are larger than one cell: what comes behind sees them all."""
    rows = [(layer, row) for layer, row in s.layers() if layer.kind == "conv" and max(row.after[:2]) > 1]
    return rows[-1] if rows else None


def _sides(s: Subject) -> tuple[Layer, list[float]] | None:
    """The last maps, and what a unit of them sees: down and across, in sides of the picture."""
    last = _last_maps(s)
    if last is None:
        return None
    field = receptive_fields(s.sizes)[last[0].name]
    return last[0], [seen.size / side for seen, side in zip(field, s.sizes.input, strict=False)]


def _sees(s: Subject, layer: Layer) -> str:
    size = "x".join(str(seen.size) for seen in receptive_fields(s.sizes)[layer.name])
    side = "x".join(map(str, s.sizes.input[:2]))
    return f"a unit of {layer.name} sees {size} cells of a picture of {side}"


def receptive_field_small(s: Subject) -> Iterator[Found]:
    """The last maps see a small part of the picture each, and their mean is all that is left of them."""
    last, pooled = _sides(s), [layer.name for layer, _ in s.layers() if layer.kind in ("gap", "gmp")]
    if last is None or not pooled or min(last[1]) >= SMALL_FIELD:
        return
    behind = next(layer for layer, _ in s.layers() if layer.kind == "conv")
    for one, two in s.neighbours():
        behind = two if one is behind and two.kind in ("bn", *ACTIVATIONS) else behind
    edits: tuple[Edit, ...] = ()
    for count in range(1, 6):
        more = ", ".join(["maxpool 2"] * count)
        tried = (followed(s.text, behind.place, more),)
        after = _after(s, tried)
        reached = _sides(after) if after is not None else None
        if after is not None and reached is not None and min(reached[1]) >= SMALL_FIELD and not _unmet(after):
            edits = tried
            break
    yield Found(
        last[0].name,
        f"{_sees(s, last[0])}, and {pooled[-1]} makes one number of each map: nothing larger than that can be "
        "recognised.",
        f"pool or stride early, behind {behind.name}, or use more layers",
        edits,
    )


def receptive_field_large(s: Subject) -> Iterator[Found]:
    """The last maps see many times the picture: most of what they see is padding."""
    last = _sides(s)
    if last is None or max(last[1]) <= LARGE_FIELD:
        return
    edits: list[Edit] = []
    for layer in _shrinking(s)[:3]:
        pooled = layer.kind != "conv"
        edits.append(removed(s.text, layer.place) if pooled else without(s.text, layer.place, r"/\S+"))
        after = _after(s, tuple(edits))
        reached = _sides(after) if after is not None else None
        if reached is not None and max(reached[1]) <= LARGE_FIELD:
            break
    yield Found(
        last[0].name,
        f"{_sees(s, last[0])}, {max(last[1]):.0f} times its side: most of that is padding, and the last layers add "
        "nothing that a smaller network lacks.",
        "give it larger pictures (--input), or stride less at the start",
        tuple(edits),
    )


LINTS: dict[str, Callable[[Subject], Iterator[Found]]] = {
    "padding-never-used": padding_never_used,
    "stride-skips-cells": stride_skips_cells,
    "rows-cut-off": rows_cut_off,
    "kernel-larger-than-maps": kernel_larger_than_maps,
    "receptive-field-small": receptive_field_small,
    "receptive-field-large": receptive_field_large,
}
