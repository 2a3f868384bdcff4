"""`convscope summary`: its tables at every width, what repeats folded, JSON and Markdown, and what has no summary."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from cli.conftest import NET, Command
from convscope.network.memory import training_memory
from convscope.network.shapes import Sizes, resolve
from convscope.network.source import text_of
from convscope.network.weigh import fold, totals, weigh
from convscope.notation import parse, write_out
from convscope.report import summary


def sizes(text: str, input: tuple[int, int, int] | None = None, classes: int | None = None) -> Sizes:
    return resolve(write_out(parse(text)), input, classes)


def lines(made: Sizes, columns: int, stream: io.TextIOWrapper | None = None) -> list[str]:
    layers = weigh(made)
    return summary.text(summary.rows(made, fold(layers), totals(made, layers, aux=False), 128), columns, stream)


def test_a_summary(say: Command) -> None:
    said = say("summary", NET, "--input", "8x8x1", "--classes", "10")
    assert said.code == 0
    assert re.search(r"^conv1 +conv 3x3 4 same +8 x 8 x 4 +36 +4 +2304 +256", said.out, re.MULTILINE)
    assert re.search(r"^total +76 +14 +2344 ", said.out, re.MULTILINE)
    assert "\nparameters     90: 76 weights, 14 biases\n" in said.out
    assert re.search(r"^training +about [\d.]+ MiB with batches of 128, besides the process itself: ", said.out, re.M)


def test_every_number_as_json(say: Command) -> None:
    words = [
        "summary",
        NET,
        "--input",
        "8x8x1",
        "--classes",
        "10",
        "--json",
        "--batch-size",
        "16",
        "--optimizer",
        "adam",
    ]
    about = json.loads(say(*words).out)
    assert (about["parameters"], about["weights"], about["biases"]) == (90, 76, 14)
    assert (about["multiply_adds"], about["values"]) == (2344, 64 + 256 + 64 + 4 + 10)
    conv, relu = about["layers"][:2]
    assert conv["output"] == [8, 8, 4]
    assert conv["receptive_field"] == {"size": [3, 3], "stride": [1, 1], "offset": [-1, -1]}
    assert relu["kept_bytes"] == 4 * 256
    made = sizes(NET, (8, 8, 1), 10)
    memory = training_memory(made, 16, "adam")
    assert about["memory_bytes"]["peak"] == memory.peak
    assert about["memory_bytes"]["optimizer"] == 2 * 4 * 90
    assert about["seconds"] is None


def test_the_table_as_markdown(say: Command) -> None:
    out = say("summary", NET, "--input", "8x8x1", "--classes", "10", "--markdown").out.splitlines()
    cells = [line.count("|") for line in out if line.startswith("|")]
    assert len(set(cells)) == 1
    assert out[0].startswith("| label | layer | output | weights | biases | multiply-adds | values |")
    assert out[1].startswith("|---|---|---|---:|---:|")
    assert "- parameters: 90: 76 weights, 14 biases" in out


@pytest.mark.parametrize("name", ["vgg16", "googlenet", "resnet152", "densenet121", "mobilenet_v2", "lenet5"])
@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_a_table_is_as_wide_as_it_may_be(name: str, columns: int) -> None:
    made = sizes(text_of(name))
    shown = lines(made, columns)
    assert max(map(len, shown)) <= columns
    assert all(line.isascii() for line in shown)
    headings = [line for line in shown if line.startswith("label ")]
    assert sum(heading.split("  ").count("label") for heading in headings) == len(headings)
    assert len(headings) > 1 or columns == 200


@pytest.mark.parametrize("number", ["138 344 128", "13 416", "15 470 264 320", "15 237 608", "138 357 544"])
def test_the_tutorials_totals_of_vgg16(number: str, say: Command) -> None:
    assert number in say("summary", "vgg16").out


def test_the_tutorials_table_of_vgg16_line_by_line(say: Command) -> None:
    out = say("summary", "vgg16", "--unfold").out
    first, *more = out.split("\n\n")
    heading, _, *below = next(part for part in (first, *more) if " values" in part.splitlines()[0]).splitlines()
    end = heading.index("values") + len("values")
    values = [cell for cell in (line[end - 10 : end].strip() for line in below) if cell]
    wanted = ["150 528", *["3 211 264"] * 2, "802 816", *["1 605 632"] * 2, "401 408", *["802 816"] * 3, "200 704",
              *["401 408"] * 3, "100 352", *["100 352"] * 3, "25 088"]  # fmt: skip
    assert values[: len(wanted)] == wanted
    weights = ["1728", "36 864", "73 728", "147 456", "294 912", *["589 824"] * 2, "1 179 648", *["2 359 296"] * 5,
               "102 760 448", "16 777 216", "4 096 000"]  # fmt: skip
    found = re.findall(r" (?:conv 3x3|dense) \d+ .*?\d(?: x \d+ x \d+)?  +(\d[\d ]*?\d)  ", first)
    assert found == weights


def test_the_tutorials_table_of_alexnet(say: Command) -> None:
    text = (
        "input 227x227x3, conv 11x11 96 /4 valid, relu, maxpool 3 /2, lrn, conv 5x5 256 pad=2, relu, maxpool 3 /2, "
        "lrn, conv 3x3 384, relu, conv 3x3 384, relu, conv 3x3 256, relu, maxpool 3 /2, dense 4096, relu, dense 4096, "
        "relu, dense 1000"
    )
    out = say("summary", text).out
    for size in ("55 x 55 x 96", "27 x 27 x 96", "27 x 27 x 256", "13 x 13 x 256", "13 x 13 x 384", "6 x 6 x 256"):
        assert size in out
    assert "parameters     62 378 344: " in out


# Repeats


def folded(text: str, input: tuple[int, int, int] = (32, 32, 3)) -> list[tuple[str, int]]:
    return [(each.layer.row.item.name, each.times) for each in fold(weigh(sizes(text, input, 10)))]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("3 * ( conv 3x3 3, relu )", [("conv1", 3), ("relu1", 3)]),
        ("a: 3 * ( conv 3x3 3, relu )", [("a.1.conv1", 3), ("a.1.relu1", 3)]),
        ("3 * ( conv 3x3 8, relu )", [("conv1", 1), ("relu1", 1), ("conv2", 2), ("relu2", 2)]),
        ("conv 3x3 3, relu, conv 3x3 3, relu", [("conv1", 1), ("relu1", 1), ("conv2", 1), ("relu2", 1)]),
        ("2 * ( relu, 2 * ( conv 3x3 3 ) )", [("relu1", 2), ("conv1", 4)]),
        ("let b(c) = ( conv 3x3 c )\nb(4), b(4), b(5)", [("conv1", 1), ("conv2", 1), ("conv3", 1)]),
        ("let b(c) = ( conv 3x3 c, relu )\nb(3), b(3), b(5)", [("conv1", 2), ("relu1", 2), ("conv3", 1), ("relu3", 1)]),
        ("3 * ( maxpool 2 )", [("pool1", 1), ("pool2", 1), ("pool3", 1)]),
        ("regions 2x2 ( conv 3x3 3 )", [("regions1.1x1.conv1", 4), ("regions1", 1)]),
        ("2 * ( add( relu | identity ) )", [("relu1", 2), ("identity1", 2), ("add1", 2)]),
    ],
)  # fmt: skip
def test_what_repeats_is_shown_once(text: str, shown: list[tuple[str, int]]) -> None:
    assert folded(text) == shown


def test_a_fold_shows_the_last_turns_field_and_all_shares(say: Command) -> None:
    text = "conv 1x1 8, 3 * ( conv 3x3 8 )"
    each = fold(weigh(sizes(text, (32, 32, 3))))[-1]
    assert (each.times, each.layer.field[0].size) == (3, 7)
    out = say("summary", text, "--input", "32x32x3").out
    assert re.search(r"^conv2 +3 x +conv 3x3 8 same +32 x 32 x 8 +576 +8 ", out, re.MULTILINE)
    assert re.search(r"^turns +N x stands for N in a row", out, re.MULTILINE)
    assert re.search(r"^conv2 .* 98\.2 +98\.6$", out, re.MULTILINE)
    whole = say("summary", text, "--input", "32x32x3", "--unfold").out
    assert re.search(r"^conv4 ", whole, re.MULTILINE)
    assert "turns" not in whole


def test_folding_loses_nothing() -> None:
    for name in ("resnet152", "densenet121", "googlenet", "mobilenet_v2"):
        layers = weigh(sizes(text_of(name)))
        shown = fold(layers)
        assert sum(each.times for each in shown) == len(layers)
        assert sum(each.times * each.layer.parameters for each in shown) == sum(layer.parameters for layer in layers)
    assert len(fold(weigh(sizes(text_of("resnet152"))))) < 150


# Side classifiers, models, errors


def test_side_classifiers_stand_apart(say: Command) -> None:
    out = say("summary", "conv 3x3 8, aux ( gap, dense ), gap, dense", "--input", "8x8x3", "--classes", "4").out
    assert re.search(r"^parameters +260: 248 weights, 12 biases$", out, re.M)
    assert re.search(r"^side classifiers +besides, 36 parameters, 32 multiply-adds; in training alone$", out, re.M)


def test_what_a_step_takes_is_measured(say: Command) -> None:
    words = ["summary", NET, "--input", "8x8x1", "--classes", "10", "--batch-size", "8", "--time"]
    out = say(*words).out
    assert re.search(r"^time +about [\d.]+ m?s a step of 8 pictures in float32 on this machine$", out, re.MULTILINE)
    assert re.search(r"^label .* ms$", out, re.MULTILINE)
    about = json.loads(say(*words, "--json").out)
    assert about["precision"] == "float32"
    layers = sum(layer["seconds"] for layer in about["layers"])
    assert about["seconds"]["step"] == pytest.approx(layers + about["seconds"]["optimizer"])


def test_an_unknown_optimizer(say: Command) -> None:
    said = say("summary", NET, "--input", "8x8x1", "--classes", "3", "--optimizer", "adma")
    assert said.code == 2
    assert "unknown optimizer 'adma', did you mean 'adam'? These exist: adam, adamw, muon, sgd." in said.err


def test_the_layers_up_to_the_failing_one(say: Command) -> None:
    said = say(
        "summary", "conv 3x3 8, relu, maxpool 4, conv 9x9 8 valid, dense", "--input", "16x16x3", "--classes", "4"
    )
    assert said.code == 2
    assert said.out == ""
    assert "  conv1  16x16x3 -> 16x16x8\n  relu1  16x16x8 -> 16x16x8\n  pool1  16x16x8 -> 4x4x8\n" in said.err
    assert "conv2 can't be built on 4x4x8: the kernel must fit its picture." in said.err


def test_a_file_of_ones_own(tmp_path: Path, say: Command) -> None:
    (tmp_path / "mine.net").write_text("input 8x8x1, classes 3\nconv 3x3 4, gap, dense\n", encoding="utf-8")
    assert "\nparameters     55: 48 weights, 7 biases\n" in say("summary", tmp_path / "mine.net").out


def test_the_page_shows_what_is_printed(say: Command) -> None:
    page = (Path(__file__).parents[2] / "docs" / "summary.md").read_text(encoding="utf-8")
    command, shown = re.search(r"\n    convscope (summary \S+)\n\n((?:    .*\n|\n)+)", page).groups()  # type: ignore[union-attr]
    printed = say(*command.split()).out
    assert "".join(line.removeprefix("    ") for line in shown.splitlines(keepends=True)).strip("\n") == printed.strip(
        "\n"
    )


@pytest.mark.parametrize("columns", [60, 100])
def test_the_lines_below_are_no_wider_than_the_table(columns: int) -> None:
    made = sizes(text_of("googlenet"))
    layers = weigh(made)
    body, side = totals(made, layers, aux=False), totals(made, layers, aux=True)
    told = summary.below(body, side, training_memory(made, 128), 128, "sgd", folded=True, seconds=1.5)
    shown = summary.told(told, columns)
    assert max(map(len, shown)) <= columns
    assert all(line.isascii() for line in shown)
    assert " ".join(" ".join(shown).split()).count(" MiB ") == 5


def test_the_summary_of_resnet152_is_quick_and_makes_no_weights() -> None:
    import subprocess
    import sys

    script = (
        "import sys, time\n"
        "import convscope.cli.summary\n"
        "from convscope.network import memory, source, weigh\n"
        "from convscope.notation import parse, write_out\n"
        "from convscope.network.shapes import resolve\n"
        "begin = time.process_time()\n"
        "sizes = resolve(write_out(parse(source.text_of('resnet152'))))\n"
        "layers = weigh.weigh(sizes)\n"
        "assert weigh.totals(sizes, layers, aux=False).parameters == 60_192_808\n"
        "weigh.fold(layers), memory.training_memory(sizes, 128)\n"
        "assert 'torch' not in sys.modules\n"
        "print(time.process_time() - begin)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert float(said.stdout) < 2
