"""Runs written sources in a process of their own: `python child.py torch|keras FOLDER`.

Of each FOLDER/NAME.py it makes the network, with the weights of NAME.safetensors where there are some, and leaves its
outputs for NAME.input.npy (N, C, H, W) in NAME.output.npy, maps as (N, C, H, W). For Keras it also leaves the names
that a keras.Model has. Knows nothing of convscope.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np


def module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def outputs(framework: str, path: Path) -> Any:
    source, weights = module(path), path.with_suffix(".safetensors")
    model: Any = source.load(weights) if weights.exists() else source.Net()
    x = np.load(path.with_suffix(".input.npy"))
    if framework == "torch":
        import torch

        with torch.no_grad():
            return model.eval()(torch.from_numpy(x)).numpy()
    from keras import ops

    y = ops.convert_to_numpy(model(ops.convert_to_tensor(x.transpose(0, 2, 3, 1)), training=False))
    return y.transpose(0, 3, 1, 2) if y.ndim == 4 else y


def main(framework: str, folder: Path) -> None:
    if framework == "keras":
        os.environ["KERAS_BACKEND"] = "torch"
        import keras

        names = [name for name in dir(keras.Model()) if not name.startswith("_")]
        (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
    for path in sorted(folder.glob("*.py")):
        np.save(path.with_suffix(".output.npy"), outputs(framework, path))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
