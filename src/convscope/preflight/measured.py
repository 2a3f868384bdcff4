"""The first batch's diagnosis as findings: `train.first_step` measures, `train.faults` judges, here are the edits that
mend."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from convscope.network.shapes import option
from convscope.notation.tree import Init, Layer
from convscope.preflight.edits import replaced, with_word
from convscope.preflight.finding import Edit, Setting
from convscope.preflight.pictures import SCALED
from convscope.preflight.starts import WIDE, weighted
from convscope.preflight.subject import Found, Subject, one_each
from convscope.run import Diagnosis


def smaller_weights(s: Subject, d: Diagnosis) -> tuple[Edit, ...]:
    """init=kaiming wherever another start is written; where none is, the input is what is too large."""
    edits: list[tuple[Layer, Edit]] = []
    for layer, _, times in weighted(s):
        if times > WIDE:
            edits.append((layer, with_word(s.text, layer.place, "init=kaiming")))
    if edits:
        return one_each(edits)
    return SCALED if d.input_spread > 10 else ()


def plain_loss(s: Subject, d: Diagnosis) -> tuple[Edit, ...]:
    """Where the loss is clipped, the one that isn't."""
    if s.recipe is not None and s.recipe.train.loss == "clipped-mean":
        return (Setting("train.loss", "cross-entropy"),)
    return smaller_weights(s, d)


def usual_starts(s: Subject, d: Diagnosis) -> tuple[Edit, ...]:
    """Every weight as init=kaiming and every bias at 0, wherever the text says otherwise."""
    edits: list[tuple[Layer, Edit]] = []
    for layer, how, _ in weighted(s):
        edit = None
        if how != Init("kaiming"):
            edit = with_word(s.text, layer.place, "init=kaiming")
        if option(layer, "bias_init", Init) != Init("constant", 0.0):
            edit = with_word(s.text, layer.place, "bias_init=0")
            if how != Init("kaiming"):
                edit = replaced(s.text, layer.place, _both(edit.new))
        if edit is not None:
            edits.append((layer, edit))
    return one_each(edits)


def _both(layer: str) -> str:
    return re.sub(r"(?<=\s)init=(\S*\([^)]*\)|\S+)", "init=kaiming", layer)


def open_activations(s: Subject, d: Diagnosis) -> tuple[Edit, ...]:
    """relu in place of what is flat on both sides; else the usual starts."""
    flat = [(each, replaced(s.text, each.place, "relu")) for each, _ in s.layers() if each.kind in ("sigmoid", "tanh")]
    return one_each([*flat]) or usual_starts(s, d)


MENDS: dict[str, Callable[[Subject, Diagnosis], tuple[Edit, ...]]] = {
    "first-loss-too-large": smaller_weights,
    "pictures-without-gradient": plain_loss,
    "activations-grow": smaller_weights,
    "activations-vanish": open_activations,
    "gradients-vanish": open_activations,
    "dead-units": usual_starts,
}
"""One row for each of `train.faults.FAULTS`."""


def measured(s: Subject, d: Diagnosis) -> Iterator[tuple[str, Found]]:
    """The faults of a first batch, by name."""
    for name, said in zip(d.faults, d.said, strict=True):
        edits = MENDS[name](s, d)
        yield name, Found("the first batch", f"{said[0].upper()}{said[1:]}.", _in_words(edits), edits)


def _in_words(edits: tuple[Edit, ...]) -> str:
    settings = " ".join(f"--set {edit.key}={edit.value}" for edit in edits if isinstance(edit, Setting))
    return settings or ("change the network as shown" if edits else "see the page")
