"""What a trial chooses, given what each way took; it leaves nothing behind, and wrong kernels are never chosen."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convscope.kernels import trial
from convscope.kernels.convolve import PRODUCT
from convscope.network.build import Network
from convscope.network.shapes import Sized

TEXT = "conv 3x3 8, bn, relu, maxpool 2, conv 3x3 8, bn, relu, conv 1x1 8 bias=no, relu, dropout 0.5, dense"
SHAPE = (16, 2, 16, 16)
CONVOLVE = importlib.import_module("convscope.kernels.convolve")


def network(text: str = TEXT) -> Network:
    return Network(text, input=(16, 16, 2), classes=3)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says what steps and gradients take in place of the clock."""

    def say(float32: float = 1.0, bfloat16: float = 1.0, **gradients: float) -> None:
        steps = {torch.float32: float32, torch.bfloat16: bfloat16}
        monkeypatch.setattr(trial, "_step_seconds", lambda forward, *more: steps[forward.precision])
        named = {"plain": 1.0, **{key.strip("_").replace("_", " "): value for key, value in gradients.items()}}
        monkeypatch.setattr(trial, "_gradient_seconds", lambda row, conv, pictures, way: named.get(way, 1.0))

    return say


def test_a_choice_must_win_by_a_tenth(times: Callable[..., None]) -> None:
    for bfloat16, precision in ((0.92, "float32"), (0.9, "bfloat16"), (2.0, "float32"), (0.1, "bfloat16")):
        times(bfloat16=bfloat16)
        chosen = trial.choose(network(), SHAPE, narrow=True)
        assert chosen["precision"] == precision
        assert chosen["layers"] == {}
        assert chosen["trial"]["seconds of a step"] == {"float32": 1.0, "bfloat16": bfloat16}


def test_a_layers_way_must_win_by_a_tenth(times: Callable[..., None]) -> None:
    times(bfloat16=0.5, _8_side_by_side=0.95, product=0.8)
    assert trial.choose(network(), SHAPE, narrow=True)["layers"] == {"conv3": {"weight gradient": "product"}}
    times(bfloat16=0.5, _8_side_by_side=0.8, _4_side_by_side=0.85, product=0.95)
    chosen = trial.choose(network(), SHAPE, narrow=True)
    beside = {"weight gradient": "8 side by side"}
    assert chosen["layers"] == {"conv1": beside, "conv2": beside}
    assert chosen["trial"]["seconds of a weight gradient"]["conv2"]["8 side by side"] == 0.8


def test_precisions_that_are_asked_for(times: Callable[..., None]) -> None:
    times(bfloat16=5.0)
    assert trial.choose(network(), SHAPE, narrow=False, must=True)["precision"] == "bfloat16"
    times(bfloat16=0.1, product=0.1)
    chosen = trial.choose(network(), SHAPE, narrow=False)
    assert (chosen["precision"], chosen["layers"]) == ("float32", {})


