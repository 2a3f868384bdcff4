"""Every layer's forward and gradient equals the textbook in float64, to 1e-10; and what others computed."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from convscope.network.build import Network
from convscope.network.layers import MODULES
from convscope.network.shapes import NetworkError
from convscope.notation.kinds import KINDS
from network.textbook_walk import RULES, Walk, in_float64
from oracle import cases


def numbers(*shape: int, salt: int = 0) -> NDArray[np.float64]:
    """Values in (-2, 2), as the oracles' but in float64 and without a period below a million."""
    walk = (np.arange(math.prod(shape)) * 423_793 + 7919 * salt) % 1_000_003
    return np.asarray((walk + 0.25) * 4 / 1_000_003 - 2).reshape(shape)


def close(ours: torch.Tensor | None, textbook: NDArray[np.float64], what: str) -> None:
    """1e-10 relative. Inputs, weights and upstream are of size 1, and what is left of them where they cancel (a bias
    before batch normalisation has the gradient 0) may be off by 1e-12 of the largest, or of 1."""
    assert ours is not None, what
    found = ours.detach().numpy()
    assert found.shape == textbook.shape, what
    scale = max(1.0, float(np.abs(textbook).max(initial=0.0)))
    assert_allclose(found, textbook, rtol=1e-10, atol=1e-12 * scale, err_msg=what)


def build(text: str, size: tuple[int, int, int]) -> Network:
    """The network in float64, every parameter and every running statistic at a number of its own."""
    network = Network(text, input=size, classes=5).double()
    with torch.no_grad():
        for turn, (name, tensor) in enumerate(network.state_dict().items()):
            values = numbers(*tensor.shape, salt=turn + 1)
            tensor.copy_(torch.from_numpy(values**2 + 0.1 if name.endswith("running_var") else values))
    return network


def agree(text: str, size: tuple[int, int, int], pictures: int = 2, training: bool = False) -> None:
    """Forward, the gradient of the input and of each parameter, and the running statistics."""
    network = build(text, size).train(training)
    height, width, channels = size
    values = numbers(pictures, channels, height, width)
    tensors = {name: in_float64(tensor) for name, tensor in network.state_dict().items()}
    x = torch.from_numpy(values.copy()).requires_grad_()
    drops = [label for label in network.labels if "dropout" in label]
    y, found = network(x, keep=[*drops, *network.aux])
    kept = {label: in_float64(found[label] != 0) for label in drops}
    walk = Walk(tensors, training, kept, {label: lambda up: numbers(*up.shape, salt=77) for label in network.aux})
    told, backward = walk.network(network.sizes.body, values)
    close(y, told, f"{text}: forward")
    weights = numbers(*told.shape, salt=99)
    total = (y * torch.from_numpy(weights)).sum()
    for label in network.aux:
        close(found[label], walk.logits[label], f"{text}: {label}")
        total = total + (found[label] * torch.from_numpy(numbers(*found[label].shape, salt=77))).sum()
    total.backward()
    close(x.grad, backward(weights), f"{text}: gradient of the input")
    assert set(walk.gradients) == {name for name, _ in network.named_parameters()}
    for name, parameter in network.named_parameters():
        close(parameter.grad, walk.gradients[name], f"{text}: gradient of {name}")
    after = network.state_dict()
    for name, running in walk.running.items():
        close(after[name], running, f"{text}: {name}")


