"""The first batch's diagnosis: planted faults are found, sound networks left alone, and nothing is changed by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.run import Diagnosis
from convscope.train.faults import FAULTS
from convscope.train.loop import Loop
from train.small import CLASSES, carried_out, data_set, loop, network, of_kind, recipe


def looked(text: str, **settings: Any) -> Diagnosis:
    """The first batch of a network, 24 pictures at a time."""
    data = data_set(train=96)
    return loop(recipe({"epochs": 1, "batch_size": 24, **settings}), data, network(data, text)).first_look()


def test_a_sound_network() -> None:
    found = looked("conv 3x3 8, relu, maxpool 2, dense 16, relu, dense")
    assert found.faults == found.said == ()
    assert found.pictures == 24
    assert found.classes == len(CLASSES)
    assert found.expected == pytest.approx(math.log(3))
    assert found.silent == 0
    assert found.penalty == found.side == 0
    assert found.layers == ("conv1", "relu1", "pool1", "dense1", "relu2", "dense2")
    assert [gradient is None for gradient in found.gradients] == [False, True, True, False, True, False]
    assert found.input_spread > 0.5


STACK = "dense 32, sigmoid, " * 12


@pytest.mark.parametrize(
    ("text", "settings", "fault", "sentence"),
    [
        ("conv 3x3 8, relu, dense 90 init=normal(9), relu, dense init=normal(1)", {}, "first-loss-too-large",
         "that of a network that knows nothing: the initial weights are too large: they spread wider than "
         "sqrt(2 / inputs) at dense1 ("),
        ("conv 3x3 8 init=normal(90), relu, dense 90 init=normal(9), relu, dense", {}, "activations-grow",
         "activations grow from layer to layer, from a deviation of "),
        ("conv 3x3 8 init=normal(0.0001), relu, dense", {}, "activations-vanish", " at conv1, so that all pictures"),
        (f"conv 3x3 8, sigmoid, {STACK}dense", {}, "gradients-vanish", "gradients vanish on the way back"),
        ("conv 3x3 8 bias_init=-100, relu, dense", {}, "dead-units", "100 % of the units of relu1 are 0 for every one"),
        ("conv 3x3 8, relu, dense init=normal(9)", {"loss": "clipped-mean"}, "pictures-without-gradient",
         "the loss is clipped where a probability is below 1e-11"),
    ],
)  # fmt: skip
def test_a_planted_fault(text: str, settings: dict[str, Any], fault: str, sentence: str) -> None:
    found = looked(text, **settings)
    assert fault in found.faults
    assert sentence in found.said[found.faults.index(fault)]


def test_every_fault_is_planted() -> None:
    marks = test_a_planted_fault.pytestmark
    assert {case[2] for case in marks[0].args[1]} == FAULTS.keys()


def test_a_cause_is_said_once() -> None:
    found = looked("conv 3x3 8 init=normal(90), relu, dense 90 init=normal(9), relu, dense")
    assert len(found.said) >= 2
    assert sum("init=kaiming" in said for said in found.said) == 1
    assert found.said[1].endswith("for the same reason")


def test_an_input_that_is_too_large() -> None:
    from dataclasses import replace

    data = data_set(train=96)
    data = replace(data, preprocess=data.preprocess.replace(mean=(0.0,), std=(1 / 255,)))
    text = "conv 3x3 64, relu, dense 64, relu, dense"
    found = loop(recipe({"epochs": 1, "batch_size": 24}), data, network(data, text)).first_look()
    assert "first-loss-too-large" in found.faults
    assert 'set mean = "train" and std = "train" in [input]' in found.said[0]


def test_what_is_not_finite_is_said() -> None:
    found = looked("conv 3x3 8, relu, " + "dense 8 init=normal(1e9), relu, " * 5 + "dense")
    assert found.faults[0] == "first-loss-too-large"
    assert found.said[0].startswith(("the first loss is nan", "the first loss is inf"))


def test_a_penalty_is_told_apart_and_accuses_nobody() -> None:
    found = looked("conv 3x3 8, relu, dense 16 l2=2, relu, dense")
    assert found.penalty > 10
    assert found.loss < 5
    assert found.faults == ()


def test_the_digits_tutorials_loss_has_its_own_measure() -> None:
    assert looked("conv 3x3 8, relu, dense", loss="clipped-mean").expected == pytest.approx(math.log(3) / 3)


class Own(nn.Module):
    """Somebody's module: one activation used twice, its own random numbers and a count of its own."""

    def __init__(self, bias: float = 0.0) -> None:
        super().__init__()
        self.first, self.second, self.act = nn.Linear(36, 16), nn.Linear(16, 16), nn.ReLU()
        self.last = nn.Linear(16, len(CLASSES))
        self.norm = nn.BatchNorm1d(16)
        nn.init.constant_(self.first.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.first(x.flatten(1)))
        x = self.act(self.norm(self.second(x))) + 0.01 * torch.rand(len(x), 16)
        return torch.as_tensor(self.last(x))


