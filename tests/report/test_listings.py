"""The lines of the verbs that don't train."""

from __future__ import annotations

import re

import numpy as np

from convscope.evaluate.metrics import mistakes as wrong_ones
from convscope.evaluate.metrics import per_class, score
from convscope.evaluate.predictions import Predictions
from convscope.report.listings import (
    data_sets,
    evaluate,
    facts,
    mistakes,
    plan,
    predictions,
    recipes,
    summary,
)


def some(classes: int, n: int = 200) -> Predictions:
    """Random predictions; the last class has no pictures and is never predicted."""
    random = np.random.default_rng(classes)
    logits = random.normal(size=(n, classes))
    logits[:, -1] = -9
    labels = random.integers(0, classes - 1, n)
    logits[np.arange(n), labels] += 3
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = tuple(f"猫/{i}.png" for i in range(n))
    classnames = tuple(f"c{i}" for i in range(classes))
    return Predictions(np.arange(n), names, labels, probabilities.astype(np.float32), classnames)


def test_summary() -> None:
    rows = [("conv1", "conv 5x5 32", (28, 28, 32), 832), ("dense1", "dense 10", (10,), 250_890)]
    assert summary(rows, input=(28, 28, 1), totals=[("memory", "1.0 MiB")]) == [
        "label   layer        output        parameters",
        "------  -----------  ------------  ----------",
        "input                28 x 28 x 1",
        "conv1   conv 5x5 32  28 x 28 x 32         832",
        "dense1  dense 10     10               250 890",
        "total                                 251 722",
        "memory  1.0 MiB",
    ]


def test_evaluate_ends_with_the_score() -> None:
    p = some(10)
    s = score(p)
    lines = evaluate(s, per_class(p))
    assert re.findall(r"(\d+) of (\d+)", "\n".join(lines))[-1] == (str(s.k), str(s.n))
    assert lines[-1].startswith("test accuracy ")
    assert lines[-2].startswith("test top-5 accuracy ")
    assert any("no pictures" in line and "never predicted" in line for line in lines)
    assert len(lines) == 2 + 10 + 1 + 2
    assert evaluate(s, per_class(p), "validation")[-1].startswith("validation accuracy ")


def test_evaluate_of_many_classes_shows_the_worst() -> None:
    p = some(100)
    lines = evaluate(score(p), per_class(p), most=20)
    assert len(lines) == 2 + 20 + 1 + 1 + 2
    assert "the 20 classes with the lowest recall, out of 100; --json has all" in lines


def test_mistakes_and_predictions() -> None:
    lines = mistakes(wrong_ones(some(10), most=3))
    assert len(lines) == 5
    assert "猫/" in lines[2]
    assert mistakes([]) == []
    assert predictions([("a.png", "seven", 0.98312, [("nine", 0.012), ("one", 0.003)])]) == [
        "picture  class  probability  next",
        "-------  -----  -----------  -----------------------",
        "a.png    seven      98.31 %  nine 1.20 %, one 0.30 %",
    ]


def test_data_recipes_doctor() -> None:
    lines = data_sets([("mnist", 70_000, (28, 28, 1), 10, "/data/mnist"), ("photos", 9, None, 2, "no")])
    assert lines[2] == "mnist     70 000  28 x 28 x 1       10  /data/mnist"
    assert "various" in lines[3]
    assert recipes([("mnist", "the digits")])[2] == "mnist   the digits"
    assert facts([("threads", "2"), ("torch", "2.13")]) == ["threads  2", "torch    2.13"]


def test_what_a_plan_chose_and_what_it_won() -> None:
    trial = {
        "seconds of a step": {"float32": 0.3, "bfloat16": 0.15},
        "seconds of a weight gradient": {
            "conv1": {"plain": 0.004, "4 side by side": 0.002},
            "conv3": {"plain": 0.004, "product": 0.0039},
        },
    }
    layers = {"conv1": {"weight gradient": "4 side by side"}, "conv2": {"precision": "float32"}}
    made = {"precision": "bfloat16", "threads": 2, "layers": layers, "trial": trial}
    assert plan(made, 128, (28, 28, 1), narrow=True) == [
        "pictures  128 a step, 28 x 28 x 1",
        "step      300 ms in float32, 150 ms in bfloat16: forward and backward, processor time of one thread",
        "choice    bfloat16, 2.00 x as fast as float32",
        "threads   2",
        "",
        "layer  gradient of its weights             won  what each way took, in ms",
        "-----  -------------------------------  ------  -------------------------",
        "conv1  4 side by side                   2.00 x  plain 4, 4 side by side 2",
        "conv2  float32: bfloat16 is wrong here",
    ]
    assert plan(made | {"layers": {}}, 8, (8, 8, 1), narrow=True)[-1] == "every layer goes the usual way"
    steps = {"seconds of a step": {"float32": 0.3, "bfloat16": 0.29}}
    slower = made | {"precision": "float32", "layers": {}, "trial": trial | steps}
    assert plan(slower, 8, (8, 8, 1), narrow=True)[2:] == [
        "choice    float32; bfloat16 is 1.03 x as fast, and must win by a tenth", "threads   2",
    ]  # fmt: skip
    alone = slower | {"trial": {"seconds of a step": {}, "seconds of a weight gradient": {}}}
    assert plan(alone, 8, (8, 8, 1), narrow=False) == [
        "pictures  8 a step, 8 x 8 x 1",
        "choice    float32",
        "threads   2",
        "bfloat16  this processor has no instructions for it (AMX or AVX-512 BF16), so it is float32",
    ]
