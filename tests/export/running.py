"""Writes networks as source, runs the source in a child process, and compares its outputs with the network's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from convscope.export.code import About, source
from convscope.network.build import Network
from convscope.network.shapes import resolve
from convscope.notation import parse, write_out

Case = tuple[str, tuple[int, int, int] | None, int | None]
"""A text, with the input and the classes that take the place of its own."""


def written(text: str, framework: str, input: tuple[int, int, int] | None = None, classes: int | None = None) -> str:
    """The source of a network."""
    tree = parse(text)
    return source(tree, resolve(write_out(tree), input, classes), framework, About("A network", "0.0", text))


def filled(network: Network) -> Network:
    """The network with weights that keep the size of what passes, and statistics, scales and biases that aren't 0 and
    1. The network's own start would take longer."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            values = torch.rand(tensor.shape, generator=random)
            if name.endswith("running_var"):
                tensor.copy_(values + 0.5)
            elif tensor.dim() == 1 or name.endswith((".bias", "running_mean")):
                tensor.copy_(values - 0.3)
            else:  # uniform, of variance 2 / inputs
                tensor.copy_((values - 0.5) * (24 * len(tensor) / tensor.numel()) ** 0.5)
    return network.eval()


def differences(framework: str, cases: dict[str, Case], folder: Path) -> dict[str, float]:
    """For each case the largest difference between the source's outputs and the network's, as a share of the largest
    output; infinity where the shapes differ. What was written and computed stays in `folder`."""
    wanted = []
    for turn, (text, input, classes) in enumerate(cases.values()):
        path = folder / f"case{turn}.py"
        path.write_text(written(text, framework, input, classes), encoding="utf-8")
        network = filled(Network(text, input=input, classes=classes, seed=None))
        height, width, channels = network.input
        x = torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(2))
        with torch.no_grad():
            wanted.append(network(x).numpy())
        np.save(path.with_suffix(".input.npy"), x.numpy())
        if network.state_dict():
            path.with_suffix(".safetensors").write_bytes(safetensors.torch.save(dict(network.state_dict())))
    child = Path(__file__).with_name("child.py")
    done = subprocess.run(
        [sys.executable, str(child), framework, str(folder)],
        capture_output=True, text=True, encoding="utf-8", check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {}
    for turn, (name, want) in enumerate(zip(cases, wanted, strict=True)):
        got = np.load(folder / f"case{turn}.output.npy")
        same = got.shape == want.shape
        found[name] = float(np.abs(got - want).max() / np.abs(want).max()) if same else float("inf")
    return found


def complaints(folder: Path) -> str:
    """What ruff says of the sources with its default rules, and what it would write otherwise."""
    said = ""
    for words in (["check", "--isolated", "--output-format=concise"], ["format", "--isolated", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", "-q", str(folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        said += done.stdout + done.stderr
    return said
