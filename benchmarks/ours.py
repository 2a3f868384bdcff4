"""What the benchmarks call "ours": a training step, a prediction and a layer as convscope carries them out.

All that is particular to convscope's way through a step stands here and nowhere else in the benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convscope import kernels
from convscope.network.build import Network
from convscope.recipe import OptimizerSettings
from convscope.train import optim

Shape = tuple[int, int, int]


def prepare(module: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor, str]:
    """A module and its input as the plan has them, and the plan in words."""
    plan = kernels.plan()
    layout = kernels.layout(plan)
    x = x.contiguous(memory_format=layout) if x.dim() == 4 else x
    return module.to(memory_format=layout), x, f"{plan['precision']}, {plan['layout']}"  # type: ignore[call-overload]


def ours(text: str, input: Shape, classes: int, batch: int, optimizer: str) -> tuple[Callable[[], None], str]:
    """One training step of a batch of noise, ready to be called, and the plan in words."""
    height, width, channels = input
    torch.manual_seed(0)
    labels = torch.randint(0, classes, (batch,))
    network, x, way = prepare(Network(text, input=input, classes=classes), torch.randn(batch, channels, height, width))
    network.train()
    updates = optim.build(network, OptimizerSettings.model_validate({"name": optimizer, "learning_rate": 1e-6}))

    def step() -> None:
        updates.zero_grad(set_to_none=True)
        F.cross_entropy(network(x), labels).backward()  # type: ignore[no-untyped-call]
        updates.step()

    return step, way


def predictor(text: str, input: Shape, classes: int, batch: int) -> tuple[Callable[[], object], str]:
    """One prediction of a batch of noise that is in memory, ready to be called, and the precision in words."""
    height, width, channels = input
    torch.manual_seed(0)
    network, x, way = prepare(Network(text, input=input, classes=classes), torch.randn(batch, channels, height, width))
    network.eval()

    def predict() -> object:
        with torch.inference_mode():
            return network(x)

    return predict, way
