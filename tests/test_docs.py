"""Each command that stands in the README and in docs is carried out as it is written, but for how long it trains."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.cli import run

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]

REFUSED = {"convscope fit 28 27 --kernel 5"}
"""Commands that a page shows for the sake of their error."""


def commands(page: Path) -> list[str]:
    """The commands of a page: lines of its code blocks that begin with `convscope` or `python examples/`."""
    text = page.read_text(encoding="utf-8")
    lines = [line.removeprefix("    ").removeprefix("$ ") for line in text.replace("\\\n", "").splitlines()]
    return [line for line in lines if re.match(r"convscope [a-z]|python examples/", line)]


def short(line: str) -> list[str]:
    """The words of a command; a training takes two steps of small batches."""
    words = shlex.split(line, comments=True)[1:]
    if words[0] != "train" or "--resume" in words:
        return words
    for flag in ("--epochs", "--budget", "--steps"):
        while flag in words:
            at = words.index(flag)
            del words[at : at + 2]
    words = [re.sub(r"\b(steps|epochs)=\d+", "train.steps=2", word) for word in words]
    if words[1:2] == ["photos"] and not {"--net", "--input"} & set(words) and "runs/mnist" not in words:
        words += ["--input", "64"]  # published weights take 224, which is slow
    return words if "train.steps=2" in words else [*words, "--steps", "2"]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages speak of: pictures, a table of them, a recipe, runs and a model file."""
    home = tmp_path_factory.mktemp("home")
    generator = np.random.default_rng(0)
    rows = ["path,label"]
    for number in range(48):
        name = ("cat", "dog")[number % 2]
        path = home / "photos" / name / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = generator.integers(0, 200, (40, 40, 3), dtype=np.uint8)
        picture[:, :, number % 2] += 55
        Image.fromarray(picture).save(path)
        rows.append(f"photos/{name}/{number}.jpg,{name}")
    (home / "pictures.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for name in ("another.jpg", "photo.jpg", "one.jpg"):
        shutil.copy(home / "photos/cat/0.jpg", home / name)
    seven = np.zeros((28, 28), dtype=np.uint8)
    seven[5:8, 6:22] = seven[5:24, 16:19] = 255
    Image.fromarray(seven).save(home / "seven.png")
    for digit in range(10):  # the same figure ten times: a place for each class is what is asked for
        (home / "photographs" / str(digit)).mkdir(parents=True)
        shutil.copy(home / "seven.png", home / "photographs" / str(digit))
    (home / "mine.toml").write_text(
        'format = 1\ndata = "photos"\nnetwork = "conv 3x3 4, relu, gap, dense"\n[train]\nepochs = 1\n',
        encoding="utf-8",
    )
    (home / "mine.net").write_text("input 28x28x1, classes 10\nconv 3x3 4, relu, gap, dense\n", encoding="utf-8")
    net = "conv 3x3 32, relu, gap, dense"
    if not os.environ.get("CONVSCOPE_DATA"):
        pytest.skip("needs MNIST: set CONVSCOPE_DATA")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("CONVSCOPE_CACHE", str(home / "cache"))
        assert run(["train", "mnist[:512]", "--net", net, "--steps", "2", "-o", "runs/mnist", "--quiet"]) == 0
        assert run(["train", "photos", "--net", net, "--steps", "2", "-o", "runs/photos", "--quiet"]) == 0
    shutil.copy(home / "runs/photos/model.safetensors", home / "model.safetensors")
    return home


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_commands(page: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                  capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setenv("CONVSCOPE_CACHE", str(home / "cache"))
    here = tmp_path / "here"
    shutil.copytree(home, here, ignore=shutil.ignore_patterns("cache"))
    monkeypatch.chdir(here)
    for line in commands(page):
        if line.startswith("python"):
            example(line)
            continue
        capsys.readouterr()
        code = run(short(line))
        said = capsys.readouterr()
        assert code == (2 if line in REFUSED else 0), f"{page.name}: {line}\n{said.out}\n{said.err}"


def example(line: str) -> None:
    """Runs an example as it is written, from the root of the clone."""
    words = shlex.split(line, comments=True)[1:]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_the_pages_have_commands() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 20
