"""How many threads decode pictures: one for each core that this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """The CPU cores that this process may use (Linux knows; elsewhere: all of them)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
