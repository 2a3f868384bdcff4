"""The textbook proves itself: hand-computed cases, known identities, and each gradient against central differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import convscope.explain.reference as book
from convscope.errors import ConvscopeError
from convscope.explain.reference import Array
from convscope.network.build import Network
from convscope.network.layers import MODULES
from convscope.notation.kinds import KINDS, STRUCTURE
from convscope.recipe import OptimizerSettings
from convscope.recipe.settings import TrainSettings
from network.textbook_walk import Walk

STEP = 1e-5


def numbers(*shape: int, salt: int = 0) -> Array:
    """Values in (-2, 2), no two closer than 4 / 4099 and none at a corner: safe to step beside."""
    count = math.prod(shape)
    assert count < 4099
    walk = (np.arange(count) * 1597 + 389 * salt) % 4099
    return np.asarray((walk + 0.25) * 4 / 4099 - 2).reshape(shape)


def slope(loss: Callable[[], float], at: Array) -> Array:
    """The gradient of loss() by central differences: each value of `at` is moved a little up and down, in place."""
    found = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        middle = at[place]
        at[place] = middle + STEP
        up = loss()
        at[place] = middle - STEP
        found[place] = (up - loss()) / (2 * STEP)
        at[place] = middle
    return found


def check(forward: Callable[..., Array], gradients: Any, *inputs: Array) -> None:
    """What the textbook says, against central differences of sum(weights * y), for every input."""
    weights = numbers(*forward(*inputs).shape, salt=7)
    told = gradients(weights)
    told = (told,) if isinstance(told, np.ndarray) else told
    assert len(told) == len(inputs)
    for one, at in zip(told, inputs, strict=True):
        assert one.shape == at.shape
        assert one.dtype == np.float64
        assert_allclose(one, slope(lambda: float((weights * forward(*inputs)).sum()), at), rtol=1e-7, atol=1e-7)


# Sizes


@pytest.mark.parametrize(
    ("n", "k", "s", "d", "padding", "ceil", "size", "sides"),
    [
        # AlexNet, by tutorial A's table
        (227, 11, 4, 1, "valid", False, 55, (0, 0)),
        (55, 3, 2, 1, "valid", False, 27, (0, 0)),
        (27, 5, 1, 1, 2, False, 27, (2, 2)),
        (27, 3, 2, 1, "valid", False, 13, (0, 0)),
        (13, 3, 1, 1, 1, False, 13, (1, 1)),
        (13, 3, 2, 1, "valid", False, 6, (0, 0)),
        # the tutorial's misprinted VALID gives 4 here
        (8, 3, 2, 1, "valid", False, 3, (0, 0)),
        # tutorial E: TensorFlow puts 1 before and 2 after, and an even kernel is uneven too
        (28, 5, 2, 1, "same", False, 14, (1, 2)),
        (28, 4, 1, 1, "same", False, 28, (1, 2)),
        # a stride larger than the kernel needs no border
        (7, 1, 3, 1, "same", False, 3, (0, 0)),
        (5, 3, 1, 1, "full", False, 7, (2, 2)),
        (5, 3, 1, 2, "full", False, 9, (4, 4)),
        (5, 3, 2, 1, "full", False, 4, (2, 2)),
        (9, 3, 1, 2, "same", False, 9, (2, 2)),
        (11, 3, 2, 1, "valid", True, 5, (0, 0)),
        (12, 3, 2, 1, "valid", True, 6, (0, 1)),
        (12, 3, 2, 1, 1, True, 7, (1, 2)),
        # the last window would start past n + p: one less
        (4, 2, 3, 1, 1, True, 2, (1, 1)),
        (3, 1, 2, 1, "valid", True, 2, (0, 0)),
        (3, 2, 4, 1, "valid", True, 1, (0, 0)),
    ],
)
def test_sizes_and_borders_by_hand(
    n: int, k: int, s: int, d: int, padding: str | int, ceil: bool, size: int, sides: tuple[int, int]
) -> None:
    assert book.out_size(n, k, s, d, padding, ceil) == size
    assert book.pads(n, k, s, d, padding, ceil) == sides


@given(n=st.integers(1, 60), s=st.integers(1, 5))
@settings(deadline=None, derandomize=True)
def test_the_notations_words_on_three_by_two(n: int, s: int) -> None:
    """At an odd n, `3 /2` same is pad=1 and ceil is valid; at an even n, same and pad=1 agree in size, ceil is same."""
    if n < 3:
        return
    same, one = book.out_size(n, 3, 2, 1, "same"), book.out_size(n, 3, 2, 1, 1)
    assert same == one
    if n % 2:
        assert book.pads(n, 3, 2, 1, "same") == (1, 1)
        assert book.out_size(n, 3, 2, 1, "valid", True) == book.out_size(n, 3, 2, 1, "valid")
    else:
        assert book.pads(n, 3, 2, 1, "same") == (0, 1) == book.pads(n, 3, 2, 1, "valid", True)
        assert book.out_size(n, 3, 2, 1, "valid", True) == same
    assert book.out_size(n, 3, s, 1, "same") == math.ceil(n / s)
    assert book.out_size(n, 3, s, 1, "valid") == math.ceil((n - 2) / s)
    assert book.out_size(n, 3, s, 1, "full") == math.ceil((n + 2) / s)


@given(
    n=st.integers(1, 40), k=st.integers(1, 7), s=st.integers(1, 4), d=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid", "full", 0, 1, 2, 3]), ceil=st.booleans(),
)  # fmt: skip
@settings(deadline=None, derandomize=True)
def test_the_border_is_what_the_windows_need(n: int, k: int, s: int, d: int, padding: str | int, ceil: bool) -> None:
    try:
        out, (before, after) = book.out_size(n, k, s, d, padding, ceil), book.pads(n, k, s, d, padding, ceil)
    except ConvscopeError:
        return
    assert out >= 1
    assert (out - 1) * s + book.extent(k, d) <= before + n + after
    if isinstance(padding, str) or (ceil and padding < k):  # else a window may see border alone
        assert (out - 1) * s < before + n


def test_size_errors() -> None:
    with pytest.raises(
        ConvscopeError, match=r"unknown padding 'sane', did you mean 'same'\? These exist: full, same, v"
    ):
        book.out_size(5, 3, padding="sane")
    with pytest.raises(
        ConvscopeError, match=r"a kernel must fit .* spans 5 and 4 cells \(padding valid\)\. Use a smaller"
    ):
        book.out_size(4, 3, d=2)
    with pytest.raises(ConvscopeError, match=r"ceil goes with valid or with a number as padding\. Got 'same'\. Leave"):
        book.out_size(5, 3, padding="same", ceil=True)


# Convolution

PICTURE = np.array([[1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]], dtype=np.float64)[None, None]
VERTICAL, HORIZONTAL = [[1, -1], [1, -1]], [[1, 1], [-1, -1]]


def test_tutorial_c_by_hand() -> None:
    kernels = np.array([VERTICAL, HORIZONTAL], dtype=np.float64)[:, None]
    maps = book.conv(PICTURE, kernels, padding="valid")
    assert_array_equal(maps[0], [[[1, -1, 2], [0, -1, 2], [0, -2, 2]], [[-1, -1, 0], [2, 1, 0], [0, 0, 0]]])
    assert_array_equal(book.maxpool(maps, 2, 1)[0], [[[1, 2], [0, 2]], [[2, 1], [2, 1]]])
    # a reader asked for it: the minimum
    assert_array_equal(book.minpool(maps, 2, 1)[0], [[[-1, -1], [-2, -2]], [[-1, -1], [0, 0]]])


def test_borders_by_hand() -> None:
    row = np.array([[[[1.0, 2.0, 3.0]]]])
    ones = np.ones((1, 1, 1, 3))
    for border, sums in ((0.0, [3, 6, 5]), (10, [13, 6, 15]), ("replicate", [4, 6, 8]), ("reflect", [5, 6, 7])):
        assert_array_equal(book.conv(row, ones, border=border)[0, 0, 0], sums)
    assert_array_equal(book.conv(row, ones, padding="full", border="reflect")[0, 0, 0], [6, 5, 6, 7, 6])


def test_numpys_borders_are_ours() -> None:
    x = numbers(1, 2, 5, 6)
    rows, columns = book.axes(x, (4, 3), (1, 2), (1, 2), "same")
    sides = ((0, 0), (0, 0), (rows.before, rows.after), (columns.before, columns.after))
    assert_array_equal(book.add_border(x, rows, columns, "replicate"), np.pad(x, sides, mode="edge"))
    assert_array_equal(book.add_border(x, rows, columns, "reflect"), np.pad(x, sides, mode="reflect"))
    assert_array_equal(book.add_border(x, rows, columns, 3), np.pad(x, sides, constant_values=3.0))


def test_full_convolution_is_a_product_of_polynomials() -> None:
    """`full` with the kernel turned round is mathematics' convolution: the coefficients of a product."""
    a, b = numbers(5), numbers(3, salt=1)
    y = book.conv(a.reshape(1, 1, 1, 5), b[::-1].reshape(1, 1, 1, 3), padding=(0, 2))
    assert_allclose(y[0, 0, 0], np.convolve(a, b), rtol=1e-12)


