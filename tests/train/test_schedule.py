"""The rate: end points, direction, and what the other frameworks' formulas give."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.recipe import ScheduleSettings
from convscope.train import schedule

NAMES = ["constant", "exponential", "step", "cosine", "one-cycle"]


def make(**values: Any) -> ScheduleSettings:
    return ScheduleSettings.model_validate(values)


def rates(settings: ScheduleSettings, total: int = 100, epoch: int = 10, base: float = 1.0) -> list[float]:
    return [schedule.rate(settings, base, step, total, epoch) for step in range(total + 1)]


def test_constant_stays() -> None:
    assert set(rates(make(), base=0.3)) == {0.3}


def test_every_shape_scales_with_the_base() -> None:
    for name in NAMES:
        one, three = rates(make(name=name)), rates(make(name=name), base=3.0)
        assert three == pytest.approx([3 * value for value in one])


@pytest.mark.parametrize("final", [0.0, 0.07])
@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_one_cycle_end_points(shape: str, final: float) -> None:
    every = rates(make(name="one-cycle", warmup=0.23, start=0.2, final=final, shape=shape))
    assert every[0] == pytest.approx(0.2)
    assert every[23] == pytest.approx(1.0)
    assert every[100] == pytest.approx(final)
    assert all(a < b for a, b in itertools.pairwise(every[:24]))
    assert all(a > b for a, b in itertools.pairwise(every[23:]))


def test_one_cycle_linear_is_the_line_between_its_points() -> None:
    every = rates(make(name="one-cycle", warmup=0.2, start=0.2, final=0.1))
    assert every[10] == pytest.approx(0.6)
    assert every[60] == pytest.approx(0.55)


def test_cosine_end_points_and_middle() -> None:
    every = rates(make(name="cosine", final=0.1))
    assert every[0] == 1.0
    assert every[50] == pytest.approx(0.55)
    assert every[25] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert every[100] == pytest.approx(0.1)
    assert all(a > b for a, b in itertools.pairwise(every))


def test_warmup_rises_in_a_line_whatever_comes_after() -> None:
    for name in NAMES:
        every = rates(make(name=name, warmup=0.1, start=0.5, gamma=1.0))
        assert every[:11] == pytest.approx([0.5 + 0.05 * step for step in range(11)])


def test_exponential_is_even_and_step_is_at_once() -> None:
    even = rates(make(name="exponential", gamma=0.5, every=2))
    at_once = rates(make(name="step", gamma=0.5, every=2))
    assert even[20] == pytest.approx(0.5)
    assert even[10] == pytest.approx(0.5**0.5)
    assert at_once[19] == 1.0
    assert at_once[20] == 0.5
    assert at_once[39] == 0.5
    assert at_once[40] == 0.25


def test_every_counts_steps_where_asked() -> None:
    every = rates(make(name="step", gamma=0.1, every=30, unit="steps"))
    assert every[29] == 1.0
    assert every[30] == pytest.approx(0.1)
    assert every[90] == pytest.approx(1e-3)


def test_step_drops_on_time_though_a_tenth_has_no_exact_float() -> None:
    drops = make(name="step", gamma=0.5, every=0.1)
    assert schedule.rate(drops, 1.0, 3, 100, 10) == 0.125


def test_the_last_step_still_moves() -> None:
    for name in ("cosine", "one-cycle"):
        assert schedule.rate(make(name=name), 1.0, 99, 100, 10) > 0


def test_beyond_the_end_is_the_end() -> None:
    assert schedule.rate(make(name="one-cycle", final=0.1), 1.0, 150, 100, 10) == pytest.approx(0.1)
    assert schedule.rate(make(name="cosine", final=0.1), 1.0, 150, 100, 10) == pytest.approx(0.1)


@given(
    name=st.sampled_from(NAMES),
    warmup=st.floats(0, 0.9),
    start=st.floats(0, 0.99),
    final=st.floats(0, 1),
    gamma=st.floats(0.01, 1),
    step=st.integers(0, 50),
    shape=st.sampled_from(["linear", "cosine"]),
)
@settings(deadline=None, derandomize=True, max_examples=200)
def test_never_outside_nought_and_the_base(
    name: str, warmup: float, start: float, final: float, gamma: float, step: int, shape: str
) -> None:
    chosen = make(name=name, warmup=warmup, start=start, final=final, gamma=gamma, shape=shape)
    assert -1e-12 <= schedule.rate(chosen, 0.3, step, 50, 7) <= 0.3 * (1 + 1e-12)
