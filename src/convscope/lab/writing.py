"""A network's text as the page shows it while one types: what every layer costs and sees, its figure, its faults.

Knows no torch: a network is weighed, and never built.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from convscope import recipe
from convscope.data.augment import Augment
from convscope.data.images import DataSet
from convscope.errors import ConvscopeError
from convscope.explain.trace.words import text as words
from convscope.lab import pictures
from convscope.network.compose import draw
from convscope.network.cost import state
from convscope.network.shapes import NetworkError, Sizes, check_end, numbers, resolve
from convscope.network.source import named, text_of_zoo, zoo
from convscope.network.weigh import totals, weigh
from convscope.notation import NotationError, brief, canonical, parse, write_out
from convscope.notation.kinds import KINDS
from convscope.notation.tree import Place
from convscope.preflight import look_over
from convscope.preflight.finding import Finding
from convscope.preflight.shapes import misfit_finding, notation_finding
from convscope.report.drawing import to_svg

LONGEST = 100_000
"""Characters of a text."""
MOST_NOTES = 4

ABOUT = {
    "conv": "convolution: kernel, number of maps; /2 is a stride, valid leaves the border out",
    "maxpool": "the largest of each window",
    "avgpool": "the mean of each window",
    "minpool": "the smallest of each window",
    "gap": "the mean of each map: one number a map",
    "gmp": "the largest of each map: one number a map",
    "dense": "every unit reads every value; without a number it has a unit a class",
    "flatten": "all values as one row; dense does it by itself",
    "relu": "what is below 0 becomes 0",
    "relu6": "relu, cut off at 6",
    "tanh": "to between -1 and 1",
    "sigmoid": "to between 0 and 1",
    "gelu": "relu with a smooth bend",
    "silu": "x times its sigmoid",
    "elu": "below 0 an exponential that ends at -slope",
    "leaky": "relu that lets a little through below 0",
    "bn": "batch normalisation: each map to mean 0 and deviation 1, then scaled and shifted as learned",
    "lrn": "local response normalisation over neighbouring maps",
    "dropout": "in training, so many of the values become 0",
    "subsample": "LeNet-5's pooling: a mean, scaled and shifted as learned",
    "rbf": "LeNet-5's end: distances to drawings of the classes",
    "softmax": "shares that sum to 1; a network here ends before it",
    "scale": "times a fixed number",
    "identity": "what comes in goes out, with a stride or more maps",
    "let": "names a piece: let block(c) = ( conv 3x3 c, bn, relu )",
    "input": "height x width x channels of the pictures",
    "classes": "how many classes there are",
    "add": "several ways, added up: add( conv 3x3 32, bn | identity )",
    "concat": "several ways, their maps one after another",
    "regions": "the picture cut into parts, each of which has the layers",
    "aux": "a side classifier, which learns too and is left out in prediction",
}
"""What completion says of each word. A test holds that none is missing."""

USAGES = {
    "let": "let block(c) = ( conv 3x3 c, bn, relu )", "input": "input 28x28x1", "classes": "classes 10",
    "add": "add( conv 3x3 32 | identity )", "concat": "concat( conv 1x1 8 | conv 3x3 8 )",
    "regions": "regions 2x2 ( conv 3x3 8 )", "aux": "aux weight=0.3 ( gap, dense )",
}  # fmt: skip


def kinds() -> list[dict[str, str]]:
    """The words of the notation, for completion."""
    return [
        {"name": name, "usage": KINDS[name].example or name if name in KINDS else USAGES[name], "about": about}
        for name, about in ABOUT.items()
    ]


@cache
def zoo_networks() -> list[dict[str, Any]]:
    """The networks that come with the package."""
    found = []
    for name in zoo():
        tree = parse(text_of_zoo(name))
        found.append(
            {"name": name, "text": text_of_zoo(name), "input": list(tree.input or ()), "classes": tree.classes}
        )
    return found


def asked(body: dict[str, Any]) -> tuple[str, tuple[int, int, int], int]:
    """The text, input and classes of a request. A single word may be a network of the zoo. Raises ConvscopeError."""
    text, size, classes = body.get("text"), body.get("input"), body.get("classes")
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ConvscopeError(f"a network must be text of at most {LONGEST} characters.")
    good = isinstance(size, list) and len(size) == 3 and all(type(n) is int and 1 <= n <= 4096 for n in size)
    if not good or not isinstance(size, list):
        raise ConvscopeError(f"input must be height, width and channels, as in [28, 28, 1]. Got {size!r:.40}.")
    if type(classes) is not int or not 1 <= classes <= 100_000:
        raise ConvscopeError(f"classes must be a whole number from 1. Got {classes!r:.40}.")
    return text, (size[0], size[1], size[2]), classes


def network(body: dict[str, Any]) -> dict[str, Any]:
    """All that is known of a network before it is trained, or what is wrong with its text. Raises ConvscopeError for a
    request that holds no text."""
    given, input, classes = asked(body)
    text = given
    try:
        text = named(given)
        tree = parse(text)
        sizes = resolve(write_out(tree), input, classes)
        check_end(sizes, classes)
    except NotationError as error:
        return {"ok": False, "faults": [_notation_fault(text, error)]}
    except NetworkError as error:
        return {"ok": False, "faults": [_network_fault(text, error, input, classes)]}
    except ConvscopeError as error:
        return {"ok": False, "faults": [_fault(1, 1, max(1, len(given)), str(error))]}
    layers = weigh(sizes)
    total, aside = totals(sizes, layers, aux=False), totals(sizes, layers, aux=True)
    return {
        "ok": True,
        "canonical": canonical(tree),
        "brief": brief(tree),
        "layers": [
            {"label": layer.row.item.name, "kind": layer.row.item.kind, "text": words(layer.row.item),
             "out": list(layer.row.after), "parameters": layer.parameters, "macs": layer.multiply_adds,
             "seen": [axis.size for axis in layer.field], "line": layer.row.item.place.line, "aux": layer.aux}
            for layer in layers
        ],
        "totals": {"parameters": total.parameters, "aside": aside.parameters, "macs": total.multiply_adds,
                   "bytes": 4 * sum(map(numbers, state(sizes).values()))},
        "notes": _notes(text, sizes),
        "svg": to_svg(draw(sizes, "network")).partition("\n")[2],
    }  # fmt: skip


def _notes(text: str, sizes: Sizes) -> list[dict[str, Any]]:
    """What is unwise in a network that can be built: the first few."""
    rows, noted = sizes.by_name(), []
    for found in look_over(text, sizes)[:MOST_NOTES]:
        first = found.where.partition(", ")[0]  # of several layers
        place = rows[first].item.place if first in rows else Place(1, 1)
        noted.append(_fault(place.line, place.column, place.length, found.reason, text, found))
    return noted


def _notation_fault(text: str, error: NotationError) -> dict[str, Any]:
    found = notation_finding(text, error)
    return _fault(error.line, error.column, error.place.length, error.what, text, found, error.hint)


def _network_fault(text: str, error: NetworkError, input: tuple[int, int, int], classes: int) -> dict[str, Any]:
    try:
        found = misfit_finding(text, error, input, classes)
    except NetworkError:  # no layer is at fault
        return _fault(1, 1, 1, str(error))
    place = error.place
    assert place is not None
    return _fault(place.line, place.column, place.length, found.reason, text, found, found.fix)


def _fault(
    line: int, column: int, length: int, sentence: str, text: str = "", found: Finding | None = None, hint: str = ""
) -> dict[str, Any]:
    """mended: the whole text after the edit that was tried and helps; "" where there is none."""
    mended = found.mended(text) if found is not None and found.edits else ""
    return {
        "line": line,
        "column": column,
        "length": length,
        "sentence": sentence,
        "suggestion": hint,
        "mended": mended,
    }


# ---- augmentation ----------------------------------------------------------------------------------------------------


def with_augment(start: recipe.Recipe, settings: object) -> recipe.Recipe:
    """A recipe with keys of its `[augment]` set anew. Raises ConvscopeError for a key or a value that can't be."""
    if settings is None:
        return start
    if not isinstance(settings, dict):
        raise ConvscopeError(f"augment must be named settings, as in {{'shift': 1}}. Got {settings!r:.40}.")
    return recipe.with_settings(start, {f"augment.{key}": value for key, value in settings.items()})


def augmented(body: dict[str, Any], dataset: DataSet) -> dict[str, Any]:
    """A training picture, and eight of what a training would make of it."""
    seed = body.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise ConvscopeError(f"a seed must be a whole number from 0. Got {seed!r:.40}.")
    plain = recipe.load(recipe.bundled()["folder"])
    off = recipe.AugmentSettings()
    settings = with_augment(plain.model_copy(update={"augment": off}), body.get("settings")).augment
    change = Augment(**{**settings.model_dump(), "shift": int(settings.shift)})
    row = seed % len(dataset.train)
    picture = np.array(dataset.train.images[row])
    import torch

    batch = torch.from_numpy(np.repeat(picture[None], 8, axis=0))
    drawn = change.apply(batch, np.arange(8, dtype=np.int64), seed, 0, dataset.preprocess.input_size)
    bytes_ = drawn.float().round().clamp(0, 255).to(torch.uint8).numpy()
    return {"original": pictures.stored(picture), "pictures": [pictures.stored(one) for one in bytes_]}
