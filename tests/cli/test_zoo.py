"""`convscope zoo`, and a name of the zoo where a network is taken."""

from __future__ import annotations

import json
import re

import pytest

from cli.conftest import Command
from convscope.network.source import about, zoo


def test_the_zoo_as_a_table(say: Command) -> None:
    said = say("zoo")
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines[2 : 2 + len(zoo())]] == list(zoo())
    for row in (
        r"^resnet50 +2016 +25 557 032 +4 089 184 256 +224 x 224 x 3 +(published|here) +ResNet-50: residual",
        r"^lenet5 +1998 +60 000 +\d+ \d+ +32 x 32 x 1 +LeNet-5 of 1998",
        r"^tutorial-d +3 274 634 +13 883 904 +28 x 28 x 1 +The network of tutorial-b-mnist",
    ):
        assert re.search(row, said.out, re.MULTILINE)
    assert lines[-1] == "convscope zoo NAME prints one; summary, draw, check, code and train --net take its name"


def test_the_zoo_as_json(say: Command) -> None:
    listed = json.loads(say("zoo", "--json").out)
    assert [one["name"] for one in listed] == list(zoo())
    googlenet = next(one for one in listed if one["name"] == "googlenet")
    assert (googlenet["parameters"], googlenet["aux_parameters"]) == (6_998_552, 6_379_728)
    assert (googlenet["input"], googlenet["classes"], googlenet["at_hand"]) == ([224, 224, 3], 1000, False)
    one = json.loads(say("zoo", "resnet18", "--json").out)
    assert one["text"] == zoo()["resnet18"].read_text(encoding="utf-8")
    assert one["deviations"] == about("resnet18").deviations


def test_one_of_the_zoo(say: Command) -> None:
    said = say("zoo", "vgg16")
    assert said.code == 0
    assert said.out == zoo()["vgg16"].read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [["zoo", "resnet19"], ["summary", "resnet19"]])
def test_an_unknown_one(words: list[str], say: Command) -> None:
    said = say(*words)
    assert said.code == 2
    assert said.err.startswith("error: unknown network 'resnet19', did you mean 'resnet18'? These exist: alexnet, ")
    assert said.out == ""


def test_another_size_and_other_classes(say: Command) -> None:
    about = json.loads(say("summary", "vgg16", "--input", "32x32x3", "--classes", "10", "--json").out)
    assert (about["input"], about["classes"]) == ([32, 32, 3], 10)
    assert about["parameters"] == 138_357_544 - 990 * 4097
    said = say("summary", "alexnet", "--input", "32x32x3")
    assert said.code == 2
    assert "pool2 can't be built on 2x2x256: the kernel must fit its picture." in said.err


def test_a_network_of_the_zoo_is_trained(say: Command) -> None:
    said = say("train", "digits", "--net", "lenet5-modern", "--input", "16x16", "--steps", "2", "--out", "run")
    assert said.code == 2, "an input of 16 x 16 is too small for it"
    assert re.search(r"conv3 can't be built on 1x1x16: the kernel must fit its picture", said.err), said.err
    said = say("train", "digits", "--net", "lenet5-modern", "--steps", "2", "--out", "run")
    assert said.code == 0, said.err
    assert "61 706 parameters" in said.out
