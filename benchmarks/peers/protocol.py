"""How a peer talks with the benchmark that started it: JSON lines. Needs nothing but Python, for it runs in each
peer's own environment.

The settings come as the first argument, one JSON object. A peer that is timed in blocks (`serve`) says that it is
ready, then runs as many steps as each line of its input asks for, and says how long they took. A peer that trains says
what it has reached after each look (`say`). Whatever else a library prints is passed over: only lines that begin with {
count.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

Step = Callable[[], Any]
"""One step; may return before it is done."""
Wait = Callable[[], Any]
"""Returns when all steps are done."""
TRIAL_SECONDS = 0.7


def settings() -> dict[str, Any]:
    """What the benchmark asks of this peer."""
    return json.loads(sys.argv[1])


def say(**fields: Any) -> None:
    """One record."""
    print(json.dumps(fields), flush=True)


def timed(step: Step, wait: Wait, steps: int) -> float:
    """Seconds of so many steps."""
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return time.perf_counter() - begin


def pace(step: Step, wait: Wait) -> float:
    """Seconds a step, after two that warm it up (compilation, primitives, memory)."""
    timed(step, wait, 1)
    one = timed(step, wait, 1)
    if one > TRIAL_SECONDS:
        return one
    return timed(step, wait, count := max(1, min(50, int(TRIAL_SECONDS / max(one, 1e-6))))) / count


def fastest(makers: dict[str, Callable[[], tuple[Step, Wait]]]) -> tuple[str, Step, Wait, dict[str, float | str]]:
    """The fastest way of several: its name, step and wait, and the seconds a step of each that was tried.

    The peer's friends would try them too. A way that fails here is passed over, and says why.
    """
    best: tuple[float, str, Step, Wait] | None = None
    tried: dict[str, float | str] = {}
    for name, make in makers.items():
        try:
            step, wait = make()
            tried[name] = seconds = pace(step, wait)
        except Exception as error:  # whatever a framework raises, the others go on
            tried[name] = f"{type(error).__name__}: {error}"[:200]
            continue
        if best is None or seconds < best[0]:
            best = (seconds, name, step, wait)
        del step, wait
        gc.collect()
    if best is None:
        raise RuntimeError(f"no way works: {tried}")
    return best[1], best[2], best[3], tried


def serve(step: Step, wait: Wait, **about: Any) -> None:
    """Say that this peer is ready, then run each block that is asked for, until the input ends."""
    say(ready=True, seconds_per_step=pace(step, wait), **about)
    for line in sys.stdin:
        order = json.loads(line)
        if order.get("warm"):
            timed(step, wait, order["warm"])
        say(steps=order["steps"], seconds=timed(step, wait, order["steps"]))
