"""The networks that are timed, and their source for other frameworks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convscope import __version__, files
from convscope.export.code import About, source
from convscope.network.memory import training_memory
from convscope.network.shapes import Sizes, resolve
from convscope.network.source import text_of
from convscope.notation import parse, write_out
from peers.environments import HOME


@dataclass(frozen=True)
class Case:
    """A network of the zoo for pictures (height, width, channels), and what it is trained with."""

    name: str
    input: tuple[int, int, int]
    classes: int
    optimizer: str
    batches: tuple[int, ...]

    @property
    def text(self) -> str:
        """VGG-16 without the pooling to 7 x 7, which would copy a single position 49 times: as its zoo file advises."""
        text = text_of(self.name)
        return text.replace("avgpool to=7x7\n", "") if self.input[:2] == (32, 32) else text

    @property
    def sizes(self) -> Sizes:
        """Every layer with its shapes."""
        return resolve(write_out(parse(self.text)), self.input, self.classes)

    def memory(self, batch: int) -> int:
        """Bytes of a training step."""
        return training_memory(self.sizes, batch, self.optimizer).peak

    def source(self, framework: str) -> Path:
        """A file with the network's source for torch or keras, written below .bench."""
        path = HOME / "sources" / f"{self.name.replace('-', '_')}_{framework}.py"
        files.make_folder(path.parent)
        about = About(f"{self.name}, for a benchmark", __version__, self.text, ())
        files.write_text(path, source(parse(self.text), self.sizes, framework, about))
        return path


CASES = {
    case.name: case
    for case in (
        Case("tutorial-b-mnist", (28, 28, 1), 10, "adam", (50, 256, 1024)),
        Case("tutorial-b-cifar10", (24, 24, 3), 10, "adam", (50, 256, 1024)),
        Case("vgg16", (32, 32, 3), 10, "sgd", (50, 256, 1024)),
        Case("resnet18", (32, 32, 3), 10, "sgd", (50, 256, 1024)),
        Case("resnet50", (224, 224, 3), 1000, "sgd", (8,)),
    )
}
