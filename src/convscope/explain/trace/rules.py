"""One row a layer kind: how a cell comes about, and which cells of the next layer it goes to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convscope.explain.trace import each, slide, vector
from convscope.explain.trace.data import Place
from convscope.explain.trace.reading import At, Feed, Numbers, Reached, Read, places

READS: dict[str, Read] = {
    "conv": slide.conv,
    "maxpool": slide.largest,
    "avgpool": slide.mean,
    "minpool": slide.smallest,
    "subsample": slide.subsample,
    "gap": slide.mean,
    "gmp": slide.largest,
    "dense": vector.dense,
    "flatten": each.flatten,
    **dict.fromkeys(each.CURVES, each.activation),
    "bn": each.bn,
    "lrn": vector.lrn,
    "dropout": each.dropout,
    "softmax": vector.softmax,
    "scale": each.scale,
    "identity": each.identity,
    "rbf": vector.rbf,
}
"""How a cell of each kind comes about."""


def _asked(covers: Callable[[At, Place], list[Place]]) -> Feed:
    """Of few cells: each is asked what it reads."""

    def feed(at: At, place: Place) -> Reached:
        found = covers(at, place)
        slopes: list[Numbers] = []
        for cell in found:
            reading = READS[at.layer.kind](at, cell)
            slopes.append(reading.slopes[(reading.cells == np.array(place)).all(1)].sum())
        return places(found).reshape(-1, len(at.shape)), np.array(slopes, dtype=np.float64)

    return feed


def _same_place(at: At, place: Place) -> list[Place]:
    return [place]


_BY_ITSELF = (*each.CURVES, "bn", "dropout", "scale")
_POOLING = ("maxpool", "avgpool", "minpool", "subsample", "gap", "gmp")

FEEDS: dict[str, Feed] = {
    "conv": slide.conv_feeds,
    **dict.fromkeys(_POOLING, _asked(slide.pool_covers)),
    "dense": vector.dense_feeds,
    "flatten": each.flatten_feeds,
    **dict.fromkeys(_BY_ITSELF, _asked(_same_place)),
    "lrn": _asked(vector.lrn_covers),
    "softmax": vector.softmax_feeds,
    "identity": each.identity_feeds,
    "rbf": vector.rbf_feeds,
}
"""To which cells of each kind a cell that arrives goes."""

BY_ITSELF = frozenset(_BY_ITSELF)
"""Kinds that change each value by itself."""
