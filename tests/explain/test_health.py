"""Dead units and duplicate maps that were planted are found, and no others; histograms count every value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError
from convscope.explain import health as module
from convscope.explain.health import BINS, health
from convscope.network.build import Network

TEXT = "conv 3x3 8 pad=1, relu, maxpool 2, flatten, dropout 0.3, dense 12, tanh, dense"


def network(text: str = TEXT) -> Network:
    return Network(text, input=(10, 10, 2), classes=4, seed=1)


def pictures(count: int = 40) -> Tensor:
    return torch.randn(count, 2, 10, 10, generator=torch.Generator().manual_seed(0))


def planted() -> Network:
    """Map 2 of conv1 is 0, map 5 never above 0, map 6 is map 1 twice as large; unit 3 of dense1 is a constant."""
    net = network()
    weights = net.state_dict()
    with torch.no_grad():
        weights["conv1.weight"][2], weights["conv1.bias"][2] = 0, 0
        weights["conv1.bias"][5] = -100
        weights["conv1.weight"][6] = 2 * weights["conv1.weight"][1]
        weights["conv1.bias"][6] = 2 * weights["conv1.bias"][1]
        weights["dense1.weight"][3] = 0
        weights["dense1.weight"][7] = 3 * weights["dense1.weight"][9]
        weights["dense1.bias"][7] = 0.2
    return net


def test_a_healthy_network() -> None:
    found = health(network(), pictures())
    assert list(found) == ["conv1", "relu1", "pool1", "dense1", "tanh1", "dense2"]
    assert [layer.dead for layer in found.values()] == [()] * 6
    assert [layer.duplicates for layer in found.values()] == [()] * 6
    assert [layer.units for layer in found.values()] == [8, 8, 8, 12, 12, 4]
    assert all(layer.gradients is None for layer in found.values())


def test_what_is_planted_is_found() -> None:
    found = health(planted(), pictures())
    assert found["conv1"].dead == (2,)  # map 5 still says something, below 0
    assert found["relu1"].dead == (2, 5)
    assert found["pool1"].dead == (2, 5)
    assert found["dense1"].dead == (3,)
    assert found["dense2"].dead == ()
    for label in ("conv1", "relu1", "pool1"):
        ((first, second, alike),) = found[label].duplicates
        assert (first, second) == (1, 6)
        assert 0.9999 < alike <= 1
    assert [pair[:2] for pair in found["dense1"].duplicates] == [(7, 9)]


def test_negatives_are_no_duplicates() -> None:
    net = network()
    with torch.no_grad():
        net.state_dict()["conv1.weight"][6] = -net.state_dict()["conv1.weight"][1]
    assert health(net, pictures())["conv1"].duplicates == ()


def test_of_few_values_nothing_is_said_of_duplicates() -> None:
    """Of two pictures any two units go together, up or down."""
    found = health(network(), pictures(2))
    assert found["dense1"].duplicates == ()
    assert health(planted(), pictures(2))["conv1"].duplicates != ()  # 100 places each


def test_histograms_count_every_value() -> None:
    net, x = network(), pictures()
    targets = torch.arange(40) % 4
    found = health(net, x, targets)
    net.eval()
    logits, kept = net(x, keep=list(found))
    slopes = torch.autograd.grad(
        nn.functional.cross_entropy(logits, targets, reduction="sum"), [kept[label] for label in found]
    )
    for (label, layer), slope in zip(found.items(), slopes, strict=True):
        for told, values in ((layer.activations, kept[label].detach()), (layer.gradients, slope)):
            assert told is not None
            assert told.total == values.numel()
            assert told.zeros == int((values == 0).sum())
            assert (told.low, told.high) == pytest.approx((float(values.min()), float(values.max())), rel=1e-5)
            expected, _ = np.histogram(values.numpy().astype(np.float64), BINS, (told.low, told.high))
            assert np.abs(expected - np.array(told.counts)).sum() <= 2 + values.numel() // 1000, label


def test_a_few_at_a_time_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, targets = planted(), pictures(), torch.arange(40) % 4
    whole = health(net, x, targets)
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    parts = health(net, x, targets)
    for label, layer in whole.items():
        assert parts[label].dead == layer.dead
        assert [pair[:2] for pair in parts[label].duplicates] == [pair[:2] for pair in layer.duplicates]
        moved = np.abs(np.array(parts[label].activations.counts) - np.array(layer.activations.counts)).sum()
        assert moved <= 2 + layer.activations.total // 1000


def test_the_network_is_as_it_was() -> None:
    net = network("conv 3x3 4, bn, relu, gap, dense").train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    health(net, pictures(), torch.arange(40) % 4)
    assert net.training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("text", [
    "conv 3x3 4 pad=1, add(conv 3x3 4 pad=1, relu | identity), concat(relu | maxpool 3 /1 pad=1), gap, dense",
    "maxpool 2, conv 3x3 4, lrn, gap, dense, softmax",
])  # fmt: skip
def test_forms_and_layers_of_other_kinds(text: str) -> None:
    found = health(network(text), pictures(8), torch.arange(8) % 4)
    assert all(layer.gradients is not None and layer.gradients.total == layer.activations.total
               for layer in found.values())  # fmt: skip


def test_what_can_not_be_looked_at() -> None:
    net = network()
    with pytest.raises(ConvscopeError, match=r"shows with 2 pictures or more. Got 1"):
        health(net, pictures(1))
    with pytest.raises(ConvscopeError, match=r"float \(N, 2, 10, 10\).*Got float32 \(4, 2, 9, 9\)"):
        health(net, torch.zeros(4, 2, 9, 9))
    with pytest.raises(ConvscopeError, match=r"a target for each of 40 pictures. Got \(3,\)"):
        health(net, pictures(), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ConvscopeError, match=r"the target must be a class from 0 to 3. Got 4"):
        health(net, pictures(), torch.full((40,), 4))
    with pytest.raises(ConvscopeError, match=r"must have a layer that computes something"):
        health(Network("flatten", input=(10, 10, 2)), pictures())
    with torch.no_grad():
        next(net.parameters())[0] = torch.nan
    with pytest.raises(ConvscopeError, match=r"must be finite numbers\. conv1 gives NaN or infinity for some pictures"):
        health(net, pictures())
