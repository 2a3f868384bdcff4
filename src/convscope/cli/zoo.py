"""`convscope zoo`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from typer import Argument, Option

HELP = "The networks that come with the package; with a name, that network's text: paper, deviations, layers."


def command(
    name: Annotated[str, Argument(help="the network to show")] = "",
    json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope.network.source import text_of_zoo, zoo
    from convscope.report import listings
    from convscope.report.text import json_line, say

    if name:
        text = text_of_zoo(name)  # raises for an unknown name
        if json:
            print(json_line({**_entry(name), "text": text}, sys.stdout))
        else:
            say(sys.stdout, text.rstrip("\n").splitlines())
        return 0
    entries = [_entry(known) for known in zoo()]
    if json:
        print(json_line(entries, sys.stdout))
        return 0
    rows = [
        (
            entry["name"], entry["year"], entry["parameters"], entry["multiply_adds"], entry["input"],
            "here" if entry["at_hand"] else "published" if entry["weights"] else "", entry["title"],
        )
        for entry in entries
    ]  # fmt: skip
    say(sys.stdout, listings.zoo(rows, sys.stdout))
    return 0


def _entry(name: str) -> dict[str, Any]:
    """What is known of one network: its header, and what its text says and costs."""
    from convscope import weights
    from convscope.network.cost import in_aux, multiply_adds
    from convscope.network.shapes import resolve
    from convscope.network.source import about, text_of_zoo
    from convscope.notation import parse, write_out

    header = about(name)
    sizes = resolve(write_out(parse(text_of_zoo(name))))
    apart = in_aux(sizes)
    return {
        "name": name, "title": header.title, "year": header.year, "paper": header.paper, "follows": header.follows,
        "weights": header.weights, "at_hand": bool(header.weights) and weights.at_hand(name) is not None,
        "parameters": header.parameters, "aux_parameters": header.aux_parameters,
        "multiply_adds": sum(multiply_adds(row) for row in sizes.rows if row.item.name not in apart),
        "input": sizes.input, "classes": sizes.classes, "deviations": header.deviations,
    }  # fmt: skip
