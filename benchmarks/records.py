"""Raw records of the benchmarks, JSON lines below benchmarks/records/, and the statistics that are made of them."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy import stats

from convscope import files
from convscope.run import environment, now

RECORDS = Path(__file__).parent / "records"


def machine(threads: int) -> dict[str, Any]:
    """What a number depends on beside what is measured; `load` is the load average of the last minute."""
    found = environment()
    about = {key: found[key] for key in ("processor", "cpu_flags", "cores", "versions", "commit")}
    return about | {"threads": threads, "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None}


def bfloat16_pays() -> bool:
    """Whether this processor has instructions for bfloat16."""
    return bool({"amx_bf16", "avx512_bf16"} & set(environment()["cpu_flags"]))


def append(bench: str, record: dict[str, Any], folder: Path = RECORDS) -> None:
    """Add one record to the benchmark's file."""
    files.make_folder(folder)
    files.append_line(folder / f"{bench}.jsonl", {"format": files.FORMAT, "bench": bench, "time": now(), **record})


def read(bench: str, folder: Path = RECORDS) -> list[dict[str, Any]]:
    """All records of a benchmark, oldest first; none where it has not been run."""
    path = folder / f"{bench}.jsonl"
    return list(files.read_lines(path)) if path.is_file() else []


def latest(records: Sequence[dict[str, Any]], *keys: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The newest record for each value of the keys, in the order in which these came first."""
    return {tuple(record[key] for key in keys): record for record in records}


def ratio(over: Sequence[float], under: Sequence[float]) -> tuple[float, float, float]:
    """The geometric mean of over / under, pair by pair, and its 95 % interval (Student's t on the logarithms).

    The interval of one pair is unknown: minus and plus infinity stand for it as 0 and infinity.
    """
    if len(over) != len(under) or not over:
        raise ValueError(f"a paired ratio needs as many numbers above as below. Got {len(over)} and {len(under)}.")
    logs = [math.log(a / b) for a, b in zip(over, under, strict=True)]
    return _powers(statistics.fmean(logs), _half(logs))


def unpaired_ratio(over: Sequence[float], under: Sequence[float]) -> tuple[float, float, float]:
    """The ratio of the geometric means of two samples and its 95 % interval (Welch's t on the logarithms)."""
    if not over or not under:
        raise ValueError(f"a ratio needs numbers above and below. Got {len(over)} and {len(under)}.")
    logs = [[math.log(x) for x in sample] for sample in (over, under)]
    mean = statistics.fmean(logs[0]) - statistics.fmean(logs[1])
    if min(map(len, logs)) < 2:
        return _powers(mean, math.inf)
    parts = [statistics.variance(sample) / len(sample) for sample in logs]
    error = sum(parts)
    if not error:
        return _powers(mean, 0.0)
    freedom = error**2 / sum(part**2 / (len(sample) - 1) for part, sample in zip(parts, logs, strict=True))
    return _powers(mean, float(stats.t.ppf(0.975, freedom)) * math.sqrt(error))


def together(ratios: Sequence[float]) -> float:
    """The geometric mean of several rows' ratios."""
    return math.exp(statistics.fmean(map(math.log, ratios)))


def lower_bound(values: Sequence[float]) -> float:
    """The one-sided 95 % lower bound of a mean (Student's t); minus infinity for a single value."""
    if len(values) < 2:
        return -math.inf
    error = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values) - float(stats.t.ppf(0.95, len(values) - 1)) * error


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """A mean and its two-sided 95 % interval (Student's t)."""
    half = _half(values)
    mean = statistics.fmean(values)
    return mean, mean - half, mean + half


def _half(values: Sequence[float]) -> float:
    if len(values) < 2:
        return math.inf
    return float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))


def _powers(mean: float, half: float) -> tuple[float, float, float]:
    return math.exp(mean), math.exp(mean - half) if half < math.inf else 0.0, math.exp(mean + half)


def smallest_reaching(looks: Sequence[dict[int, float]], target: float) -> int | None:
    """The smallest number of steps at which the mean accuracy over all seeds is at least the target.

    looks: for each seed the accuracy after each number of steps; only those count at which every seed was looked at.
    """
    common = set(looks[0]).intersection(*looks[1:]) if looks else set()
    for steps in sorted(common):
        if statistics.fmean(seed[steps] for seed in looks) >= target:
            return steps
    return None
