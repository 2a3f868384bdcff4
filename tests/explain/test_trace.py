"""Every number of a trace is the network's own: each layer kind in every form, and cells of ten zoo networks."""

from __future__ import annotations

import json
import random
import re

import pytest
import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError
from convscope.explain.trace import trace, trace_loss
from convscope.explain.trace.rules import FEEDS, READS
from convscope.network.build import Network
from convscope.notation.kinds import KINDS
from convscope.report.text import json_line
from explain.tracing import Oracle, check_forward, check_gradient, check_slopes, moved, some_places
from network.test_registry import TEXTS

ENDS = {"conv 1x1 classes, gap", "dense 84, rbf 10"}
MORE = (
    "conv 3x3 4 border=replicate /2", "conv 5x5 4 border=reflect", "conv 3x3 4 border=0.5 full", "conv 2x2 4 same",
    "conv 3x3 6, conv 3x3 9 groups=3 /2x1 pad=2x1 dilation=2", "avgpool 3 /2 pad=1 ceil", "maxpool 3 /2 ceil",
    "maxpool 3x2 /1 same", "conv 1x1 4, lrn 3 k=1 alpha=0.5 beta=0.6, gelu",
    "regions 1x2 ( conv 3x3 4, regions 7x1 ( bn, relu ), maxpool 1 ), add( identity | dropout 0.3 )",
    "add( dropout 0.5 | identity | bn ), concat( relu, dense 3 | flatten, dropout 0.2 )",
    "concat( identity | conv 3x3 2 | maxpool 3 /1 same ), scale 2, conv 1x1 3",
    "conv 3x3 5, aux weight=0.5 ( maxpool 2, dense 6, relu, dense ), identity 8 /2",
)  # fmt: skip


def picture(seed: int = 0, size: tuple[int, int, int] = (7, 6, 3)) -> Tensor:
    return torch.randn(1, size[2], *size[:2], generator=torch.Generator().manual_seed(seed))


def built(text: str) -> Network:
    """With a classifier behind it, so that there is a loss."""
    classes = 10 if "rbf" in text else 4
    network = Network(text if text in ENDS else f"{text}, dense", input=(7, 6, 3), classes=classes)
    network.whiten(torch.randn(6, 3, 7, 6, generator=torch.Generator().manual_seed(2)))
    return moved(network)


def test_every_kind_has_its_rows() -> None:
    assert set(READS) == set(KINDS)
    assert set(FEEDS) == set(KINDS)


@pytest.mark.parametrize("text", [*TEXTS, *MORE])
def test_every_number_is_the_networks_own(text: str) -> None:
    """Values, terms, slopes, gradients and moves of cells of every layer, side classifiers included."""
    network, draws = built(text), random.Random(text)
    x = picture()
    oracles = {"": Oracle(network, x, 1)} | {aux: Oracle(network, x, 1, aux) for aux in network.aux}
    for label in ("input", *network.labels):
        oracle = oracles[next((aux for aux in network.aux if label == aux or label.startswith(f"{aux}.")), "")]
        for place in some_places(tuple(oracle.output(label).shape[1:]), 6, draws):
            found = trace(network, x, label, place, target=1)
            assert trace(network, x, label, place).terms == found.terms, "the same with and without a gradient"
            check_forward(found, oracle)
            check_slopes(found, network, oracle)
            if found.kind != "aux":
                check_gradient(found, oracle)


@pytest.mark.parametrize("text", ["relu", "relu6", "tanh", "tanh scaled", "sigmoid", "gelu", "silu", "elu 0.5",
                                  "leaky 0.2"])  # fmt: skip
