"""`convscope` as it is called, within PyTorch's autocast to bfloat16: the same recipe, as people speed it up."""

from __future__ import annotations

import sys

import torch

from convscope.cli import run

if __name__ == "__main__":
    with torch.autocast("cpu", torch.bfloat16):
        code = run(sys.argv[1:])
    sys.exit(code)
