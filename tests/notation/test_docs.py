"""docs/notation.md and the parser say the same: every example on the page is parsed."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from convscope.notation import NotationError, canonical, expand, parse, write_out
from convscope.notation.kinds import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "notation.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def fenced(kind: str) -> list[str]:
    return [text for info, text in FENCES if info == kind]


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading."""
    section = PAGE.split(f"\n{heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def codes(cell: str) -> list[str]:
    """The texts in backquotes of a cell."""
    return [code.replace("\\|", "|").replace("\\*", "*") for code in re.findall(r"`([^`]+)`", cell)]


LAYERS = [code for row in rows("## Layers") for code in codes(row[1])]
FORMS = [code for row in rows("## Structure") for code in codes(row[0])]


def test_the_page_has_what_the_tests_look_for() -> None:
    assert {info for info, _ in FENCES} == {"net", "questions", "error", "python"}
    assert len(fenced("net")) == 2
    assert len(LAYERS) >= 15
    assert len(FORMS) >= 9


@pytest.mark.parametrize("text", fenced("net"))
def test_every_network_parses(text: str) -> None:
    tree = parse(text)
    assert parse(canonical(tree)) == tree
    assert len(write_out(tree).body.items) > 5


@pytest.mark.parametrize("line", [line for text in fenced("questions") for line in text.splitlines()])
def test_every_question_is_as_many_networks_as_it_says(line: str) -> None:
    text, comment = line.split("#")
    networks = expand(text)
    assert f"{len(networks)} networks" == comment.strip()
    for network in networks:
        write_out(parse(network))


@pytest.mark.parametrize("text", LAYERS)
def test_every_example_of_a_layer_parses(text: str) -> None:
    tree = parse(text)
    assert parse(canonical(tree)) == tree


def test_every_kind_is_on_the_page() -> None:
    named = {code for row in rows("## Layers") for code in codes(row[0])}
    assert named == set(KINDS)


def test_every_option_is_on_the_page() -> None:
    words = set(re.findall(r"[A-Za-z_0-9]+", PAGE))
    for kind in KINDS.values():
        assert set(kind.options) <= words
        assert set(kind.flags) <= words


@pytest.mark.parametrize("text", FORMS)
def test_every_form_of_structure_parses(text: str) -> None:
    defined = "let block(c, s) = ( conv 3x3 c /s )\nlet block1(c) = ( conv 3x3 c )\n"
    text = re.sub(r"\b[ABC]\b", "relu", text).replace("...", "relu")
    text = text.replace("block(64)", "block1(64)")
    if text.startswith("let"):
        text += ", relu"
        defined = ""
    parse(defined + text)


@pytest.mark.parametrize("text", fenced("error"))
def test_the_error_is_printed_as_the_page_shows_it(text: str) -> None:
    line = text.splitlines()[1].strip()
    with pytest.raises(NotationError, match="unknown layer 'maxpol'") as caught:
        parse("input 28x28x1\n" + line)
    assert str(caught.value) == text.rstrip("\n")


def test_the_names_on_the_page() -> None:
    text = next(text for text in fenced("net") if "layer1" in text)
    names = [item.name for item in write_out(parse(text)).body.items]
    assert names[:4] == ["conv1", "bn1", "relu1", "pool1"]
    assert {"layer1.1.add1", "layer1.2.add1", "layer2.add2", "gap1", "dense1"} <= set(names)


@pytest.mark.parametrize("text", fenced("python"))
def test_the_python_example_runs(text: str) -> None:
    said = io.StringIO()
    with redirect_stdout(said):
        exec(compile(text, "docs/notation.md", "exec"), {})
    assert "['conv1', 'relu1', 'pool1', 'dense1']\n4\n" in said.getvalue()
