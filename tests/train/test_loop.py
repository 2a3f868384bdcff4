"""A training does what its recipe says, and one that was stopped anywhere goes on to the same bits."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError, RunFailed
from convscope.recipe import Recipe
from convscope.run import Epoch, Forecast, Note, Saved, Step, Stopped
from convscope.train import checkpoint, loss, optim
from convscope.train.loop import Job, Loop
from convscope.train.loss import Loss
from train.small import CLASSES, carried_out, data_set, image_set, loop, network, of_kind, recipe, stop_after

AUGMENT = {"crop": 1, "flip": True, "rotate": 10.0, "brightness": 20.0, "contrast": [0.8, 1.2], "cutout": 2}
BENT = {"flip": "alternating", "zoom": 0.1, "elastic": 1.0, "pad_mode": "reflect"}
TIMES = ("elapsed", "left", "images_per_second")


def digest(training: Loop, history: list[Epoch], losses: list[Step]) -> dict[str, str]:
    """SHA-256 of all that a training is and has told, but for the times."""
    tensors: dict[str, dict[str, Tensor]] = {
        "network": training.network.state_dict(),
        "average": training.average.state_dict() if training.average else {},
        "best": training.best or {},
        "optimizer": optim.state_tensors(training.optimizer, training.network),
        "result": training.result.state_dict(),
    }
    found = {}
    for part, named in tensors.items():
        total = hashlib.sha256()
        for name in sorted(named):
            total.update(name.encode() + named[name].contiguous().numpy().tobytes())
        found[part] = total.hexdigest()
    records: list[Epoch | Step] = [*history, *losses]
    told = [{k: v for k, v in asdict(record).items() if k not in TIMES} for record in records]
    found["history"] = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    return found


@pytest.mark.parametrize(("optimizer", "augment"), [("sgd", AUGMENT), ("adam", AUGMENT), ("muon", BENT)])
def test_a_training_stopped_at_any_step_goes_on_to_the_same_bits(
    optimizer: str, augment: dict[str, Any], tmp_path: Path
) -> None:
    made = recipe(
        {"epochs": 3, "ema": 0.9, "keep": "best", "patience": 9, "label_smoothing": 0.1, "freeze": ["conv1@3"]},
        optimizer={"name": optimizer, "learning_rate": 0.05, "weight_decay": 0.01},
        schedule={"name": "one-cycle"},
        augment=augment,
    )
    data = data_set()
    whole = loop(made, data)
    records = carried_out(whole)
    steps = of_kind(records, Step)
    assert [step.step for step in steps] == list(range(1, 16))
    told = digest(whole, of_kind(records, Epoch), steps)
    assert whole.best is not None
    assert whole.average is not None
    assert optim.state_tensors(whole.optimizer, whole.network)

    for at in range(15):
        folder = tmp_path / f"{at}"
        first = loop(made, data, checkpoints=folder, stop=stop_after(at))
        before = carried_out(first)
        assert of_kind(before, Stopped)[-1].reason == "interrupted"
        assert of_kind(before, Saved)[-1].step == at
        saved = checkpoint.latest(folder)
        assert saved is not None
        torch.manual_seed(at)  # what the resumed process has drawn before means nothing
        second = loop(made, data, network(data, seed=99), checkpoints=folder)
        second.resume(saved)
        after = carried_out(second)
        history = of_kind(before, Epoch) + of_kind(after, Epoch)
        assert digest(second, history, of_kind(before, Step) + of_kind(after, Step)) == told, at


def test_each_group_has_the_same_share_of_its_own_rate() -> None:
    """Muon's filters and everything else; what is told is the filters' rate."""
    rates = {"name": "muon", "learning_rate": 0.2, "other_rate": 0.04}
    training = loop(recipe({"epochs": 3}, optimizer=rates, schedule={"name": "one-cycle"}))
    seen = []
    for record in training.records():
        if isinstance(record, Step):
            seen.append((record.learning_rate, [group["lr"] for group in training.optimizer.param_groups]))
    assert len({rate for rate, _ in seen}) > 5
    assert max(rate for rate, _ in seen) == pytest.approx(0.2, rel=0.2)
    for rate, (filters, *others) in seen:
        assert filters == rate
        assert others == pytest.approx([rate / 5] * 2)


def test_the_callers_random_numbers_go_on() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for _ in loop(recipe({"steps": 2})).records():
        pass
    assert torch.equal(torch.rand(3), expected)


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    def trained(seed: int) -> Tensor:
        data = data_set()
        made = recipe({"steps": 4}, augment=AUGMENT).model_copy(update={"seed": seed})
        training = loop(made, data, network(data, seed=seed))
        carried_out(training)
        return torch.cat([p.flatten() for p in training.result.parameters()]).detach()

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


# ---- how long -------------------------------------------------------------------------------------------------------


def test_epochs_and_steps_are_counted() -> None:
    records = carried_out(loop(recipe({"epochs": 2})))
    assert [(e.epoch, e.step, e.train_n, e.validation_n) for e in of_kind(records, Epoch)] == [
        (1, 5, 40, 12),
        (2, 10, 40, 12),
    ]
    assert of_kind(records, Stopped) == [Stopped("epochs", 10, 2)]
    forecast = of_kind(records, Forecast)[0]
    assert (forecast.epochs, forecast.steps) == (2.0, 10)
    assert forecast.memory_bytes > 0


def test_steps_may_end_within_an_epoch() -> None:
    records = carried_out(loop(recipe({"steps": 7})))
    epochs = of_kind(records, Epoch)
    assert [(e.epoch, e.step, e.train_n) for e in epochs] == [(1, 5, 40), (2, 7, 16)]
    assert of_kind(records, Forecast)[0].epochs == 1.4
    assert of_kind(records, Stopped) == [Stopped("epochs", 7, 1)]


def sizes(**train: Any) -> list[int]:
    training = loop(recipe({"epochs": 1, **train}), data_set(17))
    return [len(rows) for rows in training.batches.rows(0)]


def test_the_last_batch() -> None:
    assert sizes(batch_size=5) == [5, 5, 5, 2]
    assert sizes(batch_size=5, drop_last=True) == [5, 5, 5]
    assert sizes(batch_size=8) == [8, 9]  # one picture alone joins the batch before
    assert sizes(batch_size=8, drop_last=True) == [8, 8]
    assert sizes(batch_size=50, drop_last=True) == [17]  # something must be learned from
    assert sizes(batch_size=1) == [1] * 15 + [2]


def test_the_order_of_the_pictures() -> None:
    kept = loop(recipe({"epochs": 1, "shuffle": False})).batches
    assert np.concatenate(kept.rows(0)).tolist() == list(range(40))
    shuffled = loop(recipe({"epochs": 1})).batches
    first, second = (np.concatenate(shuffled.rows(epoch)).tolist() for epoch in (0, 1))
    assert first != second
    assert sorted(first) == sorted(second) == list(range(40))


class Clock:
    """Time that passes only where `Slow` says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


