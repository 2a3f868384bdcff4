"""`init=whiten`: a first convolution whose maps are uncorrelated and of one spread, from the training pictures.

Page, "How to train your ResNet 8: bag of tricks", 2019; Jordan, "94 % on CIFAR-10 in 3.29 seconds", 2024, section 3.2.
Nothing is trained: the filters are the principal directions of the pictures' patches.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.network.shapes import NetworkError, Sized, Sizes, dilation_of, option, where
from convscope.notation.tree import Init, Layer, Size

EPS = 5e-4
"""Added to each variance before the root: a direction in which pictures hardly differ would else be nothing but
noise."""

_NUMBERS = 1 << 19  # of patches, in float64, at a time: 4 MiB stay in the cache, and are no new pages each time


def layers(sizes: Sizes) -> list[str]:
    """The layers that start as init=whiten: none, or the first one alone. Raises NetworkError for any other."""
    found = [row for row in sizes.rows if isinstance(row.item, Layer) and _whitens(row.item)]
    for row in found:
        _check(row, sizes)
    return [row.item.name for row in found]


def _whitens(layer: Layer) -> bool:
    how = layer.options.get("init")
    return isinstance(how, Init) and how.kind == "whiten"


def _check(row: Sized, sizes: Sizes) -> None:
    layer = row.item
    assert isinstance(layer, Layer)
    at = f"{where(layer.place)}: {layer.name} can't start as init=whiten: "
    if layer.kind != "conv" or sizes.body.items[0].name != layer.name:
        raise NetworkError(f"{at}it takes the pictures' own patches, so it must be a convolution and the network's "
                           "first layer. Use init=kaiming.")  # fmt: skip
    if option(layer, "groups", int) != 1 or layer.options["connect"] != "all":
        raise NetworkError(f"{at}its filters see all channels. Leave groups= and connect= out, or use init=kaiming.")
    assert layer.kernel is not None
    extent = [d * (k - 1) + 1 for k, d in zip(layer.kernel, dilation_of(layer), strict=True)]
    if extent[0] > row.before[0] or extent[1] > row.before[1]:
        raise NetworkError(f"{at}its kernel must fit into the picture without padding. Use a smaller kernel, or "
                           "init=kaiming.")  # fmt: skip


def covariance(x: Tensor, kernel: Size, dilation: Size) -> Tensor:
    """How the C * kh * kw values of a patch vary together: float64 (C kh kw, C kh kw).

    x: (N, C, H, W). Of all patches that lie inside the pictures, the mean taken off. Raises NetworkError where there
    are fewer than two.
    """
    values = x.shape[1] * math.prod(kernel)
    places = math.prod(n - d * (k - 1) for n, k, d in zip(x.shape[2:], kernel, dilation, strict=True))
    count = len(x) * places
    if count < 2:
        raise NetworkError(f"init=whiten needs at least two patches of pictures. Got {count}. Give more pictures.")
    total = torch.zeros(values, dtype=torch.float64, device=x.device)
    squares = torch.zeros(values, values, dtype=torch.float64, device=x.device)
    for part in torch.split(x, max(1, _NUMBERS // (values * places))):
        patches = F.unfold(part.double(), kernel, dilation=dilation)  # (n, C kh kw, places)
        patches = patches.transpose(0, 1).flatten(1)  # (C kh kw, n places)
        total += patches.sum(1)
        squares += patches @ patches.T
    mean = total / count
    return squares / count - mean[:, None] * mean


def fill(module: torch.nn.Module, row: Sized, pictures: Tensor) -> None:
    """Overwrite the first filters of the convolution of `row` by what pictures (N, C, H, W) say."""
    assert isinstance(row.item, Layer)
    assert row.item.kernel is not None
    weight = module.weight
    assert isinstance(weight, Tensor)
    with torch.no_grad():
        found = filters(pictures, row.item.kernel, dilation_of(row.item), len(weight))
        weight[: len(found)] = found.to(weight)


def filters(x: Tensor, kernel: Size, dilation: Size, units: int) -> Tensor:
    """At most `units` filters of (C, kh, kw), float32: the eigenvectors of the covariance by falling eigenvalue, each
    divided by sqrt(eigenvalue + EPS), then their negatives in the same order.

    Behind a relu a direction and its negative keep both halves of what they see. Of fewer units than 2 * C * kh * kw
    half take the first directions, the other half their negatives; an odd one more is a direction. x: (N, C, H, W).
    """
    eigenvalues, vectors = torch.linalg.eigh(covariance(x, kernel, dilation))  # rising; vectors are columns
    found = vectors.flip(1).T  # (C kh kw, C kh kw): rows, by falling eigenvalue
    scaled = found / (eigenvalues.flip(0).clamp(min=0) + EPS).sqrt()[:, None]
    # an eigenvector's sign is the library's whim: its largest number is made positive
    largest = scaled.gather(1, scaled.abs().argmax(1, keepdim=True))
    scaled = scaled * largest.sign()
    positive = min(len(scaled), (units + 1) // 2)
    negative = min(len(scaled), units - positive)
    both = torch.cat([scaled[:positive], -scaled[:negative]])
    return both.reshape(-1, x.shape[1], *kernel).float()
