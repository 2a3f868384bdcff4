"""The short form of a network: what a person would write, and the same network."""

from __future__ import annotations

import pytest

from convscope.notation import brief, canonical, parse

TEXTS = {
    "conv 5x5 32 /1 same bias=yes, relu, maxpool 2 /2 valid, dense classes": "conv 5x5 32, relu, maxpool 2x2, dense",
    "conv 3x3 8 /2 valid groups=2 dilation=2 border=reflect init=normal(0.1)": (
        "conv 3x3 8 /2 valid groups=2 dilation=2 border=reflect init=normal(0.1)"
    ),
    "maxpool 3 /2 ceil": "maxpool 3x3 /2 ceil",
    "maxpool 3 /2 ceil pad=1": "maxpool 3x3 /2 ceil pad=1",
    "conv 3x3 8 pad=1x2": "conv 3x3 8 pad=1x2",
    "avgpool to=6x6": "avgpool to=6x6",
    "lrn 5 k=2": "lrn",
    "lrn 7 k=1": "lrn 7 k=1",
    "leaky 0.01, leaky 0.2, elu 1": "leaky, leaky 0.2, elu",
    "identity, identity 32 /2": "identity, identity 32 /2",
    "tanh scaled, bn eps=1e-3 scale=no, dropout 0.5": "tanh scaled, bn eps=0.001 scale=no, dropout 0.5",
    "input 8x8x3\nclasses 5\nstem: 2 * ( conv 3x3 4, relu ) -> 8x8x4\nadd( conv 1x1 4 | identity )": (
        "input 8x8x3, classes 5, stem: 2 * ( conv 3x3 4, relu ) -> 8x8x4, add( conv 1x1 4 | identity )"
    ),
    "let b(c, s) = ( conv 3x3 c /s )\nb(4, 2), subsample 2, gap": (
        "let b(c, s) = ( conv 3x3 c /s ), b(4, 2), subsample 2x2, gap"
    ),
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_as_usual_is_left_out_and_comes_back(text: str) -> None:
    short = brief(parse(text))
    assert short == TEXTS[text]
    assert canonical(parse(short)) == canonical(parse(text))
