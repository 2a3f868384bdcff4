"""Computes paddle.npz, once. Run by hand, from the root, where PaddlePaddle is installed (`.bench/` is not in git):

    python3 -m venv .bench/paddle && .bench/paddle/bin/pip install paddlepaddle
    PYTHONPATH=tests .bench/paddle/bin/python -m oracle.make_paddle

PaddlePaddle's pictures are N x C x H x W and its kernels out x in / groups x height x width, as ours. Where its "SAME"
meets a dilation it takes the dilation to be 1, and with ceil_mode it keeps a window that starts past n + p and sees no
cell at all (its maximum is -3.4e38, where PyTorch and the notation drop it): no such cases are asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle  # type: ignore[import-not-found,import-untyped,unused-ignore]
import paddle.nn.functional as F  # type: ignore[import-not-found,import-untyped,unused-ignore]

from oracle import cases
from oracle.cases import Window, numbers


def tensor(values: Any) -> Any:
    """A tensor that gradients reach."""
    return paddle.to_tensor(values, stop_gradient=False)


def weighted(y: Any) -> Any:
    """The loss whose gradients are stored."""
    return (y * paddle.to_tensor(numbers(*y.shape, salt=7))).sum()


def window(case: Window) -> dict[str, Any]:
    x, weight = tensor(case.x), tensor(case.weight)
    padding: Any = case.padding.upper() if isinstance(case.padding, str) else list(case.padding)
    if case.kind == "maxpool":
        y = F.max_pool2d(x, case.kernel, case.stride, padding, ceil_mode=case.ceil)
    elif case.kind == "avgpool":
        y = F.avg_pool2d(x, case.kernel, case.stride, padding, ceil_mode=case.ceil, exclusive=True)
    elif case.border:
        down, across = padding
        seen = F.pad(x, [across, across, down, down], mode=case.border)
        y = F.conv2d(seen, weight, None, case.stride)
    else:
        y = F.conv2d(x, weight, None, case.stride, padding, case.dilation, case.groups)
    weighted(y).backward()
    values = {f"{case.name} y": y.numpy(), f"{case.name} dx": x.grad.numpy()}
    if case.kind == "conv":
        values[f"{case.name} dw"] = weight.grad.numpy()
    return values


def adaptive() -> dict[str, Any]:
    functions = {"avgpool_to": F.adaptive_avg_pool2d, "maxpool_to": F.adaptive_max_pool2d}
    values: dict[str, Any] = {}
    for kind, to, shape in cases.ADAPTIVE:
        x = tensor(numbers(*shape))
        y = functions[kind](x, to)
        weighted(y).backward()
        values |= {f"{kind} {to} y": y.numpy(), f"{kind} {to} dx": x.grad.numpy()}
    return values


def responses() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for size, k, alpha, beta in cases.RESPONSES:
        x = tensor(numbers(*cases.RESPONSE_SHAPE))
        # PaddlePaddle, as PyTorch, divides alpha by the window
        y = F.local_response_norm(x, size, alpha=alpha * size, beta=beta, k=k)
        weighted(y).backward()
        values |= {f"lrn {size} y": y.numpy(), f"lrn {size} dx": x.grad.numpy()}
    return values


def normalised() -> dict[str, Any]:
    channels = cases.NORMALISED_SHAPE[1]
    x, weight, bias = (
        tensor(numbers(*cases.NORMALISED_SHAPE)),
        tensor(numbers(channels, salt=1)),
        tensor(numbers(channels, salt=2)),
    )
    mean, variance = numbers(channels, salt=3), numbers(channels, salt=4) ** 2 + np.float32(0.1)
    running_mean, running_variance = paddle.to_tensor(mean), paddle.to_tensor(variance)
    # its momentum is the share of the old statistics
    y = F.batch_norm(
        x, running_mean, running_variance, weight, bias, training=True, momentum=0.9, epsilon=cases.NORMALISED_EPS
    )
    weighted(y).backward()
    predicted = F.batch_norm(
        x,
        paddle.to_tensor(mean),
        paddle.to_tensor(variance),
        weight,
        bias,
        training=False,
        epsilon=cases.NORMALISED_EPS,
    )
    return {
        "bn y": y.numpy(), "bn dx": x.grad.numpy(), "bn dscale": weight.grad.numpy(), "bn dshift": bias.grad.numpy(),
        "bn running mean": running_mean.numpy(), "bn running variance": running_variance.numpy(),
        "bn predict": predicted.numpy(),
    }  # fmt: skip


def losses() -> dict[str, Any]:
    values: dict[str, Any] = {}
    truth = F.one_hot(paddle.to_tensor(cases.LABELS), cases.LOGITS_SHAPE[1])
    for smoothing in cases.SMOOTHINGS:
        logits = tensor(3 * numbers(*cases.LOGITS_SHAPE))
        loss = F.cross_entropy(logits, F.label_smooth(truth, epsilon=smoothing), soft_label=True)
        loss.backward()
        name = f"cross-entropy {smoothing}"
        values |= {f"{name} loss": loss.numpy(), f"{name} gradient": logits.grad.numpy()}
    return values


def steps() -> dict[str, Any]:
    optimizers = {
        "sgd momentum": (paddle.optimizer.Momentum, {"momentum": 0.9}),
        "sgd nesterov": (paddle.optimizer.Momentum, {"momentum": 0.9, "use_nesterov": True}),
        "adam": (paddle.optimizer.Adam, {"epsilon": 1e-3}),
        "adamw": (paddle.optimizer.AdamW, {"weight_decay": 0.1, "epsilon": 1e-3}),
    }
    values: dict[str, Any] = {}
    for name, (optimizer_kind, settings) in optimizers.items():
        weight = paddle.base.framework.EagerParamBase.from_tensor(tensor(numbers(6)))
        optimizer = optimizer_kind(cases.RATE, parameters=[weight], **settings)
        walk = []
        for _ in range(cases.STEPS):
            (0.5 * weight**2 * paddle.arange(1, 7, dtype="float32")).sum().backward()
            optimizer.step()
            optimizer.clear_grad()
            walk.append(weight.numpy().copy())
        values[name] = np.stack(walk)
    return values


def activations() -> dict[str, Any]:
    functions = {
        "relu": F.relu, "relu6": F.relu6, "leaky": lambda x: F.leaky_relu(x, 0.1), "elu": F.elu, "sigmoid": F.sigmoid,
        "silu": F.silu, "tanh": F.tanh, "gelu": F.gelu, "softmax": F.softmax,
    }  # fmt: skip
    values: dict[str, Any] = {}
    for name in cases.ACTIVATIONS:
        x = tensor(4 * numbers(*cases.ACTIVATED_SHAPE))
        y = functions[name](x)
        weighted(y).backward()
        values |= {f"{name} y": y.numpy(), f"{name} dx": x.grad.numpy()}
    return values


def main() -> None:
    values: dict[str, Any] = {}
    for case in cases.PADDLE_WINDOWS:
        values |= window(case)
    for part in (adaptive, responses, normalised, losses, steps, activations):
        values |= part()
    cases.save(
        "paddle", {name: np.asarray(value) for name, value in values.items()}, f"PaddlePaddle {paddle.__version__}"
    )


if __name__ == "__main__":
    main()
