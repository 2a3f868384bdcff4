"""How long do 60 000 small JPEG files take until they can be trained on?

    python benchmarks/loading.py [--rounds 3] [--quick]

The files of `cifar10-jpeg`, one folder a class, unpacked below .bench. `convscope data info FOLDER` in a process of its
own, with an empty cache of ours and with a filled one; beside it a plain loop with Pillow, which keeps nothing. The
system's own cache of files is warm in all: one turn comes before. The three take turns. --quick takes the 10 000 test
pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import records
from peers.environments import HOME, ROOT
from workers import surroundings

LONGEST = 900.0
PLAIN = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
files = sorted(Path(sys.argv[1]).rglob("*.jpg"))
pictures = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
print(len(pictures))
"""


def unpacked() -> Path | None:
    """The folder of pictures; None where the tar is not below CONVSCOPE_DATA."""
    folder = HOME / "cifar10-jpeg"
    tar = Path(os.environ.get("CONVSCOPE_DATA", ".")) / "cifar10-jpeg.tar"
    if not folder.is_dir():
        if not tar.is_file():
            return None
        part = folder.with_name("cifar10-jpeg.part")
        shutil.rmtree(part, ignore_errors=True)
        with tarfile.open(tar) as archive:
            archive.extractall(part, filter="data")
        part.rename(folder)
    inner = [path for path in folder.iterdir() if path.is_dir()]
    return inner[0] if len(inner) == 1 else folder


def took(words: list[str], threads: int, cache: Path) -> tuple[float, str]:
    """Seconds of the whole process, and what it printed."""
    begin = time.perf_counter()
    done = subprocess.run(
        words, check=True, capture_output=True, encoding="utf-8", timeout=LONGEST, cwd=ROOT,
        env=surroundings(threads, {"CONVSCOPE_CACHE": str(cache)}),
    )  # fmt: skip
    return time.perf_counter() - begin, done.stdout


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=0, help="of each (3; 1 with --quick)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--dry", action="store_true", help="keep no record")
    options = parser.parse_args(words)
    folder = unpacked()
    if folder is None:
        print("not here: cifar10-jpeg.tar, looked for below CONVSCOPE_DATA")
        return
    if options.quick and (folder / "test").is_dir():
        folder = folder / "test"
    about = {"machine": records.machine(options.threads)}
    ours = [sys.executable, "-m", "convscope", "data", "info", str(folder), "--json"]
    plain = [sys.executable, "-c", PLAIN, str(folder)]
    cache = HOME / "loading cache"
    seconds: dict[str, list[float]] = {"empty cache": [], "filled cache": [], "Pillow, a plain loop": []}
    pictures = 0
    try:
        for turn in range(options.rounds or (1 if options.quick else 3)):
            names = list(seconds) if turn % 2 == 0 else ["Pillow, a plain loop", "empty cache", "filled cache"]
            if not turn:
                pictures = sum(1 for path in folder.rglob("*.jpg") if path.read_bytes())
            for name in names:
                if name == "empty cache":
                    shutil.rmtree(cache, ignore_errors=True)
                one, said = took(plain if "Pillow" in name else ours, options.threads, cache)
                assert "Pillow" in name or json.loads(said)
                seconds[name].append(one)
                print(f"{name:22}{one:7.1f} s, {pictures / one:7.0f} files/s", flush=True)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    if not options.dry:
        records.append("loading", {**about, "quick": options.quick, "files": pictures, "seconds": seconds})


if __name__ == "__main__":
    main()
