"""Published weights under our names, with what they were trained to see: what a training starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from convscope.data.download import Progress
from convscope.errors import ConvscopeError
from convscope.network.shapes import Sizes, resolve
from convscope.notation import parse, write_out
from convscope.weights import legacy
from convscope.weights.find import entry_of, find
from convscope.weights.known import imagenet_classes
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
    tensors = under_our_names(sizes_of(name), legacy.read(path), path)
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
    from importlib import resources

    text = (resources.files("convscope") / "zoo" / f"{name}.net").read_text(encoding="utf-8")
    return resolve(write_out(parse(text)), None, None)


def under_our_names(sizes: Sizes, published: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Published tensors by our names. Raises ConvscopeError where they don't fit the network or aren't finite."""
    try:
        pairs = mapped(sizes, {name: tuple(tensor.shape) for name, tensor in published.items()})
    except ConvscopeError as error:
        raise ConvscopeError(f"{path}: {error}") from None
    for name in pairs.values():
        tensor = published[name]
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise ConvscopeError(f"{path}: weights must be finite numbers. {name} isn't. Get the file anew.")
    return {ours: published[theirs].float() for ours, theirs in pairs.items()}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over every tensor's name, shape and bytes, in the order of names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        total.update(f"\n{name} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return total.hexdigest()
