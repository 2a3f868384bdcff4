"""Reading what others wrote: each failure in words."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from convscope import files
from convscope.errors import ConvscopeError

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions, links and limits")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_errors_of_reading(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    for read in (files.read_bytes, files.read_text, files.read_json, files.read_lines, files.sha256_file):
        with pytest.raises(ConvscopeError, match=r"there is no file .*bad\."):
            read(bad)
        with pytest.raises(ConvscopeError, match=r"can't be read"):
            read(tmp_path)
    bad.write_bytes("a\nb\n猫狗".encode("gbk"))
    with pytest.raises(ConvscopeError, match=r"bad must be UTF-8 text\. Byte 0xb9 in line 3 is not\. Save it as UTF-8"):
        files.read_text(bad)
    bad.write_bytes(b'{\n "a": }')
    with pytest.raises(ConvscopeError, match=r"bad must be JSON\. In line 2, column 7: "):
        files.read_json(bad)
    bad.write_bytes(b'{"a": 1}\n{"b"\n{"c": 1}\n')
    with pytest.raises(ConvscopeError, match=r"bad must hold one JSON object a line\. Line 2: "):
        files.read_lines(bad)
    bad.write_bytes(b'{"a": 1}\n{"b": "\xff"}\n{"c": 1}\n')
    with pytest.raises(ConvscopeError, match=r"one JSON object a line\. Line 2: 'utf-8' codec"):
        files.read_lines(bad)
    bad.write_bytes(b'{"a": 1}\n\n[3]\n')
    with pytest.raises(ConvscopeError, match=r"one JSON object a line\. Line 3 is \[3\]"):
        files.read_lines(bad)


def test_text_from_windows_is_read(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"\xef\xbb\xbf" + "猫\r\nb\r\n".encode())
    assert files.read_text(tmp_path / "t") == "猫\nb\n"


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (2, r"has format 2, and this version of convscope reads formats up to 1\. A later version wrote it"),
        (None, r"must say format = 1\. It says None"),
        (True, r"must say format = 1\. It says True"),
        ("1", r"must say format = 1\. It says '1'"),
        (0, r"must say format = 1\. It says 0"),
    ],
)
def test_formats(found: object, sentence: str) -> None:
    files.check_format("x", 1)
    with pytest.raises(ConvscopeError, match=sentence):
        files.check_format("x", found)


def test_hashes(tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    (tmp_path / "f").write_bytes(data)
    assert files.sha256_file(tmp_path / "f") == files.sha256_bytes(data) == hashlib.sha256(data).hexdigest()