def test_groups_are_convolutions_side_by_side() -> None:
    x, weight = numbers(2, 6, 5, 4), numbers(4, 3, 3, 3, salt=1)
    apart = [book.conv(x[:, 3 * g : 3 * g + 3], weight[2 * g : 2 * g + 2]) for g in (0, 1)]
    assert_allclose(book.conv(x, weight, groups=2), np.concatenate(apart, axis=1), rtol=1e-12)


def test_dilation_is_a_kernel_with_holes() -> None:
    x, weight = numbers(2, 2, 9, 8), numbers(3, 2, 3, 2, salt=1)
    holes = np.zeros((3, 2, 5, 4))
    holes[:, :, ::2, ::3] = weight
    assert_allclose(book.conv(x, weight, dilation=(2, 3)), book.conv(x, holes), rtol=1e-12)


def test_a_kernel_as_large_as_the_picture_is_dense() -> None:
    x, weight, bias = numbers(2, 3, 4, 5), numbers(6, 3, 4, 5, salt=1), numbers(6, salt=2)
    assert_allclose(
        book.conv(x, weight, bias, padding="valid")[:, :, 0, 0],
        book.dense(x, weight.reshape(6, -1), bias),
        rtol=1e-12,
    )


CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 2, 5, 4), (3, 2, 3, 3), {}),
    "even kernel": ((1, 2, 5, 6), (2, 2, 4, 2), {}),
    "stride": ((2, 2, 7, 6), (2, 2, 3, 3), {"stride": (2, 3)}),
    "valid, cells unseen": ((1, 1, 8, 7), (2, 1, 3, 2), {"stride": 2, "padding": "valid"}),
    "full": ((1, 2, 4, 5), (2, 2, 3, 2), {"padding": "full", "dilation": (1, 2)}),
    "pad": ((1, 2, 4, 5), (2, 2, 3, 3), {"padding": (2, 0), "stride": 2}),
    "depthwise": ((2, 3, 5, 5), (6, 1, 3, 3), {"groups": 3, "stride": 2}),
    "dilated": ((1, 2, 7, 8), (2, 1, 3, 3), {"groups": 2, "dilation": (2, 1)}),
    "border 2": ((1, 2, 5, 5), (2, 2, 3, 3), {"border": 2.0}),
    "replicate": ((1, 2, 4, 5), (2, 2, 4, 5), {"border": "replicate"}),
    "reflect": ((1, 2, 5, 5), (2, 2, 5, 3), {"border": "reflect", "stride": 2}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_gradient(name: str) -> None:
    shape, kernel, how = CONVOLUTIONS[name]
    x, weight, bias = numbers(*shape), numbers(*kernel, salt=1), numbers(kernel[0], salt=2)
    check(lambda *t: book.conv(*t, **how), lambda up: book.conv_gradient(x, weight, up, **how), x, weight, bias)


def test_a_bias_for_each_position() -> None:
    x, weight, bias = numbers(2, 2, 3, 4), numbers(3, 2, 2, 2, salt=1), numbers(3, 3, 4, salt=2)
    check(book.conv, lambda up: book.conv_gradient(x, weight, up, bias_per_position=True), x, weight, bias)


def test_joined_maps() -> None:
    """LeNet-5's 60 kernels in their places, and the gradient of these alone."""
    x, weight = numbers(1, 6, 3, 3), numbers(60, 2, 2, salt=1)
    whole = book.join(weight, book.TABLE_I)
    assert whole.shape == (16, 6, 2, 2)
    assert_array_equal(whole[0, :3], weight[:3])
    assert not whole[0, 3:].any()
    check(
        lambda t: book.conv(x, book.join(t, book.TABLE_I)),
        lambda up: book.join_gradient(book.conv_gradient(x, whole, up)[1], book.TABLE_I),
        weight,
    )


def test_convolution_errors() -> None:
    with pytest.raises(
        ConvscopeError, match=r"groups must divide .* groups=2, 3 channels and weights of shape \(4, 1, 3, 3\)"
    ):
        book.conv(numbers(1, 3, 5, 5), numbers(4, 1, 3, 3), groups=2)
    with pytest.raises(
        ConvscopeError, match=r"fewer border cells than the picture has\. Got 2 beside 2\. Use border=rep"
    ):
        book.conv(numbers(1, 1, 2, 2), numbers(1, 1, 5, 1), border="reflect")
    with pytest.raises(ConvscopeError, match="unknown border 'reflex', did you mean 'reflect'"):
        book.conv(numbers(1, 1, 2, 2), numbers(1, 1, 3, 3), border="reflex")


# Pooling

POOLS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "2": ((2, 2, 4, 6), {"kernel": 2}),
    "2, cells unseen": ((1, 2, 5, 7), {"kernel": 2}),
    "3 /2 same": ((1, 2, 6, 7), {"kernel": 3, "stride": 2, "padding": "same"}),
    "2 /1 same": ((1, 2, 4, 4), {"kernel": 2, "stride": 1, "padding": "same"}),
    "3 /2 pad=1": ((1, 2, 6, 7), {"kernel": 3, "stride": 2, "padding": 1}),
    "3 /2 ceil": ((1, 2, 6, 8), {"kernel": 3, "stride": 2, "ceil": True}),
    "3 /2 pad=1 ceil": ((1, 2, 6, 7), {"kernel": 3, "stride": 2, "padding": 1, "ceil": True}),
    "3x2 /1x3 full": ((1, 2, 4, 5), {"kernel": (3, 2), "stride": (1, 3), "padding": "full"}),
    "5x3 pad=2x1": ((1, 2, 7, 5), {"kernel": (5, 3), "stride": 2, "padding": (2, 1)}),
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("kind", ["maxpool", "avgpool", "minpool"])
def test_pooling_gradient(kind: str, name: str) -> None:
    shape, how = POOLS[name]
    x = numbers(*shape)
    forward, gradient = getattr(book, kind), getattr(book, kind + "_gradient")
    check(lambda t: forward(t, **how), lambda up: gradient(x, up, **how), x)


@pytest.mark.parametrize("to", [(1, 1), (2, 3), (3, 4), (5, 6), (7, 8)])
@pytest.mark.parametrize("kind", ["maxpool_to", "avgpool_to", "minpool_to"])
def test_pooling_to_a_size_gradient(kind: str, to: tuple[int, int]) -> None:
    x = numbers(2, 2, 5, 6)
    forward, gradient = getattr(book, kind), getattr(book, kind + "_gradient")
    assert forward(x, to).shape == (2, 2, *to)
    check(lambda t: forward(t, to), lambda up: gradient(x, up, to), x)


def test_pooling_to_a_size_is_pooling_where_it_divides() -> None:
    x = numbers(2, 3, 6, 8)
    for kind in ("maxpool", "avgpool", "minpool"):
        assert_allclose(getattr(book, kind + "_to")(x, (3, 2)), getattr(book, kind)(x, (2, 4)), rtol=1e-14)


def test_cells_outside_never_win_and_are_not_counted() -> None:
    x = np.full((1, 1, 3, 3), -5.0)
    how: dict[str, Any] = {"kernel": 3, "stride": 1, "padding": "same"}
    for pool in (book.maxpool, book.avgpool, book.minpool):
        assert_allclose(pool(x, **how), x, rtol=1e-15)
        assert_allclose(pool(-x, **how), -x, rtol=1e-15)


def test_the_first_of_equals_gets_the_gradient() -> None:
    x, up = np.zeros((1, 1, 2, 2)), np.ones((1, 1, 1, 1))
    first = [[1, 0], [0, 0]]
    assert_array_equal(book.maxpool_gradient(x, up, 2)[0, 0], first)
    assert_array_equal(book.minpool_gradient(x, up, 2)[0, 0], first)
    assert_array_equal(book.gmp_gradient(x, up)[0, 0], first)


def test_global_pooling() -> None:
    x = numbers(2, 3, 4, 5)
    check(book.gap, lambda up: book.gap_gradient(x, up), x)
    check(book.gmp, lambda up: book.gmp_gradient(x, up), x)
    assert_allclose(book.gap(x), book.avgpool(x, (4, 5)), rtol=1e-14)
    assert_array_equal(book.gmp(x), book.maxpool(x, (4, 5)))


@pytest.mark.parametrize("kernel", [2, (3, 2), 1])
def test_subsampling_gradient(kernel: int | tuple[int, int]) -> None:
    x, weight, bias = numbers(2, 2, 5, 6), numbers(2, salt=1), numbers(2, salt=2)
    forward = lambda t, a, b: book.subsample(t, a, b, kernel)  # noqa: E731
    check(forward, lambda up: book.subsample_gradient(x, weight, up, kernel), x, weight, bias)


def test_subsampling_with_equal_weights_is_the_mean() -> None:
    x = numbers(2, 2, 5, 6)
    one = book.subsample(x, np.full(2, 0.25), np.zeros(2), 2)
    assert_allclose(one, book.avgpool(x, 2), rtol=1e-13)


def test_pooling_error() -> None:
    with pytest.raises(
        ConvscopeError, match=r"padding must be smaller than a pooling kernel\. Got 2 and 2\. Use at most pad=1"
    ):
        book.maxpool(numbers(1, 1, 4, 4), 2, padding=2)


# Dense layers, and what moves values


def test_dense_gradient() -> None:
    x, weight, bias = numbers(3, 2, 2, 2), numbers(4, 8, salt=1), numbers(4, salt=2)
    check(book.dense, lambda up: book.dense_gradient(x, weight, up), x, weight, bias)


def test_flatten_puts_channels_first() -> None:
    x = numbers(2, 3, 4, 5)
    assert book.flatten(x)[1, (2 * 4 + 3) * 5 + 4] == x[1, 2, 3, 4]
    assert_array_equal(book.flatten_gradient(x, book.flatten(x)), x)


def test_identity_takes_every_second_and_adds_zeros() -> None:
    x = numbers(2, 3, 5, 4)
    assert_array_equal(book.identity(x), x)
    y = book.identity(x, 5, 2)
    assert y.shape == (2, 5, 3, 2)
    assert y[1, 2, 2, 1] == x[1, 2, 4, 2]
    assert not y[:, 3:].any()
    check(lambda t: book.identity(t, 5, 2), lambda up: book.identity_gradient(x, up, 2), x)
    flat = numbers(2, 3)
    assert_array_equal(book.identity_gradient(flat, book.identity(flat)), flat)
    with pytest.raises(
        ConvscopeError, match=r"identity adds maps and takes none away\. Got 3 maps and 2\. Use conv 1x1 2"
    ):
        book.identity(x, 2)


def test_scale_add_and_concat_gradients() -> None:
    x, other, wide = numbers(2, 2, 3, 3), numbers(2, 2, 3, 3, salt=1), numbers(2, 4, 3, 3, salt=2)
    check(lambda t: book.scale(t, 0.125), lambda up: book.scale_gradient(up, 0.125), x)
    check(lambda *t: book.add(t), lambda up: book.add_gradient((x, other), up), x, other)
    check(lambda *t: book.concat(t), lambda up: book.concat_gradient((x, wide, other), up), x, wide, other)


def test_rbf_is_minus_the_squared_distance() -> None:
    x, centres = numbers(2, 3, 2, 1), numbers(4, 6, salt=1)
    y = book.rbf(x, centres)
    assert_allclose(y[1, 2], -(((x[1].ravel() - centres[2]) ** 2).sum()), rtol=1e-14)
    check(lambda t: book.rbf(t, centres), lambda up: book.rbf_gradient(x, up, centres), x)


def test_regions_are_put_back_in_place() -> None:
    x = numbers(2, 2, 4, 6)
    parts = book.regions(x, (2, 3))
    assert len(parts) == 6
    assert_array_equal(parts[4], x[:, :, 2:, 2:4])
    assert_array_equal(book.regions_gradient(parts, (2, 3)), x)
    with pytest.raises(ConvscopeError, match=r"regions must divide the picture\. Got 3 x 1 of 4 x 6 cells\. Use numb"):
        book.regions(x, (3, 1))


# Activations


@pytest.mark.parametrize(
    "kind", ["relu", "relu6", "leaky", "elu", "sigmoid", "silu", "tanh", "tanh_scaled", "gelu", "softmax"]
)
def test_activation_gradient(kind: str) -> None:
    x = 4 * numbers(2, 4, 3, 2)
    forward, gradient = getattr(book, kind), getattr(book, kind + "_gradient")
    check(forward, lambda up: gradient(x, up), x)
    if kind in ("leaky", "elu"):
        check(lambda t: forward(t, 0.3), lambda up: gradient(x, up, 0.3), x)


def test_activations_by_hand() -> None:
    x = np.array([[-1.0, 0.0, 1.0, 7.0]])
    assert_array_equal(book.relu(x), [[0, 0, 1, 7]])
    assert_array_equal(book.relu6(x), [[0, 0, 1, 6]])
    assert_allclose(book.leaky(x, 0.1), [[-0.1, 0, 1, 7]])
    assert_allclose(book.elu(x)[0, 0], 1 / math.e - 1, rtol=1e-15)
    assert_allclose(book.gelu(x)[0, 2], 0.8413447460685429, rtol=1e-15)  # the standard normal below 1
    assert_allclose(book.tanh_scaled(np.ones((1, 1))), [[1.0]], atol=1e-4)
    assert_allclose(book.sigmoid(x) + book.sigmoid(-x), 1.0, rtol=1e-15)
    assert_allclose(book.softmax(x), np.exp(x) / np.exp(x).sum(), rtol=1e-15)
    assert_allclose(book.softmax(x + 1000), book.softmax(x), rtol=1e-12)


def test_corners_take_pytorchs_side() -> None:
    up = np.ones((1, 1))
    at_zero = np.zeros((1, 1))
    assert book.relu_gradient(at_zero, up) == 0
    assert book.relu6_gradient(at_zero, up) == 0
    assert book.relu6_gradient(at_zero + 6, up) == 0
    assert book.leaky_gradient(at_zero, up, 0.1) == 0.1


@pytest.mark.parametrize("kind", ["sigmoid", "silu", "elu", "gelu", "tanh"])
def test_activations_do_not_overflow(kind: str) -> None:
    x = np.array([[-1e4, -800.0, 800.0, 1e4]])
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(getattr(book, kind)(x)).all()
        assert np.isfinite(getattr(book, kind + "_gradient")(x, np.ones(x.shape))).all()


# Normalisation and dropout


@pytest.mark.parametrize("shape", [(3, 2, 3, 4), (5, 3)])
def test_batch_normalisation_gradients(shape: tuple[int, ...]) -> None:
    x, scale, shift = numbers(*shape), numbers(shape[1], salt=1), numbers(shape[1], salt=2)
    check(lambda t, a, b: book.bn(t, a, b, 1e-3)[0], lambda up: book.bn_gradient(x, up, scale, 1e-3), x, scale, shift)
    check(lambda t: book.bn(t)[0], lambda up: book.bn_gradient(x, up)[0], x)
    mean, variance = numbers(shape[1], salt=3), numbers(shape[1], salt=4) ** 2 + 0.1
    check(
        lambda t, a, b: book.bn_predict(t, mean, variance, a, b, 1e-3),
        lambda up: book.bn_predict_gradient(x, up, mean, variance, scale, 1e-3),
        x, scale, shift,
    )  # fmt: skip
    check(
        lambda t: book.bn_predict(t, mean, variance), lambda up: book.bn_predict_gradient(x, up, mean, variance)[0], x
    )


def test_batch_normalisation_normalises() -> None:
    y, mean, variance = book.bn(numbers(4, 3, 5, 5), eps=0.0)
    assert mean.shape == variance.shape == (3,)
    assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-13)
    assert_allclose(y.var(axis=(0, 2, 3)), 1, rtol=1e-13)


