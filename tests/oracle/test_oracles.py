"""The textbook against what TensorFlow and PaddlePaddle computed in float32, once. Where they mean another thing by the
same word, the difference is spelled out here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

import convscope.explain.reference as book
from convscope.explain.reference import Array
from oracle import cases
from oracle.cases import Window, numbers

STORED = {"tensorflow": cases.load("tensorflow"), "paddle": cases.load("paddle")}
WINDOWS = [("tensorflow", case) for case in cases.TENSORFLOW_WINDOWS] + [
    ("paddle", case) for case in cases.PADDLE_WINDOWS
]
BOTH = pytest.mark.parametrize("framework", ["tensorflow", "paddle"])


def exact(*shape: int, salt: int = 0) -> Array:
    """The float32 numbers that the frameworks were given."""
    return numbers(*shape, salt=salt).astype(np.float64)


def equal(ours: NDArray[Any] | float, theirs: NDArray[Any]) -> None:
    """To float32's rounding, beside the largest of the values."""
    assert np.shape(ours) == theirs.shape
    assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * max(1.0, float(np.abs(theirs).max())))


@pytest.mark.parametrize(
    ("framework", "case"), WINDOWS, ids=[f"{framework} {case.name}" for framework, case in WINDOWS]
)
def test_windows(framework: str, case: Window) -> None:
    stored, x, weight = STORED[framework], case.x.astype(np.float64), case.weight.astype(np.float64)
    how = case.for_textbook
    if case.kind == "conv":
        y = book.conv(x, weight, None, **how)
        d_x, d_weight, _ = book.conv_gradient(x, weight, exact(*y.shape, salt=7), **how)
        equal(d_weight, stored[f"{case.name} dw"])
    else:
        y = getattr(book, case.kind)(x, **how)
        d_x = getattr(book, f"{case.kind}_gradient")(x, exact(*y.shape, salt=7), **how)
    equal(y, stored[f"{case.name} y"])
    equal(d_x, stored[f"{case.name} dx"])


@pytest.mark.parametrize(("kind", "to", "shape"), cases.ADAPTIVE)
def test_pooling_to_a_size(kind: str, to: tuple[int, int], shape: tuple[int, ...]) -> None:
    x = exact(*shape)
    y = getattr(book, kind)(x, to)
    equal(y, STORED["paddle"][f"{kind} {to} y"])
    equal(getattr(book, f"{kind}_gradient")(x, exact(*y.shape, salt=7), to), STORED["paddle"][f"{kind} {to} dx"])


@BOTH
@pytest.mark.parametrize(("window", "k", "alpha", "beta"), cases.RESPONSES)
def test_local_response(framework: str, window: int, k: float, alpha: float, beta: float) -> None:
    x, upstream = exact(*cases.RESPONSE_SHAPE), exact(*cases.RESPONSE_SHAPE, salt=7)
    equal(book.lrn(x, window, k, alpha, beta), STORED[framework][f"lrn {window} y"])
    equal(book.lrn_gradient(x, upstream, window, k, alpha, beta), STORED[framework][f"lrn {window} dx"])


@BOTH
def test_batch_normalisation(framework: str) -> None:
    stored, eps, channels = STORED[framework], cases.NORMALISED_EPS, cases.NORMALISED_SHAPE[1]
    x, scale, shift = exact(*cases.NORMALISED_SHAPE), exact(channels, salt=1), exact(channels, salt=2)
    running_mean = exact(channels, salt=3)
    running_variance = (numbers(channels, salt=4) ** 2 + np.float32(0.1)).astype(np.float64)
    y, mean, variance = book.bn(x, scale, shift, eps)
    equal(y, stored["bn y"])
    gradients = book.bn_gradient(x, exact(*x.shape, salt=7), scale, eps)
    for gradient, name in zip(gradients, ("dx", "dscale", "dshift"), strict=True):
        equal(gradient, stored[f"bn {name}"])
    equal(book.bn_predict(x, running_mean, running_variance, scale, shift, eps), stored["bn predict"])
    new_mean, new_variance = book.bn_running(running_mean, running_variance, x, momentum=0.1)
    if framework == "tensorflow":  # gives the batch's own, the variance unbiased as PyTorch's
        equal(mean, stored["bn mean"])
        equal((new_variance - 0.9 * running_variance) / 0.1, stored["bn unbiased variance"])
    else:  # its running variance takes the biased one
        equal(new_mean, stored["bn running mean"])
        equal(0.9 * running_variance + 0.1 * variance, stored["bn running variance"])


