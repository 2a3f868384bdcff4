"""`convscope draw`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from convscope.errors import ConvscopeError, unknown

if TYPE_CHECKING:
    from convscope.network.figure import Drawing

HELP = 'A figure of a network for a paper: SVG, and PDF or PNG with `pip install "convscope[draw]"`.'


def command(
    net: Annotated[str, Argument(help="a network as text, a name of the zoo, a .net file, a run or a model file")],
    out: Annotated[str, Option("--out", "-o", help="the file: .svg, .pdf or .png; unless given, NAME.svg")] = "",
    input: Annotated[str, Option(help="28x28x1: in place of what the text says")] = "",
    classes: Annotated[int | None, Option(min=1, help="in place of what the text says")] = None,
    style: Annotated[
        str, Option(help="scale: slabs to scale; plain: boxes; auto: slabs where the network is a short chain")
    ] = "auto",
    unfold: Annotated[bool, Option("--unfold", help="draw each turn of what repeats")] = False,
    title: Annotated[str, Option(help="what a screen reader calls the figure")] = "",
) -> int:
    """Carry it out; see HELP."""
    from convscope.cli.networks import sized_network
    from convscope.files import write_bytes
    from convscope.network.compose import STYLES, draw
    from convscope.report.text import say

    if style not in STYLES:
        raise ConvscopeError(unknown("style", style, STYLES))
    name = _name(net)
    path = Path(out or f"{name}.svg")
    if path.suffix.lower() not in (".svg", ".pdf", ".png"):
        raise ConvscopeError(f"a figure's file must end in .svg, .pdf or .png. Got {out!r}: use -o {name}.svg.")
    _, sizes = sized_network(net, "draw", input, classes)
    drawing = draw(sizes, title or name, style, unfold)
    write_bytes(path, _written(drawing, path.suffix.lower()))
    say(sys.stdout, [f"{path}: {drawing.width / 72 * 2.54:.1f} x {drawing.height / 72 * 2.54:.1f} cm"])
    return 0


def _written(drawing: Drawing, suffix: str) -> bytes:
    from convscope.report import drawing as svg
    from convscope.report import paper

    if suffix == ".svg":
        return svg.to_svg(drawing).encode("utf-8")
    return paper.to_pdf(drawing) if suffix == ".pdf" else paper.to_png(drawing)


def _name(net: str) -> str:
    """What the figure is called: the network's name, its file's or its run's; a text has none."""
    from convscope.network.source import zoo
    from convscope.notation.source import plain

    word = plain(net.strip())
    if word in zoo():
        return word
    if net.endswith((".net", ".safetensors")):
        return Path(net).stem
    return Path(net).name if "\n" not in net and Path(net).is_dir() and Path(net).name else "network"
