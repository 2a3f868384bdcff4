"""What layers cost: the tutorials' own counts, and that no layer kind lacks a rule."""

from __future__ import annotations

import pytest

from convscope.network.cost import MULTIPLY_ADDS, VALUES, bias_count, multiply_adds, values, weight_count
from convscope.network.shapes import Sizes, numbers, resolve
from convscope.network.source import text_of
from convscope.network.weigh import totals, weigh
from convscope.notation import parse, write_out
from convscope.notation.kinds import KINDS

C = "conv {} 20 valid, relu, maxpool 2, conv {} {} valid, relu, maxpool 2, dense 10"
ALEXNET = (
    "conv 11x11 96 /4 valid, relu, maxpool 3 /2, lrn, conv 5x5 256 pad=2, relu, maxpool 3 /2, lrn, conv 3x3 384, relu, "
    "conv 3x3 384, relu, conv 3x3 256, relu, maxpool 3 /2, dense 4096, relu, dense 4096, relu, dense 1000"
)


def sizes(text: str, input: tuple[int, int, int] | None = None, classes: int | None = None) -> Sizes:
    return resolve(write_out(parse(text)), input, classes)


def test_every_kind_has_its_row() -> None:
    assert set(MULTIPLY_ADDS) == set(KINDS)
    assert set(VALUES) == set(KINDS) | {"add", "concat", "regions", "aux"}


@pytest.mark.parametrize(
    ("text", "input", "count"),
    [
        (C.format("5x5", "5x5", 50), (28, 28, 1), 1_896_000),
        (C.format("3x3", "3x3", 50), (28, 28, 1), 1_223_180),
        (C.format("3x3", "3x3", 100), (28, 28, 1), 2_324_680),
        (text_of("tutorial-b-mnist"), None, 13_883_904),
        (text_of("tutorial-b-cifar10"), None, 18_470_784),
        (text_of("vgg16"), None, 15_470_264_320),
        ("conv 3x3 8 groups=2 bias=no", (5, 5, 4), 25 * 8 * 2 * 9),
        ("conv 5x5 16 valid connect=lenet5", (14, 14, 6), 60 * 25 * 100),
        ("dense 84, rbf 10", (2, 2, 1), 4 * 84 + 840),
        ("subsample 2, bn, lrn, gap", (4, 4, 3), 0),
    ],
)
def test_multiply_adds(text: str, input: tuple[int, int, int] | None, count: int) -> None:
    assert sum(map(multiply_adds, sizes(text, input).rows)) == count


VGG16 = [
    ("conv", 3_211_264, 1_728), ("conv", 3_211_264, 36_864), ("maxpool", 802_816, 0),
    ("conv", 1_605_632, 73_728), ("conv", 1_605_632, 147_456), ("maxpool", 401_408, 0),
    ("conv", 802_816, 294_912), *[("conv", 802_816, 589_824)] * 2, ("maxpool", 200_704, 0),
    ("conv", 401_408, 1_179_648), *[("conv", 401_408, 2_359_296)] * 2, ("maxpool", 100_352, 0),
    *[("conv", 100_352, 2_359_296)] * 3, ("maxpool", 25_088, 0),
    ("dense", 4_096, 102_760_448), ("dense", 4_096, 16_777_216), ("dense", 1_000, 4_096_000),
]  # fmt: skip
"""Tutorial A's table, whose values it gives as 3.2M, 800K and so on: kind, values a picture, weights without biases."""


def test_the_tutorials_table_of_vgg16() -> None:
    made = sizes(text_of("vgg16"))
    table = [(row.item.kind, values(row), weight_count(row)) for row in made.rows if values(row)]
    assert table == VGG16
    total = totals(made, weigh(made), aux=False)
    assert (total.values, total.weights, total.parameters) == (15_237_608, 138_344_128, 138_357_544)
    assert total.values == numbers(made.input) + sum(row[1] for row in table)


def test_the_tutorials_table_of_alexnet() -> None:
    made = sizes(ALEXNET, (227, 227, 3))
    shapes = [(55, 55, 96), (27, 27, 96), (27, 27, 256), (13, 13, 256), (13, 13, 384), (13, 13, 384), (13, 13, 256),
              (6, 6, 256), (4096,), (4096,), (1000,)]  # fmt: skip
    assert [row.after for row in made.rows if values(row)] == shapes
    assert totals(made, weigh(made), aux=False).parameters == 62_378_344


def test_lenet5_counts_what_it_has() -> None:
    made = sizes(text_of("lenet5"))
    counts = {row.item.name: weight_count(row) + bias_count(row) for row in made.rows if weight_count(row)}
    assert list(counts.values()) == [156, 12, 1_516, 32, 48_120, 10_164]


def test_what_only_changes_values_makes_none() -> None:
    text = "conv 3x3 4, bn, relu, identity, identity 8, avgpool to=6, avgpool to=3, add( relu | identity ), flatten"
    assert [values(row) for row in sizes(text, (6, 6, 2)).rows] == [144, 0, 0, 0, 288, 0, 72, 0, 0, 72, 0]


def test_a_shift_counts_as_a_bias() -> None:
    row = sizes("bn", (6, 6, 5)).rows[0]
    assert (weight_count(row), bias_count(row)) == (5, 5)


def test_side_classifiers_are_counted_apart() -> None:
    made = sizes("conv 1x1 4 bias=no, aux ( conv 1x1 2 bias=no, dense 5 bias=no ), dense 5 bias=no", (4, 4, 3))
    layers = weigh(made)
    body, side = totals(made, layers, aux=False), totals(made, layers, aux=True)
    assert (body.parameters, side.parameters) == (12 + 320, 8 + 160)
    assert (body.multiply_adds, side.multiply_adds) == (16 * 12 + 320, 16 * 8 + 160)
    assert body.values == 48 + 64 + 5
