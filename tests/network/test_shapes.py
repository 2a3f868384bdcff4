"""The walk over shapes: what can't be built says where and why, `->` is held, and the tutorials' tables come out."""

from __future__ import annotations

import re

import pytest

from convscope.network.cost import aux_parameters, parameter_count, total_parameters
from convscope.network.shapes import NetworkError, Sizes, check_end, resolve, table
from convscope.notation import parse, write_out

Input = tuple[int, int, int]


def sizes(text: str, input: Input | None = None, classes: int | None = None) -> Sizes:
    return resolve(write_out(parse(text)), input, classes)


# What can't be built: the text, the input, the place, and the sentence

MISFITS: list[tuple[str, Input, str, str]] = [
    ("conv 5x5 8 valid", (4, 9, 1), "line 1, column 1: conv1 can't be built on 4x9x1: ",
     "the kernel must fit its picture. A kernel 5 high meets maps of 4x9x1. To fix it, use a kernel of at most 4, "
     "`same` padding, or fewer strides before it."),
    ("conv 3x3 8, maxpool 2x7", (6, 6, 1), "line 1, column 13: pool1 can't be built on 6x6x8: ",
     "the kernel must fit its picture. A kernel 7 wide meets maps of 6x6x8. To fix it, use a kernel of at most 6"),
    ("conv 3x3 8 valid dilation=3", (6, 6, 1), "line 1, column 1: conv1 can't be built on 6x6x1: ",
     "A kernel 7 high meets maps of 6x6x1."),
    ("conv 5x5 8 pad=1", (2, 9, 1), "line 1, column 1: conv1 can't be built on 2x9x1: ", "A kernel 5 high"),
    ("avgpool 5 /2 ceil", (2, 2, 1), "line 1, column 1: pool1 can't be built on 2x2x1: ", "A kernel 5 high"),
    ("subsample 3", (2, 2, 1), "line 1, column 1: pool1 can't be built on 2x2x1: ", "A kernel 3 high"),
    ("add( conv 3x3 8 /2 | identity )", (6, 6, 8), "line 1, column 1: add1 can't be built on 6x6x8: ",
     "what is added must have one shape. The branches give 3x3x8 | 6x6x8. To fix it, change a branch's stride or "
     "channels, or bring the shortcut along with `conv 1x1 C /s` or `identity C /s`."),
    ("conv 3x3 8,\n  concat( conv 3x3 8 /2 | conv 1x1 8 )", (6, 6, 8), "line 2, column 3: concat1 can't be built on "
     "6x6x8: ", "what is joined must agree in height and width. The branches give 3x3x8 | 6x6x8. To fix it, use `same` "
     "padding and one stride in all branches."),
    ("concat( dense 8 | gap )", (6, 6, 8), "line 1, column 1: concat1 can't be built on 6x6x8: ",
     "The branches give 8 | 1x1x8."),
    ("conv 3x3 12 groups=3", (6, 6, 8), "line 1, column 1: conv1 can't be built on 6x6x8: ",
     "groups must divide the input channels. Got groups=3 with 8 input channels. To fix it, use groups=1, 2 or 4."),
    ("conv 3x3 9 groups=in", (6, 6, 8), "line 1, column 1: conv1 can't be built on 6x6x8: ",
     "groups must divide the output channels. Got groups=8 with 9 output channels. To fix it, use groups=1."),
    ("conv 3x3 4 groups=classes, conv 3x3 7 groups=classes", (6, 6, 8), "line 1, column 28: conv2 can't be built on "
     "6x6x4: ", "groups must divide the output channels. Got groups=4 with 7 output channels."),
    ("dense 5, conv 3x3 4", (6, 6, 8), "line 1, column 10: conv1 can't be built on 5: ",
     "conv needs maps (height x width x channels). Got 5 units. To fix it, move it before `dense` or `flatten`, or use "
     "`dense` here."),
    ("flatten, maxpool 2", (2, 2, 1), "line 1, column 10: pool1 can't be built on 4: ", "maxpool needs maps"),
    ("flatten, maxpool to=2", (2, 2, 1), "line 1, column 10: pool1 can't be built on 4: ", "maxpool needs maps"),
    ("dense 5, gap", (2, 2, 1), "line 1, column 10: gap1 can't be built on 5: ", "gap needs maps"),
    ("dense 5, identity 6", (2, 2, 1), "line 1, column 10: identity1 can't be built on 5: ", "identity needs maps"),
    ("regions 2x3 ( relu )", (4, 4, 1), "line 1, column 1: regions1 can't be built on 4x4x1: ",
     "regions must divide the picture. 2x3 regions meet 4x4x1. To fix it, use numbers that divide height and width."),
    ("dense 4, regions 2x2 ( relu )", (4, 4, 1), "line 1, column 10: regions1 can't be built on 4: ",
     "regions must divide the picture. 2x2 regions meet 4."),
    ("regions 2x2 ( dense 3 )", (4, 4, 1), "line 1, column 1: regions1 can't be built on 4x4x1: ",
     "regions must end in maps, so that they can be put back. Each ends in 3. To fix it, leave `dense` and `flatten` "
     "to what follows the regions."),
    ("identity 4", (6, 6, 8), "line 1, column 1: identity1 can't be built on 6x6x8: ",
     "identity can add maps of zeros, not take maps away. Got 8 maps to 4. To fix it, use `identity 8` or more, or "
     "`conv 1x1 4`."),
    ("conv 5x5 16 connect=lenet5", (14, 14, 5), "line 1, column 1: conv1 can't be built on 14x14x5: ",
     "connect=lenet5 joins 6 maps to 16, in one group. Got 5 maps to 16 in 1. To fix it, put it on 6 maps as "
     "`conv 5x5 16 connect=lenet5`, or leave connect= out."),
    ("conv 5x5 16 connect=lenet5 groups=2", (14, 14, 6), "line 1, column 1: conv1 can't be built on 14x14x6: ",
     "Got 6 maps to 16 in 2."),
    ("dense 80, rbf 10", (4, 4, 1), "line 1, column 11: rbf1 can't be built on 80: ",
     "rbf compares 84 numbers with drawings of 10 digits. Got 80 numbers and 10 classes. To fix it, put `dense 84` "
     "before it, and use it for 10 digits."),
    ("dense 84, rbf 9", (4, 4, 1), "line 1, column 11: rbf1 can't be built on 84: ", "Got 84 numbers and 9 classes."),
    ("conv 5x5 4 border=reflect", (2, 9, 1), "line 1, column 1: conv1 can't be built on 2x9x1: ",
     "border=reflect needs padding smaller than the picture. Got padding 2 on maps of 2x9x1. To fix it, use "
     "border=replicate, or a smaller kernel."),
    ("let a(k) = ( relu, conv k 4 valid )\nrelu, a(3), a(9)", (6, 6, 1), "line 1, column 20: conv2 can't be built on "
     "4x4x4: ", "A kernel 9 high meets maps of 4x4x4."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "input", "place", "sentence"), MISFITS, ids=[row[0] for row in MISFITS])
