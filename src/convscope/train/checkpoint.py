"""Checkpoints: a training's whole state, kept so that a kill or a power cut at any moment loses one interval at most.

A checkpoint is a folder, `checkpoint/step-00000123/`, with `state.safetensors` (tensors), `state.json` (everything
else) and `manifest.json` (the SHA-256 of both). It appears by one rename, complete, and is never changed afterwards.
Which is the latest is read from the folders and their manifests, never from a pointer that could dangle.

Knows nothing of what the state means. Imports torch only where tensors are made; what touches the disk takes bytes.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope import files
from convscope.errors import ConvscopeError, RunFailed
from convscope.run import Note, Saved

if TYPE_CHECKING:
    import torch

TENSORS = "state.safetensors"
STATE = "state.json"
KEPT = 2
_NAME = re.compile(r"step-(\d{8,})(?:-(\d+))?")


@dataclass(frozen=True)
class Stored:
    """A checkpoint as bytes, which are the ones that its manifest promises."""

    step: int
    path: Path
    tensors: bytes
    state: dict[str, Any]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Checkpoint:
    """A training's state after `step` steps; `warnings` names the damaged ones that were passed over."""

    step: int
    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]
    path: Path
    warnings: tuple[str, ...] = field(default=())


def save(folder: Path, step: int, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> Path:
    """Keeps the state after `step` steps in a new folder below `folder`, on disk when this returns; its path.

    tensors: any shapes and kinds, on any device; what shares memory is stored once for each name.
    state: what JSON can hold (no NaN). The two newest checkpoints that prove whole stay, older ones are removed.
    `RunFailed` when the disk refuses (the earlier checkpoints stay whole) or when a tensor is not finite.
    """
    return save_bytes(folder, step, _pack(step, tensors), state)


def _pack(step: int, tensors: dict[str, torch.Tensor]) -> bytes:
    """The tensors as a safetensors file. `RunFailed` names the first that is not finite."""
    import safetensors.torch
    import torch

    plain = {}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise RunFailed(f"a checkpoint must be finite. At step {step} {name} is not, and nothing was saved.")
        plain[name] = tensor.detach().to("cpu", copy=True).contiguous()
    return safetensors.torch.save(plain)


def save_bytes(folder: Path, step: int, tensors: bytes, state: dict[str, Any]) -> Path:
    """`save` for a state that is bytes already; needs no torch."""
    if step < 0:
        raise ValueError(f"a step must be 0 or more. Got {step}.")
    try:
        text = files.to_json({"format": files.FORMAT, "step": step, "state": state}, indent=None)
    except ValueError as error:
        raise RunFailed(
            f"a checkpoint's state must be finite. At step {step} it is not, and nothing was saved."
        ) from error
    files.make_folder(folder)
    with contextlib.suppress(RunFailed):
        for part in files.parts(folder):  # a killed save's: one process at a time trains in a run folder
            files.remove_folder(part)
    path = _free_name(folder, step)
    files.write_folder(path, {TENSORS: tensors, STATE: text.encode("utf-8")})
    _retire(folder)
    return path


def attempt(folder: Path, step: int, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> Saved | Note:
    """`save` for a training that goes on when the disk is full: what to log, either way."""
    packed = _pack(step, tensors)
    try:
        return Saved(step, str(save_bytes(folder, step, packed, state)))
    except RunFailed as error:
        names = [path.name for _, path in _complete(folder)]
        last = f"The last checkpoint is {names[0]}." if names else "There is no checkpoint yet."
        return Note(f"no checkpoint at step {step}: {error} {last} The training goes on.")


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that proves whole, or None where there never was one.

    A damaged one is passed over for the one before, with a warning that names the file and both hashes. `RunFailed`
    when there are checkpoints and all are damaged.
    """
    stored = latest_bytes(folder)
    if stored is None:
        return None
    import safetensors.torch

    return Checkpoint(stored.step, safetensors.torch.load(stored.tensors), stored.state, stored.path, stored.warnings)


def latest_bytes(folder: Path) -> Stored | None:
    """`latest` without making tensors; needs no torch."""
    warnings: list[str] = []
    for step, path in _complete(folder):
        try:
            tensors, state = _read(path, step)
        except ConvscopeError as error:
            warnings.append(f"checkpoint {path.name} can't be used: {error}")
        else:
            return Stored(step, path, tensors, state, tuple(warnings))
    if warnings:
        raise RunFailed(f"no checkpoint in {folder} is whole. {' '.join(warnings)} Train anew.")
    return None


def _complete(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints that were finished, newest first: by step, and of one step the later made."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        name = _NAME.fullmatch(path.name)
        if name and path.is_dir():
            found.append((int(name[1]), int(name[2] or 1), path))
    return [(step, path) for step, _, path in sorted(found, reverse=True)]


def _free_name(folder: Path, step: int) -> Path:
    """The folder's name for a step. A step saved again (a resumed run's) gets a new name: nothing is overwritten."""
    taken = [path for known, path in _complete(folder) if known == step]
    if not taken:
        return folder / f"step-{step:08d}"
    name = _NAME.fullmatch(taken[0].name)
    return folder / f"step-{step:08d}-{int(name[2] or 1) + 1 if name else 2}"


def _read(path: Path, step: int) -> tuple[bytes, dict[str, Any]]:
    """Tensors (as bytes) and state of one checkpoint. `ConvscopeError` when not all is as its manifest promises."""
    promised = files.read_manifest(path)
    missing = {TENSORS, STATE} - promised.keys()
    if missing:
        raise ConvscopeError(f"{path / files.MANIFEST} is damaged: it must list {' and '.join(sorted(missing))}.")
    tensors = files.read_verified(path, TENSORS, promised[TENSORS])
    value = json.loads(files.read_verified(path, STATE, promised[STATE]))
    files.check_format(path / STATE, value.get("format"))
    if value["step"] != step:
        raise ConvscopeError(f"{path} must hold step {step}. It holds step {value['step']}.")
    return tensors, value["state"]


def _retire(folder: Path) -> None:
    """Removes what is older than the two newest checkpoints that prove whole; those two never."""
    whole = 0
    for step, path in _complete(folder):
        if whole >= KEPT:
            files.discard_folder(path)
            continue
        try:
            _read(path, step)
        except ConvscopeError:
            continue  # damaged: it is passed over on reading, and goes when two newer ones are whole
        whole += 1
