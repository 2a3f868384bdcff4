"""The planned step equals the plain float32 step: loss and every gradient, for every network of the zoo.

Three tests hold it. In float32 only the order differs, and the numbers are the same bits. Where the narrow precision is
made float64, every other path of a bfloat16 plan runs (pictures side by side, casts, biases, logits), and whatever is
not rounding shows: 1e-5. In bfloat16 itself a gradient may be as far from float32's as twice what comes of rounding the
weights and the pictures alone: a network of 50 layers at its start turns any rounding at all into another gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from convscope.kernels import apply, plain
from convscope.kernels import forward as room
from convscope.kernels.convolve import PLAIN, convolve
from convscope.kernels.forward import PRECISIONS, Forward
from convscope.network.build import Network
from convscope.network.layers import MODULES, Dropout
from convscope.network.shapes import NetworkError
from convscope.network.source import zoo
from convscope.network.walk import Walk
from convscope.notation.tree import Branches
from kernels.steps import apart, batch, distance, every_way, small, step

QUICK = (
    "lenet5", "lenet5-modern", "tutorial-a-written", "tutorial-b-cifar10", "tutorial-c-5x5-20-50", "nin", "resnet20",
    "squeezenet1_1", "resnet110",
)  # fmt: skip
ZOO = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in zoo()]
EXACT = 1e-5
TIMES_ROUNDING = 2.0

FORMS = {
    "aux": "conv 3x3 8, relu, maxpool 2, aux weight=0.5 ( conv 1x1 4, relu, gap, dense ), conv 3x3 8, relu, dense",
    "regions": "conv 3x3 4, relu, regions 2x2 ( conv 3x3 4, relu, maxpool 2 ), dense",
    "connect": "conv 5x5 6 valid, tanh scaled, subsample 2, conv 3x3 16 valid connect=lenet5, tanh, dense",
    "connect behind bfloat16": "conv 3x3 6, tanh, conv 3x3 16 connect=lenet5, relu, maxpool 2, dense",
    "bias=position": "conv 3x3 4 bias=position, relu, maxpool 2, dense",
    "border": "conv 5x5 4 border=reflect, relu, conv 3x3 4 border=0.5, relu, maxpool 2, conv 3x3 4, relu, dense",
    "lrn": "conv 3x3 8, relu, lrn, maxpool 2, conv 3x3 8, relu, dense",
    "per=activation": "conv 3x3 4 bias=no, bn per=activation, relu, maxpool 2, dense 8, bn, relu, dense",
    "dropout": "conv 3x3 8, relu, dropout 0.3, maxpool 2, dense 16, relu, dropout 0.5, dense",
    "shortcut": "conv 3x3 4, relu, add( conv 3x3 4, relu, maxpool 3/1 pad=1 | identity ), relu6, maxpool 2, dense",
    "concat": "conv 3x3 4, relu, concat( conv 1x1 3, lrn | maxpool 3/1 pad=1, conv 3x3 4 groups=2 ), gap, dense",
    "stages": "conv 3x3 4, relu, maxpool 2, maxpool 2, gelu, conv 3x3 4 dilation=2, leaky, avgpool 2, flatten, dense",
    "ends in softmax": "conv 3x3 4, relu, dense, softmax",
    "ends in gap": "conv 3x3 4, relu, conv 1x1 3, gap",
    "penalties": "conv 3x3 4 l2=0.01, relu, minpool 2, dense 8 l1=0.001, sigmoid, dense",
}
Narrow = Callable[[torch.dtype], None]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Narrow:
    """Makes another precision the one that a bfloat16 plan computes in."""
    return lambda precision: monkeypatch.setitem(PRECISIONS, "bfloat16", precision)


def of_text(text: str) -> Network:
    network = Network(text, input=(12, 12, 2), classes=3)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def planned(network: Network) -> Forward:
    return Forward(network, {"precision": "bfloat16", "order": True, "layers": every_way(network)})


def the_order_changes_no_bit(network: Network) -> None:
    x, labels = batch(network, 4)
    loss, gradients = step(network, network, x, labels)
    again, found = step(network, Forward(network, {"precision": "float32", "order": True}), x, labels)
    assert again == loss
    assert max(apart(found, gradients).values()) < EXACT


def exact(network: Network, narrow: Narrow) -> float:
    """How far a plan in float64 is from the network in float64, at the parameter where it is most."""
    network.double()
    narrow(torch.float64)
    x, labels = batch(network, 5, torch.float64)  # 5: fewer than lie side by side
    loss, gradients = step(network, network, x, labels)
    again, found = step(network, planned(network), x, labels)
    worst = max(apart(found, gradients).values())
    return max(worst, abs(again - loss) / abs(loss))


def in_bfloat16(network: Network) -> tuple[float, float]:
    """How far bfloat16's gradients are from float32's, and how far those of rounded weights and pictures are."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.p = 0.0  # which units it drops may hang on how maps lie in memory
    x, labels = batch(network, 8)
    _, gradients = step(network, network, x, labels)
    _, found = step(network, planned(network), x, labels)
    assert all(gradient.dtype == torch.float32 for gradient in found.values())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.bfloat16())
    _, rounded = step(network, network, x.bfloat16().float(), labels)
    return distance(found, gradients), distance(rounded, gradients)


