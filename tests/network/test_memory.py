"""The memory of a training step: each kind against what autograd says that it saves, and whole networks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from convscope.network.build import Network
from convscope.network.cost import buffers
from convscope.network.kept import KEPT
from convscope.network.memory import OPTIMIZER_COPIES, kept_by_layer, training_memory
from convscope.network.shapes import numbers, resolve
from convscope.notation import parse, write_out
from convscope.notation.kinds import KINDS

SIZE, BATCH = (16, 12, 8), 4

TEXTS = [
    "conv 3x3 6", "conv 3x3 6 /2", "conv 3x3 6 /2 pad=1", "conv 3x3 6 border=1", "conv 3x3 6 border=reflect",
    "conv 3x3 in groups=in", "conv 3x3 6 bias=position", "maxpool 2", "maxpool 3 /2 same", "maxpool to=3x2",
    "avgpool 2", "avgpool 3 /2 pad=1", "avgpool to=3x2", "minpool 2", "minpool 3 /2 same", "minpool to=3",
    "subsample 2", "gap", "gmp", "gap, conv 1x1 4", "dense 5", "gap, dense 5", "dense 5, dense 6", "flatten",
    "flatten, dense 3",
    "relu", "relu6", "tanh", "tanh scaled", "sigmoid", "gelu", "silu", "elu", "leaky", "bn", "bn, relu, bn",
    "bn per=activation", "dense 5, bn", "lrn", "dense 5, lrn", "dropout 0.5", "dropout 0", "softmax", "scale 0.1",
    "identity", "identity 16 /2", "add( identity | relu )", "concat( identity | relu, bn )", "dense 84, relu, rbf 10",
    "regions 2x2 ( conv 3x3 4, relu )", "conv 3x3 4, relu, maxpool 2, conv 3x3 4, bn, relu, gap, dropout 0.5, dense 3",
    "aux ( gap, dense 3 ), conv 3x3 4, relu",
]  # fmt: skip


def saved(text: str) -> int:
    """The bytes of the distinct storages that autograd saves in a forward pass, but for weights and statistics."""
    network = Network(f"conv 1x1 8, {text}", input=SIZE, classes=10)
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    own = {t.untyped_storage().data_ptr() for t in [*network.parameters(), *network.buffers()]}
    found: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    x = torch.randn(BATCH, SIZE[2], *SIZE[:2]).contiguous(memory_format=torch.channels_last)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(x, keep=network.aux)
    return sum(found.values())


def test_every_kind_has_its_row() -> None:
    assert set(KEPT) == set(KINDS)
    kinds = {row.item.kind for text in TEXTS for row in resolve(write_out(parse(text)), SIZE, 10).rows}
    assert set(KINDS) <= kinds


@pytest.mark.parametrize("text", TEXTS)
def test_what_autograd_keeps(text: str) -> None:
    """A first convolution learns, so that all after it is kept; it keeps the picture. The output itself may be kept
    by nobody: it is then counted nowhere. What doesn't grow with the batch (statistics, the band of an lrn) is small,
    and left out."""
    made = resolve(write_out(parse(f"conv 1x1 8, {text}")), SIZE, 10)
    kept = kept_by_layer(made)
    picture = 4 * 16 * 12 * 8
    told = (sum(kept.values()) - kept["input"] + picture) * BATCH
    statistics = sum(4 * numbers(shape) for row in made.rows for shape in buffers(row).values())
    assert -1200 - statistics <= told - saved(text) <= 3 * 4 * BATCH, kept  # a side's logits


def test_nothing_is_kept_before_the_first_layer_that_learns() -> None:
    made = resolve(write_out(parse("relu, maxpool 2, conv 3x3 4, relu, dense 5")), SIZE, 10)
    assert set(kept_by_layer(made)) == {"input", "pool1", "relu2", "dense1"}


def test_the_parts() -> None:
    made = resolve(write_out(parse("conv 3x3 16, relu, maxpool 2, dense 10")), (32, 32, 3))
    memory = training_memory(made, 8, "adam")
    weights = 4 * (16 * 27 + 16 + 16 * 16 * 16 * 10 + 10)
    assert memory.weights == weights
    assert memory.optimizer == 2 * weights
    assert memory.gradients <= weights
    assert memory.peak == memory.tensors + memory.idle
    assert training_memory(made, 8, "sgd").optimizer == weights
    assert training_memory(made, 8, "sgd", copies=2).optimizer == 3 * weights
    assert training_memory(made, 800).activations > 90 * training_memory(made, 8).activations


def test_what_is_frozen_has_no_gradient_and_keeps_nothing() -> None:
    made = resolve(write_out(parse("conv 3x3 16, relu, conv 3x3 16, relu, gap, dense 10")), (32, 32, 3))
    whole = training_memory(made, 32)
    head = training_memory(made, 32, learned={"dense1.weight", "dense1.bias"})
    assert head.optimizer == 4 * 170
    assert head.tensors < 0.6 * whole.tensors
    assert training_memory(made, 32, learned=set()).optimizer == 0


def test_a_large_dense_layer_is_at_its_fullest_in_the_optimizer() -> None:
    made = resolve(write_out(parse("dense 4000, relu, dense 10")), (28, 28, 1))
    memory = training_memory(made, 1)
    assert memory.gradients == memory.weights == memory.optimizer


def test_every_optimizer_has_its_copies() -> None:
    from typing import get_args

    from convscope.recipe import OptimizerSettings

    assert set(OPTIMIZER_COPIES) == set(get_args(OptimizerSettings.model_fields["name"].annotation))
