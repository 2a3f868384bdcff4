"""The pages on layers: their examples print what stands below them. Their commands run in tests/test_docs.py."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / name for name in ("layers.md", "regions.md", "merging.md", "batch-normalisation.md")]
PAGE = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize(("code", "printed"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples(code: str, printed: str) -> None:
    said = io.StringIO()
    with redirect_stdout(said):
        exec(compile(code, "docs", "exec"), {})
    assert said.getvalue() == printed


def test_no_example_is_left_out() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 7


def test_every_section_has_something_that_runs() -> None:
    for section in PAGE.split("\n## ")[1:]:
        assert "```python" in section or re.search(r"^    convscope ", section, re.MULTILINE), section.splitlines()[0]