def test_running_statistics_by_hand() -> None:
    """A batch of 1, 3: mean 2, biased variance 1, unbiased 2."""
    mean, variance = book.bn_running(np.zeros(1), np.ones(1), np.array([[1.0], [3.0]]), momentum=0.1)
    assert_allclose(mean, [0.2])
    assert_allclose(variance, [0.9 + 0.1 * 2])
    with pytest.raises(ConvscopeError, match=r"more than one value a map in training\. Got 1\. Use a larger batch"):
        book.bn_running(np.zeros(1), np.ones(1), np.ones((1, 1)))


def test_a_mean_for_each_map_of_one_picture_is_no_zero() -> None:
    """Tutorial A has it that one picture is normalised to nothing; with 16 positions a map it isn't."""
    assert (book.bn(numbers(1, 2, 4, 4))[2] > 0.1).all()


def test_local_response_by_hand() -> None:
    """Three maps of 1, 2, 3 and a window of 3: sums of squares 5, 14, 13, cut at the first and last map."""
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    y = book.lrn(x, window=3, k=1.0, alpha=0.5, beta=1.0)
    assert_allclose(y.ravel(), [1 / 3.5, 2 / 8, 3 / 7.5], rtol=1e-15)


@pytest.mark.parametrize("window", [1, 3, 5, 9])
def test_local_response_gradient(window: int) -> None:
    x = numbers(2, 5, 2, 3)
    how: dict[str, Any] = {"window": window, "k": 1.5, "alpha": 0.3, "beta": 0.75}
    check(lambda t: book.lrn(t, **how), lambda up: book.lrn_gradient(x, up, **how), x)


