"""A published state dict onto a network of ours, by structure: nothing is told by a name that some version may change.

The tensors of one module stand together in a state dict, and the modules in the order in which they were registered:
so are our layers with weights, in reading order. Pair by pair the kind, the tensors and their shapes must be the same;
the first pair that differs refuses the whole. Knows shapes, no values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convscope.errors import ConvscopeError
from convscope.network.cost import buffers, parameters
from convscope.network.shapes import Shape, Sized, Sizes, show
from convscope.notation.tree import Aux

Shapes = Mapping[str, Shape]

COUNTED = "num_batches_tracked"  # how many batches a normalisation has seen: no part of what it computes
PARALLEL = "module."  # what nn.DataParallel puts before every name
SIDE = re.compile(r"(module\.)?aux[0-9]*\.")
_KINDS = {"conv": "a convolution", "dense": "a dense layer", "bn": "a batch normalisation"}


@dataclass(frozen=True, slots=True)
class Module:
    """One module: its name, what it is ("conv", ..., or "" where nothing is known of it), and its tensors' shapes."""

    name: str
    kind: str
    tensors: dict[str, Shape]

    def __str__(self) -> str:
        listed = ", ".join(f"{name} {show(shape) or 'one number'}" for name, shape in self.tensors.items())
        return f"{self.name} ({_KINDS.get(self.kind, 'a module of another kind')}: {listed})"


def mapped(sizes: Sizes, published: Shapes) -> dict[str, str]:
    """Our name of each tensor to its name in `published`, whose tensors stand in the order of their modules.

    Side classifiers (`aux`) are paired by themselves, for a port may register them anywhere; a file may lack them all.
    Raises ConvscopeError, which names the first place that differs, where anything does.
    """
    scopes = [f"{row.item.name}." for row in sizes.rows if isinstance(row.item, Aux)]
    ours, theirs = _ours(sizes.rows), _theirs(published)
    body = [module for module in ours if not module.name.startswith(tuple(scopes))]
    if not scopes:  # then what is called like one is a module as any other
        return _paired(body, theirs)
    sides: dict[str, list[Module]] = {}
    for module in theirs:
        if found := SIDE.match(module.name):
            sides.setdefault(found.group(), []).append(module)
    pairs = _paired(body, [module for module in theirs if not SIDE.match(module.name)])
    if sides and len(sides) != len(scopes):
        raise ConvscopeError(
            f"the weights must have as many side classifiers as the network. Got {len(sides)} for {len(scopes)}. "
            "Get the file anew, or take the network that it belongs to."
        )
    for scope, side in zip(scopes, sides.values(), strict=False):
        pairs |= _paired([module for module in ours if module.name.startswith(scope)], side)
    return pairs


def _paired(ours: Sequence[Module], theirs: Sequence[Module]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for place, (our, their) in enumerate(zip(ours, theirs, strict=False), start=1):
        if our.kind != their.kind or our.tensors != their.tensors:
            raise ConvscopeError(
                f"weights must fit their network layer by layer. Number {place} of the network is {our}; number "
                f"{place} of the weights is {their}. Give the weights of this very network."
            )
        pairs |= {f"{our.name}.{tensor}": f"{their.name}.{tensor}" for tensor in our.tensors}
    if len(ours) != len(theirs):
        longer, what = (ours, "the network has") if len(ours) > len(theirs) else (theirs, "the weights have")
        raise ConvscopeError(
            f"weights must fit their network layer by layer. The first {min(len(ours), len(theirs))} do, then {what} "
            f"{longer[min(len(ours), len(theirs))]}, and {abs(len(ours) - len(theirs))} in all too many. Give the "
            "weights of this very network."
        )
    return pairs


def _ours(rows: Sequence[Sized]) -> list[Module]:
    found = ((row.item, parameters(row) | buffers(row)) for row in rows)
    return [Module(item.name, getattr(item, "kind", ""), dict(sorted(has.items()))) for item, has in found if has]


def _theirs(published: Shapes) -> list[Module]:
    modules: dict[str, dict[str, Shape]] = {}
    for name, shape in published.items():
        module, _, tensor = name.rpartition(".")
        if tensor != COUNTED:
            modules.setdefault(module, {})[tensor] = tuple(shape)
    return [Module(name, _kind(tensors), dict(sorted(tensors.items()))) for name, tensors in modules.items()]


def _kind(tensors: Shapes) -> str:
    """What a module is, by its tensors: normalisations alone have running statistics, convolutions alone four axes."""
    if {"running_mean", "running_var"} <= tensors.keys() <= {"running_mean", "running_var", "weight", "bias"}:
        return "bn"
    if "weight" not in tensors or not tensors.keys() <= {"weight", "bias"}:
        return ""
    return {4: "conv", 2: "dense"}.get(len(tensors["weight"]), "")
