"""The network and settings of Keras's own MNIST example (a small convolutional network), on TensorFlow: Adam, batches
of 128, 15 epochs, the last 10 % of the training pictures for validation.

Written anew from these facts, with `fit` as in the example. Validation after each epoch is left out of the time:
kinder than the original.
"""

from __future__ import annotations

import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
import tensorflow as tf
from keras import layers
from protocol import say, settings
from training import read

BATCH = 128


class Looks(keras.callbacks.Callback):
    """Tells after each epoch what was reached; a look takes no part of the time."""

    def __init__(self, x: Any, labels: Any, limit: float) -> None:
        super().__init__()
        self.x, self.labels, self.limit = x, labels, limit
        self.steps, self.seconds, self.begin = 0, 0.0, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        if self.limit and self.seconds + time.perf_counter() - self.begin > self.limit:
            self.model.stop_training = True
            say(steps=self.steps, seconds=self.seconds + time.perf_counter() - self.begin)
            raise SystemExit(0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds += time.perf_counter() - self.begin
        answers = self.model.predict_on_batch(self.x).argmax(1)
        say(steps=self.steps, seconds=self.seconds, k=int((answers == self.labels).sum()), n=len(self.labels))
        self.begin = time.perf_counter()


def main() -> None:
    asked = settings()
    tf.config.threading.set_intra_op_parallelism_threads(asked["threads"])
    keras.utils.set_random_seed(asked["seed"])
    pictures = read(asked["data"])
    model = keras.Sequential([
        keras.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(), layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    kept = len(pictures.train) * 9 // 10
    x = pictures.train[:kept].astype("float32") / 255
    labels = keras.utils.to_categorical(pictures.train_labels[:kept], 10)
    say(way="float32, fit", versions={"tensorflow": tf.__version__, "keras": keras.__version__})
    epochs = -(-max(asked["looks"]) // -(-kept // BATCH))
    looks = Looks(pictures.test.astype("float32") / 255, pictures.test_labels, asked["limit"])
    model.fit(x, labels, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[looks])


if __name__ == "__main__":
    main()