def test_dropout() -> None:
    x = numbers(2, 3, 2, 2)
    kept = (numbers(2, 3, 2, 2, salt=5) > -0.5).astype(np.float64)
    assert 0 < kept.sum() < kept.size
    assert_array_equal(book.dropout(x, kept, 0.75), np.where(kept == 1, 4 * x, 0))
    check(lambda t: book.dropout(t, kept, 0.3), lambda up: book.dropout_gradient(up, kept, 0.3), x)


# Losses

LABELS = np.array([3, 0, 4])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_gradient(smoothing: float) -> None:
    logits = 2 * numbers(3, 5)
    told = book.cross_entropy_gradient(logits, LABELS, smoothing)
    assert_allclose(told, slope(lambda: book.cross_entropy(logits, LABELS, smoothing), logits), rtol=1e-7, atol=1e-9)
    assert_allclose(told.sum(axis=1), 0, atol=1e-15)


def test_cross_entropy_by_hand() -> None:
    assert_allclose(book.cross_entropy(np.zeros((3, 10)), LABELS), math.log(10), rtol=1e-15)
    assert_allclose(book.cross_entropy(np.zeros((3, 10)), LABELS, 0.2), math.log(10), rtol=1e-15)
    # tutorial B's log(softmax) is NaN here, for a right answer and for a wrong one
    gap = np.array([[1000.0, 0.0]])
    assert book.cross_entropy(gap, np.array([0])) == 0
    assert book.cross_entropy(gap, np.array([1])) == 1000
    assert np.isfinite(book.cross_entropy_gradient(gap, np.array([1]))).all()


