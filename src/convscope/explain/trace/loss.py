"""The end of a trace: softmax and cross-entropy (LeNet-5's own loss where the network ends in `rbf`)."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.explain.trace.data import Gradient, Step, Term, Trace
from convscope.explain.trace.looking import End, look, the_picture
from convscope.explain.trace.reading import Numbers, exact, factor, number, written_sum
from convscope.explain.trace.wiring import LOSS, wiring
from convscope.network.build import Network
from convscope.network.shapes import numbers, show
from convscope.notation.tree import Aux
from convscope.train.loss import RUBBISH


def end_of(network: Network, label: str, target: int) -> End:
    """The loss whose gradient a layer is given: that of the logits, or of the side classifier that it stands in."""
    sizes = network.sizes
    body, shape, end = sizes.body, sizes.output, ""
    weight = 1.0
    for row in sizes.rows:
        if isinstance(row.item, Aux) and (label == row.item.name or label.startswith(f"{row.item.name}.")):
            body, end, weight = row.item.body, row.item.name, row.item.weight
            shape = sizes.by_name()[body.items[-1].name].after if body.items else row.before
    if numbers(shape) != shape[-1]:
        raise ConvscopeError(
            f"a gradient needs a network that ends in one number a class. This one ends in {show(shape)}. Leave the "
            "target out, or end the network with `dense`."
        )
    if not 0 <= target < shape[-1]:
        raise ConvscopeError(
            f"the target must be a class from 0 to {shape[-1] - 1}. Got {target}. The nearest is "
            f"{min(max(target, 0), shape[-1] - 1)}."
        )
    return End(target, body.items[-1].kind if body.items else "", end, weight)


def _classes(logits: Numbers, end: End) -> Numbers:
    """The logits; with `rbf` also that of the rubbish class, which lies always as far away."""
    return np.append(logits, -RUBBISH) if end.kind == "rbf" else logits


def _shares(logits: Numbers) -> Numbers:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def slopes_of_loss(logits: Numbers, end: End) -> Numbers:
    """By how much the loss rises with each logit: its probability, less 1 at the target."""
    p = _shares(_classes(logits, end))[: len(logits)]
    p[end.target] -= 1
    return p


def trace_loss(network: Network, x: Tensor, target: int) -> Trace:
    """The loss of one picture x: (1, C, H, W) for a class: softmax of the logits, and minus the logarithm of the
    target's probability. Raises ConvscopeError as `trace` does."""
    network = the_picture(network, x)
    end = end_of(network, LOSS, target)
    last = wiring(network.sizes).into[LOSS][0].source
    looked = look(network, x, [last], None, end)
    assert looked.logits is not None
    logits = exact(looked.logits[0])
    all_ = _classes(logits, end)
    top = float(all_.max())
    powers = np.exp(all_ - top)
    total, own = float(powers.sum()), float(powers[target])
    loss = math.log(total) - float(all_[target] - top)
    p = own / total
    steps = (
        Step("minus the largest", f"{number(logits[target])} - {factor(top)} = {number(logits[target] - top)}",
             float(logits[target] - top)),
        Step("sum of the powers", f"{written_sum(powers, None)} = {number(total)}", total),
        Step("probability of the target", f"exp({number(logits[target] - top)}) / {number(total)} = {number(p)}", p),
        Step("minus its logarithm", f"-log({number(p)}) = {number(loss)}", loss),
    )  # fmt: skip
    maps = looked.outputs[last].dim() == 4
    slopes = slopes_of_loss(logits, end)
    terms = tuple(
        Term(last, (turn, 0, 0) if maps else (turn,), True, float(z), None, float(power), float(slope))
        for turn, (z, power, slope) in enumerate(zip(logits, powers, slopes, strict=False))
    )
    height, width, _ = network.input
    notes: tuple[str, ...] = (
        "The slope of a logit is its probability, less 1 at the target: what is too likely is pushed down.",
    )
    if end.kind == "rbf":
        notes += (
            f"One class more, `rubbish`, always lies {number(RUBBISH)} away (LeCun et al. 1998, equation 9): a wrong "
            "digit that is much farther is not pushed any farther.",
        )
    return Trace(
        LOSS, "loss", "softmax, cross-entropy" if end.kind != "rbf" else "LeNet-5's loss", (target,), (), looked.loss,
        (last,), (len(terms), 1, 1), terms, None, steps, f"-log({number(p)}) = {number(loss)}", (),
        (0, 0, height, width), (height, width), notes, Gradient(target, looked.loss, 1.0, (), ()),
    )  # fmt: skip
