"""A network as a command takes it: a text, a name of the zoo, a .net file, a run's folder or a model file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.cli.sizes import read_shape
from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from convscope.data.preprocess import Preprocess
    from convscope.network.shapes import Sizes
    from convscope.notation.syntax import Tree


@dataclass(frozen=True)
class Given:
    """A network's text; of a model its input (height, width, channels), its classes and its preprocessing too, else
    None."""

    text: str
    input: tuple[int, int, int] | None = None
    classes: int | None = None
    preprocess: Preprocess | None = None


def given_network(word: str, verb: str) -> Given:
    """What `word` stands for. Raises ConvscopeError where it is none of the five; `verb` is named in the sentence."""
    from convscope.network.source import text_of

    if word.endswith(".safetensors") or (word.strip() and (Path(word) / "model.safetensors").is_file()):
        from convscope import api
        from convscope.network.build import Network

        model = api.load(word)
        assert isinstance(model.network, Network)
        return Given(model.network.text, model.network.input, model.network.sizes.classes, model.preprocess)
    if word.strip() and Path(word).is_dir():  # no word at all would be this folder
        raise ConvscopeError(f"{verb} takes a network, a .net file, or a run that has a model. {word} has none.")
    return Given(text_of(word))


def sized_network(word: str, verb: str, input: str = "", classes: int | None = None) -> tuple[Tree, Sizes]:
    """As `sized`, of what `word` stands for."""
    return sized(given_network(word, verb), input, classes)


def sized(given: Given, input: str = "", classes: int | None = None) -> tuple[Tree, Sizes]:
    """The tree of a network and its shapes; `input` (28x28x1) and `classes` take the place of what the text says."""
    from convscope.network.shapes import resolve
    from convscope.notation import parse, write_out

    tree = parse(given.text)
    usual = given.input or tree.input
    shape = read_shape(input, usual[2] if usual else None) if input else given.input
    return tree, resolve(write_out(tree), shape, classes or given.classes)


def plan_of(text: str, sizes: Sizes, batch_size: int, anew: bool = False) -> dict[str, Any]:
    """The plan by which training would carry out a network's steps here, remembered or measured."""
    import torch

    from convscope import kernels
    from convscope.network.build import Network

    network = Network(text, input=sizes.input, classes=sizes.classes)
    height, width, channels = network.input
    network.whiten(torch.randn(16, channels, height, width))  # any pictures: only the time is wanted
    return kernels.plan(network, (batch_size, channels, height, width), anew=anew)
