"""What texts mean: line ends and commas, defaults, words, and the speed of reading."""

from __future__ import annotations

import time

import pytest

from convscope.notation import parse, write_out
from convscope.notation.kinds import KINDS
from convscope.notation.syntax import Call, Group, Item, Layer, Parameter, Repeat, Start, Value

CONV: dict[str, Value] = {
    "groups": 1,
    "dilation": (1, 1),
    "bias": True,
    "border": 0.0,
    "connect": "all",
    "init": Start("kaiming"),
    "bias_init": Start("constant", 0.0),
    "l1": 0.0,
    "l2": 0.0,
}


def one(text: str) -> Layer:
    """The only layer of a text."""
    (item,) = parse(text).items
    assert isinstance(item.form, Layer)
    return item.form


@pytest.mark.parametrize(
    "text",
    [
        "conv 3x3 8, relu, dense",
        "conv 3x3 8\nrelu\ndense\n",
        "conv 3x3 8,\nrelu\n,dense,",
        "\n\nconv 3x3 8 # a comment, with a comma\n\n  # another\n,relu,\r\n\r\n dense,\n",
        "conv 3x3 8\rrelu\rdense",
        "conv　3×3 ８，relu，dense",
        "conv same 3 8, relu, dense",
    ],
)
def test_line_ends_and_commas_mean_the_same(text: str) -> None:
    assert parse(text) == parse("conv 3x3 8, relu, dense")


@pytest.mark.parametrize(
    "text",
    [
        "let b(c, d) = (\n  conv 3x3 c\n  dense d\n)\nadd(\n relu,\n |\n tanh\n)\nb(\n1,\n2\n)",
        "let b(c,d) =\n( conv 3x3 c, dense d, )\n\n add\n(relu|tanh,) , b\n(1\n,\n2,)",
        "let b(c,\n# why\nd)=(conv 3x3 c\n,dense d), add(relu\n|tanh)\n\n\nb(1,2)",
    ],
)
def test_beside_brackets_a_line_end_is_space(text: str) -> None:
    assert parse(text) == parse("let b(c, d) = (conv 3x3 c, dense d), add(relu|tanh), b(1, 2)")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("relu\n( tanh )", "relu, ( tanh )"),
        ("a:\n( relu )", "a: ( relu )"),
        ("3 *\n( relu )", "3 * ( relu )"),
        ("aux weight=0.5\n( dense )\nrelu", "aux weight=0.5 ( dense ), relu"),
        ("regions 2x2\n( relu )", "regions 2x2 ( relu )"),
        ("( relu )\n-> 5", "( relu ) -> 5"),
        ("conv 3x3 8 init=normal(\n0.1\n)", "conv 3x3 8 init=normal(0.1)"),
    ],
)
def test_a_bracket_that_is_waited_for_may_stand_on_the_next_line(text: str, same: str) -> None:
    assert parse(text) == parse(same)


