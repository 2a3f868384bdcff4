"""`convscope code`."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cli.conftest import NET, Command
from convscope import api

PAGE = (Path(__file__).parents[2] / "docs" / "code.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("framework", "line"), [("torch", "class Net(nn.Module):"), ("keras", "class Net(keras.Model):")]
)
def test_a_text_as_source(framework: str, line: str, say: Command) -> None:
    said = say("code", NET, "--as", framework, "--input", "8x8x1", "--classes", "3")
    assert said.code == 0
    assert said.out.startswith("# A convolutional network\n# Written by convscope ")
    assert f"; it needs {framework} alone.\n" in said.out
    assert "#   conv 3x3 4, relu, maxpool 2, gap, dense\n" in said.out
    assert line in said.out
    ast.parse(said.out)


def test_a_name_of_the_zoo_to_a_file(say: Command, tmp_path: Path) -> None:
    said = say("code", "resnet20", "-o", tmp_path / "net.py")
    text = (tmp_path / "net.py").read_text(encoding="utf-8")
    assert said.out == f"{tmp_path / 'net.py'}: {len(text.splitlines())} lines\n"
    assert text.startswith("# resnet20: ResNet-20")
    assert "# paper:" not in text, "the zoo's own header stays there"
    assert "#   layer1: 3 * plain(16)" in text


def test_a_run_says_how_its_weights_are_loaded(run_of_digits: Path, say: Command, tmp_path: Path) -> None:
    """And the source, which needs PyTorch alone, gives the classifier's logits, and refuses weights of another."""
    assert say("code", run_of_digits, "-o", tmp_path / "net.py").code == 0
    text = (tmp_path / "net.py").read_text(encoding="utf-8")
    file = (run_of_digits / "model.safetensors").as_posix()
    assert f'load("{file}")' in text
    assert "A picture as it takes it:" in text
    other = NET.replace("3x3 4", "5x5 4")
    assert say("code", other, "--input", "8x8x1", "--classes", "10", "-o", tmp_path / "other.py").code == 0
    classifier = api.load(run_of_digits)
    height, width = classifier.preprocess.input_size
    pictures = np.arange(2 * height * width, dtype=np.uint8).reshape(2, 1, height, width)
    np.save(tmp_path / "x.npy", classifier.preprocess.to_input(pictures).numpy())
    words = (
        f"import net, other, numpy, torch; model = net.load({file!r});"
        f"numpy.save('y.npy', model(torch.from_numpy(numpy.load('x.npy'))).detach().numpy());"
        f"other.load({file!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", words],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert "ValueError: conv1.weight: torch.Size([4, 1, 3, 3]), not torch.Size([4, 1, 5, 5])" in done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), classifier.logits(pictures).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            [NET, "--as", "jax", "--input", "8x8x1", "--classes", "3"],
            "unknown framework 'jax'. These exist: keras, torch.",
        ),
        ([NET], "the input's size must be known"),
        (["."], "code takes a network, a .net file, or a run that has a model. . has none."),
    ],
)
def test_what_cant_be_written(words: list[str], sentence: str, say: Command) -> None:
    said = say("code", *words)
    assert said.code == 2
    assert sentence in said.err


def test_the_commands_of_the_page_work(run_of_digits: Path, say: Command) -> None:
    commands = re.findall(r"^    convscope (code .*?) *(?:#.*)?$", PAGE, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        words = [str(run_of_digits) if word == "runs/photos" else word for word in shlex.split(command)]
        assert say(*words).code == 0, command


def test_the_class_on_the_page_is_the_one_that_is_written(say: Command) -> None:
    shown = re.search(r"comes\n\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert shown
    assert shown[1] in say("code", "resnet20").out