LAYERS: dict[str, tuple[int, int, int]] = {
    # convolution: kernels, strides and paddings at odd and even sizes
    "conv 3x3 4": (7, 6, 3),
    "conv 1x1 4 bias=no": (5, 4, 3),
    "conv 4x4 3": (7, 8, 2),
    "conv 2x5 3": (6, 7, 2),
    "conv 5x3 3 /2": (9, 8, 2),
    "conv 3x3 3 /2": (8, 7, 2),
    "conv 3x3 3 /3": (8, 10, 2),
    "conv 3x3 3 /2x1 valid": (8, 7, 2),
    "conv 4x2 3 /3x2 valid": (9, 8, 2),
    "conv 11x11 4 /4 valid": (27, 23, 3),
    "conv 1x1 3 /3": (8, 7, 2),
    "conv 3x3 3 full": (4, 5, 2),
    "conv 4x2 3 /2 full": (5, 6, 2),
    "conv 3x3 3 pad=1": (6, 5, 2),
    "conv 3x3 3 /2 pad=1": (8, 7, 2),
    "conv 5x3 3 /2x3 pad=2x1": (8, 7, 2),
    "conv 3x3 3 pad=4": (3, 4, 2),
    "conv 3x3 in groups=in": (6, 7, 4),
    "conv 3x3 8 /2 groups=in": (7, 7, 4),
    "conv 5x3 6 groups=2": (6, 5, 4),
    "conv 3x3 3 dilation=2": (9, 8, 2),
    "conv 3x3 3 /2 dilation=2 valid": (9, 10, 2),
    "conv 3x2 3 dilation=2x3": (9, 8, 2),
    "conv 3x3 4 groups=2 dilation=3 full": (7, 5, 2),
    "conv 3x3 3 border=replicate": (5, 6, 2),
    "conv 5x3 3 /2 border=reflect": (7, 6, 2),
    "conv 4x4 3 border=reflect": (5, 6, 2),
    "conv 3x3 3 border=0.5": (5, 6, 2),
    "conv 3x3 3 /2 pad=2 border=-1": (5, 6, 2),
    "conv 3x3 3 full border=replicate": (4, 5, 2),
    "conv 3x3 3 dilation=2 border=1": (6, 7, 2),
    "conv 3x3 4 pad=1x0 border=reflect groups=2": (6, 7, 2),
    "conv 3x3 3 bias=position": (5, 6, 2),
    "conv 5x3 4 /2 bias=position groups=2 border=replicate": (7, 6, 2),
    "conv 5x5 16 valid connect=lenet5": (8, 7, 6),
    "conv 3x2 16 /2 connect=lenet5 border=reflect bias=no": (5, 6, 6),
    "conv 3x3 16 dilation=2 connect=lenet5 bias=position": (5, 6, 6),
    # pooling: each kind is put in place of POOL
    "POOL 2": (6, 7, 3),
    "POOL 3 /2": (7, 8, 3),
    "POOL 3 /2 same": (8, 9, 3),
    "POOL 2 /1 same": (5, 4, 3),
    "POOL 4 /3 same": (11, 10, 3),
    "POOL 3 /2 pad=1": (8, 7, 3),
    "POOL 3 /2 ceil": (8, 7, 3),
    "POOL 3 /2 pad=1 ceil": (8, 7, 3),
    "POOL 2 /3 pad=1 ceil": (7, 4, 3),
    "POOL 5x3 /2x1 pad=2x1": (9, 6, 3),
    "POOL 3x2 /1x2 full": (5, 6, 3),
    "POOL 3 full": (4, 4, 2),
    "POOL 1 /2": (5, 6, 2),
    "POOL to=6x6": (13, 9, 2),
    "POOL to=3x7": (5, 4, 2),
    "POOL to=1x2": (5, 4, 2),
    # everything else
    "subsample 2": (6, 7, 3),
    "subsample 3x2": (7, 8, 2),
    "subsample 1": (3, 4, 2),
    "gap": (5, 4, 3),
    "gmp": (5, 4, 3),
    "dense": (3, 4, 2),
    "dense 7 bias=no": (3, 4, 2),
    "dense 7, dense 4": (3, 4, 2),
    "flatten": (3, 4, 2),
    "relu": (3, 4, 2),
    "scale 4, relu6": (5, 4, 3),
    "tanh": (3, 4, 2),
    "tanh scaled": (3, 4, 2),
    "sigmoid": (3, 4, 2),
    "scale 3, gelu": (5, 4, 3),
    "scale 3, silu": (5, 4, 3),
    "elu": (3, 4, 2),
    "elu 0.3": (3, 4, 2),
    "leaky": (3, 4, 2),
    "leaky 0.1": (3, 4, 2),
    "leaky 0": (3, 4, 2),
    "bn": (4, 3, 3),
    "bn eps=1e-3 momentum=0.3 scale=no": (4, 3, 3),
    "bn shift=no": (4, 3, 3),
    "bn scale=no shift=no": (4, 3, 3),
    "dense 4, bn": (3, 3, 2),
    "bn per=activation": (4, 3, 3),
    "bn per=activation eps=1e-3 momentum=0.3 scale=no": (4, 3, 2),
    "bn per=activation shift=no": (4, 3, 2),
    "dense 4, bn per=activation": (3, 3, 2),
    "lrn": (3, 4, 7),
    "lrn 3 k=1 alpha=0.5 beta=0.5": (3, 4, 5),
    "lrn 9 k=1 alpha=1.111e-4 beta=0.75": (3, 4, 4),
    "lrn 1 alpha=0.1": (3, 4, 3),
    "dense 6, lrn 3 alpha=0.1": (3, 4, 3),
    "dropout 0.5": (5, 4, 3),
    "dense 40, dropout 0.25, dense 4": (3, 3, 2),
    "dropout 0": (3, 4, 2),
    "softmax": (3, 4, 3),
    "dense 5, softmax": (3, 4, 2),
    "scale 0.125": (3, 4, 2),
    "scale -2": (3, 4, 2),
    "identity": (3, 4, 2),
    "dense 3, identity": (3, 4, 2),
    "identity 5 /2": (5, 6, 3),
    "identity 4": (5, 6, 3),
    "identity /2x1": (5, 6, 3),
    "identity 3 /3x2": (7, 5, 3),
    "rbf 10": (12, 7, 1),
    "dense 84, tanh scaled, rbf 10": (4, 3, 2),
    # structure
    "regions 2x2 ( conv 3x3 3 )": (6, 8, 2),
    "regions 3x1 ( conv 3x2 3 /2, bn, add( relu | conv 1x1 3 ) )": (9, 5, 2),
    "regions 1x2 ( regions 2x1 ( conv 2x2 2 valid ), maxpool 2 )": (8, 8, 1),
    "conv 3x3 3, aux ( gap, conv 1x1 classes ), relu": (5, 4, 2),
    "aux weight=0.5 ( conv 3x3 2, relu, dense ), conv 3x3 3, head: aux ( dense ), dense": (5, 4, 2),
    "add( conv 1x1 2 | aux ( dense 3, aux ( dense 5 ), dense 5 ), relu )": (3, 4, 2),
    "add( conv 3x3 3 | identity )": (5, 4, 3),
    "add( conv 3x3 6 /2 pad=1, bn | identity 6 /2 | conv 1x1 6 /2 )": (7, 6, 3),
    "concat( conv 1x1 2 | conv 3x3 3, relu | maxpool 3 /1 same, conv 1x1 4 | identity )": (5, 6, 3),
    "concat( dense 3 | dense 4, tanh )": (3, 4, 2),
    "2 * ( conv 3x3 3, add( relu | bn ) )": (5, 4, 2),
}  # fmt: skip
POOLS = ("maxpool", "avgpool", "minpool")
TABLE = [
    (text.replace("POOL", kind), size)
    for text, size in LAYERS.items()
    for kind in (POOLS if text.startswith("POOL") else ("",))
]

