"""A training's losses, penalties and steps against the textbook in float64, to 1e-10; tutorial A's loss as stored."""

from __future__ import annotations

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
        assert_allclose(network.weight.detach().numpy(), weight, rtol=1e-10)