def test_activations_far_from_0(text: str) -> None:
    """Where they bend, where they are flat, and where a power of e would overflow."""
    values = torch.tensor([0.0, -1e-3, 0.5, 6.0, 6.5, -7.0, 40.0, -200.0, 1000.0])
    network = Network(text, input=(3, 3, 1), classes=2).eval()
    x = values.view(1, 1, 3, 3)
    leaf = x.clone().requires_grad_()
    out = network(leaf)
    (slopes,) = torch.autograd.grad(out.sum(), leaf)
    for turn in range(9):
        place = (0, *divmod(turn, 3))
        found = trace(network, x, network.labels[0], place)
        assert found.steps[-1].value == pytest.approx(float(out[(0, *place)].detach()), rel=1e-5, abs=1e-6)
        assert found.terms[0].slope == pytest.approx(float(slopes[(0, *place)]), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("text", ["conv 3x3 4 /2 bias=position", "conv 3x3 6, conv 5x5 16 connect=lenet5", "bn",
                                  "subsample 2", "conv 3x3 6 groups=3", "conv 3x3 4 border=replicate"])  # fmt: skip
def test_the_parts_of_all_cells_are_the_gradient(text: str) -> None:
    """What single cells move of each parameter adds up to autograd's gradient of it."""
    network = built(text)
    x, label = picture(), network.labels[-2]
    oracle = Oracle(network, x, 2)
    sums = {name: torch.zeros_like(t) for name, t in oracle.parameters.items() if name.startswith(f"{label}.")}
    maps, rows, columns = oracle.output(label).shape[1:]
    for place in ((m, r, c) for m in range(maps) for r in range(rows) for c in range(columns)):
        gradient = trace(network, x, label, place, target=2).gradient
        assert gradient is not None
        for move in gradient.moves:
            sums[move.tensor][move.at] += move.part
    assert sums
    for name, total in sums.items():
        torch.testing.assert_close(total, oracle.parameters[name], rtol=1e-4, atol=1e-5)


ZOO = {
    "lenet5": (32, 32, 1), "nin": (32, 32, 3), "resnet20": (32, 32, 3), "squeezenet1_1": (64, 64, 3),
    "resnet18": (64, 64, 3), "mobilenet_v2": (64, 64, 3), "densenet121": (64, 64, 3), "googlenet": (96, 96, 3),
    "efficientnet_lite0": (64, 64, 3), "alexnet": (99, 99, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", ZOO)
def test_cells_of_the_zoo(name: str) -> None:
    """20 random cells of each of ten networks, every kind of each in turn."""
    network = moved(Network(name, input=ZOO[name], classes=10))
    x, draws = picture(3, ZOO[name]), random.Random(name)
    oracle = Oracle(network, x, 7)
    by_kind: dict[str, list[str]] = {}
    for label, row in network.sizes.by_name().items():
        if not any(label == aux or label.startswith(f"{aux}.") for aux in network.aux):
            by_kind.setdefault(row.item.kind, []).append(label)
    for turn in range(20):
        kinds = sorted(by_kind)
        label = draws.choice(by_kind[kinds[turn % len(kinds)]])
        place = tuple(draws.randrange(n) for n in oracle.output(label).shape[1:])
        found = trace(network, x, label, place, target=7)
        check_forward(found, oracle)
        check_gradient(found, oracle)


# Tutorial C

DRAWN = [[1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
KERNELS = [[[1, -1], [1, -1]], [[1, 1], [-1, -1]]]
MAPS = [[[1, -1, 2], [0, -1, 2], [0, -2, 2]], [[-1, -1, 0], [2, 1, 0], [0, 0, 0]]]
POOLED = [[[1, 2], [0, 2]], [[2, 1], [2, 1]]]


@pytest.fixture(scope="module")
def tutorial() -> tuple[Network, Tensor]:
    network = Network("input 4x4x1, classes 2, conv 2x2 2 valid bias=no, maxpool 2 /1, dense").eval()
    with torch.no_grad():
        weight = network.layer("conv1").weight
        assert isinstance(weight, Tensor)
        weight.copy_(torch.tensor(KERNELS)[:, None])
    return network, torch.tensor(DRAWN, dtype=torch.float32)[None, None]


def test_tutorial_c_line_by_line(tutorial: tuple[Network, Tensor]) -> None:
    network, x = tutorial
    first = trace(network, x, "conv1", (0, 0, 0))
    assert first.formula == "1*1 + 0*(-1) + 1*1 + 1*(-1) = 1"
    assert trace(network, x, "conv1", (0, 0, 1)).formula == "0*1 + 1*(-1) + 1*1 + 1*(-1) = -1"
    assert trace(network, x, "conv1", (0, 2, 2)).formula == "1*1 + 0*(-1) + 1*1 + 0*(-1) = 2"
    assert [term.place for term in first.terms] == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    assert (first.inputs, first.seen, first.window) == (("input",), (0, 0, 2, 2), (1, 2, 2))
    for label, whole in (("conv1", MAPS), ("pool1", POOLED)):
        for m, rows in enumerate(whole):
            for r, row in enumerate(rows):
                for c, value in enumerate(row):
                    assert trace(network, x, label, (m, r, c)).value == value
    pooled = trace(network, x, "pool1", (0, 0, 1))
    assert pooled.formula == "max(-1, 2, -1, 2) = 2"
    assert [term.weight for term in pooled.terms] == [0, 1, 0, 0]
    assert pooled.notes == ("2 cells of the window are equal: the first of them wins.",)


# The loss


@pytest.mark.parametrize("text", ["dense", "conv 1x1 classes, gap", "dense 84, rbf 10"])
def test_the_loss(text: str) -> None:
    network = moved(Network(text, input=(7, 6, 3), classes=10))
    x = picture()
    found, oracle = trace_loss(network, x, 3), Oracle(network, x, 3)
    assert found.value == pytest.approx(oracle.loss, rel=1e-6)
    assert found.steps[-1].value == pytest.approx(oracle.loss, rel=1e-5)
    last = network.labels[-1]
    ups = oracle.upstream[last].flatten()
    assert [term.slope for term in found.terms] == pytest.approx(ups.tolist(), abs=1e-5)
    assert [term.value for term in found.terms] == pytest.approx(oracle.output(last).flatten().tolist(), rel=1e-6)
    assert bool("rubbish" in " ".join(found.notes)) == ("rbf" in text)


def test_the_loss_at_large_logits() -> None:
    """No overflow, and no logarithm of 0."""
    network = Network("dense bias_init=0 init=200", input=(7, 6, 3), classes=3).eval()
    with torch.no_grad():
        weight = network.layer("dense1").weight
        assert isinstance(weight, Tensor)
        weight[1:] *= -1
    found = trace_loss(network, picture().abs(), 2)
    assert found.steps[-1].value == pytest.approx(found.value, rel=1e-6)
    assert found.value > 1e4


# What surrounds a cell


def test_what_the_activation_makes_of_it() -> None:
    network = built("conv 3x3 4, bn, leaky 0.2, dropout 0.5, maxpool 2")
    found = trace(network, picture(), "conv1", (1, 2, 3))
    assert [step.name for step in found.after] == ["bn1", "leaky1", "dropout1"]
    assert trace(network, picture(), "pool1", (1, 2, 1)).after == ()


def test_nothing_follows_where_two_read() -> None:
    network = built("conv 3x3 3, add( relu | identity )")
    assert trace(network, picture(), "conv1", (0, 0, 0)).after == ()


def test_training_is_told_of_dropout() -> None:
    network = Network("input 7x6x3, dropout 0.5, dense 2").eval()
    x = torch.full((1, 3, 7, 6), 0.73)
    (note,) = trace(network, x, "dropout1", (0, 1, 1)).notes
    assert note.startswith("In training it is 0 with probability 0.5, and else 0.73 / (1 - 0.5) = 1.46")


def test_the_box_that_is_seen() -> None:
    """A picture changed outside of it changes nothing; inside of it, something."""
    text = "conv 3x3 4, regions 1x2 ( conv 3x3 4 ), concat( maxpool 2 same | conv 3x3 2 /2 ), flatten, tanh"
    network, x = built(text), picture()
    for label, place in (("concat1", (1, 2, 1)), ("regions1", (0, 3, 4)), ("conv1", (0, 6, 5)), ("tanh1", (23,))):
        found = trace(network, x, label, place)
        top, left, bottom, right = found.seen
        mask = torch.ones(7, 6, dtype=torch.bool)
        mask[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = False
        for outside, same in ((mask, True), (~mask, False)):
            other = x + outside * 3.0
            assert (trace(network, other, label, place).value == found.value) == same


def test_the_picture_itself() -> None:
    network, x = built("conv 3x3 4, add( relu | identity )"), picture()
    found = trace(network, x, "input", (2, 3, 4), target=0)
    assert found.value == float(x[0, 2, 3, 4])
    assert (found.terms, found.seen, found.kind) == ((), (3, 4, 4, 5), "input")
    assert found.gradient is not None
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(network(leaf), torch.tensor([0])), leaf)
    assert found.gradient.value == pytest.approx(float(gradient[0, 2, 3, 4]), rel=1e-5)
    shares = [share.product for share in found.gradient.comes_from]
    assert sum(shares) == pytest.approx(found.gradient.value, abs=1e-5 * max(map(abs, shares)))


def test_a_side_classifier_has_its_own_loss() -> None:
    network, x = built("conv 3x3 4, aux weight=0.3 ( dense ), relu"), picture()
    for label, place in (("aux1", (2,)), ("aux1.dense1", (2,))):
        found = trace(network, x, label, place, target=2)
        p = torch.softmax(network(x, keep=["aux1"])[1]["aux1"], 1)[0, 2]
        assert found.gradient is not None
        assert found.gradient.value == pytest.approx(0.3 * (p.item() - 1), rel=1e-5)
        assert found.notes == ("The loss is that of aux1 alone, times its weight of 0.3 in training.",)
    assert [share.label for share in trace(network, x, "conv1", (0, 0, 0), target=2).gradient.comes_from] == ["relu1"]  # type: ignore[union-attr]


def test_the_network_stays_as_it_was() -> None:
    network, x = built("conv 3x3 4, bn, relu").train(), picture()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trace(network, x, "bn1", (0, 0, 0), target=1)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("name", ["input", "loss"])
def test_a_layer_may_be_called_as_what_is_around_it(name: str) -> None:
    network, x = built(f"{name}: conv 3x3 4, {name}2: relu"), picture()
    plain = built("conv 3x3 4, relu")
    plain.load_state_dict(dict(zip(plain.state_dict(), network.state_dict().values(), strict=True)))
    one, other = trace(network, x, name, (1, 2, 3), target=1), trace(plain, x, "conv1", (1, 2, 3), target=1)
    assert (one.kind, one.value, one.formula) == ("conv", other.value, other.formula)
    assert one.gradient is not None
    assert other.gradient is not None
    assert [share[2:] for share in one.gradient.comes_from] == [share[2:] for share in other.gradient.comes_from]
    assert trace_loss(network, x, 1).value == trace_loss(plain, x, 1).value
    assert trace(network, x, "the input" if name == "input" else "input", (0, 0, 0)).value == float(x[0, 0, 0, 0])


def test_no_number_where_the_network_has_none() -> None:
    """A base below 0 has no power of 0.75: nan, as the network itself gives."""
    found = trace(built("lrn 3 k=-100"), picture(), "lrn1", (0, 0, 0))
    assert found.value != found.value
    assert found.steps[-1].value != found.steps[-1].value


def test_as_json() -> None:
    network, x = built("conv 3x3 4, maxpool 3 /2 same"), picture()
    told = json.loads(json_line(trace(network, x, "conv1", (1, 0, 0), target=1)))
    assert told["format"] == 1
    assert told["place"] == [1, 0, 0]
    assert told["terms"][0] == {"source": "input", "place": [0, -1, -1], "inside": False, "value": 0.0,
                                "weight": told["terms"][0]["weight"], "product": 0.0,
                                "slope": told["terms"][0]["slope"]}  # fmt: skip
    assert {"label", "place", "slope", "upstream", "product"} == set(told["gradient"]["comes_from"][0])
    assert {"tensor", "at", "value", "slope", "part", "total"} == set(told["gradient"]["moves"][0])
    assert json.loads(json_line(trace_loss(network, x, 1)))["steps"][-1]["name"] == "minus its logarithm"


# What can't be traced


@pytest.mark.parametrize(
    ("label", "place", "sentence"),
    [
        ("cnv1", (0, 0, 0), "unknown layer 'cnv1', did you mean 'conv1'? These exist: conv1, dense1, input, pool1."),
        ("conv1", (4, 0, 0), "the map must be from 0 to 3 in conv1 (7x6x4). Got 4. The nearest is 3."),
        ("conv1", (0, -1, 0), "the row must be from 0 to 6 in conv1 (7x6x4). Got -1. The nearest is 0."),
        ("conv1", (0, 0, 60), "the column must be from 0 to 5 in conv1 (7x6x4). Got 60. The nearest is 5."),
        ("dense1", (10,), "the unit must be from 0 to 3 in dense1 (4 units). Got 10. The nearest is 3."),
        ("conv1", (1, 2), "a place in conv1 (7x6x4) is (map, row, column), counted from 0. Got (1, 2). Give (2, 3, 3), "
                          "for example."),
        ("dense1", (1, 2, 3), "a place in dense1 (4 units) is (unit,), counted from 0. Got (1, 2, 3). Give (2,), for "
                              "example."),
    ],
)  # fmt: skip
def test_a_place_that_does_not_exist(label: str, place: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        trace(built("conv 3x3 4, maxpool 2"), picture(), label, place)


def test_a_class_that_does_not_exist() -> None:
    sentence = "the target must be a class from 0 to 3. Got 4. The nearest is 3."
    network = built("conv 3x3 4")
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        trace(network, picture(), "conv1", (0, 0, 0), target=4)
    with pytest.raises(ConvscopeError, match=re.escape("from 0 to 3. Got -1. The nearest is 0.")):
        trace_loss(network, picture(), -1)


def test_no_loss_without_classes() -> None:
    network = Network("input 7x6x3, conv 3x3 4").eval()
    assert trace(network, picture(), "conv1", (0, 0, 0)).gradient is None
    sentence = "a gradient needs a network that ends in one number a class. This one ends in 7x6x4."
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        trace(network, picture(), "conv1", (0, 0, 0), target=0)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (torch.zeros(1, 3, 8, 6), "(1, 3, 7, 6) for an input of 7x6x3. Got (1, 3, 8, 6)."),
        (torch.zeros(1, 1, 7, 6), "Got (1, 1, 7, 6). Bring it to this size and these channels with the model's prepro"),
        (torch.zeros(2, 3, 7, 6), "a trace needs one picture as the network takes it"),
        (torch.zeros(1, 3, 7, 6, dtype=torch.uint8), "a trace needs the numbers that the network takes, floats. Got"),
    ],
)
def test_another_picture(x: Tensor, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        trace(built("conv 3x3 4"), x, "conv1", (0, 0, 0))


def test_a_module_of_ones_own() -> None:
    sentence = (
        "a trace needs a network in the notation, for it knows the arithmetic of each of its layers. Got Sequential"
    )
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        trace(nn.Sequential(nn.Flatten()), picture(), "0", (0,))  # type: ignore[arg-type]


def test_a_start_that_waits_for_pictures() -> None:
    with pytest.raises(ConvscopeError, match="starts as init=whiten"):
        trace(Network("input 7x6x3, conv 3x2 4 init=whiten"), picture(), "conv1", (0, 0, 0))
