"""Every way to the gradient of a convolution's weights gives PyTorch's numbers, at any shape that it is offered for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from convscope.kernels.convolve import PLAIN, PRODUCT, beside, convolve, ways
from convscope.notation.tree import Size

FLOAT32 = 1e-5
BFLOAT16 = 0.02
"""Of the largest value: eight bits, and sums in float32; what the trial of a plan allows too."""

# pictures, inputs, height, width, units, kernel, stride, padding, bias
TABLE = {
    "3x3": (9, 5, 8, 8, 7, (3, 3), (1, 1), (1, 1), True),
    "pictures that fill no last row": (17, 3, 7, 7, 4, (3, 3), (1, 1), (1, 1), True),
    "fewer pictures than lie side by side": (3, 3, 7, 7, 4, (3, 3), (1, 1), (1, 1), False),
    "one picture": (1, 3, 7, 7, 4, (3, 3), (1, 1), (1, 1), True),
    "stride 2": (6, 4, 14, 14, 4, (3, 3), (2, 2), (1, 1), True),
    "stride 2, odd": (6, 4, 13, 15, 4, (3, 3), (2, 2), (1, 1), True),
    "5x5": (8, 3, 14, 14, 6, (5, 5), (1, 1), (2, 2), True),
    "5x5 without padding": (8, 3, 14, 14, 6, (5, 5), (1, 1), (0, 0), True),
    "not square": (8, 3, 10, 6, 6, (3, 5), (1, 1), (1, 2), True),
    "strides apart": (8, 3, 12, 12, 6, (3, 3), (2, 1), (1, 1), True),
    "one channel": (16, 1, 14, 14, 8, (3, 3), (1, 1), (1, 1), True),
    "one unit": (8, 4, 7, 7, 1, (3, 3), (1, 1), (1, 1), True),
    "maps of one row": (8, 4, 1, 9, 5, (1, 3), (1, 1), (0, 1), True),
    "1x1": (5, 6, 9, 9, 4, (1, 1), (1, 1), (0, 0), True),
    "1x1 of one channel": (5, 1, 9, 9, 4, (1, 1), (1, 1), (0, 0), False),
    "1x1 with stride": (5, 6, 9, 9, 4, (1, 1), (2, 2), (0, 0), True),
    "1x1 with padding": (5, 6, 9, 9, 4, (1, 1), (1, 1), (1, 1), True),
}
Case = tuple[int, int, int, int, int, Size, Size, Size, bool]


def offered(case: Case) -> tuple[str, ...]:
    _, _, height, width, _, kernel, stride, padding, _ = case
    return ways(kernel, stride, padding, (height, width), 1, (1, 1))


def gradients(case: Case, way: str, precision: torch.dtype, *, frozen: bool = False) -> list[Tensor]:
    """Output, and gradients of input, weight and bias. The gradient that comes in is not contiguous."""
    pictures, inputs, height, width, units, kernel, stride, padding, bias = case
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(pictures, inputs, height, width, generator=generator, dtype=torch.float64)
    weight = torch.randn(units, inputs, *kernel, generator=generator, dtype=torch.float64)
    wide = torch.float64 if precision == torch.float64 else torch.float32
    x = x.to(precision).contiguous(memory_format=torch.channels_last).requires_grad_(not frozen)
    weight = weight.to(wide).requires_grad_()
    added = torch.randn(units, generator=generator).to(wide).requires_grad_() if bias else None
    if way == "":  # PyTorch's own
        y = F.conv2d(x, weight.to(precision), None if added is None else added.to(precision), stride, padding)
    else:
        y = convolve(x, weight, added, stride, padding, (1, 1), 1, way)
    back = torch.randn(2 * y.shape[0], *y.shape[1:], generator=generator, dtype=torch.float64).to(precision)[::2]
    y.backward(back.transpose(2, 3).contiguous().transpose(2, 3))  # type: ignore[no-untyped-call]
    learned = [tensor.grad for tensor in (x, weight, added) if tensor is not None and tensor.requires_grad]
    return [y.detach(), *(tensor for tensor in learned if tensor is not None)]


def off(found: list[Tensor], expected: list[Tensor]) -> float:
    """The largest difference, in parts of the largest value of each tensor."""
    assert [tensor.shape for tensor in found] == [tensor.shape for tensor in expected]
    pairs = zip(found, expected, strict=True)
    return max(float((f.double() - e.double()).abs().max() / e.double().abs().max().clamp(min=1e-9)) for f, e in pairs)


def agrees(case: Case) -> None:
    """Every way that is offered gives PyTorch's numbers in three precisions."""
    exact = gradients(case, "", torch.float64)
    for way in offered(case):
        assert off(gradients(case, way, torch.float64), exact) < 1e-12, way
        assert off(gradients(case, way, torch.float32), exact) < FLOAT32, way
        assert off(gradients(case, way, torch.bfloat16), exact) < BFLOAT16, way


