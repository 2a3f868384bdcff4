"""What the bundled recipes' headers say is what was measured: benchmarks/headers.jsonl, and nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from convscope import files, recipe

ROOT = Path(__file__).resolve().parent.parent
HERE = {"cpu_flags": ["amx_bf16"], "cores": 2, "versions": {"torch": "2.13.0+cpu"}, "data": "", "session": "s"}


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("headers", ROOT / "scripts" / "headers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured(k: int, **more: Any) -> dict[str, Any]:
    return {"recipe": "mnist", "k": k, "n": 10000, "seconds": 40.0, **HERE, **more}


@pytest.mark.parametrize("name", [name for name in recipe.bundled() if name != "folder"])
def test_a_header_says_what_the_log_has(name: str) -> None:
    headers = script()
    logged = [one for one in files.read_lines(headers.LOG) if one["recipe"] == name]
    runs = [one for one in logged if "k" in one]
    text = recipe.bundled()[name].read_text(encoding="utf-8")
    if not runs:
        assert "# Score:    not run yet" in text
        return
    newest = [one for one in runs if one["session"] == runs[-1]["session"]]
    words = headers.lines(newest, [one for one in logged if "pace_seconds" in one])
    assert headers.rewrite(text, words) == text


def test_words_of_a_session() -> None:
    headers = script()
    said = headers.lines([measured(9940), measured(9950, seconds=42.0)], [])
    assert said["Time"] == (
        "41 s (median of 2 runs, the whole command; 2 cores of a server CPU with AMX, PyTorch 2.13.0)"
    )
    assert said["Score"] == (
        "99.45 %, mean of 2 seeds on 10000 test pictures each; standard deviation 0.07 points, 99.40 to 99.50 %"
    )


def test_a_time_beside_others_does_not_count() -> None:
    headers = script()
    slow = [measured(9940, beside=True, seconds=900.0)]
    assert headers.lines(slow, [])["Time"].startswith("not measured")
    paced = headers.lines(slow, [{"pace_seconds": 1200.0, "steps": 900, "of_steps": 20000}])
    assert paced["Time"].startswith("about 20 min 00 s (reckoned from 900 of 20 000 steps; 2 cores")
    assert "(9940 of 10000; 95 % interval 99.23 to 99.53 %), one run" in paced["Score"]


def test_entries_are_wrapped_and_replaced() -> None:
    headers = script()
    text = "# mnist: x.\n#\n# Time:     not run yet\n# Score:    not run yet\n#\n# Reported: 1\n\nformat = 1\n"
    once = headers.rewrite(text, {"Time": "a " * 80, "Score": "b"})
    assert max(map(len, once.splitlines())) <= 120
    assert "# Score:    b\n#\n# Reported: 1\n" in once
    assert headers.rewrite(once, {"Time": "not run yet", "Score": "not run yet"}) == text
