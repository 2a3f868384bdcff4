"""How long do 1 200 photographs of 12 megapixels take until they can be trained on, and how much memory?

    .venv/bin/python benchmarks/large_pictures.py FOLDER [--count 1200]

Makes JPEG, MPO and TIFF files of 4000 x 3000 pixels with odd names in nested class folders below FOLDER (about 17 GB;
12 different pictures of each kind, with bytes of their own), loads them in a fresh process with an empty cache, loads
them again, prints a table and deletes everything it made.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 3000, 4000
KINDS = ("jpeg", "mpo", "tiff")
CLASSES = ("猫", "狗", "a bird, with spaces", "Ünïcödé-été")
LOAD = """
import sys, time
start = time.perf_counter()
from convscope.data import store
data = store.load(sys.argv[1])
elapsed = time.perf_counter() - start
busy = time.process_time()
with open("/proc/self/status", encoding="ascii") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(len(data.train), len(data.validation), len(data.test), f"{elapsed:.2f}", f"{busy:.1f}", f"{peak / 1024:.0f}")
"""


def picture(number: int) -> Image.Image:
    """A 12-megapixel picture with the detail of a photograph: smooth shapes, edges and sensor noise."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT), 3)
    noise = rng.normal(0, 2, (HEIGHT, WIDTH, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8))


def packed(image: Image.Image, kind: str, number: int) -> bytes:
    """The file's bytes; EXIF turns every third one."""
    exif = Image.Exif()
    exif[0x0112] = (1, 6, 3)[number % 3]
    out = io.BytesIO()
    if kind == "jpeg":
        image.save(out, "JPEG", quality=92, exif=exif, progressive=number % 6 == 0)
    elif kind == "mpo":
        image.save(out, "MPO", quality=92, save_all=True, append_images=[image.resize((1000, 750))], exif=exif)
    else:
        image.save(out, "TIFF", compression=(None, "tiff_lzw", "tiff_adobe_deflate")[number % 3])
    return out.getvalue()


def make(root: Path, count: int) -> int:
    """Writes the pictures; bytes in all."""
    total = 0
    different = {(kind, n): b"" for kind in KINDS for n in range(min(12, count))}
    for kind, n in different:
        different[kind, n] = packed(picture(n), kind, n)
    for i in range(count):
        kind = KINDS[i % 3]
        data = different[kind, (i // 3) % 12]
        suffix = {"jpeg": (".JPG", ".jpeg", ""), "mpo": (".MPO", ".jpg", ".dat"), "tiff": (".TIF", ".tiff", ".bin")}
        folder = root / CLASSES[i % 4] / f"Reise {i % 7}" / ("x" * (i % 5 + 1))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"IMG #{i:04d} (copy) 照片{suffix[kind][i % 3]}"
        with path.open("wb") as file:
            file.write(data + i.to_bytes(4, "little"))  # behind the picture: no two files are the same
        total += path.stat().st_size
    return total


def main() -> None:
    """Makes, loads twice, prints, deletes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1200)
    options = parser.parse_args()
    root, cache = options.folder / "large pictures", options.folder / "large pictures cache"
    try:
        start = time.perf_counter()
        total = make(root, options.count)
        print(
            f"{options.count} files, {total / 2**30:.1f} GiB, made in {time.perf_counter() - start:.0f} s", flush=True
        )
        print("start   train  validation  test  seconds  CPU seconds  peak MiB")
        for word in ("first", "second"):
            done = subprocess.run(
                [sys.executable, "-c", LOAD, str(root)],
                env={**os.environ, "CONVSCOPE_CACHE": str(cache)},
                capture_output=True,
                text=True,
                encoding="utf-8",
                check=True,
            )
            print(f"{word:7}", "  ".join(done.stdout.split()), flush=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(cache, ignore_errors=True)


if __name__ == "__main__":
    main()
