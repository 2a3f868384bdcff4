"""A training's losses, penalties and steps against the textbook in float64: losses to 1e-10, steps to 1e-12; tutorial
A's loss as stored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

import convscope.explain.reference as book
from convscope.explain.reference.loss import RUBBISH
from convscope.network.build import Network
from convscope.recipe import OptimizerSettings
from convscope.train import loss, optim
from convscope.train.loop import Loop
from oracle import cases

LOGITS = (20 * cases.numbers(*cases.LOGITS_SHAPE)).astype(np.float64)
LABELS = cases.LABELS


@pytest.mark.parametrize(("name", "smoothing"), [("cross-entropy", 0.0), ("cross-entropy", 0.1), ("clipped-mean", 0.0),
                                                 ("rbf", 0.0)])  # fmt: skip
def test_losses(name: str, smoothing: float) -> None:
    logits = torch.from_numpy(LOGITS.copy()).requires_grad_()
    found = loss.build(name, smoothing)(logits, torch.from_numpy(LABELS))
    (found_gradient,) = torch.autograd.grad(found, logits)
    if name == "clipped-mean":
        told, gradient = book.clipped_mean(LOGITS, LABELS), book.clipped_mean_gradient(LOGITS, LABELS)
        assert_allclose(found.item(), cases.load("tensorflow")["clipped mean loss"], rtol=1e-6)
    elif name == "rbf":
        told, gradient = book.map_criterion(LOGITS, LABELS), book.map_criterion_gradient(LOGITS, LABELS)
        assert loss.RUBBISH == RUBBISH
    else:
        told = book.cross_entropy(LOGITS, LABELS, smoothing)
        gradient = book.cross_entropy_gradient(LOGITS, LABELS, smoothing)
    assert_allclose(found.item(), told, rtol=1e-10)
    assert_allclose(found_gradient.numpy(), gradient, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weights_of_classes(smoothing: float) -> None:
    counts = np.concatenate([LABELS, LABELS[:2]])  # not as many of each
    weights = loss.balanced(counts, LOGITS.shape[1])
    assert_allclose(weights.numpy(), book.balanced(counts, LOGITS.shape[1]), rtol=1e-7)  # float32, as the loop takes it
    logits = torch.from_numpy(LOGITS.copy()).requires_grad_()
    found = loss.build("cross-entropy", smoothing, weights.double())(logits, torch.from_numpy(LABELS))
    (gradient,) = torch.autograd.grad(found, logits)
    exact = weights.double().numpy()
    assert_allclose(found.item(), book.cross_entropy(LOGITS, LABELS, smoothing, exact), rtol=1e-10)
    told = book.cross_entropy_gradient(LOGITS, LABELS, smoothing, exact)
    assert_allclose(gradient.numpy(), told, rtol=1e-10, atol=1e-13)


def test_penalty() -> None:
    network = Network("conv 3x3 4 l2=0.004, relu, dense 5 l1=0.1 l2=0.2", input=(4, 4, 2)).double()
    penalty = network.penalty()
    assert penalty is not None
    found = dict(network.named_parameters())
    first, second = (found[name].detach().numpy() for name in ("conv1.weight", "dense1.weight"))
    told = book.penalty(first, l2=0.004) + book.penalty(second, 0.1, 0.2)
    assert_allclose(penalty.item(), told, rtol=1e-10)
    for name, gradient in (
        ("conv1.weight", book.penalty_gradient(first, l2=0.004)),
        ("dense1.weight", book.penalty_gradient(second, 0.1, 0.2)),
    ):
        (found_gradient,) = torch.autograd.grad(penalty, found[name], retain_graph=True)
        assert_allclose(found_gradient.numpy(), gradient, rtol=1e-10)
    (of_bias,) = torch.autograd.grad(penalty, found["conv1.bias"], allow_unused=True, materialize_grads=True)
    assert not of_bias.any()


STEPS: list[dict[str, Any]] = [
    {"name": "sgd", "momentum": 0.0, "nesterov": False},
    {"name": "sgd", "momentum": 0.9, "nesterov": False, "weight_decay": 0.1},
    {"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    {"name": "adam", "weight_decay": 0.1, "eps": 1e-3},
    {"name": "adamw", "weight_decay": 0.1, "betas": [0.8, 0.99]},
]


@pytest.mark.parametrize("values", STEPS, ids=str)
def test_steps(values: dict[str, Any]) -> None:
    settings = OptimizerSettings.model_validate({"learning_rate": 0.01, **values})
    network = nn.Linear(3, 4, bias=False).double()
    weight = cases.numbers(4, 3).astype(np.float64)
    with torch.no_grad():
        network.weight.copy_(torch.from_numpy(weight))
    optimizer = optim.build(network, settings)
    first, second = np.zeros(weight.shape), np.zeros(weight.shape)
    betas = (settings.betas[0], settings.betas[1])
    for step in range(1, 6):
        gradient = weight * np.arange(1, 13).reshape(4, 3)
        network.weight.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        rate, decay = settings.learning_rate, settings.weight_decay
        if settings.name == "sgd":
            weight, first = book.sgd(weight, gradient, first, rate, settings.momentum, settings.nesterov, decay)
        else:
            walk = book.adam if settings.name == "adam" else book.adamw
            weight, first, second = walk(weight, gradient, first, second, step, rate, betas, settings.eps, decay)
        assert_allclose(network.weight.detach().numpy(), weight, rtol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_steps_of_muon(groups: int) -> None:
    """The kernels of a convolution; its biases take the other rate's steps of SGD with Nesterov's momentum."""
    settings = OptimizerSettings.model_validate({"name": "muon", "momentum": 0.7, "other_rate": 0.03})
    network = nn.Conv2d(4, 8, 3, groups=groups).double()
    shape = tuple(network.weight.shape)
    weight, bias = cases.numbers(*shape).astype(np.float64), cases.numbers(8, salt=1).astype(np.float64)
    network.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    optimizer = optim.build(network, settings, torch.float64)
    velocity, other = np.zeros(shape), np.zeros(8)
    for step in range(1, 6):
        gradient, of_bias = (cases.numbers(*like.shape, salt=step).astype(np.float64) for like in (weight, bias))
        assert network.bias is not None
        network.weight.grad, network.bias.grad = torch.from_numpy(gradient.copy()), torch.from_numpy(of_bias.copy())
        optimizer.step()
        weight, velocity = book.muon(weight, gradient, velocity, 0.24, 0.7, groups)
        bias, other = book.sgd(bias, of_bias, other, 0.03, 0.85, nesterov=True)
        assert_allclose(network.weight.detach().numpy(), weight, rtol=1e-12, atol=1e-13)
        assert_allclose(network.bias.detach().numpy(), bias, rtol=1e-12)


@pytest.mark.parametrize("largest", [0.5, 100.0])
def test_clipping(largest: float) -> None:
    gradients = [cases.numbers(4, 3).astype(np.float64), cases.numbers(5, salt=1).astype(np.float64)]
    parameters = [nn.Parameter(torch.zeros(gradient.shape, dtype=torch.float64)) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = torch.from_numpy(gradient.copy())
    nn.utils.clip_grad_norm_(parameters, largest)
    for parameter, told in zip(parameters, book.clip(gradients, largest), strict=True):
        assert parameter.grad is not None
        assert_allclose(parameter.grad.numpy(), told, rtol=1e-12)


def test_the_moving_average_of_a_loop() -> None:
    """`Loop._follow` after each of 30 steps, on both sides of where `kept` takes over."""
    weights = [cases.numbers(4, 3, salt=step).astype(np.float64) for step in range(31)]
    network, average = nn.Linear(3, 4, bias=False).double(), nn.Linear(3, 4, bias=False).double()
    average.load_state_dict({"weight": torch.from_numpy(weights[0].copy())})
    loop = SimpleNamespace(settings=SimpleNamespace(ema=0.6), network=network, step=0)
    told = weights[0]
    for step in range(1, 31):
        network.load_state_dict({"weight": torch.from_numpy(weights[step])})
        loop.step = step
        Loop._follow(loop, average)  # type: ignore[arg-type]
        told = book.moving_average(told, weights[step], step, 0.6)
        assert_allclose(average.weight.detach().numpy(), told, rtol=1e-12, atol=1e-14)
