"""Every layer kind of the notation through one body: tables, gradients, names, counts, copies, single pictures."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from torch import Tensor

from convscope.network.build import Network
from convscope.network.cost import PARAMETERS, aux_parameters, parameter_count, state, total_parameters
from convscope.network.layers import MODULES
from convscope.network.shapes import RULES, NetworkError, resolve
from convscope.notation import parse, write_out
from convscope.notation.kinds import KINDS

SIZE = (7, 6, 3)
CLASSES = 4

BUILT: dict[str, tuple[str, ...]] = {
    "conv": ("conv 3x3 4", "conv 3x3 6 /2 bias=no groups=3", "conv 3x2 4 dilation=2 border=reflect valid",
             "conv 3x3 in groups=in", "conv 3x3 4 /2 bias=position bias_init=normal(1)", "conv 1x1 classes, gap",
             "conv 3x3 6, conv 5x5 16 connect=lenet5", "conv 3x2 4 init=whiten"),
    "maxpool": ("maxpool 2", "maxpool 3 /2 same", "maxpool to=3x2"),
    "avgpool": ("avgpool 2 ceil", "avgpool 3 /2 pad=1", "avgpool to=3x2"),
    "minpool": ("minpool 2", "minpool 3 /2 same", "minpool to=3x2"),
    "subsample": ("subsample 2", "subsample 3x2"),
    "gap": ("gap",),
    "gmp": ("gmp",),
    "dense": ("dense", "dense 5 bias=no", "dense in"),
    "flatten": ("flatten",),
    "relu": ("relu",),
    "relu6": ("relu6",),
    "tanh": ("tanh", "tanh scaled"),
    "sigmoid": ("sigmoid",),
    "gelu": ("gelu",),
    "silu": ("silu",),
    "elu": ("elu", "elu 0.5"),
    "leaky": ("leaky", "leaky 0.2"),
    "bn": ("bn", "bn scale=no", "bn shift=no", "bn scale=no shift=no eps=1e-3 momentum=0.5", "dense 5, bn",
           "bn per=activation", "bn per=activation scale=no", "dense 5, bn per=activation shift=no"),
    "lrn": ("lrn", "lrn 3 alpha=0.1", "dense 5, lrn"),
    "dropout": ("dropout 0.5",),
    "softmax": ("softmax",),
    "scale": ("scale 0.125",),
    "identity": ("identity", "identity 5 /2", "dense 5, identity"),
    "rbf": ("dense 84, rbf 10",),
    "regions": ("regions 7x3 ( conv 1x1 2 )", "regions 1x2 ( conv 3x3 2, maxpool 2 ), relu"),
    "aux": ("aux ( dense ), relu",
            "conv 3x3 3, aux weight=0.5 ( conv 1x1 classes, gap ), aux ( dense 5, dense ), relu"),
    "add": ("add( conv 3x3 3 | identity | relu )",),
    "concat": ("concat( conv 3x3 3 | identity | relu, conv 1x1 2 )",),
}  # fmt: skip
"""Each kind in every form that has tensors or code of its own."""

TEXTS = [text for texts in BUILT.values() for text in texts]


def pictures(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, 7, 6, generator=torch.Generator().manual_seed(seed))


def build(text: str) -> Network:
    network = Network(text, input=SIZE, classes=10 if "rbf" in text else CLASSES)
    network.whiten(pictures(6, seed=2))
    return network


# The tables are whole


def test_every_kind_has_its_rows() -> None:
    assert set(RULES) == set(KINDS)
    assert set(MODULES) == set(KINDS)
    assert set(BUILT) == set(KINDS) | {"add", "concat", "regions", "aux"}
    assert set(PARAMETERS) < set(KINDS)


@pytest.mark.parametrize("kind", BUILT)
def test_each_text_holds_its_kind(kind: str) -> None:
    for text in BUILT[kind]:
        written = write_out(parse(text))
        assert kind in {row.item.kind for row in resolve(written, SIZE, 10).rows}


# What is built


@pytest.mark.parametrize("text", TEXTS)
def test_shapes_are_the_walks(text: str) -> None:
    """Every layer gives what the walk over shapes said, in training and in prediction."""
    network = build(text)
    for training in (True, False):
        _, kept = network.train(training)(pictures(3), keep=network.labels)
        assert list(kept) == list(network.labels)
        for name, row in network.sizes.by_name().items():
            after = row.after if len(row.after) == 1 else (row.after[2], *row.after[:2])
            if name in network.aux:  # it hands its input on, and what is kept of it are its own logits
                after = (CLASSES,)
            assert kept[name].shape == (3, *after), name


@pytest.mark.parametrize("text", TEXTS)
def test_keeping_changes_nothing(text: str) -> None:
    network = build(text).eval()
    x = pictures(3)
    with torch.no_grad():
        alone = network(x)
        logits, kept = network(x, keep=network.labels)
    assert torch.equal(alone, logits)
    assert torch.equal(kept[network.labels[-1]].flatten(), logits.flatten())
    assert network(x, keep=())[1] == {}


@pytest.mark.parametrize("text", TEXTS)
def test_counted_parameters_are_the_modules(text: str) -> None:
    """Tensors, names and shapes: what the loader trusts before it builds."""
    network = build(text)
    counted = total_parameters(network.sizes) + aux_parameters(network.sizes)
    assert counted == sum(p.numel() for p in network.parameters())
    assert state(network.sizes) == {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert all(tensor.dtype == torch.float32 for tensor in network.state_dict().values())


@pytest.mark.parametrize("text", TEXTS)
def test_every_parameter_has_a_gradient(text: str) -> None:
    """None is left out, and none is always 0."""
    network = build(f"{text}, dense").train()
    logits, sides = network(pictures(4), keep=network.aux)
    sum((side.square().sum() for side in sides.values()), logits.square().sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # batch normalisation takes the mean of a map out again, and what a bias before it adds
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("text", TEXTS)
def test_one_picture_is_as_one_of_many(text: str) -> None:
    network = build(text)
    network.train()(pictures(8, seed=1))  # running statistics that aren't 0 and 1
    network.eval()
    x = pictures(5)
    with torch.no_grad():
        many = network(x)
        for i in range(5):
            torch.testing.assert_close(network(x[i : i + 1])[0], many[i], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("text", TEXTS)
def test_copies_and_state_are_whole(text: str) -> None:
    network = build(text)
    network.train()(pictures(8, seed=1))
    network.eval()
    x = pictures(3)
    with torch.no_grad():
        y = network(x)
        twin = copy.deepcopy(network)
        assert torch.equal(twin(x), y)
        for parameter in twin.parameters():
            parameter.add_(1)
        assert torch.equal(network(x), y), "a copy must have weights of its own"
        other = Network(text, input=SIZE, classes=network.sizes.classes, seed=7).eval()
        other.load_state_dict(network.state_dict())
        assert torch.equal(other(x), y)


@pytest.mark.parametrize("text", TEXTS)
def test_the_canonical_text_is_the_same_network(text: str) -> None:
    network = build(text)
    again = build(network.text)
    assert again.text == network.text
    assert again.labels == network.labels
    one, two = network.state_dict(), again.state_dict()
    assert list(one) == list(two)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_bias_for_each_position() -> None:
    """The textbook's idea: the same kernel everywhere, plus a number of each output value's own."""
    network = build("conv 3x3 4 /2 bias=position bias_init=normal(1)")
    plain = build("conv 3x3 4 /2 bias=no")
    plain.load_state_dict({"conv1.weight": network.state_dict()["conv1.weight"]})
    bias = network.state_dict()["conv1.bias"]
    assert bias.shape == (4, 4, 3)
    torch.testing.assert_close(network(pictures(2)), plain(pictures(2)) + bias)


# Names


def test_tensors_are_named_as_the_notation_says() -> None:
    text = """
    let block(c) = ( add( conv 3x3 c bias=no, bn | identity ), relu )
    stem: conv 3x3 4, bn, layer1: 2 * block(4), tail: block(4), maxpool 2, avgpool 1, conv 1x1 4, gap, head: dense
    """
    network = build(text)
    assert list(network.state_dict()) == [
        "stem.weight", "stem.bias",
        "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var",
        "layer1.1.conv1.weight",
        "layer1.1.bn1.weight", "layer1.1.bn1.bias", "layer1.1.bn1.running_mean", "layer1.1.bn1.running_var",
        "layer1.2.conv1.weight",
        "layer1.2.bn1.weight", "layer1.2.bn1.bias", "layer1.2.bn1.running_mean", "layer1.2.bn1.running_var",
        "tail.conv1.weight", "tail.bn1.weight", "tail.bn1.bias", "tail.bn1.running_mean", "tail.bn1.running_var",
        "conv2.weight", "conv2.bias", "head.weight", "head.bias",
    ]  # fmt: skip
    assert {"pool1", "pool2", "layer1.1.add1", "layer1.2.identity1", "tail.relu1"} <= set(network.labels)


@pytest.mark.parametrize("label", ["train", "forward", "text", "sizes", "training", "parameters", "weight", "eval",
                                   "modules", "penalty", "labels", "aux2", "state_dict"])  # fmt: skip
@pytest.mark.parametrize("item", ["{}: conv 3x3 4, dense", "{}: ( conv 3x3 4, relu ), dense", "{}: 2 * ( bn ), dense"])
def test_a_label_may_be_called_as_anything_else(label: str, item: str) -> None:
    """Labels are the user's words; none of them may collide with what the module is made of."""
    network = build(item.format(label))
    plain = build(item.format("body"))
    assert [name.replace("body", label, 1) for name in plain.state_dict()] == list(network.state_dict())
    network.train()
    network.load_state_dict(copy.deepcopy(network).state_dict())
    assert torch.equal(network.eval()(pictures(2)), plain.eval()(pictures(2)))


