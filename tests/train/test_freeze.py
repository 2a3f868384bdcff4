"""What is said of a network of which some stands still."""

from __future__ import annotations

from convscope.network.build import Network
from convscope.train import freeze


def test_how_many_parameters_learn() -> None:
    network = Network("conv 3x3 4, relu, dense", input=(4, 4, 1), classes=2, seed=0)  # 40 and 130 parameters
    assert freeze.note(network, {}) == ""
    assert freeze.note(network, freeze.named(network, ("conv1",))) == "130 of 170 parameters learn"
    later = freeze.named(network, ("conv1.bias", "conv1.weight@3"))
    assert freeze.note(network, later) == "166 of 170 parameters learn; 130 of 170 parameters learn from epoch 3 on"


def test_a_module_of_which_some_stood_still_before() -> None:
    network = Network("conv 3x3 4, relu, dense", input=(4, 4, 1), classes=2, seed=0)
    for parameter in list(network.parameters())[:2]:
        parameter.requires_grad_(False)
    assert freeze.note(network, {}) == "130 of 170 parameters learn"
