"""How long does it take to train to a given accuracy, against the code that people use for it?

    python benchmarks/time_to_accuracy.py                                   every row but the held-out one
    python benchmarks/time_to_accuracy.py --row mnist-99.2 --seeds 5 --peers ours,tensorflow-tutorial-b
    python benchmarks/time_to_accuracy.py --square                          {their recipe, ours} x {plain, our kernels}

Our side is `convscope train RECIPE --seed S` in a process of its own. Cold: from its start to its score; warm: from
pictures in memory to the last step. A peer looks at the test pictures after fixed numbers of steps; its time is that of
the smallest such number whose mean over its seeds reaches the target. Where that takes too long it is reckoned from its
steps a second and the steps that its authors name, and marked "not checked here". Runs of both sides alternate.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import records
from convscope import recipe
from convscope.data.places import CACHE_VARIABLE, cache_folder
from convscope.errors import ConvscopeError
from peers.environments import ROOT, missing
from pictures import arrays
from workers import Gone, Peer, Worker, end_on_signals, named, seen_cores, surroundings

OURS = "ours"


@dataclass(frozen=True)
class Trained:
    """A peer that trains: its program, after how many steps it looks, and the steps that its authors name."""

    peer: Peer
    looks: tuple[int, ...]
    published: int


@dataclass(frozen=True)
class Row:
    """A task. target: mean accuracy to reach; None: what the first peer reaches at its last look, mean of its seeds.

    recipe: ours; rivals: trainings of our own program with other words (plain PyTorch, other flags); seeds: ours.
    """

    data: str
    recipe: str
    target: float | None
    seeds: int
    peers: tuple[Trained, ...] = ()
    rivals: dict[str, tuple[str, ...]] = field(default_factory=dict)
    words: tuple[str, ...] = ()  # further words of ours


EPOCH = 938
_TF_MNIST = Peer("tensorflow-tutorial-b", "mnist_tensorflow.py", "tf")
_TF_CIFAR = Peer("tensorflow-tutorial-b", "cifar10_tensorflow.py", "tf")
_TORCH = Peer("pytorch-example", "mnist_pytorch.py", "own")
_KERAS = Peer("keras-example", "mnist_keras.py", "tf")
_TTDOUCET = (
    Trained(Peer("ttdoucet", "mnist_ttdoucet.py", "own"), (6600,), 6600),
    Trained(Peer("ttdoucet, best flags", "mnist_ttdoucet.py", "own", {"flags": True}), (6600,), 6600),
)
_EXAMPLES = (
    Trained(_TF_MNIST, tuple(range(1000, 20001, 500)), 15000),
    Trained(_TORCH, tuple(range(EPOCH, 14 * EPOCH + 1, EPOCH)), 14 * EPOCH),
    Trained(_KERAS, tuple(range(422, 15 * 422 + 1, 422)), 15 * 422),
)
ROWS = {
    "mnist-99.2": Row("mnist", "mnist-short", 0.992, 20, _EXAMPLES),
    "mnist-99.5": Row("mnist", "mnist-medium", 0.995, 10, _TTDOUCET),
    "mnist-99.7": Row("mnist", "mnist-long", 0.997, 5, _TTDOUCET),
    "cifar10-3000-steps": Row("cifar10-jpeg", "cifar10-short", None, 10, (Trained(_TF_CIFAR, (3000,), 3000),)),
    "cifar10-82": Row("cifar10-jpeg", "cifar10-medium", 0.82, 10, (Trained(_TF_CIFAR, (100_000,), 100_000),)),
    "cifar10-89.5": Row(
        "cifar10-jpeg", "cifar10-long", 0.895, 5,
        rivals={"plain PyTorch, float32": ("--plain",), "plain PyTorch, bfloat16 autocast": ("autocast", "--plain")},
    ),
    "fashion-mnist": Row(
        "fashion-mnist", "fashion-mnist", None, 5, (Trained(_TORCH, (14 * EPOCH,), 14 * EPOCH),),
        words=("--budget", "60s"),
    ),
    "digits": Row("digits", "digits", None, 30),
}  # fmt: skip
HELD_OUT = "fashion-mnist"
"""Run once, by its name: no setting may be chosen by what it says."""
QUICK = ("mnist-99.2", "digits", "cifar10-3000-steps")
SQUARES = {"mnist-99.2": "tutorial-b-mnist", "cifar10-3000-steps": "tutorial-b-cifar10"}
LONGEST = 1800.0
"""Seconds after which a peer's training is broken off and reckoned."""


