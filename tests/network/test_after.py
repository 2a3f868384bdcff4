"""`Network.after`: the rest of the way, from what has left a layer."""

from __future__ import annotations

import pytest
import torch

from convscope.network.build import Network
from convscope.network.shapes import NetworkError

TEXT = "stem: (conv 3x3 4, relu), add(conv 3x3 4, bn | identity), relu, gap, conv 1x1 3"


def test_what_is_kept_leads_to_the_same_logits() -> None:
    network = Network(TEXT, input=(6, 6, 1), classes=3).eval()
    x = torch.rand(2, 1, 6, 6)
    with torch.no_grad():
        logits, kept = network(x, keep=["stem.conv1", "add1", "gap1", "conv2"])
        for label, tensor in kept.items():
            if label != "conv2":
                assert torch.equal(network.after(label, tensor), logits), label
    assert network.after("gap1", kept["gap1"]).shape == (2, 3)  # an end of 1 x 1 maps is flattened here too


def test_a_layer_within_a_branch_has_no_rest_of_its_own() -> None:
    network = Network(TEXT, input=(6, 6, 1), classes=3)
    with pytest.raises(NetworkError, match=r"unknown layer outside of all branches 'bn1'.* These exist: add1, "):
        network.after("bn1", torch.zeros(1, 4, 6, 6))