class Slow(nn.Module):
    """A network that takes a second for a training batch, and half a second for a batch that it only reads."""

    def __init__(self, clock: Clock, inputs: int = 36) -> None:
        super().__init__()
        self.clock, self.dense = clock, nn.Linear(inputs, len(CLASSES))
        self.pace = 1.0

    def forward(self, x: Tensor) -> Tensor:
        self.clock.now += self.pace if self.training else self.pace / 2
        return torch.as_tensor(self.dense(x.flatten(1)))


@pytest.mark.parametrize("validation", [0, 12])
@pytest.mark.parametrize("slower", [1.0, 3.0, 0.4])
def test_a_budget_is_used_up_and_not_overrun(validation: int, slower: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("convscope.train.loop.time", SimpleNamespace(perf_counter=clock.perf_counter))
    slow = Slow(clock)
    training = loop(recipe({"budget": "200s"}, schedule={"name": "cosine"}), data_set(40, validation), slow)
    records = training.records()
    rates = []
    for record in records:
        if isinstance(record, Step):
            slow.pace = slower  # the measurement before the first step was too hopeful, or too gloomy
            rates.append(record.learning_rate)
            last = record
        elif isinstance(record, Stopped):
            stopped = record
    assert stopped.reason == "budget"
    assert 0.85 * 200 <= clock.now - 100 <= 200 + 3 + 3 * slower  # three seconds went into measuring
    assert last.left <= 3 * slower
    assert rates[-1] < 0.02 * max(rates)  # the schedule came to its end too


def test_a_budget_that_ends_with_an_epoch_tells_of_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("convscope.train.loop.time", SimpleNamespace(perf_counter=clock.perf_counter))
    slow = Slow(clock)
    training = loop(recipe({"budget": "30s"}), data_set(40, 12), slow)
    epochs = []
    for record in training.records():
        if isinstance(record, Step) and record.step == 5:
            slow.pace = 1000.0  # the look at the validation pictures uses up the rest
        if isinstance(record, Epoch):
            epochs.append(record)
    assert [epoch.train_n for epoch in epochs] == [40]


def test_a_budget_ends_early_where_everything_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.train.forecast.MOST_EPOCHS_OF_A_BUDGET", 2)
    records = carried_out(loop(recipe({"budget": "1h"})))
    assert of_kind(records, Stopped) == [Stopped("epochs", 10, 2)]


# ---- what is kept ---------------------------------------------------------------------------------------------------


class Scripted(nn.Module):
    """A network whose validation loss is the script's: it says the truth with the sureness of the epoch's number."""

    def __init__(self, script: list[float]) -> None:
        super().__init__()
        self.script = list(script)
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("epoch", torch.zeros(()))
        self.epoch: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            logits = torch.zeros(len(x), len(CLASSES))
        else:
            self.epoch += 1
            # cross-entropy of logits (a, 0, 0) where the first class is right, averaged over classes, grows with a
            logits = torch.zeros(len(x), len(CLASSES))
            logits[:, 0] = self.script[int(self.epoch) - 1]
        return logits * self.scale


def scripted(script: list[float], **train: Any) -> tuple[Loop, list[Any]]:
    training = loop(recipe({"epochs": len(script), **train}), data_set(8, 12), Scripted(script))
    return training, carried_out(training)


def test_early_stopping_names_its_metric_and_its_split() -> None:
    _, records = scripted([5, 1, 2, 3, 0.5], patience=2)
    stopped = of_kind(records, Stopped)[0]
    assert stopped.epoch == 4
    assert stopped.reason.startswith(
        "early stopping: the validation loss has not fallen for 2 epochs; it was lowest, 1.2181, in epoch 2; "
    )
    assert stopped.reason.endswith("the last weights are kept")
    assert [epoch.best for epoch in of_kind(records, Epoch)] == [True, True, False, False]


def test_the_best_weights_are_kept() -> None:
    training, records = scripted([5, 1, 2, 3, 4], keep="best")
    assert of_kind(records, Stopped)[0].reason == "epochs"
    assert training.result.state_dict()["epoch"] == 2
    training, records = scripted([5, 1, 2, 3, 0.5], keep="best", patience=2)
    assert "that epoch's weights are kept" in of_kind(records, Stopped)[0].reason
    assert training.result.state_dict()["epoch"] == 2
    training, _ = scripted([5, 1, 2, 3, 4])
    assert training.result.state_dict()["epoch"] == 5


def test_choosing_needs_validation_pictures() -> None:
    with pytest.raises(ConvscopeError, match=r"early stopping needs validation pictures. Got patience = 3 and none"):
        loop(recipe({"epochs": 1, "patience": 3}), data_set(8, 0))
    records = carried_out(loop(recipe({"epochs": 1, "keep": "best"}), data_set(8, 0)))
    assert "keep = 'best' chooses by the validation loss" in of_kind(records, Note)[0].text
    assert of_kind(records, Epoch)[0].validation_loss is None


def test_the_average_follows_the_weights() -> None:
    training = loop(recipe({"steps": 3, "ema": 0.5}))
    mean = {name: t.clone().double() for name, t in training.network.state_dict().items()}
    for record in training.records():
        if isinstance(record, Step):
            decay = min(0.5, (1 + record.step) / (10 + record.step))
            for name, now in training.network.state_dict().items():
                mean[name] = decay * mean[name] + (1 - decay) * now if now.is_floating_point() else now.clone()
    for name, now in training.result.state_dict().items():
        torch.testing.assert_close(now.double(), mean[name].double(), rtol=1e-5, atol=1e-7)


def test_training_needs_pictures() -> None:
    with pytest.raises(ConvscopeError, match=r"training needs pictures. The training split has none"):
        loop(recipe({"epochs": 1}), data_set(0))


def test_a_network_must_give_one_number_a_class() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(36, 4))
    with pytest.raises(ConvscopeError, match=r"one number a class for each picture: \(8, 3\). Got \(8, 4\)"):
        carried_out(loop(recipe({"epochs": 1}), module=flat))


