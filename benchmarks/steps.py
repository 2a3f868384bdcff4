"""How fast is a training step, against other frameworks with the same network?

    python benchmarks/steps.py [--networks tutorial-b-mnist,resnet18] [--batches 50] [--peers ours,torch] [--quick]

Forward, loss, backward and update of a batch that lies in memory. For each network and batch all peers are started and
warmed up, then run blocks of about a second in turn, there and back; who waits is frozen. A peer with several ways
(precision, XLA, static graph) takes the one that is fastest here. One record a network and batch, with the seconds of
every block, goes to records/steps.jsonl.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from typing import Any

import records
from networks import CASES, Case
from workers import Peer, Worker, alternate, end_on_signals, named, start

PEERS = {
    peer.name: peer
    for peer in (
        Peer("ours", "steps_ours.py", "own"),
        Peer("torch", "steps_torch.py", "own", {"manner": "as written"}),
        Peer("torch, best flags", "steps_torch.py", "own", {"manner": "best flags"}),
        Peer("torch.compile", "steps_torch.py", "own", {"manner": "compiled"}),
        Peer("tensorflow", "steps_keras.py", "tf", {}, {"KERAS_BACKEND": "tensorflow"}),
        Peer("keras on jax", "steps_keras.py", "jax", {}, {"KERAS_BACKEND": "jax"}),
        Peer("paddle", "steps_paddle.py", "paddle"),
    )
}
QUICK = (("tutorial-b-mnist", 50), ("tutorial-b-cifar10", 256))
QUICK_PEERS = ("ours", "torch", "torch, best flags", "tensorflow")
PROCESS_BYTES = 800 << 20
"""What a process with a framework takes beside the tensors of a step; a peer may hold twice what ours does."""


def available() -> int:
    """Bytes of memory that are free for use; a guess where the system doesn't say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:  # noqa: PTH123
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except OSError:
        return 8 << 30


