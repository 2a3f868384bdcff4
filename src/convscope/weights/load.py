"""Published weights under our names, with what they were trained to see: what a training starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from convscope import files
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError
from convscope.network.shapes import Sizes, resolve
from convscope.network.source import text_of
from convscope.notation import parse, write_out
from convscope.weights import legacy
from convscope.weights.answers import in_order
from convscope.weights.find import entry_of, find
from convscope.weights.known import KnownWeights, imagenet_classes
from convscope.weights.mapping import mapped


@dataclass(frozen=True)
class Trained:
    """Weights of a network of the zoo.

    tensors: float32 by our names, running statistics too; those of side classifiers where they are published. mean,
    std: of pixel / 255. size: (height, width) that the network was shown; a picture came to it by `fit`, as the middle
    of one whose shorter side is `resize`. classes: the names of the 1 000 outputs. sha256: of the tensors.
    """

    name: str
    source: str
    tensors: dict[str, Tensor]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: tuple[int, int]
    fit: str
    resize: int
    classes: tuple[str, ...]
    sha256: str
    path: Path


def trained(name: str, progress: Progress | None = None) -> Trained:
    """The published weights of a network of the zoo, read and mapped; downloaded once where they aren't at hand.

    Raises ConvscopeError, which says where it looked and how to get them.
    """
    entry = entry_of(name)
    file, path = find(name, progress)
    tensors = read(entry, sizes_of(name), path)
    return Trained(
        name=name,
        source=entry.source,
        tensors=tensors,
        mean=entry.mean,
        std=entry.std,
        size=entry.size,
        fit=entry.fit,
        resize=file.resize,
        classes=imagenet_classes(),
        sha256=digest(tensors),
        path=path,
    )


def sizes_of(name: str) -> Sizes:
    """The network of the zoo with its shapes, as its file has it."""
    return resolve(write_out(parse(text_of(name))), None, None)


def read(entry: KnownWeights, sizes: Sizes, path: Path) -> dict[str, Tensor]:
    """The tensors of a file that a source publishes, float32 and by our names: .safetensors, or a legacy file, which a
    child process opens. Raises ConvscopeError where the file can't be read or doesn't fit, or a number isn't finite."""
    safe = path.suffix == ".safetensors"
    published = _safetensors(path) if safe else legacy.read(path)
    try:
        return under_our_names(sizes, in_order(entry, published, ordered=not safe))
    except ConvscopeError as error:
        raise ConvscopeError(f"{path}: {error}") from None


def under_our_names(sizes: Sizes, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published tensors, in the order of their modules, by our names."""
    pairs = mapped(sizes, {name: tuple(tensor.shape) for name, tensor in published.items()})
    for name in pairs.values():
        if not published[name].is_floating_point() or not bool(torch.isfinite(published[name]).all()):
            raise ConvscopeError(f"weights must be finite numbers. {name} isn't all of them. Get the file anew.")
    return {ours: published[theirs].float() for ours, theirs in pairs.items()}


def _safetensors(path: Path) -> dict[str, Tensor]:
    import safetensors.torch

    data = files.read_bytes(path)
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # the library raises its own class for each fault of the format
        raise ConvscopeError(f"{path} must be a whole safetensors file. It isn't: {error}. Get it anew.") from None


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over every tensor's name, shape and bytes, in the order of names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        total.update(f"\n{name} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return total.hexdigest()
