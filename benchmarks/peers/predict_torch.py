"""Predictions of convscope or of plain PyTorch, of a batch that lies in memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from protocol import fastest, serve, settings
from source import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def plain(asked: dict[str, Any], layout: torch.memory_format) -> tuple[Any, Any]:
    """The network's source in float32."""
    network = load(Path(asked["source"])).Net().to(memory_format=layout).eval()
    height, width, channels = asked["input"]
    x = torch.randn(asked["batch"], channels, height, width).contiguous(memory_format=layout)

    def predict() -> torch.Tensor:
        with torch.inference_mode():
            return network(x)

    return predict, lambda: None


def main() -> None:
    asked = settings()
    torch.set_num_threads(asked["threads"])
    versions = {"torch": torch.__version__}
    if asked["manner"] == "ours":
        from ours import predictor

        predict, way = predictor(asked["text"], tuple(asked["input"]), asked["classes"], asked["batch"])
        serve(predict, lambda: None, way=way, versions=versions)
        return
    layouts = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
    makers = {f"float32, {name}": lambda layout=layout: plain(asked, layout) for name, layout in layouts.items()}
    name, predict, wait, tried = fastest(makers)
    serve(predict, wait, way=name, tried=tried, versions=versions)


if __name__ == "__main__":
    main()
