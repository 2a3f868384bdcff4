"""How much memory a training step takes. Knows no torch.

The step is walked through as PyTorch carries it out, forward and backward, every tensor counted from the moment it is
made to the moment nobody holds it; what a layer keeps is known to `kept`. Float32, pictures laid out channels last, as
the loop trains on a CPU.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from convscope.network.cost import in_aux, parameters
from convscope.network.kept import KEPT, size_in_bytes
from convscope.network.shapes import Shape, Sized, Sizes
from convscope.notation.tree import Aux, Branches, Item, Layer, Regions, Sequence, bodies

MAPPED = 32 * 2**20
"""A block as large as this is asked of the system by itself, and given back at once; glibc's most, M_MMAP_THRESHOLD."""

HEAP_LOSS = 0.4
"""What lies idle between the smaller blocks of a heap, in parts of these: glibc 2.36, over the peaks of seven networks
0.2 to 0.7. An allocation of the same size often doesn't fit where one was freed, since each is aligned anew."""

OPTIMIZER_COPIES = {"sgd": 1, "adam": 2, "adamw": 2, "muon": 1}
"""What an optimizer remembers, in copies of the weights: momentum; or both moments."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The bytes that a training step holds at its fullest moment, by what they are for; the process's own part, some
    hundred MiB of Python and PyTorch, is not in it.

    activations: what is kept of the forward pass, and the batch itself. passing: gradients of activations and whatever
    else lives for a moment. idle: what the C library's heap holds beyond the tensors; an estimate, and the
    one part that depends on the system.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    passing: int
    idle: int = 0

    @property
    def peak(self) -> int:
        """What the process grows by."""
        return self.tensors + self.idle

    @property
    def tensors(self) -> int:
        """All tensors together."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.passing


def kept_by_layer(sizes: Sizes) -> dict[str, int]:
    """The bytes that training keeps for one picture until the backward pass, by the layer that made them.

    What a later layer needs of a layer's output counts for the layer that put it out; under "input" the picture.
    """
    walk = _Step(sizes, 1, None)
    walk.forward()
    walk.drop(walk.end)  # the logits, for which backward has no use unless a layer keeps them
    found: dict[str, int] = {}
    for tensor in walk.held():
        found[tensor.maker] = found.get(tensor.maker, 0) + tensor.size
    return found


def training_memory(
    sizes: Sizes, batch_size: int, optimizer: str = "sgd", *, copies: int = 0, learned: Collection[str] | None = None
) -> Memory:
    """What training needs with batches of that size. optimizer: sgd (with momentum), adam or adamw.

    copies: further copies of all weights that are kept: a moving average, the best so far. learned: the names of the
    parameters that learn (`conv1.weight`); None means all.
    """
    walk = _Step(sizes, batch_size, learned)
    walk.forward()
    walk.backward()
    blocks = [size_in_bytes(shape) for row in sizes.rows for shape in parameters(row).values()]
    every = sum(blocks)
    state = OPTIMIZER_COPIES[optimizer] * walk.learned_bytes + copies * every
    activations, passing, gradients = walk.fullest
    small = sum(block for block in blocks if block < MAPPED) * (2 + OPTIMIZER_COPIES[optimizer] + copies)
    idle = int(HEAP_LOSS * (walk.most_small + small))
    # in the optimizer's step activations are gone
    after = Memory(every, walk.learned_bytes, state, 2 * walk.picture, 0, idle)
    during = Memory(every, gradients, state, activations, passing, idle)
    return max(during, after, key=lambda memory: memory.tensors)


class _Tensor:
    """A tensor in memory: its bytes, who made it, and how many hold it."""

    __slots__ = ("holders", "learns", "maker", "size")

    def __init__(self, size: int, maker: str, learns: bool) -> None:
        self.size, self.maker, self.learns = size, maker, learns
        self.holders = 0


