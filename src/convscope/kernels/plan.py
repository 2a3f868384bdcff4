"""How this machine carries out a training step, as plain data. A plan never changes the mathematics beyond rounding.

This version has one plan: float32, channels last (in memory the maps of a position lie side by side, which spares
oneDNN a reordering before each convolution), as many threads as the process has. It is kept in the run, and a run that
is resumed takes the stored one.
"""

from __future__ import annotations

from typing import Any

import torch

from convscope.errors import ConvscopeError


def plan() -> dict[str, Any]:
    """The plan for a new run here."""
    return {
        "precision": "float32",
        "layout": "channels_last",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


def apply(stored: dict[str, Any]) -> list[str]:
    """Take a stored plan again; gives one sentence for each thing that differs here, so that bits may differ too."""
    threads = int(stored.get("threads") or 0)
    if threads and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    now = plan()
    return [
        f"this run began with {name} {stored[name]} and goes on with {now[name]}: the bits may differ from a run that "
        "was not interrupted"
        for name in ("torch", "capability", "threads")
        if name in stored and stored[name] != now[name]
    ]


def layout(stored: dict[str, Any]) -> torch.memory_format:
    """How a plan lays pictures and weights out in memory."""
    return torch.channels_last if stored.get("layout") == "channels_last" else torch.contiguous_format


def device(word: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `mps` means here; raises ConvscopeError for one that isn't there."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if word == "auto":
        return torch.device("cuda" if here["cuda"] else "mps" if here["mps"] else "cpu")
    name = word.split(":", maxsplit=1)[0]
    if name not in here:
        raise ConvscopeError(f"a device must be auto, cpu, cuda or mps. Got {word!r}.")
    if not here[name]:
        found = ", ".join(name for name, there in here.items() if there)
        raise ConvscopeError(f"the device must exist here. There is no {word}; found: {found}. Use --device auto.")
    return torch.device(word)
