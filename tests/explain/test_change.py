"""How a network changed over its snapshots: the kernels and quantiles are those of the weights in the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import convscope as cs
from convscope.errors import ConvscopeError
from convscope.explain.change import SHARES, change, quantiles


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> cs.Run:
    out = tmp_path_factory.mktemp("runs") / "m"
    return cs.train("digits", out=out, quiet=True, network="conv 3x3 4, bn, relu, add(conv 3x3 4 pad=1 | identity), "
                    "gap, dense", steps=5, batch_size=32, snapshots=True)  # fmt: skip


def test_kernels_and_weights(run: cs.Run) -> None:
    found = change(run)
    assert [moment.step for moment in found.moments] == [0, 1, 2, 3, 4, 5]
    assert found.label == "conv1"
    assert found.kernels is not None
    assert found.kernels.shape == (6, 4, 1, 3, 3)
    assert list(found.weights) == list(found.moved) == ["conv1", "conv2", "dense1"]
    first = cs.load(found.moments[0].path).network.state_dict()
    for turn, moment in enumerate(found.moments):
        weights = cs.load(moment.path).network.state_dict()
        assert np.array_equal(found.kernels[turn], weights["conv1.weight"].numpy())
        for label, spread in found.weights.items():
            now, then = (tensors[f"{label}.weight"].numpy() for tensors in (weights, first))
            assert spread.quantiles[turn] == pytest.approx(np.quantile(now, SHARES), abs=1e-6)
            way = np.linalg.norm(now - then) / np.linalg.norm(then)
            assert found.moved[label][turn] == pytest.approx(way, abs=1e-6)
    assert found.moved["conv1"][0] == 0 < found.moved["conv1"][5]
    assert found.activations == {}


def test_activations(run: cs.Run) -> None:
    pictures = cs.data("digits").validation.images[:16]
    found = change(run, pictures)
    assert list(found.activations) == ["conv1", "bn1", "relu1", "conv2", "identity1", "add1", "gap1", "dense1"]
    last = cs.load(found.moments[-1].path)
    logits = last.logits(pictures).numpy()
    assert found.activations["dense1"].quantiles[-1] == pytest.approx(np.quantile(logits, SHARES), abs=1e-5)


def test_quantiles_of_many_values_meet_every_column() -> None:
    """331 776 = 3 * 110 592: each third value would be one column of all kernels."""
    values = np.zeros((192, 192, 3, 3), np.float32)
    values[..., 1] = 1
    values[..., 2] = 2
    values[5, 6, 1, 1] = 9
    assert quantiles(values).tolist() == pytest.approx([0, 0, 0, 1, 2, 2, 9])


def test_a_run_without_snapshots(run: cs.Run, tmp_path: Path) -> None:
    plain = cs.train("digits", out=tmp_path / "p", quiet=True, network="gap, dense", steps=1)
    with pytest.raises(ConvscopeError, match=r"p has none: train with --snapshots"):
        change(plain)


def test_a_network_without_convolutions(tmp_path: Path) -> None:
    run = cs.train("digits", out=tmp_path / "p", quiet=True, network="flatten, dense", steps=2, snapshots=True)
    found = change(run)
    assert (found.label, found.kernels) == ("", None)
    assert list(found.weights) == ["dense1"]
