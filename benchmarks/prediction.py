"""How fast is a prediction, for one picture and for 256, against ONNX Runtime and OpenVINO?

    python benchmarks/prediction.py [--networks resnet18] [--batches 1] [--quick]

The network alone, of a batch that lies in memory; interleaved as in steps.py. Each row says the precision that was
used: a bfloat16 runtime beside a float32 one compares two things.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import records
import steps
from networks import CASES, Case
from workers import Peer, end_on_signals, named

PEERS = {
    peer.name: peer
    for peer in (
        Peer("ours", "predict_torch.py", "own", {"manner": "ours"}),
        Peer("torch", "predict_torch.py", "own", {"manner": "plain"}),
        Peer("onnxruntime", "predict_runtime.py", "runtimes", {"runtime": "onnxruntime"}),
        Peer("openvino", "predict_runtime.py", "runtimes", {"runtime": "openvino", "manner": "as it comes"}),
        Peer("openvino, float32", "predict_runtime.py", "runtimes", {"runtime": "openvino", "manner": "float32"}),
    )
}
QUICK = (("tutorial-b-mnist", 1),)


def rows(options: Any) -> Iterator[tuple[Case, int]]:
    """Each network with batches of 1 and of 256; ResNet-50 at 224 x 224 with 1 alone, for 256 take minutes."""
    names = [name for name in options.networks.split(",") if name]
    if options.quick and not names:
        yield from ((CASES[name], batch) for name, batch in QUICK)
        return
    for name in names or CASES:
        usual = (1,) if CASES[name].input[0] > 64 else (1, 256)
        for batch in [int(word) for word in options.batches.split(",") if word] or usual:
            yield CASES[name], batch


def main(words: list[str] | None = None) -> None:
    options = steps.arguments(words)
    end_on_signals()
    names = named(options.peers)
    if unknown := [name for name in names if name not in PEERS]:
        raise SystemExit(f"there is no {', '.join(unknown)}. These exist: {'; '.join(PEERS)}.")
    for case, batch in rows(options):
        print(f"{case.name}, batch {batch}", flush=True)
        for record in steps.session(case, batch, [PEERS[name] for name in names or PEERS], options):
            steps.report(record)
            if not options.dry:
                records.append("prediction", record)


if __name__ == "__main__":
    main()
