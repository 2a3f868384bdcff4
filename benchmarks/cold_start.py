"""How long does a command take from its start to its end, beside `python -c "import torch"`?

    python benchmarks/cold_start.py [--rounds 10] [--quick]

Each command is a process of its own; they take turns, there and back. What `predict` takes above importing PyTorch is
the number that counts. The model is a small one of the digits, made first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

import records
from convscope import files
from peers.environments import HOME, ROOT
from workers import surroundings

LONGEST = 120.0


def commands(model: Path, picture: Path) -> dict[str, list[str]]:
    own = [sys.executable, "-m", "convscope"]
    return {
        "python": [sys.executable, "-c", "pass"],
        "import torch": [sys.executable, "-c", "import torch"],
        "--version": [*own, "--version"],
        "--help": [*own, "--help"],
        "zoo": [*own, "zoo"],
        "recipes": [*own, "recipes"],
        "summary": [*own, "summary", "lenet5"],
        "fit": [*own, "fit", "28", "14", "--kernel", "5"],
        "draw": [*own, "draw", "lenet5", "-o", str(HOME / "cold" / "figure.svg")],
        "code": [*own, "code", "lenet5"],
        "check": [*own, "check", "digits"],
        "data list": [*own, "data", "list"],
        "doctor": [*own, "doctor"],
        "evaluate": [*own, "evaluate", str(model)],
        "predict": [*own, "predict", str(model), str(picture)],
        "train, 1 step": [*own, "train", "digits", "--steps", "1", "-q", "-o", str(HOME / "cold" / "one step")],
    }


QUICK = ("python", "import torch", "--help", "summary", "predict")


def prepared() -> tuple[Path, Path]:
    """A model of the digits and a picture, below .bench."""
    folder = HOME / "cold"
    files.make_folder(folder)
    picture, model = folder / "picture.png", folder / "model"
    if not picture.is_file():
        with files.writing(picture) as stream:
            Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)).save(stream, "PNG")
    if not (model / "model.safetensors").is_file():
        words = [sys.executable, "-m", "convscope", "train", "digits", "--steps", "20", "-q", "-o", str(model)]
        subprocess.run(words, check=True, capture_output=True, cwd=ROOT, timeout=LONGEST)
    return model, picture


def took(words: list[str], threads: int) -> float:
    """Seconds of the whole process; raises CalledProcessError where it fails."""
    begin = time.perf_counter()
    subprocess.run(
        words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LONGEST, cwd=ROOT,
        env=surroundings(threads),
    )  # fmt: skip
    return time.perf_counter() - begin


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=0, help="runs of each command (10; 3 with --quick)")
    parser.add_argument("--commands", default="", help="names, separated by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--dry", action="store_true", help="keep no record")
    options = parser.parse_args(words)
    every = commands(*prepared())
    names = [n.strip() for n in options.commands.split(",") if n.strip()] or (QUICK if options.quick else list(every))
    about = {"machine": records.machine(options.threads)}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    absent: dict[str, str] = {}
    for turn in range(-1, options.rounds or (3 if options.quick else 10)):  # the first turn warms the disk's cache
        for name in names if turn % 2 == 0 else names[::-1]:
            if name in absent:
                continue
            try:
                one = took(every[name], options.threads)
            except (subprocess.SubprocessError, OSError) as error:
                absent[name] = (getattr(error, "stderr", None) or str(error).encode()).decode(errors="replace")[-300:]
                continue
            if turn >= 0:
                seconds[name].append(one)
    for name in names:
        if name in absent:
            print(f"{name:16}not here: {absent[name]}")
            continue
        mean, low, high = records.interval(seconds[name])
        line = f"{name:16}{mean:6.2f} s ({low:.2f} to {high:.2f}), n {len(seconds[name])}"
        if "import torch" in seconds and name not in ("python", "import torch"):
            more = [a - b for a, b in zip(seconds[name], seconds["import torch"], strict=True)]
            line += "   above import torch: {:+.2f} s ({:+.2f} to {:+.2f})".format(*records.interval(more))
        print(line)
    for folder in (HOME / "cold").glob("one step*"):
        shutil.rmtree(folder, ignore_errors=True)
    if not options.dry:
        records.append("cold_start", {**about, "quick": options.quick, "seconds": seconds, "absent": absent})


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
