"""How weights start: the distributions that the notation names, keyed by seed, kind and ordinal."""

from __future__ import annotations

import math
import re
import time

import numpy as np
import pytest
import torch
from torch import Tensor

import convscope.explain.reference as book
from convscope.network import lenet5, whiten
from convscope.network.build import Network
from convscope.network.init import draw
from convscope.network.shapes import NetworkError
from convscope.notation.tree import Init


def weights(text: str, input: tuple[int, int, int], seed: int = 0) -> dict[str, Tensor]:
    return dict(Network(text, input=input, classes=10, seed=seed).state_dict())


def first(text: str, input: tuple[int, int, int], seed: int = 0) -> Tensor:
    """The weights of the only layer, as float64."""
    return next(tensor for name, tensor in weights(text, input, seed).items() if name.endswith(".weight")).double()


def spread(tensor: Tensor, std: float) -> None:
    """Mean 0 and this deviation, each within 5 of its standard errors (a normal's, the widest used here)."""
    n = tensor.numel()
    assert abs(tensor.mean().item()) < 5 * std / math.sqrt(n)
    assert abs(tensor.std().item() / std - 1) < 5 / math.sqrt(2 * n)


# Deviations: what a unit takes in and gives out

FANS = {
    "conv 3x3 64": ((8, 8, 32), 2 / (9 * 32)),
    "conv 1x7 128": ((8, 8, 16), 2 / (7 * 16)),
    "conv 7x1 128": ((8, 8, 16), 2 / (7 * 16)),
    "conv 3x3 64 groups=64": ((4, 4, 64), 2 / 9),
    "conv 3x3 64 groups=4": ((4, 4, 32), 2 / (9 * 8)),
    "dense 200": ((5, 4, 3), 2 / 60),
    "conv 3x3 64 init=glorot": ((8, 8, 32), 2 / (9 * 32 + 9 * 64)),
    "conv 3x3 64 groups=4 init=glorot": ((8, 8, 32), 2 / (9 * 8 + 9 * 16)),
    "dense 200 init=glorot": ((5, 4, 3), 2 / 260),
    "conv 3x3 64 init=normal(0.05)": ((8, 8, 32), 0.05**2),
    "conv 3x3 64 init=uniform(0.3)": ((8, 8, 32), 0.3**2 / 3),
    "dense 200 init=normal(1)": ((5, 4, 3), 1.0),
}


@pytest.mark.parametrize(("text", "input", "variance"), [(text, *row) for text, row in FANS.items()], ids=FANS)
def test_the_variance_is_the_named_one(text: str, input: tuple[int, int, int], variance: float) -> None:
    spread(first(text, input), math.sqrt(variance))


def test_the_tutorials_fans() -> None:
    """Tutorial C's source has 0.354 and 0.059 where the fan-in gives 0.134 and 0.471."""
    assert first("conv 1x7 256", (8, 8, 16)).std().item() == pytest.approx(0.134, abs=0.003)
    assert first("conv 3x3 64 groups=64", (8, 8, 64)).std().item() == pytest.approx(0.471, abs=0.05)


# Shapes of the distributions

MANY = torch.Size((1000, 1000))


def million(how: Init, seed: int = 0) -> Tensor:
    return draw(how, MANY, (50, 100), seed, 1, "test").flatten().double()


def cumulative(x: float, std: float) -> float:
    return 0.5 * math.erfc(-x / std / math.sqrt(2))


@pytest.mark.parametrize("kind", ["kaiming", "normal", "truncnormal"])
def test_normals_have_the_normal_shape(kind: str) -> None:
    """The share below each point, within 5 standard errors; the cut one redrawn beyond two deviations."""
    std = math.sqrt(2 / 50) if kind == "kaiming" else 0.3
    cut = 2.0 if kind == "truncnormal" else math.inf
    found = million(Init(kind, None if kind == "kaiming" else std))
    outside = math.erfc(cut / math.sqrt(2))
    for point in (-2.5, -1.9, -1.0, -0.1, 0.0, 0.5, 1.5, 1.99, 3.0):
        share = min(1.0, max(0.0, (cumulative(point * std, std) - outside / 2) / (1 - outside)))
        error = math.sqrt(max(share * (1 - share), 1e-12) / found.numel())
        assert abs((found <= point * std).double().mean().item() - share) < 5 * error, point
    assert (found.abs().max().item() <= 2 * std * (1 + 1e-6)) == (kind == "truncnormal")


