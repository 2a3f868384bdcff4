"""Published tensors find their layers by structure; the first place that differs refuses the whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from convscope.errors import ConvscopeError
from convscope.network.cost import state
from convscope.network.shapes import Shape
from convscope.weights.answers import in_order, shapes_of
from convscope.weights.known import KNOWN, KnownWeights
from convscope.weights.load import sizes_of
from convscope.weights.mapping import mapped

Shapes = dict[str, Shape]
ENTRIES = pytest.mark.parametrize("entry", KNOWN.values(), ids=KNOWN)


@ENTRIES
def test_every_tensor_has_its_place(entry: KnownWeights) -> None:
    sizes, shapes = sizes_of(entry.name), shapes_of(entry)
    pairs = mapped(sizes, shapes)
    wanted = state(sizes)
    assert pairs.keys() == wanted.keys()
    assert sorted(pairs.values()) == sorted(shapes)
    assert all(shapes[theirs] == wanted[ours] for ours, theirs in pairs.items())
    assert all(ours.rpartition(".")[2] == theirs.rpartition(".")[2] for ours, theirs in pairs.items())


def resnet() -> Shapes:
    return shapes_of(KNOWN["resnet18"])


def renamed(shapes: Shapes, change: Callable[[str], str]) -> Shapes:
    return {change(name): shape for name, shape in shapes.items()}


def test_names_are_of_no_account() -> None:
    sizes = sizes_of("resnet18")
    plain = mapped(sizes, resnet())
    other = mapped(sizes, renamed(resnet(), lambda name: f"backbone.x{name}"))
    assert other == {ours: f"backbone.x{theirs}" for ours, theirs in plain.items()}


def test_counts_of_batches_are_left_out() -> None:
    shapes = resnet()
    counted = {
        k: v for n, s in shapes.items() for k, v in ((n, s), (f"{n.rpartition('.')[0]}.num_batches_tracked", ()))
    }
    assert mapped(sizes_of("resnet18"), counted) == mapped(sizes_of("resnet18"), shapes)


def change_shape(name: str, shape: Shape) -> Callable[[Shapes], Shapes]:
    return lambda shapes: shapes | {name: shape}


def without(*names: str) -> Callable[[Shapes], Shapes]:
    return lambda shapes: {name: shape for name, shape in shapes.items() if name not in names}


def swapped(first: str, second: str) -> Callable[[Shapes], Shapes]:
    """Two modules in each other's place."""

    def swap(shapes: Shapes) -> Shapes:
        modules: dict[str, Shapes] = {}
        for name, shape in shapes.items():
            modules.setdefault(name.rpartition(".")[0], {})[name] = shape
        order = [second if m == first else first if m == second else m for m in modules]
        return {name: shape for m in order for name, shape in modules[m].items()}

    return swap