NETWORKS: dict[str, tuple[int, int, int]] = {
    # the tutorials', with fewer maps, and the shapes of the notation's own examples
    "conv 3x3 10, relu, conv 3x3 5 /2, bn, relu, maxpool 3 /2 same, dense 50, relu, dense 10": (8, 8, 1),
    "conv 5x5 4, relu, maxpool 2, conv 5x5 6, relu, maxpool 2, dense 32, relu, dropout 0.5, dense 10": (12, 12, 1),
    "conv 5x5 6, relu, maxpool 3 /2 same, lrn 9 k=1 alpha=1.111e-4 beta=0.75, conv 5x5 6, relu, "
    "lrn 9 k=1 alpha=1.111e-4 beta=0.75, maxpool 3 /2 same, dense 12, relu, dense 8, relu, dense 10": (12, 12, 3),
    "conv 5x5 4 valid, relu, maxpool 2, conv 3x3 5 valid, relu, maxpool 2, dense 10": (14, 14, 1),
    "conv 3x3 6 pad=1 bias=no, bn, leaky 0.1, 2 * ( conv 3x3 in groups=in, gelu, conv 1x1 6, silu ), "
    "conv 1x1 classes, gap": (9, 7, 3),
    "conv 5x5 6 valid, subsample 2, sigmoid, conv 5x5 16 valid connect=lenet5, subsample 2, tanh scaled, "
    "conv 5x5 7 valid, tanh scaled, dense 84, tanh scaled, rbf 10": (32, 32, 1),
    "let plain(c) = ( add( conv 3x3 c bias=no, bn, relu, conv 3x3 c bias=no, bn | identity ), relu )\n"
    "let down(c) = ( add( conv 3x3 c /2 pad=1 bias=no, bn, relu, conv 3x3 c bias=no, bn\n"
    "                   | conv 1x1 c /2 bias=no, bn ), relu )\n"
    "conv 7x7 4 /2 pad=3 bias=no, bn, relu, maxpool 3 /2 pad=1\n"
    "layer1: 2 * plain(4)\nlayer2: down(6)\ngap, dense": (19, 17, 3),
}  # fmt: skip


