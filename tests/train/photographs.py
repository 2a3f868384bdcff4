"""Pictures in colour, and weights that nobody has trained, for tests of a start from published weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from convscope.network.build import Network
from convscope.network.source import text_of_zoo
from convscope.weights.find import entry_of
from convscope.weights.known import imagenet_classes
from convscope.weights.load import Trained, digest

NAME = "efficientnet_lite0"


def drawn(name: str) -> Trained:
    """Weights of a network of the zoo that nobody has trained."""
    facts = entry_of(name)
    tensors = Network(text_of_zoo(name), seed=1).state_dict()
    return Trained(
        name=name, source=facts.source, tensors=tensors, mean=facts.mean, std=facts.std, size=facts.size,
        fit=facts.fit, resize=256, classes=imagenet_classes(), sha256=digest(tensors), path=Path("drawn"),
    )  # fmt: skip


def photographs(folder: Path, each: int = 12, side: int = 32, grey: bool = False) -> Path:
    """Two classes of colour, in noise."""
    generator = np.random.default_rng(0)
    for place, name in enumerate(("day", "night")):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            picture = generator.integers(0, 120, (side, side, 3), dtype=np.uint8)
            picture[:, :, 2 * place] += 100
            if grey:
                picture[:] = picture[:, :, :1]
            saved = Image.fromarray(picture[:, :, 0] if grey else picture)
            saved.save(folder / name / f"{number}.png")
    return folder
