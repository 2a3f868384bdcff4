"""The network for pictures of which nothing is known but their size and colours: `network = "auto"`.

A short whitened stem, then stages of two 3 x 3 convolutions that halve the maps and double the channels until few
positions are left, and the largest of each map. It is the family of the bundled recipes (after Jordan's airbench94,
2024), with as many stages as the size asks for. Knows numbers and text; no torch.
"""

from __future__ import annotations

from typing import Any

AUTO = "auto"
SMALL = 48
"""Pictures up to this many pixels a side are seen pixel by pixel; larger ones first in patches."""
_WIDEST = 256


def network(size: tuple[int, int], channels: int) -> str:
    """The text of the network for pictures of size (height, width)."""
    side = min(size)
    step = 1 if side <= SMALL else 2 if side <= 2 * SMALL else 4
    stem = f"conv 3x3 {8 * channels} init=whiten, silu" if step == 1 else (
        f"conv {2 * step}x{2 * step} {16 * channels} /{step} pad={step // 2} init=whiten, silu"
    )  # fmt: skip
    lines, maps, width, last = [stem], side // step, 32, 32
    while maps >= 6 or len(lines) < 3:
        pool = "maxpool 2, " if maps >= 4 else ""
        lines.append(
            f"conv 3x3 {width} bias=no init=dirac, {pool}bn scale=no momentum=0.4, silu, "
            f"conv 3x3 {width} bias=no init=dirac, bn scale=no momentum=0.4, silu"
        )
        maps, last, width = maps // 2, width, min(2 * width, _WIDEST)
    lines.append(f"gmp, dense bias=no init=normal({1 / (_SCALE * last):.3g}), scale {_SCALE}")
    return "\n".join(lines)


_SCALE = 0.0141
"""Logits are multiplied by it, so that one rate suits the last layer and the biases."""


FOR_ANOTHER_NETWORK: dict[str, Any] = {
    "train.batch_size": 64,
    "train.label_smoothing": 0.1,
    "train.freeze": [],
    "optimizer.name": "adamw",
    "optimizer.learning_rate": 3e-3,
    "optimizer.weight_decay": 0.05,
    "schedule.warmup": 0.25,
    "schedule.shape": "cosine",
}
"""What takes the place of a bundled recipe's settings where these are for Muon, and so for its own network, and the
user brings another: a rule that asks nothing of it."""
