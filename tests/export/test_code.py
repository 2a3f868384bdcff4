"""A network written as source: run in a process of its own it gives the network's outputs; and it is readable."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from torch import nn

from convscope.errors import ConvscopeError
from convscope.export.code import DIALECTS
from convscope.export.words import WORDS
from convscope.network.source import text_of, zoo
from convscope.notation import parse, write_out
from convscope.notation.kinds import KINDS
from convscope.notation.tree import Aux, Branches, Layer, Regions, Sequence
from export.running import Case, complaints, differences, written

SIZE = (7, 6, 3)
CLASSES = 4
FORMS = {"add", "concat", "regions", "aux"}

CASES: dict[str, tuple[str, ...]] = {
    "conv": (
        "conv 3x3 4",
        "conv 3x3 6 /2 bias=no groups=3",
        "conv 3x2 4 dilation=2 border=reflect valid",
        "conv 3x3 4 dilation=2 border=reflect",
        "conv 3x3 4 /2 dilation=2",
        "conv 3x3 in groups=in",
        "conv 3x3 6 groups=in /2x1",
        "conv 3x3 in groups=in /2x1",
        "conv 3x3 in groups=in /2 pad=2",
        "conv 3x3 4 /2 bias=position bias_init=normal(1)",
        "conv 3x3 4 bias=position border=replicate",
        "conv 1x1 classes, gap",
        "conv 3x3 4 /2",
        "conv 4x4 4",
        "conv 4x4 4 border=replicate",
        "conv 4x4 4 border=reflect",
        "conv 3x3 4 border=replicate",
        "conv 3x3 4 border=reflect",
        "conv 3x3 4 border=0.5",
        "conv 3x3 4 full",
        "conv 3x3 4 /2 full",
        "conv 5x3 4 pad=1x2 /3",
        "conv 3x3 4 pad=4",
        "conv 3x3 6, conv 5x5 16 connect=lenet5",
        "conv 3x3 6, conv 3x3 16 connect=lenet5 bias=position border=replicate",
        "conv 3x3 6, conv 3x3 16 connect=lenet5 bias=no /2 dilation=2",
        "conv 3x3 6, conv 4x3 16 connect=lenet5 valid",
        "conv 3x3 4 init=normal(0.1) l2=0.1, dense init=glorot",
    ),
    "maxpool": (
        "maxpool 2",
        "maxpool 3 /2 same",
        "maxpool 3 /1 same",
        "maxpool 3 /2 ceil",
        "maxpool 3 /2 pad=1 ceil",
        "maxpool 3 full",
        "maxpool 3x2 /2x1 pad=1",
        "maxpool to=3x2",
        "maxpool to=4",
    ),
    "minpool": (
        "minpool 2",
        "minpool 3 /2 same",
        "minpool 3 full",
        "minpool to=3x2",
        "relu, minpool 2",
        "scale 2, minpool 2",
    ),
    "avgpool": (
        "avgpool 2 ceil",
        "avgpool 3 /2 pad=1",
        "avgpool 3 /2 same",
        "avgpool 3 full",
        "avgpool 3 /2 pad=1 ceil",
        "avgpool 2 same",
        "avgpool to=3x2",
        "avgpool to=5x4",
        "avgpool to=9x9",
    ),
    "gap": ("gap",),
    "gmp": ("gmp",),
    "dense": (
        "dense",
        "dense 5 bias=no",
    ),
    "flatten": (
        "flatten",
        "flatten, dense 3",
    ),
    "relu": ("relu",),
    "relu6": ("relu6",),
    "tanh": (
        "tanh",
        "tanh scaled",
    ),
    "sigmoid": ("sigmoid",),
    "gelu": ("gelu",),
    "silu": ("silu",),
    "elu": (
        "elu",
        "elu 0.5",
    ),
    "leaky": (
        "leaky",
        "leaky 0.2",
    ),
    "bn": (
        "bn",
        "bn scale=no",
        "bn shift=no",
        "bn scale=no shift=no eps=1e-3 momentum=0.5",
        "dense 5, bn",
        "dense 5, bn scale=no",
        "bn per=activation",
        "bn per=activation scale=no",
        "dense 5, bn per=activation",
    ),
    "lrn": (
        "lrn",
        "lrn 3 alpha=0.1",
        "dense 5, lrn",
        "dense 5, lrn 3 alpha=0.1 beta=1 k=1",
    ),
    "dropout": ("dropout 0.5",),
    "softmax": (
        "softmax",
        "dense, softmax",
    ),
    "scale": (
        "scale 0.125",
        "scale 0.125, flatten, dense",
    ),
    "identity": (
        "identity",
        "identity 5 /2",
        "identity 5",
        "identity /2",
        "dense 5, identity",
    ),
    "add": (
        "add( conv 3x3 3 | identity | relu )",
        "add( conv 3x3 3 | identity | relu, scale 0.5 ), relu",
        "add( add( relu | tanh ) | concat( conv 3x3 2 | conv 1x1 1 ) ), scale 0.5, minpool 2",
    ),
    "concat": (
        "concat( conv 3x3 3 | identity | relu, conv 1x1 2 )",
        "concat( add( conv 3x3 2 | conv 1x1 2 ) | add( conv 3x3 2 | conv 1x1 2 ) | maxpool 3 /1 same )",
        "relu, concat( identity | identity )",
    ),
    "subsample": (
        "subsample 2",
        "subsample 2x3",
    ),
    "rbf": (
        "dense 84, rbf 10",
        "conv 1x1 1, avgpool to=12x7, rbf 10",
    ),
    "regions": (
        "regions 7x3 ( conv 1x1 2 )",
        "regions 1x2 ( conv 3x3 2, relu ), dense",
        "here: regions 1x3 ( add( conv 1x1 2 | conv 3x3 2 ) ), conv 1x1 5",
        "2 * regions 1x2 ( conv 1x1 3 ), dense",
    ),
    "aux": (
        "aux ( dense ), conv 3x3 4, aux weight=0.5 ( gap, dense ), dense",
        "let p(c, k) = ( conv k c, relu, aux ( dense ) ), p(4, 3), a: p(5, 3), b: p(5, 5), dense",
    ),
    "structure": (
        "let p(s) = ( conv 3x3 8 /s, maxpool 3 /s same ), p(1), p(2), dense",
        "let p(s) = ( identity 9 /s, conv 1x1 3 ), p(1), p(2), p(2), dense",
        "let p(f, n) = ( scale f, leaky f, dropout f, lrn n ), p(0.5, 3), p(0.25, 5), dense",
        "let p(f) = ( elu f ), p(0.5), p(0.25), train: p(1), forward: relu, dense",
        "train: conv 3x3 4, class: ( conv 3x3 3, relu ), self: relu, x: conv 1x1 2, name: dense, state_dict: bn",
        "2 * ( conv 3x3 4, relu ), 3 * ( bn ), dense",
        "body: 2 * ( conv 3x3 4, relu ), 0 * ( relu ), dense",
        "2 * add( conv 1x1 3 | identity ), dense",
        "2 * ( 3 * ( conv 1x1 3 ), relu ), dense",
        "let d() = ( concat( identity | bn, relu, conv 3x3 2 ) ), 6 * d(), dense",
        "let d() = ( concat( identity | bn, conv 3x3 2 ) ), let e(n) = ( n * d(), conv 1x1 4 ), e(2), e(3), e(1)",
        "let nn(F, torch) = ( conv F torch, relu ), nn(3, 4), nn(5, 6), dense",
        "let q(name, input_) = ( dropout 0.5, maxpool name /1 same, conv 1x1 input_ ), q(2, 3), q(3, 4), dense",
        "let g(a) = ( conv 1x1 4 groups=a ), conv 1x1 4, g(1), g(2), g(4), dense",
        "let r(k) = ( conv k 3 border=reflect, maxpool k /1 full ), r(2), r(3), r(3x2), dense",
    ),
}
"""What each kind and form comes in; `structure` are pieces, repeats and labels."""

ZOO: dict[str, tuple[int, int, int] | None] = {
    "lenet5": None,
    "alexnet": (128, 128, 3),
    "vgg11": (32, 32, 3),
    "googlenet": (96, 96, 3),
    "resnet18": (64, 64, 3),
    "resnet20": None,
    "densenet121": (64, 64, 3),
    "mobilenet_v2": (64, 64, 3),
    "squeezenet1_1": (64, 64, 3),
    "efficientnet_lite0": (64, 64, 3),
}
"""Networks of the zoo, at sizes at which they are quick."""


def kinds(sequence: Sequence) -> set[str]:
    found: set[str] = set()
    for item in sequence.items:
        found.add(item.kind)
        match item:
            case Branches():
                inner = item.branches
            case Regions():
                inner = item.parts
            case Aux():
                inner = (item.body,)
            case Layer():
                inner = ()
        found = found.union(*map(kinds, inner))
    return found


# The tables are whole


@pytest.mark.parametrize("framework", DIALECTS)
def test_every_kind_has_its_row(framework: str) -> None:
    assert set(DIALECTS[framework].rules) == set(KINDS)


def test_every_kind_and_form_has_cases() -> None:
    assert set(CASES) == set(KINDS) | FORMS | {"structure"}
    for kind, texts in CASES.items():
        for text in texts:
            assert kind == "structure" or kind in kinds(write_out(parse(text)).body), text


# The outputs


@pytest.mark.slow
@pytest.mark.parametrize("framework", DIALECTS)
def test_the_source_gives_the_networks_outputs(framework: str, tmp_path: Path) -> None:
    cases: dict[str, Case] = {text: (text, SIZE, CLASSES) for texts in CASES.values() for text in texts}
    found = differences(framework, cases, tmp_path)
    assert {text: share for text, share in found.items() if not share < 1e-5} == {}
    assert complaints(tmp_path) == ""
    if framework == "keras":
        names = json.loads((tmp_path / "names.json").read_text(encoding="utf-8"))
        assert set(names) <= WORDS, "a layer may be called like something that a keras.Model has"


@pytest.mark.slow
@pytest.mark.parametrize("framework", DIALECTS)
def test_networks_of_the_zoo(framework: str, tmp_path: Path) -> None:
    cases: dict[str, Case] = {name: (text_of(name), input, None) for name, input in ZOO.items()}
    found = differences(framework, cases, tmp_path)
    assert {name: share for name, share in found.items() if not share < 1e-5} == {}
    assert complaints(tmp_path) == ""


def test_one_network_at_once(tmp_path: Path) -> None:
    """The quick one: blocks, a side classifier, a padding that isn't even."""
    text = "let p(c) = ( conv 3x3 c /2, bn, relu ), p(4), aux ( dense ), add( conv 1x1 4 | identity ), 2 * p(5), dense"
    found = differences("torch", {text: (text, SIZE, CLASSES)}, tmp_path)
    assert found[text] < 1e-5


