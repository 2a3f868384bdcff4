"""`convscope draw`: the file that it writes, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cli.conftest import NET, Command


def test_a_figure(say: Command, tmp_path: Path) -> None:
    said = say("draw", "lenet5")
    assert said.code == 0, said.err
    assert re.fullmatch(r"lenet5\.svg: \d+\.\d x \d+\.\d cm\n", said.out)
    root = ElementTree.parse(tmp_path / "lenet5.svg").getroot()
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "lenet5"


def test_a_text_a_file_and_a_run(say: Command, tmp_path: Path, run_of_digits: Path) -> None:
    assert say("draw", NET, "--input", "8x8x1", "--classes", "10").out.startswith("network.svg")
    (tmp_path / "mine.net").write_text("input 8x8x1\nadd( conv 3x3 4 | conv 3x3 4 ), gap, dense 3\n", encoding="utf-8")
    assert say("draw", "mine.net", "--title", "我的网络 <1>").code == 0
    assert "<title>我的网络 &lt;1&gt;</title>" in (tmp_path / "mine.svg").read_text(encoding="utf-8")
    assert say("draw", run_of_digits, "-o", "of run.svg").code == 0
    assert say("draw", run_of_digits).out.startswith(f"{run_of_digits.name}.svg")


@pytest.mark.parametrize(("suffix", "start"), [("pdf", b"%PDF"), ("PNG", b"\x89PNG")])
def test_other_formats(suffix: str, start: bytes, say: Command, tmp_path: Path) -> None:
    pytest.importorskip("reportlab")
    pytest.importorskip("resvg_py")
    assert say("draw", "lenet5", "-o", f"a.{suffix}").code == 0
    assert (tmp_path / f"a.{suffix}").read_bytes().startswith(start)


def test_styles(say: Command, tmp_path: Path) -> None:
    for style in ("scale", "plain"):
        assert say("draw", "lenet5", "--style", style, "-o", f"{style}.svg").code == 0
    assert (tmp_path / "scale.svg").read_bytes() != (tmp_path / "plain.svg").read_bytes()
    assert say("draw", "resnet20", "-o", "folded.svg").code == 0
    assert say("draw", "resnet20", "--unfold", "-o", "whole.svg").code == 0
    assert (tmp_path / "whole.svg").stat().st_size > 1.3 * (tmp_path / "folded.svg").stat().st_size


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lenet5", "-o", "lenet5.jpg"], r"must end in \.svg, \.pdf or \.png\. Got 'lenet5\.jpg': use -o lenet5\.svg"),
        (["lenet5", "-o", "figure"], r"must end in \.svg, \.pdf or \.png\. Got 'figure'"),
        (["lenet5", "--style", "scle"], r"unknown style 'scle'.*scale"),
        (["resnet18", "--style", "scale"], r"--style scale draws a chain of layers\. This network has branches"),
        ([NET], r"the input's size must be known"),
        (["."], r"draw takes a network, a \.net file, or a run that has a model\. \. has none"),
    ],
)
def test_what_is_refused(words: list[str], sentence: str, say: Command, tmp_path: Path) -> None:
    said = say("draw", *words)
    assert said.code == 2
    assert re.search(sentence, said.err), said.err
    assert not list(tmp_path.iterdir())
