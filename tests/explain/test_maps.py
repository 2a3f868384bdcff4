"""Maps and kernels are the network's own numbers; what a cell sees is what autograd says that it hangs on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from convscope.errors import ConvscopeError
from convscope.explain.maps import Box, convolutions, kernels, labels_of, maps, seen
from convscope.network.build import Network


def network(text: str, input: tuple[int, int, int] = (16, 12, 3)) -> Network:
    return Network(text, input=input, classes=5)


def random_input(net: Network, count: int = 1) -> torch.Tensor:
    height, width, channels = net.input
    return torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["lenet5", "squeezenet", "inception"])
def test_maps_are_what_forward_keeps(name: str) -> None:
    texts = {
        "lenet5": "conv 5x5 6, tanh, avgpool 2, conv 5x5 16, tanh, avgpool 2, flatten, dense 20, tanh, dense",
        "squeezenet": "conv 3x3 8 /2, relu, maxpool 3 /2, conv 1x1 4, relu, dropout 0.5, conv 1x1 5, gap",
        "inception": "conv 3x3 6, bn, relu, concat(conv 1x1 3 | conv 3x3 4 | maxpool 3 /1 same), "
        "add(relu | identity), gap, dense",
    }
    net = network(texts[name], (28, 28, 3))
    x = random_input(net)
    found = maps(net, x)
    net.eval()
    with torch.no_grad():
        logits, kept = net(x, keep=labels_of(net))
    assert list(found) == labels_of(net)
    assert set(found) == set(net.labels)
    for label, values in found.items():
        assert np.array_equal(values, kept[label][0].numpy()), label
    assert np.array_equal(found[labels_of(net)[-1]].reshape(-1), logits[0].numpy())
    some = maps(net, x, labels_of(net)[:2])
    assert list(some) == labels_of(net)[:2]


def test_training_mode_is_as_it_was() -> None:
    net = network("conv 3x3 4, bn, relu, dropout 0.5, gap, dense").train()
    before = net.state_dict()["bn1.running_mean"].clone()
    maps(net, random_input(net))
    assert net.training
    assert torch.equal(net.state_dict()["bn1.running_mean"], before)


def test_kernels() -> None:
    net = network("conv 3x5 4, relu, conv 1x1 6 groups=2, gap, dense")
    assert kernels(net, "conv1").shape == (4, 3, 3, 5)
    assert kernels(net, "conv2").shape == (6, 2, 1, 1)
    assert np.array_equal(kernels(net, "conv1"), net.state_dict()["conv1.weight"].numpy())
    assert convolutions(net) == ["conv1", "conv2"]


def region(net: Network, label: str, row: int, column: int) -> Box | None:
    """Where the gradient of a cell, all its maps together, isn't 0; over several inputs, for a maximum has one winner
    at a time."""
    height, width, channels = net.input
    hit = torch.zeros(height, width, dtype=torch.bool)
    net.eval()
    for draw in range(60):
        x = torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(draw)).requires_grad_()
        value = net(x, keep=[label])[1][label]
        cell = value[0, :, row, column] if value.dim() == 4 else value[0]
        (slope,) = torch.autograd.grad(cell.sum(), x)
        hit |= (slope[0] != 0).any(0)
    rows, columns = hit.any(1).nonzero(), hit.any(0).nonzero()
    if not len(rows):
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


SEQUENTIAL = [
    "conv 3x3 4, tanh, conv 3x3 4 /2, tanh, avgpool 2, conv 2x2 4, tanh",
    "conv 5x3 3 same, tanh, maxpool 3 /2 pad=1, conv 3x3 3 dilation=2",
    "conv 3x3 4 same /2, bn, tanh, conv 3x3 4 same /2, tanh, gap, dense",
]


@pytest.mark.parametrize("text", SEQUENTIAL)
def test_what_a_cell_sees_is_what_it_hangs_on(text: str) -> None:
    net = Network(text, input=(17, 20, 2), classes=5 if "dense" in text else None)
    generator = np.random.default_rng(0)
    for label in net.labels:
        shape = net.sizes.by_name()[label].after
        high, wide = shape[:2] if len(shape) == 3 else (1, 1)
        for row, column in {
            (0, 0),
            (high - 1, wide - 1),
            (int(generator.integers(high)), int(generator.integers(wide))),
        }:
            top, left, bottom, right = seen(net, label, *((row, column) if len(shape) == 3 else (0,)))
            inside = max(top, 0), max(left, 0), min(bottom, 17), min(right, 20)
            assert region(net, label, row, column) == inside, (label, row, column)


def test_a_unit_of_flattened_maps_sees_what_its_cell_does() -> None:
    net = Network("conv 3x3 3 same /2, flatten, tanh, dropout 0.5, dense 4", input=(7, 11, 2)).eval()
    _, high, wide = 3, 4, 6
    for unit in (0, 7, 23, 24, 71):
        row, column = divmod(unit % (high * wide), wide)
        for label in ("flatten1", "tanh1", "dropout1"):
            assert seen(net, label, unit) == seen(net, "conv1", row, column), (label, unit)
        x = torch.randn(1, 2, 7, 11).requires_grad_()
        (slope,) = torch.autograd.grad(net(x, keep=["dropout1"])[1]["dropout1"][0, unit], x)
        top, left, bottom, right = seen(net, "dropout1", unit)
        found = (slope[0] != 0).any(0).nonzero()
        assert found.amin(0).tolist() == [max(top, 0), max(left, 0)]
        assert (found.amax(0) + 1).tolist() == [min(bottom, 7), min(right, 11)]
    assert seen(net, "dense1", 3) == (-1, -1, 8, 12)


def test_behind_branches_a_cell_sees_what_any_branch_does() -> None:
    text = "add(conv 3x3 2, tanh, conv 3x3 2 | conv 1x1 2), tanh, concat(maxpool 2 | conv 4x4 2 /2 pad=1)"
    net = Network(text, input=(16, 16, 2))
    assert seen(net, "add1", 8, 8) == (6, 6, 11, 11) == region(net, "add1", 8, 8)
    assert seen(net, "concat1", 3, 3) == (3, 3, 11, 11) == region(net, "concat1", 3, 3)


def test_beyond_the_edge() -> None:
    net = network("conv 3x3 4 pad=1, relu, conv 3x3 4 pad=1 /2, gap, dense")
    assert seen(net, "conv1", 0, 0) == (-1, -1, 2, 2)
    assert seen(net, "conv2", 0, 0) == (-2, -2, 3, 3)
    assert seen(net, "conv2", 7, 5) == (12, 8, 17, 13)


def test_what_does_not_exist() -> None:
    net = network("conv 3x3 4, relu, gap, dense 4")
    x = random_input(net)
    with pytest.raises(ConvscopeError, match=r"unknown layer 'conv2'.*conv1"):
        maps(net, x, ["conv2"])
    with pytest.raises(ConvscopeError, match=r"unknown layer 'conv2'.*conv1"):
        kernels(net, "conv2")
    with pytest.raises(ConvscopeError, match=r"unknown layer 'con1'.*conv1"):
        seen(net, "con1", 0, 0)
    with pytest.raises(ConvscopeError, match=r"those of a convolution. relu1 is none; these are: conv1."):
        kernels(net, "relu1")
    with pytest.raises(ConvscopeError, match=r"dense1 is none; these are: none here."):
        kernels(network("flatten, dense"), "dense1")
    with pytest.raises(
        ConvscopeError, match=r"a row of conv1 must be 0 to 15, counted from 0. Got 16; the nearest is 15"
    ):
        seen(net, "conv1", 16, 0)
    with pytest.raises(
        ConvscopeError, match=r"a unit of dense1 must be 0 to 3, counted from 0\. Got 4; the nearest is 3"
    ):
        seen(net, "dense1", 4)
    with pytest.raises(ConvscopeError, match=r"a cell of dense1 must be told by its unit\. Got \(0, 3\)\."):
        seen(net, "dense1", 0, 3)


@pytest.mark.parametrize("shape", [(1, 3, 12, 16), (1, 1, 16, 12), (3, 16, 12)])
def test_a_picture_of_another_size(shape: tuple[int, ...]) -> None:
    net = network("conv 3x3 4, relu, gap, dense")
    with pytest.raises(
        ConvscopeError, match=r"float \(N, 3, 16, 12\), for its input is 16x12x3. Got float32 \(.*`to_input"
    ):
        maps(net, torch.zeros(shape))
    with pytest.raises(ConvscopeError, match=r"Got uint8"):
        maps(net, torch.zeros((1, 3, 16, 12), dtype=torch.uint8))
    with pytest.raises(ConvscopeError, match=r"maps are those of one picture. Got a batch of 2: take"):
        maps(net, torch.zeros((2, 3, 16, 12)))


def test_side_classifiers_are_left_out() -> None:
    net = network("conv 3x3 4, relu, aux weight=0.3 (gap, dense), conv 3x3 4, gap, dense")
    assert not [label for label in labels_of(net) if "aux" in label]
    assert isinstance(net, nn.Module)
    assert list(maps(net, random_input(net))) == labels_of(net)