def test_every_kind_parses_from_its_example() -> None:
    for kind in KINDS.values():
        layer = one(kind.example or kind.name)
        assert layer.kind == kind.name
        flags = set(kind.flags) | {place.name for place in kind.places} - {"kernel", "units"}
        assert set(layer.options) == set(kind.options) | flags


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("conv 5x3 32", Layer("conv", (5, 3), 32, (1, 1), "same", options=CONV)),
        ("conv 3 in groups=in", Layer("conv", (3, 3), "in", (1, 1), "same", options=CONV | {"groups": "in"})),
        ("conv /2x1 1x1 valid classes", Layer("conv", (1, 1), "classes", (2, 1), "valid", options=CONV)),
        (
            "conv 3 8 pad=2x1 dilation=2 bias=position border=reflect connect=lenet5 init=0.5 bias_init=uniform(.1)",
            Layer("conv", (3, 3), 8, (1, 1), (2, 1), options=CONV | {
                "dilation": (2, 2), "bias": "position", "border": "reflect", "connect": "lenet5",
                "init": Start("constant", 0.5), "bias_init": Start("uniform", 0.1)}),
        ),
        ("conv 3 8 bias=no border=-1 l2=4e-3", Layer("conv", (3, 3), 8, (1, 1), "same", options=CONV | {
            "bias": False, "border": -1.0, "l2": 0.004})),
        ("maxpool 3 /2", Layer("maxpool", (3, 3), None, (2, 2), "valid", options={"to": None})),
        ("avgpool 3x2", Layer("avgpool", (3, 2), None, (3, 2), "valid", options={"to": None})),
        ("minpool 3 /2 ceil", Layer("minpool", (3, 3), None, (2, 2), (0, 0), True, {"to": None})),
        ("maxpool 3 /2 ceil pad=1", Layer("maxpool", (3, 3), None, (2, 2), (1, 1), True, {"to": None})),
        ("avgpool to=6", Layer("avgpool", options={"to": (6, 6)})),
        ("subsample 2", Layer("subsample", (2, 2), None, (2, 2), "valid")),
        ("dense", Layer("dense", None, "classes", options={
            "bias": True, "init": Start("kaiming"), "bias_init": Start("constant", 0.0), "l1": 0.0, "l2": 0.0})),
        ("tanh scaled", Layer("tanh", options={"scaled": True})),
        ("leaky", Layer("leaky", options={"slope": 0.01})),
        ("elu", Layer("elu", options={"slope": 1.0})),
        ("bn", Layer("bn", options={"eps": 1e-5, "momentum": 0.1, "scale": True, "shift": True, "per": "map"})),
        ("bn per=activation eps=1e-3 shift=no", Layer("bn", options={
            "eps": 1e-3, "momentum": 0.1, "scale": True, "shift": False, "per": "activation"})),
        ("lrn", one("lrn 5 k=2 alpha=1e-4 beta=0.75")),
        ("lrn 3", Layer("lrn", options={"window": 3, "k": 2.0, "alpha": 1e-4, "beta": 0.75})),
        ("dropout 0", Layer("dropout", options={"p": 0.0})),
        ("rbf 10", Layer("rbf", None, 10)),
        ("scale -0.125", Layer("scale", options={"factor": -0.125})),
        ("identity", Layer("identity", None, "in", (1, 1))),
        ("identity 32 /2", Layer("identity", None, 32, (2, 2))),
    ],
)  # fmt: skip
def test_defaults_are_filled_in(text: str, layer: Layer) -> None:
    assert one(text) == layer


def test_left_of_the_equals_sign_stands_an_option() -> None:
    tree = parse("let b(k) = ( lrn 5 k=k )\nb(3)")
    (item,) = tree.pieces[0].body.items
    assert isinstance(item.form, Layer)
    assert item.form.options["k"] == Parameter("k")


def test_structure_is_kept() -> None:
    tree = parse("let b(c, s) = ( conv 3x3 c /s )\nstem: 2 * ( relu ) -> 4x4x3, b(8, 2x1), 0 * b(classes, 1)")
    stem, call, none = tree.items
    assert (stem.label, stem.expect) == ("stem", (4, 4, 3))
    assert stem.form == Repeat(2, Group((Item(Layer("relu")),)))
    assert call.form == Call("b", (8, (2, 1)))
    assert none.form == Repeat(0, Call("b", ("classes", 1)))


def test_input_and_classes_are_read() -> None:
    tree = parse("input 28x28x1, classes 10, dense")
    assert (tree.input, tree.classes) == ((28, 28, 1), 10)


def test_a_text_as_long_as_resnet_152_is_read_at_once() -> None:
    block = "conv 1x1 64 bias=no, bn, relu, conv 3x3 64 bias=no, bn, relu, conv 1x1 256 bias=no, bn"
    text = "\n".join(f"add( {block} | identity ), relu" for _ in range(50)) + "\ngap, dense"
    parse("relu")  # builds the grammar
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        parse(text)
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 0.25  # 0.025 s on the machine where this was written; a busy one may be slow


def test_ten_thousand_layers_are_the_most() -> None:
    assert len(write_out(parse("10000 * ( relu )")).body.items) == 10_000
