"""What the benchmarks call "ours": a training step, a prediction and a layer as convscope carries them out.

All that is particular to convscope's way through a step stands here and nowhere else in the benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope import kernels
from convscope.kernels.forward import IN_FLOAT32, Forward
from convscope.network.build import Network
from convscope.recipe import OptimizerSettings
from convscope.train import optim

Shape = tuple[int, int, int]
Planned = tuple[Callable[[Tensor], Tensor], str, nn.Module]


def layers(text: str, input: Shape, classes: int, batch: int) -> dict[str, Planned]:
    """Each layer by its label: its function by the plan, the precision that it computes in, and its module."""
    height, width, channels = input
    network = Network(text, input=input, classes=classes).train()
    network.to(memory_format=torch.channels_last)
    kernels.keep_freed()
    plan = kernels.plan(network, (batch, channels, height, width))
    forward = kernels.apply(plan, network)
    assert isinstance(forward, Forward)
    narrow = plan["precision"] == "bfloat16"
    return {
        row.item.name: (forward.functions[row.item.name],
                        "float32" if not narrow or row.item.kind in IN_FLOAT32 else "bfloat16",
                        network.layer(row.item.name))
        for row in network.sizes.rows if row.item.name in forward.functions
    }  # fmt: skip


def ours(text: str, input: Shape, classes: int, batch: int, optimizer: str) -> tuple[Callable[[], None], str]:
    """One training step of a batch of noise, ready to be called, and the plan in words."""
    height, width, channels = input
    torch.manual_seed(0)
    labels = torch.randint(0, classes, (batch,))
    network = Network(text, input=input, classes=classes).train()
    kernels.keep_freed()
    plan = kernels.plan(network, (batch, channels, height, width))
    kernels.take(plan)
    network.to(memory_format=kernels.layout(plan))  # type: ignore[call-overload]
    x = torch.randn(batch, channels, height, width).contiguous(memory_format=kernels.layout(plan))
    forward = kernels.apply(plan, network)
    updates = optim.build(network, OptimizerSettings.model_validate({"name": optimizer, "learning_rate": 1e-6}))

    def step() -> None:
        updates.zero_grad(set_to_none=True)
        F.cross_entropy(forward(x), labels).backward()  # type: ignore[no-untyped-call]
        updates.step()

    return step, f"{plan['precision']}, {plan['layout']}, {plan['threads']} threads"


def predictor(text: str, input: Shape, classes: int, batch: int) -> tuple[Callable[[], object], str]:
    """One prediction of a batch of noise that is in memory, ready to be called, and the precision in words."""
    height, width, channels = input
    torch.manual_seed(0)
    network = Network(text, input=input, classes=classes).eval()
    network.to(memory_format=torch.channels_last)
    x = torch.randn(batch, channels, height, width).contiguous(memory_format=torch.channels_last)

    def predict() -> object:
        with torch.inference_mode():
            return network(x)

    return predict, "float32, channels last"
