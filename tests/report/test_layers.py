"""A layer in few words: what is as usual is left out."""

from __future__ import annotations

import pytest

from convscope.network.shapes import resolve
from convscope.notation import parse, write_out
from convscope.report.layers import describe


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("conv 3x3 8", "conv 3x3 8 same"),
        ("conv 5x3 8 /2 valid", "conv 5x3 8 /2 valid"),
        ("conv 3x3 8 /2x1 pad=1", "conv 3x3 8 /2x1 pad=1"),
        ("conv 3x3 8 groups=2", "conv 3x3 8 same groups=2"),
        ("maxpool 3 /2 pad=1 ceil", "maxpool 3x3 /2 pad=1 ceil"),
        ("maxpool 2", "maxpool 2x2 /2 valid"),
        ("avgpool to=6", "avgpool to=6"),
        ("avgpool to=6x5", "avgpool to=6x5"),
        ("conv 3x3 8 dilation=2 bias=position", "conv 3x3 8 same dilation=2 bias=position"),
        ("conv 3x3 6, conv 5x5 16 connect=lenet5", "conv 5x5 16 same connect=lenet5"),
        ("bn per=activation", "bn per=activation"),
        ("tanh scaled", "tanh scaled"),
        ("dropout 0.25", "dropout 0.25"),
        ("relu", "relu"),
        ("dense 7", "dense 7"),
        ("add(conv 1x1 2 | identity)", "add"),
    ],
)
def test_a_layer_in_few_words(text: str, told: str) -> None:
    sizes = resolve(write_out(parse(text)), (12, 12, 2), 5)
    assert describe(sizes.rows[-1].item) == told
