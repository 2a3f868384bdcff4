"""From a recipe to what it describes: the network, the image set, and the recipe with every `auto` resolved.

The one module of this room that knows torch and data; it is imported when a run begins.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convscope.data.images import DataSet
from convscope.data.progress import Progress
from convscope.data.store import load
from convscope.errors import ConvscopeError
from convscope.network.build import Network
from convscope.network.ending import ending, last_learned
from convscope.network.shapes import check_end, show
from convscope.network.source import text_of
from convscope.network.whiten import layers as whitens
from convscope.notation import canonical, parse, write_out
from convscope.notation.syntax import Layer, unchecked
from convscope.notation.tree import Written
from convscope.recipe import usual
from convscope.recipe.settings import Recipe

IN_MEMORY = "(an image set in memory)"
"""What stands for the data in the recipe of a run that was given its pictures as a DataSet."""


@dataclass(frozen=True)
class Realised:
    """A network and its data, the resolved recipe (numbers in place of words), and notes for the user."""

    network: nn.Module
    data: DataSet
    recipe: Recipe
    notes: tuple[str, ...]
    began: float = 0.0
    """When the pictures had been read, by `time.perf_counter`: where the time of training begins."""


def realise(
    recipe: Recipe,
    *,
    base: Path = Path(),
    module: nn.Module | None = None,
    data: DataSet | None = None,
    split_file: Path | None = None,
    progress: Progress | None = None,
) -> Realised:
    """Read the data and build the network that a recipe names.

    module: a user's own network in place of the recipe's. data: an image set that is read already. split_file: a
    stored split that stands. Raises ConvscopeError where the two don't fit each other.
    """
    notes: list[str] = []
    written, text = None, ""
    if module is None:
        if not recipe.network:
            raise ConvscopeError('a recipe must name a network. Give one: --net "conv 3x3 32, relu, gap, dense".')
        if recipe.network != usual.AUTO:
            text = text_of(recipe.network, base)
            written = write_out(parse(text))
    if data is None:
        data = read_data(recipe, base, written, split_file, progress)
    began = time.perf_counter()
    notes += data.notes
    preprocess = data.preprocess
    shape = (*preprocess.input_size, preprocess.channels)
    classes = len(data.classes)
    network: nn.Module
    if module is not None:
        network = module
    else:
        if written is None:
            text = usual.network(preprocess.input_size, preprocess.channels)
            written = write_out(parse(text))
        if written.input is not None and written.input != shape:
            notes.append(f"the text says input {show(written.input)}; the pictures give {show(shape)}, which is used")
        if written.classes is not None and written.classes != classes:
            notes.append(f"the text says classes {written.classes}; the data has {classes}, which is used")
        built = Network(text, input=shape, classes=classes, seed=recipe.seed)
        check_end(built.sizes, classes)
        if end := ending(built.sizes):
            notes.append(end[1])
        network = built
        if whitens(built.sizes):
            built.whiten(_seen(data))
        if recipe.train.loss == "rbf" and not _ends_in_rbf(built):
            raise ConvscopeError(
                "loss = 'rbf' takes minus squared distances, so the network must end in rbf. This one ends in "
                f"{built.sizes.body.items[-1].name}. Use loss = 'auto'."
            )
    resolved = _resolved(recipe, data, network)
    return Realised(network, data, resolved, tuple(notes), began)


_WHITEN_WITH = 1000
"""So many pictures tell how their patches vary: 3 x 3 patches of 32 x 32 pixels are 900 000 then."""


def _seen(data: DataSet) -> Tensor:
    """Training pictures as the network sees them in prediction, spread evenly over the data: (N, C, H, W)."""
    images = data.train.images
    rows = range(0, len(images), -(-len(images) // _WHITEN_WITH) or 1)
    return data.preprocess.to_input(np.stack([images[row] for row in rows]) if rows else images[:0])


def _ends_in_rbf(network: nn.Module) -> bool:
    """Whether a network's outputs are distances to drawings, which bring a loss of their own."""
    return isinstance(network, Network) and network.sizes.body.items[-1].kind == "rbf"


