"""A .csv of pictures and labels: read as people write it, its bad rows named by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from convscope.data import table
from convscope.errors import ConvscopeError


@pytest.fixture
def pictures(folder_of: Callable[..., Path]) -> Path:
    """photos/cat/000.png ... below a folder; its parent is where the .csv goes."""
    return folder_of(n=3).parent


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "data.csv"
    path.write_bytes(text.encode(encoding))
    return path


GOOD = "path,label\nphotos/cat/000.png,cat\nphotos/dog/000.png,dog\n"


@pytest.mark.parametrize("change", ["", "\ufeff", "crlf", "semicolon", "tab", "case", "blank"])
def test_good_tables(pictures: Path, change: str) -> None:
    text = change + GOOD if change == "\ufeff" else GOOD
    text = text.replace("\n", "\r\n") if change == "crlf" else text
    text = text.replace(",", ";") if change == "semicolon" else text
    text = text.replace(",", "\t") if change == "tab" else text
    text = text.replace("path,label", "Path, LABEL") if change == "case" else text
    text = text.replace("\n", "\n,\n\n", 2) if change == "blank" else text
    source = table.find("x", write(pictures, text))
    assert source.classes == ("cat", "dog")
    assert source.names == ("photos/cat/000.png", "photos/dog/000.png")
    assert source.files is not None
    assert source.files.stream(1).read() == (pictures / "photos/dog/000.png").read_bytes()


def test_split_and_other_columns(pictures: Path) -> None:
    source = table.find(
        "x",
        write(
            pictures,
            "label,path,split,patient\ncat,photos/cat/000.png,train,p1\ndog,photos/dog/000.png,val,p2\n"
            "dog,photos\\dog\\001.png,,p1\n",
        ),
    )
    assert source.parts == ("train", "validation", "")
    assert source.columns == {"patient": ("p1", "p2", "p1")}
    assert source.names[2] == "photos/dog/001.png"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the first line of .* must name the columns path and label. Got nothing"),
        ("file,label\n", "must name the columns path and label. Got file, label"),
        ("paths,label\n", "Did you mean 'paths'"),
        ("path,label,path\n", "must name each column once. 'path' stands there twice"),
        ("path,label\n", "at least two classes. It holds no row"),
        ("path,label\nphotos/cat/000.png,cat\n", "at least two classes. It holds one: cat"),
        (GOOD + "photos/cat/001.png\n", "line 4: 1 values where the first line names 2 columns"),
        (GOOD + "photos/cat/001.png,\n", "line 4: photos/cat/001.png has no label"),
        (GOOD + ",cat\n", "line 4: the path is empty"),
        (GOOD + "photos/cat/zzz.png,cat\n", "line 4: there is no file .*zzz.png"),
        (GOOD + "photos/cat/000.png,dog\n", "line 4: photos/cat/000.png stands in line 2 already"),
        (GOOD + '"photos/cat/001.png,cat\n', "line 4, is no line of a .csv"),
        (
            GOOD.replace("label\n", "label,split\n").replace("cat\n", "cat,trian\n").replace("dog\n", "dog,test\n"),
            "line 2: split must be train, validation or test, or empty. Got 'trian'",
        ),
        (GOOD + "x,cat\n" * 15, "and 5 more"),
    ],
)
def test_bad_tables_name_the_line(pictures: Path, text: str, said: str) -> None:
    with pytest.raises(ConvscopeError, match=said):
        table.find("x", write(pictures, text))


def test_a_table_in_another_encoding(pictures: Path) -> None:
    with pytest.raises(ConvscopeError, match=r"must be UTF-8 text. Byte .* in line 2"):
        table.find("x", write(pictures, "path,label\nphotos/cat/000.png,狗\n", "gbk"))
