"""docs/textbook.md: each example prints what the page says, and its figures are the stored ones."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from oracle import cases

PAGE = (Path(__file__).parents[2] / "docs" / "textbook.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize(("code", "printed"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples(code: str, printed: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == printed


def test_no_example_is_left_out() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 5


def test_every_file_is_in_the_table() -> None:
    import convscope.explain.reference as book

    files = {path.name for path in Path(book.__file__).parent.glob("*.py")} - {"__init__.py"}
    assert files == set(re.findall(r"^\| `(\w+\.py)` \|", PAGE, flags=re.MULTILINE))


def test_figures() -> None:
    stored = sum(len(cases.load(framework)) for framework in ("tensorflow", "paddle"))
    assert f"computed {stored} arrays" in PAGE
    assert f"{cases.made_by('tensorflow')} and {cases.made_by('paddle')}" in PAGE
