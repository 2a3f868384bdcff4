"""What the network is fed: which pictures make up each batch of an epoch, and how they look in training.

Order and augmentation depend on (seed, epoch, picture) alone. Knows nothing of networks and losses.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope import draws
from convscope.data.augment import Augment
from convscope.data.images import ImageSet
from convscope.data.preprocess import Preprocess
from convscope.recipe import Recipe


class Batches:
    """The training pictures of a run, in batches. `device` is where these are put."""

    def __init__(self, images: ImageSet, preprocess: Preprocess, recipe: Recipe, device: torch.device) -> None:
        self.images, self.preprocess, self.device = images, preprocess, device
        self.settings, self.seed = recipe.train, recipe.seed
        self.augment = Augment(**{**recipe.augment.model_dump(), "shift": int(recipe.augment.shift)})
        self.an_epoch = len(self.rows(0))

    def rows(self, epoch: int) -> list[NDArray[np.int64]]:
        """The rows of each batch of an epoch; a last batch of one picture joins the one before it, since batch
        normalisation can't learn from a single value."""
        size, n = self.settings.batch_size, len(self.images)
        rows = draws.order(self.seed, epoch, self.images.ids) if self.settings.shuffle else np.arange(n)
        cut = [rows[start : start + size] for start in range(0, n, size)]
        if self.settings.drop_last and len(cut) > 1 and len(cut[-1]) < size:
            cut.pop()
        if len(cut) > 1 and len(cut[-1]) == 1:
            cut[-2:] = [np.concatenate(cut[-2:])]
        return cut

    def batch(self, rows: NDArray[np.int64], epoch: int) -> tuple[Tensor, Tensor]:
        """Pictures and labels as the network sees them in training: (N, C, H, W) float32, (N,) int64."""
        labels = torch.from_numpy(self.images.labels[rows]).to(self.device)
        return self.preprocess.to_input(self._augmented(rows, epoch)), labels

    def seen(self, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The first `count` training pictures of the first epoch as the network sees them, but for the scaling:
        uint8 (count, C, H, W), and their labels."""
        rows = np.concatenate(self.rows(0))[:count]
        return self._augmented(rows, 0).clamp(0, 255).to(torch.uint8).cpu().numpy(), self.images.labels[rows]

    def _augmented(self, rows: NDArray[np.int64], epoch: int) -> Tensor:
        images = torch.from_numpy(np.ascontiguousarray(self.images.images[rows])).to(self.device)
        return self.augment.apply(images, self.images.ids[rows], self.seed, epoch, size=self.preprocess.input_size)
