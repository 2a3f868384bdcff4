"""A data set as arrays, for peers that know nothing of convscope."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from convscope import files
from convscope.data import store
from peers.environments import HOME


def arrays(name: str) -> Path:
    """A file below .bench with all pictures, (N, H, W, C) uint8, and labels of the training and the test part.

    Raises ConvscopeError where the data isn't here.
    """
    path = HOME / "data" / f"{name}.npz"
    if not path.is_file():
        data = store.load(name, validation=0.0)
        files.make_folder(path.parent)
        parts = {"train": data.train, "test": data.test}
        with files.writing(path) as stream:
            np.savez(
                stream,
                **{key: part.images.transpose(0, 2, 3, 1) for key, part in parts.items()},
                **{f"{key}_labels": part.labels for key, part in parts.items()},
            )
    return path
