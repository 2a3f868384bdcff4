"""How connections are spoken to: uvicorn's HTTP/1.1, with an end to what comes slowly and our headers on its errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from convscope.web.answers import HEADERS

CONNECTIONS = 256
RECEIPT = 10.0  # seconds in which the head of a request must have come; a body's are the guard's


class Protocol(H11Protocol):
    """One connection."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        self._late = self.loop.call_later(RECEIPT, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # uvicorn's own timer begins anew with each byte: who sends one now and then would stay for ever
        if self.conn.their_state is not h11.IDLE:
            self._in_time()
        elif self._late is None:
            self._late = self.loop.call_later(RECEIPT, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP never reaches the guard. Its answer carries the same headers."""
        body = json.dumps({"error": "this is no valid HTTP request."}).encode()
        head = b"".join(b"%b: %b\r\n" % pair for pair in HEADERS.items())
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"cache-control: no-store\r\nconnection: close\r\n%b\r\n%b" % (len(body), head, body)
        )
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server, without its signal handlers: signals belong to the command line."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
