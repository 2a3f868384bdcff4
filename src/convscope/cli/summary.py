"""`convscope summary`."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

from convscope.cli.sizes import read_input
from convscope.errors import ConvscopeError

HELP = "The layers of a network with what leaves each and what it learns, before any weight is made."


def command(
    net: Annotated[str, Argument(help="a network as text, a .net file, a run's folder or a model file")],
    input: Annotated[str, Option(help="28x28x1: in place of what the text says")] = "",
    classes: Annotated[int | None, Option(min=1, help="in place of what the text says")] = None,
    json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope.network.cost import parameter_count, total_parameters
    from convscope.network.shapes import resolve
    from convscope.notation import canonical, parse, write_out
    from convscope.report import listings
    from convscope.report.layers import describe
    from convscope.report.text import json_line, say

    text, shape, count = _network(net)
    if input:
        height, width, channels = read_input(input)
        if channels is None:
            raise ConvscopeError(f"--input must be height x width x channels here: {height}x{width}x3. Got {input!r}.")
        shape = (height, width, channels)
    tree = parse(text)
    sizes = resolve(write_out(tree), shape, classes or count)
    total = total_parameters(sizes)
    if json:
        layers = [
            {"name": row.item.name, "kind": row.item.kind, "input": row.before, "output": row.after,
             "parameters": parameter_count(row)} for row in sizes.rows
        ]  # fmt: skip
        about = {"network": canonical(tree), "input": sizes.input, "classes": sizes.classes, "parameters": total,
                 "layers": layers}  # fmt: skip
        print(json_line(about, sys.stdout))
        return 0
    rows = [(row.item.name, describe(row.item), row.after, parameter_count(row)) for row in sizes.rows]
    say(sys.stdout, listings.summary(rows, input=sizes.input, stream=sys.stdout))
    return 0


def _network(word: str) -> tuple[str, tuple[int, int, int] | None, int | None]:
    """The text of a network, and of a model its input and classes too."""
    from pathlib import Path

    from convscope.network.source import text_of

    if word.endswith(".safetensors") or (word.strip() and (Path(word) / "model.safetensors").is_file()):
        from convscope import api
        from convscope.network.build import Network

        network = api.load(word).network
        assert isinstance(network, Network)
        return network.text, network.input, network.sizes.classes
    if word.strip() and Path(word).is_dir():  # no word at all would be this folder
        raise ConvscopeError(f"summary takes a network, a .net file, or a run that has a model. {word} has none.")
    return text_of(word), None, None
