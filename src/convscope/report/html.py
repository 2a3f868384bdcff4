"""A run as one page: a file that needs nothing but itself, no script and no host.

Knows the order of the sections and the words in them. What a run is, `run` knows; what the figures mean, `evaluate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convscope import files
from convscope.evaluate import metrics
from convscope.evaluate.predictions import Predictions
from convscope.notation import brief, parse
from convscope.report import first_batch, frame
from convscope.report.curves import curves
from convscope.report.markup import Markup, escaped, join, tag
from convscope.report.matrix import NAMED, matrix
from convscope.report.numbers import grouped, interval, percent, plural, probability, score_line, seconds, short_score
from convscope.report.pictures import as_seen, data_uri
from convscope.report.svg import bar, scale_from
from convscope.run import Note, Run, Started, Stopped, Tested

LONG = 20  # a table of more classes is folded away behind its worst
WORST = 10
_HARD = "\u00a0"  # a space at which no line breaks
SHOWN = 64  # pictures of the training batch


def write(
    path: Path,
    *,
    title: str,
    run: Run,
    predictions: Predictions | None = None,
    pictures: Mapping[int, NDArray[np.uint8]] | None = None,
    batch: NDArray[Any] | None = None,
    batch_labels: Sequence[str] = (),
    parameters: str = "",
    split: str = "test",
    mistakes: int = 24,
) -> None:
    """Writes the report.

    predictions: of `split`; without them the page has no matrix, no classes and no mistakes. pictures: by their `id`,
    uint8 (C, H, W), for the mistakes (`metrics.mistakes` says which). batch: one training batch as the network sees it,
    (B, C, H, W), floats or uint8; batch_labels: the names of its B classes. parameters: the table of layers as text.
    mistakes: at most so many.
    """
    records = run.records
    sections = [_head(title, run), curves(records)]
    if predictions is not None and len(predictions):
        sections += [
            _matrix(predictions, split),
            _classes(predictions, split),
            _mistakes(predictions, pictures or {}, split, mistakes),
        ]
    if batch is not None and len(batch):
        sections.append(_batch(batch, batch_labels))
    sections.append(first_batch.section(records))
    if parameters:
        sections.append(_section("Network", tag("pre", parameters)))
    sections.append(_section("Recipe", tag("pre", run.recipe_text)))
    sections.append(_machine(run))
    files.write_text(path, frame.page(title, *sections))


def _section(title: str, *children: object, note: object = "") -> Markup:
    said = tag("p", note, class_="note") if note else ""
    return tag("section", tag("h2", title), said, *children)


def _head(title: str, run: Run) -> Markup:
    """Title, the score with its interval drawn to scale, and the facts that a reader asks for first."""
    records = run.records
    started = next((r for r in reversed(records) if isinstance(r, Started)), None)
    stopped = next((r for r in reversed(records) if isinstance(r, Stopped)), None)
    facts: list[tuple[str, object]] = []
    if run.validation is not None:
        facts.append(("Validation", _whole(short_score(*run.validation))))
    if started is not None:
        parts = [(started.train_n, "training"), (started.validation_n, "validation"), (started.test_n, "test")]
        counts = ", ".join(f"{grouped(n)} {name}" for n, name in parts if n)
        facts.append(("Pictures", f"{started.data}: {counts}"))
        facts.append(("Classes", grouped(len(started.classes))))
        size = " × ".join(map(str, started.input))
        facts.append(("Network", f"{plural(started.parameters, 'parameter')}, input {size.replace(' ', _HARD)}"))
    if run.epochs:
        last = run.epochs[-1]
        why = "" if stopped is None or stopped.reason == "epochs" else f" ({stopped.reason})"
        whole = stopped.epoch if stopped is not None else last.epoch  # the last row may be of a part of an epoch
        told = f"{plural(whole, 'epoch')}, {plural(last.step, 'step')}, {seconds(last.elapsed)}{why}"
        facts.append(("Training", told))
    if run.looks:
        facts.append(("Looks at the test split", str(run.looks)))
    notes = list(dict.fromkeys(r.text for r in records if isinstance(r, Note)))
    text = str(run.recipe.get("network", ""))
    network = brief(parse(text)) if text else ""
    return tag(
        "header",
        tag("h1", title),
        tag("p", tag("code", network), class_="net") if 0 < len(network) <= 400 else "",
        _score(run.test),
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts"),
        tag("ul", *(tag("li", note) for note in notes), class_="notes") if notes else "",
    )


def _whole(score: str) -> str:
    """The same text, broken only before its parenthesis."""
    return score.replace(" ", _HARD).replace(f"{_HARD}(", " (")


def _score(test: Tested | None) -> Markup:
    if test is None:
        return tag("p", "This run has no score on test pictures yet.", class_="note")
    start = scale_from(test.low)
    said = score_line(test.k, test.n, test.low, test.high)
    scale = tag("div", tag("span", f"{100 * start:.0f} %"), tag("span", "100 %"), class_="scale")
    again = (
        tag("p", f"Look {test.look} at these pictures: a choice made by such looks makes the number too good.")
        if test.look > 1
        else ""
    )
    return tag(
        "div",
        tag("div", percent(test.k, test.n), class_="big"),
        tag(
            "div",
            tag("p", tag("b", f"{test.k} of {test.n}"), f" {test.split} pictures are recognised."),
            tag("p", f"95 % interval {interval(test.low, test.high)}; mean loss {test.loss:.4f}."),
            again,
        ),
        tag("div", bar(test.k / test.n if test.n else 0, test.low, test.high, start, said), scale, class_="ruler"),
        class_="score",
    )


def _matrix(predictions: Predictions, split: str) -> Markup:
    counts = metrics.confusion(predictions)
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    pairs = [divmod(int(place), len(counts)) for place in np.argsort(-wrong, axis=None, kind="stable")[:8]]
    names = predictions.classes
    lines = [
        tag("li", tag("b", names[i]), " taken for ", tag("b", names[j]), f": {wrong[i, j]} of {counts[i].sum()}")
        for i, j in pairs
        if wrong[i, j]
    ]
    told = tag("ol", *lines, class_="pairs") if lines else tag("p", "No picture was taken for another class.")
    note = (
        f"A row is the true class of the {split} pictures, a column what they were taken for; "
        "the stronger the colour, the larger the share of its row."
    )
    if len(names) > NAMED:
        note += " Classes are numbered from 0 in their order; the pointer on a cell shows their names."
    return _section(
        "Confusion matrix",
        tag(
            "div",
            tag("div", matrix(counts, names), class_="wide"),
            tag("div", tag("h3", "Most often confused"), told),
            class_="beside",
        ),
        note=note,
    )


def _classes(predictions: Predictions, split: str) -> Markup:
    scores = metrics.per_class(predictions)
    total = metrics.score(predictions)
    note: list[object] = [f"All {split} pictures: {score_line(total.k, total.n, total.low, total.high)}. "]
    if total.top5_k is not None:
        note.append(f"Among the five most probable: {score_line(total.top5_k, total.n)}. ")
    note.append("Recall is right ones of the class; precision is right ones of those taken for it; intervals are 95 %.")
    if len(scores) <= LONG:
        return _section("Classes", _table(scores), note=join(note))
    worst = sorted((s for s in scores if s.support), key=lambda s: (s.recall, s.name))[:WORST]
    every = tag("details", tag("summary", f"All {len(scores)} classes"), _table(scores))
    return _section(
        "Classes", tag("h3", f"The {len(worst)} with the lowest recall"), _table(worst), every, note=join(note)
    )


def _table(scores: Sequence[metrics.ClassScore]) -> Markup:
    start = scale_from(min((s.low for s in scores if s.support), default=0.0))
    heading = tag("tr", *(tag("th", word, class_=look) for word, look in (
        ("Class", None), ("Recall", "num"), ("k of n", "num"), (f"Interval, {100 * start:.0f} to 100 %", None),
        ("Precision", "num"), ("k of n", "num"), ("F1", "num"))))  # fmt: skip
    rows = []
    for s in scores:
        reach = interval(s.low, s.high)
        cells = (
            [tag("td", "no pictures", class_="none", colspan=3)]
            if not s.support
            else [
                tag("td", percent(s.correct, s.support), class_="num"),
                tag("td", f"{s.correct} of {s.support}", class_="num quiet"),
                tag("td", bar(s.recall, s.low, s.high, start), tag("span", reach, class_="quiet"), class_="reach"),
            ]
        )
        if s.predicted:
            cells.append(tag("td", percent(s.correct, s.predicted), class_="num"))
            cells.append(tag("td", f"{s.correct} of {s.predicted}", class_="num quiet"))
        else:
            cells.append(tag("td", "never predicted", class_="none", colspan=2))
        rows.append(tag("tr", tag("th", s.name, scope="row"), *cells, tag("td", f"{s.f1:.3f}", class_="num")))
    return tag("div", tag("table", tag("thead", heading), tag("tbody", *rows)), class_="wide")


def _mistakes(predictions: Predictions, pictures: Mapping[int, NDArray[np.uint8]], split: str, most: int) -> Markup:
    wrong = metrics.mistakes(predictions, most)
    if not wrong:
        return _section("Mistakes", tag("p", f"None: all {len(predictions)} {split} pictures are recognised."))
    total = metrics.score(predictions)
    cards = []
    for m in wrong:
        picture = pictures.get(m.id)
        cards.append(
            tag(
                "figure",
                _picture(picture, m.name) if picture is not None else tag("div", "no picture", class_="frame empty"),
                tag(
                    "figcaption",
                    tag("div", tag("span", "is ", class_="quiet"), tag("b", m.label, class_="is")),
                    tag("div", tag("span", "taken for ", class_="quiet"), tag("b", m.predicted, class_="for")),
                    tag("div", f"{probability(m.probability)} sure", class_="quiet"),
                    tag("div", tag("bdi", m.name), class_="file", title=m.name),
                ),
            )
        )
    count = total.n - total.k
    if count == 1:
        note = f"The one {split} picture that is not recognised. It may be labelled wrongly."
    else:
        of = f"{len(wrong)} of the {count}" if len(wrong) < count else f"All {count}"
        note = (
            f"{of} wrong {split} pictures, those first of which the network was surest. Some may be labelled wrongly."
        )
    return _section("Mistakes", tag("div", *cards, class_="gallery"), note=note)


def _batch(batch: NDArray[Any], labels: Sequence[str]) -> Markup:
    shown, low, high = as_seen(batch[:SHOWN])
    cards = [
        tag("figure", _picture(picture, label), tag("figcaption", label, title=label))
        for picture, label in zip(shown, list(labels)[: len(shown)] + [""] * (len(shown) - len(labels)), strict=True)
    ]
    value = "" if batch.dtype == np.uint8 else f" Black is {low:.2f}, white {high:.2f}: the values after preprocessing."
    count = plural(len(shown), "picture")
    note = f"The first {count} of the first epoch, after augmentation, as the network sees them.{value}"
    return _section("A training batch", tag("div", *cards, class_="gallery small"), note=note)


def _picture(pixels: NDArray[np.uint8], name: str) -> Markup:
    look = "pixels" if max(pixels.shape[1:]) <= 100 else None  # small ones are enlarged without blur
    return tag("div", tag("img", src=data_uri(pixels), alt=name, class_=look, loading="lazy"), class_="frame")


def _machine(run: Run) -> Markup:
    rows = [
        tag("tr", tag("th", name, scope="row"), tag("td", _said(value)))
        for name, value in run.environment.items()
        if name != "format"
    ]
    started = next((r for r in reversed(run.records) if isinstance(r, Started)), None)
    if started is not None:
        rows.append(
            tag(
                "tr",
                tag("th", "device", scope="row"),
                tag("td", f"{started.device}, {plural(started.threads, 'thread')}"),
            )
        )
    rows.append(tag("tr", tag("th", "run", scope="row"), tag("td", tag("code", str(run.path)))))
    return _section("Environment", tag("div", tag("table", tag("tbody", *rows), class_="plain"), class_="wide"))


def _said(value: Any) -> Markup:
    if isinstance(value, Mapping):
        return join((f"{name} {version}" for name, version in value.items()), ", ")
    if isinstance(value, list | tuple):
        return join(value, ", ")
    return escaped("unknown" if value is None else value)
