"""The section of a report that shows a training: the loss and the accuracy over the epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convscope.evaluate.intervals import wilson
from convscope.report.markup import Markup, tag
from convscope.report.numbers import score_line
from convscope.report.svg import Axis, Curve, chart, linear, logarithmic, stretched
from convscope.run import Epoch, Record, Started, Step

_WHILE = "training, while learning"
_NOTE = (
    "Training figures are of the batches as they were learned from: augmented, with dropout, by weights that changed "
    "within the epoch; their loss is what was made small, with label smoothing, class weights and penalties. "
    "Validation figures are of the pictures as they are, and of plain cross-entropy, so either may be the larger."
)
POINTS = 200  # a curve of steps is averaged to at most so many points


def curves(records: Sequence[Record]) -> Markup:
    """The section; a sentence instead where a training has left neither steps nor epochs."""
    epochs = sorted({r.epoch: r for r in records if isinstance(r, Epoch)}.values(), key=lambda r: r.epoch)
    steps = sorted({r.step: r for r in records if isinstance(r, Step)}.values(), key=lambda r: r.step)
    if not epochs and not steps:
        return tag("section", tag("h2", "Training"), tag("p", "No epoch was completed.", class_="note"))
    started = next((r for r in reversed(records) if isinstance(r, Started)), None)
    monitor = str(started.plan.get("monitor") or "validation loss") if started else "validation loss"
    best = [e.epoch for e in epochs if e.best and e.validation_n]
    mark = (float(best[-1]), f"best {monitor}") if best and len(epochs) > 1 else None
    charts = [_losses(epochs, steps, mark)]
    if epochs:
        charts.append(_accuracies(epochs, mark))
    return tag("section", tag("h2", "Training"), tag("p", _NOTE, class_="note"), tag("div", *charts, class_="charts"))


def _across(last: float) -> Axis:
    """Epochs from 0 to the last; a tick at whole ones."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if last / s <= 8)
    ticks = [float(i) for i in range(0, int(last) + 1, step)]
    return Axis("epoch", float, [(t, f"{t:.0f}") for t in ticks], 0.0, max(last, 1.0))


def _losses(epochs: Sequence[Epoch], steps: Sequence[Step], mark: tuple[float, str] | None) -> Markup:
    """The loss of the batches, of the epochs, and of the validation pictures."""
    lines = []
    if epochs:
        across = _across(float(epochs[-1].epoch))
        each = max(1.0, epochs[-1].step / max(1, epochs[-1].epoch))  # epoch 0 is a head on features
    else:
        across, each = linear("step", [0.0, float(steps[-1].step)]), 1.0
    if len(steps) > 1:
        x, y = _averaged([s.step / each for s in steps], [s.loss for s in steps])
        lines.append(Curve("batches", "thin", x, y, points=False))
    at = [float(e.epoch) for e in epochs]
    if epochs:
        y = [e.train_loss for e in epochs]
        lines.append(Curve(_WHILE, "train", at, y, said=_said(at, y)))
    scored = [(float(e.epoch), e.validation_loss) for e in epochs if e.validation_loss is not None]
    if scored:
        x, y = [a for a, _ in scored], [b for _, b in scored]
        lines.append(Curve("validation", "validation", x, y, said=_said(x, y)))
    values = [v for line in lines for v in line.y if np.isfinite(v)]
    wide = bool(values) and min(values) > 0 and max(values) / min(values) > 8
    up = logarithmic("loss", values) if wide else linear("loss", [0.0, *values])
    return _figure(
        "Loss", "logarithmic axis" if wide else "", lines, chart(lines, across, up, "loss over epochs", mark)
    )


def _accuracies(epochs: Sequence[Epoch], mark: tuple[float, str] | None) -> Markup:
    """k of n on the validation pictures with its interval, and on the training pictures as they were trained on."""
    lines = []
    counts = [(float(e.epoch), e.train_k, e.train_n) for e in epochs if e.train_n]
    if counts:
        lines.append(_accuracy(_WHILE, "train", counts))
    validated = [
        (float(e.epoch), e.validation_k, e.validation_n)
        for e in epochs
        if e.validation_n and e.validation_k is not None
    ]
    if validated:
        lines.append(_accuracy("validation, with its 95 % interval", "validation", validated))
    values = [v for line in lines for v in (*line.y, *line.low, *line.high)]
    finest = min(0.5 / n for _, _, n in counts + validated) if lines else 0.5
    high = bool(values) and max(line.y[-1] for line in lines) > 0.9
    up = stretched("accuracy", values, finest) if high else linear("accuracy", values or [0.0, 1.0], percent=True)
    drawn = chart(lines, _across(float(epochs[-1].epoch)), up, "accuracy over epochs", mark)
    return _figure("Accuracy", "axis stretched towards 100 %" if high else "", lines, drawn)


def _accuracy(name: str, look: str, counts: Sequence[tuple[float, int, int]]) -> Curve:
    reach = [wilson(k, n) for _, k, n in counts]
    banded = look == "validation"
    return Curve(
        name,
        look,
        [x for x, _, _ in counts],
        [k / n for _, k, n in counts],
        [low for low, _ in reach] if banded else (),
        [high for _, high in reach] if banded else (),
        said=[f"epoch {x:.0f}: {score_line(k, n)}" for x, k, n in counts],
    )


def _figure(title: str, note: str, lines: Sequence[Curve], drawn: Markup) -> Markup:
    keys = [tag("span", tag("i", class_=line.look), line.name) for line in lines]
    quiet = tag("span", note, class_="quiet") if note else ""
    return tag("figure", tag("figcaption", tag("h3", title, " ", quiet), tag("div", *keys, class_="keys")), drawn)


def _said(x: Sequence[float], y: Sequence[float]) -> list[str]:
    return [f"epoch {a:.0f}: {b:.4f}" for a, b in zip(x, y, strict=True)]


def _averaged(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """Means of as many equal stretches as there may be points; values that are not finite are left out."""
    finite = [(a, b) for a, b in zip(x, y, strict=True) if np.isfinite(b)]
    parts = [part for part in np.array_split(np.array(finite).reshape(-1, 2), POINTS) if len(part)]
    means = [part.mean(axis=0) for part in parts]
    return [float(m[0]) for m in means], [float(m[1]) for m in means]