def test_a_layer_that_does_not_fit(text: str, input: Input, place: str, sentence: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(sentence)) as raised:
        sizes(text, input, classes=4)
    last = str(raised.value).splitlines()[-1]
    assert last.startswith(place)


def test_the_layers_up_to_that_one_stand_above() -> None:
    text = "conv 5x5 32, relu, maxpool 4, add( conv 3x3 64, bn | identity ), dense"
    with pytest.raises(NetworkError) as raised:
        sizes(text, (28, 28, 1), classes=10)
    assert str(raised.value).splitlines()[:-1] == [
        "  conv1      28x28x1 -> 28x28x32",
        "  relu1      28x28x32 -> 28x28x32",
        "  pool1      28x28x32 -> 7x7x32",
        "  conv2      7x7x32 -> 7x7x64",
        "  bn1        7x7x64 -> 7x7x64",
        "  identity1  7x7x32 -> 7x7x32",
    ]


def test_an_input_that_nobody_says() -> None:
    sentence = "the input's size must be known. Neither the text nor the data says it: write `input 28x28x1` before"
    with pytest.raises(NetworkError, match=re.escape(sentence)):
        sizes("conv 3x3 4, dense 10")


@pytest.mark.parametrize("input", [(28, 28), (28, 28, 0), (28, -1, 1), (), (1, 28, 28, 1)])
def test_an_input_that_is_no_size(input: Input) -> None:
    sentence = f"an input must be height, width and channels, whole numbers from 1, such as (28, 28, 1). Got {input}."
    with pytest.raises(NetworkError, match=re.escape(sentence)):
        sizes("gap, dense", input, 10)