def test_a_module_of_ones_own() -> None:
    data = data_set(train=96)
    found = loop(recipe({"epochs": 1, "batch_size": 24}), data, Own()).first_look()
    assert found.layers == ("first", "act", "second", "norm", "act (2)", "last")
    assert found.faults == ()
    dead = loop(recipe({"epochs": 1, "batch_size": 24}), data, Own(bias=-100)).first_look()
    assert dead.faults == ("dead-units",)
    assert "units of act are 0" in dead.said[0]


def state(training: Loop) -> list[Tensor]:
    return [tensor.clone() for tensor in training.network.state_dict().values()]


@pytest.mark.parametrize("module", [None, Own], ids=["text", "own"])
def test_nothing_is_changed(module: Callable[[], nn.Module] | None) -> None:
    torch.manual_seed(0)
    training = loop(recipe({"epochs": 1}), module=module() if module else None)
    before, numbers = state(training), torch.get_rng_state()
    training.first_look()
    assert all(map(torch.equal, before, state(training)))
    assert torch.equal(numbers, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in training.network.parameters())
    assert not any(part._forward_hooks for part in training.network.modules())


@pytest.mark.parametrize("plan", [{"layout": "contiguous"}, {"layout": "channels_last"}], ids=str)
def test_a_run_has_the_same_bits_with_it_and_without(monkeypatch: pytest.MonkeyPatch, plan: dict[str, Any]) -> None:
    from convscope import kernels

    training = loop(recipe({"epochs": 2}), plan={**kernels.plan(), **plan})
    records = carried_out(training)
    assert len(of_kind(records, Diagnosis)) == 1
    with_it = state(training)
    nothing = of_kind(records, Diagnosis)[0]
    monkeypatch.setattr(Loop, "first_look", lambda self: nothing)
    other = loop(recipe({"epochs": 2}), plan={**kernels.plan(), **plan})
    carried_out(other)
    assert all(map(torch.equal, with_it, state(other)))


def test_side_classifiers_are_told_apart() -> None:
    found = looked("conv 3x3 8, relu, aux weight=0.5 ( gap, dense ), conv 3x3 8, relu, dense")
    assert found.side > 0.1
    assert found.loss < 5
    assert "aux1.dense1" in found.layers
    assert found.faults == ()


def test_frozen_layers_have_no_gradient() -> None:
    found = looked("conv 3x3 8, relu, dense", freeze=["conv1"])
    assert found.gradients[0] is None
    assert found.faults == ()


@pytest.mark.parametrize("factor", [1 / 1024, 64.0])
def test_a_scale_behind_a_layer_counts_as_its_weights(factor: float) -> None:
    """Weights 1 / f times as large with `scale f` behind them are the same function, and are judged alike."""
    plain = looked("conv 3x3 8, relu, gap, dense bias=no init=normal(0.5)")
    scaled = looked(f"conv 3x3 8, relu, gap, dense bias=no init=normal({0.5 / factor:.9g}), scale {factor:.9g}")
    assert scaled.loss == pytest.approx(plain.loss, rel=1e-5)
    assert (scaled.layers[3], scaled.layers[4:]) == ("dense1", ("scale1",))
    for layer in (0, 3):
        assert scaled.gradients[layer] == pytest.approx(plain.gradients[layer], rel=1e-4)
    assert scaled.faults == plain.faults == ()