@pytest.mark.parametrize(
    "text",
    [TEXT, "gap, softmax", "conv 3x3 4 border=reflect, conv 3x3 4 groups=2, regions 2x2 ( conv 3x3 4 ), gap, dense"],
)
def test_nothing_is_left_behind(text: str) -> None:
    tried = Network(text, input=(16, 16, 2), classes=2)
    tried.eval()
    next(tried.modules()).training = True  # as one's own choice of layers that stand still
    for number, parameter in enumerate(tried.parameters()):
        parameter.grad = torch.full_like(parameter, number) if number % 2 else None
    before = {name: tensor.clone() for name, tensor in tried.state_dict().items()}
    gradients = [None if p.grad is None else p.grad.clone() for p in tried.parameters()]
    modes = [module.training for module in tried.modules()]
    numbers, threads = torch.get_rng_state(), torch.get_num_threads()
    trial.choose(tried, SHAPE, narrow=True, must=True)
    assert all(torch.equal(before[name], tensor) for name, tensor in tried.state_dict().items())
    for parameter, gradient in zip(tried.parameters(), gradients, strict=True):
        assert (parameter.grad is None) == (gradient is None)
        assert gradient is None or (parameter.grad is not None and torch.equal(parameter.grad, gradient))
    assert [module.training for module in tried.modules()] == modes
    assert torch.equal(numbers, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_threads_are_as_they_were_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: object) -> float:
        raise RuntimeError("no memory")

    monkeypatch.setattr(trial, "_step_seconds", fails)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="no memory"):
            trial.choose(network(), SHAPE, narrow=True)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("text", "together", "threads"),
    [
        ("conv 3x3 4, relu, dense", 1.0, 1),
        ("conv 3x3 4, relu, dense", 0.95, 1),
        ("conv 3x3 4, relu, dense", 0.8, 2),
        ("conv 3x3 64, conv 3x3 64, gap, dense", 0.6, 2),
        ("conv 3x3 64, conv 3x3 64, gap, dense", 1.05, 2),
        ("conv 3x3 64, conv 3x3 64, gap, dense", 1.2, 1),
    ],
)
def test_many_threads_must_win_in_a_small_step_and_one_in_a_larger(
    measured: None, monkeypatch: pytest.MonkeyPatch, text: str, together: float, threads: int
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        tried = Network(text, input=(64, 64, 2), classes=3)
        batch = 2 if (threads == 1 and together <= 1) or together == 0.8 else 64
        seconds = {1: 1.0, 2: together}
        monkeypatch.setattr(trial, "_clocked", lambda *given: seconds[torch.get_num_threads()])
        plan = {"precision": "float32", "layers": {}}
        assert trial.threads(tried, plan, (batch, 2, 64, 64)) == threads
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        monkeypatch.setattr(trial, "_clocked", None)  # nothing to choose
        assert trial.threads(tried, plan, (batch, 2, 64, 64)) == 1
    finally:
        torch.set_num_threads(before)


def test_the_threads_are_tried_for_real_and_leave_all_as_it_was(measured: None) -> None:
    tried = network()
    before = {name: tensor.clone() for name, tensor in tried.state_dict().items()}
    assert trial.threads(tried, {"precision": "float32", "layers": {}}, SHAPE) in (1, torch.get_num_threads())
    assert all(torch.equal(before[name], tensor) for name, tensor in tried.state_dict().items())
    assert all(p.grad is None for p in tried.parameters())


# A kernel that is wrong


def wrong_in_bfloat16(wrong: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """PyTorch's convolution, but in bfloat16 and with 8 units."""
    plain = F.conv2d

    def run(x: Tensor, weight: Tensor, *more: Any) -> Tensor:
        y = plain(x, weight, *more)
        return wrong(y) if x.dtype == torch.bfloat16 and x.shape[1] == 2 else y

    return run


@pytest.mark.parametrize(
    "wrong", [lambda y: y * 1.1, lambda y: y + 0.2, lambda y: y * float("nan"), lambda y: y.roll(1, 3)],
    ids=["a tenth more", "shifted", "not a number", "moved"],
)  # fmt: skip
def test_a_wrong_bfloat16_kernel_is_caught(
    monkeypatch: pytest.MonkeyPatch, times: Callable[..., None], wrong: Callable[[Tensor], Tensor]
) -> None:
    times(bfloat16=0.1)
    monkeypatch.setattr(F, "conv2d", wrong_in_bfloat16(wrong))
    chosen = trial.choose(network(), SHAPE, narrow=True)
    assert chosen["precision"] == "bfloat16"
    assert chosen["layers"] == {"conv1": {"precision": "float32"}}  # conv1 alone sees 2 maps


def test_a_wrong_way_is_never_taken(monkeypatch: pytest.MonkeyPatch, times: Callable[..., None]) -> None:
    times(bfloat16=0.5, _8_side_by_side=0.2, _16_side_by_side=0.2, product=0.5)
    right = CONVOLVE._of_weight

    def wrong(*given: Any) -> Tensor:
        found: Tensor = right(*given)
        return found if given[-1] == PRODUCT else found * 1.1

    monkeypatch.setattr(CONVOLVE, "_of_weight", wrong)
    assert trial.choose(network(), SHAPE, narrow=True)["layers"] == {"conv3": {"weight gradient": "product"}}


def test_a_large_network_costs_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second of trying layers, the rest stays as usual; alike layers are tried once."""
    tried: list[str] = []
    clock = iter(range(1000))
    monkeypatch.setattr(time, "thread_time", lambda: 0.4 * next(clock))
    monkeypatch.setattr(trial, "_step_seconds", lambda *given: 1.0)

    def seconds(row: Sized, *more: object) -> float:
        tried.append(row.item.name)
        return 1.0

    monkeypatch.setattr(trial, "_gradient_seconds", seconds)
    text = "conv 3x3 4, conv 3x3 4, conv 3x3 4, conv 5x5 4, conv 7x7 4, conv 5x5 3, gap, dense"
    trial.choose(network(text), SHAPE, narrow=True)
    assert list(dict.fromkeys(tried)) == ["conv1", "conv2"]
