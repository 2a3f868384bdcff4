"""Receptive fields: known numbers, and the walk against what really reaches a unit, cell by cell."""

from __future__ import annotations

import random

import pytest
import torch

from convscope.network.build import Network
from convscope.network.receptive import FIELDS, Seen, receptive_fields
from convscope.network.shapes import resolve
from convscope.notation import parse, write_out
from convscope.notation.kinds import KINDS


def fields(text: str, input: tuple[int, int, int], classes: int = 4) -> dict[str, tuple[Seen, Seen]]:
    return receptive_fields(resolve(write_out(parse(text)), input, classes))


def test_every_kind_has_its_row() -> None:
    assert set(FIELDS) == set(KINDS)


VGG = "conv 3x3 8, conv 3x3 8, maxpool 2, conv 3x3 8, conv 3x3 8, maxpool 2, conv 3x3 8, conv 3x3 8, conv 3x3 8"

KNOWN = {
    "conv 3x3 8, conv 3x3 8": (5, 1, -2, 64),
    "conv 7x7 8 /2 pad=3, maxpool 3 /2 pad=1": (11, 4, -5, 16),  # the stem of ResNet
    VGG + ", maxpool 2": (44, 8, -18, 8),  # VGG-16's pool3
    "conv 11x11 8 /4 valid, maxpool 3 /2": (19, 8, 0, 6),  # AlexNet's pool1
    "conv 3x3 8 dilation=2, conv 3x3 8 dilation=4": (13, 1, -6, 64),
    "maxpool 2, gap": (64, 2, 0, 1),
    "conv 3x3 4, dense 5": (66, 1, -1, 1),
    "conv 5x5 4 valid, flatten, relu": (5, 1, 0, 60),
    "conv 5x5 4 valid, flatten, softmax": (64, 1, 0, 1),
    "conv 5x5 4 valid, flatten, lrn": (64, 1, 0, 1),
    "conv 5x5 4 valid, softmax": (5, 1, 0, 60),
    "conv 5x5 4 valid, dense 7, dense": (64, 1, 0, 1),
    "concat( conv 1x1 2 | conv 3x3 2, conv 5x5 2 | maxpool 3 /1 same ), maxpool 2": (8, 2, -3, 32),
    "add( identity | conv 3x3 3 )": (3, 1, -1, 64),
    "identity 8 /2, conv 3x3 8": (5, 2, -2, 32),
    "dense 8, identity": (64, 1, 0, 1),
    "aux ( conv 9x9 4, dense ), conv 3x3 8": (3, 1, -1, 64),
    "regions 2x2 ( conv 3x3 4 )": (3, 1, -1, 64),
    "avgpool to=4": (16, 16, 0, 4),
    "avgpool to=48": (2, 4 / 3, 0, 48),
    "subsample 2, subsample 2": (4, 4, 0, 16),
}


@pytest.mark.parametrize("text", KNOWN)
def test_known_fields(text: str) -> None:
    found = list(fields(text, (64, 64, 3)).values())[-1]
    assert found[0] == found[1] == Seen(*KNOWN[text])


def test_down_and_across_are_apart() -> None:
    down, across = fields("conv 5x3 4 /2x1 valid, maxpool 1x2", (20, 10, 1))["pool1"]
    assert down == Seen(5, 2, 0, 8)
    assert across == Seen(4, 2, 0, 4)


def test_each_region_sees_its_own_part() -> None:
    found = fields("conv 3x3 4 /2 pad=1, regions 2x2 ( conv 3x3 4, gap )", (16, 16, 1))
    assert found["regions1.1x1.conv1"][0] == Seen(7, 2, -3, 4)
    assert found["regions1.2x1.conv1"][0] == Seen(7, 2, 5, 4)
    assert found["regions1.2x1.conv1"][1] == Seen(7, 2, -3, 4)
    assert found["regions1.2x2.gap1"][0] == Seen(13, 2, 5, 1)
    assert found["regions1"][0].count == 2