def test_regions_on_a_size_that_they_do_not_divide() -> None:
    sentence = "regions1 cuts its maps into 7x3 equal parts. Got maps of 8x6. Give pictures of a size that divides."
    with pytest.raises(NetworkError, match=re.escape(sentence)):
        build("regions 7x3 ( conv 1x1 2 )")(torch.zeros(1, 3, 8, 6))
    assert build("regions 7x3 ( conv 1x1 2 )")(torch.zeros(1, 3, 14, 9)).shape == (1, 2, 14, 9)


def test_each_region_has_its_own_weights_and_its_own_place() -> None:
    """A region's body changed changes its part of the outcome alone."""
    network = build("regions 1x2 ( conv 3x3 2 )")
    x = pictures(2)
    with torch.no_grad():
        before = network(x)
        network.state_dict()["regions1.1x2.conv1.weight"].add_(1)
        moved = (network(x) != before).any((0, 1))
    assert moved[:, 3:].all()
    assert not moved[:, :3].any()


def test_an_unknown_label() -> None:
    sentence = "unknown layer 'cnv1', did you mean 'conv1'? These exist: conv1, dense1."
    with pytest.raises(NetworkError, match=re.escape(sentence)):
        build("conv 3x3 4, dense")(pictures(1), keep=["cnv1"])