def test_the_cut_normal_keeps_0_88_of_its_deviation() -> None:
    found = million(Init("truncnormal", 0.1))
    assert found.std().item() == pytest.approx(0.0880, abs=0.0003)
    assert found.abs().max().item() == pytest.approx(0.2, abs=1e-4)


@pytest.mark.parametrize(("how", "bound"), [(Init("uniform", 0.1), 0.1), (Init("glorot"), math.sqrt(6 / 150))])
def test_uniform_fills_its_interval_evenly(how: Init, bound: float) -> None:
    found = million(how)
    assert -bound <= found.min().item() < -0.999 * bound
    assert 0.999 * bound < found.max().item() <= bound * (1 + 1e-6)
    shares = torch.histc(found, 20, -bound, bound) / found.numel()
    assert (shares - 0.05).abs().max().item() < 5 * math.sqrt(0.05 * 0.95 / found.numel())


def test_neighbours_know_nothing_of_each_other() -> None:
    found = million(Init("normal", 1.0))
    for step in (1, 2, 1000, 16384):
        assert abs((found[:-step] * found[step:]).mean().item()) < 5 / math.sqrt(found.numel())


# Constants, biases, dirac


def test_constants_and_biases() -> None:
    tensors = weights("conv 3x3 4 init=0.5 bias_init=0.1, dense 3", (4, 4, 2))
    assert torch.equal(tensors["conv1.weight"], torch.full((4, 2, 3, 3), 0.5))
    assert torch.equal(tensors["conv1.bias"], torch.full((4,), 0.1))
    assert not tensors["dense1.bias"].any()


def test_a_bias_may_be_drawn_too() -> None:
    tensors = weights("dense 5000 bias_init=normal(1)", (1, 1, 2))
    spread(tensors["dense1.bias"].double(), 1.0)
    weight, bias = tensors["dense1.weight"][:, 0], tensors["dense1.bias"]
    assert abs(torch.corrcoef(torch.stack([weight, bias]))[0, 1].item()) < 5 / math.sqrt(5000)


def test_batch_normalisation_starts_as_nothing() -> None:
    tensors = weights("bn", (4, 4, 3))
    assert {name: set(tensor.tolist()) for name, tensor in tensors.items()} == {
        "bn1.weight": {1.0}, "bn1.bias": {0.0}, "bn1.running_mean": {0.0}, "bn1.running_var": {1.0},
    }  # fmt: skip


@pytest.mark.parametrize("kernel", ["1x1", "3x3", "5x3", "2x2", "4x5"])
@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_hands_its_maps_on(kernel: str, groups: int) -> None:
    network = Network(f"conv {kernel} 6 init=dirac groups={groups}", input=(7, 6, 4))
    x = torch.randn(2, 4, 7, 6, generator=torch.Generator().manual_seed(0))
    y = network(x).detach()
    for group in range(groups):  # each group's first filters; the others start as kaiming
        inputs = 4 // groups
        start = group * 6 // groups
        assert torch.equal(y[:, start : start + inputs], x[:, group * inputs : (group + 1) * inputs])
    rest = network.state_dict()["conv1.weight"][4 // groups : 6 // groups]
    assert rest.abs().min().item() > 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("relu, conv 3x3 4 init=whiten", "line 1, column 7: conv1 can't start as init=whiten: it takes the pictures' "
         "own patches, so it must be a convolution and the network's first layer. Use init=kaiming."),
        ("dense 4 init=whiten", "dense1 can't start as init=whiten: it takes the pictures' own patches, so it must"),
        ("conv 3x3 4 groups=2 init=whiten", "conv1 can't start as init=whiten: its filters see all channels. Leave "
         "groups= and connect= out, or use init=kaiming."),
        ("conv 5x3 4 init=whiten", "conv1 can't start as init=whiten: its kernel must fit into the picture without "
         "padding. Use a smaller kernel, or init=kaiming."),
        ("conv 3x3 4 bias_init=whiten", "line 1, column 1: conv1 can't start as bias_init=whiten: patches give filters "
         "and no biases, so it must be init=. Use a number."),
        ("conv 1x1 6, conv 3x3 16 connect=lenet5 init=dirac", "line 1, column 13: conv2 can't start as init=dirac: it "
         "hands maps on one to one, and connect= says which maps meet. Use kaiming."),
        ("dense 4 init=dirac", "line 1, column 1: dense1 can't start as init=dirac: it hands maps on, so it must be a "
         "convolution's init=. Use kaiming, or a number."),
        ("conv 3x3 4 bias_init=dirac", "line 1, column 1: conv1 can't start as bias_init=dirac: it hands maps on"),
    ],
)  # fmt: skip
def test_a_start_that_a_layer_cannot_take(text: str, sentence: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(sentence)):
        Network(text, input=(4, 4, 2))


