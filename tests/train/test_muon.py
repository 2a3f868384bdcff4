"""Muon against the textbook, and what it leaves alone."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import convscope.explain.reference as book
from convscope.recipe import OptimizerSettings
from convscope.train import optim
from convscope.train.muon import Muon, orthogonalised

Array = NDArray[np.float64]


class ByHand:
    """One filter bank, by the textbook."""

    def __init__(self, weight: Array, groups: int, rate: float, momentum: float) -> None:
        self.w, self.groups, self.rate, self.momentum = weight.copy(), groups, rate, momentum
        self.buffer = np.zeros_like(weight)

    def step(self, g: Array) -> None:
        self.w, self.buffer = book.muon(self.w, g, self.buffer, self.rate, self.momentum, self.groups)


def network(dtype: torch.dtype = torch.float64, seed: int = 0) -> nn.Sequential:
    """Wide, tall, grouped, depthwise filters, two banks of one shape, and filters of one weight."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 1), nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3), nn.ReLU(),
        nn.Conv2d(6, 32, 2), nn.Conv2d(32, 8, 3, groups=2), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(),
        nn.Linear(200, 3),
    ).to(dtype)  # fmt: skip


FILTERS = {"1.weight": 1, "3.weight": 1, "5.weight": 1, "6.weight": 2, "7.weight": 8}


def built(net: nn.Sequential, precision: torch.dtype | None = None, **settings: Any) -> Muon:
    optimizer = optim.build(net, OptimizerSettings.model_validate({"name": "muon", **settings}))
    assert isinstance(optimizer, Muon)
    optimizer.precision = precision or optimizer.precision
    assert all(group["lr"] == group["base"] for group in optimizer.param_groups)
    return optimizer


def gradients(net: nn.Module, step: int, but: tuple[str, ...] = ()) -> dict[str, torch.Tensor]:
    source = torch.Generator().manual_seed(step)
    found = {}
    for name, p in net.named_parameters():
        g = torch.randn(p.shape, generator=source, dtype=torch.float64)
        if name not in but:
            p.grad = torch.empty_like(p).copy_(g)
            found[name] = g
    return found


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels last"])
def test_steps_of_filters_are_those_written_out(layout: torch.memory_format) -> None:
    net = network()
    optimizer = built(net, torch.float64)
    net.to(memory_format=layout)  # type: ignore[call-overload]
    hand = {
        name: ByHand(net.get_parameter(name).detach().numpy(), groups, 0.24, 0.6) for name, groups in FILTERS.items()
    }
    for step in range(4):
        given = gradients(net, step)
        optimizer.step()
        for name, by_hand in hand.items():
            by_hand.step(given[name].numpy())
            np.testing.assert_allclose(net.get_parameter(name).detach().numpy(), by_hand.w, rtol=1e-9, atol=1e-12)


def test_everything_else_takes_plain_steps_with_nesterov_momentum() -> None:
    """As PyTorch's SGD: filters of one weight among them; what decays are weights alone."""
    net, plain = network(), network()
    optimizer = built(net, other_rate=0.03, other_momentum=0.8, weight_decay=0.1)
    others = [name for name, _ in net.named_parameters() if name not in FILTERS]
    assert {"0.weight", "0.bias", "2.weight", "9.weight"} <= set(others)
    with torch.no_grad():
        for name in others:
            plain.get_parameter(name).copy_(net.get_parameter(name))
    groups: list[dict[str, Any]] = [
        {"params": [plain.get_parameter("0.weight"), plain.get_parameter("9.weight")], "weight_decay": 0.1},
        {"params": [plain.get_parameter(name) for name in others if name not in ("0.weight", "9.weight")]},
    ]
    sgd = torch.optim.SGD(groups, lr=0.03, momentum=0.8, nesterov=True)
    for step in range(4):
        gradients(net, step)
        gradients(plain, step)
        optimizer.step()
        sgd.step()
    for name in others:
        torch.testing.assert_close(net.get_parameter(name), plain.get_parameter(name), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(3, 8, 72), (1, 72, 8), (2, 16, 16)])
def test_a_step_has_singular_values_near_one(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = torch.linalg.svdvals(orthogonalised(matrices))
    assert float(values.median()) == pytest.approx(1, abs=0.3)
    assert float(values.max()) < 1.25


def test_in_bfloat16_a_step_is_about_the_same() -> None:
    matrices = torch.randn((2, 16, 72), generator=torch.Generator().manual_seed(0))
    exact, narrow = orthogonalised(matrices), orthogonalised(matrices.bfloat16())
    assert narrow.dtype == torch.bfloat16
    assert float((narrow.float() - exact).norm() / exact.norm()) < 0.03


def test_filters_keep_their_norm_and_do_not_decay() -> None:
    net, decaying = network(), network()
    steps = built(net, torch.float64), built(decaying, torch.float64, weight_decay=0.5)
    for step in range(3):
        gradients(net, step)
        gradients(decaying, step)
        for optimizer in steps:
            optimizer.step()
    for name in FILTERS:
        assert torch.equal(net.get_parameter(name), decaying.get_parameter(name))
    optimizer = steps[0]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    optimizer.step()
    for name in FILTERS:
        weight = net.get_parameter(name).detach()
        assert float(weight.norm()) == pytest.approx(math.sqrt(len(weight)), rel=1e-12)


def test_what_has_no_gradient_is_left_alone() -> None:
    net = network()
    optimizer = built(net, torch.float64)
    net.get_parameter("1.weight").requires_grad_(False)
    still = ("1.weight", "5.weight", "9.bias")
    before = {name: net.get_parameter(name).detach().clone() for name in still}
    other = net.get_parameter("3.weight").detach().clone()  # of the same shape as 1.weight: they go together
    by_hand = ByHand(other.numpy(), 1, 0.24, 0.6)
    by_hand.step(gradients(net, 0, but=still)["3.weight"].numpy())
    optimizer.step()
    for name in still:
        assert torch.equal(net.get_parameter(name), before[name])
    np.testing.assert_allclose(net.get_parameter("3.weight").detach().numpy(), by_hand.w, rtol=1e-9, atol=1e-12)


def test_a_gradient_of_nothing_moves_nothing_and_is_finite() -> None:
    net = network()
    optimizer = built(net)
    with torch.no_grad():
        net.get_parameter("1.weight").zero_()
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    assert torch.equal(net.get_parameter("1.weight"), torch.zeros(6, 6, 3, 3, dtype=torch.float64))
    assert all(p.isfinite().all() for p in net.parameters())


def test_a_copy_is_as_precise() -> None:
    made = Muon([{"params": [nn.Parameter(torch.ones(2, 3, 3, 3))], "filters": (1,)}], torch.bfloat16)
    assert copy.deepcopy(made).precision is torch.bfloat16
    assert pickle.loads(pickle.dumps(made)).precision is torch.bfloat16


def test_a_closure_is_called_and_its_loss_given_back() -> None:
    net = network()
    optimizer = built(net)

    def closure() -> float:
        gradients(net, 0)
        return 1.5

    before = net.get_parameter("1.weight").detach().clone()
    assert optimizer.step(closure) == 1.5
    assert not torch.equal(net.get_parameter("1.weight"), before)


def test_a_module_whose_groups_mean_something_else_is_one_matrix() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.groups = 4
            self.weight = nn.Parameter(torch.ones(6, 2, 3, 3))

    (group,) = optim.build(Odd(), OptimizerSettings.model_validate({"name": "muon"})).param_groups
    assert group["filters"] == (1,)
