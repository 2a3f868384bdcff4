"""What a network may be given as: text, a name of the zoo, or a .net file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convscope.errors import ConvscopeError
from convscope.network import source
from convscope.network.build import Network


@pytest.mark.parametrize("text", ["conv 3x3 4, dense", "dense", "relu", "dense # like a.net\n, relu"])
def test_a_text_is_itself(text: str) -> None:
    assert source.text_of(text) == text


@pytest.mark.parametrize("word", ["resnet18", " resnet18\n", "resnet１８"])
def test_a_name_of_the_zoo_is_its_text(word: str) -> None:
    assert source.text_of(word) == source.zoo()["resnet18"].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("resnet19", "unknown network 'resnet19', did you mean 'resnet18'? These exist: alexnet, alexnet-one-tower, "),
        ("ResNet50", "unknown network 'ResNet50', did you mean 'resnet50'? These exist: "),
        ("vgg-16", "unknown network 'vgg-16', did you mean 'vgg16'? These exist: "),
        ("zzz", "unknown network 'zzz'. These exist: "),
    ],
)
def test_a_word_that_is_no_network(word: str, sentence: str) -> None:
    end = "xception. Give one of these, a .net file, or a text: conv 3x3 32, relu, gap, dense."
    with pytest.raises(ConvscopeError, match=f"^{re.escape(sentence)}.*{re.escape(end)}$"):
        source.text_of(word)


@pytest.mark.parametrize("word", ["dens", "conv", "Relu", "maxpol"])
def test_a_word_like_a_layer_s_is_left_to_the_parser(word: str) -> None:
    """Which answers with the place, and the layer that was meant."""
    assert source.text_of(word) == word


def test_a_zoo_s_text_by_its_name() -> None:
    assert source.text_of_zoo("resnet18").startswith("# ResNet-18: ")
    with pytest.raises(ConvscopeError, match=r"^unknown network 'resnet', did you mean 'resnet18'\? These exist: "):
        source.about("resnet")


def test_the_module_takes_a_name_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file's text goes this way: it must not make anything be read."""
    network = Network("resnet20", input=(8, 8, 1), classes=3)
    assert network.text == Network(source.text_of("resnet20")).text
    (tmp_path / "a.net").write_text("dense", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConvscopeError, match=r"^line 1, column 2: a '\.' stands in no name"):
        Network("a.net", input=(8, 8, 1), classes=3)
    with pytest.raises(ConvscopeError, match=r"^unknown network 'resnet-20', did you mean 'resnet20'\?"):
        Network("resnet-20", input=(8, 8, 1), classes=3)


def test_the_zoo_is_in_the_order_of_numbers() -> None:
    names = list(source.zoo())
    assert names.index("vgg11") < names.index("vgg16") < names.index("vgg19")
    assert names.index("resnet50") < names.index("resnet101")


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
