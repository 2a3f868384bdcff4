"""Randomness as a function: the same key gives the same number, on every version, device and shard.

Knows one counter-based hash over whole arrays. Keeps no state, so a resumed, a sharded and a plain run draw the
same crop for the same picture in the same epoch.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection, every input bit reaches every output bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def key(seed: int, *parts: int | str) -> int:
    """A 64-bit key from a seed and any words or numbers: stable for ever (first 8 bytes of a SHA-256)."""
    text = "\x1f".join([str(int(seed)), *(f"{type(p).__name__}:{p}" for p in parts)])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "little")


def uniform(seed: int, epoch: int, sample_ids: NDArray[np.int64], stream: str, count: int = 1) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), one row a sample: (N,) for count 1, else (N, count).

    The number of sample i depends on (seed, epoch, i, stream) and on its place in the row alone, not on which other
    samples are asked for beside it.
    """
    start = np.uint64(key(seed, epoch, stream))
    ids = np.asarray(sample_ids).astype(np.uint64)
    with np.errstate(over="ignore"):
        row = _mix(_mix(ids * _GOLDEN + start) + start)
        if count == 1:
            words = _mix(row + _GOLDEN)
        else:
            words = _mix(row[:, None] + _GOLDEN * np.arange(1, count + 1, dtype=np.uint64))
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def order(seed: int, epoch: int, sample_ids: NDArray[np.int64], stream: str = "order") -> NDArray[np.int64]:
    """A permutation of the positions 0 .. N-1: the order in which an epoch visits its samples."""
    return np.argsort(uniform(seed, epoch, sample_ids, stream), kind="stable").astype(np.int64)
