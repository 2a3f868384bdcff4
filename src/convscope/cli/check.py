"""`convscope check`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from convscope.cli.sizes import read_input, read_shape
from convscope.errors import ConvscopeError, RunFailed

if TYPE_CHECKING:
    from convscope.preflight import Checked

HELP = """Look a network or a recipe over before it is trained: what is wrong, and the edit that mends it.

X is what `convscope train` takes, a recipe, a data set, a folder or a .csv, with --net, --data and --set as there; or
a network alone, as text, a name of the zoo or a .net file. Ends with 2 where something can't be trained (an error),
with 0 where there is nothing or warnings only.
"""


def command(
    x: Annotated[str, Argument(help="recipe, data set, folder, .csv, or a network", show_default=False)],
    data: Annotated[str, Option(help="data in place of the recipe's")] = "",
    net: Annotated[str, Option(help="network as text, a name of the zoo, a .net file, or a run")] = "",
    input: Annotated[str, Option("--input", "--imgsz", help="28x28x1, 28x28 or 28")] = "",
    classes: Annotated[int | None, Option(min=1, help="of a network alone: in place of what its text says")] = None,
    set_: Annotated[list[str] | None, Option("--set", help="any key of the recipe: optimizer.momentum=0.8")] = None,
    json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Carry it out; see HELP."""
    from convscope.report.text import json_line, say

    if _is_network(x) and not (data or net):
        if set_:
            raise ConvscopeError("--set changes a recipe, and a network alone has none. Give its data: --data FOLDER.")
        from convscope.preflight import check_network

        checked = check_network(x, _shape(x, input) if input else None, classes)
    else:
        if classes is not None:
            raise ConvscopeError("--classes is for a network alone: a recipe's data says how many classes there are.")
        checked, missed = _recipe(x, data, net, read_input(input) if input else None, set_ or [])
        if missed:
            say(sys.stderr, missed)
    if json:
        findings = [finding.to_json() for finding in checked.findings]
        first = None
        if checked.first is not None:
            from convscope.run import to_json

            first = to_json(checked.first)
        about = {"errors": checked.errors, "findings": findings, "looked_for": checked.looked, "first_batch": first}
        print(json_line(about, sys.stdout))
    else:
        from convscope.report.findings import lines

        say(sys.stdout, lines(checked.findings, looked=checked.looked, first=checked.first))
    return 2 if checked.errors else 0


def _shape(net: str, input: str) -> tuple[int, int, int]:
    """What --input says, with the text's own channels where it leaves them out."""
    from convscope.network.source import text_of
    from convscope.notation import NotationError, parse

    try:
        usual = parse(text_of(net)).input
    except NotationError:  # a finding, told by the check
        usual = (1, 1, 3)
    return read_shape(input, usual[2] if usual else None)


def _is_network(word: str) -> bool:
    """Whether a word is a network and not what `train` takes: a text, a .net file, a name of the zoo or a layer."""
    from importlib import resources
    from pathlib import Path

    from convscope.network.source import text_of
    from convscope.notation.kinds import KINDS

    if word.endswith(".net") or word in KINDS:
        return True
    if not word.strip() or Path(word).exists() or word.endswith((".toml", ".csv")):
        return False
    if (resources.files("convscope") / "recipes" / f"{word}.toml").is_file():  # several have a network's name
        return False
    if any(sign in word for sign in " ,\n("):
        return True
    try:
        return text_of(word) != word
    except ConvscopeError:
        return False  # `train` knows what a single word may be, and says so


def _recipe(
    x: str, data: str, net: str, size: tuple[int, int, int | None] | None, pairs: list[str]
) -> tuple[Checked, str]:
    """What a check of a recipe found; and a sentence where its data set can't be had and its network alone was looked
    at, else ""."""
    from pathlib import Path

    from convscope.cli.train import read_settings
    from convscope.data.known import KNOWN
    from convscope.preflight import check, check_network
    from convscope.train import begin

    settings: dict[str, Any] = {}
    word = x
    if _is_network(x):
        word, net, data = data, net or x, ""
    if data:
        settings["data"] = data
    if net:
        settings["network"] = net
    if size is not None:
        settings["input.size"] = [size[0], size[1]]
        if size[2]:
            settings["input.channels"] = size[2]
    chosen, _, _ = begin.recipe_of(word, None, settings | read_settings(pairs), Path())
    try:
        return check(chosen), ""
    except RunFailed as error:
        known = KNOWN.get(chosen.data.partition("[")[0])
        if known is None or not chosen.network:
            raise
        height, width = chosen.input.crop_to or chosen.input.size or known.size[:2]
        shape = (height, width, chosen.input.channels or known.size[2])
        first = str(error).splitlines()[0].rstrip(":")
        return check_network(chosen.network, shape, len(known.classes)), f"{first}: its network alone is looked at"
