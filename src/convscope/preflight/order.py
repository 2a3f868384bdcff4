"""Lints of the order of layers: activations, dropout, batch normalisation, and layers that do nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from convscope.network.cost import parameters
from convscope.network.ending import ending
from convscope.network.shapes import Sized, numbers, option
from convscope.notation.tree import Branches, Item, Layer
from convscope.preflight.edits import followed, removed, replaced, with_number, with_word
from convscope.preflight.subject import Found, Subject, named, one_each

_LINEAR = frozenset({"bn", "identity", "dropout", "scale", "avgpool", "gap", "flatten"})
_NO_CHANGE = {  # the second of these activations gives what it is given
    "relu": ("relu", "relu6", "sigmoid", "softmax"),
    "relu6": ("relu6", "sigmoid", "softmax"),
    "leaky": ("relu", "relu6", "sigmoid", "softmax"),
    "elu": ("relu", "relu6", "sigmoid", "softmax"),
}


def softmax_before_loss(s: Subject) -> Iterator[Found]:
    """The network ends in a softmax, and the loss takes one too."""
    end = ending(s.sizes)
    if end and end[0].kind == "softmax":
        yield Found(end[0].name, f"{end[1]}.", "leave the softmax out", (removed(s.text, end[0].place),))


def activation_at_the_end(s: Subject) -> Iterator[Found]:
    """The network ends in an activation, which cuts its logits off."""
    end = ending(s.sizes)
    if end and end[0].kind != "softmax":
        yield Found(end[0].name, f"{end[1]}.", f"leave the {end[0].kind} out", (removed(s.text, end[0].place),))


def dropout_at_the_end(s: Subject) -> Iterator[Found]:
    """Dropout behind the last layer with weights sets logits to 0."""
    items = s.sizes.body.items
    last = max((i for i, item in enumerate(items) if isinstance(item, Layer) and item.units is not None), default=-1)
    for item in items[last + 1 :]:
        if last >= 0 and isinstance(item, Layer) and item.kind == "dropout" and option(item, "p", float) > 0:
            yield Found(
                item.name,
                f"{item.name} stands behind {items[last].name}, the last layer with weights: in training it sets "
                f"{100 * option(item, 'p', float):.0f} % of the logits to 0, so that right answers are punished at "
                "random.",
                "leave it out, or put it before the last layer",
                (removed(s.text, item.place),),
            )


def activation_twice(s: Subject) -> Iterator[Found]:
    """An activation behind another one that leaves it nothing to do."""
    for first, second in s.neighbours():
        if first.kind in _NO_CHANGE.get(second.kind, ()):
            yield Found(
                second.name,
                f"{second.name} gives what {first.name} gave it: what leaves a {first.kind} has nothing that a "
                f"{second.kind} would change.",
                f"leave {second.name} out",
                (removed(s.text, second.place),),
            )


def _is_full(layer: Layer, row: Sized) -> bool:
    """A dense layer, or a convolution in one group whose kernel is as high as wide: no part of a factored one."""
    if layer.kind == "dense":
        return True
    if layer.kind != "conv" or layer.kernel is None:
        return False
    return option(layer, "groups", int) == 1 and layer.kernel[0] == layer.kernel[1]


def no_activation_between(s: Subject) -> Iterator[Found]:
    """Two layers with weights and nothing but linear layers between them are one linear layer.

    A first layer that is narrower than its input (a bottleneck), grouped or one-dimensional is factored on purpose.
    """
    rows = s.sizes.by_name()
    for items, _ in s.sequences():
        first: Layer | None = None
        between: Layer | None = None
        for item in items:
            row = rows[item.name]
            if not isinstance(item, Layer) or (item.kind not in _LINEAR and not _is_full(item, row)):
                first = None
                continue
            if item.kind in _LINEAR:
                between = item if item.kind == "bn" and first is not None else between
                continue
            if first is not None and rows[first.name].after[-1] >= rows[first.name].before[-1]:
                behind = between or first
                yield Found(
                    item.name,
                    f"there is no activation between {first.name} and {item.name}: two linear layers in a row can do "
                    "no more than one.",
                    f"put an activation between them: `relu` behind {behind.name}",
                    (followed(s.text, behind.place, "relu"),),
                )
            first, between = item, None


def _reaches(items: tuple[Item, ...], kind: str) -> Layer | None:
    """The first layer of a kind in these items, branches too."""
    for item in items:
        if isinstance(item, Layer) and item.kind == kind:
            return item
        if isinstance(item, Branches):
            for branch in item.branches:
                found = _reaches(branch.items, kind)
                if found is not None:
                    return found
    return None


def dropout_before_bn(s: Subject) -> Iterator[Found]:
    """Dropout changes the variance that a later bn keeps for prediction (Li et al. 2018, "disharmony")."""
    for items, _ in s.sequences():
        for i, item in enumerate(items):
            if not isinstance(item, Layer) or item.kind != "dropout" or not option(item, "p", float):
                continue
            p, later = option(item, "p", float), _reaches(items[i + 1 :], "bn")
            if later is not None:
                yield Found(
                    item.name,
                    f"{item.name} stands before {later.name}: in training its output has up to 1 / (1 - {p:g}) = "
                    f"{1 / (1 - p):.2g} times the variance that {later.name} will meet in prediction, so the kept "
                    "statistics are wrong there.",
                    "put dropout behind the last bn, or leave it out",
                    (removed(s.text, item.place),),
                )


def bias_before_bn(s: Subject) -> Iterator[Found]:
    """A bias that the bn behind it takes out again."""
    rows, found = s.sizes.by_name(), []
    for first, second in s.neighbours():
        if first.kind in ("conv", "dense") and first.options["bias"] is True and second.kind == "bn":
            found.append((first, with_word(s.text, first.place, "bias=no")))
    if found:
        count = sum(numbers(parameters(rows[layer.name])["bias"]) for layer, _ in found)
        yield Found(
            found[0][0].name,
            f"bn takes out the mean, and with it the bias of {named([layer for layer, _ in found])}: {count} "
            "parameters that do nothing but take time and memory.",
            "write bias=no there",
            one_each(list(found)),
        )


def layer_does_nothing(s: Subject) -> Iterator[Found]:
    """Layers that hand on what they are given."""
    said = set()
    labelled = {item.name for items, _ in s.sequences() for item in items if len(items) == 1}
    for layer, row in s.layers():
        why = _IDLE[layer.kind](layer, row) if layer.kind in _IDLE and layer.name not in labelled else ""
        if why and layer.place not in said:
            said.add(layer.place)
            edit = removed(s.text, layer.place)
            if edit.new != edit.old:
                yield Found(layer.name, f"{layer.name} does nothing: {why}.", f"leave {layer.name} out", (edit,))


def _single(layer: Layer, row: Sized) -> str:
    if layer.kernel == (1, 1) and layer.stride in (None, (1, 1)) and row.before == row.after:
        return "its window is a single cell"
    return ""


_IDLE: dict[str, Callable[[Layer, Sized], str]] = {
    "dropout": lambda layer, row: "" if option(layer, "p", float) else "it drops 0 % of the values",
    "maxpool": _single,
    "avgpool": _single,
    "minpool": _single,
    "scale": lambda layer, row: "it multiplies by 1" if option(layer, "factor", float) == 1 else "",
    "identity": lambda layer, row: "it hands on what it is given" if row.before == row.after else "",
}


def dropout_too_high(s: Subject) -> Iterator[Found]:
    """More dropped than 0.7: perhaps the share to keep was meant, as other frameworks once had it."""
    for layer, _ in s.layers():
        if layer.kind == "dropout" and (p := option(layer, "p", float)) > 0.7:
            yield Found(
                layer.name,
                f"{layer.name} drops {100 * p:g} % of the values and keeps {100 * (1 - p):g} %. The number is the "
                "share to drop; in TensorFlow 1 it was the share to keep.",
                f"if {p:g} was to be kept, write `dropout {1 - p:g}`",
                (with_number(s.text, layer.place, 0, f"{round(1 - p, 6):g}"),)
                if "dropout " in s.text
                else (replaced(s.text, layer.place, f"dropout {1 - p:g}"),),
            )


def too_narrow(s: Subject) -> Iterator[Found]:
    """A hidden dense layer of fewer units than there are classes, and few: what all classes have to pass through."""
    classes = s.sizes.output[-1]
    dense = [(layer, row) for layer, row in s.layers() if layer.kind == "dense"]
    for layer, row in dense[:-1]:
        if row.after[0] < min(classes, 16):
            want = max(16, 1 << math.ceil(math.log2(2 * classes)))
            yield Found(
                layer.name,
                f"all that tells {classes} classes apart has to pass through the {row.after[0]} units of {layer.name}.",
                f"give it more units than there are classes: `dense {want}`",
                (with_number(s.text, layer.place, 0, str(want)),),
            )


def sigmoid_stack(s: Subject) -> Iterator[Found]:
    """Five or more sigmoids and no normalisation: each lets at most a quarter of the gradient through."""
    layers = [layer for layer, _ in s.layers() if layer.kind == "sigmoid"]
    if len(layers) >= 5 and not any(layer.kind == "bn" for layer, _ in s.layers()):
        yield Found(
            layers[0].name,
            f"{len(layers)} sigmoids in one network: each lets at most a quarter of the gradient through, so at most "
            f"{0.25 ** len(layers):.0e} of it reaches the first layer but for the weights.",
            "write relu in their place, or put bn before them",
            one_each([(layer, replaced(s.text, layer.place, "relu")) for layer in layers]),
        )


LINTS: dict[str, Callable[[Subject], Iterator[Found]]] = {
    "softmax-before-loss": softmax_before_loss,
    "activation-at-the-end": activation_at_the_end,
    "dropout-at-the-end": dropout_at_the_end,
    "activation-twice": activation_twice,
    "no-activation-between": no_activation_between,
    "dropout-before-bn": dropout_before_bn,
    "bias-before-bn": bias_before_bn,
    "layer-does-nothing": layer_does_nothing,
    "dropout-too-high": dropout_too_high,
    "too-narrow": too_narrow,
    "sigmoid-stack": sigmoid_stack,
}