def assert_only_rounding(network: Network) -> None:
    found, rounded = in_bfloat16(network)
    assert found <= TIMES_ROUNDING * rounded + 0.01


@pytest.mark.parametrize("name", ZOO)
def test_the_order_changes_no_bit_of_a_zoo_network(name: str) -> None:
    the_order_changes_no_bit(small(name))


@pytest.mark.parametrize("name", ZOO)
def test_a_plan_is_exact_for_a_zoo_network(name: str, narrow: Narrow) -> None:
    assert exact(small(name), narrow) < EXACT


@pytest.mark.parametrize("name", ZOO)
def test_a_zoo_network_in_bfloat16_is_off_by_rounding_alone(name: str) -> None:
    assert_only_rounding(small(name))


@pytest.mark.parametrize("form", FORMS)
def test_every_form(form: str, narrow: Narrow) -> None:
    the_order_changes_no_bit(of_text(FORMS[form]))
    assert_only_rounding(of_text(FORMS[form]))
    assert exact(of_text(FORMS[form]), narrow) < EXACT


KINDS = (
    "conv 3x3 6 groups=2", "conv 3x3 6/2 same", "maxpool 2", "maxpool to=2x2", "avgpool 3/2 pad=1", "avgpool to=3x3",
    "minpool 2", "subsample 2", "gap", "gmp", "dense 8", "flatten", "relu", "relu6", "tanh", "tanh scaled", "sigmoid",
    "gelu", "silu", "elu", "leaky", "bn", "bn per=activation", "lrn", "dropout 0.3", "softmax", "scale 0.5", "identity",
    "dense 84, rbf 10",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_behind_a_narrow_activation(kind: str) -> None:
    text = f"conv 3x3 6, {kind}" + ("" if "rbf" in kind else ", dense 10")
    network = Network(text, input=(12, 12, 2), classes=10).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x, labels = batch(network, 4)
    loss, gradients = step(network, planned(network), x, labels)
    expected, _ = step(network, network, x, labels)
    assert abs(loss - expected) < 0.02 * expected + 0.02
    assert {gradient.dtype for gradient in gradients.values()} == {torch.float32}


def test_every_kind_is_tried() -> None:
    assert {word.split()[-2 if "rbf" in word else 0] for word in KINDS} == MODULES.keys()


# The tests see what is wrong


def without_bias(x: Tensor, weight: Tensor, bias: Tensor | None, *more: object) -> Tensor:
    """A convolution whose bias learns nothing."""
    still = None if bias is None else bias.detach() + 0 * bias
    return convolve(x, weight, still, *more)  # type: ignore[arg-type]


def without_shortcut(self: Walk, item: Branches, x: Tensor) -> Tensor:
    """A sum that forgets its last branch."""
    outs = [self.sequence(branch, x) for branch in item.branches[: -1 if item.kind == "add" else None]]
    return outs[0] if item.kind == "add" else torch.cat(outs, 1)


def half_the_gradient(x: Tensor, weight: Tensor, *more: object) -> Tensor:
    """A convolution whose weights see half of their gradient."""
    return convolve(x, (weight + weight.detach()) / 2, *more)  # type: ignore[arg-type]


@pytest.mark.parametrize("bug", [without_bias, half_the_gradient, without_shortcut])
def test_a_planted_bug_is_seen(bug: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch, narrow: Narrow) -> None:
    if bug is without_shortcut:
        monkeypatch.setattr(room._Walk, "_form", bug)
    else:
        monkeypatch.setattr(room, "convolve", bug)
    text = "conv 3x3 8, relu, add( conv 3x3 8, relu, conv 3x3 8 | identity ), maxpool 2, dense"
    found, rounded = in_bfloat16(of_text(text))
    if bug is not without_bias:  # a bias is little of the whole gradient; the exact test holds each parameter
        assert found > TIMES_ROUNDING * rounded + 0.01
    assert exact(of_text(text), narrow) > 1000 * EXACT


# What else a plan's way through the network has to be


def test_the_order_goes_only_where_the_numbers_stay() -> None:
    network = of_text("conv 3x3 4, tanh, maxpool 2, leaky, maxpool 2, relu6, maxpool 2, gelu, maxpool 1, dense")
    body = network.sizes.body
    kinds = [item.kind for item in Forward(network, {"order": True}).ordered(body).items]
    assert kinds == ["conv", "tanh", "maxpool", "leaky", "maxpool", "maxpool", "relu6", "gelu", "maxpool", "dense"]


def test_what_is_kept_is_what_leaves_the_layer_in_the_text() -> None:
    network = of_text("conv 3x3 4, relu, maxpool 2, dense").eval()
    x, _ = batch(network, 3)
    expected = network(x, keep=["relu1", "pool1"])
    found = Forward(network, {"precision": "bfloat16", "order": True})(x, keep=["relu1", "pool1"])
    assert found[0].dtype == found[1]["relu1"].dtype == torch.float32
    assert found[1]["relu1"].shape == expected[1]["relu1"].shape
    assert torch.allclose(found[1]["pool1"], expected[1]["pool1"], atol=0.03)
    assert (found[1]["relu1"] >= 0).all()


def test_refusals_are_the_networks_own() -> None:
    network = of_text("conv 3x3 4, relu, dense")
    x, _ = batch(network, 2)
    with pytest.raises(NetworkError, match="unknown layer 'conv9'"):
        Forward(network, {})(x, keep=["conv9"])
    waiting = of_text("conv 3x3 4 init=whiten, relu, dense")
    with pytest.raises(NetworkError, match=r"Call network\.whiten\(pictures\) once before the first forward pass"):
        Forward(waiting, {})(x)


def test_a_layer_may_stay_in_float32() -> None:
    network = of_text("conv 3x3 4, relu, conv 3x3 4, dense")
    x, _ = batch(network, 2)
    seen: dict[str, torch.dtype] = {}
    for label in ("conv1", "conv2"):
        network.layer(label).register_forward_hook(lambda m, given, y, label=label: seen.update({label: y.dtype}))
    plan = {"precision": "bfloat16", "layers": {"conv2": {"precision": "float32"}}}
    Forward(network, plan)(x)
    assert seen == {"conv2": torch.float32}  # the other goes by a function of the plan


def test_what_a_plan_makes_of_a_network() -> None:
    network = of_text("conv 3x3 4, relu, dense")
    assert apply(plain(), network) is network
    assert isinstance(apply({"precision": "bfloat16"}, network), Forward)
    own = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 12), torch.nn.Flatten())
    assert apply({"precision": "float32", "order": True}, own) is own
    x, _ = batch(network, 2)
    logits = apply({"precision": "bfloat16"}, own)(x)
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, own(x))
    assert torch.allclose(logits, own(x), atol=0.05)
    assert PLAIN not in str(every_way(network))
