"""Computes tensorflow.npz, once. Run by hand, from the root, where TensorFlow is installed (`.bench/` is not in git):

    python3 -m venv .bench/tf && .bench/tf/bin/pip install tensorflow-cpu
    PYTHONPATH=tests .bench/tf/bin/python -m oracle.make_tensorflow

TensorFlow's pictures are N x H x W x C and its kernels height x width x in x out; what is stored is N x C x H x W.
"""

from __future__ import annotations

import os
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf  # type: ignore[import-not-found,import-untyped,unused-ignore]

from oracle import cases
from oracle.cases import Window, numbers


def last(x: Any) -> Any:
    """(N, C, H, W) to (N, H, W, C)."""
    return tf.constant(np.transpose(x, (0, 2, 3, 1)))


def first(x: Any) -> Any:
    """(N, H, W, C) to (N, C, H, W)."""
    return np.transpose(np.asarray(x), (0, 3, 1, 2))


def window(case: Window) -> dict[str, Any]:
    x = last(case.x)
    # (out, in / groups, kh, kw) to (kh, kw, in / groups, out)
    weight = tf.constant(np.transpose(case.weight, (2, 3, 1, 0)))
    strides, word = [1, *case.stride, 1], str(case.padding).upper()
    with tf.GradientTape() as tape:
        tape.watch([x, weight])
        if case.kind == "maxpool":
            y = tf.nn.max_pool2d(x, case.kernel, case.stride, word)
        elif case.kind == "avgpool":
            y = tf.nn.avg_pool2d(x, case.kernel, case.stride, word)
        elif case.groups > 1:  # its kernels are height x width x channel x maps of that channel
            each = tf.reshape(weight, (*case.kernel, case.groups, case.maps // case.groups))
            y = tf.nn.depthwise_conv2d(x, each, strides, word)
        else:
            y = tf.nn.conv2d(x, weight, strides, word, dilations=case.dilation)
        loss = tf.reduce_sum(y * last(numbers(*first(y).shape, salt=7)))
    d_x, d_weight = tape.gradient(loss, [x, weight])
    values = {f"{case.name} y": first(y), f"{case.name} dx": first(d_x)}
    if case.kind == "conv":
        values[f"{case.name} dw"] = np.transpose(d_weight, (3, 2, 0, 1))
    return values


def responses() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for size, k, alpha, beta in cases.RESPONSES:
        x = last(numbers(*cases.RESPONSE_SHAPE))
        with tf.GradientTape() as tape:
            tape.watch(x)
            # depth_radius is half the window; alpha isn't divided by the window, nor is the notation's
            y = tf.nn.local_response_normalization(x, size // 2, k, alpha, beta)
            loss = tf.reduce_sum(y * last(numbers(*cases.RESPONSE_SHAPE, salt=7)))
        values |= {f"lrn {size} y": first(y), f"lrn {size} dx": first(tape.gradient(loss, x))}
    return values


def normalised() -> dict[str, Any]:
    channels = cases.NORMALISED_SHAPE[1]
    x = last(numbers(*cases.NORMALISED_SHAPE))
    weight, bias = tf.constant(numbers(channels, salt=1)), tf.constant(numbers(channels, salt=2))
    mean, variance = tf.constant(numbers(channels, salt=3)), tf.constant(numbers(channels, salt=4) ** 2 + 0.1)
    with tf.GradientTape() as tape:
        tape.watch([x, weight, bias])
        y, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(
            x, weight, bias, epsilon=cases.NORMALISED_EPS, is_training=True
        )
        loss = tf.reduce_sum(y * last(numbers(*cases.NORMALISED_SHAPE, salt=7)))
    d_x, d_weight, d_bias = tape.gradient(loss, [x, weight, bias])
    predicted, _, _ = tf.compat.v1.nn.fused_batch_norm(
        x, weight, bias, mean, variance, epsilon=cases.NORMALISED_EPS, is_training=False
    )
    return {
        "bn y": first(y), "bn dx": first(d_x), "bn dscale": d_weight.numpy(), "bn dshift": d_bias.numpy(),
        "bn mean": batch_mean.numpy(), "bn unbiased variance": batch_variance.numpy(), "bn predict": first(predicted),
    }  # fmt: skip


def losses() -> dict[str, Any]:
    values: dict[str, Any] = {}
    truth = tf.one_hot(cases.LABELS, cases.LOGITS_SHAPE[1])
    for smoothing in cases.SMOOTHINGS:
        logits = tf.constant(3 * numbers(*cases.LOGITS_SHAPE))
        loss_of = tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = loss_of(truth, logits)
        name = f"cross-entropy {smoothing}"
        values |= {f"{name} loss": loss.numpy(), f"{name} gradient": tape.gradient(loss, logits).numpy()}
    logits = tf.constant(20 * numbers(*cases.LOGITS_SHAPE))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        probability = tf.nn.softmax(logits)
        loss = -tf.reduce_mean(truth * tf.math.log(tf.clip_by_value(probability, 1e-11, 1.0)))
    values |= {"clipped mean loss": loss.numpy(), "clipped mean gradient": tape.gradient(loss, logits).numpy()}
    return values


def steps() -> dict[str, Any]:
    optimizers = {
        "sgd momentum": tf.keras.optimizers.SGD(cases.RATE, momentum=0.9),
        "sgd nesterov": tf.keras.optimizers.SGD(cases.RATE, momentum=0.9, nesterov=True),
        "adam": tf.keras.optimizers.Adam(cases.RATE, epsilon=1e-3),
        "adamw": tf.keras.optimizers.AdamW(cases.RATE, weight_decay=0.1, epsilon=1e-3),
    }
    values: dict[str, Any] = {}
    for name, optimizer in optimizers.items():
        weight = tf.Variable(numbers(6))
        walk = []
        for _ in range(cases.STEPS):
            optimizer.apply_gradients([(weight * np.arange(1, 7, dtype=np.float32), weight)])
            walk.append(weight.numpy().copy())
        values[name] = np.stack(walk)
    return values


def activations() -> dict[str, Any]:
    functions = {
        "relu": tf.nn.relu, "relu6": tf.nn.relu6, "leaky": lambda x: tf.nn.leaky_relu(x, 0.1), "elu": tf.nn.elu,
        "sigmoid": tf.nn.sigmoid, "silu": tf.nn.silu, "tanh": tf.nn.tanh, "gelu": tf.nn.gelu, "softmax": tf.nn.softmax,
    }  # fmt: skip
    values: dict[str, Any] = {}
    for name in cases.ACTIVATIONS:
        x = tf.constant(4 * numbers(*cases.ACTIVATED_SHAPE))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = functions[name](x)
            loss = tf.reduce_sum(y * numbers(*cases.ACTIVATED_SHAPE, salt=7))
        values |= {f"{name} y": y.numpy(), f"{name} dx": tape.gradient(loss, x).numpy()}
    return values


def main() -> None:
    values: dict[str, Any] = {}
    for case in cases.TENSORFLOW_WINDOWS:
        try:
            values |= window(case)
        except tf.errors.OpError as error:
            print(f"TensorFlow refuses {case.name}: {error.message.splitlines()[0]}")
    for part in (responses, normalised, losses, steps, activations):
        values |= part()
    cases.save(
        "tensorflow", {name: np.asarray(value) for name, value in values.items()}, f"TensorFlow {tf.__version__}"
    )


if __name__ == "__main__":
    main()