@pytest.mark.parametrize("classes", [0, -3])
def test_a_class_count_that_is_none(classes: int) -> None:
    with pytest.raises(NetworkError, match=rf"the number of classes must be a whole number from 1\. Got {classes}\."):
        sizes("gap, dense", (4, 4, 1), classes)


@pytest.mark.parametrize("text", ["dense", "conv 1x1 classes, gap", "dense classes", "conv 1x1 4 groups=classes"])
def test_a_class_count_that_nobody_says(text: str) -> None:
    sentence = (
        "the number of classes must be known. Neither the text nor the data says it. To fix it, write `classes 10` "
        "before the first layer, or give --classes 10."
    )
    with pytest.raises(NetworkError, match=re.escape(sentence)) as raised:
        sizes(f"relu, {text}", (4, 4, 4))
    assert str(raised.value).startswith("  relu1  4x4x4 -> 4x4x4\nline 1, column 7: ")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("relu, dense 9", "line 1, column 7: a network must end in one number a class. dense1 gives 9 and there are 10 "
         "classes. Write `dense` alone (as many as there are classes), `dense 10`, or give --classes 9 with data of 9"),
        ("conv 1x1 9, gap", "line 1, column 13: a network must end in one number a class. gap1 gives 9 and there"),
        ("conv 1x1 10", "line 1, column 1: a network must end in one number a class. conv1 gives 4x4x10 and there are "
         "10 classes. End it with `dense`, or with `conv 1x1 classes, gap`."),
        ("add( conv 1x1 10 | conv 1x1 10 )", "line 1, column 1: a network must end in one number a class. add1 gives"),
        ("0 * ( relu )", "a network must end in one number a class. the input gives 4x4x10 and there are 10 classes."),
        ("aux ( dense 9 ), dense 10", "line 1, column 7: aux1 must end in one number a class. aux1.dense1 gives 9"),
        ("aux ( conv 1x1 10 ), dense", "line 1, column 7: aux1 must end in one number a class. aux1.conv1 gives 4x4x"),
        ("aux ( 0 * ( relu ) ), dense", "line 1, column 1: aux1 must end in one number a class. aux1 gives 4x4x10"),
        ("dense 7, aux ( dense 10 )", "line 1, column 10: a network must end in one number a class. aux1 gives 7"),
    ],
)  # fmt: skip
def test_an_end_that_is_not_one_number_a_class(text: str, sentence: str) -> None:
    built = sizes(text, (4, 4, 10), classes=10)
    with pytest.raises(NetworkError, match=re.escape(sentence)) as raised:
        check_end(built, 10)
    assert str(raised.value).startswith(table(built.rows))


@pytest.mark.parametrize("text", ["dense", "dense 10", "conv 1x1 classes, gap", "gap, conv 1x1 10",
                                  "aux ( gap, dense ), aux ( conv 1x1 10, gap ), dense"])  # fmt: skip
def test_an_end_that_is(text: str) -> None:
    check_end(sizes(text, (4, 4, 3), classes=10), 10)


# `->`

