"""What turns gradients into steps, and its state as tensors by name. Knows PyTorch's optimizers and no loop.

Weight decay falls on the weights of convolutions and dense layers alone. Biases and the scale and shift of
normalisation don't decay: they are few, don't overfit, and a decayed scale only changes the rate of the layer before.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeError
from convscope.recipe import OptimizerSettings
from convscope.train.muon import Muon
from convscope.train.uncompiled import SGD, Adam, AdamW

_FUSED = ("cpu", "cuda", "mps")
"""Where PyTorch takes all parameters in one pass; elsewhere it loops over them."""


def build(
    network: nn.Module, settings: OptimizerSettings, precision: torch.dtype = torch.float32
) -> torch.optim.Optimizer:
    """The optimizer of a network's parameters, on the device where they are.

    Two groups, in this order: what decays (see `decays`) and what doesn't; every parameter is in one of them, frozen
    ones too. The largest rate of a group is its `base`. precision: of Muon's products. Raises ConvscopeError where
    there is nothing to learn.
    """
    named = list(network.named_parameters())
    if not named:
        raise ConvscopeError(
            "a network must have weights to be trained. This one has none. Add a layer that learns, such as dense."
        )
    chosen = decays(network)
    groups: list[dict[str, Any]] = [
        {"params": [p for name, p in named if name in chosen], "weight_decay": settings.weight_decay},
        {"params": [p for name, p in named if name not in chosen], "weight_decay": 0.0},
    ]
    if settings.name == "muon":
        return _muon(network, chosen, settings, precision)
    groups = [group | {"base": settings.learning_rate} for group in groups if group["params"]]
    fused = all(p.device.type in _FUSED and p.is_floating_point() for _, p in named)
    rate = settings.learning_rate
    if settings.name == "sgd":
        nesterov = settings.nesterov and settings.momentum > 0
        return SGD(groups, lr=rate, momentum=settings.momentum, nesterov=nesterov, fused=fused)
    kind = Adam if settings.name == "adam" else AdamW
    return kind(groups, lr=rate, betas=settings.betas, eps=settings.eps, fused=fused)


def _muon(
    network: nn.Module, chosen: set[str], settings: OptimizerSettings, precision: torch.dtype
) -> torch.optim.Optimizer:
    """Three groups: the filters of convolutions, other weights that decay, and what doesn't decay.

    Filters of a single weight, which have no direction, are among the other weights.
    """
    named = list(network.named_parameters())
    filters = {name for name, p in named if name in chosen and p.ndim == 4 and p[0].numel() > 1}
    cuts = [_matrices_of(network, name) for name, _ in named if name in filters]
    rest = {"lr": settings.other_rate, "base": settings.other_rate, "momentum": settings.other_momentum}
    groups: list[dict[str, Any]] = [
        {"params": [p for name, p in named if name in filters], "filters": tuple(cuts),
         "lr": settings.learning_rate, "base": settings.learning_rate, "momentum": settings.momentum},
        {"params": [p for name, p in named if name in chosen - filters], "weight_decay": settings.weight_decay, **rest},
        {"params": [p for name, p in named if name not in chosen], **rest},
    ]  # fmt: skip
    return Muon([group for group in groups if group["params"]], precision)


def _matrices_of(network: nn.Module, name: str) -> int:
    """How many convolutions side by side a filter bank is: the groups of the layer that owns it."""
    groups = getattr(network.get_submodule(name.rpartition(".")[0]), "groups", 1)
    return groups if isinstance(groups, int) and len(network.get_parameter(name)) % groups == 0 else 1


def decays(network: nn.Module) -> set[str]:
    """The names of the parameters on which weight decay falls: weights of two or more axes, normalisation's not."""
    found = set()
    for name, parameter in network.named_parameters():
        owner, _, last = name.rpartition(".")
        normalises = "norm" in type(network.get_submodule(owner)).__name__.lower()
        if parameter.ndim >= 2 and last != "bias" and not normalises:
            found.add(name)
    return found


def state_tensors(optimizer: torch.optim.Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """What the optimizer remembers, by `parameter/word`: `conv1.weight/momentum_buffer`. Not copied.

    A parameter that has had no step yet has nothing to remember.
    """
    kept = {}
    for name, parameter in network.named_parameters():
        for word, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                kept[f"{name}/{word}"] = value
    return kept


def load_state_tensors(optimizer: torch.optim.Optimizer, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Give an optimizer of `build` the state that `state_tensors` took; the next step is then the same, bit for bit.

    Raises ConvscopeError where a tensor belongs to no parameter, or has another shape than it.
    """
    named = dict(network.named_parameters())
    states: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, word = key.rpartition("/")
        if name not in named:
            raise ConvscopeError(
                f"the optimizer's state must belong to this network. Got {key!r}, and the network has no {name!r}. "
                "Resume with the recipe that the checkpoint was made with."
            )
        if tensor.ndim and tensor.shape != named[name].shape:
            raise ConvscopeError(
                f"the optimizer's state must fit the network. Got {key!r} of shape {list(tensor.shape)} for a weight "
                f"of shape {list(named[name].shape)}. Resume with the recipe that the checkpoint was made with."
            )
        # a fused step walks through memory: what it remembers must lie as the weight does
        like = torch.empty_like(named[name], dtype=tensor.dtype) if tensor.ndim else torch.empty_like(tensor)
        states.setdefault(name, {})[word] = like.copy_(tensor)
    names = {id(parameter): name for name, parameter in named.items()}
    order = [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
    state = {index: states[name] for index, name in enumerate(order) if name in states}
    # PyTorch's own loader knows where each kind of optimizer wants its step count
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