def test_clipped_to_the_picture() -> None:
    assert Seen(7, 2, -3, 4).clipped(8) == 7
    assert Seen(7, 2, -3, 4).clipped(4) == 3
    assert Seen(66, 1, -1, 1).clipped(64) == 64


def reaching(text: str, name: str, size: tuple[int, int]) -> tuple[range, range]:
    """Rows and columns of the cells that change the middle unit of a layer when they grow: all weights are positive, so
    that nothing cancels, and one large cell wins every maximum."""
    network = Network(text, input=(*size, 1), classes=3, seed=0).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.abs() + 0.1)
    cells = size[0] * size[1]
    base = torch.rand(1, 1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    moved = base.repeat(cells, 1, 1, 1)
    moved.view(cells, -1).diagonal().add_(1000)
    kept = [network(x, keep=[name])[1][name] for x in (base, moved)]
    row, column = kept[0].shape[2] // 2, kept[0].shape[3] // 2
    changed = (kept[1] != kept[0])[:, :, row, column].any(1).view(*size)
    rows, columns = (changed.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    return range(rows[0], rows[-1] + 1), range(columns[0], columns[-1] + 1)


def some_network(seed: int) -> str:
    """Two or three layers that slide, some of them in branches; no stride is larger than its kernel."""
    draw = random.Random(seed)

    def layer(stride: int) -> str:
        kernel = f"{draw.randint(stride, 4)}x{draw.randint(stride, 4)}"
        kind = draw.choice(["conv", "maxpool", "avgpool"])
        if kind != "conv":
            return f"{kind} {kernel} /{stride} {draw.choice(['same', 'valid'])}"
        return f"conv {kernel} 2 /{stride} {draw.choice(['same', 'valid', 'pad=1'])} dilation={draw.randint(1, 2)}"

    parts = []
    for _ in range(draw.randint(2, 3)):
        if draw.random() < 0.3:
            word, stride = draw.choice(["add", "concat"]), draw.randint(1, 2)
            branch = f"conv {draw.choice([2, 3])}x3 2 /{stride} same, relu"
            parts.append(f"{word}( {branch} | conv 5x{draw.choice([1, 3])} 2 /{stride} same )")
        else:
            parts.append(layer(draw.choice([1, 1, 2])))
    return ", ".join([*parts, "relu"])


@pytest.mark.parametrize("seed", range(30))
def test_the_middle_unit_sees_just_these_cells(seed: int) -> None:
    text, size = some_network(seed), (37, 34)
    sizes = resolve(write_out(parse(text)), (*size, 1), 3)
    name = sizes.rows[-1].item.name
    found = receptive_fields(sizes)[name]
    for seen, cells, count, changed in zip(found, size, sizes.output, reaching(text, name, size), strict=False):
        assert seen.count == count
        begin = int(seen.offset + (count // 2) * seen.stride)
        assert changed == range(max(0, begin), min(cells, begin + seen.size)), text
        assert seen.clipped(cells) == len(changed)


@pytest.mark.parametrize(
    "text",
    ["avgpool to=5", "conv 3x3 2, maxpool to=4x7, relu", "conv 3x3 2 /2, gap", "conv 3x3 2 valid, gmp, relu",
     "identity 3 /3, conv 3x3 2", "regions 1x2 ( conv 3x3 2 )", "conv 3x3 2, regions 2x2 ( conv 3x3 2, maxpool 2 )"],
)  # fmt: skip
def test_the_other_kinds_see_at_least_what_reaches_them(text: str) -> None:
    """Fields of `to=` and of branches are the largest; the cells that reach the middle unit lie within them."""
    size = (24, 24)
    sizes = resolve(write_out(parse(text)), (*size, 1), 3)
    name = sizes.rows[-1].item.name
    for seen, cells, changed in zip(receptive_fields(sizes)[name], size, reaching(text, name, size), strict=True):
        assert 0 <= seen.clipped(cells) - len(changed) <= 1
