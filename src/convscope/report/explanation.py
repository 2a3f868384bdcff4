"""One picture looked into, as one page: a file that needs nothing but itself, no script and no host.

Knows the order of the sections and what leads to them. What a trace, maps or an attribution look like, their own files
of this room know.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convscope import files
from convscope.explain.attribute import Attribution
from convscope.explain.explanation import Asked, Explanation
from convscope.explain.trace import Trace
from convscope.notation import brief, parse
from convscope.report import attribution, frame, maps
from convscope.report import trace as traces
from convscope.report.explained import HEADING, chosen, layer_rows
from convscope.report.markup import Markup, join, tag
from convscope.report.numbers import plural, probability, short_score
from convscope.report.pictures import as_seen, data_uri, photo_uri
from convscope.report.trace_text import title

STYLES = ("explanation.css", traces.STYLE, maps.STYLE, attribution.STYLE)
LIKELY = 5  # classes named with their probability
NUMBERS = 32  # a picture of so many rows and columns is also shown as its numbers


@dataclass(frozen=True)
class Part:
    """A section: the word that names it in the contents, its title, a sentence that leads to it, and what it shows."""

    word: str
    title: str
    note: object
    body: Markup

    def markup(self) -> Markup:
        note = tag("p", self.note, class_="note") if self.note else ""
        return tag("section", tag("h2", self.title), note, self.body, id=self.word.replace(" ", "-"))


def write(path: Path, explanation: Explanation, asked: Asked | None = None) -> None:
    """Writes the page; a file of that name is replaced. asked: what of it, all unless given."""
    files.write_text(path, text(explanation, asked))


def text(explanation: Explanation, asked: Asked | None = None) -> str:
    """The page as text."""
    asked = asked or Asked()
    asked.check()
    shown = parts(explanation, asked)
    contents = tag("nav", *(tag("a", part.word, href=f"#{part.word.replace(' ', '-')}") for part in shown),
                   class_="contents", aria_label="On this page")  # fmt: skip
    head = tag("header", _answer(explanation), _facts(explanation), contents if len(shown) > 1 else "")
    title = f"{explanation.name or 'a picture'}: {explanation.prediction.label}"
    return frame.page(title, head, *(part.markup() for part in shown), styles=STYLES)


def parts(explanation: Explanation, asked: Asked) -> list[Part]:
    """The sections in their order."""
    if asked.whole:
        found = [_input(explanation)]
        if explanation.from_text:
            first = explanation.convolutions()[:1]
            found += [
                _layers(explanation),
                *(_kernels(explanation, label) for label in first),
                _arithmetic(explanation),
            ]
        return [*found, _decides(explanation, explanation.attribution)]
    found = []
    if asked.opened:
        found.append(_cell(explanation, asked))
        if explanation.maps[asked.layer].ndim == 3:
            found.append(_maps(explanation, asked.layer))
        if asked.layer in explanation.convolutions():
            found.append(_kernels(explanation, asked.layer))
    if asked.method:
        found.append(_decides(explanation, explanation.attribute(asked.method, asked.attributed)))
    return found


# ---- what it says ----------------------------------------------------------------------------------------------------


def _answer(explanation: Explanation) -> Markup:
    said = explanation.prediction
    target = explanation.classifier.classes[explanation.target]
    top = said.top(LIKELY)
    if target not in dict(top):
        top = [*top[:-1], (target, said.probabilities[target])]
    rows = []
    for label, share in top:
        looks = ["first"] if label == said.label else []
        looks += ["asked"] if label == target and label != said.label else []
        bar = tag("span", tag("i", style=f"width: {max(100 * share, 0.4):.1f}%"), class_="track", aria_hidden="true")
        rows.append(
            tag("li", tag("span", label, class_="name", title=label), bar,
                tag("span", probability(share), class_="num"), class_=" ".join(looks) or None)
        )  # fmt: skip
    pixels = explanation.given.pixels if explanation.given is not None else explanation.picture
    name = explanation.name or "The picture"
    return tag(
        "div",
        picture(pixels, f"the picture {name} as it came"),
        tag("div", tag("h1", tag("bdi", name), " is taken for"),
            tag("p", said.label, tag("small", probability(said.probability)), class_="said"),
            tag("ol", *rows, class_="shares", aria_label="The most probable classes")),
        class_="answer",
    )  # fmt: skip


def _facts(explanation: Explanation) -> Markup:
    of = explanation.classifier
    size = " × ".join(map(str, (*of.preprocess.input_size, of.preprocess.channels)))
    kind = type(of.network).__name__
    facts: list[tuple[str, object]] = [
        ("Network", f"{plural(explanation.parameters, 'parameter')}, input {size}"),
        ("Classes", str(len(of.classes))),
    ]
    if all(key in of.score for key in ("split", "k", "n")):
        facts.append((f"Score on {of.score['split']} pictures", short_score(of.score["k"], of.score["n"])))
    if of.path is not None:
        facts.append(("Model", str(of.path.parent if of.path.name == "model.safetensors" else of.path)))
    written = brief(parse(explanation.network.text)) if explanation.from_text else f"somebody's own module, {kind}"
    return join((
        tag("p", tag("code", written), class_="net") if len(written) <= 400 else "",
        tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="facts"),
    ))  # fmt: skip


# ---- what it is given ------------------------------------------------------------------------------------------------


def _input(explanation: Explanation) -> Part:
    of, seen = explanation.classifier.preprocess, explanation.input.cpu().numpy()
    steps: list[tuple[NDArray[np.uint8], str, str]] = []
    given = explanation.given
    if given is not None and not np.array_equal(given.pixels, explanation.picture):
        steps.append((given.pixels, "As it came", f"{given.height} × {given.width}, {_colours(len(given.pixels))}"))
    for turn, (told, pixels) in enumerate(given.steps if given is not None else (), 1):
        steps.append((pixels, f"Step {turn}", told))
    height, width = of.size
    made = {"pad": "the whole of it, black beside it", "crop": "its middle", "stretch": "stretched"}[of.fitting]
    size = f"{height} × {width}, {_colours(of.channels)}"
    if given is not None and (given.height, given.width) != of.size:
        size = f"{size}; {made}"
    if not (given is not None and given.steps and np.array_equal(given.steps[-1][1], explanation.picture)):
        steps.append((explanation.picture, "Fitted" if steps else "As it came", size))
    shown, low, high = as_seen(seen)
    window = f"the middle {of.input_size[0]} × {of.input_size[1]}; " if of.crop_to else ""
    steps.append((shown[0], "As the network sees it", f"{window}black is {short(low)}, white {short(high)}"))
    figures = [
        tag("figure", picture(pixels, title), tag("figcaption", tag("b", title), words))
        for pixels, title, words in steps
    ]
    body = [tag("div", *figures, class_="way")]
    if of.channels == 1 and max(of.size) <= NUMBERS:
        body.append(tag("details", tag("summary", f"All {height * width} numbers of the fitted picture"),
                        tag("div", _numbers(explanation.picture[0]), class_="wide")))  # fmt: skip
    note = f"Each value, 0 to 255, becomes {_formula(explanation)}: that is all the network ever gets."
    return Part("input", "What the network is given", note, join(body))


def _colours(channels: int) -> str:
    return "grey" if channels == 1 else "colour"


def _formula(explanation: Explanation) -> str:
    of = explanation.classifier.preprocess
    if of.per_picture:
        return "(value − the picture's mean) / the picture's deviation"
    if len(of.mean) > of.channels:
        return "(value / 255 − the mean at its place) / the spread at its place"
    if of.channels == 1:
        return f"(value / 255 − {of.mean[0]:.4g}) / {of.std[0]:.4g}"
    means, stds = (", ".join(f"{n:.4g}" for n in numbers) for numbers in (of.mean, of.std))
    return f"(value / 255 − mean) / deviation, of red, green and blue: {means} and {stds}"


def _numbers(pixels: NDArray[np.uint8]) -> Markup:
    rows = [
        tag("tr", *(tag("td", int(v), style=f"background:rgb({v},{v},{v});color:{'#000' if v > 110 else '#fff'}")
                    for v in row))
        for row in pixels
    ]  # fmt: skip
    return tag("table", tag("tbody", *rows), class_="pixels-as-numbers")


def picture(pixels: NDArray[np.uint8], name: str) -> Markup:
    """A picture (C, H, W) in a square frame; a small one is enlarged without blur."""
    look = "pixels" if max(pixels.shape[1:]) <= 100 else None
    address = data_uri(pixels) if look else photo_uri(pixels)
    return tag("div", tag("img", src=address, alt=name, class_=look), class_="frame")


def boxed(pixels: NDArray[np.uint8], box: tuple[int, int, int, int], name: str) -> Markup:
    """A picture (C, H, W) with a frame around a part of it: top, left, bottom, right, which may lie beyond its edge."""
    height, width = pixels.shape[1:]
    top, left, bottom, right = box
    place = f"top:{100 * top / height:.2f}%;left:{100 * left / width:.2f}%;"
    size = f"height:{100 * (bottom - top) / height:.2f}%;width:{100 * (right - left) / width:.2f}%"
    shown = tag("img", src=data_uri(pixels), alt=name, class_="pixels" if max(height, width) <= 100 else None)
    return tag("div", shown, tag("i", style=place + size), class_="frame boxed", style=f"aspect-ratio:{width}/{height}")


def short(value: float) -> str:
    """A number in four digits, its minus as long as a plus."""
    return f"{value:.4g}".replace("-", "−")


# ---- the layers ------------------------------------------------------------------------------------------------------


def _layers(explanation: Explanation) -> Part:
    """Every layer, from the picture to the answer."""
    right = {"largest", "at", "zeros", "sees"}
    heading = tag("tr", *(tag("th", word, class_="num" if word in right else None) for word in HEADING))
    rows = [
        tag("tr", tag("th", row[0], scope="row"), tag("td", tag("code", row[1])), tag("td", row[2].replace("x", "×")),
            *(tag("td", cell.replace(" x ", " × ").replace("-", "−"), class_="num") for cell in row[3:]))
        for row in layer_rows(explanation)
    ]  # fmt: skip
    table = tag("div", tag("table", tag("thead", heading), tag("tbody", *rows), class_="layers"), class_="wide")
    told = (
        "leaves: height × width × maps; at: map, row and column of the largest value, counted from 0; zeros: "
        "the share of values that are exactly 0, empty where none is; sees: rows × "
        "columns of the picture that one of its numbers hangs on."
    )
    folded = tag("details", tag("summary", f"All {len(rows)} layers in numbers"), tag("p", told, class_="note"), table)
    strip = maps.strip((_line(explanation, row[0], row[1]) for row in layer_rows(explanation)),
                       explanation.classifier.classes)  # fmt: skip
    note = "What leaves every layer: each map is a picture of where the layer found what it looks for."
    return Part("layers", "From the picture to the answer", note, join((strip, folded)))


def _line(explanation: Explanation, label: str, text: str) -> maps.Line:
    item = explanation.network.sizes.by_name()[label].item
    return maps.Line(label, text, getattr(item, "kind", ""), explanation.maps[label])


def _maps(explanation: Explanation, label: str) -> Part:
    """The maps of one layer."""
    text = next(row[1] for row in layer_rows(explanation) if row[0] == label)
    note = "What the layer makes of this picture: each map is a picture of where it found what it looks for."
    return Part("maps", f"The maps of {label}", note, maps.strip([_line(explanation, label, text)]))


def _kernels(explanation: Explanation, label: str) -> Part:
    """The kernels of a convolution."""
    weight = explanation.kernels(label)
    height, width = weight.shape[2:]
    note = f"What {label} looks for: each map comes from one kernel of {height} × {width} weights a channel."
    body = maps.kernels(weight, label)
    return Part("kernels", f"The kernels of {label}", note, body)


# ---- the arithmetic --------------------------------------------------------------------------------------------------


def _arithmetic(explanation: Explanation) -> Part:
    """A worked example of each kind of layer, and the loss."""
    classes = explanation.classifier.classes
    examples = [*explanation.examples(), explanation.loss]
    folded = [
        tag("details", tag("summary", tag("b", _kind(trace)), " ", tag("span", title(trace, classes), class_="quiet")),
            traces.section(trace, classes), class_="example", open="" if turn == 0 else None)
        for turn, trace in enumerate(examples)
    ]  # fmt: skip
    target = classes[explanation.target]
    note = (
        "For each kind of layer the largest number of its first layer, worked out: what is read, what it is multiplied "
        f"with, and the sum; then backward, how the loss for {target} hangs on it. Places count from 0."
    )
    return Part("arithmetic", "Every multiplication", note, join(folded))


def _kind(trace: Trace) -> str:
    return "loss" if trace.kind == "loss" else trace.text or trace.kind


def _cell(explanation: Explanation, asked: Asked) -> Part:
    """The arithmetic of the cell that was asked for."""
    place = explanation.place(asked.layer, asked.cell, asked.map)
    trace = explanation.trace(asked.layer, asked.cell, asked.map)
    arithmetic = traces.section(trace, explanation.classifier.classes)
    return Part("arithmetic", "The arithmetic of one number", chosen(asked, place),
                join((_where(explanation, trace), arithmetic)))  # fmt: skip


def _where(explanation: Explanation, trace: Trace) -> Markup:
    """The part of the picture that the number hangs on, and its place in its map."""
    shown, _, _ = as_seen(explanation.input.cpu().numpy())
    top, left, bottom, right = trace.seen
    sees = f"It sees {bottom - top} × {right - left} of the picture" + (
        "" if min(top, left) >= 0 and bottom <= shown.shape[2] and right <= shown.shape[3] else ", border included"
    )
    figures = [tag("figure", boxed(shown[0], trace.seen, sees), tag("figcaption", tag("b", "What it sees"), sees))]
    values = explanation.maps[trace.label]
    if values.ndim == 3:
        number, row, column = trace.place
        shown_map, low, high = as_seen(values[None, number : number + 1])
        said = f"Map {number} of {trace.label}, {values.shape[1]} × {values.shape[2]}"
        ends = f"{said}; black is {short(low)}, white {short(high)}"
        cell = (row, column, row + 1, column + 1)
        figures.append(
            tag("figure", boxed(shown_map[0], cell, said), tag("figcaption", tag("b", "Where it stands"), ends))
        )
    return tag("div", *figures, class_="way places")


# ---- what decides ----------------------------------------------------------------------------------------------------


def _decides(explanation: Explanation, found: Attribution) -> Part:
    """The attribution with its checks."""
    target = explanation.classifier.classes[found.target]
    note = (
        f"Which part of the picture speaks for {target}. Such a map convinces whether or not it is true: so it is "
        "checked, and it says where it failed."
    )
    body = attribution.section(found)
    return Part("attribution", "Which pixels decide", note, body)
