"""Side classifiers: they join the loss in training, their gradients reach what lies before them, and prediction and
validation never run them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from convscope.classifier import Classifier
from convscope.errors import ConvscopeError
from convscope.network.build import Network
from convscope.network.shapes import NetworkError, check_end
from convscope.network.walk import Walk
from convscope.run import Epoch, Step
from convscope.train import checkpoint
from convscope.train.loop import Loop
from train.small import carried_out, data_set, loop, network, of_kind, recipe, stop_after

NET = """
let block(a, b) = ( concat( conv 1x1 a, relu | conv 1x1 a, relu, conv 3x3 b, relu | maxpool 3 /1 same, conv 1x1 a ) )
stem: conv 3x3 4, bn, relu
block(2, 4), aux weight=0.3 ( gap, dense 5, relu, dropout 0.2, dense )
block(3, 4), aux weight=0.5 ( conv 1x1 classes, gap )
gap, dense
"""
"""GoogLeNet's shape: side by side, joined, a classifier on each side."""


def trained(steps: int = 6, **job: Any) -> Loop:
    made = recipe({"steps": steps}, optimizer={"learning_rate": 0.05})
    training = loop(made, module=network(data_set(), NET), **job)
    carried_out(training)
    return training


def test_the_loss_is_the_networks_and_its_sides() -> None:
    data = data_set()
    fresh = network(data, NET.replace("dropout 0.2, ", ""))
    assert fresh.aux == {"aux1": 0.3, "aux2": 0.5}
    made = recipe({"steps": 1, "shuffle": False})
    x, y = loop(made, data, fresh).batches.batch(np.arange(8), 0)
    logits, sides = fresh.train()(x, keep=fresh.aux)
    told = functional.cross_entropy(logits, y) + sum(
        fresh.aux[label] * functional.cross_entropy(side, y) for label, side in sides.items()
    )
    again = network(data, NET.replace("dropout 0.2, ", ""))
    step = of_kind(carried_out(loop(made, data, again)), Step)[0]
    assert step.loss == pytest.approx(told.item(), rel=1e-6)


def test_what_a_side_learns_reaches_the_body() -> None:
    """Where the main classifier sends nothing, the stem learns by the sides alone."""
    data = data_set()
    fresh = network(data, NET)
    for name, parameter in fresh.named_parameters():
        parameter.requires_grad_(not name.startswith("dense1."))
    with torch.no_grad():
        fresh.state_dict()["dense1.weight"].zero_()  # no gradient goes through it
    before = {name: t.clone() for name, t in fresh.state_dict().items()}
    carried_out(loop(recipe({"steps": 1}), data, fresh))
    moved = {name for name, t in fresh.state_dict().items() if not torch.equal(t, before[name])}
    assert {"stem.weight", "aux1.dense1.weight", "aux2.conv1.weight"} <= moved


def test_it_learns_and_its_sides_too() -> None:
    training = trained(60)
    classifier = Classifier(training.result, training.preprocess, training.job.data.classes)
    validation = training.validation_set
    x = training.preprocess.to_input(validation.images)
    with torch.no_grad():
        logits, sides = training.result(x, keep=["aux1", "aux2"])
    for said in (logits, *sides.values()):
        assert (said.argmax(1).numpy() == validation.labels).mean() > 0.6
    assert classifier.predict(validation.images[0].transpose(1, 2, 0)).label in training.job.data.classes


def test_prediction_knows_nothing_of_the_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    training = trained()
    result = training.result
    assert isinstance(result, Network)
    x = training.preprocess.to_input(training.validation_set.images)
    with torch.no_grad():
        before = result(x)
        for name, parameter in result.named_parameters():
            if name.startswith("aux"):
                parameter.fill_(float("nan"))
        assert torch.equal(result(x), before)
    ran: list[str] = []
    monkeypatch.setattr(Walk, "_aux", lambda self, item, x: ran.extend(self.kept))
    classifier = Classifier(result, training.preprocess, training.job.data.classes)
    classifier.predict(training.validation_set.images[0].transpose(1, 2, 0))
    assert ran == []


