"""Which ways are fastest here: a network's own step and each of its convolutions, tried on random numbers.

First each distinct convolution's way to its weights' gradient, then the precision of the whole step. A choice must win
by a tenth, or the first in a fixed order stands. What would run in bfloat16 is held against float32 first.

Ways are compared by the processor time of one thread, which is the same on a busy machine: several threads wait for
each other, and where another program runs, they wait for that.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from convscope.kernels.convolve import PLAIN, convolve, ways
from convscope.kernels.forward import Forward
from convscope.network.at_rest import buffers_kept
from convscope.network.build import Network
from convscope.network.cost import multiply_adds, total_parameters
from convscope.network.layers import Conv, JoinedConv, surrounded
from convscope.network.shapes import Sized, numbers
from convscope.notation.tree import Layer, Size

MUST_WIN = 1.1
TOLERANCE = 0.02
"""Of the largest value: how far a convolution in bfloat16 may be off. Eight bits and sums in float32 give 0.003."""

_STEP_WORK = 10e9  # operations of a timed step: a tenth of a second of one thread in float32
_THREADS_WORK = 4e9  # the same, where the threads are chosen: that is done for every run
_STEP_USES = 50  # a network of which each weight is used less often a picture is most of all its weights
_SMALL_STEP = 2e9  # below this a second thread may cost more than it brings
_LAYER_WORK = 2e9
_CHECKED = 2  # pictures at which a convolution is held against float32
_SECONDS = 1.0  # after so long no more layers are tried; a step that takes longer is timed once

Shape = tuple[int, int, int, int]
Choice = dict[str, Any]


def choose(network: Network, shape: Shape, narrow: bool, must: bool = False) -> Choice:
    """`precision` and `layers` of a plan, with what was measured under `trial`.

    shape: (N, C, H, W) of a batch. narrow: whether bfloat16 is among the choices; must: the only one.
    """
    with _untouched(network):
        return _choose(network, shape, narrow, must)


def threads(network: Network, plan: Choice, shape: Shape) -> int:
    """All of the process's threads or one, whichever finishes a few steps sooner now: by the clock, for where another
    program runs beside, threads wait for each other far longer than they work. A tenth must be won: by many over one
    in a small step, by one over many in a larger."""
    every = torch.get_num_threads()
    if every == 1:
        return 1
    work, pictures = _sample(network, shape, _THREADS_WORK)
    with _untouched(network):
        x = torch.randn(pictures, *shape[1:]).contiguous(memory_format=torch.channels_last)
        forward = Forward(network, plan)
        together = _clocked(forward, network, x)
        torch.set_num_threads(1)
        alone = _clocked(forward, network, x)
    if work * shape[0] < _SMALL_STEP:
        return every if alone > MUST_WIN * together else 1
    return 1 if together > MUST_WIN * alone else every


def _clocked(forward: Forward, network: Network, x: Tensor) -> float:
    """Seconds of three steps, after one that finds memory and kernels."""
    _step(forward, network, x)
    begin = time.perf_counter()
    for _ in range(3):
        _step(forward, network, x)
    return time.perf_counter() - begin


@contextlib.contextmanager
def _untouched(network: Network) -> Iterator[None]:
    """Afterwards parameters, gradients, modes, statistics, threads and random numbers are what they were."""
    gradients = {name: p.grad for name, p in network.named_parameters()}
    training = {module: module.training for module in network.modules()}
    threads = torch.get_num_threads()
    try:
        with buffers_kept(network), torch.random.fork_rng(devices=[]):
            network.train()
            yield
    finally:
        torch.set_num_threads(threads)
        for name, p in network.named_parameters():
            p.grad = gradients[name]
        for module, was in training.items():
            module.training = was


def _sample(network: Network, shape: Shape, step: float = _STEP_WORK) -> tuple[int, int]:
    """Operations of a picture's step, and how many pictures a timed step of about `step` operations takes."""
    work = 6 * sum(multiply_adds(row) for row in network.sizes.rows)
    heavy = _STEP_USES * total_parameters(network.sizes) > work  # few pictures would tell of the weights alone
    return work, max(2, min(shape[0], max(16 if heavy else 2, int(step / max(work, 1)))))


def _choose(network: Network, shape: Shape, narrow: bool, must: bool) -> Choice:
    pictures = _sample(network, shape)[1]
    x = torch.randn(pictures, *shape[1:]).contiguous(memory_format=torch.channels_last)
    plain: Choice = {"precision": "float32", "layers": {}}
    steps: dict[str, float] = {}
    measured: dict[str, dict[str, float]] = {}
    torch.set_num_threads(1)
    chosen = plain
    if narrow or must:
        layers, measured = _layers(network, shape[0])
        chosen = plain | {"precision": "bfloat16", "layers": layers}
        for plan in (plain, chosen):
            steps[plan["precision"]] = _step_seconds(Forward(network, plan), network, x, shape[0])
        if not must and steps["float32"] <= MUST_WIN * steps["bfloat16"]:
            chosen = plain
    chosen["trial"] = {"pictures": pictures, "seconds of a step": steps, "seconds of a weight gradient": measured}
    return chosen


def _step_seconds(forward: Callable[[Tensor], Tensor], network: nn.Module, x: Tensor, batch: int) -> float:
    """Forward and backward of a whole batch. Where x is less, two sizes tell what a step costs by itself (the weights)
    and what each picture adds."""
    whole = _seconds(forward, network, x)
    if len(x) >= batch or len(x) < 4:
        return whole * batch / len(x) if len(x) < batch else whole
    half = len(x) // 2
    each = max(0.0, whole - _seconds(forward, network, x[:half])) / (len(x) - half)
    return whole + each * (batch - len(x))


