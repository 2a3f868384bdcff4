"""What a network may be given as: text, or a .net file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convscope.errors import ConvscopeError
from convscope.network import source


@pytest.mark.parametrize("text", ["conv 3x3 4, dense", "dense", "relu", "dense # like a.net\n, relu"])
def test_a_text_is_itself(text: str) -> None:
    assert source.text_of(text) == text


def test_a_file_is_its_text(tmp_path: Path) -> None:
    (tmp_path / "网.net").write_bytes(b"\xef\xbb\xbf" + "dense # 全连接\r\n".encode())
    assert source.text_of("网.net", tmp_path) == "dense # 全连接\n"
    assert source.text_of(str(tmp_path / "网.net")) == "dense # 全连接\n"


def test_no_file(tmp_path: Path) -> None:
    sentence = f"a .net file must exist to be read. There is none at {tmp_path / 'a.net'}."
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        source.text_of("a.net", tmp_path)


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_a_file_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.net"
    path.write_bytes("dense  # 全连接".encode(encoding))
    sentence = rf"a \.net file must be UTF-8 text\. {re.escape(str(path))} isn't, at byte \d+: save it as UTF-8\."
    with pytest.raises(ConvscopeError, match=sentence):
        source.text_of(str(path))
