"""The network, settings and schedule of PyTorch's own MNIST example: Adadelta, rate 1, times 0.7 an epoch, batches of
64, 14 epochs.

Written anew from these facts. The pictures lie in memory as normalised tensors, which spares it the loader of the
example (most of its time): kinder than the original. It takes any data of 28 x 28 grey pictures.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from protocol import say, settings
from torch import nn
from training import carry_out, read, right, shuffled

BATCH, MEAN, STD = 64, 0.1307, 0.3081


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(12 * 12 * 64, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
    )  # fmt: skip


def ready(pictures: np.ndarray) -> torch.Tensor:
    """uint8 (N, 28, 28, 1) to normalised (N, 1, 28, 28)."""
    return ((torch.from_numpy(pictures).float() / 255 - MEAN) / STD).permute(0, 3, 1, 2).contiguous()


def main() -> None:
    asked = settings()
    torch.set_num_threads(asked["threads"])
    torch.manual_seed(asked["seed"])
    pictures = read(asked["data"])
    x, labels = ready(pictures.train), torch.from_numpy(pictures.train_labels).long()
    model = network().train()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    rows = shuffled(len(x), BATCH, asked["seed"], keep_rest=True)
    an_epoch = -(-len(x) // BATCH)

    def step(done: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] = 0.7 ** (done // an_epoch)
        chosen = torch.from_numpy(next(rows))
        optimizer.zero_grad()
        F.cross_entropy(model(x[chosen]), labels[chosen]).backward()
        optimizer.step()

    def answers(some: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(ready(some)).argmax(1).numpy()

    def look() -> int:
        model.eval()
        found = right(answers, pictures.test, pictures.test_labels)
        model.train()
        return found

    say(way="float32, contiguous, as published; pictures in memory", versions={"torch": torch.__version__})
    carry_out(asked, step, lambda: None, look, len(pictures.test))


if __name__ == "__main__":
    main()
