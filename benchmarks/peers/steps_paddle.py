"""Training steps of PaddlePaddle: eager or as a static graph, float32 or bfloat16, whatever is fastest.

The ResNets are those of paddle.vision; the others are written here, layer for layer as the zoo has them.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from protocol import Step, Wait, pace, say, serve, settings


class ResponseNorm(nn.Layer):
    """Local response normalisation over 9 maps; Paddle divides alpha by the window, the network doesn't."""

    def forward(self, x: Any) -> Any:
        return F.local_response_norm(x, 9, alpha=9 * 1.111e-4, beta=0.75, k=1.0)


def mnist(classes: int) -> nn.Layer:
    return nn.Sequential(
        nn.Conv2D(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2D(2),
        nn.Conv2D(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2D(2), nn.Flatten(),
        nn.Linear(7 * 7 * 64, 1024), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, classes),
    )  # fmt: skip


def cifar10(classes: int) -> nn.Layer:
    return nn.Sequential(
        nn.Conv2D(3, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2D(3, 2, ceil_mode=True), ResponseNorm(),
        nn.Conv2D(64, 64, 5, padding=2), nn.ReLU(), ResponseNorm(), nn.MaxPool2D(3, 2, ceil_mode=True), nn.Flatten(),
        nn.Linear(6 * 6 * 64, 384), nn.ReLU(), nn.Linear(384, 192), nn.ReLU(), nn.Linear(192, classes),
    )  # fmt: skip


def vgg16(classes: int) -> nn.Layer:
    """Configuration D for pictures of 32 x 32: the first dense layer takes 512 numbers."""
    layers: list[nn.Layer] = []
    maps = 3
    for count, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            layers += [nn.Conv2D(maps, width, 3, padding=1), nn.ReLU()]
            maps = width
        layers.append(nn.MaxPool2D(2))
    layers += [nn.Flatten(), nn.Linear(512, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(0.5), nn.Linear(4096, classes))


NETWORKS = {
    "tutorial-b-mnist": mnist,
    "tutorial-b-cifar10": cifar10,
    "vgg16": vgg16,
    "resnet18": lambda classes: paddle.vision.models.resnet18(num_classes=classes),
    "resnet50": lambda classes: paddle.vision.models.resnet50(num_classes=classes),
}


def training(asked: dict[str, Any], bfloat16: bool, static: bool) -> tuple[Step, Wait]:
    """A step; a rate so small that the numbers stay what they are."""
    # oneDNN for single operations; with the static graphs of Paddle 3.3 it crashes
    paddle.set_flags({"FLAGS_use_mkldnn": not static})
    paddle.seed(0)
    network = NETWORKS[asked["network"]](asked["classes"])
    network.train()
    learned = network.parameters()
    if asked["optimizer"] == "adam":
        optimizer = paddle.optimizer.Adam(1e-6, parameters=learned)
    else:
        optimizer = paddle.optimizer.Momentum(1e-6, momentum=0.9, parameters=learned)
    height, width, channels = asked["input"]
    generator = np.random.default_rng(0)
    x = paddle.to_tensor(generator.standard_normal((asked["batch"], channels, height, width)).astype("float32"))
    labels = paddle.to_tensor(generator.integers(0, asked["classes"], asked["batch"]))
    forward = paddle.jit.to_static(network) if static else network
    last: list[Any] = []

    def step() -> None:
        with paddle.amp.auto_cast(dtype="bfloat16") if bfloat16 else contextlib.nullcontext():
            logits = forward(x)
        loss = F.cross_entropy(logits.astype("float32"), labels)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        last[:] = [loss]

    return step, lambda: float(last[0])


WAYS = {"float32": (False, False), "float32, static": (False, True), "bfloat16": (True, False)}


def trial(asked: dict[str, Any], way: str) -> float | str:
    """Seconds a step of a way, measured in a process of its own, since some of them crash; or how it ended."""
    words = [sys.executable, __file__, json.dumps({**asked, "only": way})]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace", check=False)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return told[-1]["pace"] if done.returncode == 0 and told else f"ended with code {done.returncode}"


def main() -> None:
    asked = settings()
    paddle.set_device("cpu")
    if "only" in asked:
        say(pace=pace(*training(asked, *WAYS[asked["only"]])))
        return
    tried = {way: trial(asked, way) for way in WAYS if asked["bfloat16"] or way != "bfloat16"}
    works = {way: seconds for way, seconds in tried.items() if isinstance(seconds, float)}
    if not works:
        raise RuntimeError(f"no way works: {tried}")
    best = min(works, key=lambda way: works[way])
    step, wait = training(asked, *WAYS[best])
    serve(step, wait, way=best, tried=tried, versions={"paddle": paddle.__version__})


if __name__ == "__main__":
    main()
