"""`convscope summary`."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

from convscope.cli.networks import sized_network

HELP = "The layers of a network with what leaves each and what it learns, before any weight is made."


def command(
    net: Annotated[
        str, Argument(help="a network: text, a name of the zoo, a .net file, a run's folder or a model file")
    ],
    input: Annotated[str, Option(help="28x28x1: in place of what the text says")] = "",
    classes: Annotated[int | None, Option(min=1, help="in place of what the text says")] = None,
    json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope.network.cost import parameter_count, total_parameters
    from convscope.notation import canonical
    from convscope.report import listings
    from convscope.report.layers import describe
    from convscope.report.text import json_line, say

    tree, sizes = sized_network(net, "summary", input, classes)
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