# ---- the loss, the gradient -----------------------------------------------------------------------------------------


def test_balanced_classes_equal_a_hand_computation() -> None:
    weights = loss.balanced(np.array([0, 0, 0, 1]), 3)
    assert weights.tolist() == pytest.approx([4 / 9, 4 / 3, 4 / 3])
    logits = torch.tensor([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0], [0.5, 0.5, 0.5], [0.0, 1.0, 0.0]])
    labels = torch.tensor([0, 0, 0, 1])
    each = -torch.log_softmax(logits, 1)[torch.arange(4), labels]
    w = weights[labels]
    assert float(loss.build("cross-entropy", 0.0, weights)(logits, labels)) == pytest.approx(
        float((w * each).sum() / w.sum())
    )


def test_balanced_classes_are_those_of_the_training_part() -> None:
    data = data_set(13)
    counts = np.bincount(data.train.labels)
    training = loop(recipe({"epochs": 1, "class_weights": "balanced"}), data)
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    weights = torch.tensor(13 / (3 * counts), dtype=torch.float32)
    assert torch.equal(training.loss(logits, labels), functional.cross_entropy(logits, labels, weights))


def test_a_loss_says_what_it_cannot_do() -> None:
    with pytest.raises(ConvscopeError, match="clipped-mean' takes neither label_smoothing nor class_weights"):
        loss.build("clipped-mean", 0.1)
    with pytest.raises(ConvscopeError, match="loss = 'rbf' takes neither label_smoothing nor class_weights"):
        loss.build("rbf", 0.1)
    with pytest.raises(ConvscopeError, match="Use loss = 'cross-entropy'"):
        loop(recipe({"epochs": 1, "loss": "clipped-mean", "class_weights": "balanced"}))


