"""A trace in print: the lines of the terminal, and the part of a page."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from torch import Tensor

from convscope.explain.trace import Trace, trace, trace_loss
from convscope.network.build import Network
from convscope.notation.kinds import KINDS
from convscope.report import frame
from convscope.report.text import say
from convscope.report.trace import STYLE, lines, section
from convscope.report.trace_text import KERNELS, SUMMED, WINDOWS, cell, sees

TUTORIAL = [[1.0, 0, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
DEEP = (
    "input 12x12x3, classes 4, conv 3x3 8, bn, relu, maxpool 2 same, conv 11x11 4, lrn, avgpool 2, dropout 0.5, "
    "dense 20, softmax, dense"
)


@pytest.fixture(scope="module")
def tutorial() -> tuple[Network, Tensor]:
    network = Network("input 4x4x1, classes 2, conv 2x2 2 valid bias=no, relu, maxpool 2 /1, dense").eval()
    with torch.no_grad():
        weight = network.layer("conv1").weight
        assert isinstance(weight, Tensor)
        weight.copy_(torch.tensor([[[[1.0, -1], [1, -1]]], [[[1, 1], [-1, -1]]]]))
    return network, torch.tensor(TUTORIAL)[None, None]


@pytest.fixture(scope="module")
def deep() -> tuple[Network, Tensor]:
    return Network(DEEP).eval(), torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def traces(network: Network, x: Tensor) -> list[Trace]:
    """One of each layer, and the loss."""
    found = []
    for label, row in network.sizes.by_name().items():
        place = (1, 1, 0) if len(row.after) == 3 else (1,)
        found.append(trace(network, x, label, place, target=1))
    return [*found, trace_loss(network, x, 1)]


def test_the_tables_name_kinds() -> None:
    assert set(KINDS) > KERNELS | WINDOWS | SUMMED


def test_lines_of_the_tutorial(tutorial: tuple[Network, Tensor]) -> None:
    assert lines(trace(*tutorial, "conv1", (0, 0, 1))) == [
        "conv1, map 0, row 0, column 1 (conv 2x2 2 valid bias=no) = -1",
        "places count from 0; sees rows 0 to 1 and columns 1 to 2 of the picture",
        "",
        "window x kernel = products",
        "map 0 of input: sum -1",
        "  0 1  x   1 -1  =   0 -1",
        "  1 1      1 -1      1 -1",
        "",
        "sum of the products  0*1 + 1*(-1) + 1*1 + 1*(-1) = -1",
        "relu1                max(0, -1) = 0",
    ]


def test_the_loss_is_called_by_the_name_of_its_class(deep: tuple[Network, Tensor]) -> None:
    """By the number where nobody knows the names."""
    names = ("ant", "bee", "cow", "dog")
    dense, loss = trace(*deep, "dense1", (3,), target=2), trace_loss(*deep, 2)
    assert any(line.startswith("gradient of the loss for class 2 (loss ") for line in lines(dense))
    assert any(line.startswith("gradient of the loss for cow (loss ") for line in lines(dense, classes=names))
    assert lines(loss)[0].startswith("the loss for class 2 (")
    assert lines(loss, classes=names)[0].startswith("the loss for cow (")
    assert "<h3>The loss for cow</h3>" in section(loss, names)


def test_lines_are_ascii_in_any_encoding(deep: tuple[Network, Tensor]) -> None:
    for found in traces(*deep):
        told = lines(found)
        assert "\n".join(told).isascii()
        assert max(len(line) for line in told if " + " not in line) < 130  # a sum written out may wrap
        stream = io.TextIOWrapper(io.BytesIO(), "ascii")
        say(stream, told)


def test_the_rest_stands_as_one_sum(deep: tuple[Network, Tensor]) -> None:
    """What is shown and the rest add up to what there is."""
    found = trace(*deep, "dense1", (3,), target=2)
    told = lines(found, limit=3)
    (rest,) = [line for line in told if line.startswith("the other") and "add" in line]
    count, total = re.fullmatch(r"the other (\d+) cells add (\S+)", rest).groups()  # type: ignore[union-attr]
    products = sorted((term.product for term in found.terms), key=abs, reverse=True)
    assert int(count) == len(products) - 3
    assert float(total) == pytest.approx(sum(products[3:]), rel=1e-3)
    written = next(line for line in told if line.startswith("sum of the products"))
    assert f"({len(products) - 3} other products)" in written
    numbers = [float(n) for n in re.findall(r"-?\d[\d.e-]*(?=\)| |$)", written.split("products  ")[1])]
    assert sum(numbers[:4]) == pytest.approx(float(found.steps[0].value), abs=2e-3)


def test_cells_beyond_the_edge_are_marked(deep: tuple[Network, Tensor]) -> None:
    told = lines(trace(*deep, "conv1", (0, 0, 0)))
    assert "window x kernel = products; in parentheses: beyond the edge" in told
    assert any(line.count("(0)") == 3 for line in told)
    assert section(trace(*deep, "conv1", (0, 0, 0))).count("beyond") == 5 * 3 * 2  # class and what the pointer says


def test_what_it_sees_in_words(deep: tuple[Network, Tensor]) -> None:
    found = trace(*deep, "conv1", (0, 5, 5))
    assert sees(found) == "sees rows 4 to 6 and columns 4 to 6 of the picture"
    assert (
        sees(trace(*deep, "conv1", (0, 0, 11))) == "sees rows 0 to 1 and columns 10 to 11 of the picture, and padding"
    )
    assert sees(trace(*deep, "dense1", (0,))) == "sees the whole picture"
    far = Network("input 4x4x1, classes 2, conv 2x2 1 pad=2, dense").eval()
    assert sees(trace(far, torch.zeros(1, 1, 4, 4), "conv1", (0, 0, 3))) == "sees padding alone"


def test_numbers_in_cells_are_short() -> None:
    for value in (0.0, 1.0, -1.0, 0.123456, -12.3456, 1234.5, 123456.7, -0.00012345, 1e-30, -1e30, float("nan")):
        assert len(cell(value)) <= 6, value
    assert [cell(v) for v in (0.0, -1.0, 0.5, 0.00123, 123.4)] == ["0", "-1", "0.50", "1e-3", "123"]


class Balanced(HTMLParser):
    """Fails where an element is closed that isn't open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open += [] if tag in ("meta", "br", "img") else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_part_of_a_page_for_every_kind(deep: tuple[Network, Tensor]) -> None:
    for found in traces(*deep):
        reader = Balanced()
        reader.feed(frame.page("trace", section(found, ["a", "<b>", "c", "d"]), styles=(STYLE,)))
        assert reader.open == []
        text = "".join(reader.text)
        assert f"{found.value:.4g}" in text
        assert all(step.name in text for step in (*found.steps, *found.after))
        if found.kind != "loss":
            assert "Backward" in text
            assert "the loss for <b>" in text