def _step(forward: Callable[[Tensor], Tensor], network: nn.Module, x: Tensor) -> None:
    network.zero_grad(set_to_none=True)
    y = forward(x).float().square().mean()
    if y.requires_grad:  # there are networks that learn nothing
        y.backward()  # type: ignore[no-untyped-call]


def _seconds(forward: Callable[[Tensor], Tensor], network: nn.Module, x: Tensor) -> float:
    """Processor seconds of a step: the faster of two, after one that finds memory and kernels."""
    best = math.inf
    for turn in range(3):
        begin = time.thread_time()
        _step(forward, network, x)
        seconds = time.thread_time() - begin
        best = min(best, seconds) if turn or seconds > _SECONDS else best
        if seconds > _SECONDS:
            break
    return best


# ---- convolutions ----------------------------------------------------------------------------------------------------


def _layers(network: Network, batch: int) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, float]]]:
    """What each convolution does otherwise than usual, and the seconds of the ways that were tried, by label.

    The smallest maps come first, for they win most: they fill the least of the matrix unit.
    """
    begin = time.thread_time()
    found: dict[object, tuple[dict[str, str], dict[str, float]]] = {}
    layers: dict[str, dict[str, str]] = {}
    measured: dict[str, dict[str, float]] = {}
    for row in sorted(network.sizes.rows, key=lambda row: numbers(row.after[:2])):
        module = network.layer(row.item.name) if isinstance(row.item, Layer) else None
        if not isinstance(module, Conv) or isinstance(module, JoinedConv):
            continue
        key = _key(row, module)
        if key not in found:
            found[key] = _tried(row, module, batch, timed=time.thread_time() - begin < _SECONDS)
        chosen, seconds = found[key]
        if chosen:
            layers[row.item.name] = chosen
        if seconds:
            measured[row.item.name] = seconds
    return layers, measured


def _key(row: Sized, conv: Conv) -> object:
    shape = tuple(conv.weight.shape)
    return row.before, shape, conv.stride, conv.padding, conv.dilation, conv.groups, conv.border, conv.bias is None


def _tried(row: Sized, conv: Conv, batch: int, *, timed: bool) -> tuple[dict[str, str], dict[str, float]]:
    """What a convolution does otherwise than usual, and the seconds of each way that was tried."""
    high, wide, channels = row.before
    x = torch.randn(_CHECKED, channels, high, wide).contiguous(memory_format=torch.channels_last)
    if not _agrees(x, conv, PLAIN):
        return {"precision": "float32"}, {}
    framed, padding = surrounded(x, conv)
    kernel: Size = (conv.weight.shape[2], conv.weight.shape[3])
    maps: Size = (framed.shape[2], framed.shape[3])
    tries = ways(kernel, conv.stride, padding, maps, conv.groups, conv.dilation)
    if len(tries) == 1 or not timed:
        return {}, {}
    pictures = int(_LAYER_WORK / (2 * max(multiply_adds(row), 1)))
    pictures = max(16, min(batch, pictures) // 16 * 16)
    seconds = {way: _gradient_seconds(row, conv, pictures, way) for way in tries}
    best = min(seconds, key=lambda way: seconds[way])
    if seconds[PLAIN] > MUST_WIN * seconds[best] and _agrees(_enough(x, best), conv, best):
        return {"weight gradient": best}, seconds
    return {}, seconds


def _enough(x: Tensor, way: str) -> Tensor:
    """Random pictures of x's shape: as many, or what fills a row of a way that lays them side by side, and one."""
    count = 1 + int(way.split(maxsplit=1)[0]) if way[0].isdigit() else len(x)
    return torch.randn(count, *x.shape[1:]).contiguous(memory_format=torch.channels_last)


def _gradient_seconds(row: Sized, conv: Conv, pictures: int, way: str) -> float:
    """The gradient of the weights alone: the faster of two, after one that finds memory and kernels."""
    high, wide, channels = row.before
    x = torch.randn(pictures, channels, high, wide, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    x, padding = surrounded(x, conv)
    weight = conv.weight.detach().requires_grad_()
    y = convolve(x, weight, None, conv.stride, padding, conv.dilation, conv.groups, way)
    back = torch.ones_like(y)
    best = math.inf
    for turn in range(3):
        begin = time.thread_time()
        torch.autograd.grad(y, weight, back, retain_graph=turn < 2)
        best = min(best, time.thread_time() - begin) if turn else best
    return best


def _agrees(x: Tensor, conv: Conv, way: str) -> bool:
    """Whether output and gradients in bfloat16 are those of float32, within TOLERANCE of the largest value."""
    found = []
    for precision, by in ((torch.float32, PLAIN), (torch.bfloat16, way)):
        given = x.to(precision).requires_grad_()
        framed, padding = surrounded(given, conv)
        weight = conv.weight.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        shared = conv.bias.detach() if conv.bias is not None and conv.bias.dim() == 1 else None
        y = convolve(framed, weight, shared, conv.stride, padding, conv.dilation, conv.groups, by)
        back = torch.linspace(-1, 1, y.numel()).view(y.shape).to(precision)
        found.append([y, *torch.autograd.grad(y, [given, weight], back)])
    return all(_near(narrow, wide) for wide, narrow in zip(*found, strict=True))


def _near(narrow: Tensor, wide: Tensor) -> bool:
    off = (narrow.detach().float() - wide.detach()).abs().max()
    return bool(off <= TOLERANCE * wide.detach().abs().max()) or not numbers(tuple(wide.shape))
