"""Which places of a picture speak for a class: Grad-CAM, integrated gradients and occlusion, each with its checks.

Every method works on the network's input and on a class's logit; "nothing" is a picture of the mean colour.
Works on a `Network` through `forward(keep=)`, on anybody's own module through hooks. Draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from convscope.classifier import Classifier, as_pictures
from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError, unknown
from convscope.explain import trust
from convscope.explain.trust import Check
from convscope.network.at_rest import at_rest
from convscope.network.build import Network
from convscope.network.cost import in_aux
from convscope.notation.tree import Aux

Method = Literal["gradcam", "integrated-gradients", "occlusion"]
LEAST = 3  # rows and columns of maps that can say where
FIRST_STEPS, MOST_STEPS = 32, 1024
_BATCH = 64


@dataclass(frozen=True, eq=False)
class Attribution:
    """map: (H, W) float32 at the fitted picture's size, positive where it speaks for the target; raw: as it was
    computed, (h, w) of the layer for Grad-CAM, (C, h, w) of the input for the others. label: the layer, "" for none.
    picture: uint8 (C, H, W), as it was fitted; classes: their names, () of a bare module."""

    method: str
    label: str
    why_label: str
    target: int
    map: NDArray[np.float32]
    raw: NDArray[np.float32]
    checks: tuple[Check, ...]
    picture: NDArray[np.uint8]
    classes: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether it was checked and passed every check."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def why_not(self) -> str:
        """Why it isn't to be believed, in words; "" where it is."""
        if not self.checks:
            return "it was not checked"
        return "; ".join(check.why_not for check in self.checks if not check.passed)


@overload
def attribute(
    of: Classifier | tuple[nn.Module, Preprocess],
    picture: NDArray[np.uint8],
    method: str = "gradcam",
    label: str | None = None,
    target: int | str | None = None,
    check: bool = True,
    *,
    batch: Literal[False] = False,
) -> Attribution: ...
@overload
def attribute(
    of: Classifier | tuple[nn.Module, Preprocess],
    picture: NDArray[np.uint8],
    method: str = "gradcam",
    label: str | None = None,
    target: int | str | None = None,
    check: bool = True,
    *,
    batch: Literal[True],
) -> list[Attribution]: ...
def attribute(
    of: Classifier | tuple[nn.Module, Preprocess],
    picture: NDArray[np.uint8],
    method: str = "gradcam",
    label: str | None = None,
    target: int | str | None = None,
    check: bool = True,
    *,
    batch: bool = False,
) -> Attribution | list[Attribution]:
    """One attribution of a picture uint8 (C, H, W), or with batch=True one each of (N, C, H, W).

    label: the layer for Grad-CAM; None chooses the last with maps of at least 3 x 3. target: a class; None is the one
    that the network says of each picture. check=False leaves the checks out, and nothing is trusted then. Pictures of
    another size are fitted as the classifier does. Raises ConvscopeError.
    """
    if method not in get_args(Method):
        raise ConvscopeError(unknown("method of attribution", method, get_args(Method)))
    network, preprocess = (of.network, of.preprocess) if isinstance(of, Classifier) else of
    classes = of.classes if isinstance(of, Classifier) else ()
    if label is not None and method != "gradcam":
        raise ConvscopeError(f"a layer is what Grad-CAM looks at; {method} looks at the picture. Leave {label!r} out.")
    pictures = _fitted(preprocess, picture, batch)
    device = next(iter(network.parameters()), torch.empty(0)).device
    with at_rest(network), torch.enable_grad():
        x = preprocess.to_input(torch.from_numpy(pictures).to(device))
        targets = _targets(network, x, target, classes)
        why = ""
        raws: list[Tensor | None] = [None] * len(x)
        if method == "gradcam":
            label, why = layer(network, x[:1], label)
            starts = range(0, len(x), _BATCH)
            raws = [raw for i in starts for raw in gradcam(network, x[i : i + _BATCH], targets[i : i + _BATCH], label)]
        found = []
        for i, raw in enumerate(raws):
            one = slice(i, i + 1)
            found.append(
                _made(network, preprocess, pictures[one], x[one], method, label or "", why, int(targets[i]), raw, check,
                      classes)
            )  # fmt: skip
    return found if batch else found[0]


