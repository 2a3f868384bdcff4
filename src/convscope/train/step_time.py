"""How long a training step takes here: each distinct layer is measured by itself, forward and backward, and added up.

Random numbers in place of pictures; no network is built, so memory holds one layer at a time. What isn't in it: reading
and augmenting pictures, and looks at the validation split.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convscope.network import init
from convscope.network.cost import parameters
from convscope.network.layers import MODULES
from convscope.network.shapes import Shape, Sized, Sizes, numbers
from convscope.notation.tree import Aux, Branches, Layer, Regions
from convscope.recipe import OptimizerSettings
from convscope.train import nonfinite, optim

MOST_BYTES = 2**28
"""Of a layer's input and output; a larger batch is measured in part and scaled."""

_OPTIMIZER_BYTES = 2**26


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds of a training step: of each layer by its name, forward and backward, and of the optimizer."""

    layers: dict[str, float]
    optimizer: float

    @property
    def total(self) -> float:
        """The whole step."""
        return sum(self.layers.values()) + self.optimizer


def measure(
    sizes: Sizes, batch_size: int, optimizer: OptimizerSettings, repeats: int = 3, seconds_a_layer: float = 2.0
) -> StepTime:
    """Measure it: the fastest of `repeats`, or one where these would take longer than `seconds_a_layer`.

    All forward passes come before the backward ones, as in a step: each finds fresh memory, and what it kept is cold by
    the time it is needed.
    """
    with torch.random.fork_rng(devices=[]):
        return _measure(sizes, batch_size, optimizer, repeats, seconds_a_layer)


def _measure(sizes: Sizes, batch_size: int, optimizer: OptimizerSettings, repeats: int, most: float) -> StepTime:
    found: dict[object, float] = {}
    layers: dict[str, float] = {}
    for row in sizes.rows:
        if isinstance(row.item, Aux):
            continue
        first = not layers
        key = (_key(row), first)
        if key not in found:
            found[key] = _layer_seconds(row, batch_size, repeats, most, gradient=not first)
        layers[row.item.name] = found[key]
    return StepTime(layers, _optimizer_seconds(sizes, optimizer, repeats))


def _key(row: Sized) -> object:
    item = row.item
    if isinstance(item, Layer):
        plain = dataclasses.replace(item, name="", place=None, expect=None)  # type: ignore[arg-type]
        return repr(plain), row.before, row.after
    count = len(item.branches) if isinstance(item, Branches) else 1
    return item.kind, count, row.before, row.after


def _pictures(shape: Shape, batch: int) -> Tensor:
    """Random activations of a shape (height, width, channels) or (units,), laid out as in training."""
    if len(shape) == 1:
        return torch.randn(batch, shape[0])
    return torch.randn(batch, shape[2], shape[0], shape[1]).contiguous(memory_format=torch.channels_last)


def _layer_seconds(row: Sized, batch_size: int, repeats: int, most: float, *, gradient: bool) -> float:
    """gradient: whether that of the input is wanted; the network's first layer has no use for it."""
    bytes_each = 4 * (numbers(row.before) + numbers(row.after))
    batch = max(1, min(batch_size, MOST_BYTES // bytes_each))
    forward, inputs, learned = _step(row, batch)
    for x in inputs:
        x.requires_grad_(gradient)
    begin = time.perf_counter()
    y = forward(inputs)  # the first finds memory and kernels
    if y.requires_grad:
        y.backward(torch.randn_like(y))  # type: ignore[no-untyped-call]
    first = time.perf_counter() - begin
    del y
    turns = repeats if first * repeats < most else 1
    outs, forwards, backwards = [], [], []
    for _ in range(turns):
        begin = time.perf_counter()
        outs.append(forward(inputs))
        forwards.append(time.perf_counter() - begin)
    while outs:
        y = outs.pop()
        back = torch.randn_like(y)
        for tensor in (*inputs, *learned):
            tensor.grad = None  # as in a step, where nothing is there to be added to
        begin = time.perf_counter()
        if y.requires_grad:
            y.backward(back)  # type: ignore[no-untyped-call]
        del y
        backwards.append(time.perf_counter() - begin)
    fresh = forwards[1:] or forwards  # the first may find what the trial has left
    return (min(fresh) + min(backwards)) * batch_size / batch


def _step(row: Sized, batch: int) -> tuple[Callable[[list[Tensor]], Tensor], list[Tensor], list[Tensor]]:
    """The layer as a function, what it is given, and what it learns."""
    item = row.item
    if isinstance(item, Layer):
        module = MODULES[item.kind](row)
        init.fill(module, item, 0, 1)
        module.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

        def run(inputs: list[Tensor]) -> Tensor:
            y = module(inputs[0])
            assert isinstance(y, Tensor)
            return y

        return run, [_pictures(row.before, batch)], list(module.parameters())
    if isinstance(item, Regions):
        high, wide = row.after[0] // item.grid[0], row.after[1] // item.grid[1]
        parts = [_pictures((high, wide, row.after[2]), batch) for _ in item.parts]
        return lambda inputs: torch.cat([part.flatten(1) for part in inputs], 1), parts, []
    assert isinstance(item, Branches)
    count = len(item.branches)
    if item.kind == "add":
        return lambda inputs: sum(inputs[1:], inputs[0]), [_pictures(row.after, batch) for _ in range(count)], []
    channels = [row.after[-1] // count] * (count - 1)
    channels.append(row.after[-1] - sum(channels))
    return lambda inputs: torch.cat(inputs, 1), [_pictures((*row.after[:-1], c), batch) for c in channels], []


def _optimizer_seconds(sizes: Sizes, settings: OptimizerSettings, repeats: int) -> float:
    """A step of the optimizer, and the look at whether gradients and weights are finite, in proportion to the bytes."""
    shapes = [shape for row in sizes.rows for shape in parameters(row).values()]
    total = 4 * sum(map(numbers, shapes))
    network = torch.nn.ParameterList()
    taken = 0
    for shape in sorted(shapes, key=numbers):
        if taken and taken + 4 * numbers(shape) > _OPTIMIZER_BYTES:
            break
        network.append(torch.nn.Parameter(torch.randn(shape)))
        taken += 4 * numbers(shape)
    if not taken:
        return 0.0
    stepper = optim.build(network, settings)
    best = float("inf")
    for _ in range(repeats + 1):
        for parameter in network.parameters():
            parameter.grad = torch.randn_like(parameter)
        begin = time.perf_counter()
        nonfinite.all_finite([p.grad for p in network.parameters() if p.grad is not None])
        nonfinite.all_finite([p.detach() for p in network.parameters()])
        stepper.step()
        best = min(best, time.perf_counter() - begin)
    return best * total / taken
