"""How networks, runs and answers show themselves in a notebook: as pages in a frame of their own.

`register` tells IPython which of our types have an HTML form, by name, so that nothing is imported until one is shown.
A frame keeps our style from the notebook's and runs no script.
"""

from __future__ import annotations

import base64
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

FORMS = {
    ("convscope.network.build", "Network"): "network",
    ("convscope.api.models", "Run"): "run",
    ("convscope.classifier", "Prediction"): "prediction",
    ("convscope.evaluate.metrics", "Score"): "score",
    ("convscope.data.images", "ImageSet"): "image_set",
    ("convscope.explain.trace.data", "Trace"): "trace",
    ("convscope.explain.attribute", "Attribution"): "attribution",
    ("convscope.explain.explanation", "Explanation"): "explanation",
}
"""(module, type) to the function here that shows it."""
_PICTURES = 24
_LIKELY = 5


def register(shell: Any) -> None:
    """shell: what IPython's `get_ipython()` gives."""
    formatter = shell.display_formatter.formatters["text/html"]
    for (module, name), form in FORMS.items():
        formatter.for_type_by_name(module, name, _later(form))


def _later(form: str) -> Callable[[Any], str | None]:
    def shown(value: Any) -> str | None:
        found: str | None = getattr(importlib.import_module(__name__), form)(value)
        return found

    return shown


def _framed(title: str, *sections: object, height: int, styles: tuple[str, ...] = ()) -> str:
    from convscope.report import frame

    return _in_frame(frame.page(title, *sections, styles=styles), title, height)


def _in_frame(page: str, title: str, height: int) -> str:
    from convscope.report.markup import tag

    return str(tag("iframe", srcdoc=page, title=title, sandbox="", loading="lazy",
                   style=f"width:100%;height:{height}px;border:0"))  # fmt: skip


def network(value: Any) -> str:
    """A network: its drawing, and the table of its layers."""
    from convscope.network.compose import draw
    from convscope.network.weigh import fold, totals, weigh
    from convscope.report import drawing, summary
    from convscope.report.markup import tag

    layers = weigh(value.sizes)
    cells = summary.rows(value.sizes, fold(layers), totals(value.sizes, layers, aux=False), 1, None)
    # a picture of its own, so that the page's style for the text of figures doesn't reach it
    svg = drawing.to_svg(draw(value.sizes, "the network", "auto", False)).encode("utf-8")
    source = "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
    figure = tag("img", src=source, alt="the network drawn, layer by layer", style="max-width:100%;max-height:240px")
    table = tag("pre", "\n".join(summary.text(cells, 110)))
    return _framed("a network", figure, table, height=min(720, 400 + 21 * len(cells)))


def run(value: Any) -> str | None:
    """A run: its report; None, which leaves the plain text, where it has none yet."""
    report = Path(value.path) / "report.html"
    if not report.is_file():
        return None
    return _in_frame(report.read_text(encoding="utf-8"), f"the report of {value.path}", 640)


def prediction(value: Any) -> str:
    """The most probable classes."""
    from convscope.report.markup import tag
    from convscope.report.numbers import probability
    from convscope.report.svg import bar

    rows = [
        tag("tr", tag("th", label, scope="row"), tag("td", bar(share, 0, share)),
            tag("td", probability(share), class_="num"))
        for label, share in value.top(_LIKELY)
    ]  # fmt: skip
    return _framed(value.label, tag("table", tag("tbody", *rows)), height=110 + 44 * len(rows))


def score(value: Any) -> str:
    """k of n with its interval, drawn to scale."""
    from convscope.report.markup import tag
    from convscope.report.numbers import score_line
    from convscope.report.svg import bar, scale_from

    start = scale_from(value.low)
    said = score_line(value.k, value.n, value.low, value.high)
    drawn = bar(value.accuracy, value.low, value.high, start, said)
    return _framed("a score", tag("p", tag("b", said)), drawn, height=190)


def image_set(value: Any) -> str:
    """The first pictures with their labels."""
    from convscope.report.markup import tag
    from convscope.report.numbers import plural
    from convscope.report.pictures import data_uri

    cards = [
        tag("figure", tag("div", tag("img", src=data_uri(picture), alt=value.classes[label], class_="pixels"),
                          class_="frame"), tag("figcaption", value.classes[label]))
        for picture, label in zip(value.images[:_PICTURES], value.labels[:_PICTURES], strict=True)
    ]  # fmt: skip
    told = tag(
        "p", f"{plural(len(value.labels), 'picture')}, {plural(len(value.classes), 'class', 'classes')}", class_="note"
    )
    return _framed("pictures", told, tag("div", *cards, class_="gallery small"), height=420)


def trace(value: Any) -> str:
    """The arithmetic of one number."""
    from convscope.report import trace as traces

    return _framed("a trace", traces.section(value), height=620, styles=(traces.STYLE,))


def attribution(value: Any) -> str:
    """Where the class is seen, and whether to believe it."""
    from convscope.report import attribution as attributions

    return _framed("an attribution", attributions.section(value), height=760, styles=(attributions.STYLE,))


def explanation(value: Any) -> str:
    """One picture through one network: the whole page."""
    from convscope.report import explanation as page

    return _in_frame(page.text(value), repr(value), 760)
