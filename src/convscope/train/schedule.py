"""How the learning rate moves: pure functions of how far a run has come. Knows no optimizer and no torch."""

from __future__ import annotations

import math
from collections.abc import Callable

from convscope.recipe import ScheduleSettings


def rate(settings: ScheduleSettings, base: float, step: int, total_steps: int, steps_an_epoch: int) -> float:
    """The learning rate of one step.

    base: the largest rate; step: from 0, of total_steps; steps_an_epoch: batches in a pass through the pictures.
    The last step stands just before the end, at (total_steps - 1) / total_steps, so that a rate that falls to 0
    still moves the weights there.
    """
    progress = step / max(1, total_steps)
    periods = step / (settings.every * (steps_an_epoch if settings.unit == "epochs" else 1))
    return base * share(settings, progress, periods)


def share(settings: ScheduleSettings, progress: float, periods: float) -> float:
    """The share of the largest rate, from 0 to 1, at `progress` (0 is the start, 1 the end; beyond it, the end).

    periods: how often `gamma` has been due, as a fraction: 2.5 is halfway between the second and the third time.
    In the first `warmup` of the run the rate rises in a line from `start`; what falls from there to the end
    (cosine, one-cycle) begins to fall after it.
    """
    progress = min(max(progress, 0.0), 1.0)
    fallen = max(0.0, (progress - settings.warmup) / (1 - settings.warmup))
    full = _SHAPES[settings.name](settings, fallen, periods)
    if progress < settings.warmup:
        return full * (settings.start + (1 - settings.start) * progress / settings.warmup)
    return full


def _constant(settings: ScheduleSettings, fallen: float, periods: float) -> float:
    return 1.0


def _exponential(settings: ScheduleSettings, fallen: float, periods: float) -> float:
    """Evenly, by `gamma` every `every`: TensorFlow's `exponential_decay` without `staircase`."""
    return float(settings.gamma**periods)


def _step(settings: ScheduleSettings, fallen: float, periods: float) -> float:
    """At once, by `gamma` at the end of each `every`: what is meant by a rate that drops at intervals."""
    return float(settings.gamma ** math.floor(periods + 1e-9))  # 0.3 / 0.1 is 2.9999999999999996


def _cosine(settings: ScheduleSettings, fallen: float, periods: float) -> float:
    """Half a wave from 1 to `final` (Loshchilov and Hutter 2017, "SGDR", equation 5, without restarts)."""
    return settings.final + (1 - settings.final) * (1 + math.cos(math.pi * fallen)) / 2


def _one_cycle(settings: ScheduleSettings, fallen: float, periods: float) -> float:
    """After the rise, one fall, in a line or as half a wave (Smith and Topin 2018, "Super-Convergence", section 3)."""
    if settings.shape == "cosine":
        return _cosine(settings, fallen, periods)
    return 1 + (settings.final - 1) * fallen


_SHAPES: dict[str, Callable[[ScheduleSettings, float, float], float]] = {
    "constant": _constant,
    "exponential": _exponential,
    "step": _step,
    "cosine": _cosine,
    "one-cycle": _one_cycle,
}
