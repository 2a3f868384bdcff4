"""`convscope doctor`."""

from __future__ import annotations

import importlib.util
import sys
from typing import Annotated

from typer import Option

from convscope.errors import ConvscopeError

HELP = """This machine: processor, threads, precision, versions, and the data sets that are found on it.

With --plan: how it would carry out a network's training steps, measured anew and remembered.
"""


def command(
    plan: Annotated[str, Option(help="a network: measure its steps here, and say what is chosen and why")] = "",
    input: Annotated[str, Option(help="beside --plan: 28x28x1, in place of what the text says")] = "",
    classes: Annotated[int | None, Option(min=1, help="beside --plan: in place of what the text says")] = None,
    batch_size: Annotated[
        int | None, Option("--batch-size", min=1, help="beside --plan: pictures a step, 128 unless given")
    ] = None,
    json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> int:
    """Carry it out; see HELP."""
    if plan:
        return _plan(plan, input, classes, batch_size or 128, json)
    if input or classes or batch_size:
        raise ConvscopeError(
            "--input, --classes and --batch-size say what steps are measured. There is no --plan. For instance: "
            "convscope doctor --plan resnet20 --batch-size 64"
        )
    import torch

    from convscope import kernels
    from convscope.data import places, sources
    from convscope.data.decode import FORMATS
    from convscope.data.known import KNOWN
    from convscope.report import listings
    from convscope.report.text import json_line, say
    from convscope.run import environment

    here = environment()
    usual = kernels.plan()
    found = {name: sources.where(name) for name in KNOWN}
    embedded = {name for name, entry in KNOWN.items() if entry.format == "embedded"}
    devices = ["cpu"]
    devices += ["cuda"] if torch.cuda.is_available() else []
    devices += ["mps"] if torch.backends.mps.is_available() else []
    heic = importlib.util.find_spec("pillow_heif") is not None
    formats = [name for name in FORMATS if name != "HEIC" or heic]
    about = {
        **here,
        "plan": usual,
        "devices": devices,
        "data_folder": places.data_folder(),
        "cache_folder": places.cache_folder(),
        "data": {name: "embedded" if name in embedded else path for name, path in found.items()},
        "pictures": formats,
    }
    if json:
        print(json_line(about, sys.stdout))
        return 0
    flags = here["cpu_flags"]
    data_folder = places.data_folder()
    facts = [
        ("processor", str(here["processor"])),
        ("abilities", ", ".join(flags) if isinstance(flags, list) else str(flags)),
        ("cores", f"{here['cores']}, {usual['threads']} threads in training"),
        ("precision", f"float32 in all that is reported; in training {_precisions(kernels.narrow())}"),
        ("devices", ", ".join(devices)),
        ("python", f"{here['python']} on {here['platform']}"),
        *((name, str(version)) for name, version in here["versions"].items()),
        ("pictures", ", ".join(formats)),
        ("CONVSCOPE_DATA", str(data_folder) if data_folder else "not set"),
        ("cache", str(places.cache_folder())),
        *((f"data {name}", listings.place(str(path or ""), embedded=name in embedded,
                                          downloadable=bool(KNOWN[name].hosts))) for name, path in found.items()),
    ]  # fmt: skip
    say(sys.stdout, listings.facts(facts, sys.stdout))
    return 0


def _precisions(narrow: bool) -> str:
    return "bfloat16 where it is faster: --plan NET measures it" if narrow else "too"


def _plan(net: str, input: str, classes: int | None, batch_size: int, json: bool) -> int:
    from convscope import kernels
    from convscope.cli.networks import plan_of, sized_network
    from convscope.notation import canonical
    from convscope.report import listings
    from convscope.report.text import json_line, say

    tree, sizes = sized_network(net, "doctor --plan", input, classes)
    kernels.keep_freed()  # as training does
    made = plan_of(canonical(tree), sizes, batch_size, anew=True)
    if json:
        about = {"network": canonical(tree), "input": sizes.input, "classes": sizes.classes, "batch_size": batch_size,
                 "narrow": kernels.narrow(), "plan": made}  # fmt: skip
        print(json_line(about, sys.stdout))
        return 0
    say(sys.stdout, listings.plan(made, batch_size, sizes.input, narrow=kernels.narrow(), stream=sys.stdout))
    return 0
