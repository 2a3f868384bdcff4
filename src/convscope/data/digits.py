"""The embedded data set: 1 797 handwritten digits of 8 x 8, there without a download.

Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998, CC BY 4.0;
made by scripts/make_digits.py.
"""

from __future__ import annotations

import importlib.resources
import io

import numpy as np
from numpy.typing import NDArray


def read() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """images: (1797, 1, 8, 8) uint8, the source's values 0 .. 16 times 255/16, rounded; labels: (1797,) in 0 .. 9."""
    packed = importlib.resources.files("convscope.data").joinpath("digits.npz").read_bytes()
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    scaled = (images.astype(np.uint16) * 255 + 8) // 16
    return scaled.astype(np.uint8)[:, None], labels.astype(np.int64)
