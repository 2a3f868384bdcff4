"""Snapshots: the weights of a training at some of its moments, each a model file in the run's `snapshots/`.

Knows their names and reads their headers; writing them is the training's. Needs no torch.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from convscope import files
from convscope.errors import ConvscopeError

_NAME = re.compile(r"step-(\d{8,})\.safetensors")


@dataclass(frozen=True)
class Snapshot:
    """The weights after `step` steps, which are `epoch` passes through the training pictures (a fraction too).

    path: a model file like any other; `convscope.load(path).network` has the weights. weights: "average" where the
    recipe has a moving average (`ema`), for that is what predicts; else "trained".
    """

    step: int
    epoch: float
    path: Path
    weights: str


def file_name(step: int) -> str:
    """What the snapshot after `step` steps is called."""
    return f"step-{step:08d}.safetensors"


def steps_in(folder: Path) -> dict[int, Path]:
    """The files of a folder of snapshots by their steps, in order; {} where there is no folder."""
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        if name := _NAME.fullmatch(path.name):
            found[int(name[1])] = path
    return dict(sorted(found.items()))


def snapshots_in(folder: Path) -> list[Snapshot]:
    """All of them, by their steps. Raises ConvscopeError where one can't be read, or is of a later version."""
    found = [_read(path) for path in steps_in(folder).values()]
    return [each for each in found if each is not None]


def _read(path: Path) -> Snapshot | None:
    """None where the training has removed it since it was listed."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            header = json.loads((file.metadata() or {})["convscope"])
        about, version = header["snapshot"], header["format"]
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ConvscopeError(
            f"a snapshot must be a whole model file that a training kept. {path} is not: {error}. Remove the file."
        ) from None
    files.check_format(path, version)
    return Snapshot(int(about["step"]), float(about["epoch"]), path, str(about["weights"]))
