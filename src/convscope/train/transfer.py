"""From published weights to a trained network: features once, the head on them, then as much of the body as there is
time for. It comes before the loop, yields records and prints nothing.

Knows the loop that goes on after it, and hands it the head's result as its start and as the first to be beaten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from convscope.data.images import ImageSet
from convscope.data.progress import Progress
from convscope.network.build import Network
from convscope.network.ending import last_learned
from convscope.run import Epoch, Note, Record, Stopped
from convscope.train import head
from convscope.train.features import Features, Place, features
from convscope.train.loop import Loop

ENOUGH_EPOCHS = 2.0
"""The body thaws from where so many passes fit into the rest of a budget; with fewer the head alone is as good."""


@dataclass(frozen=True)
class Ends:
    """The last layer that learns, and the top-level item before it, whose output it is given."""

    last: str
    before: str

    @classmethod
    def of(cls, network: Network) -> Ends:
        """Of a network of the zoo with published weights: in none of these it stands in a branch, or first."""
        items = [item.name for item in network.sizes.body.items]
        last = last_learned(network.sizes)
        assert last in items[1:], last
        return cls(last, items[items.index(last) - 1])


def records(loop: Loop, weights: str, spent: float = 0.0, progress: Progress | None = None) -> Iterator[Record]:
    """Everything before the loop's first step; afterwards the loop has the head's weights and knows what thaws.

    weights: the SHA-256 of the published ones; spent: seconds of the budget that are over already. Ends with Stopped
    where it is interrupted, or where nothing thaws.
    """
    begin = time.perf_counter()
    began = begin - spent
    network = loop.network
    assert isinstance(network, Network)
    ends = Ends.of(network)
    place = Place.of(network, ends.before, loop.preprocess, weights, loop.job.data.sha256)
    images = _joined(loop.train_set, loop.validation_set)
    found = features(
        network, ends.before, images, loop.preprocess, place,
        layout=loop.layout, stop=loop.job.stop, progress=progress,
    )  # fmt: skip
    if found.note:
        yield Note(found.note)
    if not found.whole:
        yield Stopped("interrupted", 0, 0)
        return
    yield Note(_said(found, ends, time.perf_counter() - begin))
    yield _head(loop, ends, found, began)
    loop.prelude = loop.elapsed = time.perf_counter() - began
    label = loop.settings.thaw
    if label == "auto":
        label, why = _affordable(loop)
        loop.prelude = loop.elapsed = time.perf_counter() - began  # measuring counts too
        yield Note(why)
    loop.thaw(label)
    if label == "none":
        yield Stopped("the head alone", 0, 0)


def _joined(train: ImageSet, validation: ImageSet) -> ImageSet:
    """Both parts as one, for one bar; only the arrays that features need."""
    if not len(validation):
        return train
    hashes = None
    if train.hashes is not None and validation.hashes is not None:
        hashes = np.concatenate([train.hashes, validation.hashes])
    return ImageSet(
        np.concatenate([train.images, validation.images]), np.concatenate([train.labels, validation.labels]),
        train.classes, np.concatenate([train.ids, validation.ids]), train.names + validation.names, hashes,
    )  # fmt: skip


def _said(found: Features, ends: Ends, seconds: float) -> str:
    n = len(found.values)
    kept = f"those of {n - found.computed} were kept from before" if found.computed < n else ""
    new = f"computed in {seconds:.1f} s" if found.computed else ""
    return (
        f"{found.values[0].size} features a picture, as they reach {ends.last}: {n} pictures, "
        f"{'; '.join(part for part in (new, kept) if part)}"
    )


def _head(loop: Loop, ends: Ends, found: Features, began: float) -> Epoch:
    """Train the last layer, and put it into the network as the start that the loop has to beat."""
    network, n = loop.network, len(loop.train_set)
    assert isinstance(network, Network)
    values = torch.from_numpy(found.values).to(loop.job.device, torch.float32)
    labels = [torch.from_numpy(part.labels).to(loop.job.device) for part in (loop.train_set, loop.validation_set)]
    layer = network.get_submodule(ends.last)

    def after(x: Tensor) -> Tensor:
        return network.after(ends.before, x)

    network.eval()
    best = head.fit(layer, after, (values[:n], labels[0]), (values[n:], labels[1]), loop.class_weights)
    if loop.average is not None:
        loop.average.load_state_dict(network.state_dict())
    validated = len(loop.validation_set)
    if validated and best.validation_loss is not None:
        loop.scored(network, best.validation_loss, -1)
    elapsed = time.perf_counter() - began
    left = max(0.0, (loop.settings.budget or 0.0) - elapsed)
    return Epoch(
        0, 0, best.train_loss, best.train_k, n, best.validation_loss, best.validation_k, validated or None,
        0.0, elapsed, left, bool(validated),
    )  # fmt: skip


# ---- how much thaws --------------------------------------------------------------------------------------------------


def _affordable(loop: Loop) -> tuple[str, str]:
    """Where the body thaws so that ENOUGH_EPOCHS fit into the rest of the budget, from the first layer if they do;
    and a sentence on it. Without a budget: all, since passes were asked for."""
    if loop.settings.budget is None:
        return "all", "the whole network learns on, with its normalisation's statistics as they are"
    left = loop.settings.budget - loop.elapsed
    each, look = _seconds_an_epoch(loop)
    for label, seconds in each.items():
        if left >= ENOUGH_EPOCHS * (seconds + look):
            fit = left / (seconds + look)
            what = "the whole network learns on" if label == "all" else f"{label} and all after it learn on"
            return label, f"{left:.0f} s of the budget are left, about {fit:.1f} passes: {what}"
    least = min(each.values(), default=0.0) + look
    return "none", (
        f"{max(left, 0):.0f} s of the budget are left, and a pass would take {least:.0f} s or more: the head alone is "
        "trained, and the body stays as it was"
    )


def _seconds_an_epoch(loop: Loop) -> tuple[dict[str, float], float]:
    """What a pass takes where the network learns from each of its parts on, the first part first; and a look at the
    validation pictures. Measured on a real batch: a whole step, and the way forward from each part."""
    network = loop.network
    assert isinstance(network, Network)
    rows = loop.batches.rows(0)[0]
    x = loop.batches.batch(rows, 0)[0].contiguous(memory_format=loop.layout)
    starts = parts(network)
    network.eval()
    with torch.no_grad():
        kept = network(x, keep=[before for before in starts.values() if before])[1]
        whole = _timed(lambda: network(x))
        rest = {
            label: _timed(partial(network.after, before, kept[before])) for label, before in starts.items() if before
        }
    step = loop.measure()
    backward = max(0.0, step - whole)
    steps = loop.batches.an_epoch
    each = {"all": step * steps}
    for label, seconds in rest.items():
        each[label] = (whole + backward * min(1.0, seconds / max(whole, 1e-9))) * steps
    return each, whole * len(loop.validation_set) / max(1, len(rows))


def _timed(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def parts(network: Network) -> dict[str, str]:
    """Where a network may thaw, in reading order: each scope or learning layer at its top level but the last layer,
    with the item before it, "" for the first."""
    found: dict[str, str] = {}
    before = ""
    learning = {name.rpartition(".")[0] for name, _ in network.named_parameters()}
    last = Ends.of(network).last
    for item in network.sizes.body.items:
        label = item.name.partition(".")[0]
        if label not in found and item.name != last and (label != item.name or label in learning):
            found[label] = before
        before = item.name
    return found