def groups(peers: list[Peer], case: Case, batch: int) -> Iterator[list[Peer]]:
    """As many peers at once as memory holds, ours in each group: a ratio is of blocks of one session."""
    each = 2 * case.memory(batch) + PROCESS_BYTES
    most = max(2, int(0.8 * available() // each))
    ours, others = [p for p in peers if p.name == "ours"], [p for p in peers if p.name != "ours"]
    size = max(1, most - len(ours))
    for begin in range(0, max(1, len(others)), size):
        yield [*ours, *others[begin : begin + size]]


def session(case: Case, batch: int, peers: list[Peer], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One group, interleaved: a record for the group."""
    asked = {
        "network": case.name, "text": case.text, "input": case.input, "classes": case.classes, "batch": batch,
        "optimizer": case.optimizer, "bfloat16": records.bfloat16_pays() and not options.isa, "xla": not options.quick,
    }  # fmt: skip
    env = isa(options.isa)
    about = {"machine": records.machine(options.threads), "network": case.name, "batch": batch, "isa": options.isa,
             "threads": options.threads, "quick": options.quick}  # fmt: skip
    workers: list[Worker] = []
    said: list[dict[str, Any]] = []
    try:
        for peer in peers:
            framework = "keras" if "keras" in peer.script else "torch"
            source = str(case.source(framework)) if peer.script not in ("steps_ours.py", "steps_paddle.py") else ""
            worker, told = start(peer, {**asked, "source": source}, options.threads, options.start_seconds, env)
            said.append(told)
            print(f"  {peer.name:18}{told.get('way') or told.get('absent')}", flush=True)
            if worker is not None:
                workers.append(worker)
        here = [told for told in said if "absent" not in told]
        paces = [told["seconds_per_step"] for told in here]
        steps, times = alternate(workers, paces, options.blocks, options.seconds)
        for told, count, seconds in zip(here, steps, times, strict=True):
            told |= {"steps_a_block": count, "seconds": seconds}
        yield {**about, "peers": said}
    finally:
        for worker in workers:
            worker.end()


def isa(name: str) -> dict[str, str]:
    """The variables that keep oneDNN (of whatever framework), MKL and XLA below an instruction set."""
    if not name:
        return {}
    own = {"ONEDNN_MAX_CPU_ISA": name, "DNNL_MAX_CPU_ISA": name}
    if name.startswith("AVX512"):
        return own | {"XLA_FLAGS": "--xla_cpu_max_isa=AVX512", "MKL_ENABLE_INSTRUCTIONS": "AVX512"}
    return own | {"XLA_FLAGS": f"--xla_cpu_max_isa={name}", "MKL_ENABLE_INSTRUCTIONS": name}


def rates(told: dict[str, Any], batch: int) -> list[float]:
    """Pictures a second of each block; empty where a block failed."""
    seconds = told.get("seconds") or []
    return [] if None in seconds else [batch * told["steps_a_block"] / s for s in seconds]


def report(record: dict[str, Any]) -> None:
    ours = next((rates(told, record["batch"]) for told in record["peers"] if told["peer"] == "ours"), [])
    for told in record["peers"]:
        mine = rates(told, record["batch"])
        if not mine:
            print(f"  {told['peer']:18}not here: {told.get('absent', 'a block failed')}")
            continue
        mean, low, high = records.ratio(ours, mine) if ours else (float("nan"),) * 3
        pace = f"{sum(mine) / len(mine):9.0f} pictures/s"
        against = f"ours / it {mean:5.2f} ({low:.2f} to {high:.2f}), n {len(mine)}"
        print(f"  {told['peer']:18}{pace}   {against}   {told['way']}", flush=True)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default="", help="names, separated by commas")
    parser.add_argument("--batches", default="", help="only these")
    parser.add_argument("--peers", default="", help="names, separated by commas, or by ; where one has a comma")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=0, help="blocks of each peer (7; 3 with --quick)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a block")
    parser.add_argument(
        "--start-seconds", type=float, default=900, help="the longest a peer may take until it is ready"
    )
    parser.add_argument("--isa", default="", help="the most that oneDNN may use: AVX512_CORE, AVX2")
    parser.add_argument("--limit", type=float, default=0, help="begin no further network after so many seconds")
    parser.add_argument("--quick", action="store_true", help="two networks, four peers, three blocks")
    parser.add_argument("--dry", action="store_true", help="keep no record")
    options = parser.parse_args(words)
    options.blocks = options.blocks or (3 if options.quick else 7)
    return options


def wanted(options: argparse.Namespace) -> tuple[list[tuple[Case, int]], list[Peer]]:
    """The networks with their batches, and the peers; raises SystemExit for a name that isn't there."""
    names = [name.strip() for name in options.networks.split(",") if name.strip()]
    peers = named(options.peers)
    for given, known in ((names, CASES), (peers, PEERS)):
        if unknown := [name for name in given if name not in known]:
            raise SystemExit(f"there is no {', '.join(unknown)}. These exist: {'; '.join(known)}.")
    chosen = [CASES[name] for name in names or CASES]
    pairs = [(case, batch) for case in chosen for batch in case.batches]
    if options.quick and not names:
        pairs = [(CASES[name], batch) for name, batch in QUICK]
    if options.batches:
        of = [int(word) for word in options.batches.split(",")]
        pairs = [(case, batch) for case in chosen for batch in of]
    return pairs, [PEERS[name] for name in peers or (QUICK_PEERS if options.quick else PEERS)]


def main(words: list[str] | None = None) -> None:
    options = arguments(words)
    end_on_signals()
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    began = time.perf_counter()
    pairs, peers = wanted(options)
    for case, batch in pairs:
        if options.limit and time.perf_counter() - began > options.limit:
            print(f"{case.name}, batch {batch}: left out, the time is up")
            continue
        print(f"{case.name}, batch {batch}", flush=True)
        for group in groups(peers, case, batch):
            for record in session(case, batch, group, options):
                report(record)
                if not options.dry:
                    records.append("steps", record)


if __name__ == "__main__":
    main()
