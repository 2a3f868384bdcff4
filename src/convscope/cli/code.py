"""`convscope code`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

if TYPE_CHECKING:
    from convscope.data.preprocess import Preprocess

HELP = "A network as plain PyTorch or Keras source that stands alone and gives the same outputs."


def command(
    net: Annotated[
        str, Argument(help="a network as text, a name of the zoo, a .net file, a run's folder or a model file")
    ],
    framework: Annotated[str, Option("--as", help="torch or keras")] = "torch",
    output: Annotated[str, Option("--output", "-o", help="the file to write; else it is printed")] = "",
    input: Annotated[str, Option(help="28x28x1: in place of what the text says")] = "",
    classes: Annotated[int | None, Option(min=1, help="in place of what the text says")] = None,
) -> int:
    """Carry it out; see HELP."""
    from convscope import __version__, files
    from convscope.cli.networks import given_network, sized
    from convscope.export.code import About, source
    from convscope.report.text import say

    given = given_network(net, "code")
    tree, sizes = sized(given, input, classes)
    lines = [line.rstrip() for line in given.text.splitlines()]
    text = "\n".join(line for line in lines if line and not line.startswith("#"))
    notes = _weights(net, given.preprocess) if given.preprocess is not None else []
    about = About(_title(net, given.preprocess is not None), __version__, text, tuple(notes))
    written = source(tree, sizes, framework, about)
    if output:
        files.write_text(Path(output), written)
        say(sys.stdout, f"{output}: {len(written.splitlines())} lines")
    else:
        say(sys.stdout, written.splitlines())
    return 0


def _title(word: str, model: bool) -> str:
    """What the first line calls the network."""
    from convscope.network.source import about, zoo

    if word.strip() in zoo():
        return f"{word.strip()}: {about(word.strip()).title}"
    return f"The network of {Path(word).as_posix()}" if model else "A convolutional network"


def _weights(word: str, preprocess: Preprocess) -> list[str]:
    """How the weights of a model are loaded, and what a picture must be first."""
    path = Path(word)
    file = (path / "model.safetensors" if path.is_dir() else path).as_posix()
    height, width = preprocess.input_size
    size = f"{height} x {width}, {'grey' if preprocess.channels == 1 else 'RGB'}"
    if preprocess.per_picture:
        numbers = "each less its own mean, divided by its own deviation"
    elif len(preprocess.mean) > preprocess.channels:
        numbers = "pixel / 255 less the mean, divided by the deviation, of each value: see the file's header"
    else:
        mean, std = (", ".join(f"{n:g}" for n in numbers) for numbers in (preprocess.mean, preprocess.std))
        numbers = f"(pixel / 255 - mean) / std with mean {mean} and std {std}"
    return [f'Its weights: model = load("{file}")', f"A picture as it takes it: {size}; {numbers}."]
