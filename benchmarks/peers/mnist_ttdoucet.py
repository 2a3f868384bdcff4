"""The recipe of github.com/ttdoucet/mnist in plain PyTorch: residual blocks to 512 maps, Adam, batches of 100, 10
epochs and one of cosine, pictures cropped, turned and bent.

Written anew from its published facts. Cropping, turning and bending are one resampling of the whole batch here:
kinder than picture after picture.
"""

from __future__ import annotations

import contextlib
import math

import numpy as np
import torch
import torch.nn.functional as F
from protocol import say, settings
from torch import nn
from training import carry_out, read, right, shuffled

BATCH, EPOCHS, RATE = 100, 10, 4e-4


class Residual(nn.Module):
    """x is normalised, then x + relu(conv(x))."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(maps), nn.Conv2d(maps, maps, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(x)
        return x + F.relu(self.conv(x))


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 128, 5, padding=2), nn.ReLU(), Residual(128), nn.MaxPool2d(2), Residual(128), nn.BatchNorm2d(128),
        nn.Conv2d(128, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), Residual(256), nn.BatchNorm2d(256),
        nn.Conv2d(256, 512, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True), Residual(512),
        nn.BatchNorm2d(512), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


def standardised(x: torch.Tensor) -> torch.Tensor:
    """Each picture less its mean, by its deviation."""
    return (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True).clamp(min=1e-6)


def changed(x: torch.Tensor) -> torch.Tensor:
    """(N, 1, 28, 28): a window of 25 x 25 drawn anew, turned by up to 10 degrees, bent by up to a pixel."""
    n = len(x)
    angle = (torch.rand(n) * 2 - 1) * math.radians(10)
    scale, most = 25 / 28, 3 / 28
    cos, sin = scale * angle.cos(), scale * angle.sin()
    shift = (torch.rand(2, n) * 2 - 1) * most
    theta = torch.stack([torch.stack([cos, -sin, shift[0]], 1), torch.stack([sin, cos, shift[1]], 1)], 1)  # (N, 2, 3)
    bend = F.interpolate((torch.rand(n, 2, 4, 4) * 2 - 1) * 2 / 28, (28, 28), mode="bicubic", align_corners=True)
    grid = F.affine_grid(theta, [n, 1, 28, 28], align_corners=False) + bend.permute(0, 2, 3, 1)
    return standardised(F.grid_sample(x, grid, align_corners=False))


def centre(pictures: np.ndarray) -> torch.Tensor:
    """The middle 25 x 25 of each, brought back to 28 x 28."""
    x = (torch.from_numpy(pictures).float() / 255).permute(0, 3, 1, 2)[:, :, 1:26, 1:26]
    return standardised(F.interpolate(x, (28, 28), mode="bilinear", align_corners=False))


def main() -> None:
    asked = settings()
    torch.set_num_threads(asked["threads"])
    torch.manual_seed(asked["seed"])
    pictures = read(asked["data"])
    x = (torch.from_numpy(pictures.train).float() / 255).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(pictures.train_labels).long()
    flags = asked.get("flags", False)
    layout = torch.channels_last if flags else torch.contiguous_format
    model = network().to(memory_format=layout).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.99), fused=flags)
    rows = shuffled(len(x), BATCH, asked["seed"], keep_rest=False)
    an_epoch = len(x) // BATCH

    def rate(done: int) -> float:
        if done < EPOCHS * an_epoch:
            return RATE * 0.1 ** (done / (EPOCHS * an_epoch))
        part = min(1.0, (done - EPOCHS * an_epoch) / an_epoch)
        return RATE / 10 * (0.001 + 0.999 * (1 + math.cos(math.pi * part)) / 2)

    def step(done: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate(done)
        chosen = torch.from_numpy(next(rows))
        seen = changed(x[chosen]).contiguous(memory_format=layout)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if flags and asked["bfloat16"] else contextlib.nullcontext():
            logits = model(seen)
        F.cross_entropy(logits.float(), labels[chosen]).backward()
        optimizer.step()

    def answers(some: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(centre(some)).argmax(1).numpy()

    def look() -> int:
        model.eval()
        found = right(answers, pictures.test, pictures.test_labels)
        model.train()
        return found

    precision = "bfloat16 autocast" if flags and asked["bfloat16"] else "float32"
    way = f"{precision}, {'channels last, fused' if flags else 'contiguous'}"
    say(way=way, versions={"torch": torch.__version__})
    carry_out(asked, step, lambda: None, look, len(pictures.test))


if __name__ == "__main__":
    main()