def read_data(
    recipe: Recipe,
    base: Path,
    written: Written | None = None,
    split_file: Path | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """The image set of a recipe, split and preprocessed as the recipe and the network's `input` ask for."""
    if not recipe.data:
        raise ConvscopeError("a recipe must name its data. Give a data set's name, a folder or a .csv: --data FOLDER.")
    if recipe.data == IN_MEMORY:
        raise ConvscopeError(
            "the pictures of this run were an image set in memory, which no file keeps. Give it again in Python: "
            "convscope.train(data), convscope.resume(path, data=data), convscope.evaluate(classifier, data.test)."
        )
    wanted = recipe.input
    size = wanted.size
    if size is None and written is not None and written.input is not None and wanted.crop_to is None:
        size = written.input[:2]
    given = wanted.model_dump(include={"channels", "fit", "mean", "std", "per_picture", "crop_to", "background"})
    split = recipe.split.model_dump()
    return load(
        recipe.data, base=base, size=size, seed=recipe.seed, split_file=split_file, progress=progress,
        manner=wanted.manner, **given, **split,
    )  # fmt: skip


def _resolved(recipe: Recipe, data: DataSet, network: nn.Module) -> Recipe:
    preprocess = data.preprocess
    changes: dict[str, Any] = {
        "size": preprocess.size,
        "channels": preprocess.channels,
        "fit": preprocess.fitting,  # of an image set in memory it is not what the recipe's defaults say
        "crop_to": preprocess.crop_to,
        "background": preprocess.background,
        "per_picture": preprocess.per_picture,
        "manner": preprocess.manner or "",
        "mean": preprocess.mean if not preprocess.per_picture else (0.0,) * preprocess.channels,
        "std": preprocess.std if not preprocess.per_picture else (1.0,) * preprocess.channels,
    }
    train: dict[str, Any] = {}
    if recipe.train.loss == "auto":
        train["loss"] = "rbf" if _ends_in_rbf(network) else "cross-entropy"
    return recipe.model_copy(
        update={
            "network": network.text if isinstance(network, Network) else "",
            "data_sha256": data.sha256,
            "input": recipe.input.model_copy(update=changes),
            "train": recipe.train.model_copy(update=train),
        }
    )


def open_end(text: str, classes: int) -> str:
    """The same network for pictures of any size and any number of classes: a last layer of that many units takes as
    many as there are, and the `->` checks, which are of the size that the text gives, go with that."""
    tree = unchecked(parse(text))
    last = tree.items[-1].form
    if isinstance(last, Layer) and last.kind in ("dense", "conv") and last.units == classes:
        item = dataclasses.replace(tree.items[-1], form=dataclasses.replace(last, units="classes"))
        tree = dataclasses.replace(tree, items=(*tree.items[:-1], item))
    return canonical(dataclasses.replace(tree, input=None, classes=None))


def take_weights(network: nn.Module, tensors: dict[str, Tensor], source: str, others: int = 0) -> str:
    """Fill a network with every weight whose name and shape fit; one sentence says what was taken and what wasn't.

    others: how many classes the source has, where they are others: the last layer that learns stays as it is. Raises
    ConvscopeError where nothing fits.
    """
    own = network.state_dict()
    fitting = {name: t for name, t in tensors.items() if name in own and own[name].shape == t.shape}
    end = ""
    if others and isinstance(network, Network):
        end = last_learned(network.sizes)
        fitting = {name: t for name, t in fitting.items() if not name.startswith(f"{end}.")}
    if not fitting:
        raise ConvscopeError(
            f"weights to start from must fit at least one layer by name and shape. None of the {len(tensors)} tensors "
            f"of {source} fits this network; use the network that they were trained with."
        )
    with torch.no_grad():
        for name, tensor in fitting.items():
            own[name].copy_(tensor)
    ends = [name for name in own if end and name.startswith(f"{end}.")]
    new = [name for name in own if name not in fitting and name not in ends]
    unused = [name for name in tensors if name not in fitting and name not in ends]
    parts = [f"from {source}: {len(fitting)} of {len(own)} tensors taken"]
    if ends and isinstance(network, Network):
        here = network.sizes.classes
        counts = f"{others} classes there, {here} here" if others != here else "its classes have other names here"
        parts.append(f"the last layer {end} is new: {counts}")
    if new:
        parts.append(f"made anew: {', '.join(new[:6])}{' ...' if len(new) > 6 else ''}")
    if unused:
        parts.append(f"not used: {', '.join(unused[:6])}{' ...' if len(unused) > 6 else ''}")
    return "; ".join(parts)
