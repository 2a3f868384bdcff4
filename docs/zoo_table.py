"""Writes the table in docs/zoo.md from the networks' own headers and texts, so that the two can't differ."""

from __future__ import annotations

from pathlib import Path

from convscope.network.cost import in_aux, multiply_adds
from convscope.network.shapes import resolve, show
from convscope.network.source import about, text_of, zoo
from convscope.notation import parse, write_out
from convscope.report.numbers import grouped

PAGE = Path(__file__).parent / "zoo.md"
MARK = "<!-- table: written by `python docs/zoo_table.py`, held equal by tests/network/test_zoo_docs.py -->\n"


def table() -> str:
    """A row for each network."""
    lines = [
        "| network | input | classes | parameters | multiply-adds | follows | paper |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in zoo():
        header, sizes = about(name), resolve(write_out(parse(text_of(name))))
        apart = in_aux(sizes)
        products = sum(multiply_adds(row) for row in sizes.rows if row.item.name not in apart)
        count = grouped(header.parameters)
        if header.aux_parameters:
            count += f", and {grouped(header.aux_parameters)} in its sides"
        lines.append(
            f"| `{name}` | {show(sizes.input)} | {sizes.classes} | {count} | {grouped(products)} | {header.follows} "
            f"| {header.paper} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Put the table between the two marks."""
    before, _, after = PAGE.read_text(encoding="utf-8").split(MARK)
    PAGE.write_text(f"{before}{MARK}{table()}{MARK}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
