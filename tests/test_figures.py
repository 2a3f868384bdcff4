"""The figures in docs are what the script makes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_figures_of_the_docs(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("figures", ROOT / "scripts" / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for path in script.make(tmp_path):
        kept = (ROOT / "docs" / "figures" / path.name).read_text(encoding="utf-8")
        assert path.read_text(encoding="utf-8") == kept, f"run scripts/figures.py: {path.name} has changed"
