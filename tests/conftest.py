"""What every test stands on: plans are not measured, so that no test hangs on the clock.

A new run's plan is float32 with the threads as they are, whatever is faster here and whatever the cache remembers. A
test that is about the measuring asks for the fixture `measured`. Programs of their own (subprocesses) measure as usual:
a test that compares two of them bit by bit gives both the same cache, or says the precision.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from convscope.kernels import trial

PLAN = importlib.import_module("convscope.kernels.plan")  # the room has a function of that name, which hides it


def not_measured(network: Any, shape: Any, precision: str, anew: bool) -> dict[str, Any]:
    """In place of what the machine chooses: as `kernels.trial.choose` gives it."""
    word = "bfloat16" if precision == "bfloat16" else "float32"
    measured: dict[str, Any] = {"pictures": 0, "seconds of a step": {}, "seconds of a weight gradient": {}}
    return {"precision": word, "layers": {}, "trial": measured}


@pytest.fixture(scope="session", autouse=True)
def plans_are_not_measured() -> Iterator[pytest.MonkeyPatch]:
    """For the whole session, since fixtures that train once for all tests come before any test's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PLAN, "_remembered", not_measured)
        patch.setattr(trial, "threads", lambda network, plan, shape: torch.get_num_threads())
        yield patch


MEASURES, THREADS = PLAN._remembered, trial.threads


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In this test a plan is measured and remembered as in real life, in a cache of its own."""
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path_factory.mktemp("plans")))
    monkeypatch.setattr(PLAN, "_remembered", MEASURES)
    monkeypatch.setattr(trial, "threads", THREADS)
