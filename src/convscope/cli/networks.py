"""A network as a command takes it: a text, a name of the zoo, a .net file, a run's folder or a model file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.cli.sizes import read_input
from convscope.errors import ConvscopeError

if TYPE_CHECKING:
    from convscope.network.shapes import Sizes
    from convscope.notation.syntax import Tree


@dataclass(frozen=True)
class Given:
    """A network's text; of a model its input (height, width, channels) and its classes too, else None."""

    text: str
    input: tuple[int, int, int] | None = None
    classes: int | None = None


def given_network(word: str, verb: str) -> Given:
    """What `word` stands for. Raises ConvscopeError where it is none of the five; `verb` is named in the sentence."""
    from convscope.network.source import text_of

    if word.endswith(".safetensors") or (word.strip() and (Path(word) / "model.safetensors").is_file()):
        from convscope import api
        from convscope.network.build import Network

        network = api.load(word).network
        assert isinstance(network, Network)
        return Given(network.text, network.input, network.sizes.classes)
    if word.strip() and Path(word).is_dir():  # no word at all would be this folder
        raise ConvscopeError(f"{verb} takes a network, a .net file, or a run that has a model. {word} has none.")
    return Given(text_of(word))


def sized_network(word: str, verb: str, input: str = "", classes: int | None = None) -> tuple[Tree, Sizes]:
    """The tree of a network and its shapes; `input` (28x28x1) and `classes` take the place of what the text says."""
    from convscope.network.shapes import resolve
    from convscope.notation import parse, write_out

    given = given_network(word, verb)
    shape = given.input
    if input:
        height, width, channels = read_input(input)
        if channels is None:
            raise ConvscopeError(f"--input must be height x width x channels here: {height}x{width}x3. Got {input!r}.")
        shape = (height, width, channels)
    tree = parse(given.text)
    return tree, resolve(write_out(tree), shape, classes or given.classes)