# What it looks like


@pytest.mark.parametrize("framework", DIALECTS)
@pytest.mark.parametrize("name", zoo())
def test_sources_of_the_zoo_are_short_and_parse(name: str, framework: str) -> None:
    """Repeats and pieces are classes: 152 layers are no 2 000 lines."""
    text = written(text_of(name), framework)
    ast.parse(text)
    code = text[: text.index("NAMES =")]
    assert len([line for line in code.splitlines() if not line.startswith("#")]) < 260
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_a_flat_network_reads_like_its_figure() -> None:
    text = written("conv 5x5 32, relu, maxpool 2, dense 128, relu, dropout 0.5, dense", "torch", (28, 28, 1), 10)
    assert (
        '''
class Net(nn.Module):
    """Pictures of 1 x 28 x 28 to 10."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5, padding=2)
        self.dense1 = nn.Linear(6272, 128)
        self.dense2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # 32 x 14 x 14
        x = F.relu(self.dense1(x.flatten(1)))
        x = F.dropout(x, 0.5, training=self.training)
        return self.dense2(x)
'''
        in text
    )


def test_a_piece_is_a_class_with_its_parameters() -> None:
    text = written(text_of("resnet152"), "torch")
    assert "class Down(nn.Module):\n    def __init__(self, in_channels, c, s, o):" in text
    assert "class Bottle(nn.Module):\n    def __init__(self, o, c):" in text
    assert "self.bottle1 = nn.Sequential(*(Bottle(o, c) for _ in range(n)))" in text
    assert "self.layer3 = Stage(512, 256, 2, 1024, 35)" in text
    assert re.findall(r"^class (\w+)", text, re.MULTILINE) == ["Down", "Bottle", "Stage", "Net"]