def first_step(made: Recipe, data: Any = None, text: str = "dense") -> tuple[Loop, Step]:
    data = data or data_set()
    training = loop(made, data, network(data, text))
    return training, of_kind(carried_out(training), Step)[0]


def test_the_loss_is_the_recipes() -> None:
    data = data_set()
    smoothed: Loss = lambda z, y: functional.cross_entropy(z, y, label_smoothing=0.2)  # noqa: E731
    clipped: Loss = lambda z, y: functional.cross_entropy(z, y) / len(CLASSES)  # noqa: E731
    for train, expected in (({"label_smoothing": 0.2}, smoothed), ({"loss": "clipped-mean"}, clipped)):
        fresh = network(data, "dense")
        made = recipe({"steps": 1, "shuffle": False, **train})
        x, y = loop(made, data, fresh).batches.batch(np.arange(8), 0)
        _, step = first_step(made, data)
        assert step.loss == pytest.approx(expected(fresh(x), y).item(), rel=1e-6)


def test_penalties_are_part_of_the_loss() -> None:
    _, plain = first_step(recipe({"steps": 1}))
    _, step = first_step(recipe({"steps": 1}), text="dense l1=0.1 l2=0.5")
    weight = network(data_set(), "dense").state_dict()["dense1.weight"].double()
    penalty = 0.1 * float(weight.abs().sum()) + 0.5 / 2 * float((weight**2).sum())
    assert step.loss == pytest.approx(plain.loss + penalty, rel=1e-5)


def test_a_long_gradient_is_cut() -> None:
    steps = {}
    for clip in (0.0, 1e-3):
        data = data_set()
        fresh = network(data, "dense")
        start = {name: t.clone() for name, t in fresh.state_dict().items()}
        made = recipe({"steps": 1, "clip": clip}, optimizer={"learning_rate": 1.0, "momentum": 0.0, "nesterov": False})
        training = loop(made, data, fresh)
        carried_out(training)
        moved = torch.cat([(t - start[name]).flatten() for name, t in training.network.state_dict().items()])
        steps[clip] = float(moved.norm())
    assert steps[0.0] > 1e-2
    assert steps[1e-3] == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.slow
def test_the_first_loss_of_the_cifar_tutorial() -> None:
    from convscope.network.source import text_of
    from convscope.recipe import bundled, load

    made = load(bundled()["tutorial-b-cifar10"])
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (128, 3, 32, 32), dtype=np.uint8)
    classes = tuple("0123456789")
    some = replace(image_set(128), images=images, labels=np.arange(128) % 10, classes=classes)
    data = replace(
        data_set(128, 0, 0), train=some, classes=classes,
        preprocess=Preprocess((32, 32), 3, crop_to=(24, 24), per_picture=True),
    )  # fmt: skip
    made = made.model_copy(update={"train": made.train.model_copy(update={"steps": 1})})
    step = of_kind(carried_out(Loop(Job(network(data, text_of(made.network)), data, made))), Step)[0]
    assert step.loss == pytest.approx(math.log(10) + 2.37, abs=0.05)  # 4.68, which the tutorial prints


