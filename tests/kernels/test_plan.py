"""A plan is plain data that a run keeps and a machine remembers; what differs on going on is said, and devices are
there or refused."""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from convscope import kernels
from convscope.data.places import cache_folder
from convscope.errors import ConvscopeError
from convscope.kernels import trial
from convscope.network.build import Network

PLAN = importlib.import_module("convscope.kernels.plan")
SHAPE = (8, 1, 12, 12)


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


# What is measured once is remembered


def network(text: str = "conv 3x3 4, relu, maxpool 2, dense", classes: int = 3) -> Network:
    return Network(text, input=(12, 12, 1), classes=classes)


@pytest.fixture
def asked(measured: None, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each trial is asked; it finds bfloat16 where it may."""
    found: list[dict[str, Any]] = []

    def choose(network: Network, shape: object, narrow: bool, must: bool = False) -> dict[str, Any]:
        found.append({"network": network, "narrow": narrow, "must": must})
        return {"precision": "bfloat16" if narrow or must else "float32", "layers": {}, "trial": {}}

    monkeypatch.setattr(trial, "choose", choose)
    monkeypatch.setattr(trial, "threads", lambda network, plan, shape: torch.get_num_threads())
    monkeypatch.setattr(PLAN, "narrow", lambda: True)
    return found


def test_a_second_plan_measures_nothing(asked: list[dict[str, Any]]) -> None:
    first = kernels.plan(network(), SHAPE)
    assert first["precision"] == "bfloat16"
    assert json.loads(json.dumps(first)) == first
    assert kernels.plan(network(), SHAPE) == first
    assert len(asked) == 1
    assert kernels.plan(network(), SHAPE, anew=True) == first
    assert len(asked) == 2


def test_measured_for_real_and_remembered(measured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kernels.plan(network(), SHAPE)
    assert first["precision"] in ("float32", "bfloat16")
    assert {"pictures", "seconds of a step", "seconds of a weight gradient"} == first["trial"].keys()
    monkeypatch.setattr(trial, "choose", None)  # not called again
    assert {**kernels.plan(network(), SHAPE), "threads": 0} == {**first, "threads": 0}


@pytest.mark.parametrize(
    "other",
    [
        lambda patch: kernels.plan(network("conv 3x3 5, relu, dense"), SHAPE),
        lambda patch: kernels.plan(network(classes=4), SHAPE),
        lambda patch: kernels.plan(network(), (16, 1, 12, 12)),
        lambda patch: kernels.plan(network(), SHAPE, precision="bfloat16"),
        lambda patch: (patch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2"), kernels.plan(network(), SHAPE)),
        lambda patch: (patch.setattr(PLAN, "narrow", lambda: False), kernels.plan(network(), SHAPE)),
        lambda patch: kernels.plan(network(), SHAPE) if one_thread_more() else None,
        lambda patch: (patch.setattr(torch, "__version__", "9.9"), kernels.plan(network(), SHAPE)),
        lambda patch: (patch.setattr(PLAN, "environment", elsewhere), kernels.plan(network(), SHAPE)),
    ],
    ids=["network", "classes", "batch", "precision", "instruction set", "narrow", "threads", "torch", "processor"],
)
def test_what_a_plan_hangs_on(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, other: Callable[[pytest.MonkeyPatch], object]
) -> None:
    kernels.plan(network(), SHAPE)
    other(monkeypatch)
    assert len(asked) == 2


def one_thread_more() -> bool:
    torch.set_num_threads(torch.get_num_threads() + 1)
    return True


def elsewhere() -> dict[str, Any]:
    return {"processor": "another", "cpu_flags": [], "cores": 1, "threads": 1}


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"plan": 3}', '{"plan": {"precision": "float32"}}', "\x00\xff"])
def test_a_broken_file_is_measured_anew(asked: list[dict[str, Any]], broken: str) -> None:
    first = kernels.plan(network(), SHAPE)
    (kept,) = (cache_folder() / "plans").iterdir()
    kept.write_text(broken, encoding="latin-1")
    assert kernels.plan(network(), SHAPE) == first
    assert len(asked) == 2
    assert kernels.plan(network(), SHAPE) == first  # and is whole again
    assert len(asked) == 2


def test_a_folder_that_takes_no_file(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "file"))
    first = kernels.plan(network(), SHAPE)
    assert kernels.plan(network(), SHAPE) == first
    assert len(asked) == 2


def test_a_processor_without_bfloat16(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PLAN, "narrow", lambda: False)
    assert kernels.plan(network(), SHAPE)["precision"] == "float32"
    assert kernels.plan(network(), SHAPE, precision="bfloat16")["precision"] == "bfloat16"  # who asks for it has it
    assert [(one["narrow"], one["must"]) for one in asked] == [(False, False), (False, True)]


@pytest.mark.parametrize("flag", ["amx_bf16", "avx512_bf16", None])
def test_what_multiplies_bfloat16(monkeypatch: pytest.MonkeyPatch, flag: str | None) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True, flag: True}, raising=False)
    assert kernels.narrow() == (flag is not None)


def test_float32_is_never_tried_against_bfloat16(asked: list[dict[str, Any]]) -> None:
    assert kernels.plan(network(), SHAPE, precision="float32")["precision"] == "float32"
    assert all(not one["narrow"] for one in asked)


def test_what_is_not_measured(asked: list[dict[str, Any]]) -> None:
    assert kernels.plan(torch.nn.Linear(3, 3), SHAPE)["precision"] == "float32"
    assert kernels.plan(torch.nn.Linear(3, 3), SHAPE, precision="bfloat16")["precision"] == "bfloat16"
    assert kernels.plan(network())["precision"] == "float32"
    assert kernels.plan(network(), SHAPE, where=torch.device("mps"))["precision"] == "float32"
    assert asked == []


def test_a_gpu_that_has_bfloat16(monkeypatch: pytest.MonkeyPatch, asked: list[dict[str, Any]]) -> None:
    for has, precision in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True, has=has: has or including_emulation
        )
        assert kernels.plan(network(), SHAPE, where=torch.device("cuda"))["precision"] == precision
    assert asked == []


def test_pytorch_as_it_comes() -> None:
    plan = kernels.plain()
    assert (plan["precision"], plan["layout"], plan["order"]) == ("float32", "contiguous", False)
    assert kernels.layout(plan) == torch.contiguous_format


# The memory that a step gives back


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_where_memory_is_not_kept(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(ctypes, "CDLL", None)  # not even asked
    assert kernels.keep_freed() is False


def test_another_c_library_has_no_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert kernels.keep_freed() is False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a switch of glibc")
def test_what_malloc_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    class Library:
        def __init__(self, name: None) -> None:
            def mallopt(what: int, value: int) -> int:
                told.append((what, value))
                return 1

            self.mallopt = mallopt

    monkeypatch.setattr(ctypes, "CDLL", Library)
    assert kernels.keep_freed() is True
    assert told == [(-3, 2**31 - 1), (-1, 2**31 - 1)]
