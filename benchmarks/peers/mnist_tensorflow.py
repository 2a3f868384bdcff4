"""Tutorial B's MNIST network on TensorFlow: Adam 1e-4, batches of 50, half of the dense units dropped.

Written anew from the network's and the recipe's facts, for today's TensorFlow: one traced function a step, pictures in
memory; precision and XLA as is fastest here.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np
import tensorflow as tf
from protocol import fastest, say, settings
from training import Pictures, carry_out, read, right, shuffled

BATCH = 50


class Network(tf.Module):
    """(N, 28, 28, 1) in [0, 1] to logits (N, 10). Truncated normal weights of 0.1, biases of 0.1."""

    def __init__(self, kind: tf.DType) -> None:
        super().__init__()
        shapes = ((5, 5, 1, 32), (5, 5, 32, 64), (7 * 7 * 64, 1024), (1024, 10))
        self.weights = [tf.Variable(tf.random.truncated_normal(shape, stddev=0.1)) for shape in shapes]
        self.biases = [tf.Variable(tf.fill(shape[-1:], 0.1)) for shape in shapes]
        self.kind = kind

    def __call__(self, x: tf.Tensor, drop: bool) -> tf.Tensor:
        w, b = ([tf.cast(v, self.kind) for v in group] for group in (self.weights, self.biases))
        x = tf.cast(x, self.kind)
        for i in (0, 1):
            x = tf.nn.relu(tf.nn.conv2d(x, w[i], 1, "SAME") + b[i])
            x = tf.nn.max_pool2d(x, 2, 2, "SAME")
        x = tf.nn.relu(tf.reshape(x, (-1, 7 * 7 * 64)) @ w[2] + b[2])
        if drop:
            x = tf.nn.dropout(x, 0.5)
        return tf.cast(x @ w[3] + b[3], tf.float32)


def training(pictures: Pictures, seed: int, kind: tf.DType, xla: bool) -> tuple[Any, Any, Any]:
    """A step on the rows of a batch, what waits for it, and the classes that are answered."""
    tf.random.set_seed(seed)
    network, optimizer = Network(kind), tf.keras.optimizers.Adam(1e-4)
    variables = network.trainable_variables
    optimizer.build(variables)
    x, labels = pictures.train.astype("float32") / 255, pictures.train_labels.astype("int64")

    @tf.function(jit_compile=xla)
    def update(x: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = network(x, drop=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    @tf.function
    def classes(x: tf.Tensor) -> tf.Tensor:
        return tf.argmax(network(x, drop=False), 1)

    last: list[Any] = []
    rows = shuffled(len(x), BATCH, seed, keep_rest=False)

    def step(_: int) -> None:
        chosen = next(rows)
        last[:] = [update(tf.constant(x[chosen]), tf.constant(labels[chosen]))]

    def answers(some: np.ndarray) -> np.ndarray:
        return classes(tf.constant(some.astype("float32") / 255)).numpy()

    return step, lambda: float(last[0]), answers


def trial(make: Any) -> Any:
    """A training as something to be timed."""
    step, wait, _ = make()
    return lambda: step(0), wait


def main() -> None:
    asked = settings()
    tf.config.threading.set_intra_op_parallelism_threads(asked["threads"])
    pictures = read(asked["data"])
    kinds = {"float32": tf.float32} | ({"bfloat16": tf.bfloat16} if asked["bfloat16"] else {})
    ways = {
        name + (", XLA" if xla else ""): partial(training, pictures, asked["seed"], kind, xla)
        for name, kind in kinds.items()
        for xla in ((False, True) if asked["xla"] else (False,))
    }
    begin = time.perf_counter()
    name, *_, tried = fastest({name: partial(trial, make) for name, make in ways.items()})
    say(way=name, tried=tried, trial=time.perf_counter() - begin, versions={"tensorflow": tf.__version__})
    step, wait, answers = ways[name]()
    carry_out(asked, step, wait, lambda: right(answers, pictures.test, pictures.test_labels), len(pictures.test))


if __name__ == "__main__":
    main()
