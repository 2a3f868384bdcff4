"""How near are the forecasts of `convscope summary` to what a training step takes?

    python benchmarks/forecast.py                     all networks below, memory and time
    python benchmarks/forecast.py --memory NET:BATCH:OPTIMIZER ...   of these, memory alone
    python benchmarks/forecast.py --time NET:BATCH:OPTIMIZER ...     of these, time alone

Memory: the growth of a child process' peak (VmHWM, Linux) over two steps of the real loop. Time: forecast and real
steps turn about in one child, the fastest of each. The last column is forecast / measured. How many cores, the variable
OMP_NUM_THREADS says.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROWS = (
    "tutorial-b-mnist:128:adam", "tutorial-b-cifar10:128:adam", "resnet20:128:sgd", "resnet18:8:sgd", "vgg11:4:sgd",
    "densenet121:4:sgd", "mobilenet_v2:8:sgd", "alexnet:16:sgd", "resnet50:8:sgd", "googlenet:8:adam",
)  # fmt: skip

MIB = 2**20


def memory(name: str, batch: int, optimizer: str) -> tuple[float, float]:
    """Forecast and peak in MiB."""
    from convscope.network.memory import training_memory
    from convscope.run import Forecast

    training = loop("conv 3x3 8, bn, relu, maxpool 2, conv 3x3 16, relu, gap, dense", (16, 16, 3), 4, 8, "sgd", steps=2)
    list(training.records())  # what every training loads is not the network's
    text, sizes = network(name)
    data = pictures(sizes.input, sizes.classes, batch)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    training = loop(text, sizes.input, sizes.classes, batch, optimizer, steps=2, data=data)
    for record in training.records():
        if isinstance(record, Forecast):
            assert record.memory_bytes == training_memory(sizes, batch, optimizer).peak
    return training_memory(sizes, batch, optimizer).peak / MIB, (status("VmHWM") - before) / MIB


def seconds(name: str, batch: int, optimizer: str, rounds: int = 3) -> tuple[float, float]:
    """Forecast and real seconds of a step: forward, backward and optimizer on one batch that lies ready."""
    from convscope.recipe import OptimizerSettings
    from convscope.train import nonfinite, step_time

    text, sizes = network(name)
    training = loop(
        text, sizes.input, sizes.classes, batch, optimizer, steps=2, data=pictures(sizes.input, sizes.classes, batch)
    )
    x, labels = training.batches.batch(training.batches.rows(0)[0], 0)
    training.network.train()
    told = real = float("inf")
    settings = OptimizerSettings.model_validate({"name": optimizer})
    for _ in range(rounds):
        for _ in range(2):
            begin = time.perf_counter()
            training.optimizer.zero_grad(set_to_none=True)
            _, objective = training._objective(x, labels, 0)
            objective.backward()
            nonfinite.all_finite([p.grad for p in training.network.parameters() if p.grad is not None])
            nonfinite.all_finite([p.detach() for p in training.network.parameters()])
            training.optimizer.step()
            real = min(real, time.perf_counter() - begin)
        told = min(told, step_time.measure(sizes, batch, settings, training.job.plan).total)
    return told, real


def network(name: str):
    """Text and sizes of a network of the zoo."""
    from convscope.network.shapes import resolve
    from convscope.network.source import text_of
    from convscope.notation import parse, write_out

    text = text_of(name)
    return text, resolve(write_out(parse(text)))


def pictures(input: tuple[int, int, int], classes: int, batch: int):
    """Two batches of noise."""
    import numpy as np

    from convscope.data import split
    from convscope.data.images import DataSet, ImageSet
    from convscope.data.preprocess import Preprocess

    height, width, channels = input
    names = tuple(f"class {i}" for i in range(classes))

    def part(count: int) -> ImageSet:
        images = np.random.default_rng(0).integers(0, 256, (count, channels, height, width), dtype=np.uint8)
        return ImageSet(
            images, np.arange(count) % classes, names, np.arange(count), tuple(f"{i}" for i in range(count))
        )

    train, none = part(2 * batch), part(0)
    made = split.Split(train.names, (names[0],) * len(train), np.zeros(len(train), np.int8),
                       np.zeros((len(train), 16), np.uint8), ("",) * len(train))  # fmt: skip
    plain = Preprocess((height, width), channels, mean=(0.5,) * channels, std=(0.3,) * channels)
    return DataSet(train, none, none, names, "made", None, made, plain)


def loop(text, input, classes, batch, optimizer, steps, data=None):
    """A training of so many steps; a rate so small that no network leaves its numbers."""
    from convscope.network.build import Network
    from convscope.recipe import Recipe
    from convscope.train.loop import Job, Loop

    recipe = Recipe.model_validate({
        "data": "made", "train": {"batch_size": batch, "steps": steps},
        "optimizer": {"name": optimizer, "learning_rate": 1e-6},
    })  # fmt: skip
    data = data if data is not None else pictures(input, classes, batch)
    return Loop(Job(Network(text, input=input, classes=classes), data, recipe))


def status(key: str) -> int:
    """Bytes of this process, from /proc/self/status."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def main(words: list[str]) -> None:
    """Each row in a child of its own, since a peak never falls."""
    if words[:1] == ["--child"]:
        what, row = words[1:]
        name, batch, optimizer = row.split(":")
        told, real = (memory if what == "memory" else seconds)(name, int(batch), optimizer)
        unit = "MiB" if what == "memory" else "s"
        digits = 0 if what == "memory" else 3
        print(f"{what:7}{name:22}{batch:>4} {optimizer:5} forecast {told:8.{digits}f} {unit:4}"
              f"measured {real:8.{digits}f} {unit:4} {told / real:.2f}", flush=True)  # fmt: skip
        return
    chosen = {"--memory": ["memory"], "--time": ["time"]}.get(words[0] if words else "", ["memory", "time"])
    for row in words[1:] or ROWS:
        for what in chosen:
            subprocess.run([sys.executable, __file__, "--child", what, row], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