def test_a_kept_layer_inside_runs_its_side_alone() -> None:
    fresh = network(data_set(), NET).eval()
    with torch.no_grad():
        for name, parameter in fresh.named_parameters():
            if name.startswith("aux2"):
                parameter.fill_(float("nan"))
        logits, kept = fresh(torch.zeros(2, 1, 6, 6), keep=["aux1.dense1"])
    assert set(kept) == {"aux1.dense1"}
    assert kept["aux1.dense1"].shape == (2, 5)
    assert logits.isfinite().all()


def test_model_files_and_checkpoints_carry_them(tmp_path: Path) -> None:
    training = trained(checkpoints=tmp_path)
    classifier = Classifier(training.result, training.preprocess, training.job.data.classes)
    classifier.save(tmp_path / "model.safetensors")
    loaded = Classifier.load(tmp_path / "model.safetensors").network.state_dict()
    assert {name for name in loaded if name.startswith("aux")} == {
        "aux1.dense1.weight", "aux1.dense1.bias", "aux1.dense2.weight", "aux1.dense2.bias",
        "aux2.conv1.weight", "aux2.conv1.bias",
    }  # fmt: skip
    for name, tensor in training.result.state_dict().items():
        assert torch.equal(tensor, loaded[name])


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = trained(6)
    stopped = loop(
        recipe({"steps": 6}, optimizer={"learning_rate": 0.05}), module=network(data_set(), NET),
        checkpoints=tmp_path, stop=stop_after(3),
    )  # fmt: skip
    carried_out(stopped)
    saved = checkpoint.latest(tmp_path)
    assert saved is not None
    on = loop(recipe({"steps": 6}, optimizer={"learning_rate": 0.05}), module=network(data_set(), NET))
    on.resume(saved)
    carried_out(on)
    for name, tensor in whole.result.state_dict().items():
        assert torch.equal(tensor, on.result.state_dict()[name]), name


def test_a_side_that_stands_still() -> None:
    data = data_set()
    fresh = network(data, NET)
    before = fresh.state_dict()["aux1.dense1.weight"].clone()
    carried_out(loop(recipe({"steps": 3, "freeze": ["aux1"]}), data, fresh))
    assert torch.equal(fresh.state_dict()["aux1.dense1.weight"], before)


def test_validation_and_training_are_counted_by_the_main_classifier() -> None:
    """A weight of 0 leaves the same training as no side at all."""
    data = data_set()
    silent = NET.replace("weight=0.3", "weight=0").replace("weight=0.5", "weight=0").replace("dropout 0.2, ", "")
    bare = "\n".join(line.partition(", aux")[0] for line in NET.splitlines())
    start = network(data, silent).state_dict()
    ends = []
    for text in (silent, bare):
        fresh = network(data, text)  # a layer's first numbers hang on its turn, which the sides' layers shift
        fresh.load_state_dict({name: start[name] for name in fresh.state_dict()})
        made = loop(recipe({"epochs": 2}), data, fresh)
        ends.append([dataclasses.replace(one, elapsed=0, left=0) for one in of_kind(carried_out(made), Epoch)])
    for one, other in zip(*ends, strict=True):
        assert one.validation_k == other.validation_k
        assert one.validation_loss is not None
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=1e-3)


def test_a_side_must_end_in_one_number_a_class() -> None:
    sizes = Network("conv 3x3 4, aux ( gap, dense 7 ), dense", input=(6, 6, 1), classes=3).sizes
    with pytest.raises(
        NetworkError, match=r"aux1 must end in one number a class\. aux1\.dense1 gives 7 and there are 3"
    ):
        check_end(sizes, 3)


def test_a_side_that_is_not_finite_is_found() -> None:
    data = data_set()
    fresh = network(data, NET)
    with torch.no_grad():
        fresh.state_dict()["aux1.dense2.bias"].fill_(3e38)
        fresh.state_dict()["aux1.dense2.weight"].fill_(3e38)
    with pytest.raises(ConvscopeError, match=r"aux1\.dense2 is the first layer whose output is not finite"):
        carried_out(loop(recipe({"steps": 1}), data, fresh))
