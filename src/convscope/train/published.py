"""A start from published weights: which recipe is meant, at which size of pictures, and what the weights fill.

Knows recipes, the zoo and the facts of its weights; reads no pictures beyond a look, and trains nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from convscope import weights
from convscope.data import peek, sources
from convscope.data.images import DataSet
from convscope.errors import ConvscopeError, unknown
from convscope.network.build import Network
from convscope.network.cost import state
from convscope.network.ending import last_learned
from convscope.network.shapes import NetworkError, resolve
from convscope.network.source import text_of, text_of_zoo
from convscope.notation import canonical, parse, write_out
from convscope.recipe import Recipe
from convscope.recipe.realise import open_end, take_weights
from convscope.weights.find import entry_of
from convscope.weights.load import Trained

PREFERRED = (
    "efficientnet_lite0", "resnet50", "mobilenet_v2", "resnet34", "resnet18", "densenet121", "vgg16_bn", "vgg16",
)  # fmt: skip
"""What a folder of photographs starts from, where nothing is said: the first of these that is at hand. In front stands
what gives the best features for the time that they take on a processor."""

SMALLEST = 24
"""Pixels of the shorter side below which pictures are no photographs: icons, letters, drawn digits."""

SIZES = (224, 192, 160, 128, 96)
"""Sides, in pixels, that a budget may choose from where --input says nothing, up to the weights' own size."""

SHARE = 0.12
"""The part of a budget that features may take where the body is to thaw: a pass over the same pictures that learns
takes about three times as long, and two or three of these should follow."""

SHARE_ALONE = 0.8
"""The part of it where the head alone is trained."""

LONG = 60.0
"""Seconds of one look at every picture, beyond which it is said that smaller pictures are quicker."""

_TIMED = 16
_FEW = 500  # pictures that take no time worth a measurement

_LENGTHS = ("epochs", "steps", "budget")

FOR_A_START: dict[str, Any] = {
    "train.epochs": 5,
    "train.batch_size": 32,
    "train.keep": "best",
    "train.label_smoothing": 0.1,
    "train.freeze": [],
    "optimizer.name": "adamw",
    "optimizer.learning_rate": 3e-4,
    "optimizer.weight_decay": 0.01,
    "schedule.warmup": 0.1,
    "schedule.shape": "cosine",
    "schedule.start": 0.0,
}
"""What takes the place of the settings of the recipe `folder`, which are for a start from scratch."""


def is_name(word: str, base: Path = Path()) -> bool:
    """Whether `from` names published weights, and no run's folder or model file, which are seen from `base`.

    Raises ConvscopeError for a bare word that is neither.
    """
    if not word or "/" in word or "\\" in word or word.endswith(".safetensors"):
        return False
    if word in weights.names():
        return True
    if (base / word).exists():
        return False
    known = unknown("trained weights", word, weights.names())
    raise ConvscopeError(f"{known} Or give a run's folder or a model file; none is from scratch.")


def usual(spec: str, base: Path) -> str:
    """The published weights that a data set starts from where nothing is said, or "" for from scratch.

    They must be at hand, and the data a folder or a .csv of photographs: in colour, and of SMALLEST pixels or more.
    """
    name = next((name for name in PREFERRED if weights.at_hand(name) is not None), "")
    if not name:
        return ""
    source = sources.find(spec, base)
    if source.kind not in ("folder", "csv"):
        return ""
    seen = peek.look(source)
    return name if seen.colour and seen.side >= SMALLEST else ""


def usual_note(name: str) -> str:
    """The first line of a training that starts so unasked: from which weights, why, and how to have it otherwise."""
    return (
        f"from {name}: the pictures are photographs (in colour, {SMALLEST} pixels a side or more), its weights, which "
        "have learned from ImageNet, are on this machine, and few photographs teach a network from scratch much less. "
        "From scratch: --from none"
    )


