"""Braces: which texts they make, in which order, and that errors point into the text as written."""

from __future__ import annotations

import pytest

from convscope.notation import NotationError, count, expand, parse, write_out

QUESTIONS = [
    ("conv {3x3,5x5} 20, relu, maxpool 2, conv {3x3,5x5} {50,100}, relu, maxpool 2, dense 10", 8),
    ("conv {k: 3x3,5x5} 20, relu, maxpool 2, conv {k} 50, relu, maxpool 2, dense 10", 2),
    ("conv 3x3 20 {pad=1,valid}, {bn,identity}, relu, {max,avg}pool 2, dense 10", 8),
    ("{conv 5x5 32,(conv 3x3 32, relu, conv 3x3 32)}, relu, {dropout 0.5,identity}, dense 10", 4),
    ("conv 3x3 32 {init=normal(0.05),init=glorot}, {add(relu | identity),concat(relu | tanh)}", 4),
    ("relu", 1),
    ("relu # {a,b}", 1),
    ("conv ｛3x3，5x5｝ 20", 2),
    ("let b() = ( {relu,tanh} )\nb(), b()", 2),
    ("conv {3x3, # the usual {\n 5x5} 8", 2),
]


@pytest.mark.parametrize(("text", "networks"), QUESTIONS)
def test_each_alternative_is_one_network(text: str, networks: int) -> None:
    alternatives = expand(text)
    assert count(text) == len(alternatives) == networks
    assert len({alternative.text for alternative in alternatives}) == networks
    for alternative in alternatives:
        write_out(parse(alternative))
        assert parse(alternative.text) == parse(alternative)


def test_the_first_brace_varies_slowest() -> None:
    chosen = [alternative.choices for alternative in expand("conv {a: 3x3,5x5} {20,50}, dense {10, 11}")]
    assert chosen[:3] == [
        (("a", "3x3"), ("2", "20"), ("3", "10")),
        (("a", "3x3"), ("2", "20"), ("3", "11")),
        (("a", "3x3"), ("2", "50"), ("3", "10")),
    ]
    assert chosen[-1] == (("a", "5x5"), ("2", "50"), ("3", "11"))


def test_braces_are_replaced_as_text() -> None:
    texts = [alternative.text for alternative in expand("conv {k: 3x3, 5x5 } 8, {max,avg}pool 2, conv {k} 9")]
    assert texts[0] == "conv 3x3 8, maxpool 2, conv 3x3 9"
    assert texts[3] == "conv 5x5 8, avgpool 2, conv 5x5 9"


def test_a_choice_in_a_piece_is_the_same_at_every_use() -> None:
    first, second = (write_out(parse(text)) for text in expand("let b() = ( {relu,tanh} )\nb(), b()"))
    assert [item.kind for item in first.body.items] == ["relu", "relu"]
    assert [item.kind for item in second.body.items] == ["tanh", "tanh"]


@pytest.mark.parametrize(
    ("text", "turn", "line", "column", "length"),
    [
        ("relu,\nconv {3x3,5z5} 8", 1, 2, 11, 3),  # in the alternative
        ("conv {3x3,55555x5} 8, maxpol 2", 1, 1, 23, 6),  # after it
        ("conv {3x3,5x5} 8, {max,av}pool 2", 1, 1, 24, 7),  # a word that goes on after the brace
        ("conv {k: 3x3,5x5} 8, dense {k}", 0, 1, 28, 3),  # a repeated choice stands where it is repeated
        ("conv {k: 3x3,5x5} 8, maxpol {k}", 1, 1, 22, 6),
    ],
)
def test_errors_point_into_the_text_as_written(text: str, turn: int, line: int, column: int, length: int) -> None:
    with pytest.raises(NotationError, match=f"^line {line}, column {column}: ") as caught:
        parse(expand(text)[turn])
    assert (caught.value.line, caught.value.column, caught.value.place.length) == (line, column, length)
    assert str(caught.value).split("\n")[1] == "  " + text.split("\n")[line - 1]


def test_places_of_layers_are_those_of_the_text_as_written() -> None:
    body = write_out(parse(expand("conv {3x3,55x55} 8, relu")[0])).body
    assert (body.items[1].place.line, body.items[1].place.column) == (1, 21)


def test_a_mark_of_byte_order_is_no_sign() -> None:
    assert [alternative.text for alternative in expand("\ufeffconv {3,5} 8")] == ["conv 3 8", "conv 5 8"]
    assert write_out(parse("\ufeffrelu")).body.items[0].place.column == 1
