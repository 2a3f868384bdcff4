"""What the crash tests kill. Run as a program; imports neither torch nor pytest.

crash_child.py FOLDER n FAULT      saves step 30 with a fault at the n-th call on the disk
crash_child.py FOLDER train STEPS  goes on from the latest checkpoint to STEPS, saving after every step
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from convscope.train import checkpoint
from faults import injected


def content(step: int) -> bytes:
    """The state after `step` steps: 80 kB (20 000 parameters), each byte of which depends on the step."""
    return step.to_bytes(8, "little") * 10_000


def save(folder: Path, step: int) -> None:
    checkpoint.save_bytes(folder, step, content(step), {"step": step, "name": "模型"})


def train(folder: Path, steps: int) -> None:
    """Each step's state is made from the one before, so that a step lost or done twice shows in the end."""
    stored = checkpoint.latest_bytes(folder)
    step = stored.step if stored else 0
    state = bytearray(stored.tensors if stored else content(0))
    while step < steps:
        step += 1
        state[:8] = (int.from_bytes(state[:8], "little") * 6364136223846793005 % 2**64 + step).to_bytes(9, "little")[:8]
        state[8:] = state[:8] * 9_999
        checkpoint.save_bytes(folder, step, bytes(state), {"step": step})


def main() -> None:
    folder = Path(sys.argv[1])
    if sys.argv[2] == "train":
        train(folder, int(sys.argv[3]))
    else:
        with injected(int(sys.argv[2]), sys.argv[3]):
            save(folder, 30)


if __name__ == "__main__":
    main()
