"""The head: logistic regression on features, its decay chosen on the validation pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from convscope.network.build import Network
from convscope.train import head


def made(n: int, seed: int, noise: float = 2.0) -> tuple[Tensor, Tensor]:
    """20 numbers of unlike scale, 3 of them with the class in them."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    x = torch.randn(n, 20, 1, 1, generator=generator) * noise
    x[torch.arange(n), labels] += 4.0
    return x * torch.logspace(-1, 1, 20).view(20, 1, 1) + 5, labels


@pytest.fixture
def network() -> Network:
    return Network("dropout 0.5, dense", input=(1, 1, 20), classes=3).eval()


def fitted(network: Network, train: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor]) -> head.Head:
    layer = network.get_submodule("dense1")
    return head.fit(layer, lambda x: network.after("dropout1", x), train, validation)


def test_the_layer_is_for_features_as_they_are(network: Network) -> None:
    train, validation = made(120, 0), made(60, 1)
    best = fitted(network, train, validation)
    with torch.no_grad():
        logits = network(validation[0])
    assert best.validation_loss == pytest.approx(float(cross_entropy(logits, validation[1])), rel=1e-4)
    assert best.validation_k == int((logits.argmax(1) == validation[1]).sum())
    assert best.validation_k > 40  # of 60, and 20 by chance
    assert best.train_k > 80


def test_it_is_the_optimum(network: Network) -> None:
    train, validation = made(120, 0), made(60, 1)
    best = fitted(network, train, validation)
    mean, deviation = train[0].mean(0), train[0].std(0, unbiased=False)
    weight = (best.tensors["weight"] * deviation.flatten()).requires_grad_()
    bias = (best.tensors["bias"] + best.tensors["weight"] @ mean.flatten()).requires_grad_()
    logits = ((train[0] - mean) / deviation).flatten(1) @ weight.T + bias
    (cross_entropy(logits, train[1]) + best.decay / 2 * weight.square().sum()).backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert bias.grad is not None
    assert float(weight.grad.abs().max()) < 2e-3
    assert float(bias.grad.abs().max()) < 2e-3


def test_the_decay_is_the_best_on_validation(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    train, validation = made(60, 0), made(200, 1)
    best = fitted(network, train, validation)
    losses = {}
    for decay in head.DECAYS:
        monkeypatch.setattr(head, "DECAYS", (decay,))
        losses[decay] = fitted(network, train, validation).validation_loss
    assert best.decay == min(losses, key=lambda decay: losses[decay] or 0.0)
    assert best.decay not in (3.0, 0.001)  # noise: neither end of the row


def test_without_validation_pictures_the_decay_is_a_fixed_one(network: Network) -> None:
    nothing = torch.zeros(0, 20, 1, 1), torch.zeros(0, dtype=torch.int64)
    best = fitted(network, made(60, 0), nothing)
    assert (best.decay, best.validation_loss, best.validation_k) == (head.WITHOUT_VALIDATION, None, None)


def test_classes_may_weigh_alike(network: Network) -> None:
    x, labels = made(90, 0, noise=4.0)
    few = torch.tensor([i for i in range(90) if labels[i] or i < 12])
    train, nothing = (x[few], labels[few]), (torch.zeros(0, 20, 1, 1), torch.zeros(0, dtype=torch.int64))
    layer = network.get_submodule("dense1")

    def said(weights: Tensor | None) -> int:
        head.fit(layer, lambda f: network.after("dropout1", f), train, nothing, weights)
        with torch.no_grad():
            return int((network(x).argmax(1) == 0).sum())

    counts = np.bincount(train[1].numpy())
    assert said(torch.tensor(len(few) / (3 * counts), dtype=torch.float32)) > said(None) + 5


def test_a_convolution_may_be_the_last_layer_that_learns() -> None:
    network = Network("relu, conv 1x1 3, relu, gap", input=(4, 4, 6), classes=3).eval()
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    x = torch.rand(60, 6, 4, 4, generator=generator)
    x[torch.arange(60), labels] += 0.5
    layer = network.get_submodule("conv1")
    best = head.fit(layer, lambda f: network.after("relu1", f), (x, labels), (x[:30], labels[:30]))
    assert best.train_k > 50
    with torch.no_grad():
        assert int((network(x).argmax(1) == labels).sum()) == best.train_k


def test_a_number_that_hardly_differs_in_training_decides_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(40) % 2
    x = torch.randn(40, 8, generator=generator)
    x[:, 0] += 3 * labels
    x[:, 7] = 1e-4 * labels  # nearly the same in all; other pictures have it
    others, theirs = x.clone(), labels.clone()
    others[:, 7] = torch.rand(40, generator=generator)
    layer = nn.Linear(8, 2)
    found = head.fit(layer, layer, (x, labels), (others, theirs))
    assert found.validation_loss is not None
    assert found.validation_loss < 0.4
    assert found.validation_k is not None
    assert found.validation_k >= 34
