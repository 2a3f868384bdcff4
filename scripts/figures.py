"""Makes the figures of docs/draw.md: python scripts/figures.py [the folder to write to, docs/figures unless given].

A test compares them with what stands in docs, so a change of drawing is a change of these files.
"""

from __future__ import annotations

import sys
from pathlib import Path

from convscope.files import make_folder, write_text
from convscope.network.compose import draw
from convscope.network.shapes import resolve
from convscope.network.source import text_of
from convscope.notation import parse, write_out
from convscope.report.drawing import to_svg

NAMES = ("lenet5", "resnet18", "googlenet")


def make(folder: Path) -> list[Path]:
    """The figures, written into a folder."""
    make_folder(folder)
    written = []
    for name in NAMES:
        written.append(folder / f"{name}.svg")
        write_text(written[-1], to_svg(draw(resolve(write_out(parse(text_of(name)))), name)))
    return written


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "docs" / "figures"
    for path in make(where):
        print(path)
