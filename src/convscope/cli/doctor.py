"""`convscope doctor`."""

from __future__ import annotations

import importlib.util
import sys
from typing import Annotated

from typer import Option

HELP = "This machine: processor, threads, precision, versions, and the data sets that are found on it."


def command(json: Annotated[bool, Option("--json", help="print JSON")] = False) -> int:
    """Carry it out; see HELP."""
    import torch

    from convscope import kernels
    from convscope.data import places, sources
    from convscope.data.decode import FORMATS
    from convscope.data.known import KNOWN
    from convscope.report import listings
    from convscope.report.text import json_line, say
    from convscope.run import environment

    here = environment()
    plan = kernels.plan()
    found = {name: sources.where(name) for name in KNOWN}
    embedded = {name for name, entry in KNOWN.items() if entry.format == "embedded"}
    devices = ["cpu"]
    devices += ["cuda"] if torch.cuda.is_available() else []
    devices += ["mps"] if torch.backends.mps.is_available() else []
    heic = importlib.util.find_spec("pillow_heif") is not None
    formats = [name for name in FORMATS if name != "HEIC" or heic]
    about = {
        **here,
        "plan": plan,
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
        ("cores", f"{here['cores']}, {plan['threads']} threads in training"),
        ("precision", f"{plan['precision']} in training, float32 in all that is reported"),
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
