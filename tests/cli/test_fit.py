"""`convscope fit`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cli.conftest import Command


def test_a_size_to_another(say: Command) -> None:
    said = say("fit", "28", "14", "--kernel", "5")
    assert said.code == 0
    assert (
        said.out
        == """\
layer                (n + pads - k) / s + 1  never seen
-------------------  ----------------------  ----------
conv 5x5 C /2 same   14                      -
conv 5x5 C /2 pad=2  14.5, rounded down      -
C stands for the number of maps.
"""
    )


def test_what_is_never_seen(say: Command) -> None:
    said = say("fit", "32", "8", "-k", "5")
    assert "conv 5x5 C /4 pad=2  8.75, rounded down      rows and columns 32" in said.out
    said = say("fit", "10", "4", "-k", "2")
    assert "conv 2x2 C /3 same  4                       rows and columns 3, 6, 9" in said.out


def test_rectangles_pooling_and_json(say: Command) -> None:
    said = say("fit", "28×14", "14", "-k", "5x3", "--json")
    fits = json.loads(said.out)["fits"]
    assert fits[0] == {"layer": "conv 5x3 C /2x1 same", "stride": [2, 1], "pads": [[1, 2], [1, 1]],
                       "exact": [14.0, 14.0], "unseen_rows": [], "unseen_columns": []}  # fmt: skip
    said = say("fit", "7", "3", "-k", "3", "--pool")
    assert "maxpool 3 /3 ceil   2.333, rounded up       -" in said.out
    assert "C stands for" not in said.out
    said = say("fit", "9x7", "3", "-k", "2")
    assert "rows 3, 6, 9" in said.out


def test_many(say: Command) -> None:
    short, long = say("fit", "28", "3", "-k", "5"), say("fit", "28", "3", "-k", "5", "--all")
    rows = len(long.out.splitlines()) - 3
    assert rows > 12
    assert f"and {rows - 12} more: --all" in short.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["28", "27", "-k", "5"], "no convolution with a kernel of 5x5 leads from 28 x 28 to 27 x 27. The height can't "
         "become 27: at stride 1 the padding would have to be 1.5; it can become 26 or 28. Two layers may: try a size "
         "between."),
        (["28", "14x50", "-k", "3"], "The width can't become 50: at stride 1 the padding would have to be 12; it can "
         "become 30."),
        (["mnist"], "fit takes two sizes and a kernel: convscope fit 28 14 --kernel 5. Got 'mnist'. To train, write "
         "convscope train mnist."),
        (["28"], "convscope fit 28 14 --kernel 5. Got one size."),
        (["28", "14"], "convscope fit 28 14 --kernel 5. Got no kernel."),
        (["28", "1.5", "-k", "3"], "a size must be a whole number from 1 to 10000, or height x width: 28x14. Got"),
        (["28", "14", "-k", "0"], "--kernel must be a whole number from 1 to 10000"),
        (["28x28x3", "14", "-k", "3"], "or height x width: 28x14. Got '28x28x3'."),
    ],
)  # fmt: skip
def test_errors(words: list[str], sentence: str, say: Command) -> None:
    said = say("fit", *words)
    assert said.code == 2
    assert sentence in said.err


def test_the_page_shows_what_is_printed(say: Command) -> None:
    page = (Path(__file__).parents[2] / "docs" / "fit.md").read_text(encoding="utf-8")
    shown = re.findall(r"^    convscope (fit .*)\n\n((?:    .*\n)+)", page, re.MULTILINE)
    assert len(shown) == 4
    for command, lines in shown:
        said = say(*command.split())
        assert said.out + said.err == lines.replace("    ", "", 1).replace("\n    ", "\n"), command
