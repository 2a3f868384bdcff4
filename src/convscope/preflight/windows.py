"""Lints of windows: padding and cells that nobody sees, kernels larger than their maps, receptive fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from convscope.network.geometry import Windows, windows
from convscope.network.receptive import receptive_fields
from convscope.network.shapes import Sized, dilation_of, show
from convscope.notation.tree import Layer
from convscope.preflight.edits import followed, removed, with_number, without
from convscope.preflight.finding import Edit, Rewrite
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
                    "see "
                    f"nothing of the maps of {show(row.before)}, and {show(row.after)} come out, a rim of them the "
                    "same "
                    "for every picture.",
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


def kernel_larger_than_maps(s: Subject) -> Iterator[Found]:
    """Weights that never meet a cell of the picture, since the maps have shrunk too far."""
    found: list[tuple[Layer, Edit]] = []
    worst: tuple[float, str] = (1.0, "")
    for layer, row in s.layers():
        if layer.kind != "conv" or layer.kernel is None:
            continue
        met, sides = 1, []
        for cells, _, stride, axis, w in _axes(layer, row):
            dilation = dilation_of(layer)[axis]
            starts = [i * stride - w.before for i in range(w.count)]
            taps = [t for t in range(layer.kernel[axis]) if any(0 <= at + t * dilation < cells for at in starts)]
            met *= len(taps)
            sides.append(min(layer.kernel[axis], 2 * cells - 1))
        total = layer.kernel[0] * layer.kernel[1]
        if met < total and layer.options.get("border", 0.0) == 0.0:
            edit = with_number(s.text, layer.place, 0, "x".join(map(str, sides)))
            if isinstance(layer.padding, tuple) or layer.padding == "full":
                edit = _unpadded(edit)
            found.append((layer, edit))
            if met / total < worst[0]:
                worst = (
                    met / total,
                    f"{total - met} of the {total} weights a map of {layer.name}, on {show(row.before)},",
                )
    if found:
        yield Found(
            found[0][0].name,
            f"the maps have shrunk below the kernel at {named([layer for layer, _ in found])}: {worst[1]} never meet "
            "anything but padding.",
            "use a smaller kernel there, or fewer strides and poolings before",
            one_each(found),
        )


def _unpadded(edit: Rewrite) -> Rewrite:
    """Without its padding: `same` fits every kernel."""
    kept = [word for word in edit.new.split(" ") if not word.startswith("pad=") and word != "full"]
    return Rewrite(edit.line, edit.column, edit.old, " ".join(kept))


def _last_maps(s: Subject) -> tuple[Layer, Sized] | None:
    """The last convolution of the body whose maps are larger than one cell: what comes behind sees them all."""
    rows = [(layer, row) for layer, row in s.layers() if layer.kind == "conv" and max(row.after[:2]) > 1]
    return rows[-1] if rows else None


def receptive_field_small(s: Subject) -> Iterator[Found]:
    """The last maps see a small part of the picture each, and their mean is all that is left of them."""
    last = _last_maps(s)
    pooled = [layer.name for layer, _ in s.layers() if layer.kind in ("gap", "gmp")]
    if last is None or not pooled:
        return
    field = receptive_fields(s.sizes)[last[0].name]
    share = min(seen.size / side for seen, side in zip(field, s.sizes.input, strict=False))
    if share < SMALL_FIELD:
        size, side = "x".join(str(seen.size) for seen in field), "x".join(map(str, s.sizes.input[:2]))
        first = next(layer for layer, row in s.layers() if layer.kind == "conv")
        behind = first
        for one, two in s.neighbours():
            if one is behind and two.kind in ("bn", "relu", "gelu", "silu", "tanh", "sigmoid", "leaky", "elu", "relu6"):
                behind = two
        pools = max(1, round(SMALL_FIELD / share))
        more = ", ".join(["maxpool 2"] * max(1, (pools - 1).bit_length()))
        yield Found(
            last[0].name,
            f"a unit of {last[0].name} sees {size} cells of the {side} picture, and {pooled[-1]} makes one number of "
            "each "
            "map: nothing larger can be recognised than that.",
            f"pool or stride early: `{more}` behind {behind.name}, or more layers",
            (followed(s.text, behind.place, more),),
        )


def receptive_field_large(s: Subject) -> Iterator[Found]:
    """The last maps see many times the picture: most layers look at padding."""
    last = _last_maps(s)
    if last is None:
        return
    field = receptive_fields(s.sizes)[last[0].name]
    times = max(seen.size / side for seen, side in zip(field, s.sizes.input, strict=False))
    if times > LARGE_FIELD:
        size, side = "x".join(str(seen.size) for seen in field), "x".join(map(str, s.sizes.input[:2]))
        slides = [
            layer for layer, row in s.layers()
            if layer.kernel and layer.stride not in (None, (1, 1)) and layer.name not in s.in_branches()
        ]  # fmt: skip
        edits: tuple[Edit, ...] = ()
        if slides:
            first = slides[0]
            edits = (removed(s.text, first.place) if first.kind != "conv" else without(s.text, first.place, r"/\S+"),)
        yield Found(
            last[0].name,
            f"a unit of {last[0].name} sees {size} cells of a picture of {side}, {times:.0f} times its side: most of "
            "that "
            "is padding, and the last layers add nothing that a smaller network lacks.",
            "give it larger pictures (--input), or stride less at the start"
            + (f": at {slides[0].name}" if slides else ""),
            edits,
        )


LINTS: dict[str, Callable[[Subject], Iterator[Found]]] = {
    "padding-never-used": padding_never_used,
    "stride-skips-cells": stride_skips_cells,
    "rows-cut-off": rows_cut_off,
    "kernel-larger-than-maps": kernel_larger_than_maps,
    "receptive-field-small": receptive_field_small,
    "receptive-field-large": receptive_field_large,
}
