"""What the page asks to be trained, as the words of a command; and the lab's own network, where it isn't there yet."""

from __future__ import annotations

import math
from typing import Any

from convscope import recipe
from convscope.data.known import KNOWN
from convscope.errors import ConvscopeError
from convscope.lab import writing
from convscope.lab.shelf import Shelf, demo_root, id_of, known_data
from convscope.network.shapes import check_end, resolve
from convscope.network.source import named
from convscope.notation import canonical, parse, write_out

LONGEST = 24 * 3600.0  # seconds of a training that the page may ask for
MOST_EPOCHS = 10_000


def train(shelf: Shelf, body: dict[str, Any]) -> str:
    """Queues a training; the id of its model. body: text, data, budget or epochs, seed, augment.

    All that can be wrong with it is said now, rather than by a child that ends at once. Raises ConvscopeError.
    """
    data = known_data(body.get("data"))
    entry = KNOWN[data]
    text = body.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > writing.LONGEST:
        raise ConvscopeError("there must be a network to train. Write one, such as: conv 3x3 16, relu, gap, dense")
    tree = parse(named(text))
    check_end(resolve(write_out(tree), entry.size, len(entry.classes)), len(entry.classes))
    whole = canonical(tree)
    words = [data, "--snapshots", *_length(body), "--seed", str(_seed(body.get("seed", 0)))]
    chosen = recipe.choose(data).load()
    given = body.get("augment")
    if given:
        settings = writing.with_augment(chosen, given).augment.model_dump()
        for key, value in settings.items():
            words += ["--set", f"augment.{key}={_written(value)}"]
    if not _same(whole, chosen.network):
        words.append(f"--net={whole}")  # never a path: it is text out of the parser
    about = {"text": text, "data": data, "classes": list(entry.classes), "input": list(entry.size)}
    return id_of(shelf.jobs.add_new(shelf.folder, data, words, about).name)


def demo(shelf: Shelf) -> None:
    """Queues the lab's own network, unless it is there or on its way."""
    run, own = demo_root() / "digits", recipe.choose("digits").load()
    if shelf.jobs.state(run)[0] in ("done", "training", "waiting"):
        return
    if shelf.jobs.state(run)[0] != "stopped" and shelf.jobs.read(run) is not None:
        shelf.jobs.go_on(run)
        return
    entry = KNOWN["digits"]
    about = {"text": own.network.strip(), "data": "digits", "classes": list(entry.classes), "input": list(entry.size)}
    shelf.jobs.add(run, ["digits", "--snapshots"], about)


def _length(body: dict[str, Any]) -> list[str]:
    budget, epochs = body.get("budget"), body.get("epochs")
    if (budget is None) == (epochs is None):
        raise ConvscopeError("a training must have one of budget, in seconds, and epochs. Give one of them.")
    if epochs is not None:
        if type(epochs) is not int or not 1 <= epochs <= MOST_EPOCHS:
            raise ConvscopeError(f"epochs must be a whole number from 1 to {MOST_EPOCHS}. Got {epochs!r:.40}.")
        return ["--epochs", str(epochs)]
    number = isinstance(budget, int | float) and not isinstance(budget, bool) and math.isfinite(budget)
    if not number or not isinstance(budget, int | float) or not 1 <= budget <= LONGEST:
        raise ConvscopeError(f"a budget must be 1 to {LONGEST:.0f} seconds. Got {budget!r:.40}.")
    return ["--budget", f"{budget:g}s"]


def _seed(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise ConvscopeError(f"a seed must be a whole number from 0. Got {value!r:.40}.")
    return value


def _written(value: object) -> str:
    """A setting as `--set` reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _same(whole: str, own: str) -> bool:
    """Whether this is the recipe's own network, for which its settings were chosen."""
    try:
        return bool(own) and canonical(parse(own)) == whole
    except ConvscopeError:  # `auto` and the like are no text
        return False
