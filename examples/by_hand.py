"""A convolutional network by hand: no framework, only NumPy and the textbook's functions, each of a few lines.

    python examples/by_hand.py              trains on the embedded digits, and says how many test pictures are right
    python examples/by_hand.py --compare    and lets PyTorch take the same steps, and says how far the weights differ

Run it from the root of a clone, with convscope installed. Read `forward`, `backward` and `train`: that is all there
is. The functions that they call stand in src/convscope/explain/reference, each beside its gradient; docs/textbook.md
answers what readers ask about them.

By hand everything is float64. PyTorch's side is float32, as everybody trains, and float64 to show that what is left of
the difference is rounding.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import convscope.explain.reference as book
from convscope.data import store
from convscope.explain.reference import Array

TEXT = "conv 3x3 8, relu, maxpool 2, conv 3x3 16, relu, maxpool 2, dense 10"
RATE, MOMENTUM, BATCH = 0.03, 0.9, 64

Labels = NDArray[np.int64]
Weights = dict[str, Array]


def forward(weights: Weights, x: Array) -> tuple[Array, dict[str, Array]]:
    """Pictures x (N, 1, 8, 8) to logits (N, 10), and what each layer was given: the way back needs it."""
    given = {"conv1": x}
    given["relu1"] = book.conv(given["conv1"], weights["conv1.weight"], weights["conv1.bias"])  # (N, 8, 8, 8)
    given["pool1"] = book.relu(given["relu1"])
    given["conv2"] = book.maxpool(given["pool1"], 2)  # (N, 8, 4, 4)
    given["relu2"] = book.conv(given["conv2"], weights["conv2.weight"], weights["conv2.bias"])  # (N, 16, 4, 4)
    given["pool2"] = book.relu(given["relu2"])
    given["dense1"] = book.maxpool(given["pool2"], 2)  # (N, 16, 2, 2)
    return book.dense(given["dense1"], weights["dense1.weight"], weights["dense1.bias"]), given


def backward(weights: Weights, given: dict[str, Array], upstream: Array) -> Weights:
    """The gradient of the loss with respect to each weight and bias.

    upstream (N, 10) is the one with respect to the logits. The layers are passed in the opposite order: each takes the
    gradient of what it gave and hands on the gradient of what it was given.
    """
    to: Weights = {}
    upstream, to["dense1.weight"], to["dense1.bias"] = book.dense_gradient(
        given["dense1"], weights["dense1.weight"], upstream
    )
    upstream = book.maxpool_gradient(given["pool2"], upstream, 2)
    upstream = book.relu_gradient(given["relu2"], upstream)
    upstream, to["conv2.weight"], to["conv2.bias"] = book.conv_gradient(
        given["conv2"], weights["conv2.weight"], upstream
    )
    upstream = book.maxpool_gradient(given["pool1"], upstream, 2)
    upstream = book.relu_gradient(given["relu1"], upstream)
    _, to["conv1.weight"], to["conv1.bias"] = book.conv_gradient(given["conv1"], weights["conv1.weight"], upstream)
    return to


def train(
    start: Weights, x: Array, labels: Labels, batches: list[NDArray[np.int64]]
) -> Iterator[tuple[float, Weights]]:
    """The loss of each batch, and the weights after its step. batches: rows of x, one array a step."""
    weights = dict(start)
    velocity = {name: np.zeros(weight.shape) for name, weight in weights.items()}
    for rows in batches:
        logits, given = forward(weights, x[rows])
        gradients = backward(weights, given, book.cross_entropy_gradient(logits, labels[rows]))
        for name, gradient in gradients.items():
            weights[name], velocity[name] = book.sgd(weights[name], gradient, velocity[name], RATE, MOMENTUM)
        yield book.cross_entropy(logits, labels[rows]), dict(weights)


def random_weights(draw: np.random.Generator) -> Weights:
    """Kernels at random, so that no two learn the same: normal with variance 2 / inputs of a unit (He et al., 2015,
    equation 10). Biases at 0."""
    weights = {}
    for layer, shape in {"conv1": (8, 1, 3, 3), "conv2": (16, 8, 3, 3), "dense1": (10, 16 * 2 * 2)}.items():
        weights[f"{layer}.weight"] = in_float32(draw.normal(0.0, math.sqrt(2 / math.prod(shape[1:])), shape))
        weights[f"{layer}.bias"] = np.zeros(shape[0])
    return weights


def in_float32(values: Array) -> Array:
    """Rounded to float32 and kept as float64, so that PyTorch can begin with the very same numbers."""
    return values.astype(np.float32).astype(np.float64)


def right(weights: Weights, x: Array, labels: Labels) -> int:
    """How many pictures have their largest logit at their label."""
    return int((forward(weights, x)[0].argmax(axis=1) == labels).sum())


def in_pytorch(
    start: Weights, x: Array, labels: Labels, batches: list[NDArray[np.int64]], precision: str
) -> Iterator[Weights]:
    """The weights after each step of convscope's network, with PyTorch's gradients and its optimizer.

    precision: "float32" or "float64".
    """
    import torch

    from convscope import Network

    dtype = getattr(torch, precision)
    network = Network(TEXT, input=(8, 8, 1), classes=10, seed=None).to(dtype)
    network.load_state_dict({name: torch.from_numpy(weight) for name, weight in start.items()})
    optimizer = torch.optim.SGD(network.parameters(), RATE, MOMENTUM)
    pictures, answers = torch.from_numpy(x).to(dtype), torch.from_numpy(labels)
    for rows in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(pictures[rows]), answers[rows]).backward()
        optimizer.step()
        yield {name: tensor.double().numpy().copy() for name, tensor in network.state_dict().items()}


def apart(one: Weights, other: Weights) -> float:
    """The largest difference of any weight or bias."""
    assert one.keys() == other.keys()
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def show_kernel(start: Weights, weights: Weights) -> None:
    """The first layer's kernel that has moved most, before and after."""
    before, after = start["conv1.weight"][:, 0], weights["conv1.weight"][:, 0]  # (8, 3, 3)
    most = int(np.abs(after - before).sum(axis=(1, 2)).argmax())
    print(f"\nkernel {most} of conv1: at random, and after training")
    for old, new in zip(before[most], after[most], strict=True):
        print("    " + " ".join(f"{v:6.2f}" for v in old) + "      " + " ".join(f"{v:6.2f}" for v in new))