HELD = [
    "conv 3x3 8 /2 -> 4x4x8, dense 5 -> 5",
    "( conv 3x3 8, maxpool 2 ) -> 4x4x8",
    "( ( conv 3x3 8 ) -> 8x8x8 ) -> 8x8x8",
    "2 * ( conv 3x3 8 /2 ) -> 2x2x8",
    "2 * ( conv 3x3 8 -> 8x8x8 )",
    "0 * ( relu ) -> 8x8x3, relu",
    "relu, 0 * ( relu ) -> 8x8x3",
    "let a(c) = ( conv 3x3 c /2 -> 4x4x8 )\na(8) -> 4x4x8",
    "add( conv 3x3 3 -> 8x8x3 | identity ) -> 8x8x3",
    "concat( ( conv 1x1 2 ) -> 8x8x2 | identity ) -> 8x8x5",
    "stem: ( conv 3x3 8 /2, relu ) -> 4x4x8",
    "regions 2x2 ( conv 3x3 4 -> 4x4x4 ) -> 8x8x4",
    "aux ( dense 5 -> 5 ) -> 8x8x3",
]


@pytest.mark.parametrize("text", HELD)
def test_an_arrow_that_is_right(text: str) -> None:
    sizes(text, (8, 8, 3))


@pytest.mark.parametrize("text", HELD)
def test_every_arrow_is_asked(text: str) -> None:
    """Each of the sizes in turn is made wrong; the answer names both, and the place of the arrow's owner."""
    for arrow in re.finditer(r"-> ([\dx]+)", text):
        wrong = f"{text[: arrow.start()]}-> 77{text[arrow.end() :]}"
        sentence = rf"^(  .*\n)*line \d+, column \d+: .+ gives {arrow[1]} where the text says -> 77\. Change the layer"
        with pytest.raises(NetworkError, match=sentence):
            sizes(wrong, (8, 8, 3))


OWN = "input 8x8x3, classes 10\nconv 3x3 8 /2 -> 4x4x8, conv 1x1 classes -> 4x4x10, gap, dense -> 10"


def test_arrows_are_of_the_text_s_own_input_and_classes() -> None:
    """A paper's table must not forbid another size of pictures, or another count of classes."""
    assert sizes(OWN).output == (10,)
    assert sizes(OWN, (8, 8, 3), 10).output == (10,)
    assert sizes(OWN, (16, 12, 1)).by_name()["conv1"].after == (8, 6, 8)
    assert sizes(OWN, classes=6).output == (6,)
    for given in (None, (8, 8, 3)):
        with pytest.raises(NetworkError, match="conv1 gives 4x4x8 where the text says -> 4x4x9"):
            sizes(OWN.replace("4x4x8", "4x4x9"), given, 6)
    with pytest.raises(NetworkError, match="conv2 gives 4x4x6 where the text says -> 4x5x10"):
        sizes(OWN.replace("4x4x10", "4x5x10"), classes=6)
    with pytest.raises(NetworkError, match="dense1 gives 10 where the text says -> 12"):
        sizes(OWN.replace("-> 10", "-> 12"))


# The tutorials' tables and counts

