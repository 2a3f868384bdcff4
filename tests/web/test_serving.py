"""One real server on loopback, spoken to byte by byte; and where it listens."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from convscope.errors import ConvscopeError
from convscope.web import application, run
from convscope.web.serving import listen
from web_site import Site


@pytest.fixture
def port(site: Site) -> Iterator[int]:
    """A server in a thread: without signals, ended by its `stop` alone."""
    end, links, up = threading.Event(), list[str](), threading.Event()

    def ready(link: str) -> None:
        links.append(link)
        up.set()

    def serve() -> None:
        run(site.app, site.session, port=0, limit=1000, stop=end.is_set, ready=ready, log=site.lines.append)

    thread = threading.Thread(target=serve)
    thread.start()
    assert up.wait(10)
    yield int(links[0].split(":")[2].partition("/")[0])
    end.set()
    thread.join(10)
    assert not thread.is_alive()


def spoken(port: int, text: str) -> bytes:
    """What comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
        wire.sendall(text.replace("PORT", str(port)).replace("\n", "\r\n").encode())
        got = b""
        while piece := wire.recv(65536):
            got += piece
        return got


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("GET / HTTP/1.1\nHost: 127.0.0.1:PORT\nHost: 127.0.0.1:PORT\n\n", 400),
        ("GET / HTTP/1.1\n\n", 400),
        ("GET / HTTP/1.0\n\n", 403),
        ("GET http://evil.example/ HTTP/1.1\nHost: 127.0.0.1:PORT\nConnection: close\n\n", 404),
        ("GET / HTTP/1.1\nHost: evil.example:PORT\nConnection: close\n\n", 403),
        ("GET / HTTP/1.1\nHost: 127.0.0.1:PORT\nConnection: close\n\n", 401),
        ("POST / HTTP/1.1\nHost: 127.0.0.1:PORT\nContent-Length: 99999\n\n", 403),
        ("nonsense\n\n", 400),
    ],
)
def test_over_the_wire(port: int, text: str, status: int) -> None:
    got = spoken(port, text)
    assert got.startswith(b"HTTP/1.1 %d " % status), got
    assert b"content-security-policy: default-src 'none'" in got
    assert b"server:" not in got


def test_a_large_body_ends_the_connection(port: int, site: Site) -> None:
    cookie = site.session.cookie(port).partition(";")[0]
    head = (f"POST /api/change HTTP/1.1\nHost: 127.0.0.1:PORT\nOrigin: http://127.0.0.1:PORT\nCookie: {cookie}\n"
            "Content-Type: application/json\n")  # fmt: skip
    assert spoken(port, head + "Content-Length: 1001\n\n").startswith(b"HTTP/1.1 413")
    assert spoken(
        port, head + "Transfer-Encoding: chunked\n\n" + "1f4\n" + "x" * 500 + "\n1f5\n" + "x" * 501
    ).startswith(b"HTTP/1.1 413")
    assert site.reached == []
    assert site.session.token not in "\n".join(site.lines)


def test_it_listens_on_loopback_alone(port: int) -> None:
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if not tables[0].exists():
        pytest.skip("needs /proc")
    rows = [row.split() for table in tables if table.exists() for row in table.read_text().splitlines()[1:]]
    at = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]
    assert at == [f"0100007F:{port:04X}"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.0.1", "evil.example"])
def test_any_other_host_is_refused(host: str) -> None:
    with pytest.raises(ConvscopeError, match=r"for this computer alone: the host must be 127\.0\.0\.1\. Got"):
        listen(host, None)


def test_a_port_that_is_taken(port: int) -> None:
    with pytest.raises(ConvscopeError, match=rf"port {port} can't be used"):
        listen("127.0.0.1", port)
    with pytest.raises(ConvscopeError, match=r"a port must be 0 to 65535\. Got 70000"):
        listen("127.0.0.1", 70000)
    with listen("127.0.0.1", None) as first, listen("127.0.0.1", None) as second:
        assert first.proto == socket.IPPROTO_TCP  # else asyncio leaves answers to wait for one another, up to 40 ms
        assert second.getsockname()[1] > first.getsockname()[1]


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    with pytest.raises(ConvscopeError, match=r'pip install "convscope\[serve\]"'):
        application([])
