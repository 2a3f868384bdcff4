"""LeNet-5 of 1998: the bundled recipe's network is the zoo's on digits in the paper's frame, unscaled."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from convscope import recipe
from convscope.classifier import Classifier
from convscope.data.preprocess import Preprocess
from convscope.network.build import Network
from convscope.network.source import text_of


def both() -> tuple[Network, Network]:
    ours = Network(recipe.load(recipe.bundled()["lenet5"]).network)
    zoo = Network(text_of("lenet5"))
    zoo.load_state_dict(ours.state_dict())  # the same names and shapes
    return ours, zoo


def test_the_recipes_frame_is_the_papers() -> None:
    ours, zoo = both()
    digits = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 1.275 - 0.1
    framed = torch.nn.functional.pad(digits, (2, 2, 2, 2), value=-0.1)
    with torch.no_grad():
        torch.testing.assert_close(ours(digits), zoo(framed))
    assert sum(p.numel() for p in ours.parameters()) == 60_000


def test_paper_and_ink_are_the_papers_numbers() -> None:
    wanted = recipe.load(recipe.bundled()["lenet5"]).input
    assert isinstance(wanted.mean, tuple)
    assert isinstance(wanted.std, tuple)
    seen = Preprocess((28, 28), 1, mean=wanted.mean, std=wanted.std).to_input(
        torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1).expand(2, 1, 28, 28)
    )
    assert seen[0].flatten().tolist() == pytest.approx([-0.1] * 784)
    assert seen[1].flatten().tolist() == pytest.approx([1.175] * 784)


def test_a_digits_own_drawing_is_answered_with_that_digit() -> None:
    """Nothing is nearer to a drawing than itself: distance 0, and the loss is about j's share alone."""
    network = Network("rbf 10", input=(12, 7, 1))
    drawings = next(network.buffers()).reshape(10, 1, 12, 7)
    logits = network(drawings)
    assert logits.argmax(1).tolist() == list(range(10))
    assert logits.diagonal().abs().max() == 0
    assert not network.state_dict()


def test_a_model_file_keeps_the_network_and_not_the_drawings(tmp_path: Path) -> None:
    """The drawings are part of the program: a loaded model has them, and gives the same outputs."""
    network = Network("conv 3x3 2 /4, tanh scaled, dense 84, tanh scaled, rbf classes", input=(8, 8, 1), classes=10)
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    classifier = Classifier(network.eval(), Preprocess((8, 8), 1), tuple("0123456789"))
    classifier.save(tmp_path / "digits.safetensors")
    loaded = Classifier.load(tmp_path / "digits.safetensors").network
    assert set(loaded.state_dict()) == {"conv1.weight", "conv1.bias", "dense1.weight", "dense1.bias"}
    with torch.no_grad():
        assert torch.equal(loaded(x), network(x))
