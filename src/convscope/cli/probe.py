"""`convscope probe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

HELP = """Accuracy against how much pictures are shifted, turned, scaled, lit, blurred, packed: how far a model holds.

A run is asked about its own validation pictures, so that its test pictures stay unseen; --split test counts as a look.
"""


def command(
    model: Annotated[str, Argument(help="a run's folder or a .safetensors file")],
    data: Annotated[
        str,
        Option(help="other data of the same classes: a name, a folder or a .csv; or where a run's own has moved to"),
    ] = "",
    split: Annotated[
        str, Option(help="train, validation (or val), test or all; validation unless given; of other data test, or all")
    ] = "",
    out: Annotated[str, Option("--out", "-o", help="write a page to this file: .html")] = "",
    only: Annotated[str, Option(help="some of the changes: shift,rotation,scale,brightness,contrast,noise,blur,jpeg,"
                                "inversion")] = "",
    most: Annotated[int, Option(min=1, help="at most so many pictures, drawn by --seed")] = 1000,
    seed: Annotated[int, Option(help="of the sample, of which way pictures are moved, and of the noise")] = 0,
    as_is: Annotated[
        bool, Option("--as-is", help="don't bring pictures of --data into the model's own manner first")
    ] = False,
    json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:  # fmt: skip
    """Carry it out; see HELP."""
    from convscope import api
    from convscope.evaluate import model as evaluate
    from convscope.evaluate import probe
    from convscope.report import probe as report
    from convscope.report.frame import check_name
    from convscope.report.numbers import again
    from convscope.report.progress import Progress
    from convscope.report.text import json_line, noted, say

    if out:
        check_name(out)
    names = probe.check(name.strip() for name in only.split(",") if name.strip())
    classifier = api.load(model)
    with Progress(sys.stderr, show=not json) as progress:
        chosen = evaluate.choose(classifier, Path(model), data, split, progress, usual="validation", as_is=as_is)
        look = chosen.look("probe")
        pictures = probe.sample(chosen.images, most, seed)
        found = probe.probe(classifier, pictures, names, seed, progress)
    about = report.About(model, "" if chosen.own else data, chosen.split, len(pictures), len(chosen.images), seed)
    if out:
        report.write(Path(out), found, about)
    if json:
        print(json_line({**about.to_json(), "look": look, "notes": chosen.notes, **found.to_json()}, sys.stdout))
        return 0
    say(sys.stdout, noted(chosen.notes))
    say(sys.stdout, report.table(found, sys.stdout))
    if look > 1 and chosen.split in ("test", "all"):
        say(sys.stdout, again(look, "test"))
    say(sys.stdout, ["", *report.verdicts(found, about, sys.stdout)])
    if out:
        say(sys.stdout, ["", f"the page is {out}"])
    return 0