def test_clipped_mean() -> None:
    logits = 2 * numbers(3, 5)
    assert_allclose(book.clipped_mean(logits, LABELS), book.cross_entropy(logits, LABELS) / 5, rtol=1e-14)
    told = book.clipped_mean_gradient(logits, LABELS)
    assert_allclose(told, book.cross_entropy_gradient(logits, LABELS) / 5, rtol=1e-12, atol=1e-16)
    assert_allclose(told, slope(lambda: book.clipped_mean(logits, LABELS), logits), rtol=1e-7, atol=1e-9)


def test_the_clip_stops_learning() -> None:
    logits = np.array([[30.0, 0.0], [1.0, 0.0]])
    labels = np.array([1, 1])
    assert_allclose(book.clipped_mean(logits[:1], labels[:1]), -math.log(1e-11) / 2, rtol=1e-15)
    told = book.clipped_mean_gradient(logits, labels)
    assert not told[0].any()
    assert told[1].all()


def test_map_criterion_by_hand() -> None:
    """Equation (9), term by term, for distances y = 1, 3 and j = 2."""
    y, j = np.array([[1.0, 3.0]]), 2.0
    told = 1.0 + math.log(math.exp(-2) + math.exp(-1) + math.exp(-3))
    assert_allclose(book.map_criterion(-y, np.array([0]), j), told, rtol=1e-14)
    logits = 3 * numbers(3, 5) - 2
    gradient = book.map_criterion_gradient(logits, LABELS, j)
    assert_allclose(gradient, slope(lambda: book.map_criterion(logits, LABELS, j), logits), rtol=1e-7, atol=1e-9)