# The penalty


def test_the_penalty_is_of_weights_alone() -> None:
    network = build("conv 3x3 4 l1=0.1 bias_init=5, dense 6 l2=0.004 bias_init=5, dense l1=0.5 l2=0.25")
    tensors = network.state_dict()
    conv, one, two = (tensors[f"{name}.weight"] for name in ("conv1", "dense1", "dense2"))
    told = 0.1 * conv.abs().sum() + 0.002 * one.square().sum() + 0.5 * two.abs().sum() + 0.125 * two.square().sum()
    found = network.penalty()
    assert found is not None
    torch.testing.assert_close(found.detach(), told)
    assert build("conv 3x3 4, dense").penalty() is None


# What a text alone says


COUNTS = {
    "subsample 2": ((3, 3, 3), 6),
    "dense 84, rbf 10": ((10,), 84 * 127),
    "regions 7x3 ( conv 1x1 2 )": ((7, 6, 2), 21 * 8),
    "aux ( dense )": ((7, 6, 3), 0),
    "conv 3x3 6, conv 5x5 16 connect=lenet5": ((7, 6, 16), 168 + 1_516),
    "bn per=activation": ((7, 6, 3), 2 * 126),
    "dense 5, bn per=activation": ((5,), 127 * 5 + 10),
}


@pytest.mark.parametrize(("text", "after", "count"), [(text, *row) for text, row in COUNTS.items()], ids=COUNTS)
def test_shapes_and_counts_without_a_module(text: str, after: tuple[int, ...], count: int) -> None:
    sizes = resolve(write_out(parse(text)), SIZE, 10)
    assert sizes.output == after
    assert total_parameters(sizes) == count
    assert sum(map(parameter_count, sizes.rows)) == count + aux_parameters(sizes)
