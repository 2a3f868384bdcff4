"""`convscope kernel`: a file comes out, what was done is said, and nothing that is there is lost."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import Command

EDGES = "-1,0,1; -2,0,2; -1,0,1"


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """Left half dark, right half bright, in colour."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, 15:] = (200, 100, 50)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return "photo.png"


def read(path: str) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_edges(say: Command, photo: str) -> None:
    said = say("kernel", EDGES, photo, "-o", "edges.png")  # begins with a minus sign, and is no option
    assert said.code == 0, said.err
    assert "kernel  3x3: -1,0,1; -2,0,2; -1,0,1" in said.out
    assert "not turned" in said.out
    assert "20 x 30 -> 20 x 30, each colour channel by itself; same, outside are zeros" in said.out
    assert "values  -800 to 800" in said.out
    assert re.search(
        r"shown   without their sign.*\(--scale absolute, usual for values that add up to 0\); .* cut", said.out
    )
    assert "file    edges.png" in said.out
    found = read("edges.png")
    assert found.shape == (20, 30, 3)
    assert found[10, 14].tolist() == found[10, 15].tolist() == [255, 255, 200]
    assert found[10, 5].tolist() == [0, 0, 0]


def test_a_name_that_nothing_has_yet(say: Command, photo: str) -> None:
    assert "file    photo-outline.png" in say("kernel", "outline", photo).out
    assert "file    photo-outline-2.png" in say("kernel", "outline", photo, "--grey").out
    assert read("photo-outline.png").ndim == 3
    assert read("photo-outline-2.png").ndim == 2
    assert "file    photo-kernel.png" in say("kernel", "1 1", photo).out


def test_border_stride_and_jpeg(say: Command, photo: str) -> None:
    said = say("kernel", "blur", photo, "--border", "reflect", "--stride", "2", "-o", "small.jpg")
    assert "20 x 30 -> 10 x 15, each colour channel by itself; same, outside is its mirror image, stride 2" in said.out
    assert "--scale clip, usual for values that add up to 1" in said.out
    assert read("small.jpg").shape == (10, 15, 3)
    said = say("kernel", "blur", photo, "--padding", "valid", "--scale", "min-max", "--grey", "-o", "x.png")
    assert "20 x 30 -> 18 x 28, grey; valid, the kernel stays inside" in said.out
    assert "shown   the least is black, the greatest white\n" in said.out


def test_one_value(say: Command, photo: str) -> None:
    said = say("kernel", "sobel-x", photo, "--at", "0,14")
    assert said.code == 0, said.err
    assert "row 0, column 14 (from 0) sees rows -1 to 1, columns 13 to 15" in said.out
    assert "values in brackets lie outside the picture" in said.out
    assert "red window" in said.out
    assert "sum of the products: 600" in said.out
    assert "sum of the products: 150" in said.out
    assert not list(Path().glob("photo-*"))
    assert "file    one.png" in say("kernel", "sobel-x", photo, "--at", "0,14", "-o", "one.png").out


def test_the_list(say: Command) -> None:
    said = say("kernel", "--list")
    assert said.code == 0
    for name in ("sobel-x", "laplacian", "sharpen", "emboss", "gaussian"):
        assert re.search(rf"(?m)^{name} ", said.out)
    assert "1/16,1/8,1/16" in said.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "a kernel and a picture are needed: convscope kernel sobel-x photo.jpg"),
        (["sobel-x"], "a kernel and a picture are needed"),
        (["sobel-z", "photo.png"], "unknown kernel 'sobel-z', did you mean 'sobel-"),
        (["-1,0;1", "photo.png"], "must be of one length"),
        (["blur", "none.png"], "a kernel goes over a picture file. none.png is not there"),
        (["blur", "."], r"a kernel goes over a picture file\. \. is a folder"),
        (["blur", "text.png"], "can't read the picture text.png"),
        (["blur", "photo.png", "-o", "photo.png"], "must not replace the picture itself"),
        (["blur", "photo.png", "-o", "x.gif"], r"must end in \.png or \.jpg. Got 'x.gif': use -o x.png"),
        (["blur", "photo.png", "--at", "3"], r"--at 3,4. Got '3'"),
        (["blur", "photo.png", "--at", "20,0"], "rows 0 to 19 and columns 0 to 29. Got 20,0"),
        (["blur", "photo.png", "--scale", "clap"], "unknown scale 'clap', did you mean 'clip'"),
        (["blur", "photo.png", "--bordr", "zeros"], "No such option"),
        (["; ".join(["1"] * 21), "photo.png"], "must not be larger than the picture"),
    ],
)
def test_what_can_not_be_done(words: list[str], sentence: str, say: Command, photo: str) -> None:
    Path("text.png").write_text("no picture", encoding="utf-8")
    said = say("kernel", *words)
    assert said.code == 2
    assert re.search(sentence, said.err), said.err
    assert not list(Path().glob("photo-*"))
