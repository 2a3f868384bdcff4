"""How many pictures a second does `Preprocess.read` take in, with one thread and with two?

    python benchmarks/decode.py [seconds for each row, 2 unless said]

The pictures are made here: soft colours with a little grain, which JPEG packs like photographs. Reading is from memory,
so the disk has no part in it.
"""

from __future__ import annotations

import io
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image

from convscope.data.preprocess import Preprocess

ROWS: tuple[tuple[str, tuple[int, int], str, dict[str, Any], tuple[int, int]], ...] = (
    ("JPEG, 32 x 32 kept", (32, 32), "JPEG", {"quality": 90}, (32, 32)),
    ("JPEG, 500 x 375 to 64 x 64", (375, 500), "JPEG", {"quality": 90}, (64, 64)),
    ("JPEG, 500 x 375 to 224 x 224", (375, 500), "JPEG", {"quality": 90}, (224, 224)),
    ("JPEG, 12 megapixels to 64 x 64", (3000, 4000), "JPEG", {"quality": 90}, (64, 64)),
    ("JPEG, 12 megapixels to 224 x 224", (3000, 4000), "JPEG", {"quality": 90}, (224, 224)),
    (
        "progressive JPEG, 12 megapixels to 64 x 64",
        (3000, 4000),
        "JPEG",
        {"quality": 90, "progressive": True},
        (64, 64),
    ),
    ("TIFF, 12 megapixels to 64 x 64", (3000, 4000), "TIFF", {}, (64, 64)),
    ("TIFF (LZW), 12 megapixels to 64 x 64", (3000, 4000), "TIFF", {"compression": "tiff_lzw"}, (64, 64)),
    ("PNG, 12 megapixels to 64 x 64", (3000, 4000), "PNG", {"compress_level": 1}, (64, 64)),
)


def photograph(height: int, width: int) -> Image.Image:
    rng = np.random.default_rng(0)
    soft = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 4, (height, width, 1)).astype(np.float32)
    return Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8))


def rate(file: bytes, preprocess: Preprocess, threads: int, seconds: float) -> float:
    """Pictures a second."""
    with ThreadPoolExecutor(threads) as pool:
        start, done = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds:
            done += len(list(pool.map(preprocess.read, [file] * 8 * threads)))
    return done / spent


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    print(f"{'':44}  {'KiB':>6}  1 thread  2 threads   (pictures a second)")
    for name, shape, form, how, target in ROWS:
        stream = io.BytesIO()
        photograph(*shape).save(stream, form, **how)
        preprocess = Preprocess(target, 3)
        one, two = (rate(stream.getvalue(), preprocess, threads, seconds) for threads in (1, 2))
        print(f"{name:44}  {len(stream.getvalue()) / 1024:6.0f}  {one:8.0f}  {two:9.0f}")


if __name__ == "__main__":
    main()
