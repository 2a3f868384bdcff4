"""How long a training step takes here: each distinct layer is measured by itself, forward and backward, and added up.

Each is computed as the plan of a training computes it, in its precision. Random numbers in place of pictures; memory
holds one layer at a time. What isn't in it: reading and augmenting pictures, and looks at the validation split.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convscope import kernels
from convscope.kernels.forward import PRECISIONS, goes_before, of_layer
from convscope.network import init
from convscope.network.cost import parameters
from convscope.network.ending import last_learned
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
    precision: str

    @property
    def total(self) -> float:
        """The whole step."""
        return sum(self.layers.values()) + self.optimizer


def measure(
    sizes: Sizes,
    batch_size: int,
    optimizer: OptimizerSettings,
    plan: Mapping[str, Any] | None = None,
    repeats: int = 3,
    seconds_a_layer: float = 2.0,
) -> StepTime:
    """Measure it: the fastest of `repeats`, or one where these would take longer than `seconds_a_layer`.

    plan: of `kernels`; float32 where none is given. All forward passes come before the backward ones, as in
    a step: what a layer kept is cold by the time it is needed.
    """
    plan = plan or kernels.plan()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(plan["threads"])
        with torch.random.fork_rng(devices=[]):
            return _measure(sizes, batch_size, optimizer, plan, repeats, seconds_a_layer)
    finally:
        torch.set_num_threads(threads)


def _measure(
    sizes: Sizes, batch_size: int, optimizer: OptimizerSettings, plan: Mapping[str, Any], repeats: int, most: float
) -> StepTime:
    found: dict[object, float] = {}
    layers: dict[str, float] = {}
    ends = last_learned(sizes)
    rows = [row for row in sizes.rows if not isinstance(row.item, Aux)]
    if plan.get("order"):
        rows = _ordered(rows)
    for row in rows:
        trial = _Trial(row, plan, first=not layers, last=row.item.name == ends)
        if trial.key not in found:
            found[trial.key] = _layer_seconds(trial, batch_size, repeats, most)
        layers[row.item.name] = found[trial.key]
    return StepTime(layers, _optimizer_seconds(sizes, optimizer, repeats), plan["precision"])


def _ordered(rows: list[Sized]) -> list[Sized]:
    """An activation that a maximum goes before sees what the maximum leaves."""
    found = list(rows)
    for at in range(len(rows) - 1):
        if goes_before(rows[at + 1].item, rows[at].item) and rows[at].after == rows[at + 1].before:
            found[at] = dataclasses.replace(rows[at], before=rows[at + 1].after, after=rows[at + 1].after)
    return found


class _Trial:
    """One layer as a plan computes it: first, it needs no gradient of its input; last, it gives the logits."""

    def __init__(self, row: Sized, plan: Mapping[str, Any], *, first: bool, last: bool) -> None:
        self.row = row
        self.gradient = not first
        self.last = last
        self.chosen: dict[str, str] = plan.get("layers", {}).get(row.item.name, {})
        self.precision = PRECISIONS[plan["precision"]]
        self.layout = kernels.layout(dict(plan))
        self.key = (_key(row), first, last, *self.chosen.items())

    def pictures(self, shape: Shape, batch: int) -> Tensor:
        """Random activations of a shape (height, width, channels) or (units,), laid out as in training."""
        if len(shape) == 1:
            return torch.randn(batch, shape[0]).to(self.precision)
        x = torch.randn(batch, shape[2], shape[0], shape[1])
        return x.to(self.precision).contiguous(memory_format=self.layout)


def _key(row: Sized) -> object:
    item = row.item
    if isinstance(item, Layer):
        plain = dataclasses.replace(item, name="", place=None, expect=None)  # type: ignore[arg-type]
        return repr(plain), row.before, row.after
    count = len(item.branches) if isinstance(item, Branches) else 1
    return item.kind, count, row.before, row.after


def _layer_seconds(trial: _Trial, batch_size: int, repeats: int, most: float) -> float:
    bytes_each = 4 * (numbers(trial.row.before) + numbers(trial.row.after))
    batch = max(1, min(batch_size, MOST_BYTES // bytes_each))
    forward, inputs, learned = _step(trial, batch)
    for x in inputs:
        x.requires_grad_(trial.gradient)
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


def _step(trial: _Trial, batch: int) -> tuple[Callable[[list[Tensor]], Tensor], list[Tensor], list[Tensor]]:
    """The layer as a function, what it is given, and what it learns."""
    row, item, pictures = trial.row, trial.row.item, trial.pictures
    if isinstance(item, Layer):
        module = MODULES[item.kind](row)
        init.fill(module, item, 0, 1)
        module.train().to(memory_format=trial.layout)  # type: ignore[call-overload]
        function = of_layer(item, module, trial.chosen, trial.precision, last=trial.last)
        return lambda inputs: function(inputs[0]), [pictures(row.before, batch)], list(module.parameters())
    if isinstance(item, Regions):
        high, wide = row.after[0] // item.grid[0], row.after[1] // item.grid[1]
        parts = [pictures((high, wide, row.after[2]), batch) for _ in item.parts]
        return lambda inputs: torch.cat([part.flatten(1) for part in inputs], 1), parts, []
    assert isinstance(item, Branches)
    count = len(item.branches)
    if item.kind == "add":
        return lambda inputs: sum(inputs[1:], inputs[0]), [pictures(row.after, batch) for _ in range(count)], []
    channels = [row.after[-1] // count] * (count - 1)
    channels.append(row.after[-1] - sum(channels))
    return lambda inputs: torch.cat(inputs, 1), [pictures((*row.after[:-1], c), batch) for c in channels], []


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
