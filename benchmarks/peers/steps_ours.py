"""Training steps of convscope itself."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from protocol import serve, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from ours import ours


def main() -> None:
    asked = settings()
    torch.set_num_threads(asked["threads"])
    step, way = ours(asked["text"], tuple(asked["input"]), asked["classes"], asked["batch"], asked["optimizer"])
    serve(step, lambda: None, way=way, versions={"torch": torch.__version__})


if __name__ == "__main__":
    main()