def settings_for(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a start from published weights, below those that are given.

    Where neither a length nor `thaw` is given, the last layer alone is trained: that takes seconds.
    """
    keys = {key.rpartition(".")[2] for key in given}
    thaw = {} if keys & {*_LENGTHS, "thaw"} else {"train.thaw": "none"}
    return {**FOR_A_START, **thaw}


def with_network(chosen: Recipe, given: str, base: Path) -> Recipe:
    """The recipe with the network of its weights, and pictures as these were shown to it (the size stays open).

    given: the network that the user or the recipe file names, "" for none. Raises ConvscopeError where it is another,
    and for grey pictures.
    """
    name = chosen.from_
    tree = parse(text_of_zoo(name))
    text = open_end(text_of_zoo(name), tree.classes or 0)
    if given:
        other = parse(text_of(given, base))
        if canonical(parse(open_end(text_of(given, base), other.classes or tree.classes or 0))) != text:
            raise ConvscopeError(
                f"trained weights go into the network that they were trained in. {name} is one, and this recipe names "
                "another: leave the network out, or start from scratch with --from none."
            )
    own = chosen.input
    if own.channels == 1:
        raise ConvscopeError(
            f"the weights of {name} take pictures of 3 channels. Got channels = 1. Leave it out: grey pictures are "
            "repeated to three channels."
        )
    facts = entry_of(name)
    changes: dict[str, Any] = {"channels": 3}
    if not own.per_picture:
        changes |= {key: getattr(facts, key) for key in ("mean", "std") if key not in own.model_fields_set}
    if "fit" not in own.model_fields_set:
        changes["fit"] = facts.fit
    if own.crop_to and own.size is None:
        changes["size"] = own.crop_to
    return chosen.model_copy(update={"network": text, "input": own.model_copy(update=changes)})


def fill(network: nn.Module, trained: Trained, classes: tuple[str, ...]) -> str:
    """Fill a network with published weights, all but its last layer where the classes are others; a sentence on it.

    Raises ConvscopeError where the pictures' size changes a layer's shape.
    """
    assert isinstance(network, Network)
    tensors = {name: t for name, t in trained.tensors.items() if name in network.state_dict()}
    own = network.state_dict()
    last = last_learned(network.sizes)
    wrong = next((n for n, t in tensors.items() if t.shape != own[n].shape and not n.startswith(f"{last}.")), "")
    if wrong:
        high, wide = trained.size
        raise ConvscopeError(
            f"the weights of {trained.name} must fit the network. {wrong} is {list(tensors[wrong].shape)} there and "
            f"{list(own[wrong].shape)} here: its dense layers are made for {high} x {wide}. Leave --input out."
        )
    return take_weights(network, tensors, trained.name, len(trained.classes) if trained.classes != classes else 0)


def of_any_size(network: Network) -> bool:
    """Whether the network's weights fit pictures of other sizes: half the size asks for tensors of the same shapes."""
    high, wide, channels = network.input
    try:
        half = resolve(write_out(parse(network.text)), (high // 2, wide // 2, channels), network.sizes.classes)
    except NetworkError:
        return False
    return state(half) == state(network.sizes)


def sized(chosen: Recipe, trained: Trained, base: Path, device: torch.device) -> tuple[Recipe, str]:
    """The recipe with the size of its pictures, and a sentence where the budget chose it.

    It is --input's where that is given, and the weights' own where there is no budget; else the largest of SIZES at
    which features take no more than a share of the budget, measured on one batch.
    """
    high, wide = trained.size
    if chosen.input.size or chosen.input.crop_to:
        return _with_size(chosen, chosen.input.size or trained.size), ""
    source = sources.find(chosen.data, base)
    if chosen.train.budget is None and len(source.parts) <= _FEW:
        return _with_size(chosen, trained.size), ""
    pictures = sum(part != "test" for part in source.parts)
    if "test" not in source.parts:
        pictures = round(pictures * (1 - chosen.split.test))
    network = Network(chosen.network, input=(high, wide, 3), classes=len(source.classes), seed=None)
    fill(network, trained, source.classes)
    if not of_any_size(network):
        return _with_size(chosen, trained.size), ""
    network.to(device).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if chosen.train.budget is None:
        return _with_size(chosen, trained.size), _long(network, trained.size, len(source.parts), device)
    most = chosen.train.budget * (SHARE_ALONE if chosen.train.thaw == "none" else SHARE)
    sides = [min(high, wide), *(side for side in SIZES if side < min(high, wide))]
    told: list[str] = []
    for side in sides:
        seconds = _forward_seconds(network, side, device) * pictures
        if seconds <= most or side == sides[-1]:
            others = f"; {', '.join(told)}" if told else ""
            return _with_size(chosen, (side, side)), (
                f"pictures come as {side} x {side}: the features of {pictures} then take about {seconds:.0f} s of the "
                f"budget of {chosen.train.budget:.0f} s{others}. Another size: --input"
            )
        told.append(f"at {side} x {side} {seconds:.0f} s")
    raise AssertionError("the smallest side is always taken")


def _long(network: Network, size: tuple[int, int], pictures: int, device: torch.device) -> str:
    """A sentence where one look at each picture, those of the test part too, takes long at the weights' own size."""
    own = _forward_seconds(network, min(size), device) * pictures
    if own <= LONG:
        return ""
    side = next(side for side in SIZES if side <= min(size) // 2 or side == SIZES[-1])
    smaller = _forward_seconds(network, side, device) * pictures
    return (
        f"pictures come as {size[0]} x {size[1]}, as the weights learned: one look at all {pictures}, for features and "
        f"scores, takes about {own / 60:.0f} min; at {side} x {side} {smaller / 60:.1f} min: --input {side}"
    )


def _with_size(chosen: Recipe, size: tuple[int, int]) -> Recipe:
    return chosen.model_copy(update={"input": chosen.input.model_copy(update={"size": size})})


@torch.inference_mode()
def _forward_seconds(network: Network, side: int, device: torch.device) -> float:
    """Seconds a picture of side x side takes on its way through: the quicker of two batches, after a first one."""
    x = torch.rand(_TIMED, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    network(x[:4])
    taken = []
    for _ in range(2):
        begin = time.perf_counter()
        float(network(x).sum())  # an accelerator is waited for
        taken.append(time.perf_counter() - begin)
    return min(taken) / _TIMED


def grey_note(images: NDArray[np.uint8], name: str) -> str:
    """A sentence where pictures of three channels (N, 3, H, W) are grey in truth, or ""."""
    some = images[:: max(1, len(images) // 64)]
    if (some[:, :1] != some[:, 1:]).any():
        return ""
    return f"the pictures are grey, and {name} has learned from colour: grey is repeated to three channels"


def in_memory(data: DataSet, trained: Trained) -> DataSet:
    """An image set with the mean and deviation of the weights. Raises ConvscopeError for one of grey pictures."""
    if data.preprocess.channels != 3:
        raise ConvscopeError(
            f"the weights of {trained.name} take pictures of 3 channels. The image set has "
            f"{data.preprocess.channels}: read it with convscope.data(..., channels=3)."
        )
    scaled = data.preprocess.replace(mean=trained.mean, std=trained.std, per_picture=False)
    return replace(data, preprocess=scaled)