def test_the_window_the_kernel_and_the_products(tutorial: tuple[Network, Tensor]) -> None:
    page = section(trace(*tutorial, "conv1", (0, 0, 1)))
    cells = re.findall(r'<td class="(\w+)[^>]*>([^<]*)</td>', page)
    assert [text for _, text in cells] == ["0", "1", "1", "1", "1", "-1", "1", "-1", "0", "-1", "1", "-1"]
    assert [look for look, _ in cells][4:8] == ["plus", "minus", "plus", "minus"]
    assert "0*1 + 1*(-1) + 1*1 + 1*(-1) = <b>-1</b>" in page
    assert "Backward" not in page


def test_the_cell_that_wins_is_marked(tutorial: tuple[Network, Tensor]) -> None:
    page = section(trace(*tutorial, "pool1", (0, 0, 1)))
    assert re.findall(r'<td class="(\w+ \w+)"[^>]*>([^<]*)</td>', page) == [
        ("zero loses", "0"), ("plus wins", "2"), ("zero loses", "0"), ("plus loses", "2"),
    ]  # fmt: skip


def test_a_large_kernel_has_colours_alone(deep: tuple[Network, Tensor]) -> None:
    page = section(trace(*deep, "conv2", (1, 3, 3)))
    assert "tight cells" in page
    assert re.search(r'title="weight -?[\d.e-]+"', page)


def test_no_way_for_the_gradient(tutorial: tuple[Network, Tensor]) -> None:
    page = section(trace(*tutorial, "conv1", (0, 0, 1), target=0))
    assert "doesn&#x27;t hang on this number: no gradient comes back to it" in page


def test_names_are_escaped(tutorial: tuple[Network, Tensor]) -> None:
    page = section(trace(*tutorial, "dense1", (1,), target=1), ["a", "<script>alert(1)</script>"])
    assert "<script" not in page
    assert "&lt;script&gt;" in page


# The page docs/trace.md

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "trace.md").read_text(encoding="utf-8")


def test_the_page_shows_what_is_printed(tutorial: tuple[Network, Tensor]) -> None:
    shown = re.search(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert shown is not None
    assert shown[1].split("\n") == lines(trace(*tutorial, "conv1", (0, 0, 1)))


def test_the_pages_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    exec(compile(example[1], "docs/trace.md", "exec"), {})
    *_, value, gradient, loss = capsys.readouterr().out.rstrip().split("\n")
    for told in (value, gradient):
        one, other = map(float, told.split())
        assert one == pytest.approx(other, abs=1e-5)
    assert loss.startswith("-log(")


def test_the_page_has_every_kind() -> None:
    table = PAGE.partition("| kind |")[2].partition("## Backward")[0]
    named = set(re.findall(r"`(\w+)`", table))
    assert set(KINDS) - named == {name for name, kind in KINDS.items() if kind.activation}