def _made(
    network: nn.Module, preprocess: Preprocess, picture: NDArray[np.uint8], x: Tensor, method: str, label: str,
    why: str, target: int, raw: Tensor | None, check: bool, classes: tuple[str, ...],
) -> Attribution:  # fmt: skip
    """One picture's attribution out of its raw map, with its checks."""
    blank = nothing(preprocess, picture).to(x.device)
    at, size = torch.tensor([target], device=x.device), (int(x.shape[2]), int(x.shape[3]))
    checks: list[Check] = []
    again: Callable[[nn.Module], Tensor]
    if method == "gradcam":
        assert raw is not None
        again = lambda net: gradcam(net, x, at, label)[0]  # noqa: E731
        checks.append(trust.resolution(int(raw.shape[0]), int(raw.shape[1]), LEAST))
    elif method == "occlusion":
        again = lambda net: occlusion(net, x, blank, target, *window(*size))  # noqa: E731
        raw = again(network)
    else:
        again = lambda net: integrated_gradients(net, x, blank, target, FIRST_STEPS)  # noqa: E731
        raw, error, steps = complete(network, x, blank, target)
        checks.append(trust.completeness(error, steps))
    shown = _shown(raw, size)
    if check:
        checks += trust.curves(network, x, blank, shown, target)
        flat = _flat(raw)
        checks.append(trust.randomisation(network, lambda net: _flat(again(net)), flat))
    else:
        checks = []
    whole = np.zeros(preprocess.size, np.float32)  # the network sees the middle window of it
    top, left = ((a - b) // 2 for a, b in zip(preprocess.size, size, strict=True))
    whole[top : top + size[0], left : left + size[1]] = shown
    values = raw.detach().cpu().numpy()
    return Attribution(method, label, why, target, whole, values, tuple(checks), picture[0], classes)


def _flat(raw: Tensor) -> NDArray[np.float32]:
    """A raw map with its channels added up: (h, w)."""
    values: NDArray[np.float32] = (raw if raw.dim() == 2 else raw.sum(0)).detach().float().cpu().numpy()
    return values


def _shown(raw: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    flat = torch.from_numpy(_flat(raw))
    if tuple(flat.shape) != size:
        flat = F.interpolate(flat[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    return flat.numpy()


# ---- the methods -----------------------------------------------------------------------------------------------------


def gradcam(network: nn.Module, x: Tensor, targets: Tensor, label: str) -> Tensor:
    """x: (N, C, H, W), targets (N,) to (N, h, w): the layer's maps, each weighted by the mean of its gradient; what is
    below 0 is left out (Selvaraju et al. 2017, equations 1 and 2)."""
    x = x.detach().requires_grad_()  # so that a network whose weights are frozen has gradients too
    logits, maps = _with(network, x, label)
    score = logits.gather(1, targets[:, None]).sum()
    (slope,) = torch.autograd.grad(score, maps, allow_unused=True)
    if slope is None:
        raise ConvscopeError(
            f"the answer must hang on the layer. Nothing that leaves {label} reaches it; name another."
        )
    return (slope.mean((2, 3), keepdim=True) * maps).sum(1).relu().detach()


def integrated_gradients(network: nn.Module, x: Tensor, blank: Tensor, target: int, steps: int) -> Tensor:
    """x, blank: (1, C, H, W) to (C, H, W): the gradient's mean along the straight way from blank to x, times the way
    (Sundararajan et al. 2017, equation 3), at the middles of `steps` equal parts."""
    total = torch.zeros_like(x[0], dtype=torch.float64)
    shares = (torch.arange(steps, device=x.device, dtype=torch.float64) + 0.5) / steps
    for part in torch.split(shares, _BATCH):
        path = (blank + part.to(x.dtype).view(-1, 1, 1, 1) * (x - blank)).detach().requires_grad_()
        (slope,) = torch.autograd.grad(network(path)[:, target].sum(), path)
        total += slope.double().sum(0)
    return ((x - blank)[0] * (total / steps)).to(x.dtype).detach()


def complete(network: nn.Module, x: Tensor, blank: Tensor, target: int) -> tuple[Tensor, float, int]:
    """Integrated gradients with as many steps as their sum needs to be F(x) - F(blank) to 0.5 %, at most 1024; the
    error as a share of it, and the steps."""
    with torch.no_grad():
        change = float((network(x) - network(blank))[0, target].double())
    steps = FIRST_STEPS
    while True:
        found = integrated_gradients(network, x, blank, target, steps)
        apart = abs(float(found.double().sum()) - change)
        error = apart / abs(change) if change else (0.0 if apart == 0 else math.inf)
        if error <= 0.005 or steps >= MOST_STEPS:
            return found, error, steps
        steps *= 2


def occlusion(network: nn.Module, x: Tensor, blank: Tensor, target: int, size: int, stride: int) -> Tensor:
    """x, blank: (1, C, H, W) to (C, H, W): by how much the class's logit falls where a square of `size` is blank; the
    mean of the squares in which a place lies (Zeiler and Fergus 2014, section 4.2)."""
    _, _, high, wide = x.shape
    corners = [(top, left) for top in _starts(high, size, stride) for left in _starts(wide, size, stride)]
    total, count = torch.zeros_like(x[0, 0]), torch.zeros_like(x[0, 0])
    with torch.no_grad():
        whole = network(x)[0, target]
        for start in range(0, len(corners), _BATCH):
            some = corners[start : start + _BATCH]
            hidden = x.repeat(len(some), 1, 1, 1)
            for one, (top, left) in zip(hidden, some, strict=True):
                one[:, top : top + size, left : left + size] = blank[0, :, top : top + size, left : left + size]
            for fall, (top, left) in zip(whole - network(hidden)[:, target], some, strict=True):
                total[top : top + size, left : left + size] += fall
                count[top : top + size, left : left + size] += 1
    return total / count


def _starts(length: int, size: int, stride: int) -> range:
    return range(0, math.ceil(max(length - size, 0) / stride) * stride + 1, stride)


def window(height: int, width: int) -> tuple[int, int]:
    """The side of the square that hides, an eighth of the picture and at least 2, and its stride, half of that."""
    size = max(2, min(height, width) // 8)
    return size, max(1, size // 2)


def nothing(preprocess: Preprocess, picture: NDArray[np.uint8]) -> Tensor:
    """(1, C, h, w): what the network sees of a picture (1, C, H, W) that has its mean colour everywhere."""
    mean = picture.mean((2, 3), keepdims=True).astype(np.float32)
    return preprocess.to_input(torch.from_numpy(np.broadcast_to(mean, picture.shape).copy()))


# ---- layers, classes, pictures ---------------------------------------------------------------------------------------


def layer(network: nn.Module, x: Tensor, label: str | None = None) -> tuple[str, str]:
    """The layer for Grad-CAM, and why it. x: (1, C, H, W). Raises ConvscopeError where there is none."""
    sizes = _maps(network, x)
    if not sizes:
        raise ConvscopeError(
            "Grad-CAM needs a convolution whose maps have rows and columns. This network has none; take "
            "integrated-gradients or occlusion."
        )
    if label is not None:
        if label not in sizes:
            raise ConvscopeError(unknown("layer with maps", label, sizes))
        return label, f"asked for; its maps are {sizes[label][0]} x {sizes[label][1]}"
    large = [name for name, size in sizes.items() if min(size) >= LEAST]
    if large:
        height, width = sizes[large[-1]]
        return large[-1], f"the last layer whose maps are at least {LEAST} x {LEAST}: {height} x {width}"
    best = max(reversed(sizes), key=lambda name: min(sizes[name]))
    height, width = sizes[best]
    return best, f"no layer has maps of {LEAST} x {LEAST}; this is the last of the largest, {height} x {width}"


def _maps(network: nn.Module, x: Tensor) -> dict[str, tuple[int, int]]:
    """Rows and columns of every layer's maps from the first convolution on, in the order of the forward pass."""
    if isinstance(network, Network):
        aside, top = in_aux(network.sizes), {item.name for item in network.sizes.body.items}
        rows = [row.item for row in network.sizes.rows if row.item.name not in aside and not isinstance(row.item, Aux)]
        # in a branch something goes past the layer, so those come first and are never the chosen one
        labels = [r.name for r in rows if r.name not in top] + [r.name for r in rows if r.name in top]
        kinds = {r.name for r in rows if getattr(r, "kind", "") == "conv"}
        with torch.no_grad():
            _, kept = network(x, keep=labels)
        found = {name: kept[name] for name in labels if kept[name].dim() == 4} if kinds else {}
        return {name: (int(t.shape[2]), int(t.shape[3])) for name, t in found.items()}
    seen: dict[str, tuple[int, int]] = {}
    begun: list[bool] = []

    def note(name: str, module: nn.Module, given: object, out: object) -> None:
        if isinstance(module, nn.Conv2d):
            begun.append(True)
        if begun and name and isinstance(out, Tensor) and out.dim() == 4:
            seen.pop(name, None)
            seen[name] = (int(out.shape[2]), int(out.shape[3]))

    handles = [module.register_forward_hook(partial(note, name)) for name, module in network.named_modules()]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _with(network: nn.Module, x: Tensor, label: str) -> tuple[Tensor, Tensor]:
    """The logits, and what leaves a layer, between which gradients run."""
    if isinstance(network, Network):
        logits, kept = network(x, keep=[label])
        return logits, kept[label]
    outs: list[Tensor] = []

    def keep(module: nn.Module, given: object, out: Tensor) -> Tensor:
        outs.append(out)
        return out.clone()  # what follows may change it in place, and the next call is another

    handle = network.get_submodule(label).register_forward_hook(keep)
    try:
        logits = network(x)
    finally:
        handle.remove()
    return logits, outs[-1]


def _targets(network: nn.Module, x: Tensor, target: int | str | None, classes: tuple[str, ...]) -> Tensor:
    with torch.no_grad():
        logits = torch.cat([network(part) for part in torch.split(x, _BATCH)])
    if logits.dim() != 2 or not torch.isfinite(logits).all():
        raise ConvscopeError(
            f"a network must answer with one finite number a class, (N, classes). Got shape {tuple(logits.shape)}"
            f"{'' if logits.dim() != 2 else ' with NaN or infinity'}."
        )
    if target is None:
        return logits.argmax(1)
    count = logits.shape[1]
    names = classes or tuple(str(i) for i in range(count))
    if isinstance(target, str):
        if target not in names:
            raise ConvscopeError(unknown("class", target, names))
        target = names.index(target)
    if not 0 <= target < count:
        near = min(max(target, 0), count - 1)
        raise ConvscopeError(
            f"a class must be a number from 0 to {count - 1}. Got {target}; the nearest is {near}. "
            f"These exist: {', '.join(names)}."
        )
    return torch.full((len(x),), target, device=x.device)


def _fitted(preprocess: Preprocess, picture: NDArray[np.uint8], batch: bool) -> NDArray[np.uint8]:
    """(N, C, H, W) of the preprocessing's size and channels."""
    if picture.ndim != 3 + batch:
        wanted = "(N, C, H, W)" if batch else "(C, H, W); for a batch say batch=True"
        raise ConvscopeError(f"the picture must be uint8 {wanted}. Got shape {picture.shape}.")
    many = picture if batch else picture[None]
    if many.dtype == np.uint8 and many.shape[1:] == (preprocess.channels, *preprocess.size):
        return np.array(many)  # a memory map may be read-only
    return np.stack([preprocess.fit(one) for one in as_pictures(torch.from_numpy(np.array(many)))])
