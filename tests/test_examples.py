"""Each example is run as a reader would, from the root of a clone, and does what it says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_allclose

import convscope.explain.reference as book

ROOT = Path(__file__).resolve().parents[1]
BY_HAND = ROOT / "examples" / "by_hand.py"


def test_by_hand_learns_without_torch() -> None:
    """As `python examples/by_hand.py`, which a second interpreter watches for what it imports."""
    code = (
        "import runpy, sys\n"
        "sys.argv = ['by_hand.py']\n"
        "runpy.run_path('examples/by_hand.py', run_name='__main__')\n"
        "sys.exit('torch' in sys.modules)"
    )
    check_training(run("-c", code))


@pytest.mark.slow
def test_by_hand_agrees_with_pytorch() -> None:
    printed = run("examples/by_hand.py", "--compare")
    check_training(printed)
    rows = re.findall(r"^ +(\d+)   +(\S+e-\d+)   +(\S+e-\d+)$", printed, flags=re.MULTILINE)
    apart = {int(step): (float(single), float(double)) for step, single, double in rows}
    assert list(apart) == [1, 10, *range(20, 201, 20)]
    for step, (single, double) in apart.items():
        # float32 rounds at 6e-8 of a weight in each step; what that grows to depends on the machine's order of sums
        assert 0 < single < (1e-6 if step <= 100 else 3e-6), step
        assert double < 1e-13, step


def test_by_hand_refuses_no_epochs() -> None:
    done = subprocess.run(
        [sys.executable, "examples/by_hand.py", "--epochs", "0"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--epochs must be at least 1. Got 0." in done.stderr


def test_by_hands_gradient_is_the_losss() -> None:
    """The way back through the whole network against central differences, at a few places of every array."""
    by_hand = loaded()
    draw = np.random.default_rng(1)
    weights, x, labels = by_hand.random_weights(draw), draw.normal(size=(3, 1, 8, 8)), np.array([3, 0, 9])
    weights = {name: weight + draw.normal(0, 0.1, weight.shape) for name, weight in weights.items()}  # biases too
    logits, given = by_hand.forward(weights, x)
    told = by_hand.backward(weights, given, book.cross_entropy_gradient(logits, labels))
    assert told.keys() == weights.keys()
    for name, weight in weights.items():
        assert told[name].shape == weight.shape
        for place in draw.integers(0, weight.size, 6):
            middle, sides = weight.flat[place], []
            for moved in (1e-5, -1e-5):
                weight.flat[place] = middle + moved
                sides.append(book.cross_entropy(by_hand.forward(weights, x)[0], labels))
            weight.flat[place] = middle
            assert_allclose(told[name].flat[place], (sides[0] - sides[1]) / 2e-5, rtol=1e-5, atol=1e-9, err_msg=name)


def check_training(printed: str) -> None:
    losses = [float(loss) for loss in re.findall(r"^epoch +\d+: loss ([\d.]+),", printed, flags=re.MULTILINE)]
    assert len(losses) == 10
    assert losses[0] > 1.2  # the mean of the first pass, which begins near ln 10 = 2.3
    assert losses[-1] < 0.1
    found = re.search(r"^test accuracy ([\d.]+) % \((\d+) of 269\)$", printed, flags=re.MULTILINE)
    assert found is not None
    assert int(found[2]) >= 0.94 * 269
    assert float(found[1]) == pytest.approx(100 * int(found[2]) / 269, abs=0.005)


def run(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("by_hand", BY_HAND)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
