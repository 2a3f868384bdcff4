"""Tutorial B's CIFAR-10 network on TensorFlow: windows of 24 x 24, Adam 1e-3, batches of 128.

Written anew from the recipe's facts (recipes/tutorial-b-cifar10.toml), for today's TensorFlow: augmentation and step
are one traced function over whole batches, pictures lie in memory; precision and XLA as is fastest here.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np
import tensorflow as tf
from mnist_tensorflow import trial
from protocol import fastest, say, settings
from training import Pictures, carry_out, read, right, shuffled

BATCH, SIDE, L2 = 128, 24, 0.004
SHAPES = ((5, 5, 3, 64), (5, 5, 64, 64), (6 * 6 * 64, 384), (384, 192), (192, 10))
DEVIATIONS = (0.05, 0.05, 0.04, 0.04, 1 / 192)
BIASES = (0.0, 0.1, 0.1, 0.1, 0.0)


def normalised(x: tf.Tensor) -> tf.Tensor:
    """Local response normalisation over 9 maps, which TensorFlow has in float32 alone."""
    x32 = tf.cast(x, tf.float32)
    return tf.cast(tf.nn.local_response_normalization(x32, 4, bias=1.0, alpha=1.111e-4, beta=0.75), x.dtype)


class Network(tf.Module):
    """(N, 24, 24, 3) standardised to logits (N, 10)."""

    def __init__(self, kind: tf.DType) -> None:
        super().__init__()
        both = zip(SHAPES, DEVIATIONS, strict=True)
        self.weights = [tf.Variable(tf.random.truncated_normal(shape, stddev=deviation)) for shape, deviation in both]
        self.biases = [tf.Variable(tf.fill(shape[-1:], b)) for shape, b in zip(SHAPES, BIASES, strict=True)]
        self.kind = kind

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        w, b = ([tf.cast(v, self.kind) for v in group] for group in (self.weights, self.biases))
        x = tf.nn.relu(tf.nn.conv2d(tf.cast(x, self.kind), w[0], 1, "SAME") + b[0])
        x = normalised(tf.nn.max_pool2d(x, 3, 2, "SAME"))
        x = normalised(tf.nn.relu(tf.nn.conv2d(x, w[1], 1, "SAME") + b[1]))
        x = tf.reshape(tf.nn.max_pool2d(x, 3, 2, "SAME"), (-1, 6 * 6 * 64))
        for i in (2, 3):
            x = tf.nn.relu(x @ w[i] + b[i])
        return tf.cast(x @ w[4] + b[4], tf.float32)

    def penalty(self) -> tf.Tensor:
        """Half the squares of the two hidden dense layers' weights, times L2."""
        return L2 * (tf.nn.l2_loss(self.weights[2]) + tf.nn.l2_loss(self.weights[3]))


def changed(x: tf.Tensor) -> tf.Tensor:
    """Pictures (N, 32, 32, 3) uint8 to windows (N, 24, 24, 3): place, side, brightness and contrast drawn for each."""
    n = tf.shape(x)[0]
    x = tf.cast(x, tf.float32)
    for axis in (1, 2):
        begin = tf.random.uniform((n, 1), 0, 32 - SIDE + 1, tf.int32)
        x = tf.gather(x, begin + tf.range(SIDE)[None], axis=axis, batch_dims=1)
    x = tf.where(tf.random.uniform((n, 1, 1, 1)) < 0.5, tf.reverse(x, [2]), x)
    x += tf.random.uniform((n, 1, 1, 1), -63.0, 63.0)
    mean = tf.reduce_mean(x, (1, 2), keepdims=True)
    return tf.image.per_image_standardization((x - mean) * tf.random.uniform((n, 1, 1, 1), 0.2, 1.8) + mean)


def training(pictures: Pictures, seed: int, kind: tf.DType, xla: bool) -> tuple[Any, Any, Any]:
    """A step on the rows of a batch, what waits for it, and the classes that are answered."""
    tf.random.set_seed(seed)
    network, optimizer = Network(kind), tf.keras.optimizers.Adam(1e-3)
    variables = network.trainable_variables
    optimizer.build(variables)

    @tf.function(jit_compile=xla)
    def update(x: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = network(changed(x))
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)) + network.penalty()
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    @tf.function
    def classes(x: tf.Tensor) -> tf.Tensor:
        return tf.argmax(network(tf.image.per_image_standardization(tf.cast(x, tf.float32))), 1)

    last: list[Any] = []
    rows = shuffled(len(pictures.train), BATCH, seed, keep_rest=False)

    def step(_: int) -> None:
        chosen = next(rows)
        last[:] = [update(tf.constant(pictures.train[chosen]), tf.constant(pictures.train_labels[chosen]))]

    def answers(some: np.ndarray) -> np.ndarray:
        return classes(tf.constant(some[:, 4:28, 4:28])).numpy()

    return step, lambda: float(last[0]), answers


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
