"""No training loads PyTorch's compiler: that is a second, of which nothing comes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from convscope.train.uncompiled import SGD, Adam, AdamW

PROGRAM = """
import sys
from convscope.cli import run
name, out = sys.argv[1:]
code = run(["train", "digits", "--steps", "2", "-q", "--set", f"optimizer.name={name}", "--lr", "0.01", "-o", out])
assert code == 0
print("loaded" if "torch._dynamo" in sys.modules else "not loaded")
"""


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "muon"])
def test_training_loads_no_compiler(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, str(tmp_path / "run")], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.splitlines()[-1] == "not loaded"


@pytest.mark.parametrize(
    ("ours", "theirs"), [(SGD, torch.optim.SGD), (Adam, torch.optim.Adam), (AdamW, torch.optim.AdamW)]
)
def test_a_step_is_pytorchs(ours: type[torch.optim.Optimizer], theirs: type[torch.optim.Optimizer]) -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(5, 3), torch.randn(4, 5, 3)
    ended = []
    for kind in (ours, theirs):
        weight = torch.nn.Parameter(start.clone())
        optimizer = kind([{"params": [weight], "weight_decay": 0.1}], lr=0.05)  # type: ignore[call-arg]
        for gradient in gradients:
            optimizer.zero_grad()
            assert weight.grad is None
            weight.grad = gradient.clone()
            optimizer.step()
        ended.append((weight, optimizer.state_dict()["state"]))
    assert torch.equal(ended[0][0], ended[1][0])
    assert ended[0][1].keys() == ended[1][1].keys()