def compare(
    start: Weights, x: Array, labels: Labels, batches: list[NDArray[np.int64]], by_hand: list[Weights], a_pass: int
) -> None:
    """Prints how far PyTorch's weights are from those by hand, after the same steps."""
    print("\nthe same start and the same batches in PyTorch: the largest difference of any weight")
    print("steps   in its float32   in its float64     (by hand all is float64)")
    both = (in_pytorch(start, x, labels, batches, precision) for precision in ("float32", "float64"))
    for step, (hand, single, double) in enumerate(zip(by_hand, *both, strict=True), start=1):
        if step in (1, 10) or step % a_pass == 0:
            print(f"{step:5d}   {apart(hand, single):14.1e}   {apart(hand, double):14.1e}")


def main() -> None:
    asked = argparse.ArgumentParser(description="A convolutional network by hand, on the embedded digits.")
    asked.add_argument("--epochs", type=int, default=10, help="passes through the training pictures")
    asked.add_argument("--seed", type=int, default=0, help="of the initial weights and of the order of the pictures")
    asked.add_argument(
        "--compare", action="store_true", help="also train in PyTorch, and say how far the weights differ"
    )
    options = asked.parse_args()
    if options.epochs < 1:
        asked.error(f"--epochs must be at least 1. Got {options.epochs}.")

    digits = store.load("digits")
    mean, std = digits.preprocess.mean[0], digits.preprocess.std[0]  # of the training pictures
    x, y, z = (in_float32((p.images / 255 - mean) / std) for p in (digits.train, digits.validation, digits.test))
    labels = digits.train.labels
    draw = np.random.default_rng(options.seed)
    start = random_weights(draw)
    a_pass = math.ceil(len(x) / BATCH)
    batches = [rows for _ in range(options.epochs) for rows in np.array_split(draw.permutation(len(x)), a_pass)]
    print(TEXT)
    print(f"{len(x)} pictures, {a_pass} steps an epoch, {sum(w.size for w in start.values())} numbers to learn")

    losses: list[float] = []
    steps: list[Weights] = []
    for loss, weights in train(start, x, labels, batches):
        losses.append(loss)
        steps.append(weights)
        if len(steps) % a_pass == 0:
            k, n = right(weights, y, digits.validation.labels), len(y)
            mean_loss = sum(losses[-a_pass:]) / a_pass
            epoch = len(steps) // a_pass
            print(f"epoch {epoch:2d}: loss {mean_loss:.4f}, validation accuracy {100 * k / n:.2f} % ({k} of {n})")
    k, n = right(steps[-1], z, digits.test.labels), len(z)
    print(f"test accuracy {100 * k / n:.2f} % ({k} of {n})")
    show_kernel(start, steps[-1])
    if options.compare:
        compare(start, x, labels, batches, steps, a_pass)


if __name__ == "__main__":
    main()
