"""What a network said of each picture of a split, kept so that no question about it needs the network again.

Knows arrays and one file, `predictions.npz`. Knows nothing of how the probabilities came about.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from convscope import files
from convscope.errors import ConvscopeError


@dataclass(frozen=True, eq=False)
class Predictions:
    """One row a picture, in the order in which the split holds them.

    ids: (N,) int64, the row in the whole data set. names: N paths relative to the data, or "train/123".
    labels: (N,) int64 in [0, K), the truth. probabilities: (N, K) float32, rows that sum to 1. classes: K names.
    losses: (N,) float32, each picture's cross-entropy in nats from the logits; None where only the probabilities are
    known.
    Raises ConvscopeError where the arrays contradict each other or a probability is not finite.
    """

    ids: NDArray[np.int64]
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    losses: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Brings the arrays to their types and checks that they fit each other."""
        object.__setattr__(self, "ids", np.asarray(self.ids, dtype=np.int64))
        object.__setattr__(self, "labels", np.asarray(self.labels, dtype=np.int64))
        object.__setattr__(self, "probabilities", np.asarray(self.probabilities, dtype=np.float32))
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "classes", tuple(self.classes))
        _check(self)

    def __len__(self) -> int:
        """The number of pictures, N."""
        return len(self.labels)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each picture, (N,) int64; of equals, the first."""
        return np.asarray(np.argmax(self.probabilities, axis=1), dtype=np.int64)

    def save(self, path: Path) -> None:
        """Writes the file whole or not at all: arrays only, the names as UTF-8 JSON in an array of bytes."""
        with files.writing(Path(path)) as file:
            np.savez_compressed(
                file,
                format=np.int64(files.FORMAT),
                ids=self.ids,
                labels=self.labels,
                probabilities=self.probabilities,
                names=_packed(self.names),
                classes=_packed(self.classes),
                losses=np.zeros(0, np.float32) if self.losses is None else self.losses,
            )

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Reads what `save` wrote; nothing in the file is executed. ConvscopeError where it is no such file."""
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                files.check_format(path, int(file["format"]))
                return cls(
                    file["ids"],
                    _unpacked(file["names"]),
                    file["labels"],
                    file["probabilities"],
                    _unpacked(file["classes"]),
                    losses if (losses := file.get("losses")) is not None and len(losses) else None,
                )
        except (OSError, ValueError, TypeError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise ConvscopeError(
                f"{path} must be a predictions file that convscope wrote. It can't be read: {error}. "
                "Make it anew with `convscope evaluate`."
            ) from error


def _check(p: Predictions) -> None:
    """Raises ConvscopeError at the first contradiction between the arrays."""
    n, k = len(p.names), len(p.classes)
    if k < 1:
        raise ConvscopeError("predictions need at least one class name. Got none.")
    shapes = {"ids": p.ids.shape, "labels": p.labels.shape, "probabilities": p.probabilities.shape}
    must = {"ids": (n,), "labels": (n,), "probabilities": (n, k)}
    if p.losses is not None:
        shapes["losses"], must["losses"] = p.losses.shape, (n,)
    for what, shape in shapes.items():
        if shape != must[what]:
            raise ConvscopeError(
                f"predictions for {n} names and {k} classes need {what} of shape {must[what]}. Got {shape}."
            )
    if n and not (p.labels.min() >= 0 and p.labels.max() < k):
        raise ConvscopeError(
            f"labels must lie in 0..{k - 1}, the {k} classes. Got {p.labels.min()} to {p.labels.max()}."
        )
    good = np.isfinite(p.probabilities).all(axis=1)
    good &= (p.probabilities >= 0).all(axis=1)
    good &= np.abs(p.probabilities.sum(axis=1, dtype=np.float64) - 1) <= 1e-3
    if not good.all():
        row = int(np.argmin(good))
        raise ConvscopeError(
            f"probabilities must be finite, not negative, and sum to 1 in each row. Those of {p.names[row]!r} "
            f"(row {row}) do not; pass the logits through softmax."
        )


def _packed(names: Sequence[str]) -> NDArray[np.uint8]:
    """Names as the bytes of a JSON list. Escaped to ASCII, so that file names which are no valid text pass too."""
    return np.frombuffer(json.dumps(list(names)).encode("ascii"), dtype=np.uint8)


def _unpacked(array: NDArray[np.uint8]) -> tuple[str, ...]:
    names = json.loads(array.tobytes().decode("utf-8"))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its names are no list of texts")
    return tuple(cast(list[str], names))
