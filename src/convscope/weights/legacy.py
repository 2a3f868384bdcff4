"""Legacy PyTorch files (.pth, .pt): a pickle, which can hold a program. The only place that opens one.

A child process reads it with `weights_only=True`, may write no file, and has bounded time and memory; what it hands
back is safetensors. This module is both: `read` is the parent's side, `main` the child's.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from torch import Tensor

SECONDS = 120.0
_ROOM = 1 << 30  # bytes beyond a few copies of the file
_INSIDE = ("state_dict", "model")  # what a training script puts a state dict under


class _Unusable(Exception):
    """Why the child hands nothing back."""


def read(path: Path, seconds: float = SECONDS) -> dict[str, Tensor]:
    """The tensors of a legacy file, float32, in its order. Raises ConvscopeError for a file that isn't a plain state
    dict, is damaged, or holds a program; nothing of it is carried out."""
    import safetensors.torch

    if not path.is_file():
        raise ConvscopeError(f"a file of weights must exist to be read. There is none at {path}.")
    command = [sys.executable, "-m", "convscope.weights.legacy", str(path)]
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # a json.py in the user's folder is not the library's
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConvscopeError(
            f"a file of weights must be read within {seconds:g} s. {path} was not: it is damaged or no state dict."
        ) from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1] if done.returncode == 3 and said else f"reading it broke off (exit {done.returncode})"
        raise ConvscopeError(
            f"a .pth or .pt file must be a PyTorch state dict: named tensors and nothing else. {path} is not used: "
            f"{why}. Get the file anew, or as .safetensors."
        )
    data = done.stdout
    length = struct.unpack("<Q", data[:8])[0]
    order = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["order"])
    tensors = safetensors.torch.load(data)
    return {name: tensors[name] for name in order}


# ---- the child's side --------------------------------------------------------------------------------------------


def main(path: Path) -> int:
    """Writes safetensors to the standard output; on failure one sentence to the standard error, and exit code 3."""
    out = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not stand among the bytes
    try:
        data = _converted(path)
    except _Unusable as error:
        print(str(error), file=sys.stderr)
        return 3
    os.dup2(out, 1)
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return 0


def _converted(path: Path) -> bytes:
    import safetensors.torch
    import torch

    _limit(path.stat().st_size)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise _Unusable("it asks for more memory than such a file can need") from None
    except Exception as error:  # a damaged file raises anything
        if type(error).__name__ == "UnpicklingError" and "nsupported" in str(error):
            raise _Unusable("it holds more than tensors, and that could be a program") from None
        raise _Unusable(f"it is damaged or of another format ({type(error).__name__})") from None
    tensors = _tensors(loaded, 2 * path.stat().st_size)
    return safetensors.torch.save(tensors, {"order": json.dumps(list(tensors))})


def _tensors(loaded: Any, most: int) -> dict[str, Tensor]:
    """The state dict in what was loaded, each tensor float32 and in memory of its own; `most` bytes at most."""
    import torch

    for name in _INSIDE:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping):
            loaded = loaded[name]
    if not isinstance(loaded, Mapping) or not loaded:
        raise _Unusable("it holds no named tensors")
    tensors: dict[str, Tensor] = {}
    size = 0
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            raise _Unusable(f"{name!r} is no plain tensor but {type(value).__name__}")
        if value.is_quantized or value.is_complex() or value.device.type != "cpu":
            raise _Unusable(f"{name!r} is no tensor of plain numbers")
        size += value.numel() * value.element_size()
        if size > most:  # a view with strides of 0 is as large as it likes
            raise _Unusable("its tensors are larger than the file")
        value = value.detach()
        plain = value.float() if value.is_floating_point() else value
        tensors[name] = plain.contiguous().clone()
    return tensors


def _limit(size: int) -> None:
    """No file may be written, and memory ends at a few times the file's size. Systems without such limits go on with
    what weights_only guards."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return
    most = mapped + 6 * size + _ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
