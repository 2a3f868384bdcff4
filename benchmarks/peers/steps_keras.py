"""Training steps of Keras 3 on TensorFlow or on JAX: float32 or bfloat16, with XLA or without, whatever is fastest.

The network is the source that `convscope code --as keras` writes. Two of its helpers are changed for what these
frameworks do natively: the order in which maps are flattened (free, where weights are new) and TensorFlow's own local
response normalisation.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from protocol import Step, Wait, fastest, serve, settings
from source import load

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import keras
import numpy as np

BACKEND = keras.backend.backend()


def model_of(asked: dict[str, Any], policy: str) -> keras.Model:
    """The network with new weights."""
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(0)
    module = load(Path(asked["source"]))
    if hasattr(module, "flatten"):
        module.flatten = lambda x: keras.ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))
    if hasattr(module, "local_response_norm"):
        module.local_response_norm = native if BACKEND == "tensorflow" else banded
    return module.Net()


class Learning(keras.Model):
    """A network as it is in training: dropout drops, statistics are the batch's. For a call that takes no such word."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def call(self, x: Any) -> Any:
        return self.network(x, training=True)


def native(x: Any, window: int, alpha: float, beta: float, k: float) -> Any:
    """TensorFlow's own local response normalisation, which it has in float32 alone."""
    import tensorflow as tf

    x32 = tf.cast(x, tf.float32)
    y = tf.nn.local_response_normalization(x32, depth_radius=window // 2, bias=k, alpha=alpha, beta=beta)
    return tf.cast(y, x.dtype)


def banded(x: Any, window: int, alpha: float, beta: float, k: float) -> Any:
    """Local response normalisation as one product with a band of ones, in the precision of x."""
    place = np.arange(x.shape[-1])
    band = (np.abs(place[:, None] - place) <= window // 2).astype("float32")
    return x * (k + alpha * keras.ops.matmul(x * x, keras.ops.cast(band, x.dtype))) ** -beta


def optimizer_of(asked: dict[str, Any]) -> keras.optimizers.Optimizer:
    """A rate so small that the numbers stay what they are."""
    return keras.optimizers.Adam(1e-6) if asked["optimizer"] == "adam" else keras.optimizers.SGD(1e-6, momentum=0.9)


def pictures(asked: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """A batch of noise (N, H, W, C) and its labels."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((asked["batch"], *asked["input"])).astype("float32")
    return x, generator.integers(0, asked["classes"], asked["batch"])


def on_tensorflow(asked: dict[str, Any], policy: str, xla: bool) -> tuple[Step, Wait]:
    import tensorflow as tf

    model, optimizer = model_of(asked, policy), optimizer_of(asked)
    x, labels = map(tf.constant, pictures(asked))
    model(x[:1])
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=xla)
    def update(x: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = tf.cast(model(x, training=True), tf.float32)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    last: list[Any] = []

    def step() -> None:
        last[:] = [update(x, labels)]

    return step, lambda: float(last[0])


def on_jax(asked: dict[str, Any], policy: str) -> tuple[Step, Wait]:
    import jax
    import jax.numpy as jnp

    model, optimizer = Learning(model_of(asked, policy)), optimizer_of(asked)
    x, labels = map(jnp.asarray, pictures(asked))
    model(x[:1])
    optimizer.build(model.trainable_variables)

    def loss_of(learned: Any, kept: Any, x: Any, labels: Any) -> tuple[Any, Any]:
        logits, kept = model.stateless_call(learned, kept, x)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits.astype(jnp.float32)), labels[:, None], 1)
        return -chosen.mean(), kept

    def update(state: Any, x: Any, labels: Any) -> tuple[Any, Any]:
        learned, kept, memory = state
        (loss, kept), gradients = jax.value_and_grad(loss_of, has_aux=True)(learned, kept, x, labels)
        learned, memory = optimizer.stateless_apply(memory, gradients, learned)
        return (learned, kept, memory), loss

    compiled = jax.jit(update, donate_argnums=0)
    state: list[Any] = [
        tuple([v.value for v in group] for group in (model.trainable_variables, model.non_trainable_variables,
                                                     optimizer.variables)),
    ]  # fmt: skip

    def step() -> None:
        state[0], _ = compiled(state[0], x, labels)

    return step, lambda: jax.block_until_ready(state[0])


def main() -> None:
    asked = settings()
    policies = ("float32", "mixed_bfloat16") if asked["bfloat16"] else ("float32",)
    makers: dict[str, Any]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(asked["threads"])
        versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
        makers = {policy: partial(on_tensorflow, asked, policy, False) for policy in policies}
        if asked["xla"]:
            makers |= {f"{policy}, XLA": partial(on_tensorflow, asked, policy, True) for policy in policies}
    else:
        import jax

        versions = {"jax": jax.__version__, "keras": keras.__version__}
        makers = {policy: partial(on_jax, asked, policy) for policy in policies}
    name, step, wait, tried = fastest(makers)
    serve(step, wait, way=name, tried=tried, versions=versions)


if __name__ == "__main__":
    main()
