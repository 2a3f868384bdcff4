"""Everything that `make bench` runs, in order: the peers' environments first, the table last.

    python benchmarks/all.py [--quick]

Each part is a process with a limit of time; one that fails or is cut off leaves what it recorded, and is named at the
end. --quick is under ten minutes in all, once the environments are there. The held-out row (Fashion-MNIST) isn't run
here; see docs/benchmarks.md.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PARTS: tuple[tuple[str, float, float], ...] = (
    ("time_to_accuracy.py", 190, 12 * 3600),
    ("time_to_accuracy.py --square", 55, 3 * 3600),
    ("steps.py", 100, 4 * 3600),
    ("roofline.py", 25, 1800),
    ("prediction.py", 55, 3600),
    ("isa.py", 40, 4 * 3600),
    ("cold_start.py", 40, 900),
    ("decode.py", 25, 600),
    ("loading.py", 45, 1800),
)
"""What is run, and the most seconds that it may take: quick, and in full."""
QUICK_WORDS = {
    "time_to_accuracy.py": ["--limit", "110"],
    "time_to_accuracy.py --square": ["--row", "mnist-99.2", "--seeds", "1"],
    "isa.py": ["--networks", "tutorial-b-mnist", "--batches", "50", "--peers", "ours,torch"],
    "decode.py": ["0.5"],
}


def part(words: list[str], seconds: float) -> str:
    """Run one with all that it starts; why it failed, "" where it didn't."""
    process = subprocess.Popen([sys.executable, str(HERE / words[0]), *words[1:]], cwd=HERE.parent)
    try:
        code = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # it ends its own children on the way out
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return f"cut off after {seconds:.0f} s"
    return "" if code == 0 else f"ended with code {code}"


def main(words: list[str]) -> int:
    quick = "--quick" in words
    os.environ["PYTHONUNBUFFERED"] = "1"
    subprocess.run([sys.executable, str(HERE / "peers" / "environments.py")], check=False)
    failed = []
    for name, short, whole in PARTS:
        began = time.perf_counter()
        print(f"\n== {name}", flush=True)
        more = QUICK_WORDS.get(name, []) if quick else []
        more = more if name == "decode.py" or not quick else [*more, "--quick"]
        if why := part([*name.split(), *more], short if quick else whole):
            failed.append(f"{name}: {why}")
        print(f"== {time.perf_counter() - began:.0f} s", flush=True)
    part(["table.py", "--write"] if not quick else ["table.py"], 60)
    print("\n".join(failed) or "all parts ran")
    return 1 if any("ended" in line for line in failed) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
