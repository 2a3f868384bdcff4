"""Each broken network and recipe is found, named, and mended by its own suggestion; what is sound is left alone."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from convscope import preflight, recipe
from convscope.errors import ConvscopeError
from convscope.network.source import text_of, zoo
from convscope.preflight import Checked, Finding, Rewrite, check, check_network, mended, registry, rewritten
from convscope.recipe import Recipe
from convscope.train.faults import FAULTS
from preflight.cases import GOOD, NETWORKS, RECIPES, Net, Of


def the(name: str, checked: Checked) -> Finding:
    """The finding of that name."""
    found = [finding for finding in checked.findings if finding.name == name]
    assert found, [(finding.name, finding.where) for finding in checked.findings]
    return found[0]


def names(checked: Checked) -> set[str]:
    return {finding.name for finding in checked.findings}


def fully(finding: Finding) -> None:
    """A finding says all that it must."""
    assert finding.reason.endswith(".")
    assert len(finding.reason) > 40
    assert "{" not in finding.reason + finding.fix  # a sentence that was never filled in
    assert finding.fix
    assert finding.edits, f"{finding.name} says no edit"
    assert finding.page == f"docs/check.md#{finding.name}"
    assert finding.level == registry()[finding.name]


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: f"{case.finding}-{case.where}")
def test_a_broken_network(case: Net) -> None:
    before = check_network(case.text, case.input, case.classes)
    finding = the(case.finding, before)
    assert finding.where == case.where
    fully(finding)
    after = check_network(finding.mended(case.text), case.input, case.classes)
    assert case.finding not in names(after)
    assert not after.errors
    assert names(after) <= names(before) | {"bias-before-bn"}  # a text with an error shows its warnings only later


@pytest.fixture(scope="module")
def digits() -> Recipe:
    return recipe.with_settings(recipe.load(recipe.bundled()["digits"]), {"network": GOOD, "batch_size": 64})


@pytest.mark.parametrize("case", RECIPES, ids=lambda case: f"{case.finding}-{case.where}")
def test_a_broken_recipe(case: Of, digits: Recipe) -> None:
    broken = recipe.with_settings(digits, case.settings)
    before = check(broken)
    finding = the(case.finding, before)
    assert finding.where == case.where
    fully(finding)
    after = check(mended(broken, before.text, finding))
    assert (finding.name, finding.where) not in {(each.name, each.where) for each in after.findings}
    assert not after.errors
    assert names(after) <= names(before)


def test_every_finding_is_planted_here() -> None:
    here = {case.finding for case in NETWORKS} | {case.finding for case in RECIPES}
    others = {"classes-unbalanced", "batches-of-one-class"}  # the digits are neither; tests/preflight/test_pictures.py
    assert here | others == registry().keys()
    assert len(here) >= 40
    assert FAULTS.keys() <= registry().keys()


def test_the_page_has_a_section_for_every_finding() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "check.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (\S+)$", page, re.MULTILINE)) == registry().keys()
    for section in re.split(r"^### ", page, flags=re.MULTILINE)[1:]:
        name, _, body = section.partition("\n")
        assert "**Fix.**" in body, name


# ---- nothing is said of what is sound --------------------------------------------------------------------------------

EXPECTED: dict[str, set[str]] = {
    **{f"mnist-{length}": {"rows-cut-off"} for length in ("short", "medium", "long")},
    **{f"cifar10-{length}": {"rows-cut-off"} for length in ("medium", "long")},
    "tutorial-a-written": {"bias-before-bn", "initial-weights-large", "initial-biases-large", "clipped-loss",
                           "first-loss-too-large", "pictures-without-gradient"},
    "tutorial-a-drawn": {"bias-before-bn", "initial-weights-large", "initial-biases-large", "clipped-loss",
                         "first-loss-too-large", "pictures-without-gradient"},
    "tutorial-b-cifar10": {"brightness-cancelled"},
    "tutorial-d": {"dropout-too-high", "initial-weights-large", "initial-biases-large", "first-loss-too-large",
                   "activations-grow"},
}  # fmt: skip
"""The tutorials' own mistakes, which their headers name, and the last pooling of 7 x 7 maps, which airbench94 has too;
every other bundled recipe has none."""
DATA = {"digits": "digits", "mnist": "mnist[:512]", "cifar10": "cifar10-jpeg[:512]", "": "digits"}


@pytest.mark.parametrize("name", recipe.bundled())
def test_bundled_recipes(name: str) -> None:
    chosen = recipe.load(recipe.bundled()[name])
    spec = DATA[chosen.data]
    if spec != "digits" and not os.environ.get("CONVSCOPE_DATA"):
        pytest.skip("needs MNIST and cifar10-jpeg: set CONVSCOPE_DATA")
    # its usual pictures are photographs, and larger
    settings: dict[str, Any] = {"flip": False, "size": [64, 64]} if name == "folder" else {}
    checked = check(recipe.with_settings(chosen, {"data": spec, **settings}))
    assert not checked.errors
    assert names(checked) == EXPECTED.get(name, set())


OF_PAPERS: dict[str, set[str]] = {
    name: EXPECTED[name] & {"bias-before-bn", "initial-weights-large", "initial-biases-large", "dropout-too-high"}
    for name in ("tutorial-a-written", "tutorial-a-drawn", "tutorial-d")
}


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo())
def test_networks_of_the_zoo(name: str) -> None:
    checked = check_network(name)
    assert not checked.errors
    # torchvision's VGG has biases before bn: 2 752 to 5 504 useless parameters, as published
    allowed = {"bias-before-bn"} if re.fullmatch(r"vgg\d+_bn", name) else OF_PAPERS.get(name, set())
    assert names(checked) == allowed


def test_a_network_at_a_size_that_it_is_not_for() -> None:
    finding = the("kernel-larger-than-maps", check_network("resnet18", (32, 32, 3), 10))
    assert "8 of the 9 weights a map of layer4" in finding.reason
    after = check_network(finding.mended(text_of("resnet18")), (32, 32, 3), 10)
    assert not after.findings


# ---- the rest of what is promised ------------------------------------------------------------------------------------


def test_an_error_brings_its_table() -> None:
    checked = check_network("conv 3x3 16, relu, conv 3x3 32 groups=3, relu, dense 10", (28, 28, 1))
    assert checked.findings[0].table == "  conv1  28x28x1 -> 28x28x16\n  relu1  28x28x16 -> 28x28x16\n"
    assert checked.findings[0].reason.startswith("conv2 can't be built on 28x28x16: groups must divide")


def test_the_input_must_be_known() -> None:
    with pytest.raises(ConvscopeError, match=r"the input's size must be known\. Neither the text nor the data"):
        check_network("conv 3x3 16, relu, gap, dense 10")


def test_classes_need_not_be_known() -> None:
    assert not check_network("conv 3x3 16, relu, maxpool 2, dense", (8, 8, 1)).findings


def test_a_recipe_must_name_a_network(digits: Recipe) -> None:
    with pytest.raises(ConvscopeError, match=r"a recipe must name a network\. Give one: --net"):
        check(digits.model_copy(update={"network": ""}))


def test_a_scale_behind_wide_weights_takes_them_back() -> None:
    text = "conv 3x3 16, relu, gap, dense init=normal(10)"
    assert names(check_network(f"{text}, scale 0.01", (8, 8, 1), 10)) == set()
    assert names(check_network(f"{text}, scale 0.9", (8, 8, 1), 10)) == {"initial-weights-large"}


def test_an_edit_is_of_the_text_that_was_checked() -> None:
    with pytest.raises(ConvscopeError, match=r"an edit must be of the text that was checked\. There is no 'relu'"):
        rewritten("conv 3x3 16", [Rewrite(1, 1, "relu", "")])


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("conv 3x3 8, relu, relu, dense 10", "conv 3x3 8, relu, dense 10"),
        ("conv 3x3 8\nrelu\nrelu\ndense 10", "conv 3x3 8\nrelu\n\ndense 10"),
        ("conv 3x3 8, relu\nrelu, dense 10", "conv 3x3 8, relu\ndense 10"),
        ("conv 3x3 8，relu，relu，dense 10", "conv 3x3 8，relu，dense 10"),
        ("conv 3x3 8, relu, last: relu, dense 10", "conv 3x3 8, relu, last: identity, dense 10"),
        ("conv 3x3 8, relu, relu  # twice\ndense 10", "conv 3x3 8, relu  # twice\ndense 10"),
    ],
)
def test_a_layer_goes_with_its_comma(text: str, after: str) -> None:
    finding = the("activation-twice", check_network(text, (8, 8, 1)))
    assert finding.mended(text) == after


def test_a_piece_is_mended_once(digits: Recipe) -> None:
    text = "let b(c) = (conv 3x3 c, bn, relu)\nb(16), maxpool 2, 2 * b(32), gap, dense 10"
    checked = check_network(text, (28, 28, 1))
    assert [finding.name for finding in checked.findings] == ["bias-before-bn"]
    assert checked.findings[0].mended(text) == text.replace("conv 3x3 c,", "conv 3x3 c bias=no,")
    assert "80 parameters" in checked.findings[0].reason


def test_a_finding_as_plain_values() -> None:
    finding = check_network("conv 3x3 8, relu, relu, gap, dense 10", (8, 8, 1)).findings[0]
    value: dict[str, Any] = finding.to_json()
    assert value["edits"] == [{"line": 1, "column": 17, "old": ", relu", "new": ""}]
    assert value["page"] == "docs/check.md#activation-twice"


def test_the_surface() -> None:
    assert set(preflight.__all__) >= {"check", "check_network", "Finding", "registry"}
