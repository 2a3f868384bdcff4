"""What the tests of the command line share: a folder of pictures, a trained run, and a way to give a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.cli import run

NET = "conv 3x3 4, relu, maxpool 2, gap, dense"


@dataclass(frozen=True)
class Said:
    """What a command printed, and the code that it left with."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds data sets of this machine. Each for itself: what other folders test after these wants them."""
    monkeypatch.delenv("CONVSCOPE_DATA", raising=False)


def write_pictures(folder: Path, classes: tuple[str, ...], each: int = 14) -> Path:
    """A folder a class, of small PNGs: noise with a bright band whose place is the class."""
    generator = np.random.default_rng(0)
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            picture = generator.integers(0, 90, (12, 12 + number % 3), dtype=np.uint8)
            picture[:, 3 * place : 3 * place + 4] += 120
            Image.fromarray(picture).save(folder / name / f"照片 {number}.png")
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """28 pictures of 猫 and 狗 below a path with a space and Chinese signs in it."""
    return write_pictures(tmp_path_factory.mktemp("my 图片") / "the pets", ("狗", "猫"))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Carries out a command in an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def command(*words: str | Path) -> Said:
        capsys.readouterr()
        code = run([str(word) for word in words])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return command


@pytest.fixture(scope="session")
def run_of_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; it is evaluated and predicted with, and not changed otherwise."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    assert run(["train", "digits", "--net", NET, "--epochs", "1", "--out", str(out), "--quiet"]) == 0
    return out


@pytest.fixture(scope="session")
def run_of_pictures(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    out = tmp_path_factory.mktemp("runs") / "的 run"
    words = ["train", str(pictures), "--net", NET, "--steps", "8", "--out", str(out), "--quiet"]
    assert run([*words, "--set", "batch_size=8"]) == 0
    return out
