"""The server: on 127.0.0.1 and nowhere else, from its first line to a calm end."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from convscope.errors import ConvscopeError
from convscope.web.answers import Application
from convscope.web.application import NEEDED
from convscope.web.guard import LIMIT, Guard
from convscope.web.session import Session

if TYPE_CHECKING:
    from uvicorn import Server

PORT = 8765
TRIED = 20  # ports after the usual one
PATIENCE = 3  # seconds that answers under way are given at the end


def run(
    app: Application,
    session: Session,
    *,
    port: int | None = None,
    host: str = "127.0.0.1",
    limit: int = LIMIT,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = print,
    ready: Callable[[str], None] = lambda link: None,
    log: Callable[[str], None] | None = None,
) -> None:
    """Serve `app` behind a guard until `stop()`, which is asked ten times a second; answers under way are finished.

    port: None is 8765, or the next that is free; a number is that one or an error; 0 any that is free.
    ready: is told the link that opens the page, once the server answers. say: what a person should know.
    log: one line a request, without queries (see `Guard`).
    """
    listening = listen(host, port)
    try:
        try:
            import uvicorn

            from convscope.web import protocol
        except ImportError:
            raise ConvscopeError(NEEDED) from None
        got = listening.getsockname()[1]
        if port is None and got != PORT:
            say(f"port {PORT} is taken; this page has {got}")
        config = uvicorn.Config(
            Guard(app, session, got, limit=limit, log=log),
            http=protocol.Protocol,
            ws="none",  # nothing here speaks it; the guard holds it shut all the same
            loop="asyncio",
            log_config=None,
            log_level="critical",  # the guard says what failed; uvicorn's lines would hold queries
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=PATIENCE,
        )
        asyncio.run(_serve(protocol.Server(config), listening, stop, lambda: ready(session.link(got))))
    finally:
        listening.close()


async def _serve(
    server: Server,
    listening: socket.socket,
    stop: Callable[[], bool],
    ready: Callable[[], None],
) -> None:
    serving, told = asyncio.create_task(server.serve(sockets=[listening])), False
    while not serving.done():
        if server.started and not told:
            told = True
            gc.freeze()  # what is loaded stays: going through torch's objects would stop an answer for 80 ms
            ready()
        if stop():
            server.should_exit = True
        await asyncio.wait([serving], timeout=0.1)
    await serving


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens on 127.0.0.1. Any other address is refused."""
    if host not in ("127.0.0.1", "localhost"):
        raise ConvscopeError(
            f"the page is for this computer alone: the host must be 127.0.0.1. Got {host!r}. From another computer, "
            f"forward the port: ssh -L {port or PORT}:127.0.0.1:{port or PORT} THIS_COMPUTER."
        )
    if port is not None and not 0 <= port <= 65535:
        raise ConvscopeError(f"a port must be 0 to 65535. Got {port}. Leave it out, and a free one is found.")
    for number in range(PORT, PORT + TRIED + 1) if port is None else [port]:
        # the protocol by name: by it asyncio knows to send small pieces at once, rather than up to 40 ms later
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if os.name == "nt":  # there, reuse would mean that two programs share a port
            found.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009
        else:  # a server that was stopped a moment ago can start again
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", number))
            found.listen(128)
            return found
        except OSError as error:
            found.close()
            if port is None and error.errno in (errno.EADDRINUSE, errno.EACCES):
                continue
            raise ConvscopeError(f"port {number} can't be used: {error.strerror}. Name another, or none.") from None
    raise ConvscopeError(f"ports {PORT} to {PORT + TRIED} are all taken. Name a free one with --port.")
