"""What the numbers of a first batch say: each fault by its name in docs/check.md, in a sentence with its mend.

Knows the record of the batch (`first_step` measures it), no module and no text.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from convscope.run import Diagnosis

LARGE_LOSS = {"clipped-mean": 4.0, "cross-entropy": 10.0, "auto": 10.0}
"""A first loss of so many times what a network has that knows nothing. Good recipes stay below 6; a clipped loss can't
go beyond 11."""
SILENT = 0.2
"""The share of pictures that are answered wrongly and yet send no gradient."""
GROWTH = 1e3
"""How much larger, or smaller, a layer's numbers may be than the input's."""
VANISHED = 1e-4
"""The relative gradient of a layer, as a share of the largest one; 30 sigmoids in a row give less."""
DEAD = 0.5
"""The share of a layer's units that are 0 for every picture of the batch."""


def expected(name: str, classes: int) -> float | None:
    """The loss of a network that holds every class for equally likely; None where the loss knows no such number."""
    if classes < 2 or name not in LARGE_LOSS:
        return None
    return math.log(classes) / (classes if name == "clipped-mean" else 1)


def judged(d: Diagnosis, wide: dict[str, float], name: str) -> Diagnosis:
    """The same with the faults that it shows, each by its name in docs/check.md and in a sentence."""
    faults = {key: said for key, rule in FAULTS.items() if (said := rule(d, wide, name))}
    cause = _cause(d, wide)
    for key in [key for key, said in faults.items() if cause in said][1:]:  # once is enough
        faults[key] = faults[key].replace(f"; {cause}", "").replace(f": {cause}", ", for the same reason")
    return dataclasses.replace(d, faults=tuple(faults), said=tuple(faults.values()))


def _cause(d: Diagnosis, wide: dict[str, float]) -> str:
    """Where numbers that are too large come from."""
    if wide:
        named = ", ".join(f"{layer} ({times:.0f} times)" for layer, times in list(wide.items())[:4])
        more = f" and {len(wide) - 4} more" if len(wide) > 4 else ""
        return (
            f"the initial weights are too large: they spread wider than sqrt(2 / inputs) at {named}{more}; "
            "write init=kaiming there"
        )
    if d.input_spread > 10:
        return (
            f"the input is too large: its standard deviation is {d.input_spread:.3g}; "
            'set mean = "train" and std = "train" in [input]'
        )
    return "the numbers that reach the loss are too large; start from smaller weights, or put bn before the activations"


def _first_loss(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    if not math.isfinite(d.loss):
        return f"the first loss is {d.loss}: {_cause(d, wide)}"
    if d.expected is None or d.loss <= LARGE_LOSS[name] * d.expected:
        return ""
    of = f"ln {d.classes}" if name != "clipped-mean" else f"ln {d.classes} / {d.classes}"
    return (
        f"the first loss {_number(d.loss)} is {_number(d.loss / d.expected, 2)} times {of} = {d.expected:.2f}, that of "
        f"a network that knows nothing: {_cause(d, wide)}"
    )


def _silent(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    if d.silent <= SILENT * d.pictures:
        return ""
    clipped = 'the loss is clipped where a probability is below 1e-11; set loss = "cross-entropy"'
    why = clipped if name == "clipped-mean" else "the loss is flat there"
    also = f"; {_cause(d, wide)}" if wide else ""
    return (
        f"{d.silent} of {d.pictures} pictures ({100 * d.silent / d.pictures:.0f} %) are answered wrongly and send no "
        f"gradient, so nothing is learned from them: {why}{also}"
    )


def _growing(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    largest = max(d.spread, default=0.0)
    if not d.layers or (math.isfinite(largest) and largest <= GROWTH * max(d.input_spread, 1e-6)):
        return ""
    if not all(map(math.isfinite, d.spread)):
        largest = next(spread for spread in d.spread if not math.isfinite(spread))
    where = d.layers[d.spread.index(largest)] if math.isfinite(largest) else _first_not_finite(d)
    return (
        f"activations grow from layer to layer, from a deviation of {d.input_spread:.2g} at the input to "
        f"{_number(largest)} at {where}: {_cause(d, wide)}"
    )


def _first_not_finite(d: Diagnosis) -> str:
    return next(layer for layer, spread in zip(d.layers, d.spread, strict=True) if not math.isfinite(spread))


def _vanishing(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    """Activations that die out on the way; what a dead layer gives is that layer's fault, told elsewhere."""
    hidden = list(zip(d.layers, d.spread, d.dead, strict=True))[:-1]
    for layer, spread, dead in hidden:
        if dead > DEAD:
            return ""
        if spread < d.input_spread / GROWTH and d.input_spread > 0:
            return (
                f"activations vanish: their deviation is {d.input_spread:.2g} at the input, {spread:.1g} at {layer}, "
                "so that all pictures look alike to what follows. Write init=kaiming and relu, or put bn between"
            )
    return ""


def _no_gradient(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    known = [(layer, g) for layer, g in zip(d.layers, d.gradients, strict=True) if g is not None and math.isfinite(g)]
    if len(known) < 2 or any(dead > DEAD for dead in d.dead[:-1]):
        return ""
    best, largest = max(known, key=lambda pair: pair[1])
    worst, least = min(known, key=lambda pair: pair[1])
    if largest == 0 or least >= VANISHED * largest:
        return ""
    return (
        f"gradients vanish on the way back: relative to the weights, that of {worst} is {_number(largest / least, 2)} "
        f"times as small as that of {best}"
        if least > 0
        else f"no gradient reaches {worst}"
    ) + ", so it hardly learns. Put bn before the activations, or use relu with weights as kaiming draws them"


def _dead_units(d: Diagnosis, wide: dict[str, float], name: str) -> str:
    for layer, dead in list(zip(d.layers, d.dead, strict=True))[:-1]:
        if dead > DEAD:
            return (
                f"{100 * dead:.0f} % of the units of {layer} are 0 for every one of the {d.pictures} pictures: dead "
                "from the start, they can't learn. Let biases start at 0 and weights as init=kaiming"
            )
    return ""


FAULTS: dict[str, Callable[[Diagnosis, dict[str, float], str], str]] = {
    "first-loss-too-large": _first_loss,
    "pictures-without-gradient": _silent,
    "activations-grow": _growing,
    "activations-vanish": _vanishing,
    "gradients-vanish": _no_gradient,
    "dead-units": _dead_units,
}
"""One row a fault: a sentence where the first batch shows it, and nothing where it doesn't."""


def _number(value: float, digits: int = 3) -> str:
    """A number of any size in a sentence: 2.37, 94 300, 4e+09."""
    if not math.isfinite(value):
        return str(value)
    if value >= 1e7 or 0 < value < 1e-3:
        return f"{value:.0e}"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}".replace(",", " ") if rounded >= 100 else f"{rounded:g}"
