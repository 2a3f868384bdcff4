"""One picture through one network, as the page shows it: layers, a cell's arithmetic, an attribution, kernels.

Each part is what `convscope explain` computes, as JSON. Knows no addresses.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from convscope.classifier import Classifier
from convscope.data import manner
from convscope.errors import ConvscopeError, RunFailed
from convscope.explain import maps
from convscope.explain.attribute import attribute
from convscope.explain.explanation import class_number
from convscope.explain.trace import trace, trace_loss
from convscope.explain.trace.words import text
from convscope.lab import pictures
from convscope.lab.pictures import Brought
from convscope.lab.shelf import Shelf
from convscope.network.at_rest import at_rest
from convscope.network.build import Network
from convscope.web import identifier

MOST_BYTES = 4 * 2**20
"""Of maps in one answer, of all layers together. A layer that doesn't fit comes without values; asked for alone it has
them."""


@dataclass(frozen=True, eq=False)
class Looked:
    """A picture for one network. fitted: uint8 (C, H, W); original: as it came, for the page; steps: what brought it
    into the data's manner. note: what the user must know of it. label: what it shows, where that is known."""

    fitted: NDArray[np.uint8]
    original: dict[str, Any]
    steps: tuple[manner.Step, ...] = ()
    label: str = ""

    @property
    def note(self) -> str:
        return " ".join(step.note for step in self.steps if step.note)


