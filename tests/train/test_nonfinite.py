"""The first number that isn't finite ends a training before the step, is named, and is never kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope import api
from convscope.data.images import DataSet
from convscope.errors import RunFailed
from convscope.run import Step, Stopped
from convscope.train import nonfinite
from convscope.train.loop import Loop
from train.small import CLASSES, data_set, loop, network, of_kind, recipe

BAD = [math.nan, math.inf, -math.inf]
bad = pytest.mark.parametrize("value", BAD, ids=str)


def ended(training: Loop, after: Callable[[int], None] = lambda step: None) -> tuple[nonfinite.Diverged, list[Any]]:
    """The error that a training ends with, and its records; `after` is called after each step."""
    records: list[Any] = []

    def carry_out() -> None:
        for record in training.records():
            records.append(record)
            if isinstance(record, Step):
                after(record.step)

    with pytest.raises(nonfinite.Diverged) as caught:
        carry_out()
    assert isinstance(caught.value, RunFailed)
    assert caught.value.exit_code == 1
    stopped = of_kind(records, Stopped)
    assert [record.reason for record in stopped] == [f"non-finite {caught.value.what}"]
    assert stopped[0].step == training.step
    return caught.value, records


def weights(training: Loop) -> list[Tensor]:
    return [p.detach().clone() for p in training.network.parameters()]


@bad
@pytest.mark.parametrize("name", ["conv1.weight", "bn1.bias", "dense1.weight", "dense1.bias"])
def test_a_weight(value: float, name: str, tmp_path: Path) -> None:
    training = loop(recipe({"epochs": 2}), checkpoints=tmp_path)
    named = dict(training.network.named_parameters())
    before: list[Tensor] = []

    def plant(step: int) -> None:
        if step == 3:
            with torch.no_grad():
                named[name].view(-1)[0] = value
            before.extend(weights(training))

    error, records = ended(training, plant)
    assert f"the weights of {name} are not finite" in str(error)
    assert "At step 4 " in str(error)
    assert len(of_kind(records, Step)) == 3
    after = weights(training)
    assert all(torch.equal(a, b) or bool(torch.isnan(a).any()) for a, b in zip(before, after, strict=True))  # no step
    assert not list(tmp_path.iterdir())


def test_a_weight_that_no_loss_shows() -> None:
    """Behind a relu that is shut, minus infinity changes neither loss nor gradient."""
    data = data_set()
    training = loop(recipe({"epochs": 2}), data, network(data, "conv 6x6 4, relu, dense"))
    named = dict(training.network.named_parameters())

    def plant(step: int) -> None:
        if step == 2:
            with torch.no_grad():
                named["conv1.bias"][0] = -math.inf

    error, records = ended(training, plant)
    assert error.what == "weight"
    assert len(of_kind(records, Step)) == 2
    assert "the weights of conv1.bias are not finite" in str(error)


@bad
def test_a_weight_in_the_last_step_of_an_epoch(value: float, tmp_path: Path) -> None:
    training = loop(recipe({"epochs": 1, "keep": "best"}), checkpoints=tmp_path)

    def plant(step: int) -> None:
        if step == 5:
            with torch.no_grad():
                training.network.get_parameter("dense1.weight")[0, 0] = value

    error, _ = ended(training, plant)
    assert "the weights of dense1.weight are not finite" in str(error)
    assert training.best is None


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("numbers", [{"mean": (1e39,)}, {"std": (1e-44,)}, {"mean": (-1e39,)}], ids=str)
def test_the_input(numbers: dict[str, Any]) -> None:
    data = data_set()
    data = replace(data, preprocess=data.preprocess.replace(**numbers))
    with pytest.raises(RunFailed, match=r"the input is not finite, which is mean or std in \[input\]"):
        list(loop(recipe({"epochs": 1}), data).records())


class Planted(nn.Module):
    """A dense network that breaks in its own way from the sixth batch on: one is looked at, three are for measuring."""

    def __init__(self, place: str, value: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(36, 8), nn.Linear(8, len(CLASSES))
        self.breaks = Breaks(place, value)
        self.place, self.value = place, value

    def forward(self, x: Tensor) -> Tensor:
        out = self.second(self.breaks(self.first(x.flatten(1))))
        return torch.as_tensor(out + self.value if self.place == "end" and self.breaks.count > 5 else out)


class Breaks(nn.Module):
    def __init__(self, place: str, value: float) -> None:
        super().__init__()
        self.place, self.value, self.count = place, value, 0

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        if self.count > 5 and self.place == "gradient":
            x.register_hook(lambda gradient: gradient * self.value)  # type: ignore[no-untyped-call]
        if self.count > 5 and self.place == "output":
            return x * self.value
        return x


@bad
@pytest.mark.parametrize(
    ("place", "what", "sentence"),
    [
        ("output", "loss", "breaks is the first layer whose output is not finite"),
        ("end", "loss", "the network is the first layer whose output is not finite"),
        ("gradient", "gradient", "the gradient of first.bias is the first, from the loss backwards"),
    ],
)
def test_a_module_of_ones_own(place: str, what: str, sentence: str, value: float, tmp_path: Path) -> None:
    training = loop(recipe({"epochs": 2}), module=Planted(place, value), checkpoints=tmp_path)
    kept: list[Tensor] = []

    def remember(step: int) -> None:
        kept[:] = weights(training)

    error, records = ended(training, remember)
    assert error.what == what
    assert sentence in str(error)
    assert len(of_kind(records, Step)) == 1
    assert all(map(torch.equal, kept, weights(training)))
    assert not list(tmp_path.iterdir())


def test_the_loss_alone() -> None:
    training = loop(recipe({"epochs": 1}))
    training.loss = lambda logits, labels: logits.sum() * math.nan
    error, records = ended(training)
    assert "the loss alone is not finite: every output is" in str(error)
    assert not of_kind(records, Step)


@pytest.mark.parametrize(
    ("rate", "optimizer"), [(1e6, "sgd"), (1e20, "sgd"), (1e20, "adam"), (3e38, "sgd"), (3e38, "adam")]
)
def test_a_learning_rate_that_is_far_too_large(rate: float, optimizer: str, tmp_path: Path) -> None:
    data = data_set()
    made = recipe({"epochs": 12, "keep": "best"}, optimizer={"name": optimizer, "learning_rate": rate})
    text = "conv 3x3 8, relu, conv 3x3 8, relu, dense 16, relu, dense"
    training = loop(made, data, network(data, text), checkpoints=tmp_path)
    error, _ = ended(training)
    assert "is the first layer whose output is not finite" in str(error) or "the weights of conv1" in str(error)
    assert f"Lower the learning rate (now {rate:g})" in str(error)
    assert not list(tmp_path.iterdir())


def test_what_only_the_validation_pictures_show() -> None:
    """Finite weights whose outputs are not: the last step of an epoch may make them."""
    training = loop(recipe({"epochs": 1}))

    def plant(step: int) -> None:
        if step == 5:
            with torch.no_grad():
                for parameter in training.network.parameters():
                    parameter.fill_(3e38)

    error, _ = ended(training, plant)
    assert "after step 5, on the validation pictures: a prediction must be finite" in str(error)


def test_statistics_of_normalisation() -> None:
    training = loop(recipe({"epochs": 1}))

    def plant(step: int) -> None:
        training.network.get_buffer("bn1.running_var")[0] = math.inf

    error, _ = ended(training, plant)
    assert "the statistics of bn1.running_var are not finite" in str(error)


def test_an_interrupted_run_keeps_no_such_weight(tmp_path: Path) -> None:
    asked = False
    training = loop(recipe({"epochs": 2}), checkpoints=tmp_path, stop=lambda: asked)

    def plant(step: int) -> None:
        nonlocal asked
        asked = True
        with torch.no_grad():
            training.network.get_parameter("conv1.weight").fill_(math.nan)

    ended(training, plant)
    assert not list(tmp_path.iterdir())


def test_a_run_that_diverges_leaves_no_model_and_says_why(tmp_path: Path) -> None:
    data: DataSet = data_set()
    with pytest.raises(RunFailed, match=r"training needs finite numbers\. At step \d+ the \w+ is not: .* Lower the"):
        list(
            api.train_records(
                data, network="conv 3x3 8, relu, conv 3x3 8, relu, dense 16, relu, dense", out=tmp_path / "run",
                settings={"epochs": 30, "optimizer.name": "sgd", "learning_rate": 1e20, "schedule.name": "constant",
                          "keep": "last", "batch_size": 8},
            )
        )  # fmt: skip
    run = api.Run(tmp_path / "run")
    assert not run.model_path.exists()
    assert not list(run.path.rglob("*.safetensors"))
    assert isinstance(run.records[-1], Stopped)
    assert run.records[-1].reason.startswith("non-finite ")
    assert run.looks == 0


def test_what_is_finite() -> None:
    large = torch.full((4, 1000), 3e38)
    assert nonfinite.all_finite([large, torch.zeros(3, dtype=torch.int64), torch.ones(2, dtype=torch.float64) * 1e300])
    assert nonfinite.all_finite([])
    for value in BAD:
        assert not nonfinite.all_finite([torch.ones(3), torch.tensor([1.0, value])])
    assert not nonfinite.all_finite([torch.tensor([math.inf, -math.inf])])