def test_what_is_far_is_not_pushed_farther() -> None:
    """A wrong class much farther than j gets no gradient, the label's always; with a large j it is cross-entropy."""
    logits, labels = -np.array([[40.0, 60.0]]), np.array([0])
    near = book.map_criterion_gradient(logits, labels, 1.0)
    assert abs(near[0, 1]) < 1e-20
    assert_allclose(near[0, 0], -1, rtol=1e-12)
    assert_allclose(book.map_criterion(logits, labels, 1000.0), book.cross_entropy(logits, labels), rtol=1e-12)


def test_penalty() -> None:
    weight = numbers(3, 4)
    assert_allclose(book.penalty(np.array([3.0, -4.0]), l1=0.1, l2=0.004), 0.7 + 0.05, rtol=1e-14)
    told = book.penalty_gradient(weight, 0.3, 0.2)
    assert_allclose(told, slope(lambda: book.penalty(weight, 0.3, 0.2), weight), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weights_of_classes(smoothing: float) -> None:
    logits, weights = 2 * numbers(3, 5), np.array([2.0, 0.5, 1.0, 3.0, 0.25])
    told = book.cross_entropy_gradient(logits, LABELS, smoothing, weights)
    found = slope(lambda: book.cross_entropy(logits, LABELS, smoothing, weights), logits)
    assert_allclose(told, found, rtol=1e-7, atol=1e-9)
    even = book.cross_entropy(logits, LABELS, smoothing, np.full(5, 3.0))
    assert_allclose(even, book.cross_entropy(logits, LABELS, smoothing), rtol=1e-14)


def test_balanced_classes_count_alike() -> None:
    """Three pictures of class 0 and one of class 2: weights 4 / (3 * 3) and 4 / 3, and each class has the sum 4 / 3."""
    labels = np.array([0, 0, 0, 2])
    weights = book.balanced(labels, 3)
    assert_allclose(weights, [4 / 9, 4 / 3, 4 / 3], rtol=1e-15)
    logits = numbers(4, 3)
    each = [book.cross_entropy(logits[labels == k], labels[labels == k]) for k in (0, 2)]
    assert_allclose(book.cross_entropy(logits, labels, weights=weights), np.mean(each), rtol=1e-14)


# Steps


def test_steps_by_hand() -> None:
    one = np.ones(1)
    weight, velocity = book.sgd(one, 2 * one, 0 * one, 0.1, 0.9)
    assert_allclose((weight[0], velocity[0]), (0.8, 2.0))
    weight, velocity = book.sgd(weight, one, velocity, 0.1, 0.9)
    assert_allclose((weight[0], velocity[0]), (0.8 - 0.1 * 2.8, 2.8))
    assert_allclose(book.sgd(one, 2 * one, 0 * one, 0.1, 0.9, nesterov=True)[0], 1 - 0.1 * (2 + 0.9 * 2))
    assert_allclose(book.sgd(one, 2 * one, 0 * one, 0.1, weight_decay=0.5)[0], 1 - 0.1 * 2.5)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_adams_first_step_is_the_rate_whatever_the_gradient(size: float) -> None:
    one = np.ones(1)
    weight, mean, square = book.adam(one, size * one, 0 * one, 0 * one, 1, 1e-3)
    assert_allclose(weight, 1 - 1e-3, rtol=1e-7)
    assert_allclose((mean[0], square[0]), (0.1 * size, 0.001 * size**2))


def test_decoupled_decay_shrinks_by_rate_times_decay() -> None:
    """In Adam the decay is divided by the gradient's size (so it vanishes in the first step), in AdamW it isn't."""
    one = np.ones(1)
    assert_allclose(book.adamw(one, one, 0 * one, 0 * one, 1, 0.1, weight_decay=0.5)[0], 0.95 - 0.1, rtol=1e-7)
    assert_allclose(book.adam(one, one, 0 * one, 0 * one, 1, 0.1, weight_decay=0.5)[0], 1 - 0.1, rtol=1e-7)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5), (1, 6)])