@pytest.mark.parametrize("name", TABLE)
def test_every_way_gives_pytorchs_numbers(name: str) -> None:
    agrees(TABLE[name])


def test_what_is_offered() -> None:
    assert offered(TABLE["3x3"]) == (PLAIN, beside(4), beside(8), beside(16))
    assert offered(TABLE["1x1"]) == (PLAIN, PRODUCT)
    assert offered(TABLE["1x1 with stride"])[1:2] != (PRODUCT,)
    assert ways((3, 3), (1, 1), (1, 1), (56, 56), 1, (1, 1)) == (PLAIN,)  # a row fills the unit as it is
    assert ways((3, 3), (1, 1), (1, 1), (8, 8), 2, (1, 1)) == (PLAIN,)
    assert ways((1, 1), (1, 1), (0, 0), (8, 8), 2, (1, 1)) == (PLAIN,)
    assert ways((3, 3), (1, 1), (1, 1), (8, 8), 1, (2, 2)) == (PLAIN,)


@settings(deadline=None, max_examples=120, derandomize=True)
@given(
    pictures=st.integers(1, 19), inputs=st.integers(1, 5), height=st.integers(1, 18), width=st.integers(1, 18),
    units=st.integers(1, 5), kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)), padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    bias=st.booleans(),
)  # fmt: skip
def test_no_way_is_offered_that_is_wrong(
    pictures: int,
    inputs: int,
    height: int,
    width: int,
    units: int,
    kernel: Size,
    stride: Size,
    padding: Size,
    bias: bool,
) -> None:
    assume(height + 2 * padding[0] >= kernel[0] and width + 2 * padding[1] >= kernel[1])
    case = (pictures, inputs, height, width, units, kernel, stride, padding, bias)
    exact = gradients(case, "", torch.float64)
    for way in offered(case):
        assert off(gradients(case, way, torch.float64), exact) < 1e-11, way
        assert off(gradients(case, way, torch.float32), exact) < 3e-5, way


@pytest.mark.parametrize("name", ["3x3", "1x1"])
def test_an_input_that_needs_no_gradient(name: str) -> None:
    """The first layer's pictures: the weights' gradient is the same, and none is computed of the pictures."""
    exact = gradients(TABLE[name], "", torch.float64, frozen=True)
    assert len(exact) == 3
    for way in offered(TABLE[name]):
        assert off(gradients(TABLE[name], way, torch.float64, frozen=True), exact) < 1e-12


@pytest.mark.parametrize("way", [beside(4), PRODUCT])
def test_weights_that_are_frozen(way: str) -> None:
    kernel, padding = ((1, 1), (0, 0)) if way == PRODUCT else ((3, 3), (1, 1))
    weight, bias = torch.ones(2, 3, *kernel), torch.zeros(2)
    x = torch.randn(4, 3, 8, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    convolve(x, weight, bias, (1, 1), padding, (1, 1), 1, way).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert weight.grad is None
    assert bias.grad is None


def test_gradients_are_of_the_parameters_own_precision() -> None:
    weight, bias = torch.ones(2, 3, 3, 3, requires_grad=True), torch.zeros(2, requires_grad=True)
    x = torch.randn(8, 3, 8, 8, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    for way in (PLAIN, beside(4)):
        y = convolve(x, weight, bias, (1, 1), (1, 1), (1, 1), 1, way)
        assert y.dtype == torch.bfloat16
        found = torch.autograd.grad(y.float().sum(), [weight, bias])
        assert [gradient.dtype for gradient in found] == [torch.float32] * 2