def test_turns_that_grow_are_a_loop() -> None:
    text = written(text_of("densenet121"), "keras")
    assert (
        "self.block1 = keras.Sequential([*(Layer() for _ in range(6))])" in text or "Layer() for _ in range(6)" in text
    )
    text = written(text_of("densenet121"), "torch")
    assert "self.block3 = nn.Sequential(*(Layer(n) for n in range(256, 1024, 32)))" in text


def test_numbers_that_agree_by_chance_stay_apart() -> None:
    """A padding of 1 and 2 is no stride of 1 and 2."""
    text = written("let p(k, s) = ( conv k 4 /s ), p(3, 1), maxpool 1, p(5, 2), dense", "torch", (9, 9, 1), 3)
    assert "stride=padding" not in text
    assert "padding=s" not in text


def test_what_is_learned_in_one_net_only_is_left_out_and_said() -> None:
    text = written(text_of("googlenet"), "torch")
    assert "# Left out: aux1, aux2, side classifiers that count in training alone" in text
    assert "aux1.conv1" not in text


def test_numbers_that_take_the_place_of_the_texts_are_said() -> None:
    """Else the head of the file, which shows the text, would contradict the class below."""
    text = "input 8x8x3, classes 5, conv 3x3 4 -> 8x8x4, gap, dense"
    said = "Written for input 6x6x1, classes 2, not for what the text has; the sizes after -> are the text's own.\n"
    for framework in DIALECTS:
        lines = written(text, framework, (6, 6, 1), 2).replace("\n# ", " ")
        assert said in lines
        assert "Written for classes 2, not for what the text has." in written(text, framework, None, 2)
        for same in (written(text, framework), written(text, framework, (8, 8, 3), 5)):
            assert "Written for" not in same
        assert "Written for" not in written("conv 3x3 4, gap, dense", framework, (6, 6, 1), 2)


