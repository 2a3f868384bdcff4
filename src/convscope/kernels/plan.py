"""How this machine carries out a training step, as plain data. A plan never changes the mathematics beyond rounding.

It says the precision of activations (weights, statistics, losses and all that is reported are float32), the layout in
memory (channels last: the maps of a position lie side by side, which spares oneDNN a reordering before each
convolution), the threads, and for single layers what they do otherwise. It is kept in the run, and a run that is
resumed takes the stored one. What was measured once is remembered by machine, versions and network.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convscope import files
from convscope.data.places import cache_folder
from convscope.errors import ConvscopeError
from convscope.kernels import trial
from convscope.kernels.trial import Shape
from convscope.network.build import Network
from convscope.run import environment

_CACHE_FORMAT = 4
"""Goes up where a plan of an earlier version would be read wrongly, or would be slower than today's."""


def plain() -> dict[str, Any]:
    """PyTorch as it comes: float32, one map after the other. What the fast ways are measured against."""
    return {
        "precision": "float32",
        "layout": "contiguous",
        "order": False,
        "threads": torch.get_num_threads(),
        **_here(),
    }


def plan(
    network: nn.Module | None = None,
    shape: Shape | None = None,
    *,
    precision: str = "auto",
    where: torch.device | None = None,
    anew: bool = False,
) -> dict[str, Any]:
    """The plan for a new run here.

    network, shape: what is trained and (N, C, H, W) of its batches; without them, or for a module of one's own, it is
    float32. precision: `auto` is bfloat16 where it was measured to be faster here, else as said. anew: measure,
    whatever is remembered. Costs 1 to 5 s of processor time once; then a few steps, for the threads are chosen for each
    run.
    """
    found: dict[str, Any] = {
        "precision": "float32" if precision == "auto" else precision,
        "layout": "channels_last",
        "order": True,
        "threads": torch.get_num_threads(),
        "layers": {},
        **_here(),
    }
    where = where or torch.device("cpu")
    if not isinstance(network, Network) or shape is None:
        return found
    if where.type == "cuda" and precision == "auto" and torch.cuda.is_bf16_supported(including_emulation=False):
        return found | {"precision": "bfloat16"}
    if where.type != "cpu":
        return found
    found |= _remembered(network, shape, precision, anew)
    return found | {"threads": trial.threads(network, found, shape)}


def narrow() -> bool:
    """Whether this processor multiplies bfloat16 in hardware; without it, bfloat16 is far slower than float32."""
    most = _most_isa().upper()
    if most and not any(word in most for word in ("AMX", "BF16", "FP16", "DEFAULT", "ALL")):
        return False
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(known.get("amx_bf16") or known.get("avx512_bf16"))


def _here() -> dict[str, Any]:
    return {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()}


def _remembered(network: Network, shape: Shape, precision: str, anew: bool) -> dict[str, Any]:
    """What was chosen here before for this network, or is chosen now."""
    machine = environment()
    about = {
        **{key: machine[key] for key in ("processor", "cpu_flags", "cores", "threads")},
        **_here(), "format": _CACHE_FORMAT, "network": network.text, "shape": list(shape), "precision": precision,
        "classes": network.sizes.classes, "most": _most_isa(), "narrow": narrow(),
    }  # fmt: skip
    key = files.sha256_bytes(json.dumps(about, sort_keys=True).encode("utf-8"))[:32]
    path = cache_folder() / "plans" / f"{key}.json"
    if not anew and (kept := _read(path)) is not None:
        return kept
    chosen = trial.choose(network, shape, narrow() and precision != "float32", must=precision == "bfloat16")
    with contextlib.suppress(OSError, ConvscopeError):  # a folder that can't be written to: measured again next time
        files.write_json(path, {"format": files.FORMAT, "plan": chosen})
    return chosen


def _most_isa() -> str:
    """What the environment forbids oneDNN to use: a plan made under it holds under it alone."""
    return os.environ.get("ONEDNN_MAX_CPU_ISA", "")


def _read(path: Path) -> dict[str, Any] | None:
    """A remembered choice; None where there is none, or none that can be used."""
    try:
        kept = files.read_json(path)["plan"]
    except (OSError, ConvscopeError, KeyError, TypeError, ValueError):
        return None
    return kept if isinstance(kept, dict) and {"precision", "layers"} <= kept.keys() else None


def take(stored: dict[str, Any]) -> list[str]:
    """Take a stored plan again; gives one sentence for each thing that differs here, so that bits may differ too."""
    threads = int(stored.get("threads") or 0)
    if threads and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    now = {**_here(), "threads": torch.get_num_threads()}
    return [
        f"this run began with {name} {stored[name]} and goes on with {now[name]}: the bits may differ from a run that "
        "was not interrupted"
        for name in ("torch", "capability", "threads")
        if name in stored and stored[name] != now[name]
    ]


def precision(stored: dict[str, Any]) -> torch.dtype:
    """Of what a plan computes in fewer bits where it may."""
    return torch.bfloat16 if stored.get("precision") == "bfloat16" else torch.float32


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
