"""A plan is plain data that a run keeps; what differs on going on is said, and devices are there or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch

from convscope import kernels
from convscope.errors import ConvscopeError


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Threads are the process's: they are put back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_plan_is_plain_data() -> None:
    plan = kernels.plan()
    assert json.loads(json.dumps(plan)) == plan
    assert plan["precision"] == "float32"
    assert plan["threads"] == torch.get_num_threads()
    assert kernels.take(plan) == []


def test_a_stored_plan_is_taken_again() -> None:
    stored = kernels.plan() | {"threads": torch.get_num_threads() + 1}
    assert kernels.take(stored) == []
    assert torch.get_num_threads() == stored["threads"]
    assert kernels.take({}) == []


@pytest.mark.parametrize("name", ["torch", "capability"])
def test_what_differs_is_said(name: str) -> None:
    (note,) = kernels.take(kernels.plan() | {name: "other"})
    assert note.startswith(f"this run began with {name} other and goes on with ")
    assert note.endswith("the bits may differ from a run that was not interrupted")


def test_layouts() -> None:
    assert kernels.layout(kernels.plan()) == torch.channels_last
    assert kernels.layout({}) == torch.contiguous_format


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert kernels.device("auto") == kernels.device("cpu") == torch.device("cpu")
    with pytest.raises(ConvscopeError, match=r"a device must be auto, cpu, cuda or mps\. Got 'tpu'"):
        kernels.device("tpu")
    with pytest.raises(ConvscopeError, match=r"There is no cuda:1; found: cpu\. Use --device auto"):
        kernels.device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert kernels.device("auto") == torch.device("cuda")
    assert kernels.device("cuda:1") == torch.device("cuda:1")
