"""Weights and pictures from a plain formula, so that two programs can compute the same network on the same numbers.

A number depends on its tensor's name, shape and its own place, and on nothing else: 32-bit whole numbers all the way to
the last step, so every machine has the same bits. Knows numpy alone; tests/oracle/make_torchvision.py computes with it
what torchvision answers.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 22


def uniform(name: str, count: int) -> NDArray[np.float32]:
    """(count,) numbers in 0 to below 1, multiples of 2^-24: the bits of a place, mixed. name: tells tensors apart."""
    numbers = np.empty(count, np.float32)
    start = np.uint32(zlib.crc32(name.encode("utf-8")))
    for first in range(0, count, _CHUNK):
        mixed = np.arange(first, min(first + _CHUNK, count), dtype=np.uint32)
        mixed *= np.uint32(0x9E3779B1)
        mixed ^= start
        # the finisher "lowbias32" (C. Wellons, Hash Function Prospector, 2018; public domain)
        mixed ^= mixed >> np.uint32(16)
        mixed *= np.uint32(0x7FEB352D)
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(0x846CA68B)
        mixed ^= mixed >> np.uint32(16)
        numbers[first : first + len(mixed)] = (mixed >> np.uint32(8)).astype(np.float32)
    numbers *= np.float32(2.0**-24)
    return numbers


def tensor(name: str, shape: tuple[int, ...], normalises: bool) -> NDArray[np.float32]:
    """What stands in a tensor of this name and shape. normalises: it belongs to a batch normalisation.

    Weights are uniform with a variance of 2 / (inputs of a unit), as He et al. 2015 start a network with rectifiers;
    factors of a normalisation lie in 0.5 to 1, variances in 0.5 to 1.5, shifts, means and biases in -0.1 to 0.1: so
    that what flows through 152 layers neither vanishes nor grows beyond float32.
    """
    values = uniform(name, math.prod(shape)).reshape(shape)
    last = name.rpartition(".")[2]
    if last == "running_var":
        return values + np.float32(0.5)
    if last == "weight" and normalises:
        return values * np.float32(0.5) + np.float32(0.5)
    reach = math.sqrt(6 / math.prod(shape[1:])) if last == "weight" else 0.1
    return (values * np.float32(2) - np.float32(1)) * np.float32(reach)


def picture(height: int, width: int, channels: int = 3) -> NDArray[np.float32]:
    """(1, channels, height, width) as a network sees it, in -1.7 to 1.7, of variance 1: waves, and noise on them.

    The waves make it differ from place to place, as a picture does; noise alone is the same to every large filter.
    """
    noise = uniform(f"picture {height}x{width}", channels * height * width).reshape(channels, height, width)
    rows = np.arange(height, dtype=np.int64)[None, :, None] * np.array([3, 5, 7])[:channels, None, None]
    columns = np.arange(width, dtype=np.int64)[None, None, :] * np.array([7, 2, 4])[:channels, None, None]
    wave = np.abs((rows + columns) % 128 - 64).astype(np.float32) / np.float32(64)  # 0 to 1 and back: exact anywhere
    pixels: NDArray[np.float32] = (noise + wave - np.float32(1)) * np.float32(1.7)
    return pixels[None]
