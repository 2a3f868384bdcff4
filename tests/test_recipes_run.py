"""Each bundled recipe runs: its own network, preprocessing, augmentation and loss, for 2 steps on few pictures."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from convscope import api, recipe, run
from convscope.recipe.realise import read_data

DATA = {"digits": "digits", "mnist": "mnist[:512]", "cifar10": "cifar10-jpeg[:512]", "": "digits"}


@pytest.mark.parametrize("name", recipe.bundled())
def test_two_steps(name: str, tmp_path: Path) -> None:
    chosen = recipe.load(recipe.bundled()[name])
    spec = DATA[chosen.data]
    if spec != "digits" and not os.environ.get("CONVSCOPE_DATA"):
        pytest.skip("needs MNIST and cifar10-jpeg: set CONVSCOPE_DATA")
    chosen = recipe.with_settings(chosen, {"data": spec, "steps": 2, "batch_size": min(64, chosen.train.batch_size)})
    data = read_data(chosen, Path())
    few = replace(data, test=data.test.subset(list(range(100))))
    records = list(api.carry_out(chosen, tmp_path / "run", dataset=few))
    scores = [record for record in records if isinstance(record, run.Tested)]
    assert [(score.n, score.split) for score in scores] == [(100, "test")]
    assert records[-1] == run.Finished(str(tmp_path / "run"), records[-1].elapsed)  # type: ignore[union-attr]
    assert [record.reason for record in records if isinstance(record, run.Stopped)] == ["epochs"]