@BOTH
@pytest.mark.parametrize("smoothing", cases.SMOOTHINGS)
def test_cross_entropy(framework: str, smoothing: float) -> None:
    logits = (3 * numbers(*cases.LOGITS_SHAPE)).astype(np.float64)
    name = f"cross-entropy {smoothing}"
    equal(book.cross_entropy(logits, cases.LABELS, smoothing), STORED[framework][f"{name} loss"])
    equal(book.cross_entropy_gradient(logits, cases.LABELS, smoothing), STORED[framework][f"{name} gradient"])


def test_tutorial_as_loss() -> None:
    logits = (20 * numbers(*cases.LOGITS_SHAPE)).astype(np.float64)
    equal(book.clipped_mean(logits, cases.LABELS), STORED["tensorflow"]["clipped mean loss"])
    gradient = book.clipped_mean_gradient(logits, cases.LABELS)
    equal(gradient, STORED["tensorflow"]["clipped mean gradient"])
    silent = ~gradient.any(axis=1)
    assert silent.any()
    assert not silent.all()


@BOTH
@pytest.mark.parametrize("name", ["sgd momentum", "sgd nesterov", "adam", "adamw"])
def test_steps(framework: str, name: str) -> None:
    weight = exact(6)
    first, second = np.zeros(6), np.zeros(6)
    for step in range(1, cases.STEPS + 1):
        gradient = weight * np.arange(1, 7)
        if name.startswith("sgd"):
            weight, first = book.sgd(weight, gradient, first, cases.RATE, 0.9, nesterov=name.endswith("nesterov"))
        else:
            # TensorFlow's eps stands beside the uncorrected root: with ours at eps / sqrt(1 - beta2^step) they agree
            eps = 1e-3 / np.sqrt(1 - 0.999**step) if framework == "tensorflow" else 1e-3
            how: dict[str, Any] = {"weight_decay": 0.1} if name == "adamw" else {}
            walk = getattr(book, name)
            weight, first, second = walk(weight, gradient, first, second, step, cases.RATE, eps=float(eps), **how)
        equal(weight, STORED[framework][name][step - 1])


@BOTH
@pytest.mark.parametrize("name", cases.ACTIVATIONS)
def test_activations(framework: str, name: str) -> None:
    x, upstream = (4 * numbers(*cases.ACTIVATED_SHAPE)).astype(np.float64), exact(*cases.ACTIVATED_SHAPE, salt=7)
    slope = (0.1,) if name == "leaky" else ()
    equal(getattr(book, name)(x, *slope), STORED[framework][f"{name} y"])
    equal(getattr(book, f"{name}_gradient")(x, upstream, *slope), STORED[framework][f"{name} dx"])


def test_every_stored_value_is_read() -> None:
    """The names that the tests above read are the names that are stored: nothing is kept for nobody."""
    for framework, windows in (("tensorflow", cases.TENSORFLOW_WINDOWS), ("paddle", cases.PADDLE_WINDOWS)):
        names = {
            f"{case.name} {part}" for case in windows for part in ("y", "dx", *(["dw"] if case.kind == "conv" else []))
        }
        kinds = (
            "lrn",
            "bn",
            "cross-entropy",
            "clipped mean",
            "sgd",
            "adam",
            "avgpool_to",
            "maxpool_to",
            *cases.ACTIVATIONS,
        )
        rest = set(STORED[framework]) - names
        assert names <= set(STORED[framework])
        assert all(name.startswith(kinds) for name in rest)
        assert sum((cases.HERE / f"{one}.npz").stat().st_size for one in STORED) < 300_000
