"""`convscope train --plain` within autocast to bfloat16, channels last: the same recipe, as people speed PyTorch up."""

from __future__ import annotations

import sys
from typing import Any

import torch

from convscope import kernels
from convscope.cli import run


def channels_last(plan: dict[str, Any]) -> dict[str, Any]:
    return {**plan, "layout": "channels_last"}


if __name__ == "__main__":
    plain = kernels.plain
    kernels.plain = lambda: channels_last(plain())
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):  # one context for all steps: casts would stay
        code = run(sys.argv[1:])
    sys.exit(code)
