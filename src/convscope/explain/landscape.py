"""The loss as a landscape: two directions of a trained network, the loss on a grid of them, and ways downhill.

Li, Xu, Taylor, Studer and Goldstein, "Visualizing the Loss Landscape of Neural Nets", 2018: random directions, scaled
filter by filter (section 4), or those in which training moved most (section 7). Only parameters move; running
statistics stay those of the trained network, and every loss is taken in evaluation mode. Draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from convscope import draws, files
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError
from convscope.network.at_rest import at_rest
from convscope.train.loss import Loss

Weights = dict[str, Tensor]
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Plane:
    """Weights that are `middle` + a * right + b * up, by the names of the parameters.

    how: "random": a and b of 1 are as long as the weights themselves, filter by filter. "path": a and b are distances,
    and path (moments, 2) has the places of training's moments; share is what of their squared distances from the middle
    lies in the plane.
    """

    middle: Weights
    right: Weights
    up: Weights
    how: Literal["random", "path"]
    path: NDArray[np.float64]
    share: float | None = None

    def at(self, a: Tensor, b: Tensor) -> Weights:
        """The weights at a place."""
        return {name: w + a * self.right[name] + b * self.up[name] for name, w in self.middle.items()}


@dataclass(frozen=True, eq=False)
class Walk:
    """Gradient descent in the plane alone: places (steps + 1, 2), and the loss at each."""

    places: NDArray[np.float64]
    losses: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Landscape:
    """a: (n,) to the right, b: (n,) upwards, heights: (n, n) the loss at [b, a]; infinite where it isn't finite.
    middle: the trained network's own loss. path_losses: (moments,) of the real weights of each moment."""

    plane: Plane
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    heights: NDArray[np.float64]
    middle: float
    walks: tuple[Walk, ...]
    path_losses: NDArray[np.float64]
    pictures: int


# ---- two directions --------------------------------------------------------------------------------------------------


def parameters(network: nn.Module) -> Weights:
    """What moves: a copy of every parameter, float32."""
    found = {name: tensor.detach().clone().float() for name, tensor in network.named_parameters()}
    if not found:
        raise ConvscopeError("a landscape needs a network with weights. This one has none: nothing can move.")
    return found


def random_plane(network: nn.Module, seed: int = 0) -> Plane:
    """Two random directions, each filter of which (what makes one map or unit) is as long as the network's own.

    Biases, and scales and shifts of normalisation, stay (Li et al. 2018, section 4). Raises ConvscopeError.
    """
    middle = parameters(network)
    if not any(tensor.dim() > 1 for tensor in middle.values()):
        raise ConvscopeError("a random direction needs a layer with kernels or units. This network has none.")
    return Plane(middle, _random(middle, seed, "right"), _random(middle, seed, "up"), "random", np.empty((0, 2)))


def _random(middle: Weights, seed: int, which: str) -> Weights:
    """Normal numbers (Box and Muller 1958), keyed by the name and the place of each weight."""
    found = {}
    for name, weight in middle.items():
        if weight.dim() < 2:
            found[name] = torch.zeros_like(weight)
            continue
        place = np.arange(weight.numel())
        radius, angle = draws.uniform(seed, 0, place, f"landscape.{which}.{name}", 2).T
        normal = np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle)
        drawn = torch.from_numpy(normal.astype(np.float32)).view(weight.shape)
        length = drawn.flatten(1).norm(dim=1).clamp(min=1e-12)
        wanted = weight.flatten(1).norm(dim=1)
        found[name] = drawn * (wanted / length).view(-1, *[1] * (weight.dim() - 1))
    return found


def path_plane(network: nn.Module, moments: Sequence[Mapping[str, Tensor]]) -> Plane:
    """The two directions in which the moments of a training lie farthest from its end, the trained network.

    moments: the weights of each, by name, in time's order; other tensors (running statistics) are left out. Raises
    ConvscopeError for fewer than two that differ from the end, and for weights of another network.
    """
    middle = parameters(network)
    for number, moment in enumerate(moments):
        for name, tensor in middle.items():
            if name not in moment or moment[name].shape != tensor.shape:
                raise ConvscopeError(
                    f"the moments must be of this network. Moment {number} lacks {name} of shape "
                    f"{tuple(tensor.shape)}. Give the snapshots of its own run."
                )
    steps = [torch.cat([(m[name].float() - w).flatten() for name, w in middle.items()]) for m in moments]
    away = [step.double() for step in steps if float(step.norm()) > 0]
    if len(away) < 2:
        raise ConvscopeError(
            f"a path needs two moments before the trained network. Got {len(away)}. Train with --snapshots, or take "
            "random directions."
        )
    matrix = torch.stack(away)  # (moments, weights)
    values, vectors = torch.linalg.eigh(matrix @ matrix.T)  # small: of moments, not of weights
    axes = []
    for k in (-1, -2):
        axis = vectors[:, k] @ matrix
        length = float(axis.norm())
        axes.append(axis / length if length > 1e-9 * float(values[-1].clamp(min=0).sqrt()) else torch.zeros_like(axis))
    if float(axes[0] @ away[0]) < 0:  # training comes from the right, on every machine
        axes[0] = -axes[0]
    share = float(values[-2:].clamp(min=0).sum() / values.clamp(min=0).sum())
    path = np.array([[float(step.double() @ axis) for axis in axes] for step in steps])
    return Plane(middle, _split(axes[0], middle), _split(axes[1], middle), "path", path, share)


def _split(flat: Tensor, like: Weights) -> Weights:
    parts = torch.split(flat.float(), [tensor.numel() for tensor in like.values()])
    return {name: part.view(tensor.shape) for part, (name, tensor) in zip(parts, like.items(), strict=True)}


