"""`network = "auto"`: a network for any size of pictures, and what gives way where another takes its place."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from convscope import recipe
from convscope.network.build import Network
from convscope.network.cost import total_parameters
from convscope.network.ending import ending, last_learned
from convscope.network.shapes import Sizes, resolve
from convscope.notation import parse, write_out
from convscope.recipe import usual
from convscope.train import optim


def sized(side: int, channels: int, classes: int = 5) -> Sizes:
    return resolve(write_out(parse(usual.network((side, side), channels))), (side, side, channels), classes)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_ends_in_few_positions(channels: int) -> None:
    for side in range(8, 513):
        sizes = sized(side, channels)
        assert sizes.output == (5,)
        maps = next(row.before for row in sizes.rows if row.item.kind == "gmp")
        assert 2 <= maps[0] <= 5, side  # the largest of each map is of several places
        assert maps[2] <= 256
        assert total_parameters(sizes) < 4_000_000
        assert ending(sizes) is None
        assert last_learned(sizes) == "dense1"


def test_the_shorter_side_says_how_deep_it_is() -> None:
    assert usual.network((32, 200), 3) == usual.network((200, 32), 3) == usual.network((32, 32), 3)
    assert usual.network((64, 64), 3).startswith("conv 4x4 48 /2 pad=1 init=whiten")
    assert usual.network((224, 224), 3).startswith("conv 8x8 48 /4 pad=2 init=whiten")
    assert usual.network((28, 28), 1).startswith("conv 3x3 8 init=whiten")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 20, 48, 49, 97])
def test_it_is_built_and_a_step_makes_its_loss_smaller(side: int, channels: int) -> None:
    source = torch.Generator().manual_seed(side)
    x = torch.randn(12, channels, side, side, generator=source)
    labels = torch.arange(12) % 3
    network = Network(usual.network((side, side), channels), input=(side, side, channels), classes=3, seed=1)
    network.whiten(x)
    settings = recipe.load(recipe.bundled()["folder"])
    for name in settings.train.freeze:
        network.get_parameter(name).requires_grad_(False)
    optimizer = optim.build(network, settings.optimizer)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(x), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    learned = [p for p in network.parameters() if p.requires_grad]
    assert all(p.grad is not None and bool(p.isfinite().all()) for p in learned)


def test_the_folder_recipe_asks_for_it() -> None:
    assert recipe.load(recipe.bundled()["folder"]).network == usual.AUTO


def test_what_gives_way_to_another_network_can_be_set() -> None:
    changed = recipe.with_settings(recipe.load(recipe.bundled()["folder"]), usual.FOR_ANOTHER_NETWORK)
    assert (changed.optimizer.name, changed.optimizer.learning_rate) == ("adamw", 3e-3)
    assert (changed.optimizer.weight_decay, changed.train.freeze) == (0.05, ())
