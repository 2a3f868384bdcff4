"""An environment of its own for each peer, below .bench/, made where it is missing.

    python benchmarks/peers/environments.py            make all of them (some GB of downloads, once)
    python benchmarks/peers/environments.py tf jax     these

Plain PyTorch runs in .venv, where it is anyway. What can't be installed is no error: `missing` says why, and the tables
say it too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".bench"
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "tf": ("tensorflow-cpu==2.21.0", "keras==3.15.1"),
    "jax": ("jax==0.10.2", "jaxlib==0.10.2", "keras==3.15.1"),
    "paddle": ("paddlepaddle==3.3.1",),
    "runtimes": ("torch==2.13.0", "onnx==1.23.2", "onnxscript==0.7.2", "onnxruntime==1.32.0", "openvino==2026.4.1"),
}
"""The packages of each, pinned. `own` is the environment that this runs in."""
IMPORTED = {
    "tf": ("tensorflow", "keras"),
    "jax": ("jax", "keras"),
    "paddle": ("paddle",),
    "runtimes": ("torch", "onnx", "onnxscript", "onnxruntime", "openvino"),
}
LONGEST_INSTALL = 1800.0


def python(name: str) -> Path:
    """The interpreter of an environment; `own` is the one that runs this."""
    if name == "own":
        return Path(sys.executable)
    return HOME / name / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def missing(name: str) -> str:
    """Why an environment can't be used, "" where it can. Makes nothing."""
    if name == "own":
        return ""
    if not python(name).is_file():
        return "not installed: make bench installs it"
    looks = "import importlib.util, sys; print(*[m for m in sys.argv[1:] if importlib.util.find_spec(m) is None])"
    try:
        done = subprocess.run(
            [python(name), "-c", looks, *IMPORTED[name]], capture_output=True, encoding="utf-8", timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"its Python doesn't run: {error}"
    absent = (done.stdout.strip() or done.stderr.strip()[-200:]) if done.returncode == 0 else done.stderr.strip()[-200:]
    return f"it lacks {absent}" if absent else ""


def ensure(name: str) -> str:
    """Make an environment where it is missing; why that didn't work, "" where it did."""
    if not missing(name):
        return ""
    try:
        if not python(name).is_file():
            venv.create(HOME / name, with_pip=True)
        done = subprocess.run(
            [python(name), "-m", "pip", "install", "-q", *ENVIRONMENTS[name]],
            capture_output=True, encoding="utf-8", timeout=LONGEST_INSTALL, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return f"it could not be made: {error}"
    if done.returncode:
        return f"pip: {' '.join(done.stderr.split())[-300:]}"
    return missing(name)


def main(names: list[str]) -> None:
    for name in names or ENVIRONMENTS:
        print(f"{name:10}{ensure(name) or 'ready'}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
