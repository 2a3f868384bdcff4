"""What the verbs that don't train print: the lines of summary, evaluate, predict, data list, recipes, zoo, doctor.

Each function takes plain values and returns lines for `say`; `stream`, where given, is where they will be printed, so
that columns stand straight in any encoding. Knows nothing of where the values come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from convscope.evaluate.metrics import ClassScore, Mistake, Score
from convscope.report.numbers import grouped, percent, probability, score_line, short_score, short_seconds
from convscope.report.text import one_line, table


def summary(
    rows: Iterable[tuple[str, str, Sequence[int], int]],
    *,
    input: Sequence[int] = (),
    totals: Iterable[tuple[str, str]] = (),
    stream: TextIO | None = None,
) -> list[str]:
    """The layers of a network: (label, layer as text, output shape h x w x c, parameters) each, then the totals.

    input: the shape that goes in. totals: further (what, value) lines below the sum of the parameters.
    """
    rows = list(rows)
    total = sum(row[3] for row in rows)
    body = [("input", "", shape(input), "")] if input else []
    body += [(label, layer, shape(output), grouped(count) if count else "") for label, layer, output, count in rows]
    body.append(("total", "", "", grouped(total)))
    return table(("label", "layer", "output", "parameters"), body, "<<<>", stream) + facts(totals, stream)


def shape(sizes: Sequence[int]) -> str:
    """Height x width x channels, as "28 x 28 x 1"; one number of a flat output stands alone."""
    return " x ".join(str(size) for size in sizes)


def facts(pairs: Iterable[tuple[str, str]], stream: TextIO | None = None) -> list[str]:
    """Lines of a name and a value, the values below each other: `doctor`, `data info`, totals."""
    return table((), list(pairs), stream=stream)


def evaluate(
    score: Score,
    classes: Sequence[ClassScore],
    split: str = "test",
    most: int = 50,
    in_views: Score | None = None,
    stream: TextIO | None = None,
) -> list[str]:
    """The classes, worst recall first beyond `most` of them; then top-5, and the score of several views where it was
    asked for; the score is the last `k of n`."""
    shown = sorted(classes, key=lambda c: (c.recall, c.name))[:most] if len(classes) > most else list(classes)
    rows = [
        (
            c.name,
            short_score(c.correct, c.support) if c.support else "no pictures",
            percent(c.correct, c.predicted) + f" ({c.correct} of {c.predicted})" if c.predicted else "never predicted",
            f"{c.f1:.3f}",
        )
        for c in shown
    ]
    lines = table(("class", "recall (95 % interval)", "precision", "F1"), rows, "<<<>", stream)
    if len(shown) < len(classes):
        lines.append(f"the {most} classes with the lowest recall, out of {len(classes)}; --json has all")
    lines.append("")
    if score.top5_k is not None:
        lines.append(f"{split} top-5 accuracy {score_line(score.top5_k, score.n)}")
    if in_views is not None:
        text, views = score_line(in_views.k, in_views.n, in_views.low, in_views.high), in_views.views
        lines.append(f"{split} accuracy of {views} views {text}, {views} times the work")
    score_text = score_line(score.k, score.n, score.low, score.high)
    return [*lines, f"{split} accuracy {score_text}, loss {score.loss:.4f}"]


def mistakes(wrong: Iterable[Mistake], stream: TextIO | None = None) -> list[str]:
    """The surest mistakes: which picture, what it is, what it was taken for, how surely."""
    rows = [(m.name, m.label, m.predicted, probability(m.probability)) for m in wrong]
    return table(("picture", "is", "taken for", "probability"), rows, "<<<>", stream) if rows else []


def predictions(
    rows: Iterable[tuple[str, str, float, Sequence[tuple[str, float]]]], stream: TextIO | None = None
) -> list[str]:
    """Pictures with their class: (path, label, probability, the next most probable as (label, probability)) each."""
    body = [
        (path, label, probability(p), ", ".join(f"{one_line(name)} {probability(q)}" for name, q in others))
        for path, label, p, others in rows
    ]
    return table(("picture", "class", "probability", "next"), body, "<<><", stream)


def data_sets(
    rows: Iterable[tuple[str, int, Sequence[int] | None, int, str]], stream: TextIO | None = None
) -> list[str]:
    """The known image sets: (name, pictures, size h x w x c, classes, where it is or how to get it) each."""
    body = [
        (name, grouped(pictures), shape(size) if size else "various", str(classes), where)
        for name, pictures, size, classes, where in rows
    ]
    return table(("name", "pictures", "size", "classes", "found"), body, "<><><", stream)


def place(path: str, *, embedded: bool, downloadable: bool) -> str:
    """Where a known image set is, or how it is had."""
    if embedded:
        return "part of convscope"
    return path or ("not here; downloaded when first used" if downloadable else "not here")


def recipes(rows: Iterable[tuple[str, str]], stream: TextIO | None = None) -> list[str]:
    """The bundled recipes: name and first line of the header, then how to run one."""
    lines = table(("recipe", "what it is"), list(rows), stream=stream)
    return [*lines, "", "convscope train NAME runs one; convscope recipes NAME prints it"]


def zoo(
    rows: Iterable[tuple[str, int | None, int, int, Sequence[int], str, str]], stream: TextIO | None = None
) -> list[str]:
    """The networks of the zoo: (name, year, parameters, multiply-adds a picture, input h x w x c, whether trained
    weights are published or here, what it is) each, then what can be done with one."""
    body = [
        (name, str(year or ""), grouped(parameters), grouped(products), shape(input), weights, title)
        for name, year, parameters, products, input, weights, title in rows
    ]
    heads = ("network", "year", "parameters", "multiply-adds", "input", "weights", "what it is")
    lines = table(heads, body, "<>>><<<", stream)
    use = "convscope zoo NAME prints one; summary, draw, check, code and train --net take its name"
    return [*lines, "", use]


def plan(
    made: Mapping[str, Any], batch_size: int, input: Sequence[int], *, narrow: bool, stream: TextIO | None = None
) -> list[str]:
    """What a plan chose and what it won, then the layers that do otherwise than usual.

    input: height x width x channels of the pictures. narrow: whether the processor multiplies bfloat16.
    """
    steps: Mapping[str, float] = made["trial"]["seconds of a step"]
    took = ", ".join(f"{short_seconds(time)} in {precision}" for precision, time in steps.items())
    chosen = made["precision"]
    if len(steps) > 1:
        won = f"{steps['float32'] / steps['bfloat16']:.2f} x as fast"
        chosen += f", {won} as float32" if chosen == "bfloat16" else f"; bfloat16 is {won}, and must win by a tenth"
    pairs = [("pictures", f"{grouped(batch_size)} a step, {shape(input)}")]
    pairs += [("step", f"{took}: forward and backward, processor time of one thread")] if took else []
    pairs += [("choice", chosen), ("threads", str(made["threads"]))]
    if not narrow:
        pairs.append(("bfloat16", "this processor has no instructions for it (AMX or AVX-512 BF16), so it is float32"))
    lines = facts(pairs, stream)
    rows = []
    for label, ways in made["layers"].items():
        tried: Mapping[str, float] = made["trial"]["seconds of a weight gradient"].get(label, {})
        taken = ways.get("weight gradient", "")
        others = ", ".join(f"{way} {1000 * time:.3g}" for way, time in tried.items())
        rows.append(
            (
                label,
                taken or "float32: bfloat16 is wrong here",
                f"{tried['plain'] / tried[taken]:.2f} x" if taken in tried else "",
                others,
            )
        )
    if rows:
        lines += [
            "",
            *table(("layer", "gradient of its weights", "won", "what each way took, in ms"), rows, "<<><", stream),
        ]
    elif made["precision"] == "bfloat16":
        lines.append("every layer goes the usual way")
    return lines