class _Step:
    """One training step: `forward`, then `backward`; `fullest` is (kept, passing, gradients) at the worst moment."""

    def __init__(self, sizes: Sizes, batch_size: int, learned: Collection[str] | None) -> None:
        self.sizes, self.batch = sizes, batch_size
        self.rows = sizes.by_name()
        self.aux = in_aux(sizes)
        self.learns = {
            row.item.name: [
                size_in_bytes(shape) for name, shape in parameters(row).items()
                if learned is None or f"{row.item.name}.{name}" in learned
            ]
            for row in sizes.rows
        }  # fmt: skip
        self.learned_bytes = sum(sum(each) for each in self.learns.values())
        self.picture = batch_size * size_in_bytes(sizes.input)
        self.living: dict[_Tensor, None] = {}
        self.kept = self.passing = self.gradients = self.small = self.most_small = 0
        self.fullest = (0, 0, 0)
        self.tape: dict[str, list[_Tensor]] = {}

    # ---- tensors -----------------------------------------------------------------------------------------------

    def make(self, size: int, maker: str, learns: bool) -> _Tensor:
        tensor = _Tensor(self.batch * size, maker, learns)
        tensor.holders = 1
        self.living[tensor] = None
        self.kept += tensor.size
        self.small += tensor.size if tensor.size < MAPPED else 0
        self.most_small = max(self.most_small, self.small)
        self._look()
        return tensor

    def hold(self, tensor: _Tensor) -> _Tensor:
        tensor.holders += 1
        return tensor

    def drop(self, tensor: _Tensor) -> None:
        tensor.holders -= 1
        if not tensor.holders:
            del self.living[tensor]
            self.kept -= tensor.size
            self.small -= tensor.size if tensor.size < MAPPED else 0

    def held(self) -> list[_Tensor]:
        """What lives on after the forward pass."""
        return list(self.living)

    def _look(self) -> None:
        now = (self.kept, self.passing, self.gradients)
        if sum(now) > sum(self.fullest):
            self.fullest = now

    # ---- forward -----------------------------------------------------------------------------------------------

    def forward(self) -> None:
        height, width, channels = self.sizes.input
        pictures = self.make(size_in_bytes(self.sizes.input), "input", False)
        laid_out = pictures
        if channels > 1 and height * width > 1:
            laid_out = self.make(size_in_bytes(self.sizes.input), "input", False)  # the same, channels last
        self.hold(laid_out)
        self.end = self.sequence(self.sizes.body, laid_out)
        if laid_out is not pictures:
            self.drop(laid_out)

    def sequence(self, sequence: Sequence, x: _Tensor) -> _Tensor:
        """Takes over x and gives what leaves, which the caller holds."""
        for item in sequence.items:
            y = self.item(item, x)
            self.drop(x)
            x = y
        return x

    def item(self, item: Item, x: _Tensor) -> _Tensor:
        if isinstance(item, Layer):
            return self.layer(self.rows[item.name], x)
        if isinstance(item, Aux):
            logits = self.sequence(item.body, self.hold(x))
            self.tape[item.name] = [logits]
            return self.hold(x)
        outs = [self.sequence(body, self.hold(x)) for body in bodies(item)]
        y = self.make(size_in_bytes(self.rows[item.name].after), item.name, any(out.learns for out in outs))
        self.tape[item.name] = []
        for out in outs:
            self.drop(out)
        return y

    def layer(self, row: Sized, x: _Tensor) -> _Tensor:
        name, rule = row.item.name, KEPT[row.item.kind](row)
        learns = x.learns or bool(self.learns[name])
        tape = self.tape[name] = []
        own = self.make(rule.own, name, learns) if rule.own else None
        y = self.hold(x) if rule.view else self.make(size_in_bytes(row.after), name, learns)
        if learns:
            if rule.input:
                tape.append(self.hold(x))
            if rule.output:
                tape.append(self.hold(y))
            if own:
                tape.append(self.hold(own))
        if own:
            self.drop(own)
        return y

    # ---- backward ----------------------------------------------------------------------------------------------

    def backward(self) -> None:
        """From the logits back; each layer lets go what was kept for it once its gradients are made."""
        if self.end.learns:
            left = self.back(self.sizes.body, self.grow(self.sizes.output), False)
            if left is not None:
                self.passing -= left

    def grow(self, shape: Shape) -> int:
        size = self.batch * size_in_bytes(shape)
        self.passing += size
        self._look()
        return size

    def back(self, sequence: Sequence, gradient: int, wanted: bool) -> int | None:
        """The bytes of the gradient of what arrived at a sequence, from that of what left it; None where it has none.

        wanted: whether what arrived came from something that learns.
        """
        learns = [wanted]
        for item in sequence.items:
            learns.append(learns[-1] or self.any_learns(item))
        size: int | None = gradient
        for item, before in zip(reversed(sequence.items), reversed(learns[:-1]), strict=True):
            size = self.back_item(item, size, before)
            if size is None:
                break
        return size

    def any_learns(self, item: Item) -> bool:
        if isinstance(item, Layer):
            return bool(self.learns[item.name])
        if isinstance(item, Aux):
            return False
        return any(self.any_learns(inner) for body in bodies(item) for inner in body.items)

    def back_item(self, item: Item, gradient: int | None, wanted: bool) -> int | None:
        assert gradient is not None
        row = self.rows[item.name]
        if isinstance(item, Layer):
            return self.back_layer(row, gradient, wanted)
        if isinstance(item, Aux):
            for logits in self.tape[item.name]:
                self.drop(logits)
            inner = self.back(item.body, self.grow(self._end(item.body, row.before)), wanted)
            if inner is not None:
                self.passing -= inner
            return gradient
        arrived: int | None = None
        for body in reversed(bodies(item)):
            if not body.items or all(KEPT[i.kind](self.rows[i.name]).view for i in body.items if isinstance(i, Layer)):
                own = 0 if wanted else None  # the gradient of the sum is handed on as it is
            else:
                own = self._branch(body, item, gradient, wanted)
            if own:
                if arrived:
                    self.passing -= own  # added into the one that is there
                else:
                    arrived = own
        if wanted and arrived is None:
            return gradient
        self.passing -= gradient
        return arrived

    def _branch(self, body: Sequence, item: Branches | Regions, gradient: int, wanted: bool) -> int | None:
        """Through one branch; what it is given belongs to all of them, so its end makes the first gradient anew."""
        given = self.passing
        size = self.back(body, 0, wanted)
        if size is None:
            self.passing = given
        return size

    def _end(self, body: Sequence, before: Shape) -> Shape:
        return self.rows[body.items[-1].name].after if body.items else before

    def back_layer(self, row: Sized, gradient: int, wanted: bool) -> int | None:
        name, rule = row.item.name, KEPT[row.item.kind](row)
        for size in self.learns[name]:
            self.gradients += size
        made = gradient
        self._look()
        if wanted and not rule.view:
            made = self.grow(row.before)
        laid_out_anew = sum(self.learns[name]) if row.item.kind == "conv" else 0
        passing = self.batch * rule.passing + laid_out_anew
        self.passing += passing
        self._look()
        self.passing -= passing
        for tensor in self.tape[name]:
            self.drop(tensor)
        if not wanted:
            self.passing -= gradient
            return None
        if not rule.view:
            self.passing -= gradient
        return made