def test_every_kind_is_in_the_walk_and_in_the_table() -> None:
    assert set(RULES) == set(MODULES) == set(KINDS)
    words = {word for text, _ in TABLE for word in re.findall(r"[a-z]\w*", text)}
    assert set(RULES) | {"add", "concat", "regions", "aux", "connect", "activation", "position"} <= words


@pytest.mark.parametrize("training", [False, True], ids=["predicts", "trains"])
@pytest.mark.parametrize(("text", "size"), TABLE, ids=[text for text, _ in TABLE])
def test_layers(text: str, size: tuple[int, int, int], training: bool) -> None:
    agree(text, size, pictures=3, training=training)


@pytest.mark.parametrize("training", [False, True], ids=["predicts", "trains"])
@pytest.mark.parametrize(("text", "size"), list(NETWORKS.items()), ids=range(len(NETWORKS)))
def test_networks(text: str, size: tuple[int, int, int], training: bool) -> None:
    agree(text, size, pictures=3, training=training)


# Ties: a maximum that several cells share, as after every relu


@pytest.mark.parametrize("pool", ["gmp", *(f"{kind} {how}" for kind in POOLS for how in ("2", "3 /2 same", "to=2x2"))])
def test_equal_cells(pool: str) -> None:
    text = f"relu, {pool}"
    network = build(text, (5, 6, 2))
    values = numbers(2, 2, 5, 6) - 1.9  # mostly below 0: whole windows of zeros behind the relu
    pooled = np.maximum(values, 0)
    x = torch.from_numpy(pooled.copy()).requires_grad_()
    layer = network.labels[-1]
    y = network._called[layer](x)
    walk = Walk({})
    told, backward = walk.item(network.sizes.body.items[-1], pooled)
    weights = numbers(*told.shape, salt=99)
    y.backward(torch.from_numpy(weights))
    close(y, told, text)
    close(x.grad, backward(weights), f"{text}: gradient")


def test_relu_at_its_corner() -> None:
    for text in ("relu", "relu6", "leaky 0.1", "elu"):
        network = build(text, (1, 3, 1))
        values = np.array([[[[0.0, 6.0, -0.0]]]])
        x = torch.from_numpy(values.copy()).requires_grad_()
        network(x).sum().backward()
        _, backward = Walk({}).network(network.sizes.body, values)
        close(x.grad, backward(np.ones(values.shape)), text)


# Shapes that nobody thought of

PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))


def stated(height: int, width: int) -> str:
    return f"{height}x{width}"


@given(
    size=st.tuples(st.integers(1, 11), st.integers(1, 11), st.sampled_from([1, 2, 4])),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)), stride=PAIR,
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.sampled_from(["same", "valid", "full", "pad=0", "pad=1", "pad=2x1", "pad=3"]),
    groups=st.sampled_from([1, 2, 4]), border=st.sampled_from(["0", "1.5", "replicate", "reflect"]),
)  # fmt: skip
@settings(deadline=None, derandomize=True, max_examples=150)
def test_any_convolution(
    size: tuple[int, int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int],
    padding: str, groups: int, border: str,
) -> None:  # fmt: skip
    text = f"conv {stated(*kernel)} 4 /{stated(*stride)} {padding} groups={groups} border={border}"
    text += f" dilation={stated(*dilation)}"
    try:
        Network(text, input=size)
    except NetworkError:
        assume(False)
    agree(text, size)


@given(
    kind=st.sampled_from(POOLS), size=st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)), stride=PAIR, ceil=st.booleans(),
    padding=st.sampled_from(["same", "valid", "full", "pad"]), pads=st.tuples(st.integers(0, 4), st.integers(0, 4)),
)  # fmt: skip
@settings(deadline=None, derandomize=True, max_examples=150)
def test_any_pooling(
    kind: str, size: tuple[int, int, int], kernel: tuple[int, int], stride: tuple[int, int], ceil: bool, padding: str,
    pads: tuple[int, int],
) -> None:  # fmt: skip
    sides = [min(p, k - 1) for p, k in zip(pads, kernel, strict=True)]
    word = f"pad={stated(*sides)}" if padding == "pad" else padding
    if ceil:
        word = f"{word} ceil" if padding == "pad" else "ceil"
    text = f"{kind} {stated(*kernel)} /{stated(*stride)} {word}"
    try:
        Network(text, input=size)
    except NetworkError:
        assume(False)
    agree(text, size)


