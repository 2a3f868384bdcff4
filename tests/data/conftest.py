"""Every test of this room has a cache of its own and no data folder; pictures are made, not stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Maker = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_places(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The user's cache and data folders stay out of the tests."""
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("CONVSCOPE_DATA", raising=False)


def draw(path: Path, seed: int, size: tuple[int, int] = (12, 10), grey: bool = False) -> Path:
    """A picture file with pixels of its own; size is (width, height)."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (size[1], size[0]) if grey else (size[1], size[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "JPEG" if path.suffix == ".jpg" else "PNG")
    return path


@pytest.fixture
def picture() -> Callable[..., Path]:
    """Writes one picture file."""
    return draw


@pytest.fixture
def folder_of(tmp_path: Path) -> Maker:
    """Makes a folder of class folders, n pictures a class, each with its own pixels."""

    def make(
        classes: tuple[str, ...] = ("cat", "dog"),
        n: int = 10,
        root: str = "photos",
        start: int = 0,
        grey: bool = False,
        size: tuple[int, int] = (12, 10),
    ) -> Path:
        for number, name in enumerate(classes):
            for i in range(n):
                draw(tmp_path / root / name / f"{i:03d}.png", start + 1000 * number + i, size, grey)
        return tmp_path / root

    return make
