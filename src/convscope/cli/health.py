"""`convscope health`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

HELP = """The layers of a trained network over many pictures: dead units, maps that say the same, how activations and
gradients are spread, which pictures excite a map most, and (of a run with --snapshots) how the network came about.

A run is asked about its own validation pictures (without such, its training pictures), so that its test pictures stay
unseen; --split test counts as a look. Maps, units, rows and columns count from 0.
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
    layer: Annotated[str, Option(help="the layer whose exciting pictures are looked for: conv2")] = "",
    map: Annotated[int | None, Option(help="one map of the layer, or one unit of a dense layer")] = None,
    out: Annotated[str, Option("--out", "-o", help="write a page to this file: .html")] = "",
    most: Annotated[int, Option(min=2, help="at most so many pictures, drawn by --seed")] = 256,
    seed: Annotated[int, Option(help="of the sample")] = 0,
    as_is: Annotated[
        bool, Option("--as-is", help="don't bring pictures of --data into the model's own manner first")
    ] = False,
    json: Annotated[bool, Option("--json", help="print one JSON object")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope import api, kernels
    from convscope.evaluate import model as evaluate
    from convscope.evaluate.probe import sample
    from convscope.explain.inspection import inspect
    from convscope.report import health as report
    from convscope.report.frame import check_name
    from convscope.report.probe import About
    from convscope.report.progress import Progress
    from convscope.report.text import json_line, noted, say

    if out:
        check_name(out)
    kernels.keep_freed()
    classifier = api.load(model)
    with Progress(sys.stderr, show=not json) as progress:
        chosen = evaluate.choose(classifier, Path(model), data, split, progress, usual=_usual(Path(model)), as_is=as_is)
        chosen.look("health")
        pictures = sample(chosen.images, most, seed)
        found = inspect(classifier, pictures, label=layer, map=map, run=chosen.run, progress=progress)
    asked = About(model, "" if chosen.own else data, chosen.split, len(pictures), len(chosen.images), seed)
    about = report.About(model, asked.pictures)
    if out:
        report.write(Path(out), found, about)
    if json:
        print(json_line({**report.to_json(found, about), "notes": chosen.notes}, sys.stdout))
        return 0
    say(sys.stdout, noted(chosen.notes))
    say(sys.stdout, report.lines(found, about, sys.stdout, exciting=bool(layer)))
    if out:
        say(sys.stdout, ["", f"the page is {out}"])
    return 0


def _usual(model: Path) -> str:
    """The part of a run's pictures that is taken where none is named. Nothing is scored: training pictures will do."""
    from convscope.data import split
    from convscope.evaluate import seen

    run = seen.run_of(model)
    return "train" if run is not None and not len(split.load(run.split_path).rows("validation")) else "validation"
