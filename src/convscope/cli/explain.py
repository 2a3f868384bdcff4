"""`convscope explain`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from convscope.errors import ConvscopeError

HELP = """Look inside a network with one picture: what every layer makes of it, and every multiplication of any cell.

Without --layer and --method it is the whole story, from the picture to the answer. Without a picture, one of the run's
validation pictures is taken. Maps, rows and columns count from 0.
"""


def command(
    model: Annotated[str, Argument(help="a run's folder or a .safetensors file")],
    picture: Annotated[str, Argument(help="a picture file")] = "",
    out: Annotated[str, Option("--out", "-o", help="write a page to this file: .html")] = "",
    layer: Annotated[str, Option(help="its maps and kernels, and the arithmetic of one cell: conv2")] = "",
    map: Annotated[int | None, Option(help="of the layer; unless given, the one largest at the cell")] = None,
    cell: Annotated[
        str, Option(help="3,4 is row and column; 7 is a unit of a dense layer; unless given, the largest")
    ] = "",
    gradcam: Annotated[bool, Option("--gradcam", help="the same as --method gradcam")] = False,
    method: Annotated[
        str, Option(help="which pixels decide: gradcam, integrated-gradients or occlusion, with checks of each")
    ] = "",
    target: Annotated[str, Option(help="the class that gradients speak of; unless given, the one that is said")] = "",
    as_is: Annotated[
        bool, Option("--as-is", help="don't bring the picture to the data set's own manner first")
    ] = False,
    json: Annotated[bool, Option("--json", help="print one JSON object")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope import api
    from convscope.explain.explanation import Asked
    from convscope.report import explained
    from convscope.report.frame import check_name
    from convscope.report.progress import Progress
    from convscope.report.text import json_line, say

    if out:
        check_name(out)
    if gradcam and method not in ("", "gradcam"):
        raise ConvscopeError(f"--gradcam and --method {method} are two methods. Give one of them.")
    if cell.isdecimal() and picture.isdecimal() and not Path(picture).exists():
        cell = f"{cell} {picture}"  # --cell 3 4: the shell made a picture of the column
    asked = Asked(layer, _cell(cell), map, "gradcam" if gradcam else method)
    asked.check()
    classifier = api.load(model)
    with Progress(sys.stderr, show=not json) as progress:
        explanation = api.explain(classifier, picture or None, target=target or None, as_is=as_is, progress=progress)
    if out:
        explanation.save(out, layer=asked.layer, cell=asked.cell, map=asked.map, method=asked.method)
    if json:
        print(json_line(explained.to_json(explanation, asked), sys.stdout))
        return 0
    say(sys.stdout, explained.lines(explanation, asked, sys.stdout))
    if out:
        say(sys.stdout, ["", f"the page is {out}"])
    return 0


def _cell(word: str) -> tuple[int, ...] | None:
    """Row and column, or one number; None where nothing is given."""
    if not word:
        return None
    if not re.fullmatch(r"\s*\d+\s*([,x]\s*\d+\s*)?", word, re.ASCII):
        raise ConvscopeError(
            f"a cell must be a row and a column, as in --cell 3,4, or a unit's number, --cell 7; both count from 0. "
            f"Got {word!r}."
        )
    return tuple(int(part) for part in re.split("[,x]", word))