REFUSED = {
    "a transposed dense layer": (
        change_shape("fc.weight", (512, 1000)),
        r"Number 41 of the network is dense1 \(a dense layer: bias 1000, weight 1000x512\); number 41 of the "
        r"weights is fc \(a dense layer: bias 1000, weight 512x1000\)",
    ),
    "other classes": (change_shape("fc.weight", (10, 512)), r"fc \(a dense layer: bias 1000, weight 10x512\)"),
    "another kernel": (change_shape("conv1.weight", (64, 3, 3, 3)), r"Number 1 of the network .* weight 64x3x3x3\)"),
    "no bias": (without("fc.bias"), r"fc \(a dense layer: weight 1000x512\). Give the weights of this very network"),
    "a layer missing": (without("layer1.0.conv1.weight"), r"Number 3 of .* weights is layer1.0.bn1"),
    "the last one missing": (
        without("fc.weight", "fc.bias"),
        r"The first 40 do, then the network has dense1 .* 1 in all",
    ),
    "one too many": (change_shape("fc2.weight", (5, 5)), r"The first 41 do, then the weights have fc2 \(a dense layer"),
    "no running statistics": (
        without("bn1.running_mean", "bn1.running_var"),
        r"bn1 \(a module of another kind: bias 64, weight 64\)",
    ),
    "a stray tensor": (change_shape("bn1.extra", ()), r"bn1 \(a module of another kind: .* extra one number"),
    "another order": (swapped("conv1", "bn1"), r"Number 1 of the network is conv1 .* number 1 of the weights is bn1"),
    "nothing": (lambda shapes: {}, "The first 0 do, then the network has conv1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_differs_is_refused(case: str) -> None:
    change, said = REFUSED[case]
    with pytest.raises(ConvscopeError, match=f"weights must fit their network layer by layer.*{said}"):
        mapped(sizes_of("resnet18"), change(resnet()))


def test_another_networks_weights_are_refused() -> None:
    with pytest.raises(
        ConvscopeError, match=r"Number 3 of .* weight 64x64x1x1\); number 3 of .* layer1\.0\.conv1 .* 64x64x3x3\)"
    ):
        mapped(sizes_of("resnet50"), resnet())


def test_the_papers_resnet_has_the_same_tensors_and_no_published_weights() -> None:
    """What no shape shows is kept apart by the headers: only networks that say `weights` are mapped at all."""
    assert mapped(sizes_of("resnet50-paper"), shapes_of(KNOWN["resnet50"]))
    assert "resnet50-paper" not in KNOWN


# Side classifiers


def google() -> Shapes:
    return shapes_of(KNOWN["googlenet-torchvision"])


def test_side_classifiers_are_paired_by_themselves() -> None:
    pairs = mapped(sizes_of("googlenet-torchvision"), google())
    assert pairs["aux1.conv1.weight"] == "aux1.conv.conv.weight"
    assert pairs["aux2.dense2.bias"] == "aux2.fc2.bias"
    names = list(google())
    assert names.index("aux1.conv.conv.weight") > names.index("inception5b.branch4.1.bn.running_var")  # after the body


def test_a_file_may_lack_them_all() -> None:
    shapes = {name: shape for name, shape in google().items() if not name.startswith("aux")}
    pairs = mapped(sizes_of("googlenet-torchvision"), shapes)
    assert sorted(pairs.values()) == sorted(shapes)


def test_one_of_two_is_refused() -> None:
    shapes = {name: shape for name, shape in google().items() if not name.startswith("aux2")}
    with pytest.raises(ConvscopeError, match=r"as many side classifiers as the network\. Got 1 for 2"):
        mapped(sizes_of("googlenet-torchvision"), shapes)


def test_one_of_another_shape_is_refused() -> None:
    with pytest.raises(ConvscopeError, match=r"Number 3 of the network is aux1.dense1 .* aux1.fc1 .* 1024x1152"):
        mapped(sizes_of("googlenet-torchvision"), google() | {"aux1.fc1.weight": (1024, 1152)})


# The order of a file


@ENTRIES
def test_sorted_names_come_back_into_order(entry: KnownWeights) -> None:
    shapes = shapes_of(entry)
    by_name = {name: shapes[name] for name in sorted(shapes)}
    assert list(in_order(entry, by_name, ordered=False)) == list(shapes)


def test_parallel_training_is_known_by_its_prefix() -> None:
    shapes = renamed(resnet(), lambda name: f"module.{name}")
    by_name = {name: shapes[name] for name in sorted(shapes)}
    assert list(in_order(KNOWN["resnet18"], by_name, ordered=False)) == list(shapes)


def test_a_file_without_side_classifiers_comes_into_order() -> None:
    body = [name for name in google() if not name.startswith("aux")]
    by_name = {name: google()[name] for name in sorted(body)}
    assert list(in_order(KNOWN["googlenet-torchvision"], by_name, ordered=False)) == body


@pytest.mark.parametrize(
    ("change", "said"),
    [(without("bn1.bias"), "It lacks bn1.bias"), (change_shape("head.weight", (1,)), "It has head.weight beyond them")],
)
def test_safetensors_with_other_names_is_refused(change: Callable[[Shapes], Shapes], said: str) -> None:
    with pytest.raises(
        ConvscopeError, match=f"keeps no order of layers, must have the names that torchvision .* {said}"
    ):
        in_order(KNOWN["resnet18"], change(resnet()), ordered=False)
    assert in_order(KNOWN["resnet18"], change(resnet()), ordered=True) == change(resnet())


def test_names_of_old_files_map_by_structure() -> None:
    """torchvision's file of DenseNet-121 is older than its names: `norm.1` for `norm1`."""
    entry = KNOWN["densenet121"]
    old = renamed(shapes_of(entry), lambda name: name.replace("norm1", "norm.1").replace("conv2", "conv.2"))
    assert old.keys() != shapes_of(entry).keys()
    pairs = mapped(sizes_of("densenet121"), in_order(entry, old, ordered=True))
    assert len(pairs) == len(old)
