"""What TensorFlow and PaddlePaddle were asked: the cases, and inputs made by a formula so that only answers are stored.

Shared by the scripts that made the values (which run where those frameworks are installed) and by the tests that
read them. Knows NumPy alone.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array32 = NDArray[np.float32]
HERE = Path(__file__).parent


def numbers(*shape: int, salt: int = 0) -> Array32:
    """Values in (-2, 2), no two alike up to 4 099 of them, the same on every machine."""
    walk = (np.arange(math.prod(shape)) * 1597 + 389 * salt) % 4099
    return ((walk + 0.25) * 4 / 4099 - 2).astype(np.float32).reshape(shape)


@dataclass(frozen=True)
class Window:
    """One convolution or pooling, in the notation's own words. `shape` is (N, C, H, W)."""

    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: str | tuple[int, int]
    shape: tuple[int, int, int, int]
    maps: int = 3
    dilation: int = 1
    groups: int = 1
    border: str = ""
    ceil: bool = False

    @property
    def text(self) -> str:
        """The layer as it stands in a network."""
        words = [self.kind, f"{self.kernel[0]}x{self.kernel[1]}"]
        words += [str(self.maps)] if self.kind == "conv" else []
        words.append(f"/{self.stride[0]}x{self.stride[1]}")
        words.append(self.padding if isinstance(self.padding, str) else f"pad={self.padding[0]}x{self.padding[1]}")
        words += ["ceil"] if self.ceil else []
        words += [f"dilation={self.dilation}"] if self.dilation > 1 else []
        words += [f"groups={self.groups}"] if self.groups > 1 else []
        words += [f"border={self.border}"] if self.border else []
        return " ".join(words)

    @property
    def name(self) -> str:
        """Its key in the stored file."""
        return f"{self.text} on {self.shape[2]}x{self.shape[3]}x{self.shape[1]}"

    @property
    def x(self) -> Array32:
        return numbers(*self.shape)

    @property
    def weight(self) -> Array32:
        """(maps, channels / groups, kh, kw)."""
        return numbers(self.maps, self.shape[1] // self.groups, *self.kernel, salt=1)

    @property
    def for_textbook(self) -> dict[str, Any]:
        """The keywords of `reference.conv`, or of the pooling functions."""
        if self.kind != "conv":
            return {"kernel": self.kernel, "stride": self.stride, "padding": self.padding, "ceil": self.ceil}
        border = {"border": self.border} if self.border else {}
        return {
            "stride": self.stride, "dilation": self.dilation, "groups": self.groups, "padding": self.padding, **border
        }  # fmt: skip


_SIZES = ((1, 2, 7, 9), (1, 2, 8, 6))
_STRIDES = ((1, 1), (2, 2), (3, 3))
_WORDS = ("same", "valid")


def _windows(kinds: tuple[str, ...], kernels: tuple[tuple[int, int], ...]) -> list[Window]:
    return [
        Window(kind, kernel, stride, word, size)
        for kind, kernel, stride, word, size in itertools.product(kinds, kernels, _STRIDES, _WORDS, _SIZES)
    ]


TENSORFLOW_WINDOWS = [
    *_windows(("conv",), ((3, 3), (5, 3), (4, 4), (2, 2), (1, 1))),
    *_windows(("maxpool", "avgpool"), ((2, 2), (3, 3), (4, 4), (5, 3))),
    *(
        Window("conv", (3, 3), stride, word, (2, 2, 11, 8), dilation=2)
        for stride in ((1, 1), (2, 2))
        for word in _WORDS
    ),
    # depthwise, two maps for each channel
    *(Window("conv", (3, 3), (2, 2), word, (2, 3, 9, 8), maps=6, groups=3) for word in _WORDS),
]

PADDLE_WINDOWS = [
    *_windows(("conv",), ((3, 3), (5, 3), (4, 4))),
    *_windows(("maxpool", "avgpool"), ((3, 3), (4, 4))),
    *(Window("conv", (3, 3), stride, (2, 1), (2, 2, 11, 8), dilation=2) for stride in ((1, 1), (2, 2))),
    *(Window("conv", (5, 3), (2, 2), word, (2, 4, 9, 8), maps=6, groups=2) for word in _WORDS),
    *(Window("conv", (5, 3), (2, 1), (2, 1), (1, 2, 7, 6), border=border) for border in ("replicate", "reflect")),
    *(
        Window(kind, (3, 3), (2, 2), (side, side), size, ceil=ceil)
        for kind, side, size, ceil in itertools.product(("maxpool", "avgpool"), (0, 1), _SIZES, (False, True))
    ),
]

ADAPTIVE = (
    ("avgpool_to", (6, 6), (2, 2, 13, 9)),
    ("avgpool_to", (4, 7), (2, 2, 5, 6)),
    ("maxpool_to", (3, 2), (2, 2, 7, 9)),
)

RESPONSES = ((5, 2.0, 1e-4, 0.75), (3, 1.0, 0.5, 0.5), (9, 1.0, 1e-2, 0.75))
"""window, k, alpha, beta; on 6 maps, so that the widest window sees all of them."""
RESPONSE_SHAPE = (2, 6, 3, 4)

NORMALISED_SHAPE = (3, 4, 5, 2)
NORMALISED_EPS = 1e-3

LOGITS_SHAPE = (5, 7)
LABELS = np.array([3, 0, 6, 6, 1])
SMOOTHINGS = (0.0, 0.1)
"""Logits are 3 times `numbers`; for tutorial A's loss 20 times, so that some pictures are clipped and some are not."""

STEPS = 4
"""Each optimiser takes this many steps of the parabola's gradient, weight * (1, 2, ..), from `numbers(6)`."""
RATE = 0.01

ACTIVATIONS = ("relu", "relu6", "leaky", "elu", "sigmoid", "silu", "tanh", "gelu", "softmax")
ACTIVATED_SHAPE = (4, 40)
"""4 times `numbers`, so that both tails are seen; leaky has slope 0.1."""


def load(framework: str) -> dict[str, Array32]:
    """The stored values, by name."""
    with np.load(HERE / f"{framework}.npz", allow_pickle=False) as stored:
        numbers_in_a_row, index = stored["values"], json.loads(str(stored["index"]))
    values, start = {}, 0
    for name, shape in index.items():
        values[name] = numbers_in_a_row[start : start + math.prod(shape)].reshape(shape)
        start += math.prod(shape)
    assert start == len(numbers_in_a_row)
    return values


def save(framework: str, values: dict[str, NDArray[Any]], made_by: str) -> None:
    """What a script computed, to `<framework>.npz` beside it: all values in one row, with the names and shapes as JSON.

    An array each would make the file three times as large.
    """
    path = HERE / f"{framework}.npz"
    np.savez_compressed(
        path,
        allow_pickle=False,
        values=np.concatenate([value.astype(np.float32).ravel() for value in values.values()]),
        index=np.array(json.dumps({name: value.shape for name, value in values.items()})),
        made_by=np.array(made_by),
    )
    print(f"{path}: {len(values)} arrays, {path.stat().st_size} bytes, {made_by}")


def made_by(framework: str) -> str:
    """The framework and version that computed the stored values."""
    with np.load(HERE / f"{framework}.npz", allow_pickle=False) as stored:
        return str(stored["made_by"])
