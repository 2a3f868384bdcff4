"""Windows along one axis, against counting them, against PyTorch and against TensorFlow's formula."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.network.geometry import Windows, counts, windows

N, KERNEL, STRIDE, DILATION = range(1, 15), range(1, 7), range(1, 5), range(1, 4)
EVERY = list(itertools.product(N, KERNEL, STRIDE, DILATION))


def counted(n: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> int:
    """How many windows lie within a picture that is this much wider."""
    extent = dilation * (kernel - 1) + 1
    return sum(1 for start in range(-before, n + after, stride) if start + extent <= n + after)


def test_valid_is_every_window_inside_the_picture() -> None:
    for n, kernel, stride, dilation in EVERY:
        found = windows(n, kernel, stride, dilation, "valid")
        count = counted(n, kernel, stride, dilation, 0, 0)
        assert found == Windows(0, 0, count), (n, kernel, stride, dilation)
        extent = dilation * (kernel - 1) + 1
        assert count == max(0, -(-(n - extent + 1) // stride))


def test_full_is_every_window_that_touches_the_picture() -> None:
    for n, kernel, stride, dilation in EVERY:
        found = windows(n, kernel, stride, dilation, "full")
        extent = dilation * (kernel - 1) + 1
        assert found.before == extent - 1
        assert found.count == len(range(-(extent - 1), n, stride)) == -(-(n + extent - 1) // stride)


@pytest.mark.parametrize("padding", range(5))
def test_a_number_is_pytorchs_padding(padding: int) -> None:
    for n, kernel, stride, dilation in EVERY:
        found = windows(n, kernel, stride, dilation, padding)
        assert found.count == counted(n, kernel, stride, dilation, padding, padding), (n, kernel, stride, dilation)
        assert found.before == padding
        assert found.after <= padding


def test_same_is_tensorflows_formula() -> None:
    """TensorFlow, `tf.nn` notes on padding: pad = max(k - s, 0) where s divides n, else max(k - n % s, 0)."""
    for n, kernel, stride, dilation in EVERY:
        extent = dilation * (kernel - 1) + 1
        pad = max(extent - (stride if n % stride == 0 else n % stride), 0)
        assert windows(n, kernel, stride, dilation, "same") == Windows(pad // 2, pad - pad // 2, -(-n // stride))


def test_the_end_is_where_the_last_window_ends() -> None:
    """Just so many cells are needed: one fewer and the last window doesn't fit, one more is never asked for."""
    for n, kernel, stride, dilation in EVERY:
        extent = dilation * (kernel - 1) + 1
        for padding in ("full", 0, 1, 2):
            found = windows(n, kernel, stride, dilation, padding)
            if found.count > 0:
                last = (found.count - 1) * stride - found.before + extent
                assert found.after == max(0, last - n)


# PyTorch itself, down one axis of ones


def torch_pool(n: int, kernel: int, stride: int, padding: int, ceil: bool) -> int | None:
    try:
        return F.max_pool2d(torch.zeros(1, 1, n, 1), (kernel, 1), (stride, 1), (padding, 0), 1, ceil).shape[2]
    except RuntimeError:
        return None


@pytest.mark.parametrize("ceil", [False, True])
def test_pooling_is_pytorchs(ceil: bool) -> None:
    for n, kernel, stride in itertools.product(N, KERNEL, range(1, 6)):
        for padding in range(kernel // 2 + 1):  # PyTorch refuses more than half a kernel
            count = windows(n, kernel, stride, 1, padding, ceil).count
            assert max(count, 0) == (torch_pool(n, kernel, stride, padding, ceil) or 0), (n, kernel, stride, padding)


def test_convolution_is_pytorchs() -> None:
    kernels = {kernel: torch.zeros(1, 1, kernel) for kernel in KERNEL}
    for n, kernel, stride, dilation in EVERY:
        for padding in (0, 1, 3):
            count = windows(n, kernel, stride, dilation, padding).count
            if count > 0:
                y = F.conv1d(torch.zeros(1, 1, n), kernels[kernel], None, stride, padding, dilation)
                assert y.shape[2] == count, (n, kernel, stride, dilation, padding)


# Real cells

PADDINGS = st.sampled_from(["same", "valid", "full", 0, 1, 2, 3])


@given(n=st.integers(1, 60), kernel=st.integers(1, 12), stride=st.integers(1, 9), padding=PADDINGS, ceil=st.booleans())
@settings(deadline=None, derandomize=True, max_examples=600)
def test_real_cells_are_counted(n: int, kernel: int, stride: int, padding: str | int, ceil: bool) -> None:
    """As many as a walk over every cell finds; and in pooling every window sees at least one."""
    if isinstance(padding, int):
        padding = min(padding, kernel - 1)
    found = windows(n, kernel, stride, 1, padding, ceil and isinstance(padding, int))  # type: ignore[arg-type]
    told = counts(n, kernel, stride, found)
    starts = [i * stride - found.before for i in range(found.count)]
    assert told == [sum(0 <= cell < n for cell in range(start, start + kernel)) for start in starts]
    assert all(told)


@given(n=st.integers(1, 60), kernel=st.integers(1, 12), stride=st.integers(1, 9), dilation=st.integers(1, 4))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_what_the_notation_promises_of_three_by_two(n: int, kernel: int, stride: int, dilation: int) -> None:
    """For `3 /2` at an odd n `same` is `pad=1` and `ceil` is `valid`; at an even n `same` and `pad=1` agree in size,
    and `ceil` is `same`. At stride 1 an odd kernel pads alike on both sides."""
    same, one = windows(n, 3, 2, 1, "same"), windows(n, 3, 2, 1, 1)
    assert same.count == one.count
    assert (same == one) == (n % 2 == 1)
    if n >= 3:
        up, other = windows(n, 3, 2, 1, 0, ceil=True), windows(n, 3, 2, 1, "valid" if n % 2 else "same")
        assert up == other
    middle = windows(n, kernel, 1, dilation, "same")
    assert middle.count == n
    assert middle.after - middle.before == (dilation * (kernel - 1)) % 2
    assert windows(n, kernel, stride, dilation, "same").count == -(-n // stride)