# ---- freezing -------------------------------------------------------------------------------------------------------


def states(training: Loop) -> list[dict[str, Tensor]]:
    """The weights after each epoch, those at the start first."""
    found = [{name: t.clone() for name, t in training.network.state_dict().items()}]
    for record in training.records():
        if isinstance(record, Epoch):
            found.append({name: t.clone() for name, t in training.network.state_dict().items()})
    return found


def moves(found: list[dict[str, Tensor]], name: str) -> list[bool]:
    return [not torch.equal(a[name], b[name]) for a, b in itertools.pairwise(found)]


def test_what_is_frozen_stands_still() -> None:
    made = recipe(
        {"epochs": 3, "freeze": ["conv1", "bn1", "dense1.bias@2"]}, optimizer={"name": "adamw", "weight_decay": 0.1}
    )
    found = states(loop(made))
    never, always = [False] * 3, [True] * 3
    assert moves(found, "conv1.weight") == never
    assert moves(found, "bn1.weight") == never
    assert moves(found, "bn1.running_mean") == never  # its statistics too, though training pictures went through it
    assert moves(found, "dense1.bias") == [True, False, False]
    assert moves(found, "dense1.weight") == always


def test_statistics_move_where_nothing_is_frozen() -> None:
    assert moves(states(loop(recipe({"epochs": 1}))), "bn1.running_mean") == [True]


def test_freeze_names_what_exists() -> None:
    with pytest.raises(ConvscopeError, match=r"unknown layer or tensor in freeze 'conv9', did you mean 'conv\d'\?"):
        loop(recipe({"epochs": 1, "freeze": ["conv9"]}))
    with pytest.raises(ConvscopeError, match="freeze must leave something to learn"):
        loop(recipe({"epochs": 1, "freeze": ["conv1", "bn1", "conv2", "dense1"]}))


# ---- checkpoints ----------------------------------------------------------------------------------------------------


def test_checkpoints_come_within_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("convscope.train.loop.time", SimpleNamespace(perf_counter=clock.perf_counter))
    slow = Slow(clock)
    slow.pace = 9.0
    records = carried_out(loop(recipe({"epochs": 2}), data_set(40, 0), slow, checkpoints=tmp_path))
    assert [saved.step for saved in of_kind(records, Saved)] == [3, 6, 9]  # every 20 s at least, never at the end


def test_a_full_disk_is_a_note_but_not_at_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise RunFailed("the disk is full.")

    monkeypatch.setattr("convscope.train.checkpoint.save_bytes", full)
    monkeypatch.setattr("convscope.train.loop._SAVE_EVERY_SECONDS", 0.0)
    records = carried_out(loop(recipe({"epochs": 1}), checkpoints=tmp_path))
    assert of_kind(records, Note)[0].text.startswith("no checkpoint at step 0: the disk is full.")
    assert of_kind(records, Stopped)[0].reason == "epochs"
    with pytest.raises(RunFailed, match="the disk is full"):
        carried_out(loop(recipe({"epochs": 1}), checkpoints=tmp_path, stop=stop_after(2)))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    carried_out(loop(recipe({"epochs": 1}), checkpoints=tmp_path, stop=stop_after(2)))
    saved = checkpoint.latest(tmp_path)
    assert saved is not None
    data = data_set()
    other = loop(recipe({"epochs": 1}), data, network(data, "dense"))
    with pytest.raises(ConvscopeError, match="a checkpoint must fit the network that goes on with it"):
        other.resume(saved)


def test_what_the_network_sees() -> None:
    data = data_set()
    plain = loop(recipe({"epochs": 1, "shuffle": False}), data).batches
    images, labels = plain.seen(5)
    assert np.array_equal(images, data.train.images[:5])
    assert labels.tolist() == data.train.labels[:5].tolist()
    changed = loop(recipe({"epochs": 1, "shuffle": False}, augment=AUGMENT), data).batches
    x, _ = changed.batch(np.arange(5), 0)
    images, _ = changed.seen(5)
    assert not np.array_equal(images, data.train.images[:5])
    clean = (x * 0.3 + 0.3).clamp(0, 1) * 255  # back from Preprocess.to_input
    assert np.abs(clean.numpy() - images).max() <= 1.001  # rounding to whole values
