"""Each run is asked about its own test pictures: its own split, in its own size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope import api
from convscope.evaluate.predictions import Predictions
from convscope.lab.app import Lab
from convscope.run import Run
from lab.conftest import LabSite

NET = "conv 3x3 4, relu, gap, dense"


def trained(data: str, out: Path, seed: int, **settings: Any) -> Run:
    api.train(
        data, network=NET, settings={"train.epochs": 1, "seed": seed, **settings}, out=out, quiet=True, plain=True
    )
    return Run(out)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures in two folders, squares of 12 x 12 that differ in their brightness."""
    draw = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 120)):
        (tmp_path / "squares" / name).mkdir(parents=True)
        for number in range(40):
            pixels = draw.integers(low, low + 130, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "squares" / name / f"{number}.png")
    return tmp_path / "squares"


def agrees(site: LabSite, run: Run) -> None:
    """Whether the lab's test pictures of a run, and its answers to them, are those that the run was scored on."""
    id = run.path.name
    data = site.get(f"/api/models/{id}")["data"]
    told = site.get(f"/api/test/{data}", f"of={id}&count=200")
    kept = Predictions.load(run.predictions_path)
    assert [one["index"] for one in told["pictures"]] == kept.ids[:200].tolist()
    for row in range(0, len(kept.ids), 5):
        where = {"data": data, "index": int(kept.ids[row])}
        found = site.post("/api/look", {"model": id, "where": where, "layers": []})
        assert found["probabilities"] == pytest.approx(kept.probabilities[row].tolist(), abs=2e-3)
        assert found["classes"].index(found["label"]) == kept.labels[row]


def test_a_run_of_another_seed_has_other_test_pictures(tmp_path: Path) -> None:
    first = trained("digits", tmp_path / "runs" / "first", 0)
    second = trained("digits", tmp_path / "runs" / "second", 3)
    site = LabSite(Lab(tmp_path / "runs"))
    agrees(site, first)
    agrees(site, second)
    lists = [site.get("/api/test/digits", f"of={name}&count=200")["pictures"] for name in ("first", "second")]
    assert [one["index"] for one in lists[0]] != [one["index"] for one in lists[1]]


def test_two_runs_on_one_folder_keep_their_own_sizes(tmp_path: Path, folder: Path) -> None:
    first = trained(str(folder), tmp_path / "runs" / "first", 0, **{"input.size": (12, 12)})
    second = trained(str(folder), tmp_path / "runs" / "second", 1, **{"input.size": (6, 6)})
    site = LabSite(Lab(tmp_path / "runs"))
    agrees(site, first)
    agrees(site, second)


def test_anothers_picture_comes_in_the_manner_of_ones_own(tmp_path: Path, folder: Path) -> None:
    """Two networks on the same picture of the digits: one that was trained on them, and one of MNIST's manner."""
    trained("digits", tmp_path / "runs" / "own", 0)
    trained(str(folder), tmp_path / "runs" / "other", 0, **{"input.size": (28, 28), "input.manner": "mnist"})
    site = LabSite(Lab(tmp_path / "runs"))
    where = {"data": "digits", "index": site.get("/api/test/digits", "of=own&count=1")["pictures"][0]["index"]}
    own, other = (site.post("/api/look", {"model": id, "where": where, "layers": []}) for id in ("own", "other"))
    assert own["steps"] == []
    assert own["label"] == other["label"]
    assert (other["input"]["height"], other["input"]["width"]) == (28, 28)
    assert len(other["steps"]) > 1
    assert other["steps"][-1]["picture"]["pixels"] == other["input"]["pixels"]
    off = site.post("/api/look", {"model": "other", "where": where, "layers": [], "manner": False})
    assert off["steps"] == []
    assert off["input"]["pixels"] != other["input"]["pixels"]
