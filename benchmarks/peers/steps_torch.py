"""Training steps of plain PyTorch: as people write it, with its best flags, or compiled.

The network is the source that `convscope code` writes: nothing of convscope runs here.
"""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from protocol import Step, Wait, fastest, serve, settings
from source import load


def pictures(asked: dict[str, Any], layout: torch.memory_format) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of noise (N, C, H, W) and its labels."""
    height, width, channels = asked["input"]
    torch.manual_seed(0)
    x = torch.randn(asked["batch"], channels, height, width).contiguous(memory_format=layout)
    return x, torch.randint(0, asked["classes"], (asked["batch"],))


def training(asked: dict[str, Any], *, bfloat16: bool, best: bool, compiled: bool = False) -> tuple[Step, Wait]:
    """A step with or without the flags; a rate so small that the numbers stay what they are."""
    layout = torch.channels_last if best else torch.contiguous_format
    network = load(Path(asked["source"])).Net().to(memory_format=layout).train()
    more = {"fused": True} if best else {}
    optimizer: torch.optim.Optimizer
    if asked["optimizer"] == "adam":
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-6, **more)
    else:
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.9, **more)
    x, labels = pictures(asked, layout)
    forward = torch.compile(network) if compiled else network

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext():
            logits = forward(x)
            loss = F.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()

    return step, lambda: None


def main() -> None:
    asked = settings()
    torch.set_num_threads(asked["threads"])
    if asked["manner"] == "as written":
        makers = {"float32, contiguous": partial(training, asked, bfloat16=False, best=False)}
    else:
        torch.set_flush_denormal(True)
        compiled = asked["manner"] == "compiled"
        makers = {"bfloat16, channels last, fused": partial(training, asked, bfloat16=True, best=True)}
        if not asked["bfloat16"] or not compiled:
            makers["float32, channels last, fused"] = partial(training, asked, bfloat16=False, best=True)
        if not asked["bfloat16"]:
            del makers["bfloat16, channels last, fused"]
        if compiled:
            makers = {f"{name}, compiled": partial(make, compiled=True) for name, make in makers.items()}
    name, step, wait, tried = fastest(makers)
    serve(step, wait, way=name, tried=tried, versions={"torch": torch.__version__})


if __name__ == "__main__":
    main()