def train(words: list[str], threads: int, longest: float, stop_after: float = 0) -> dict[str, Any]:
    """`convscope train` in a process of its own: cold and warm seconds, k and n, steps; or `absent`, why not.

    The clock is this process's: records are stamped as they come. stop_after: break off after so many seconds of
    training, for the steps a second. What was remembered of the network's fastest way isn't used: it is tried anew.
    """
    program = ["-m", "convscope"]
    if words[1:2] == ["autocast"]:
        program, words = [str(Path(__file__).parent / "peers" / "autocast.py")], [words[0], *words[2:]]
    found: dict[str, Any] = {"command": "convscope train " + " ".join(words)}
    with tempfile.TemporaryDirectory() as folder:
        command = [*seen_cores(threads), sys.executable, *program, "train", *words, "--json", "--out", f"{folder}/run"]
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", cwd=ROOT,
            env=surroundings(threads, {CACHE_VARIABLE: str(without_plans(Path(folder) / "cache"))}),
        )  # fmt: skip
        last_call = threading.Timer(longest + 60, process.kill)  # for one that says nothing any more
        last_call.start()
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            started = 0.0
            for line in process.stdout:
                now = time.perf_counter() - began
                record = json.loads(line) if line.startswith("{") else {}
                kind = record.get("kind")
                if kind == "started":
                    started = now
                    found |= {"plan": record["plan"], "plan_seconds": float(record["plan"].get("seconds", 0.0))}
                elif kind == "forecast":
                    found["of_steps"] = record["steps"]
                elif kind == "step":
                    found |= {"steps": record["step"], "warm": now - started + found["plan_seconds"], "last_step": now}
                    found.setdefault("first_step", now)
                elif kind == "tested" and "k" not in found:
                    found |= {"k": record["k"], "n": record["n"], "cold": now}
                if now > longest or (stop_after and started and now - started > stop_after):
                    found["broken_off"] = True
                    process.terminate()
            errors = process.stderr.read()
            process.wait()
        finally:
            last_call.cancel()
            process.kill()
    if "k" not in found and not (found.get("broken_off") and "steps" in found):
        return {"command": found["command"], "absent": " ".join(errors.split())[-300:] or f"code {process.returncode}"}
    return {**found, "whole": time.perf_counter() - began}


def without_plans(folder: Path) -> Path:
    """A cache folder that shares all of the usual one but the plans."""
    folder.mkdir()
    for part in cache_folder().iterdir() if cache_folder().is_dir() else ():
        if part.name != "plans":
            (folder / part.name).symlink_to(part.resolve())
    return folder


def paced(run: dict[str, Any], steps: int) -> dict[str, Any]:
    """A training that was broken off, with the warm seconds of so many steps reckoned from those it took."""
    if not run.get("broken_off"):
        return run
    pace = (run["last_step"] - run["first_step"]) / max(1, run["steps"] - 1)
    return {**run, "warm": run["warm"] + pace * (steps - run["steps"]), "reckoned": True}