def read_moments(paths: Sequence[Path]) -> list[Weights]:
    """The tensors of weight files (.safetensors). Raises ConvscopeError for what is none."""
    found = []
    for path in paths:
        try:
            found.append(safetensors.torch.load(files.read_bytes(path)))
        except (safetensors.SafetensorError, OSError) as error:
            raise ConvscopeError(
                f"{path} must be a .safetensors file with weights. It can't be read: {error}."
            ) from error
    return found


# ---- heights ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Measured:
    """The mean loss of fixed pictures as a function of the weights.

    x: (N, C, H, W), what the network sees; labels: (N,). The network must be at rest.
    """

    network: nn.Module
    x: Tensor
    labels: Tensor
    loss: Loss

    def of(self, weights: Weights) -> float:
        """The loss; infinite where it isn't finite."""
        with torch.no_grad():
            total = sum(float(part) for part in self._parts(weights))
        return total if math.isfinite(total) else math.inf

    def slope(self, plane: Plane, place: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The loss at a place of a plane, and how fast it rises to the right and upwards."""
        at = torch.tensor(place, dtype=torch.float32, requires_grad=True)
        total = 0.0
        for part in self._parts_at(plane, at):
            part.backward()  # type: ignore[no-untyped-call]
            total += float(part.detach())
        assert at.grad is not None
        return total, at.grad.double().numpy()

    def _parts(self, weights: Weights) -> list[Tensor]:
        return [self._part(weights, start) for start in range(0, len(self.x), _BATCH)]

    def _parts_at(self, plane: Plane, at: Tensor) -> list[Tensor]:
        return [self._part(plane.at(at[0], at[1]), start) for start in range(0, len(self.x), _BATCH)]

    def _part(self, weights: Weights, start: int) -> Tensor:
        """What a batch adds to the mean."""
        x, labels = self.x[start : start + _BATCH], self.labels[start : start + _BATCH]
        return self.loss(functional_call(self.network, weights, (x,)), labels) * (len(x) / len(self.x))


def measure(
    measured: Measured,
    plane: Plane,
    moments: Sequence[Mapping[str, Tensor]] = (),
    grid: int = 21,
    span: float = 1.0,
    progress: Progress | None = None,
) -> Landscape:
    """The loss on grid x grid places of a plane, and a walk downhill from each corner of it.

    span: how far a random plane reaches each way; one of a path reaches as far as the path, and a third more on each
    side. moments: the weights along the path, whose real losses are taken too. Raises ConvscopeError.
    """
    if grid < 3 or grid % 2 == 0:
        raise ConvscopeError(
            f"a grid must be an odd number of places from 3 on, so that one is the middle. Got {grid}."
        )
    if not (math.isfinite(span) and span > 0):
        raise ConvscopeError(f"the span must be above 0; 1 is as far as the weights are long. Got {span}.")
    if plane.how == "path":
        a, b = (_around(plane.path[:, axis], grid) for axis in (0, 1))
    else:
        a, b = np.linspace(-span, span, grid), np.linspace(-span, span, grid)
    heights = np.empty((grid, grid))
    with at_rest(measured.network):
        for row, up in enumerate(b):
            for column, right in enumerate(a):
                heights[row, column] = measured.of(plane.at(torch.tensor(right).float(), torch.tensor(up).float()))
            if progress is not None:
                progress("measuring the loss", (row + 1) * grid, grid * grid)
        middle = measured.of(plane.middle)
        whole = [{name: moment[name].float() for name in plane.middle} for moment in moments]
        losses = np.array([measured.of(weights) for weights in whole])
        corners = [(i, j) for i in (1, -2) for j in (1, -2) if math.isfinite(heights[i, j])]
        walks = tuple(walk(measured, plane, np.array([a[j], b[i]]), (a, b)) for i, j in corners)
    return Landscape(plane, a, b, heights, middle, walks, losses, len(measured.x))


def _around(places: NDArray[np.float64], grid: int) -> NDArray[np.float64]:
    low, high = min(0.0, float(places.min())), max(0.0, float(places.max()))
    room = (high - low) / 3 or 1.0
    return np.linspace(low - room, high + room, grid)


def walk(
    measured: Measured,
    plane: Plane,
    start: NDArray[np.float64],
    window: tuple[NDArray[np.float64], NDArray[np.float64]],
    most: int = 40,
) -> Walk:
    """Gradient descent from a place, in the plane's two directions alone.

    Each step goes straight down the slope; it is halved until it comes down by a tenth of what the slope promises
    (Armijo 1966), and the next begins twice as long. Straight down is meant as the window is drawn, both sides alike.
    The walk ends where no step of a thousandth of the window comes down.
    """
    size = np.array([np.ptp(side) for side in window])
    place, (height, slope) = start.astype(np.float64), measured.slope(plane, start)
    places, heights = [place], [height]
    rate = _first(slope, size)
    while len(places) <= most and np.isfinite(slope).all() and rate > 0:
        step = -rate * slope * size**2  # so that a narrow side of the window is walked as a wide one
        if float(np.abs(step / size).max()) < 1e-3:
            break
        lower = measured.of(plane.at(*(torch.tensor(v).float() for v in place + step)))
        if lower > height + 0.1 * float(slope @ step):
            rate /= 2
            continue
        place = place + step
        height, slope = measured.slope(plane, place)
        places.append(place)
        heights.append(height)
        rate *= 2
        longest = _first(slope, size)
        rate = min(rate, longest) if longest else 0.0
    return Walk(np.array(places), np.array(heights))


def _first(slope: NDArray[np.float64], size: NDArray[np.float64]) -> float:
    """The rate at which a step is a tenth of the window; 0 where there is no slope."""
    steepest = float(np.abs(slope * size).max())
    return 0.1 / steepest if steepest > 0 and math.isfinite(steepest) else 0.0