ALEXNET = """
input 227x227x3, classes 1000
conv 11x11 96 /4 valid -> 55x55x96, relu
maxpool 3 /2 -> 27x27x96, lrn
conv 5x5 256 pad=2 -> 27x27x256, relu
maxpool 3 /2 -> 13x13x256, lrn
conv 3x3 384 pad=1 -> 13x13x384, relu
conv 3x3 384 pad=1 -> 13x13x384, relu
conv 3x3 256 pad=1 -> 13x13x256, relu
maxpool 3 /2 -> 6x6x256
dense 4096 -> 4096, relu, dropout 0.5, dense 4096 -> 4096, relu, dropout 0.5, dense -> 1000
"""
VGG16 = """
input 224x224x3, classes 1000
conv 3x3 64 -> 224x224x64, relu, conv 3x3 64 -> 224x224x64, relu, maxpool 2 -> 112x112x64
conv 3x3 128 -> 112x112x128, relu, conv 3x3 128 -> 112x112x128, relu, maxpool 2 -> 56x56x128
3 * ( conv 3x3 256 -> 56x56x256, relu ), maxpool 2 -> 28x28x256
3 * ( conv 3x3 512 -> 28x28x512, relu ), maxpool 2 -> 14x14x512
3 * ( conv 3x3 512 -> 14x14x512, relu ), maxpool 2 -> 7x7x512
2 * ( dense 4096 -> 4096, relu, dropout 0.5 ), dense -> 1000
"""
RESNET18 = """
let plain(c)    = ( add( conv 3x3 c bias=no, bn, relu, conv 3x3 c bias=no, bn | identity ), relu )
let down(c)     = ( add( conv 3x3 c /2 pad=1 bias=no, bn, relu, conv 3x3 c bias=no, bn
                       | conv 1x1 c /2 bias=no, bn ), relu )
let stage(n, c) = ( down(c), n * plain(c) )
input 224x224x3, classes 1000
conv 7x7 64 /2 pad=3 bias=no, bn, relu, maxpool 3 /2 pad=1
layer1: 2 * plain(64) -> 56x56x64
layer2: stage(1, 128) -> 28x28x128
layer3: stage(1, 256) -> 14x14x256
layer4: stage(1, 512) -> 7x7x512
gap, dense
"""
MNIST = "input 28x28x1, classes 10, "
LENET5 = """
input 32x32x1, classes 10
conv 5x5 6 valid -> 28x28x6, subsample 2 -> 14x14x6, tanh scaled
conv 5x5 16 valid connect=lenet5 -> 10x10x16, subsample 2 -> 5x5x16, tanh scaled
conv 5x5 120 valid -> 1x1x120, tanh scaled, dense 84, tanh scaled, rbf classes -> 10
"""
COUNTED = {
    "tutorial A, digits": (
        "input 8x8x1, conv 3x3 10, relu, conv 3x3 5 /2, bn, relu, maxpool 3 /2 same -> 2x2x5, dense 50, relu, dense 10",
        2_125,
    ),
    "AlexNet": (ALEXNET, 62_378_344),
    "VGG-16": (VGG16, 138_357_544),
    "ResNet-18": (RESNET18, 11_689_512),
    "LeNet-5": (LENET5, 60_000),
    "tutorial B, MNIST": (
        MNIST + "conv 5x5 32, relu, maxpool 2, conv 5x5 64, relu, maxpool 2, dense 1024, relu, dropout 0.5, dense 10",
        3_274_634,
    ),
    "tutorial B, CIFAR-10": (
        "input 24x24x3, conv 5x5 64, relu, maxpool 3 /2 same, lrn 9 k=1, conv 5x5 64, relu, lrn 9 k=1,"
        "maxpool 3 /2 same, dense 384, relu, dense 192, relu, dense 10",
        1_068_298,
    ),
    "tutorial C, 5x5 20 50": (
        MNIST + "conv 5x5 20 valid, relu, maxpool 2, conv 5x5 50 valid, relu, maxpool 2, dense 10",
        33_580,
    ),
    "tutorial C, 3x3 20 50": (
        MNIST + "conv 3x3 20 valid, relu, maxpool 2, conv 3x3 50 valid, relu, maxpool 2, dense 10",
        21_760,
    ),
    "tutorial C, 3x3 20 50, rounded up": (
        MNIST + "conv 3x3 20 valid, relu, maxpool 2, conv 3x3 50 valid, relu, maxpool 2 ceil, dense 10",
        27_260,
    ),
    "tutorial C, 3x3 20 100": (
        MNIST + "conv 3x3 20 valid, relu, maxpool 2, conv 3x3 100 valid, relu, maxpool 2, dense 10",
        43_310,
    ),
    "tutorial C, 3x3 20 100, rounded up": (
        MNIST + "conv 3x3 20 valid, relu, maxpool 2, conv 3x3 100 valid, relu, maxpool 2 ceil, dense 10",
        54_310,
    ),
    "a perceptron": (MNIST + "dense 15, dense 10", 11_935),
    "three kernels": (MNIST + "conv 5x5 3 valid -> 24x24x3, maxpool 2 -> 12x12x3", 78),
}


