"""Our networks give the logits of torchvision on the same weights and pictures, and EfficientNet-Lite0 those of its own
package on its real weights."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from convscope import weights
from convscope.errors import ConvscopeError
from convscope.network.build import Network
from convscope.network.source import text_of
from convscope.weights import formula
from convscope.weights.answers import _stored, formula_weights
from convscope.weights.known import KNOWN
from convscope.weights.load import under_our_names
from convscope.weights.proof import TOLERANCE, compare, prove

LARGE = [name for name in KNOWN if name.startswith("vgg") or name in ("resnet101", "resnet152", "alexnet-torchvision")]
SMALL = [name for name in KNOWN if name not in LARGE and KNOWN[name].source == "torchvision"]


def filled(name: str, text: str = "") -> Network:
    network = Network(text or text_of(name), seed=None)
    network.load_state_dict(under_our_names(network.sizes, formula_weights(KNOWN[name])))
    return network


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_the_logits_are_torchvisions(name: str) -> None:
    assert compare(filled(name), KNOWN[name]) <= TOLERANCE


def test_the_side_classifiers_are_torchvisions() -> None:
    network = filled("googlenet-torchvision").eval()
    stored = _stored(KNOWN["googlenet-torchvision"])
    for height, width in ((224, 224), (161, 193)):
        with torch.inference_mode():
            _, kept = network(torch.from_numpy(formula.picture(height, width)), keep=["aux1", "aux2"])
        for label in ("aux1", "aux2"):
            wanted = stored[f"{height}x{width} {label}"].astype(np.float32)
            assert np.abs(kept[label][0].numpy() - wanted).max() <= TOLERANCE * np.abs(wanted).max()


def test_the_real_weights_give_what_their_own_package_gives() -> None:
    given = weights.trained("efficientnet_lite0")
    network = Network(text_of("efficientnet_lite0"), seed=None)
    proof = prove(network, given.tensors, KNOWN["efficientnet_lite0"])
    assert proof.real
    assert proof.apart <= TOLERANCE
    assert proof.sizes == ((224, 224), (161, 193))
    assert given.sha256 == "3240c45965c2829f2d3a0f1262628decdb474b1668723096f397a7a509d91909"
    assert (given.size, given.fit, given.resize, given.source) == ((224, 224), "crop", 256, KNOWN[given.name].source)
    assert given.tensors.keys() == network.state_dict().keys()
    assert all(tensor.dtype == torch.float32 for tensor in given.tensors.values())
    assert len(given.classes) == 1000


# A network that differs where no shape shows it is found out


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("googlenet-torchvision", "eps=1e-3", "eps=1e-5"),
        ("googlenet-torchvision", "maxpool 3 /2 ceil ", "maxpool 3 /2 pad=1 "),
        ("resnet18", "maxpool 3 /2 pad=1", "maxpool 3 /2 same"),
        ("mobilenet_v2", "relu6", "relu"),
    ],
)
def test_what_no_shape_shows_is_found(name: str, old: str, new: str) -> None:
    text = text_of(name)
    assert old in text
    with pytest.raises(ConvscopeError, match=r"must give the logits of torchvision on a formula picture of \d+ x \d+"):
        compare(filled(name, text.replace(old, new)), KNOWN[name])


def test_the_papers_stride_placement_is_found() -> None:
    with pytest.raises(ConvscopeError, match="They are apart by"):
        compare(filled("resnet50", text_of("resnet50-paper")), KNOWN["resnet50"])


def test_two_alike_tensors_in_each_others_place_are_found() -> None:
    network = filled("resnet18")
    state = network.state_dict()
    first, second = [name for name, tensor in state.items() if tensor.shape == (64, 64, 3, 3)][:2]
    network.load_state_dict(state | {first: state[second].clone(), second: state[first].clone()})
    with pytest.raises(ConvscopeError, match="They are apart by"):
        compare(network, KNOWN["resnet18"])


# The given weights


@cache
def squeeze() -> dict[str, Tensor]:
    return under_our_names(Network(text_of("squeezenet1_1"), seed=None).sizes, formula_weights(KNOWN["squeezenet1_1"]))


def test_proving_leaves_the_given_weights_in_the_network() -> None:
    network = Network(text_of("squeezenet1_1"))
    given = {name: tensor * 0.9 for name, tensor in squeeze().items()}
    proof = prove(network, given, KNOWN["squeezenet1_1"])
    assert not proof.real
    assert all(torch.equal(tensor, given[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("factor", [0.0, 1e20])
def test_weights_that_say_nothing_are_refused(factor: float) -> None:
    with pytest.raises(ConvscopeError, match="must give finite logits that differ from picture to picture"):
        prove(Network(text_of("squeezenet1_1")), {n: t * factor for n, t in squeeze().items()}, KNOWN["squeezenet1_1"])


def test_real_logits_tell_other_weights_apart() -> None:
    given = weights.trained("efficientnet_lite0").tensors
    changed = given | {"stem.conv1.weight": given["stem.conv1.weight"] * 1.01}
    with pytest.raises(ConvscopeError, match="these are other weights than the published ones"):
        prove(Network(text_of("efficientnet_lite0"), seed=None), changed, KNOWN["efficientnet_lite0"])


# The formula


def test_the_formula_is_of_name_shape_and_place() -> None:
    """The first numbers as worked out by hand-written whole-number arithmetic: no machine may give others."""

    def by_hand(name: str, place: int) -> float:
        import zlib

        mask = 0xFFFFFFFF
        mixed = (place * 0x9E3779B1 & mask) ^ zlib.crc32(name.encode())
        mixed ^= mixed >> 16
        mixed = mixed * 0x7FEB352D & mask
        mixed ^= mixed >> 15
        mixed = mixed * 0x846CA68B & mask
        mixed ^= mixed >> 16
        return (mixed >> 8) / 2**24

    numbers = formula.uniform("conv1.weight", 5_000_000)
    for place in (0, 1, 2, 77, 4_194_303, 4_194_304, 4_999_999):
        assert numbers[place] == by_hand("conv1.weight", place)
    assert abs(float(numbers.mean(dtype=np.float64)) - 0.5) < 1e-3
    assert abs(float(numbers.var(dtype=np.float64)) - 1 / 12) < 1e-3


def test_formula_weights_keep_what_flows_sane() -> None:
    weight = formula.tensor("conv.weight", (64, 32, 3, 3), normalises=False)
    assert abs(float(weight.var()) * 32 * 9 - 2) < 0.05
    assert formula.tensor("bn.weight", (9,), normalises=True).min() >= 0.5
    variance = formula.tensor("bn.running_var", (900,), normalises=True)
    assert 0.5 <= variance.min() < variance.max() < 1.5
    assert np.abs(formula.tensor("bn.running_mean", (900,), normalises=True)).max() <= 0.1
    picture = formula.picture(20, 30)
    assert picture.shape == (1, 3, 20, 30)
    assert np.abs(picture).max() <= 1.7
