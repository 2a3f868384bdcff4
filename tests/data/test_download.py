"""Downloads from a server on this machine that truncates, lies, redirects and stalls: nothing bad is ever accepted."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from convscope.data import download, sources, store
from convscope.data.known import KNOWN, Known, KnownFile
from convscope.errors import ConvscopeError, RunFailed

CONTENT = bytes(range(256)) * 40
GOOD = gzip.compress(CONTENT)
ENTRY = replace(
    KNOWN["mnist"],
    name="mnist",
    files=(KnownFile("a", "train", len(CONTENT), hashlib.sha256(CONTENT).hexdigest()),),
    archive="",
)


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how to behave."""

    def do_GET(self) -> None:
        how = self.path.split("/")[1]
        body = GOOD
        if how == "missing":
            self.send_error(404)
            return
        if how in ("to-file", "to-plain", "to-good"):
            self.send_response(302)
            target = {"to-file": "file:///etc/passwd", "to-plain": "http://example.invalid/a.gz"}
            assert isinstance(self.server, http.server.HTTPServer)
            port = self.server.server_port
            self.send_header("Location", target.get(how, f"http://127.0.0.1:{port}/good/a.gz"))
            self.end_headers()
            return
        if how == "flip":
            body = gzip.compress(CONTENT[:-1] + b"\0")
        elif how == "plain":
            body = CONTENT
        elif how == "html":
            body = b"<html>log in first</html>"
        elif how == "bomb":
            body = gzip.compress(bytes(1 << 26))
        elif how == "long":
            body = GOOD + bytes(1 << 22)
        elif how == "empty":
            body = b""
        self.send_response(200)
        lied = {"short": len(body) + 50, "negative": -5}
        self.send_header("Content-Length", str(lied.get(how, len(body))))
        self.end_headers()
        if how == "stall":
            threading.Event().wait(1.5)
        if how == "truncate":
            body = body[: len(body) // 2]
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """No lines in the tests' output."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def from_hosts(server: str) -> Callable[..., Known]:
    return lambda *ways: replace(ENTRY, hosts=tuple(f"{server}/{way}/" for way in ways))


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("way", ["good", "plain", "to-good"])
def test_a_good_file_is_kept(from_hosts: Callable[..., Known], way: str) -> None:
    entry = from_hosts(way)
    seen: list[int] = []
    folder = download.get(entry, lambda what, done, total: seen.append(done))
    assert written(folder) == ["a.gz"]
    assert download.file_of(folder, "a") == folder / "a.gz"
    assert seen
    download.get(replace(entry, hosts=()))  # it is there and whole: nobody is asked


BAD = {
    "missing": "the server answers 404",
    "flip": "must have 10240 bytes with the SHA-256",
    "html": "must hold 10240 bytes when unpacked. It holds 25",
    "bomb": "It holds more than 10240",
    "long": "it sends more than",
    "empty": "It holds 0",
    "truncate": "no connection, or it broke off|is truncated or damaged|the download failed",
    "short": "no connection, or it broke off|is truncated or damaged|the download failed",
    "to-file": "which is not https",
    "to-plain": "it leads to http://example.invalid/a.gz, which is not https",
    "stall": "no answer within 0.5 s",
}


@pytest.mark.parametrize("way", BAD)
def test_a_bad_answer_is_refused_and_the_next_host_asked(
    from_hosts: Callable[..., Known], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PATIENCE", 0.5 if way == "stall" else 20)
    with pytest.raises(ConvscopeError, match=BAD[way]) as error:
        download.get(from_hosts(way))
    assert "Get these files by other means and put them into a folder mnist" in str(error.value)
    assert "a.gz (10,240 bytes unpacked)" in str(error.value)
    assert written(download.folder_of(ENTRY)) == []
    assert written(download.get(from_hosts(way, "good"))) == ["a.gz"]


def test_a_damaged_file_in_the_cache_is_fetched_again(from_hosts: Callable[..., Known]) -> None:
    folder = download.get(from_hosts("good"))
    (folder / "a.gz").write_bytes(GOOD[:-9])
    download.get(from_hosts("good"))
    assert gzip.decompress((folder / "a.gz").read_bytes()) == CONTENT


def test_the_message_names_the_users_own_folder(
    from_hosts: Callable[..., Known], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONVSCOPE_DATA", str(tmp_path))
    with pytest.raises(ConvscopeError, match=r"mnist could not be downloaded") as error:
        download.get(from_hosts("missing", "html"))
    assert f"put them into {tmp_path / 'mnist'}" in str(error.value)
    assert str(error.value).count("http://127.0.0.1") >= 2


def test_a_download_that_hardly_moves_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 21.0])
    monkeypatch.setattr("convscope.data.download.time.monotonic", lambda: next(clock))
    sink = download._Sink("https://x/a.gz", 1 << 30, None)
    sink.write(bytes(10))
    with pytest.raises(download.Refused, match=r"fewer than 65,536 bytes came in 20 s"):
        sink.write(bytes(10))


def test_an_address_that_is_not_https_is_refused() -> None:
    with pytest.raises(download.Refused):
        download.fetch("http://convscope.invalid/a.gz", 100)


def test_an_archive_is_unpacked_into_the_cache(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import io
    import tarfile

    record = bytes([3]) + bytes(3072)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in ("data_batch_1.bin", "test_batch.bin"):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = 10 * len(record)
            tar.addfile(member, io.BytesIO(10 * record))
    digest = hashlib.sha256(10 * record).hexdigest()
    files = tuple(
        KnownFile(name, part, 10 * len(record), digest)
        for name, part in (("data_batch_1.bin", "train"), ("test_batch.bin", "test"))
    )
    entry = replace(KNOWN["cifar10"], files=files, hosts=(f"{server}/good/",))
    monkeypatch.setattr(Handler, "do_GET", _serve(out.getvalue()))
    monkeypatch.setitem(KNOWN, "cifar10", entry)
    assert sources.where("cifar10") is None
    folder = sources.get("cifar10")
    assert written(folder) == ["data_batch_1.bin", "test_batch.bin"]
    assert sources.get("cifar10") == folder
    assert sources.find("cifar10").labels.tolist() == [3] * 20


def _serve(body: bytes) -> Callable[[Handler], None]:
    def do_get(self: Handler) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    return do_get


def small_files(server: str, monkeypatch: pytest.MonkeyPatch, *ways: str) -> None:
    """mnist in the table becomes one whose four files are small; they come from this machine."""
    names = [file.name for file in KNOWN["mnist"].files]
    pixels, labels = bytes(range(256)) * 49, bytes(i % 10 for i in range(16))
    idx = {
        name: bytes([0, 0, 8, 3, 0, 0, 0, 16, 0, 0, 0, 28, 0, 0, 0, 28]) + pixels
        if "images" in name
        else bytes([0, 0, 8, 1, 0, 0, 0, 16]) + labels
        for name in names
    }
    kept = tuple(KnownFile(name, "train", len(data), hashlib.sha256(data).hexdigest()) for name, data in idx.items())
    monkeypatch.setitem(
        KNOWN, "mnist", replace(KNOWN["mnist"], files=kept, hosts=tuple(f"{server}/{way}/" for way in ways))
    )

    def do_get(self: Handler) -> None:
        if self.path.split("/")[1] != "good":
            self.send_error(404)
            return
        _serve(gzip.compress(idx[self.path.rpartition("/")[2].removesuffix(".gz")]))(self)

    monkeypatch.setattr(Handler, "do_GET", do_get)


def test_a_data_set_that_is_not_here_is_downloaded_once_where_it_is_loaded(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_files(server, monkeypatch, "missing", "good")
    told: list[tuple[str, int, int]] = []
    loaded = store.load("mnist[:10]", validation=0, progress=lambda *words: told.append(words))
    assert (len(loaded.train), len(loaded.test)) == (10, 16)
    place = download.folder_of(KNOWN["mnist"])
    assert told[0] == (f"mnist is not on this machine: downloading 12 MB, once, into {place}", 0, 0)
    assert told[1][0] == "downloading train-images-idx3-ubyte.gz"
    assert sum(done == total == 0 for _, done, total in told) == 1
    told.clear()
    store.load("mnist[:10]", validation=0, progress=lambda *words: told.append(words))
    assert told == []  # it is here now


def test_a_download_that_fails_is_a_failed_run(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small_files(server, monkeypatch, "missing")
    with pytest.raises(RunFailed, match=r"mnist could not be downloaded:\n.*answers 404\nGet these files by other"):
        store.load("mnist")
    with pytest.raises(RunFailed, match=r"could not be downloaded") as error:
        sources.get("mnist")
    assert error.value.exit_code == 1


def _breaks_off(body: bytes, asked: list[str], lie: int = 0, packed: bool = False) -> Callable[[Handler], None]:
    """A server that ends each answer after 3 000 bytes, and goes on where it is asked to (or `lie` bytes beside it)."""

    def do_get(self: Handler) -> None:
        asked.append(self.headers.get("Range", ""))
        start = int(asked[-1].removeprefix("bytes=").rstrip("-") or 0)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start + lie}-{len(body) - 1}/{len(body)}")
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start : start + 3000])

    return do_get


def test_a_download_that_broke_off_goes_on_where_it_was(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Handler, "do_GET", _breaks_off(CONTENT, asked))
    assert download.fetch(f"{server}/a", 1 << 20) == CONTENT
    starts = [int(asking.removeprefix("bytes=").rstrip("-")) for asking in asked[1:]]
    assert asked[0] == ""
    assert starts == sorted(set(starts))
    assert 0 < starts[0] <= 3000  # a last piece that isn't whole is asked for again
    assert len(starts) >= 3


@pytest.mark.parametrize(
    ("lie", "packed", "said"),
    [(5, False, "it sends another part than was asked for"), (0, True, "broke off|the download failed")],
)
def test_what_can_not_be_gone_on_with_is_refused(
    server: str, monkeypatch: pytest.MonkeyPatch, lie: int, packed: bool, said: str
) -> None:
    asked: list[str] = []
    body = gzip.compress(bytes(i * i % 251 for i in range(9000)), 0) if packed else CONTENT
    monkeypatch.setattr(Handler, "do_GET", _breaks_off(body, asked, lie, packed))
    with pytest.raises(download.Refused, match=said):
        download.fetch(f"{server}/a", 1 << 20)
    assert len(asked) == (1 if packed else 2)