@pytest.mark.parametrize(("text", "count"), COUNTED.values(), ids=COUNTED)
def test_parameters_are_the_tutorials(text: str, count: int) -> None:
    assert total_parameters(sizes(text)) == count


def test_lenet5_layer_by_layer() -> None:
    counts = [parameter_count(row) for row in sizes(LENET5).rows]
    assert [count for count in counts if count] == [156, 12, 1_516, 32, 48_120, 10_164]


def test_vgg16_weights_layer_by_layer() -> None:
    """The tutorial's table leaves biases out."""
    built = sizes(VGG16.replace("conv 3x3", "conv 3x3 bias=no").replace("dense", "dense bias=no"))
    counts = [count for row in built.rows if (count := parameter_count(row))]
    assert counts == [1_728, 36_864, 73_728, 147_456, 294_912, 589_824, 589_824, 1_179_648, 2_359_296, 2_359_296,
                      2_359_296, 2_359_296, 2_359_296, 102_760_448, 16_777_216, 4_096_000]  # fmt: skip
    assert sum(counts) == 138_344_128


def test_side_classifiers_are_counted_apart() -> None:
    built = sizes("conv 3x3 4, side: aux ( gap, dense ), aux ( dense 10 ), gap, dense", (8, 8, 1), classes=10)
    assert aux_parameters(built) == 50 + (256 * 10 + 10)
    assert total_parameters(built) == 40 + 50


# Numbers and names of the rows


def test_words_become_numbers() -> None:
    built = sizes("conv 3x3 in groups=in, conv 1x1 classes groups=classes, identity, dense in", (4, 4, 6), classes=3)
    layers = [row.item for row in built.rows]
    assert [getattr(layer, "units", None) for layer in layers] == [6, 3, 3, 3]
    assert [layer.options.get("groups") for layer in layers if hasattr(layer, "options")][:2] == [6, 3]
    assert built.output == (3,)


def test_what_is_given_takes_the_place_of_the_text() -> None:
    text = "input 28x28x1, classes 10, conv 3x3 4, dense"
    assert sizes(text).output == (10,)
    built = sizes(text, (8, 9, 3), classes=4)
    assert (built.input, built.classes, built.output) == ((8, 9, 3), 4, (4,))


def test_the_output_is_what_the_last_item_gives() -> None:
    """A side classifier that stands last hands its input on."""
    assert sizes("dense 7, aux ( dense 3 )", (2, 2, 1)).output == (7,)
    assert sizes("0 * ( relu )", (2, 2, 1)).output == (2, 2, 1)


@pytest.mark.parametrize(
    ("text", "after"),
    [("regions 2x3 ( conv 3x3 5, maxpool 2 )", (2, 3, 5)), ("avgpool to=6x7", (6, 7, 3)), ("gmp", (1, 1, 3)),
     ("flatten", (72,)), ("identity 5 /2x1", (2, 6, 5)), ("aux ( dense 3 )", (4, 6, 3)),
     ("concat( gap, dense 3 | dense 4 )", (7,)), ("conv 5x5 2", (4, 6, 2)), ("avgpool 5 /4 ceil", (1, 2, 3))],
)  # fmt: skip
def test_shapes_of_forms(text: str, after: tuple[int, ...]) -> None:
    assert sizes(text, (4, 6, 3)).output == after


def test_a_huge_number_of_groups_is_answered_at_once() -> None:
    sentence = "use groups=1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 40 or 50"
    with pytest.raises(NetworkError, match=sentence):
        sizes("conv 1x1 1000000000 groups=3", (1, 1, 1_000_000_000))