class Looking:
    """Answers questions about models and pictures of a shelf. Threads may share one."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf, self.brought = shelf, Brought()
        self._tracing = threading.Lock()  # a trace puts other tensors in the network's place for a moment

    # ---- what is looked at -------------------------------------------------------------------------------------------

    def given(self, asked: dict[str, Any]) -> tuple[Classifier, Looked]:
        """The network and the picture that a request names: its `model`, `moment`, `where` and `manner`."""
        classifier = self.shelf.classifier(asked.get("model"), asked.get("moment"))
        where = asked.get("where")
        kinds = [name for name in ("drawing", "picture", "data") if isinstance(where, dict) and name in where]
        if not isinstance(where, dict) or len(kinds) != 1:
            raise ConvscopeError("where must have one of drawing, picture and data. Got something else.")
        use = asked.get("manner", where.get("manner", True)) is not False
        if kinds == ["drawing"]:
            array = pictures.from_json(where["drawing"])
            return classifier, self._outside(classifier, array, use)
        if kinds == ["picture"]:
            return classifier, self._outside(classifier, self.brought.get(where["picture"]), use)
        pixels, label, classes = self.shelf.picture(where["data"], where.get("index"), asked.get("model"))
        array = np.ascontiguousarray(pixels.transpose(1, 2, 0))
        if where["data"] != self.shelf.model(identifier(asked.get("model")))["data"]:  # another network's
            return classifier, replace(self._outside(classifier, array, use), label=classes[label])
        fitted = classifier.preprocess.replace(manner=None).fit(array)
        return classifier, Looked(fitted, pictures.stored(pixels), label=classes[label])

    def _outside(self, classifier: Classifier, source: bytes | NDArray[np.uint8], use_manner: bool) -> Looked:
        """A picture that is none of the data's own, brought into its manner where that is wanted."""
        of = classifier.preprocess
        if isinstance(source, bytes):
            decoded = of.decoded(source)
        else:
            decoded = Image.fromarray(source[:, :, 0] if source.shape[2] == 1 else source)
        original = pictures.shown(decoded)
        plain = of.replace(manner=None)
        if of.manner is None or not use_manner:
            return Looked(plain.fit(decoded), original)
        steps = manner.explain(of.manner, decoded, of.size)
        return Looked(plain.fit(steps[-1].picture), original, steps)

    # ---- answers -----------------------------------------------------------------------------------------------------

    def look(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the network makes of a picture: probabilities, and every layer's maps. asked: see docs/lab.md; with
        `brief`, for a pen that is moving, neither the picture as it came nor the steps of its manner."""
        classifier, picture = self.given(asked)
        shares, layers = _passed(classifier, picture.fitted, asked.get("layers"))
        return {
            "probabilities": shares, "classes": list(classifier.classes), "label": picture.label,
            "input": pictures.stored(picture.fitted), "note": picture.note, "layers": layers,
            **({} if asked.get("brief") is True else {
                "original": picture.original,
                "steps": [{"text": step.text, "picture": pictures.to_json(step.picture)} for step in picture.steps],
            }),
        }  # fmt: skip

    def cell(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The arithmetic of one number, forward and backward; of the label "loss", that of the loss."""
        classifier, picture = self.given(asked)
        network = classifier.network
        if not isinstance(network, Network):
            raise ConvscopeError("a cell's arithmetic needs a network from a text. This model has none.")
        x = classifier.preprocess.to_input(picture.fitted[None])
        target = _target(classifier, asked.get("target"))
        if target is None:
            target = int(classifier.probabilities(picture.fitted[None])[0].argmax())
        label, place = _label(asked.get("label")), asked.get("place")
        with self._tracing:
            if label == "loss":
                return trace_loss(network, x, target).to_json()
            if not isinstance(place, list) or not all(type(at) is int for at in place):
                raise ConvscopeError(
                    f"a place must be map, row and column, or a unit alone, as in [0, 3, 4]. Got {place!r:.40}."
                )
            return trace(network, x, label, tuple(place), target=target).to_json()

    def attribution(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Which part of a picture speaks for a class, with the checks that say whether to believe it."""
        classifier, picture = self.given(asked)
        label = asked.get("label")
        target = _target(classifier, asked.get("target"))
        method = str(asked.get("method", "gradcam"))
        found = attribute(classifier, picture.fitted, method, _label(label) if label else None, target)
        return {
            "method": found.method, "label": found.label, "why_label": found.why_label, "target": found.target,
            "map": {"height": found.map.shape[0], "width": found.map.shape[1], **pictures.scaled(found.map)},
            "checks": [
                {"name": check.name, "value": check.value, "needed": check.needed, "passed": check.passed,
                 "why_not": check.why_not, "curve": check.curve, "random": check.against}
                for check in found.checks
            ],
            "trusted": found.trusted, "why_not": found.why_not, "input": pictures.stored(picture.fitted),
        }  # fmt: skip

    def kernels(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The kernels of a convolution."""
        network = self.shelf.classifier(asked.get("model"), asked.get("moment")).network
        if not isinstance(network, Network):
            raise ConvscopeError("kernels are shown of a network from a text. This model has none.")
        values = maps.kernels(network, _label(asked.get("label")))
        return {"shape": list(values.shape), **pictures.scaled(values)}


def _passed(
    classifier: Classifier, fitted: NDArray[np.uint8], wanted: object
) -> tuple[list[float], list[dict[str, Any]]]:
    """The probabilities, and what leaves each layer; one pass through the network."""
    network = classifier.network
    if not isinstance(network, Network):
        return [float(p) for p in classifier.probabilities(fitted[None])[0]], []
    if wanted is not None and not (isinstance(wanted, list) and all(isinstance(label, str) for label in wanted)):
        raise ConvscopeError(f"layers must be a list of labels, or null for all of them. Got {wanted!r:.60}.")
    labels = maps.labels_of(network)
    asked = labels if wanted is None else [str(label) for label in wanted]
    x = classifier.preprocess.to_input(fitted[None])
    with at_rest(network), torch.inference_mode():
        logits, kept = network(x, keep=asked)
        shares = torch.softmax(logits.float(), 1)[0].tolist()
    if not np.isfinite(shares).all():
        raise RunFailed("a prediction must be finite. This network gives NaN or infinity; train it anew.")
    rows, size, layers = network.sizes.by_name(), 0, []
    for label in asked:
        values = kept[label][0].cpu().numpy()
        item = rows[label].item
        layer = {"label": label, "kind": item.kind, "text": text(item), "shape": list(values.shape)}
        fits = size + values.size <= MOST_BYTES or (wanted is not None and len(asked) == 1)
        size += values.size if fits else 0
        layers.append({**layer, **(pictures.scaled(values) if fits else {"low": 0.0, "high": 0.0, "values": None})})
    return shares, layers


def _label(value: object) -> str:
    if not isinstance(value, str):
        raise ConvscopeError(f"a layer must be named by its label, as in conv1. Got {value!r:.40}.")
    return value


def _target(classifier: Classifier, value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConvscopeError(f"a target must be a class's number. Got {value!r:.40}.")
    return class_number(classifier.classes, value)
