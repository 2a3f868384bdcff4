"""`convscope evaluate`."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

HELP = """Score a model: accuracy as k of n with its 95 % interval, and recall, precision and F1 of every class.

A run is scored on its own test split; each look at it is counted. Other data is given with --data.
"""


def command(
    model: Annotated[str, Argument(help="a run's folder or a .safetensors file")],
    data: Annotated[
        str,
        Option(help="other data of the same classes: a name, a folder or a .csv; or where a run's own has moved to"),
    ] = "",
    split: Annotated[
        str, Option(help="train, validation (or val), test or all; test unless given, all of a plain folder")
    ] = "",
    views: Annotated[
        str, Option(help="mirror, shift or both: a second score, of the mean of 2, 3 or 6 views of each picture")
    ] = "",
    as_is: Annotated[
        bool, Option("--as-is", help="don't bring pictures of --data into the model's own manner first")
    ] = False,
    json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope import api
    from convscope.evaluate.metrics import confusion, mistakes, per_class, score
    from convscope.report import listings
    from convscope.report.numbers import again
    from convscope.report.progress import Progress
    from convscope.report.text import json_line, noted, say

    with Progress(sys.stderr, show=not json) as progress:
        done = api.evaluate_model(model, data, split, progress, views, as_is)
    said, part, look = done.predictions, done.split, done.look
    found, classes = score(said), per_class(said)
    if json:
        about = {
            **found.to_json(), "split": part, "look": look, "manner": done.manner, "notes": done.notes,
            "classes": classes, "confusion": confusion(said),
            **({"in_views": done.in_views.to_json()} if done.in_views else {}),
        }  # fmt: skip
        print(json_line(about, sys.stdout))
        return 0
    say(sys.stdout, noted(done.notes))
    wrong = listings.mistakes(mistakes(said, 10), sys.stdout)
    if wrong:
        say(sys.stdout, ["the surest mistakes:", *wrong, ""])
    if look > 1:
        say(sys.stdout, again(look, part))
    say(sys.stdout, listings.evaluate(found, classes, part, in_views=done.in_views, stream=sys.stdout))
    return 0
