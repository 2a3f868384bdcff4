"""Each step by hand, PyTorch's unfused ones beside ours, what decays, and a state that goes through names."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from convscope.errors import ConvscopeError
from convscope.recipe import OptimizerSettings
from convscope.train import optim

ALL = [
    {"name": "sgd", "momentum": 0.0},
    {"name": "sgd", "momentum": 0.9, "nesterov": False, "weight_decay": 0.01},
    {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"name": "adam", "weight_decay": 0.01},
    {"name": "adamw", "weight_decay": 0.01, "betas": [0.8, 0.99], "eps": 1e-6},
]


def make(**values: Any) -> OptimizerSettings:
    return OptimizerSettings.model_validate(values)


class One(nn.Module):
    """A single weight of 1 x 1, so that a step can be reckoned by hand."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[value]], dtype=torch.float64))


def network(seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).to(dtype)


def learn(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int, start: int = 0) -> None:
    for step in range(start, start + steps):
        source = torch.Generator().manual_seed(step)
        x = torch.randn(5, 1, 8, 8, generator=source, dtype=torch.float64)
        optimizer.zero_grad(set_to_none=True)
        net(x).square().mean().backward()
        optimizer.step()


def by_hand(settings: OptimizerSettings, weight: float, gradients: list[float]) -> float:
    """The rules as their papers have them, on one number."""
    velocity, m, v = 0.0, 0.0, 0.0
    rate, decay = settings.learning_rate, settings.weight_decay
    for t, g in enumerate(gradients, start=1):
        if settings.name == "sgd":
            # Sutskever et al. 2013, in the form in which the rate stands outside of the velocity
            g = g + decay * weight
            velocity = settings.momentum * velocity + g if t > 1 else g
            weight -= rate * (g + settings.momentum * velocity if settings.nesterov else velocity)
            continue
        if settings.name == "adam":
            g = g + decay * weight
        else:  # Loshchilov and Hutter 2019, algorithm 2
            weight -= rate * decay * weight
        # Kingma and Ba 2015, algorithm 1
        b1, b2 = settings.betas
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        weight -= rate * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + settings.eps)
    return weight


@pytest.mark.parametrize("values", ALL, ids=str)
def test_steps_are_those_reckoned_by_hand(values: dict[str, Any]) -> None:
    settings = make(learning_rate=0.1, **values)
    net = One(0.7)
    optimizer = optim.build(net, settings)
    gradients = [0.5, -0.3, 0.0, 0.8, 0.8, -2.0]
    for gradient in gradients:
        net.weight.grad = torch.tensor([[gradient]], dtype=torch.float64)
        optimizer.step()
    assert float(net.weight.detach()) == pytest.approx(by_hand(settings, 0.7, gradients), rel=1e-12)


@pytest.mark.parametrize("values", ALL, ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_fused_is_the_plain_loop(values: dict[str, Any], dtype: torch.dtype) -> None:
    settings = make(**values)
    ours, plain = network(dtype=dtype), network(dtype=dtype)
    fused = optim.build(ours, settings)
    assert all(group["fused"] for group in fused.param_groups)
    loop = optim.build(plain, settings)
    for group in loop.param_groups:
        group["fused"], group["foreach"] = False, False
    for step in range(8):
        for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.manual_seed(step)
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        fused.step()
        loop.step()
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        rtol, atol = (1e-12, 1e-14) if dtype == torch.float64 else (1e-5, 1e-6)
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


def test_decay_falls_on_weights_of_conv_and_dense_only() -> None:
    net = network()
    assert optim.decays(net) == {"0.weight", "4.weight"}
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimizer = optim.build(net, make(name="sgd", momentum=0, learning_rate=0.1, weight_decay=0.5))
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in net.named_parameters():
        factor = 1 - 0.1 * 0.5 if name in ("0.weight", "4.weight") else 1.0
        torch.testing.assert_close(p.detach(), before[name] * factor, rtol=1e-12, atol=0)


def test_biases_and_scales_of_several_axes_do_not_decay() -> None:
    class PositionBatchNorm(nn.Module):
        """As `bn per=activation` has it: a scale for each position."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 2, 2))

    class PositionBias(nn.Module):
        """As `bias=position` has it."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 1, 3, 3))
            self.bias = nn.Parameter(torch.ones(4, 2, 2))

    net = nn.ModuleDict({"conv": PositionBias(), "bn": PositionBatchNorm()})
    assert optim.decays(net) == {"conv.weight"}


def test_every_parameter_is_in_one_group_frozen_ones_too() -> None:
    net = network()
    net.get_parameter("0.weight").requires_grad_(False)
    optimizer = optim.build(net, make())
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in net.parameters())


def test_a_frozen_weight_stands_still_through_momentum_and_decay() -> None:
    net = network()
    optimizer = optim.build(net, make(learning_rate=0.01, weight_decay=0.1))
    learn(net, optimizer, 2)
    weight = net.get_parameter("0.weight").requires_grad_(False)
    before = weight.detach().clone()
    learn(net, optimizer, 2)
    assert torch.equal(weight, before)


def test_nesterov_is_off_where_there_is_no_momentum() -> None:
    assert not optim.build(network(), make(momentum=0.0, nesterov=True)).param_groups[0]["nesterov"]


def test_a_network_without_weights() -> None:
    with pytest.raises(ConvscopeError, match=r"must have weights to be trained. This one has none. Add a layer"):
        optim.build(nn.Flatten(), make())


@pytest.mark.parametrize("values", ALL, ids=str)
def test_going_on_from_names_and_tensors_is_the_same_bits(values: dict[str, Any]) -> None:
    settings = make(**values)
    whole = network()
    first = optim.build(whole, settings)
    learn(whole, first, 3)
    kept = {name: tensor.clone() for name, tensor in optim.state_tensors(first, whole).items()}
    weights = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    learn(whole, first, 3, start=3)

    again = network(seed=1)
    again.load_state_dict(weights)
    second = optim.build(again, settings)
    optim.load_state_tensors(second, again, kept)
    learn(again, second, 3, start=3)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    for name, tensor in optim.state_tensors(first, whole).items():
        assert torch.equal(tensor, optim.state_tensors(second, again)[name]), name


def test_state_is_named_by_parameter() -> None:
    net = network()
    optimizer = optim.build(net, make(name="adam"))
    assert optim.state_tensors(optimizer, net) == {}
    learn(net, optimizer, 1)
    names = set(optim.state_tensors(optimizer, net))
    assert {"0.weight/exp_avg", "0.weight/exp_avg_sq", "0.weight/step", "1.bias/exp_avg"} <= names


def test_a_loaded_state_is_a_copy() -> None:
    net = network()
    optimizer = optim.build(net, make())
    learn(net, optimizer, 1)
    kept = {name: tensor.clone() for name, tensor in optim.state_tensors(optimizer, net).items()}
    before = {name: tensor.clone() for name, tensor in kept.items()}
    optim.load_state_tensors(optimizer, net, kept)
    learn(net, optimizer, 1)
    assert all(torch.equal(kept[name], before[name]) for name in kept)


def test_state_of_another_network() -> None:
    net = network()
    with pytest.raises(ConvscopeError, match=r"Got 'conv9.weight/step', and the network has no 'conv9.weight'"):
        optim.load_state_tensors(optim.build(net, make()), net, {"conv9.weight/step": torch.tensor(1.0)})
    with pytest.raises(ConvscopeError, match=r"of shape \[2\] for a weight of shape \[4\]"):
        optim.load_state_tensors(optim.build(net, make()), net, {"0.bias/momentum_buffer": torch.zeros(2)})
