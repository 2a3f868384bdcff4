"""What is printed passes every encoding, and no name can harm a terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from convscope.report.text import crop, json_line, one_line, padded, safe, say, table, width


def stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "28 × 28 ± 1 – 猫 ß"),
        ("ascii", "28 x 28 +- 1 - \\u732b \\xdf"),
        ("gbk", "28 × 28 ± 1 – 猫 \\xdf"),
        ("cp1252", "28 × 28 ± 1 – \\u732b ß"),
        ("latin-1", "28 × 28 ± 1 - \\u732b ß"),
    ],
)
def test_each_encoding(encoding: str, said: str) -> None:
    words = safe("28 × 28 ± 1 – 猫 ß", stream(encoding))
    words.encode(encoding)
    assert words == said


def test_names_cannot_steer_the_terminal() -> None:
    utf8 = stream("utf-8")
    assert safe("a\x1b[2Jb\rc\x07\x9b", utf8) == "a\\x1b[2Jb\\x0dc\\x07\\x9b"
    assert safe("gnp.\u202etac", utf8) == "gnp.\\u202etac"
    assert safe("not text: \udcff", utf8) == "not text: \\udcff"
    assert safe("two\nlines", utf8) == "two\nlines"
    assert one_line("two\nlines\r") == "two\\nlines\\r"
    assert safe("plain", io.StringIO()) == "plain"


def test_an_encoding_that_python_does_not_know() -> None:
    class Odd(io.StringIO):
        encoding = "no-such-encoding"

    assert safe("猫 ×", Odd()) == "\\u732b x"


def test_say_writes_lines_at_once() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    say(out, ["猫", "b"])
    say(out, "c")
    assert raw.getvalue() == b"\\u732b\nb\nc\n"


def test_tables_are_straight_with_wide_signs() -> None:
    lines = table(("class", "n"), [("猫", "10"), ("dog", "7"), ("a\nb", "123")], "<>")
    assert lines == ["class    n", "-----  ---", "猫      10", "dog      7", "a\\nb   123"]
    assert len({width(line) for line in lines}) == 1
    narrow = table(("class", "n"), [("猫", "10"), ("dog", "7")], "<>", stream("ascii"))
    assert narrow[2] == "\\u732b  10"
    assert table((), [("a", "b"), ("long", "c")]) == ["a     b", "long  c"]
    assert table((), []) == []


def test_widths() -> None:
    assert [width(t) for t in ("", "abc", "猫", "ｆ", "e\u0301")] == [0, 3, 2, 2, 1]
    assert crop("猫猫猫", 5) == "猫猫"
    assert crop("abc", 5) == "abc"
    assert padded("猫", 4) == "猫  "
    assert padded("猫", 4, ">") == "  猫"


def test_json_is_strict_and_fits_the_stream() -> None:
    value = {"猫": np.float32(0.5), "k": np.int64(3), "rows": np.eye(2), "path": Path("a"), "t": (1, None, True)}
    line = json_line(value)
    assert line == '{"猫": 0.5, "k": 3, "rows": [[1.0, 0.0], [0.0, 1.0]], "path": "a", "t": [1, null, true]}'
    escaped = json_line(value, stream("ascii"))
    assert escaped.isascii()
    assert json.loads(escaped) == json.loads(line)
    assert json_line(value, stream("gbk")) == escaped  # JSON is UTF-8 or ASCII, whatever the console's bytes are
    assert json_line(value, stream("cp1252")) == escaped
    assert json_line(value, stream("UTF8")) == line
    assert json_line({"nan": float("nan"), "inf": [float("-inf")]}) == '{"nan": null, "inf": [null]}'
    assert json.loads(json_line({"bad": "\udcff"}, stream("utf-8"))) == {"bad": "\udcff"}
    assert "\n" not in json_line({"a": "b\nc"})


def test_json_refuses_what_it_has_no_form_for() -> None:
    with pytest.raises(TypeError, match="JSON has no form for object"):
        json_line({"a": object()})
