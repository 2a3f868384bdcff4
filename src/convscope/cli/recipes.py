"""`convscope recipes`."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

HELP = "The bundled recipes; with a name, that recipe whole, with its times and scores."


def command(
    name: Annotated[str, Argument(help="the recipe to show")] = "",
    json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope import recipe
    from convscope.report import listings
    from convscope.report.text import json_line, say

    if name:
        header = recipe.header(name)  # raises for an unknown name
        file = recipe.named(name)
        assert file is not None
        text = file.read_text(encoding="utf-8")
        if json:
            print(json_line({"name": name, "header": header, "recipe": text}, sys.stdout))
        else:
            say(sys.stdout, text.rstrip("\n").splitlines())
        return 0
    firsts = {known: recipe.header(known).splitlines()[0] for known in recipe.bundled()}
    firsts = {known: first.removeprefix(f"{known}: ") + also(known) for known, first in firsts.items()}
    if json:
        print(json_line([{"name": known, "what": first} for known, first in firsts.items()], sys.stdout))
    else:
        say(sys.stdout, listings.recipes(list(firsts.items()), sys.stdout))
    return 0


def also(name: str) -> str:
    """The shorter words that mean this recipe."""
    from convscope import recipe

    words = [word for word, meant in recipe.ALSO.items() if meant == name]
    return f" (also: {', '.join(words)})" if words else ""
