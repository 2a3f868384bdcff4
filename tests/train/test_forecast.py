"""What a training is said to take: memory and time, against what it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from convscope.kernels import forward
from convscope.network.build import Network
from convscope.network.memory import training_memory
from convscope.notation.tree import Layer
from convscope.recipe import OptimizerSettings
from convscope.train import forecast, step_time

FORECAST = Path(__file__).parents[2] / "benchmarks" / "forecast.py"


def test_steps_in_a_time() -> None:
    assert forecast.steps_in(10, 0.1) == 98
    assert forecast.steps_in(-1, 0.1) == 0


def test_memory_of_a_network() -> None:
    network = Network("conv 3x3 8, relu, maxpool 2, dense", input=(16, 16, 3), classes=4)
    told = training_memory(network.sizes, 8, "adam", copies=1)
    assert forecast.memory(network, "adam", 8, copies=1) == told.peak
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    assert forecast.memory(network, "adam", 8) < 0.9 * told.peak


def test_memory_of_a_module_of_ones_own() -> None:
    module = nn.Linear(100, 10, bias=False)
    assert forecast.memory(module, "sgd", 8) == 3 * 4000
    assert forecast.memory(module, "adam", 8, copies=2) == 6 * 4000
    module.weight.requires_grad_(False)
    assert forecast.memory(module, "sgd", 8) == 4000


def test_a_step_is_measured_layer_by_layer() -> None:
    text = (
        "conv 3x3 8 bias=no, bn, relu, 3 * ( add( conv 3x3 8, relu | identity ) ), concat( conv 1x1 3 | conv 1x1 4 ), "
        "regions 2x2 ( conv 3x3 4 ), aux ( gap, dense ), maxpool 2, dropout 0.5, dense"
    )
    sizes = Network(text, input=(16, 16, 3), classes=4).sizes
    state = torch.random.get_rng_state()
    took = step_time.measure(sizes, 4, OptimizerSettings())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert set(took.layers) == {row.item.name for row in sizes.rows if row.item.kind != "aux"}
    assert took.layers["conv2"] == took.layers["conv3"] == took.layers["conv4"] > 0
    assert took.optimizer > 0
    assert took.total == pytest.approx(sum(took.layers.values()) + took.optimizer)


def test_a_step_is_measured_as_its_plan_computes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[tuple[str, object, bool]] = []
    plain = forward.of_layer

    def watched(layer: Layer, module: nn.Module, chosen: dict[str, str], precision: object, *, last: bool) -> object:
        computed.append((f"{layer.name} {chosen.get('weight gradient', '')}".strip(), precision, last))
        return plain(layer, module, chosen, precision, last=last)  # type: ignore[arg-type]

    monkeypatch.setattr(step_time, "of_layer", watched)
    text = (
        "conv 3x3 8, relu, maxpool 2, add( conv 3x3 8 | identity ), conv 3x3 8, lrn, concat( relu | tanh ), gap, dense"
    )
    sizes = Network(text, input=(16, 16, 3), classes=4).sizes
    way = {"weight gradient": "8 side by side"}
    threads = torch.get_num_threads()
    plan = {"precision": "bfloat16", "layout": "channels_last", "order": True, "threads": 1, "layers": {"conv3": way}}
    took = step_time.measure(sizes, 4, OptimizerSettings(), plan)
    assert took.precision == "bfloat16"
    assert torch.get_num_threads() == threads
    assert {precision for _, precision, _ in computed} == {torch.bfloat16}
    assert [name for name, _, _ in computed if "conv" in name] == ["conv1", "conv2", "conv3 8 side by side"]
    assert [name for name, _, last in computed if last] == ["dense1"]
    assert step_time.measure(sizes, 4, OptimizerSettings()).precision == "float32"


def test_an_activation_behind_a_maximum_sees_less() -> None:
    sizes = Network("conv 3x3 8, relu, maxpool 2, tanh, maxpool 2, dense", input=(16, 16, 3), classes=4).sizes
    rows = {row.item.name: row.before for row in step_time._ordered(list(sizes.rows))}
    assert rows == {
        "conv1": (16, 16, 3), "relu1": (8, 8, 8), "pool1": (16, 16, 8), "tanh1": (8, 8, 8), "pool2": (8, 8, 8),
        "dense1": (4, 4, 8),
    }  # fmt: skip


def test_a_large_layer_is_measured_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    plain = step_time._step

    def watched(trial: object, batch: int) -> object:
        batches.append(batch)
        return plain(trial, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(step_time, "_step", watched)
    monkeypatch.setattr(step_time, "MOST_BYTES", 4 * (16 * 16 * 8 + 16 * 16 * 8) * 3)
    sizes = Network("conv 3x3 8, relu, dense", input=(16, 16, 3), classes=4).sizes
    step_time.measure(sizes, 8, OptimizerSettings())
    assert batches == [4, 3, 5]


@pytest.mark.soak
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from Linux' /proc")
@pytest.mark.parametrize(
    "row", ["tutorial-b-mnist:128:adam", "tutorial-b-cifar10:128:adam", "resnet20:128:sgd", "resnet18:8:sgd",
            "vgg11:4:sgd", "densenet121:4:sgd", "mobilenet_v2:8:sgd"],
)  # fmt: skip
def test_memory_is_within_a_fifth_of_the_peak(row: str) -> None:
    said = subprocess.run(
        [sys.executable, str(FORECAST), "--memory", row], capture_output=True, text=True, timeout=600, check=True
    )
    ratio = float(said.stdout.split()[-1])
    assert 0.8 <= ratio <= 1.2, said.stdout
