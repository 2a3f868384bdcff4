"""What leads from one size to another: held to the shapes of networks, and to what a convolution's gradient reaches."""

from __future__ import annotations

from fractions import Fraction

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.network.build import Network
from convscope.network.fitting import fits, nearest, needed_padding

sizes = st.integers(1, 20)


def unseen(text: str, height: int, width: int) -> tuple[set[int], set[int]]:
    """The rows and columns, from 1, that get no gradient from a layer with weights of 1."""
    network = Network(text, input=(height, width, 1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1.0)
    x = torch.rand(1, 1, height, width, requires_grad=True)
    network(x).sum().backward()
    assert x.grad is not None
    reached = x.grad[0, 0] != 0
    return ({i + 1 for i in range(height) if not reached[i].any()},
            {i + 1 for i in range(width) if not reached[:, i].any()})  # fmt: skip


@settings(deadline=None, max_examples=60, derandomize=True)
@given(n=sizes, m=sizes, kernel=st.integers(1, 6), dilation=st.integers(1, 2), pool=st.booleans())
def test_each_fit_gives_the_size_and_leaves_those_cells(n: int, m: int, kernel: int, dilation: int, pool: bool) -> None:
    if pool:
        dilation = 1
    for fit in fits((n, n), (m, m), (kernel, kernel), dilation, pool)[:6]:
        text = fit.text.replace("maxpool", "avgpool").replace(" C", " 1")  # a maximum's gradient reaches one cell each
        assert Network(text, input=(n, n, 1)).sizes.output == (m, m, 1)
        assert unseen(text, n, n) == (set(fit.rows.unseen), set(fit.columns.unseen))


@settings(deadline=None, max_examples=30, derandomize=True)
@given(before=st.tuples(sizes, sizes), after=st.tuples(st.integers(1, 9), st.integers(1, 9)),
       kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)), pool=st.booleans())  # fmt: skip
def test_rectangles(before: tuple[int, int], after: tuple[int, int], kernel: tuple[int, int], pool: bool) -> None:
    for fit in fits(before, after, kernel, 1, pool)[:6]:
        text = fit.text.replace("maxpool", "avgpool").replace(" C", " 1")
        assert Network(text, input=(*before, 1)).sizes.output == (*after, 1)
        assert unseen(text, *before) == (set(fit.rows.unseen), set(fit.columns.unseen))


def test_none_is_missed() -> None:
    """Every stride and every padding below the kernel that gives the size is there, once."""
    for n, m, kernel in ((28, 14, 5), (9, 4, 3), (10, 10, 3), (7, 2, 2)):
        found = fits((n, n), (m, m), (kernel, kernel))
        ways = {(fit.stride[0], fit.rows.before, fit.rows.after) for fit in found}
        assert len(ways) == len(found)
        strides = {
            (stride, padding)
            for stride in range(1, n + 1)
            for padding in range(kernel)
            if n + 2 * padding >= kernel and (n + 2 * padding - kernel) // stride + 1 == m
        }
        assert strides <= {(stride, before) for stride, before, _ in ways}


def test_the_usual_comes_first() -> None:
    assert [fit.text for fit in fits((28, 28), (14, 14), (5, 5))] == ["conv 5x5 C /2 same", "conv 5x5 C /2 pad=2"]
    assert fits((28, 28), (28, 28), (3, 3))[0].text == "conv 3x3 C same"
    assert fits((24, 24), (12, 12), (2, 2), pool=True)[0].text == "maxpool 2 /2 same"
    assert fits((28, 14), (14, 14), (5, 3))[0].text == "conv 5x3 C /2x1 same"
    assert fits((227, 227), (55, 55), (11, 11))[0].text == "conv 11x11 C /4 valid"


def test_what_isnt_whole_is_rounded_down_and_may_leave_cells_unseen() -> None:
    """Tutorial C: (in - k) / stride + 1 must be whole, 3.6 has no meaning; frameworks round it down."""
    fit = next(fit for fit in fits((32, 32), (8, 8), (5, 5)) if fit.text == "conv 5x5 C /4 pad=2")
    assert fit.rows.exact == Fraction(35, 4)
    assert fit.rows.unseen == (32,)


def test_where_there_is_none() -> None:
    assert fits((28, 28), (27, 27), (5, 5)) == []
    assert nearest(28, 27, 5) == [26, 28]
    assert nearest(28, 50, 3) == [30]
    assert needed_padding(28, 27, 5, 1) == Fraction(3, 2)


def test_rounding_up_is_for_pooling_alone() -> None:
    assert [fit.text for fit in fits((7, 7), (3, 3), (3, 3))] == [
        "conv 3x3 C /3 same", "conv 3x3 C /2 valid", "conv 3x3 C /3 full", "conv 3x3 C /4 full",
    ]  # fmt: skip
    assert "maxpool 3 /3 ceil" in [fit.text for fit in fits((7, 7), (3, 3), (3, 3), pool=True)]