def test_orthogonal_keeps_the_singular_vectors(shape: tuple[int, int]) -> None:
    """By the decomposition that it does without: each singular value over the norm goes through the polynomial."""
    matrix = numbers(*shape, salt=3)
    u, values, v = np.linalg.svd(matrix, full_matrices=False)
    values = values / (np.linalg.norm(values) + 1e-7)
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    assert_allclose(book.orthogonal(matrix), u @ np.diag(values) @ v, atol=1e-13)


def test_what_orthogonal_makes_of_a_singular_value() -> None:
    """The range that the docstring names. A matrix of norm 1 with singular values s and sqrt(1 - s^2)."""
    found = [
        book.orthogonal(np.diag([s, math.sqrt(1 - s * s)])).diagonal() for s in np.linspace(0.1, math.sqrt(0.5), 200)
    ]
    assert 0.68 < np.min(found) < 0.69
    assert 1.13 < np.max(found) < 1.14


def test_muon_by_hand() -> None:
    """Two kernels of one channel, of norm 5 together: brought to sqrt 2, less the rate times the step's direction."""
    weight, gradient = np.array([3.0, 4.0]).reshape(2, 1, 1, 1), np.array([1.0, 0.0]).reshape(2, 1, 1, 1)
    told, velocity = book.muon(weight, gradient, np.zeros(weight.shape), 0.5, 0.6)
    one = book.orthogonal(np.array([[1.6], [0.0]]))
    assert_allclose(told.ravel(), math.sqrt(2) * np.array([0.6, 0.8]) - 0.5 * one.ravel(), rtol=1e-14)
    assert_array_equal(velocity, gradient)
    apart, _ = book.muon(weight, gradient, np.zeros(weight.shape), 0.5, 0.6, groups=2)
    assert_allclose(apart.ravel()[1], math.sqrt(2) * 0.8, rtol=1e-14)  # its group has no gradient
    assert not book.muon(0 * weight, 0 * gradient, np.zeros(weight.shape))[0].any()  # and no division by 0


