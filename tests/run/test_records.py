"""Records go to JSON and back unchanged, whatever is in them."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from convscope import run
from convscope.errors import ConvscopeError

EXAMPLES: list[run.Record] = [
    run.Started("runs/m", "mnist", ("零", "b"), 51000, 9000, 10000, 63434, (28, 28, 1), "cpu", 2, {"layout": "nhwc"}),
    run.Note("classes = 10 from the data"),
    run.Diagnosis(
        128,
        10,
        94_273.9,
        2.3026,
        2.37,
        0.0,
        12,
        0.31,
        ("conv1", "relu1"),
        (3.5, math.inf),
        (0.2, None),
        (0.0, 0.5),
        ("first-loss-too-large",),
        ("the first loss 94 300 is 41 000 times ln 10",),
    ),
    run.Forecast(3.5, 10.5, 3.0, 1197, 200_000_000),
    run.Step(12, 1, 2.302, 0.1, 15_000.0, 3.25, 60.5),
    run.Epoch(1, 399, 0.4, 44_000, 51_000, 0.2, 8_500, 9_000, 0.1, 20.0, 40.0, True),
    run.Epoch(1, 399, 0.4, 44_000, 51_000, None, None, None, 0.1, 20.0, 40.0, False),
    run.Saved(399, "runs/m/checkpoint/step-00000399"),
    run.Stopped("epochs", 1197, 3),
    run.Tested(9_933, 10_000, 0.9915, 0.9947, 0.021, "test", 1),
    run.Finished("runs/m", 61.5),
]


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.kind)
def test_a_record_comes_back(record: run.Record) -> None:
    value = run.to_json(record)
    assert value["kind"] == record.kind
    assert run.from_json(json.loads(json.dumps(value, allow_nan=False))) == record


def test_every_kind_has_an_example() -> None:
    assert {record.kind for record in EXAMPLES} == run.KINDS.keys()
    assert {type(record) for record in EXAMPLES} == set(run.KINDS.values())


@pytest.mark.parametrize("loss", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_comes_back(loss: float) -> None:
    value = json.loads(json.dumps(run.to_json(run.Step(1, 1, loss, 0.1, 1.0, 1.0, 1.0)), allow_nan=False))
    found = run.from_json(value)
    assert isinstance(found, run.Step)
    assert repr(found.loss) == repr(loss)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        EXAMPLES[1].text = "other"  # type: ignore[union-attr, misc]


def test_a_field_that_a_later_version_added_is_left_out() -> None:
    assert run.from_json({"kind": "note", "text": "a", "colour": "red"}) == run.Note("a")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"kind": "epohc"}, r"unknown kind of record 'epohc', did you mean 'epoch'\? These exist: diagnosis, epoch"),
        ({}, r"unknown kind of record 'None'"),
        ({"kind": "note"}, r"a record of the kind 'note' must have 'text'\. It has \['kind'\]"),
    ],
)
def test_what_is_no_record_in_words(value: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=sentence):
        run.from_json(value)