def test_only_what_is_used_stands_there() -> None:
    plain = written("conv 3x3 4, relu, dense", "keras", SIZE, CLASSES)
    assert "def flatten" in plain
    assert not re.search(r"def (pad|border|mean_pool|pool_to)\b|class (Regions|Subsample)|DIGITS|JOINED", plain)
    assert "import math" in plain
    bare = written("relu, gap", "torch", SIZE, 3)
    assert "json" not in bare
    assert "from torch import nn" in bare
    assert "load" not in bare


def test_a_text_can_bring_no_code_along() -> None:
    """The text stands in comments: whatever its own comments hold, none of it is a line of the source."""
    evil = 'dense 3 # """\x0b\nimport os  \x85 os.abort()\u2028 \u202e'.replace("\nimport", "\r# import")
    text = written(evil, "torch", SIZE, 3)
    tree = ast.parse(text)
    assert [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names] == [
        "json", "torch",
    ]  # fmt: skip
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_label_may_be_any_word() -> None:
    public = {name for name in dir(nn.Module()) if not name.startswith("_")}
    assert public <= WORDS
    text = written("train: conv 3x3 4, class: ( conv 3x3 3, relu ), self: dense 3, state_dict: dense", "torch", SIZE, 3)
    for name in ("train", "class", "self", "state_dict"):
        assert f"self.{name}_ = " in text


def test_a_piece_may_be_called_like_what_the_source_needs() -> None:
    text = written(
        "let nAMES(c) = ( conv 1x1 c, relu ), let f(c) = ( bn, conv 1x1 c ), nAMES(2), f(3)", "torch", SIZE, 3
    )
    assert re.findall(r"^class (\w+)", text, re.MULTILINE) == ["NAMES2", "F2", "Net"]


def test_scopes_that_are_alike_share_a_class() -> None:
    text = written("stem: ( conv 3x3 4, relu ), head: ( conv 1x1 5, relu ), gap, dense", "torch", SIZE, 3)
    assert "self.stem = Block(3, 4, 3, 1)" in text
    assert "self.head = Block(4, 5, 1, 0)" in text


def test_an_unknown_framework() -> None:
    with pytest.raises(
        ConvscopeError, match=r"unknown framework 'pytorch', did you mean 'torch'\? These exist: keras,"
    ):
        written("dense 3", "pytorch", SIZE, 3)