STACK = st.lists(
    st.sampled_from(
        ["conv 3x3 4", "conv 2x3 3 /2 same", "conv 3x3 2 dilation=2", "maxpool 2 /1 same", "avgpool 3 /2 same",
         "minpool 2 ceil", "relu", "tanh scaled", "gelu", "bn", "lrn 3 alpha=0.1", "scale 0.5", "identity 6 /2",
         "add( conv 1x1 in | identity )", "concat( identity | conv 3x3 2, silu )"]
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@given(layers=STACK, size=st.tuples(st.integers(4, 9), st.integers(4, 9), st.integers(1, 2)), training=st.booleans())
@settings(deadline=None, derandomize=True, max_examples=60)
def test_any_stack(layers: list[str], size: tuple[int, int, int], training: bool) -> None:
    text = ", ".join([*layers, "dense"])
    try:
        Network(text, input=size, classes=5)
    except NetworkError:
        assume(False)
    agree(text, size, pictures=4, training=training)


# What others computed, asked of the module itself, in float32


@pytest.mark.parametrize("framework", ["tensorflow", "paddle"])
def test_what_others_computed(framework: str) -> None:
    stored = cases.load(framework)
    windows = cases.TENSORFLOW_WINDOWS if framework == "tensorflow" else cases.PADDLE_WINDOWS
    for case in windows:
        _, channels, height, width = case.shape
        text = case.text + (" bias=no" if case.kind == "conv" else "")
        network = Network(text, input=(height, width, channels))
        x = torch.from_numpy(case.x.copy()).requires_grad_()
        if case.kind == "conv":
            network.load_state_dict({"conv1.weight": torch.from_numpy(case.weight.copy())})
        (kept,) = network(x, keep=network.labels)[1].values()
        theirs = stored[f"{case.name} y"]
        assert tuple(kept.shape) == theirs.shape, case.name
        kept.backward(torch.from_numpy(cases.numbers(*theirs.shape, salt=7)))
        found = {"y": kept, "dx": x.grad}
        if case.kind == "conv":
            found["dw"] = dict(network.named_parameters())["conv1.weight"].grad
        for part, tensor in found.items():
            assert tensor is not None
            theirs = stored[f"{case.name} {part}"]
            scale = max(1.0, float(np.abs(theirs).max()))
            assert_allclose(
                tensor.detach().numpy(),
                theirs,
                rtol=1e-5,
                atol=2e-6 * scale,
                err_msg=f"{framework}: {case.name} {part}",
            )


@pytest.mark.parametrize("framework", ["tensorflow", "paddle"])
@pytest.mark.parametrize(("window", "k", "alpha", "beta"), cases.RESPONSES)
def test_others_local_response(framework: str, window: int, k: float, alpha: float, beta: float) -> None:
    _, channels, height, width = cases.RESPONSE_SHAPE
    network = Network(f"lrn {window} k={k} alpha={alpha:f} beta={beta}", input=(height, width, channels))
    y = network(torch.from_numpy(cases.numbers(*cases.RESPONSE_SHAPE)))
    assert_allclose(y.numpy(), cases.load(framework)[f"lrn {window} y"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("framework", ["tensorflow", "paddle"])
def test_others_batch_normalisation(framework: str) -> None:
    stored = cases.load(framework)
    _, channels, height, width = cases.NORMALISED_SHAPE
    network = Network(f"bn eps={cases.NORMALISED_EPS}", input=(height, width, channels))
    given_numbers = {
        "bn1.weight": cases.numbers(channels, salt=1), "bn1.bias": cases.numbers(channels, salt=2),
        "bn1.running_mean": cases.numbers(channels, salt=3),
        "bn1.running_var": cases.numbers(channels, salt=4) ** 2 + np.float32(0.1),
    }  # fmt: skip
    network.load_state_dict({name: torch.from_numpy(values) for name, values in given_numbers.items()})
    x = torch.from_numpy(cases.numbers(*cases.NORMALISED_SHAPE))
    with torch.no_grad():
        assert_allclose(network.eval()(x).numpy(), stored["bn predict"], rtol=1e-5, atol=1e-5)
        assert_allclose(network.train()(x).numpy(), stored["bn y"], rtol=1e-5, atol=1e-5)