def peer_run(trained: Trained, data: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One training of a peer: what it said at each look, and how fast it went."""
    if why := missing(trained.peer.where):
        return {"absent": why}
    asked = {
        "data": str(arrays(data)), "seed": seed, "looks": trained.looks, "limit": options.peer_seconds,
        "bfloat16": records.bfloat16_pays(), "xla": not options.quick,
    }  # fmt: skip
    worker = Worker(trained.peer, asked, options.threads)
    try:
        said = list(worker.records(600 + 3 * options.peer_seconds))
    except Gone as error:
        return {"absent": str(error)}
    finally:
        worker.end()
    about = next(one for one in said if "way" in one)
    return {**about, "looks": [one for one in said if "steps" in one]}


def reckoned(run: dict[str, Any], steps: int) -> float:
    """Seconds for so many steps, from the last that a run told: the first step apart, the others in proportion."""
    last = run["looks"][-1]
    first = last.get("first", 0.0)
    return float(first + (last["seconds"] - first) / max(1, last["steps"] - bool(first)) * (steps - bool(first)))


def cold(run: dict[str, Any], steps: int) -> float:
    """Seconds from the start of a peer's process to its score after so many steps: without the trial of its ways, and
    with that one look alone."""
    at = run["at"]
    found, seconds = at - run.get("trial", 0.0), 0.0
    for one in run["looks"]:
        trained, whole = one["seconds"] - seconds, one["at"] - at
        found += whole if one["steps"] == steps else trained
        if one["steps"] == steps:
            return float(found)
        at, seconds = one["at"], one["seconds"]
    raise KeyError(steps)


def verdict(trained: Trained, runs: list[dict[str, Any]], target: float | None) -> dict[str, Any]:
    """A peer's steps to the target and the seconds of each seed; and whether the accuracy was seen here.

    target None: its last look is the target. A peer whose every look stays below it is reckoned at its published steps.
    """
    here = [run for run in runs if run.get("looks")]
    if not here:
        return {"absent": runs[-1]["absent"] if runs else "not run"}
    looks = [{one["steps"]: one["k"] / one["n"] for one in run["looks"] if "k" in one} for run in here]
    steps = max(trained.looks) if target is None else records.smallest_reaching(looks, target)
    if steps is not None and all(steps in seed for seed in looks):
        at = [next(one for one in run["looks"] if one["steps"] == steps) for run in here]
        return {
            "steps": steps, "warm": [one["seconds"] for one in at], "cold": [cold(run, steps) for run in here],
            "accuracy": statistics.fmean(seed[steps] for seed in looks), "seen": True,
        }  # fmt: skip
    broken = any("k" not in run["looks"][-1] for run in here)
    return {
        "steps": trained.published, "warm": [reckoned(run, trained.published) for run in here], "seen": False,
        "accuracy": "not checked here" if broken else "not reached in its published steps",
    }  # fmt: skip


def alternating(ours: int, others: list[tuple[Any, int]]) -> Iterator[tuple[Any, int]]:
    """(who, seed) of all runs: the others' spread evenly among ours."""
    jobs = [((seed + 0.5) / ours, OURS, seed) for seed in range(ours)]
    jobs += [((seed + 0.5) / count, name, seed) for name, count in others for seed in range(count)]
    yield from ((name, seed) for _, name, seed in sorted(jobs, key=lambda job: (job[0], job[1] != OURS, job[1])))


def task(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All runs of a row."""
    row = ROWS[name]
    chosen = [trained for trained in row.peers if options.names is None or trained.peer.name in options.names]
    rivals = {key: words for key, words in row.rivals.items() if options.names is None or key in options.names}
    seeds = options.seeds or row.seeds
    ours = 0 if options.names is not None and OURS not in options.names else seeds
    if row.recipe not in recipe.bundled() and row.recipe != HELD_OUT:
        print(f"  there is no recipe {row.recipe}")
        ours = 0
    others = [(trained.peer.name, options.peer_seeds) for trained in chosen]
    others += [(key, min(seeds, options.rival_seeds)) for key in rivals] if ours else []
    runs: dict[str, list[dict[str, Any]]] = {key: [] for key in (OURS, *(key for key, _ in others))}
    data = ["--data", row.data] if row.data not in ("digits", "mnist", HELD_OUT) else []
    peers = {trained.peer.name: trained for trained in chosen}
    for who, seed in alternating(max(ours, 1), others) if ours or others else ():
        if who == OURS and not ours:
            continue
        if who in peers:
            run = peer_run(peers[who], row.data, seed, options)
        else:
            words = [row.recipe, *rivals.get(who, ()), "--seed", str(seed), *data, *row.words]
            stop_after = options.rival_seconds if who in rivals else 0
            run = train(words, options.threads, options.longest, stop_after)
            run = paced(run, run.get("of_steps", 0))
        runs[who].append({"seed": seed, **run})
        print(f"  {who:24}seed {seed}: {told(run)}", flush=True)
    if name == "digits" and runs[OURS]:
        for run in runs[OURS]:
            if "k" in run:
                run["svc"] = svc(run["seed"], run["n"])
    found: dict[str, Any] = {key: verdict(peers[key], runs[key], row.target) for key in peers}
    target = row.target
    if target is None and row.peers and found.get(row.peers[0].peer.name, {}).get("seen"):
        target = found[row.peers[0].peer.name]["accuracy"]
    about = {"machine": records.machine(options.threads), "row": name, "data": row.data, "target": target}
    return {**about, "quick": options.quick, "runs": runs, "peers": found, "rivals": list(rivals)}


def told(run: dict[str, Any]) -> str:
    if "absent" in run:
        return f"not here: {run['absent']}"
    if "looks" in run:
        last = run["looks"][-1]
        score = f", {last['k']} of {last['n']}" if "k" in last else ""
        return f"{last['steps']} steps in {last['seconds']:.1f} s{score}"
    score = f"{run['k']} of {run['n']}, " if "k" in run else "broken off, "
    return f"{score}{run['warm']:.1f} s of training, {run.get('cold', run['whole']):.1f} s in all"


def svc(seed: int, n: int) -> tuple[int, int]:
    """k of n of SVC(gamma=0.001) on the split of this seed, trained on all that our network may use.

    Raises SystemExit where the recipe's test split isn't the usual one any more: nothing would be paired then.
    """
    from sklearn.svm import SVC

    from convscope.data.store import load
    from digits_svc import flat

    data = load("digits", seed=seed)
    x, labels = (np.concatenate(pair) for pair in zip(flat(data.train), flat(data.validation), strict=True))
    test, wanted = flat(data.test)
    if len(wanted) != n:
        raise SystemExit(
            f"both must be asked the same pictures. The recipe's test split has {n}, the SVC's {len(wanted)}."
        )
    return int((SVC(gamma=0.001).fit(x, labels).predict(test) == wanted).sum()), len(wanted)


def square(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """{their recipe, ours} x {plain PyTorch, our kernels}: warm seconds; theirs reckoned from its steps a second.

    Their steps are those that the newest record of the row found for the peer, or else its published ones.
    """
    row, theirs = ROWS[name], SQUARES[name]
    known = records.latest(records.read("time_to_accuracy"), "row").get((name,), {})
    peer = row.peers[0]
    steps = known.get("peers", {}).get(peer.peer.name, {}).get("steps", peer.published)
    data = ["--data", row.data] if row.data != "mnist" else []
    cells: dict[str, list[dict[str, Any]]] = {}
    words = {"plain": ["--plain"], "kernels": []}
    for seed, (who, manner) in itertools.product(
        range(options.seeds or 3), itertools.product(("ours", "theirs"), words)
    ):
        of = [row.recipe if who == "ours" else theirs, *words[manner], "--seed", str(seed), *data]
        run = train(of, options.threads, options.longest, 0 if who == "ours" else options.pace_seconds)
        if who == "theirs" and "absent" not in run:
            pace = (run["last_step"] - run["first_step"]) / max(1, run["steps"] - 1)
            run |= {"warm": run["warm"] + pace * (steps - run["steps"]), "accuracy": "not checked here"}
        cells.setdefault(f"{who}, {manner}", []).append(run)
        print(f"  {who}, {manner}: {told(run)}", flush=True)
    return {
        "machine": records.machine(options.threads),
        "row": name,
        "quick": options.quick,
        "their_steps": steps,
        "cells": cells,
    }


def summary(record: dict[str, Any]) -> list[str]:
    """A record in words."""
    runs = [run for run in record["runs"][OURS] if "k" in run]
    if not runs:
        return ["  ours is not here: no ratios"]
    scores, warm = [run["k"] / run["n"] for run in runs], [run["warm"] for run in runs]
    lines = [
        f"  ours: mean {statistics.fmean(scores):.2%}, lower bound {records.lower_bound(scores):.2%} (n {len(runs)}), "
        f"{statistics.fmean(warm):.1f} s of training, {statistics.fmean(run['cold'] for run in runs):.1f} s in all"
    ]
    if "svc" in runs[0]:
        pairs = [run["k"] / run["n"] - run["svc"][0] / run["svc"][1] for run in runs]
        mean, low, high = records.interval(pairs)
        lines.append(f"  less SVC(gamma=0.001): {100 * mean:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f})")
    for name, found in record["peers"].items():
        if "absent" in found:
            lines.append(f"  {name}: not here: {found['absent']}")
            continue
        mean, low, high = records.unpaired_ratio(found["warm"], warm)
        seen = f"{found['accuracy']:.2%}" if found["seen"] else f"accuracy {found['accuracy']}"
        lines.append(f"  {name}: {mean:.1f} times our time ({low:.1f} to {high:.1f}); {found['steps']} steps, {seen}")
    for name in record["rivals"]:
        if other := [run["warm"] for run in record["runs"].get(name, []) if "warm" in run]:
            mean, low, high = records.unpaired_ratio(other, warm)
            lines.append(f"  {name}: {mean:.1f} times our time ({low:.1f} to {high:.1f})")
    return lines


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", action="append", default=[], choices=list(ROWS), help="one row; may come again")
    parser.add_argument("--seeds", type=int, default=0, help="of ours, in place of the row's")
    parser.add_argument("--peer-seeds", type=int, default=0, help="of a peer (3; 1 with --quick)")
    parser.add_argument("--rival-seeds", type=int, default=2, help="of the same recipe in plain PyTorch")
    parser.add_argument(
        "--peers", default="", help="names, separated by commas, or by ; where one has a comma; ours is one of them"
    )
    parser.add_argument("--rival-seconds", type=float, default=0, help="break those off, and reckon the rest; 0: don't")
    parser.add_argument("--peer-seconds", type=float, default=LONGEST, help="break a peer's training off, and reckon")
    parser.add_argument("--longest", type=float, default=3 * LONGEST, help="break one of our trainings off")
    parser.add_argument("--pace-seconds", type=float, default=30, help="of their recipe in the square, for its pace")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--square", action="store_true", help="their recipe and ours, plain and with our kernels")
    parser.add_argument("--limit", type=float, default=0, help="begin no further row after so many seconds")
    parser.add_argument("--quick", action="store_true", help="three rows, two seeds, 6 seconds of each peer")
    parser.add_argument("--dry", action="store_true", help="keep no record")
    options = parser.parse_args(words)
    if options.quick:
        options.peer_seconds, options.longest = min(options.peer_seconds, 6), min(options.longest, 120)
        options.seeds, options.pace_seconds = options.seeds or 2, 5
    options.peer_seeds = options.peer_seeds or (1 if options.quick else 3)
    options.names = named(options.peers) if options.peers else None
    return options


def main(words: list[str] | None = None) -> None:
    options = arguments(words)
    end_on_signals()
    began = time.perf_counter()
    usual = QUICK if options.quick else [name for name in ROWS if name != HELD_OUT]
    rows = options.row or [name for name in usual if not options.square or name in SQUARES]
    for name in rows:
        if options.limit and time.perf_counter() - began > options.limit:
            print(f"{name}: left out, the time is up")
            continue
        print(name, flush=True)
        try:
            record = square(name, options) if options.square else task(name, options)
        except ConvscopeError as error:
            print(f"  not here: {error}")
            continue
        if not options.square:
            print("\n".join(summary(record)), flush=True)
        if not options.dry:
            records.append("square" if options.square else "time_to_accuracy", record)


if __name__ == "__main__":
    main()
