"""What a training begins with: the recipe that is meant by what the user gave, and the weights to start from.

Knows recipes and the models that they name; reads no pictures and trains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from torch import nn

from convscope import files, recipe
from convscope.classifier import Classifier
from convscope.data.images import DataSet
from convscope.errors import ConvscopeError
from convscope.network.build import Network
from convscope.recipe import OptimizerSettings, Recipe, usual
from convscope.recipe.realise import IN_MEMORY, open_end, take_weights
from convscope.train import published

_OF_DATA = (*recipe.SplitSettings.model_fields, *recipe.InputSettings.model_fields)


def recipe_of(
    word: str | DataSet, network: str | nn.Module | None, settings: Mapping[str, Any], base: Path
) -> tuple[Recipe, str, list[str]]:
    """The recipe that is meant, a name for the run's folder, and sentences for the user.

    word, network, settings: as `convscope.train_records` takes them; base: the folder from which paths are seen.
    Raises ConvscopeError for what names no recipe and no data, and for settings that can't be.
    """
    notes, plain, own, bundled = [], True, False, False
    settings = {("learning_rate" if key == "lr" else key): value for key, value in settings.items()}
    if isinstance(word, DataSet):
        chosen, name, own = recipe.load(recipe.bundled()["folder"]), "run", True
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
        own, bundled = of == "folder", bool(of)
        if own and plain and isinstance(network, str | None):
            start = _unasked(chosen, network, settings, base)
            if start:
                notes.append(published.usual_note(start))
                settings["from"] = start
        # `folder` is the recipe of whatever is brought; the others' settings were tried with their own network
        if of not in ("", "folder") and chosen.network and (network is not None or "network" in settings):
            notes.append(_of_the_recipe(of, chosen))
    start = str(settings.get("from", chosen.from_))
    of_source = plain and start not in ("", "none") and network is None and "network" not in settings
    another = isinstance(network, nn.Module) or str(settings.get("network", network or usual.AUTO)) != usual.AUTO
    another = another or (of_source and not _published(start, network, base))
    if another and (own or (bundled and chosen.optimizer.name == "muon")):
        suits_any = dict(usual.FOR_ANOTHER_NETWORK)
        if chosen.train.steps:  # as many pictures as the recipe's own steps take
            pictures = chosen.train.steps * chosen.train.batch_size
            suits_any["train.steps"] = math.ceil(pictures / suits_any["train.batch_size"])
        chosen = recipe.with_settings(_of_another_rule(chosen, suits_any["optimizer.name"]), suits_any)
    chosen = _of_another_rule(chosen, str(settings.get("optimizer.name", "")))
    if isinstance(network, str):
        settings["network"] = network
    if isinstance(settings.get("network"), str):
        settings["network"] = _text_of_model(settings["network"], base)
    if start == "none":
        start = settings["from"] = ""
    if start and _published(start, network, base):
        if not own and bundled and network is None and "network" not in settings:
            chosen, own = recipe.load(recipe.bundled()["folder"]).model_copy(update={"data": chosen.data}), True
            notes.append(f"of the recipe {name} the data alone is taken: its network can't take the weights of {start}")
        if own:
            suits_any = published.settings_for(settings)
            chosen = recipe.with_settings(_of_another_rule(chosen, suits_any["optimizer.name"]), suits_any)
        given = str(settings.pop("network", "")) or ("" if own else chosen.network)
        chosen = published.with_network(recipe.with_settings(chosen, {**settings, "from": start}, base), given, base)
        return chosen, name, notes
    if settings:
        chosen = recipe.with_settings(chosen, settings, base)
    if chosen.train.thaw != "auto" and not chosen.from_:
        raise ConvscopeError(
            f"thaw says how much of trained weights learns on. Got thaw = {chosen.train.thaw!r} and no weights: give "
            "some with --from, or leave thaw out."
        )
    if chosen.from_ and network is None and "network" not in settings and plain:
        chosen = _as_source(chosen)
    return chosen, name, notes


def _of_the_recipe(name: str, chosen: Recipe) -> str:
    """A sentence on what a recipe gives to another network than its own."""
    if chosen.optimizer.name == "muon":  # whose rates fit the start and the end of their own network alone
        return (
            f"of the recipe {name} the data, its augmentation and the length are taken; the optimizer is the usual one "
            "for any network, since the recipe's was chosen for its own"
        )
    return f"the settings are those of the recipe {name}, which were chosen for another network"


def _of_another_rule(chosen: Recipe, name: str) -> Recipe:
    """The recipe without what it says of its optimizer where that gives way to another: a rate is a rule's own, and so
    is adamw's weight decay, which isn't part of the gradient."""
    if name in ("", chosen.optimizer.name) or name not in get_args(OptimizerSettings.model_fields["name"].annotation):
        return chosen
    decay = 0.0 if "adamw" in (name, chosen.optimizer.name) else chosen.optimizer.weight_decay
    fresh = OptimizerSettings.model_validate({"name": name, "weight_decay": decay})
    return chosen.model_copy(update={"optimizer": fresh})


def _unasked(chosen: Recipe, network: str | None, settings: Mapping[str, Any], base: Path) -> str:
    """The published weights that the data starts from by itself, or "": see `published.usual`."""
    keys = {key.rpartition(".")[2] for key in settings}
    grey = any(str(settings.get(key)) == "1" for key in ("input.channels", "channels"))
    if network is not None or grey or keys & {"network", "from", "freeze"}:
        return ""
    return published.usual(chosen.data, base)


def _published(start: str, network: str | nn.Module | None, base: Path) -> bool:
    """Whether `from` names published weights. Raises ConvscopeError where somebody's own module is to take them."""
    if (base / start / "recipe.toml").is_file() or not published.is_name(start, base):
        return False
    if isinstance(network, nn.Module):
        raise ConvscopeError(
            f"the weights of {start} go into the zoo's network. Got one's own module: fill it yourself "
            f"(convscope.weights.trained({start!r}).tensors), or leave it out."
        )
    return True


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
