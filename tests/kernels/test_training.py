"""Training by a plan: the run says which, goes on by the stored one to the same bits, and learns as much as plain."""

from __future__ import annotations

import dataclasses
import importlib
import json
import statistics
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import convscope
from convscope import kernels
from convscope.cli import run as command
from convscope.data import sources
from convscope.data.images import DataSet
from convscope.network.build import Network
from convscope.run import Note, Run, Step, Stopped
from convscope.train.loop import Job, Loop
from kernels.steps import every_way
from train.small import carried_out, data_set, of_kind, recipe

PLAN = importlib.import_module("convscope.kernels.plan")
NET = "conv 3x3 8, bn, relu, maxpool 2, conv 3x3 8, relu, conv 1x1 8, relu, dropout 0.2, dense"


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Threads are the process's: they are put back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """36 pictures of two classes: noise with a bright half."""
    generator = np.random.default_rng(0)
    for place, name in enumerate(("left", "right")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(18):
            picture = generator.integers(0, 90, (12, 12), dtype=np.uint8)
            picture[:, 6 * place : 6 * place + 6] += 120
            Image.fromarray(picture).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


@pytest.fixture
def side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which bfloat16 won, and every other way than the usual."""

    def chosen(network: Network, shape: object, precision: str, anew: bool) -> dict[str, Any]:
        word = "float32" if precision == "float32" else "bfloat16"
        layers = every_way(network) if word == "bfloat16" else {}
        return {"precision": word, "layers": layers, "trial": {}}

    monkeypatch.setattr(PLAN, "_remembered", chosen)


def trained(pictures: Path, out: Path, *words: str) -> Run:
    given = ["train", str(pictures), "--net", NET, "--steps", "4", "--batch-size", "8", "--out", str(out), "--quiet"]
    assert command([*given, *words]) == 0
    return Run(out)


@pytest.mark.parametrize(
    ("words", "precision", "layout"),
    [
        ([], "bfloat16", "channels_last"),
        (["--plain"], "float32", "contiguous"),
        (["--set", "precision=float32"], "float32", "channels_last"),
        (["--set", "precision=bfloat16"], "bfloat16", "channels_last"),
    ],
    ids=["of itself", "plain", "float32", "bfloat16"],
)
def test_the_run_says_its_plan(
    pictures: Path, tmp_path: Path, side_by_side: None, words: list[str], precision: str, layout: str
) -> None:
    kept = trained(pictures, tmp_path / "run", *words)
    assert kept.plan["precision"] == precision
    assert kept.plan["layout"] == layout
    assert bool(kept.plan.get("layers")) == (precision == "bfloat16")
    assert tomllib.loads(kept.recipe_text)["train"]["precision"] == precision
    assert json.loads(kept.plan_path.read_text(encoding="utf-8"))["plan"] == kept.plan
    weights = load_file(kept.model_path)
    assert {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()} == {torch.float32}


def test_plain_trains_the_network_itself(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PLAN, "_remembered", None)  # nothing is measured
    monkeypatch.setattr(kernels, "keep_freed", None)  # nothing is told to malloc
    assert trained(pictures, tmp_path / "run", "--plain").plan["order"] is False


def test_plain_and_resume_are_refused_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["train", "--resume", str(tmp_path), "--plain"]) == 2
    assert "--resume goes on with a run as it was begun" in capsys.readouterr().err


def test_a_resumed_run_takes_its_stored_plan_to_the_same_bits(
    pictures: Path, tmp_path: Path, side_by_side: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"steps": 9, "batch_size": 8}
    whole = convscope.train(str(pictures), network=NET, settings=settings, out=tmp_path / "whole", quiet=True)
    assert whole.plan["layers"]
    asked = iter(range(5))
    stopped = list(
        convscope.train_records(
            str(pictures), network=NET, settings=settings, out=tmp_path / "part",
            stop=lambda: next(asked, None) is None,
        )
    )  # fmt: skip
    assert of_kind(stopped, Stopped)[-1].reason == "interrupted"
    assert not Run(tmp_path / "part").model_path.exists()
    monkeypatch.setattr(PLAN, "_remembered", None)  # the stored plan is taken; none is made
    records = list(convscope.resume(tmp_path / "part"))
    assert of_kind(records, Note)[0].text == "going on from step 5"
    assert Run(tmp_path / "part").plan | {"seconds": 0.0} == whole.plan | {"seconds": 0.0}  # the clock's are its own
    found, expected = load_file(Run(tmp_path / "part").model_path), load_file(whole.model_path)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    steps = {step.step: step.loss for step in of_kind(whole.records, Step)}
    assert {step.step: step.loss for step in of_kind(records, Step)}.items() <= steps.items()


def test_the_plan_is_what_trains() -> None:
    """Another precision gives other weights, the same plan the same."""
    made, data = recipe({"epochs": 2}), data_set(size=8)
    ends = []
    for precision in ("bfloat16", "bfloat16", "float32"):
        network = Network(NET, input=(8, 8, 1), classes=3)
        plan = kernels.plan() | {"precision": precision, "layers": every_way(network)}
        training = Loop(Job(network, data, made, plan=plan))
        carried_out(training)
        ends.append(torch.cat([tensor.flatten() for tensor in training.result.parameters()]))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
    assert (ends[0] - ends[2]).norm() < 0.2 * ends[2].norm()


# As much is learned: final accuracy within the spread of seeds

DIGITS = "conv 3x3 16, relu, maxpool 2, conv 3x3 32, relu, maxpool 2, dense 64, relu, dense"


def digits() -> DataSet:
    return convscope.data("digits", seed=0)


def accuracy(data: DataSet, seed: int, epochs: int, precision: str) -> float:
    """The share of right answers on the test pictures: PyTorch as it comes, or bfloat16 with every other way."""
    network = Network(DIGITS, input=(8, 8, 1), classes=10, seed=seed)
    settings: dict[str, dict[str, Any]] = {
        "optimizer": {"learning_rate": 0.05},
        "schedule": {"name": "one-cycle"},
    }  # a constant rate ends anywhere
    made = recipe({"epochs": epochs, "batch_size": 32}, **settings)
    plan = kernels.plain()
    if precision == "bfloat16":
        plan = kernels.plan() | {"precision": precision, "layers": every_way(network)}
    training = Loop(Job(network, data, made.model_copy(update={"seed": seed}), plan=plan))
    carried_out(training)
    with torch.no_grad():
        logits = training.result(data.preprocess.to_input(data.test.images))
    return float((logits.argmax(1).numpy() == data.test.labels).mean())


def assert_as_much(plain: list[float], fast: list[float]) -> None:
    """The mean of the paired differences is within three standard errors of none, or within a tenth of a point."""
    differences = [other - one for one, other in zip(plain, fast, strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5
    assert abs(statistics.mean(differences)) <= max(3 * error, 0.001), (plain, fast)


def test_as_much_is_learned_of_few_digits() -> None:
    data = digits()
    few = dataclasses.replace(data, train=data.train.subset(list(range(600))))
    found = {word: [accuracy(few, seed, 12, word) for seed in range(2)] for word in ("float32", "bfloat16")}
    assert min(found["float32"]) > 0.85
    assert abs(statistics.mean(found["float32"]) - statistics.mean(found["bfloat16"])) < 0.03  # 8 of 269 pictures


@pytest.mark.soak
def test_as_much_is_learned_of_the_digits() -> None:
    data = digits()
    found = {word: [accuracy(data, seed, 20, word) for seed in range(20)] for word in ("float32", "bfloat16")}
    assert_as_much(found["float32"], found["bfloat16"])


@pytest.mark.soak
@pytest.mark.skipif(sources.where("mnist") is None, reason="MNIST is not here")
@pytest.mark.skipif(not kernels.narrow(), reason="this processor has no bfloat16, so both are plain")
def test_as_much_is_learned_of_mnist(tmp_path: Path) -> None:
    """`convscope train mnist`, both ways, 5 seeds."""

    def ends(seed: int, *words: str) -> float:
        out = tmp_path / f"{seed}{''.join(words)}"
        assert command(["train", "mnist", "--seed", str(seed), "--out", str(out), "--quiet", *words]) == 0
        found = Run(out).test
        assert found is not None
        return found.k / found.n

    plain = [ends(seed, "--plain") for seed in range(5)]
    fast = [ends(seed, "--set", "precision=bfloat16") for seed in range(5)]
    assert_as_much(plain, fast)