def test_clipping_by_hand() -> None:
    """Gradients 3 and 4 have the norm 5 together; a norm below the limit stays."""
    three, four = book.clip([np.array([3.0]), np.array([[4.0]])], 1.0)
    assert_allclose((three[0], four[0, 0]), (0.6, 0.8), rtol=1e-6)
    same = book.clip([np.array([3.0]), np.array([[4.0]])], 5.1)
    assert_array_equal(same[0], [3.0])


def test_moving_average_by_hand() -> None:
    """After the first step 9/11 of the average are new; after very many, 1 - kept."""
    start, weight = np.zeros(1), np.ones(1)
    assert_allclose(book.moving_average(start, weight, 1, 0.99), 9 / 11, rtol=1e-15)
    assert_allclose(book.moving_average(start, weight, 10**6, 0.99), 0.01, rtol=1e-12)


# Nothing is missing: every layer kind, loss and rule of a step


FORMS = {
    "add": "add( conv 3x3 3 | identity )",
    "concat": "concat( conv 1x1 2 | identity )",
    "regions": "regions 2x2 ( conv 3x3 3 )",
    "aux": "conv 3x3 3, aux ( dense ), relu",
}
ONE_OF_EACH = {kind: KINDS[kind].example or kind for kind in KINDS} | FORMS


def test_every_layer_kind_is_here_forward_and_backward() -> None:
    assert set(MODULES) == set(KINDS)
    assert set(STRUCTURE) - {"let", "input", "classes"} == set(FORMS)
    for kind in [*KINDS, *FORMS]:
        if kind != "aux":  # hands x on: what comes back is `add`ed
            assert {kind, f"{kind}_gradient"} <= set(book.__all__), kind


@pytest.mark.parametrize("training", [False, True], ids=["predicts", "trains"])
@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_every_layer_kind_against_differences(kind: str, training: bool) -> None:
    """The textbook's own network of one layer: the gradient of the input and of each parameter."""
    size = {"rbf": (12, 7, 1), "dense": (3, 2, 1)}.get(kind, (4, 4, 3))
    network = Network(ONE_OF_EACH[kind], input=size, classes=2)
    tensors = {
        name: numbers(*tensor.shape, salt=turn) for turn, (name, tensor) in enumerate(network.state_dict().items(), 1)
    }
    tensors |= {name: values**2 + 0.1 for name, values in tensors.items() if name.endswith("running_var")}
    x = numbers(2, size[2], *size[:2])
    kept = {label: (numbers(*x.shape, salt=5) > 0).astype(np.float64) for label in network.labels if "dropout" in label}
    sides = {label: lambda up: numbers(*up.shape, salt=8) for label in network.aux}

    def walk() -> tuple[Walk, Array, Callable[[Array], Array]]:
        one = Walk(tensors, training, kept, sides)
        return one, *one.network(network.sizes.body, x)

    def loss() -> float:
        one, y, _ = walk()
        side = sum(float((numbers(*logits.shape, salt=8) * logits).sum()) for logits in one.logits.values())
        return float((numbers(*y.shape, salt=7) * y).sum()) + side

    one, y, back = walk()
    assert_allclose(back(numbers(*y.shape, salt=7)), slope(loss, x), rtol=1e-5, atol=1e-7)
    assert set(one.gradients) == {name for name, _ in network.named_parameters()}
    for name, gradient in one.gradients.items():
        assert_allclose(gradient, slope(loss, tensors[name]), rtol=1e-5, atol=1e-7, err_msg=name)


def test_every_loss_and_step_of_a_recipe_is_here() -> None:
    losses = {"cross-entropy": "cross_entropy", "clipped-mean": "clipped_mean", "rbf": "map_criterion"}
    assert set(choices(TrainSettings, "loss")) - {"auto"} == set(losses)
    assert {name for loss in losses.values() for name in (loss, f"{loss}_gradient")} <= set(book.__all__)
    assert set(choices(OptimizerSettings, "name")) <= set(book.__all__)
    assert {"penalty", "penalty_gradient", "balanced", "clip", "moving_average"} <= set(book.__all__)


def choices(settings: type[TrainSettings] | type[OptimizerSettings], field: str) -> tuple[str, ...]:
    """The words that a key of the recipe may be."""
    words: tuple[str, ...] = get_args(settings.model_fields[field].annotation)
    assert words
    return words


def test_the_textbook_knows_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, convscope.explain.reference; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
