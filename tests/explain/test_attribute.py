"""Attributions against captum and numbers by hand; planted squares are found; their checks fail where they should."""

from __future__ import annotations

import functools
import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convscope.classifier import Classifier
from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError
from convscope.explain import attribute as a
from convscope.explain import trust
from convscope.explain.attribute import attribute
from convscope.network.build import Network

NET = "conv 3x3 8, relu, conv 3x3 8, relu, maxpool 2, conv 3x3 16, relu, gap, dense"
SIDE, SQUARE = 24, 6
METHODS = ("gradcam", "integrated-gradients", "occlusion")


def planted(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Grey noise, in every second picture with a bright square: pictures, labels, the squares' corners."""
    draws = np.random.default_rng(seed)
    pictures = draws.integers(0, 110, (count, 1, SIDE, SIDE), dtype=np.uint8)
    labels, corners = np.arange(count) % 2, []
    for picture, label in zip(pictures, labels, strict=True):
        top, left = (int(n) for n in draws.integers(0, SIDE - SQUARE + 1, 2))
        corners.append((top, left))
        if label:
            picture[0, top : top + SQUARE, left : left + SQUARE] = draws.integers(170, 256, (SQUARE, SQUARE))
    return pictures, labels, corners


@functools.cache
def trained() -> Classifier:
    torch.manual_seed(0)
    network = Network(NET, input=(SIDE, SIDE, 1), classes=2, seed=0)
    preprocess = Preprocess((SIDE, SIDE), 1, mean=(0.25,), std=(0.2,))
    pictures, labels, _ = planted(512, 1)
    x, y = preprocess.to_input(pictures), torch.from_numpy(labels)
    optimizer = torch.optim.Adam(network.parameters(), 0.005)
    for step in range(120):
        some = torch.arange(64) + step % 8 * 64
        optimizer.zero_grad()
        F.cross_entropy(network(x[some]), y[some]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    network.eval()
    assert (network(x).argmax(1) == y).float().mean() > 0.98
    return Classifier(network, preprocess, ("plain", "square"))


@pytest.mark.parametrize("method", [*METHODS[:2], pytest.param("occlusion", marks=pytest.mark.slow)])
def test_planted_squares_are_hit(method: str) -> None:
    """A hit: the largest value lies in the square; of Grad-CAM in the square and its layer's stride (2) around it."""
    pictures, labels, corners = planted(400, 2)
    room = 2 if method == "gradcam" else 0
    found = attribute(trained(), pictures[labels == 1], method, target=1, check=False, batch=True)
    hits = 0
    for one, (top, left) in zip(found, np.array(corners)[labels == 1], strict=True):
        row, column = np.unravel_index(int(one.map.argmax()), one.map.shape)
        hits += (top - room <= row < top + SQUARE + room) and (left - room <= column < left + SQUARE + room)
    assert len(found) == 200
    assert hits >= 190, hits


# ---- oracles ---------------------------------------------------------------------------------------------------------


def case() -> tuple[Network, Tensor, Tensor]:
    network = Network("conv 3x3 6, bn, relu, maxpool 2, conv 3x3 8, relu, flatten, dense 12, tanh, dense",
                      input=(15, 13, 3), classes=5, seed=3).eval()  # fmt: skip
    draws = torch.Generator().manual_seed(4)
    return network, torch.randn(3, 3, 15, 13, generator=draws), torch.randn(1, 3, 1, 1, generator=draws).expand(
        1, 3, 15, 13
    )  # fmt: skip


def captum() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import captum.attr
    return captum.attr


def test_gradcam_against_captum() -> None:
    network, x, _ = case()
    targets = torch.tensor([0, 4, 2])
    told = captum().LayerGradCam(network, network.layer("conv2")).attribute(
        x, target=targets, relu_attributions=True)[:, 0]  # fmt: skip
    torch.testing.assert_close(a.gradcam(network, x, targets, "conv2"), told.detach(), rtol=1e-5, atol=1e-6)


def test_integrated_gradients_against_captum() -> None:
    network, x, blank = case()
    told = captum().IntegratedGradients(network).attribute(
        x[:1], blank, target=3, n_steps=40, method="riemann_middle")[0]  # fmt: skip
    found = a.integrated_gradients(network, x[:1], blank, 3, 40)
    torch.testing.assert_close(found, told.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "stride"), [(3, 2), (4, 4), (5, 3)])
def test_occlusion_against_captum(size: int, stride: int) -> None:
    network, x, blank = case()
    told = captum().Occlusion(network).attribute(
        x[:1], (3, size, size), (3, stride, stride), baselines=blank, target=1)[0]  # fmt: skip
    found = a.occlusion(network, x[:1], blank, 1, size, stride)
    torch.testing.assert_close(found.expand(3, -1, -1), told.float(), rtol=1e-5, atol=1e-5)


def test_gradcam_by_hand() -> None:
    """conv then dense over the flat maps: the gradient of a class at a place of a map is the dense weight itself."""
    network = Network("conv 3x3 2 valid, flatten, dense", input=(6, 6, 1), classes=3, seed=1).double().eval()
    x = torch.randn(1, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    held = {name: tensor.detach().numpy() for name, tensor in network.named_parameters()}
    kernel, bias, weight = held["conv1.weight"], held["conv1.bias"], held["dense1.weight"]
    windows = np.lib.stride_tricks.sliding_window_view(x[0, 0].numpy(), (3, 3))
    maps = np.einsum("ijkl,mkl->mij", windows, kernel[:, 0]) + bias[:, None, None]
    slopes = weight[2].reshape(2, 4, 4).mean((1, 2))
    by_hand = np.maximum(np.tensordot(slopes, maps, 1), 0)
    found = a.gradcam(network, x, torch.tensor([2]), "conv1")[0].numpy()
    assert np.abs(found - by_hand).max() <= 1e-6
    assert by_hand.max() > 0


def test_gradients_behind_the_maps_are_right() -> None:
    """What Grad-CAM takes from autograd, against differences in float64."""
    network, x, _ = case()
    network = network.double()
    maps = network(x[:1].double(), keep=["relu2"])[1]["relu2"].detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda m: network.after("relu2", m), (maps,), atol=1e-7, rtol=1e-5, nondet_tol=0)


# ---- checks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_good_map_passes(method: str) -> None:
    pictures, _, _ = planted(12, 5)
    found = [attribute(trained(), picture, method) for picture in pictures[1::2]]
    assert sum(one.trusted for one in found) >= 5, [one.why_not for one in found]
    names = [check.name for check in found[0].checks]
    assert names[-4:] == ["deletion", "insertion", "deletion and insertion", "weight randomisation"]
    assert all(one.trusted == (one.why_not == "") for one in found)


def test_completeness() -> None:
    pictures, _, _ = planted(10, 6)
    for picture in pictures:
        found = attribute(trained(), picture, "integrated-gradients")
        (check,) = (check for check in found.checks if check.name == "completeness")
        assert check.passed == (check.value <= 0.005)
        network, preprocess = trained().network, trained().preprocess
        blank = a.nothing(preprocess, picture[None])
        with torch.no_grad():
            change = float((network(preprocess.to_input(picture[None])) - network(blank))[0, found.target])
        assert abs(found.raw.sum() - change) <= 0.006 * abs(change)


def test_steps_are_raised_to_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    class Step(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            jump = torch.sigmoid(1e6 * (x.mean((1, 2, 3)) - 0.37))
            return torch.stack([jump, -jump], 1)

    x, blank = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    _, error, steps = a.complete(Step(), x, blank, 0)
    assert steps == a.MOST_STEPS
    check = trust.completeness(error, steps)
    assert not check.passed
    assert "don't add up" in check.why_not


STRIPED, TILE = 36, 6
STRIPES = "conv 5x5 12, relu, conv 3x3 16, relu, maxpool 2, conv 3x3 24, relu, gap, dense"


def striped(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """6 x 6 tiles of stripes, all of the same mean and contrast, at 30 to 150 degrees; in every second picture one tile
    is at 0 degrees, and decides the class. Brightness says nothing of it."""
    draws = np.random.default_rng(seed)
    pictures, labels = np.empty((count, 1, STRIPED, STRIPED), np.uint8), np.arange(count) % 2
    row, column = np.mgrid[:TILE, :TILE]
    for picture, label in zip(pictures, labels, strict=True):
        decides = int(draws.integers(36))
        for tile in range(36):
            angle = 0.0 if label and tile == decides else draws.uniform(np.pi / 6, np.pi * 5 / 6)
            wave = np.cos(2 * np.pi * (row * np.cos(angle) + column * np.sin(angle)) / 3 + draws.uniform(0, 2 * np.pi))
            values = 128 + 40 * (wave - wave.mean()) / wave.std() + draws.normal(0, 8, wave.shape)
            top, left = tile // 6 * TILE, tile % 6 * TILE
            picture[0, top : top + TILE, left : left + TILE] = np.clip(np.rint(values), 0, 255)
    return pictures, labels


@functools.cache
def trained_on_stripes() -> Classifier:
    torch.manual_seed(0)
    network = Network(STRIPES, input=(STRIPED, STRIPED, 1), classes=2, seed=0)
    preprocess = Preprocess((STRIPED, STRIPED), 1, mean=(0.5,), std=(0.16,))
    pictures, labels = striped(2048, 1)
    x, y = preprocess.to_input(pictures), torch.from_numpy(labels)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=300)
    for step in range(300):
        some = torch.arange(64) + step % 32 * 64
        optimizer.zero_grad()
        F.cross_entropy(network(x[some]), y[some]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()
    assert (network(x).argmax(1) == y).float().mean() > 0.98
    return Classifier(network, preprocess, ("plain", "rows"))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gradcam", "integrated-gradients"])
def test_randomised_weights_make_the_checks_fail(method: str) -> None:
    """Most of the trained network's maps pass; a network with shuffled weights has no map that is trusted; and its map,
    held against the trained network, fails but where it finds the one tile of 36 by luck."""
    classifier = trained_on_stripes()
    network, preprocess = classifier.network, classifier.preprocess
    pictures = striped(40, 30)[0][1::2]
    good, own, wrong = 0, 0, 0
    for seed, picture in enumerate(pictures):
        good += attribute(classifier, picture, method).trusted
        other = trust.shuffled(network, 99, seed)
        found = attribute((other, preprocess), picture, method)
        own += found.trusted
        assert found.trusted or "the class's probability hardly hangs on which patches are there" in found.why_not
        map = attribute((other, preprocess), picture, method, target=1, check=False).map
        blank, x = a.nothing(preprocess, picture[None]), preprocess.to_input(picture[None])
        wrong += all(check.passed for check in trust.curves(network, x, blank, map, 1))
    assert len(pictures) == 20
    assert good >= 16, good
    assert own <= 1, own
    assert wrong <= 5, wrong


@pytest.mark.parametrize("side", [12, 7])
def test_an_order_backwards_is_one_more(side: int) -> None:
    """Removing by an order passes the very pictures that showing by its reverse passes: the areas change places."""
    network = Network("conv 3x3 4, relu, gap, dense", input=(side, side, 1), classes=2, seed=1)
    draws = np.random.default_rng(0)
    x, blank = (
        torch.from_numpy(draws.standard_normal((1, 1, side, side), np.float32)) * 9,
        torch.zeros(1, 1, side, side),
    )
    map = draws.standard_normal((side, side)).astype(np.float32)
    there, back = (trust.curves(network, x, blank, one, 0) for one in (map, -map))
    assert there[2].value == pytest.approx(-back[2].value, abs=1e-9)
    assert abs(there[2].value) > 1e-4
    assert [y for _, y in there[0].curve] == pytest.approx([y for _, y in reversed(back[1].curve)])


def test_a_map_that_ignores_the_weights_fails() -> None:
    edges = np.random.default_rng(0).random((6, 6)).astype(np.float32)
    check = trust.randomisation(trained().network, lambda network: edges, edges)
    assert check.value == pytest.approx(1)
    assert not check.passed
    assert "shuffled" in check.why_not


def test_rank_correlation() -> None:
    from scipy.stats import spearmanr

    one, other = np.random.default_rng(0).integers(0, 6, (2, 5, 7))
    assert trust.rank_correlation(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert trust.rank_correlation(np.zeros(4), np.arange(4.0)) == 0


def test_a_module_that_cannot_be_copied() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.numbers = nn.Conv2d(1, 2, 3), (n for n in range(3))

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x).mean((2, 3))  # type: ignore[no-any-return]

    of = (Held(), Preprocess((12, 12), 1))
    picture = np.random.default_rng(0).integers(0, 256, (1, 12, 12), dtype=np.uint8)
    with pytest.raises(ConvscopeError, match="a network must be copyable for the check with shuffled weights"):
        attribute(of, picture)
    assert attribute(of, picture, check=False).label == "conv"


def test_the_answer_must_hang_on_the_layer() -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            self.unused(x)
            return self.used(x).mean((2, 3))  # type: ignore[no-any-return]

    with pytest.raises(
        ConvscopeError, match=r"the answer must hang on the layer\. Nothing that leaves unused reaches it"
    ):
        a.gradcam(Aside(), torch.zeros(1, 1, 8, 8), torch.tensor([0]), "unused")


def test_a_later_layer_is_chosen() -> None:
    """Of layers with maps of 16, 8, 4 and 2, the last that is at least 3 x 3."""
    network = Network("conv 3x3 4, maxpool 2, conv 3x3 4, maxpool 2, conv 3x3 4, maxpool 2, conv 3x3 4, gap, dense",
                      input=(16, 16, 1), classes=2)  # fmt: skip
    assert a.layer(network, torch.zeros(1, 1, 16, 16))[0] == "conv3"


def test_unchecked_is_not_trusted() -> None:
    found = attribute(trained(), planted(2, 0)[0][1], check=False)
    assert (found.trusted, found.why_not) == (False, "it was not checked")


# ---- layers, classes, pictures, own modules --------------------------------------------------------------------------


def test_the_layer_is_chosen_and_named() -> None:
    found = attribute(trained(), planted(2, 0)[0][1], check=False)
    assert found.label == "relu3"
    assert found.why_label == "the last layer whose maps are at least 3 x 3: 12 x 12"
    assert found.target == 1
    small = Network("conv 3x3 4, maxpool 8, dense", input=(16, 16, 1), classes=2)
    coarse = Network("maxpool 8, conv 3x3 4, dense", input=(16, 16, 1), classes=2)
    for network in (small, coarse):
        label, _ = a.layer(network, torch.zeros(1, 1, 16, 16))
        assert label == ("conv1")
    found = attribute((coarse, Preprocess((16, 16), 1)), np.arange(256, dtype=np.uint8).reshape(1, 16, 16))
    assert "no layer has maps of 3 x 3" in found.why_label
    assert not found.trusted
    assert "only 2 x 2, too coarse" in found.why_not


class Own(nn.Module):
    """One relu for all, in place or not."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.one, self.two, self.end = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3), nn.Linear(6, 2)
        self.relu = nn.ReLU(inplace=inplace)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.one(x))
        return self.end(self.relu(self.two(x)).mean((2, 3)))  # type: ignore[no-any-return]


@pytest.mark.parametrize("label", ["one", "two", "relu"])
def test_own_module(label: str) -> None:
    apart, inside = Own(False), Own(True)
    inside.load_state_dict(apart.state_dict())
    x, targets = torch.randn(2, 1, 9, 9), torch.tensor([0, 1])
    found = a.gradcam(inside, x, targets, label)
    assert torch.equal(found, a.gradcam(apart, x, targets, label))
    if label != "relu":
        told = captum().LayerGradCam(apart, apart.get_submodule(label)).attribute(
            x, target=targets, relu_attributions=True)[:, 0]  # fmt: skip
        torch.testing.assert_close(found, told.detach(), rtol=1e-5, atol=1e-6)
    assert a.layer(inside, x[:1])[0] == "relu"


def test_refusals() -> None:
    flat = Network("dense 4, relu, dense", input=(8, 8, 1), classes=2)
    picture = np.zeros((1, 8, 8), np.uint8)
    of = (flat, Preprocess((8, 8), 1))
    with pytest.raises(ConvscopeError, match=r"Grad-CAM needs a convolution whose maps .* integrated-gradients"):
        attribute(of, picture)
    with pytest.raises(ConvscopeError, match=r"a class must be a number from 0 to 1\. Got 7; the nearest is 1\."):
        attribute(of, picture, "occlusion", target=7)
    with pytest.raises(ConvscopeError, match=re.escape("unknown class 'squar', did you mean 'square'?")):
        attribute(trained(), planted(1, 0)[0][0], target="squar")
    with pytest.raises(ConvscopeError, match="unknown method of attribution 'gradcm', did you mean 'gradcam'"):
        attribute(of, picture, "gradcm")
    with pytest.raises(ConvscopeError, match=r"unknown layer with maps 'relu9', did you mean 'relu[123]'"):
        attribute(trained(), planted(1, 0)[0][0], label="relu9")
    with pytest.raises(ConvscopeError, match="a layer is what Grad-CAM looks at; occlusion looks at the picture"):
        attribute(of, picture, "occlusion", label="dense1")
    with pytest.raises(ConvscopeError, match=r"must be uint8 \(C, H, W\); for a batch say batch=True"):
        attribute(of, picture[None], "occlusion")
    with pytest.raises(ConvscopeError, match="a network must answer with one finite number a class"):
        attribute((nn.Conv2d(1, 2, 3), Preprocess((8, 8), 1)), picture)


def test_other_pictures_are_fitted() -> None:
    found = attribute(trained(), np.full((3, 40, 30), 90, np.uint8), check=False)
    assert found.map.shape == (SIDE, SIDE)
    with pytest.raises(ConvscopeError, match="a picture must be"):
        attribute(trained(), np.zeros((2, SIDE, SIDE), np.uint8))


def test_a_window_of_the_picture() -> None:
    network = Network(NET, input=(16, 16, 1), classes=2, seed=0)
    found = attribute(
        (network, Preprocess((24, 24), 1, crop_to=(16, 16))), planted(2, 0)[0][1], "occlusion", check=False
    )
    assert found.map.shape == (24, 24)
    assert not found.map[:4].any()


def test_the_network_is_left_as_it_was() -> None:
    network = trained().network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.train()
    attribute(trained(), planted(2, 0)[0][1])
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    network.eval()
