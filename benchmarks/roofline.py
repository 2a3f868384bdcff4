"""How near does each layer of a network come to what this machine can do?

    python benchmarks/roofline.py [--networks resnet18] [--batch 256] [--threads 2] [--quick]

First the roof: the fastest matrix product in float32 and in bfloat16, and the bandwidth of memory (a triad over arrays
far larger than any cache). Then the layers, each by itself with its input in memory: forward, and backward (the
gradients of weights and of input; the first layer's input needs none), under our plan and as plain PyTorch in float32.
The share is the least time that arithmetic or memory could take, whichever is longer, over the measured time.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import ours
import records
from convscope.network.build import Network
from convscope.network.cost import multiply_adds
from convscope.notation.tree import Layer
from networks import CASES, Case

SIZES = (1024, 2048, 4096)
TRIAD = 64 << 20
"""Float32 numbers of each of the triad's three arrays."""


@dataclass(frozen=True)
class Roof:
    """Operations a second (two a multiply-add) of a product in float32 and bfloat16; bytes a second of memory."""

    float32: float
    bfloat16: float
    memory: float

    def least(self, operations: float, moved: float, *, bfloat16: bool) -> float:
        """The least seconds."""
        return max(operations / (self.bfloat16 if bfloat16 else self.float32), moved / self.memory)


def fastest(work: Callable[[], Any], seconds: float) -> float:
    """The fastest of as many runs as fit into so many seconds, three at least, after one that warms up."""
    work()
    best, end, runs = math.inf, time.perf_counter() + seconds, 0
    while runs < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        best, runs = min(best, time.perf_counter() - begin), runs + 1
    return best


def roof(seconds: float, sizes: tuple[int, ...], triad: int) -> Roof:
    """Measured now."""
    rates = {}
    for kind in (torch.float32, torch.bfloat16):
        found = []
        for n in sizes:
            a, b = torch.randn(n, n).to(kind), torch.randn(n, n).to(kind)
            found.append(2 * n**3 / fastest(lambda a=a, b=b: a @ b, seconds))
        rates[kind] = max(found)
    x, y, z = (torch.ones(triad) for _ in range(3))
    moved = 3 * 4 * triad / fastest(lambda: torch.add(x, y, alpha=3.0, out=z), seconds)
    return Roof(rates[torch.float32], rates[torch.bfloat16], moved)


def layers(case: Case) -> Iterator[tuple[str, str, nn.Module, tuple[int, ...], int, int]]:
    """Each layer once: label, kind, module, shape of its input, (C, H, W) or (units,), then multiply-adds and bytes
    moved for a picture."""
    network = Network(case.text, input=case.input, classes=case.classes)
    seen = set()
    for row in network.sizes.rows:
        if not isinstance(row.item, Layer):
            continue
        before = (row.before[-1], *row.before[:-1])  # channels first, as PyTorch has them
        key = (row.item.kind, before, row.after, str(row.item.options))
        if key in seen:
            continue
        seen.add(key)
        moved = 4 * (math.prod(row.before) + math.prod(row.after))
        yield row.item.name, row.item.kind, network.get_submodule(row.item.name), before, multiply_adds(row), moved


def timed(
    function: Callable[[torch.Tensor], torch.Tensor], module: nn.Module, x: torch.Tensor, *, first: bool, seconds: float
) -> tuple[float, float]:
    """Forward and backward seconds of a layer; module: what holds its weights."""
    module.train()
    x = x.detach().requires_grad_(not first)
    forward = fastest(lambda: function(x), seconds)
    y = function(x)
    if not y.requires_grad:
        return forward, 0.0
    gradient = torch.randn_like(y)
    inputs = [t for t in (x, *module.parameters()) if t.requires_grad]
    return forward, fastest(lambda: torch.autograd.grad(y, inputs, gradient, retain_graph=True), seconds)


def measured(case: Case, batch: int, top: Roof, seconds: float) -> list[dict[str, Any]]:
    """A line a layer."""
    lines: list[dict[str, Any]] = []
    planned = ours.layers(case.text, case.input, case.classes, batch)
    for label, kind, module, shape, macs, moved in layers(case):
        line: dict[str, Any] = {"layer": label, "kind": kind, "input": shape, "multiply_adds": macs * batch}
        weights = 4 * sum(p.numel() for p in module.parameters())
        x = torch.randn(batch, *shape)
        for manner in ("plain", "ours"):
            function, way, given, holder = module, "float32", x, module
            if manner == "ours":
                function, way, holder = *planned[label][:2], planned[label][2]
                given = x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
                given = given.to(torch.bfloat16) if "bfloat16" in way else given
            try:
                forward, backward = timed(function, holder, given, first=not lines, seconds=seconds)
            except (RuntimeError, TypeError) as error:
                line[manner] = {"absent": str(error)[:200]}
                continue
            narrow = "bfloat16" in way
            bytes_moved = (moved * batch + weights) / (2 if narrow else 1)
            products = 1 if not lines else 2  # backward: gradients of weights, and of the input
            least = [top.least(2 * macs * batch * n, bytes_moved * n, bfloat16=narrow) for n in (1, products)]
            line[manner] = {
                "way": way, "forward": forward, "backward": backward, "least_forward": least[0],
                "least_backward": least[1] if backward else 0.0,
            }  # fmt: skip
        lines.append(line)
    return lines


def table(lines: list[dict[str, Any]]) -> str:
    """Milliseconds, and the share of the roof."""
    names = "".join(f"{f'{manner}: {way}':>18}" for manner in ("plain", "ours") for way in ("forward", "backward"))
    rows = [f"{'layer':22}{'kind':9}{'GMAC':>8}{names}"]
    for line in lines:
        cells = []
        for manner in ("plain", "ours"):
            found = line[manner]
            for way in ("forward", "backward"):
                seconds = found.get(way, 0.0)
                share = found.get(f"least_{way}", 0.0) / seconds if seconds else 0.0
                cells.append(f"{1000 * seconds:10.2f} ms {share:4.0%}" if seconds else f"{'-':>18}")
        head = f"{line['layer']:22}{line['kind']:9}{line['multiply_adds'] / 1e9:8.2f}"
        rows.append(head + "".join(cells))
    return "\n".join(rows)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default="")
    parser.add_argument("--batch", type=int, default=0, help="256; ResNet-50's 8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.5, help="spent on each measurement")
    parser.add_argument("--quick", action="store_true", help="one network, a tenth of a second each")
    parser.add_argument("--dry", action="store_true", help="keep no record")
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    seconds = min(options.seconds, 0.1) if options.quick else options.seconds
    top = roof(seconds, SIZES[:2] if options.quick else SIZES, TRIAD // (4 if options.quick else 1))
    print(f"matrix product {top.float32 / 1e12:.2f} TFLOP/s float32, {top.bfloat16 / 1e12:.2f} bfloat16; "
          f"memory {top.memory / 1e9:.1f} GB/s", flush=True)  # fmt: skip
    names = [name for name in options.networks.split(",") if name]
    for name in names or (["tutorial-b-cifar10"] if options.quick else CASES):
        case = CASES[name]
        batch = options.batch or min(256, case.batches[-1])
        lines = measured(case, batch, top, seconds)
        print(f"\n{name}, batch {batch}\n{table(lines)}", flush=True)
        if not options.dry:
            records.append("roofline", {
                "machine": records.machine(options.threads), "network": name, "batch": batch, "layers": lines,
                "roof": {"float32": top.float32, "bfloat16": top.bfloat16, "memory": top.memory},
            })  # fmt: skip


if __name__ == "__main__":
    main()
