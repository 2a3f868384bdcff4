"""One training step, the same for a network and for its plan: loss and gradients; and how far two of them are apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.kernels.convolve import PLAIN, ways
from convscope.network.build import Network
from convscope.network.layers import Conv, JoinedConv, surrounded
from convscope.network.shapes import NetworkError, resolve
from convscope.network.source import text_of
from convscope.notation import parse, write_out
from convscope.notation.tree import Layer

SIZES = (64, 96, 128, 224, 227, 299)
LEAST = {"alexnet-torchvision": 96}
"""At 64 its last maps are 1 x 1. Those lie in memory in two ways alike, and dropout draws in the order of memory."""
Step = tuple[float, dict[str, Tensor]]


def small(name: str, classes: int = 10) -> Network:
    """A network of the zoo, for small pictures, with channels last."""
    text = text_of(name)
    tree = write_out(parse(text))
    channels = tree.input[2] if tree.input else 3
    sizes = (
        [tree.input]
        if tree.input and tree.input[0] <= 32
        else [(side, side, channels) for side in SIZES if side >= LEAST.get(name, 0)]
    )
    for size in sizes:
        try:
            resolve(tree, size, classes)
        except NetworkError:
            continue
        return Network(text, input=size, classes=classes).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
    raise AssertionError(f"{name} takes none of these sizes")


def batch(network: Network, pictures: int, precision: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Pictures (N, C, H, W), channels last, smooth as pictures are, and labels."""
    height, width, channels = network.input
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randn(pictures, channels, 4, 4, generator=generator)
    x = F.interpolate(coarse, (height, width), mode="bicubic") + 0.3 * torch.randn(
        pictures, channels, height, width, generator=generator
    )
    labels = torch.randint(network.sizes.classes or 10, (pictures,), generator=generator)
    return x.to(precision).contiguous(memory_format=torch.channels_last), labels


def step(network: Network, forward: Callable[..., Any], x: Tensor, labels: Tensor) -> Step:
    """The loss, those of side classifiers among it, and the gradient of every parameter by name."""
    network.train()
    network.zero_grad(set_to_none=True)
    torch.manual_seed(5)  # dropout's
    logits, kept = forward(x, keep=network.aux)
    loss = F.cross_entropy(logits, labels)
    for label, weight in network.aux.items():
        loss = loss + weight * F.cross_entropy(kept[label], labels)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    assert gradients.keys() == dict(network.named_parameters()).keys(), "a parameter has no gradient"
    return float(loss.detach()), gradients


def apart(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, float]:
    """By parameter, the length of the difference in parts of the expected gradient's length.

    A gradient that is nothing but rounding (of a bias before a batch normalisation) has a hundredth of the longest.
    """
    least = 0.01 * max(float(gradient.norm()) for gradient in expected.values())
    return {
        name: float((found[name].double() - gradient.double()).norm() / (gradient.double().norm() + least))
        for name, gradient in expected.items()
    }


def distance(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """The same of all gradients as one vector."""
    return float((together(found) - together(expected)).norm() / together(expected).norm())


def every_way(network: Network) -> dict[str, dict[str, str]]:
    """The layers of a plan in which each convolution takes the last way that is offered for it."""
    chosen = {}
    for row in network.sizes.rows:
        conv = network.layer(row.item.name) if isinstance(row.item, Layer) else None
        if isinstance(conv, Conv) and not isinstance(conv, JoinedConv):
            height, width, channels = row.before
            framed, padding = surrounded(torch.zeros(1, channels, height, width), conv)
            kernel, maps = (conv.weight.shape[2], conv.weight.shape[3]), (framed.shape[2], framed.shape[3])
            last = ways(kernel, conv.stride, padding, maps, conv.groups, conv.dilation)[-1]
            if last != PLAIN:
                chosen[row.item.name] = {"weight gradient": last}
    return chosen


def together(gradients: Mapping[str, Tensor]) -> Tensor:
    """All gradients as one vector."""
    return torch.cat([gradient.double().flatten() for gradient in gradients.values()])