# What joins some maps alone


def test_each_map_starts_by_the_maps_that_it_sees() -> None:
    weight = weights("conv 1x1 6, conv 9x9 16 connect=lenet5", (9, 9, 1))["conv2.weight"].double()
    assert weight.shape == (60, 9, 9)
    for rows, seen in ((weight[:18], 3), (weight[18:54], 4), (weight[54:], 6)):
        spread(rows, math.sqrt(2 / (seen * 81)))


def test_table_i() -> None:
    """The network's list and the textbook's drawing of the same table; each map of S2 goes to 10 maps of C3."""
    assert [list(np.flatnonzero(row)) for row in book.TABLE_I] == [list(seen) for seen in lenet5.JOINED]
    assert len(lenet5.KERNELS) == 60 == book.TABLE_I.sum()
    assert set(book.TABLE_I.sum(axis=0)) == {lenet5.FEEDS}


def test_the_ten_drawings() -> None:
    """84 numbers of 1 and -1 each, no two alike: at least 5 cells apart."""
    drawings = np.array(lenet5.centres())
    assert drawings.shape == (10, 84)
    assert set(drawings.ravel()) == {-1, 1}
    apart = (drawings[:, None] != drawings).sum(axis=2)
    assert apart[~np.eye(10, dtype=bool)].min() >= 5
    one = drawings[1].reshape(12, 7)
    assert (one[:, 3] == 1).all()


