"""What a training begins with: the recipe that is meant by what the user gave, and the weights to start from.

Knows recipes and the models that they name; reads no pictures and trains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from convscope import files, recipe
from convscope.classifier import Classifier
from convscope.data.images import DataSet
from convscope.errors import ConvscopeError
from convscope.network.build import Network
from convscope.recipe import Recipe
from convscope.recipe.realise import IN_MEMORY, open_end, take_weights

_OF_DATA = (*recipe.SplitSettings.model_fields, *recipe.InputSettings.model_fields)


def recipe_of(
    word: str | DataSet, network: str | nn.Module | None, settings: Mapping[str, Any], base: Path
) -> tuple[Recipe, str, list[str]]:
    """The recipe that is meant, a name for the run's folder, and sentences for the user.

    word, network, settings: as `convscope.train_records` takes them; base: the folder from which paths are seen.
    Raises ConvscopeError for what names no recipe and no data, and for settings that can't be.
    """
    notes, plain = [], True
    if isinstance(word, DataSet):
        chosen, name = recipe.load(recipe.bundled()["folder"]), "run"
        chosen = chosen.model_copy(update={"data": IN_MEMORY})
        told = [key for key in settings if key.split(".")[0] in ("split", "input") or key in _OF_DATA]
        if told:
            raise ConvscopeError(
                f"an image set is split and fitted already. Got {', '.join(told)}; give them to convscope.data(...)."
            )
    elif not word:
        raise ConvscopeError("train needs a recipe's name, a data set's name, a folder or a .csv. Got nothing.")
    else:
        choice = recipe.choose(word, base)
        chosen, name, plain = choice.load(), choice.name, choice.kind == "data"
        notes = [choice.note] if choice.note else []
        of = choice.recipe.stem if choice.recipe in recipe.bundled().values() else ""
        # `folder` is the recipe of whatever is brought; the others' settings were tried with their own network
        if of not in ("", "folder") and chosen.network and (network is not None or "network" in settings):
            notes.append(f"the settings are those of the recipe {of}, which were chosen for another network")
    settings = {("learning_rate" if key == "lr" else key): value for key, value in settings.items()}
    if isinstance(network, str):
        settings["network"] = network
    if isinstance(settings.get("network"), str):
        settings["network"] = _text_of_model(settings["network"], base)
    if settings:
        chosen = recipe.with_settings(chosen, settings, base)
    if chosen.from_ and network is None and "network" not in settings and plain:
        chosen = _as_source(chosen)
    return chosen, name, notes


def _text_of_model(word: str, base: Path) -> str:
    """The network of a run's folder or a model file, for any number of classes; any other word as it is."""
    given = word.strip()
    if not given.endswith(".safetensors") and (not given or "\n" in given or not (base / given).is_dir()):
        return word
    source = Classifier.load(base / given)
    if not isinstance(source.network, Network):
        return word
    return open_end(source.network.text, len(source.classes))


def _as_source(chosen: Recipe) -> Recipe:
    """Where only data and a model to start from are given, the network and the size of pictures are the model's."""
    source = Classifier.load(Path(chosen.from_))
    if not isinstance(source.network, Network):
        return chosen
    size = chosen.input.size or source.preprocess.size
    channels = chosen.input.channels or source.preprocess.channels
    like = chosen.input.model_copy(update={"size": size, "channels": channels, "crop_to": source.preprocess.crop_to})
    text = open_end(source.network.text, len(source.classes))
    return chosen.model_copy(update={"network": text, "input": like})


def from_model(model: str, network: nn.Module, classes: tuple[str, ...]) -> tuple[str, str]:
    """Take what fits of a model's weights: the sentence about it, and the SHA-256 of its file.

    classes: of the data to be trained on. Raises ConvscopeError where nothing fits.
    """
    source = Classifier.load(Path(model))
    others = len(source.classes) if source.classes != classes else 0
    note = take_weights(network, source.network.state_dict(), model, others)
    return note, files.sha256_file(source.path or Path(model))
