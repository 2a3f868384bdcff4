"""What remains of steps.py with AVX-512 alone, as on a processor without AMX?

    python benchmarks/isa.py [as steps.py; --isa AVX2 for still older ones]

ONEDNN_MAX_CPU_ISA and its like hold back oneDNN, MKL and XLA in all peers; nobody is offered bfloat16 then.
"""

from __future__ import annotations

import sys

import steps


def main(words: list[str] | None = None) -> None:
    words = sys.argv[1:] if words is None else words
    steps.main([*([] if "--isa" in words else ["--isa", "AVX512_CORE"]), *words])


if __name__ == "__main__":
    main()
