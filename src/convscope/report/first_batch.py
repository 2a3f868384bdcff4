"""What the first batch showed before the first step, as a sentence and as a table of the page."""

from __future__ import annotations

from collections.abc import Iterable

from convscope.report.markup import Markup, tag
from convscope.report.numbers import percent, plural
from convscope.run import Diagnosis, Record

FOLDED = 12  # a longer table is folded away


def sentence(d: Diagnosis) -> str:
    """Its loss and what that is made of, and what sends a gradient, in a line."""
    knows_nothing = f" (a network that knows nothing: {d.expected:.4g})" if d.expected else ""
    parts = [f"{d.loss:.4g} of the data{knows_nothing}"]
    parts += [f"{d.penalty:.4g} of l1= and l2="] if d.penalty else []
    parts += [f"{d.side:.4g} of side classifiers"] if d.side else []
    total = d.loss + d.penalty + d.side
    return (
        f"first batch of {plural(d.pictures, 'picture')}: loss {total:.4g} = {' + '.join(parts)}; "
        f"{d.pictures - d.silent} of {d.pictures} send a gradient or are right already"
    )


def section(records: Iterable[Record]) -> Markup:
    """The page's section: the sentence, what is wrong if anything is, and a row a layer."""
    d = next((record for record in records if isinstance(record, Diagnosis)), None)
    if d is None:
        return Markup("")
    heading = tag("tr", tag("th", "Layer"), *(tag("th", word, class_="num") for word in
                  ("Deviation of what leaves it", "Relative gradient", "Units that are 0 for all")))  # fmt: skip
    rows = []
    for layer, spread, gradient, dead in zip(d.layers, d.spread, d.gradients, d.dead, strict=True):
        cells = (
            f"{spread:.3g}",
            "" if gradient is None else f"{gradient:.2g}",
            percent(round(1000 * dead), 1000) if dead else "",
        )
        rows.append(tag("tr", tag("th", layer, scope="row"), *(tag("td", cell, class_="num") for cell in cells)))
    table = tag("div", tag("table", tag("thead", heading), tag("tbody", *rows)), class_="wide")
    if len(rows) > FOLDED:
        table = tag("details", tag("summary", f"All {len(rows)} layers"), table)
    said = sentence(d)
    return tag(
        "section",
        tag("h2", "Before the first step"),
        tag("p", f"{said[0].upper()}{said[1:]}. The input has a deviation of {d.input_spread:.3g}.", class_="note"),
        tag("ul", *(tag("li", fault) for fault in d.said), class_="notes") if d.said else "",
        table,
    )