def test_subsampling_starts_as_the_mean() -> None:
    found = Network("subsample 2x3", input=(4, 6, 2))
    x = torch.randn(2, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(found(x), torch.nn.functional.avg_pool2d(x, (2, 3)))


# From the training pictures


def blurred(count: int = 200) -> Tensor:
    """Pictures (N, 2, 8, 8) whose neighbours go together."""
    noise = torch.randn(count, 2, 9, 9, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.avg_pool2d(noise, 2, 1) + 0.5


def whitened(units: int, kernel: str = "2x2", more: str = "") -> Network:
    network = Network(f"conv {kernel} {units} valid bias=no init=whiten {more}", input=(8, 8, 2))
    network.whiten(blurred())
    return network


@pytest.mark.parametrize("more", ["", "dilation=2", "bias=no"])
def test_whitened_maps_are_uncorrelated_and_of_one_spread(more: str) -> None:
    more = "" if more == "bias=no" else more
    maps = whitened(16, more=more)(blurred()).detach().double().transpose(0, 1).flatten(1)
    found = torch.cov(maps)
    torch.testing.assert_close(found[:8, :8], torch.eye(8, dtype=torch.float64), atol=0.02, rtol=0)
    torch.testing.assert_close(found[:8, 8:], -torch.eye(8, dtype=torch.float64), atol=0.02, rtol=0)


def test_fewer_and_more_units_than_directions() -> None:
    whole = whitened(16).state_dict()["conv1.weight"]
    assert torch.equal(whole[8:], -whole[:8])
    fewer = whitened(7).state_dict()["conv1.weight"]
    assert torch.equal(fewer, torch.cat([whole[:4], -whole[:3]]))
    more = whitened(20)
    assert torch.equal(more.state_dict()["conv1.weight"][:16], whole)
    plain = Network("conv 2x2 20 bias=no", input=(8, 8, 2)).state_dict()["conv1.weight"]
    assert torch.equal(more.state_dict()["conv1.weight"][16:], plain[16:])


def test_the_strongest_direction_comes_first() -> None:
    """Of pictures that are blurred, the mean of a patch varies most: its filter has one sign throughout a channel."""
    first = whitened(16).state_dict()["conv1.weight"][:2]
    sums, sizes = first.sum((2, 3)).abs(), first.abs().sum((2, 3))
    assert (sums > 0.9 * sizes).sum() >= 2


def test_the_covariance_is_numpys() -> None:
    x = blurred(5)
    patches = np.lib.stride_tricks.sliding_window_view(x.double().numpy(), (2, 3), (2, 3))  # (N, C, oh, ow, 2, 3)
    rows = patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 12)
    told = np.cov(rows.T, bias=True)
    np.testing.assert_allclose(whiten.covariance(x, (2, 3), (1, 1)).numpy(), told, rtol=1e-10, atol=1e-12)


def test_whiten_waits_for_pictures_and_says_so() -> None:
    network = Network("conv 2x2 4 init=whiten", input=(8, 8, 2))
    sentence = (
        "conv1 starts as init=whiten, which takes its filters from training pictures. Call network.whiten(pictures) "
        "once before the first forward pass."
    )
    with pytest.raises(NetworkError, match=re.escape(sentence)):
        network(blurred(2))
    with pytest.raises(NetworkError, match=r"init=whiten needs at least two patches of pictures\. Got 0\. Give more"):
        network.whiten(blurred(0))
    other = whitened(4, more="bias_init=0")
    network.load_state_dict({**network.state_dict(), "conv1.weight": other.state_dict()["conv1.weight"]})
    network(blurred(2))
    Network("conv 2x2 4 init=whiten", input=(8, 8, 2), seed=None)(blurred(2))


# The key: seed, kind, ordinal


def test_the_same_key_is_the_same_numbers() -> None:
    text = "conv 3x3 8, relu, conv 3x3 8, dense 20, dense"
    one, two = weights(text, (6, 6, 3), seed=5), weights(text, (6, 6, 3), seed=5)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_another_seed_kind_or_ordinal_is_other_numbers() -> None:
    drawn = [
        first("conv 1x1 8", (1, 1, 8)).flatten(),
        first("conv 1x1 8", (1, 1, 8), seed=1).flatten(),
        first("dense 8", (1, 1, 8)).flatten(),
        weights("conv 1x1 8, conv 1x1 8", (1, 1, 8))["conv2.weight"].double().flatten(),
    ]
    for i, one in enumerate(drawn):
        for two in drawn[:i]:
            assert not torch.any(one == two)


def test_a_layer_of_another_kind_changes_nothing() -> None:
    """A comparison of two networks is not also one of two draws."""
    plain = weights("conv 3x3 8, relu, conv 3x3 8, dense", (6, 6, 3))
    other = weights("bn, conv 3x3 8, tanh, identity, conv 3x3 8, bn, lrn, dense", (6, 6, 3))
    for name in ("conv1.weight", "conv2.weight", "dense1.weight"):
        assert torch.equal(plain[name], other[name])


def test_labels_and_scopes_change_no_numbers() -> None:
    plain = weights("conv 3x3 8, conv 3x3 8, dense", (6, 6, 3))
    named = weights("stem: conv 3x3 8, body: ( conv 3x3 8 ), dense", (6, 6, 3))
    assert torch.equal(plain["conv1.weight"], named["stem.weight"])
    assert torch.equal(plain["conv2.weight"], named["body.conv1.weight"])


def test_the_first_numbers_stay_what_they_are() -> None:
    """Stored once: a run of an older version begins alike for ever."""
    assert weights("conv 1x1 4", (1, 1, 1))["conv1.weight"].flatten().tolist() == pytest.approx(
        [-0.3284336030483246, -1.0475133657455444, -0.8451952934265137, -0.8302624821662903], rel=1e-6
    )


def test_a_large_layer_holds_a_smaller_one_of_the_same_deviation() -> None:
    """The n-th number depends on its place alone, whatever it is drawn with."""
    small = draw(Init("normal", 1.0), torch.Size((300,)), (1, 1), 0, 1, "x")
    large = draw(Init("normal", 1.0), torch.Size((100_000,)), (1, 1), 0, 1, "x")
    assert torch.equal(small, large[:300])


def test_no_seed_leaves_the_weights_alone() -> None:
    network = Network("conv 3x3 4", input=(4, 4, 2), seed=None)
    assert not network.state_dict()["conv1.weight"].any()


def test_25_million_weights_in_seconds() -> None:
    """A guard against a slow draw, ten times above what it takes: nothing is measured here."""
    start = time.process_time()
    draw(Init("kaiming"), torch.Size((5000, 5000)), (5000, 5000), 0, 1, "x")
    assert time.process_time() - start < 10
