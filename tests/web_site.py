"""A small application behind the guard, asked over ASGI without a socket: raw headers, exactly as given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from convscope.errors import ConvscopeError
from convscope.web import Guard, Session, application, assets, identifier, read_json

PORT = 8765
HOST = [(b"host", b"127.0.0.1:8765")]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass
class Answer:
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def __getitem__(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


class Site:
    """The application, what reached it, and how it is asked."""

    def __init__(self, folder: Path) -> None:
        (folder / "app.js").write_text("export {};", encoding="utf-8")
        (folder / "index.html").write_text("<!doctype html>", encoding="utf-8")
        self.reached: list[str] = []
        self.lines: list[str] = []
        self.session = Session()
        every = METHODS
        self.app = application(
            [
                *assets(folder),
                Route("/api/change", self.change, methods=every),
                Route("/api/runs/{run}", self.change, methods=every),
                Route("/api/json", self.json, methods=["POST"]),
                Route("/api/wrong", self.wrong, methods=every),
                Route("/api/broken", self.broken, methods=every),
                WebSocketRoute("/api/socket", self.socket),
            ]
        )
        self.guard = Guard(self.app, self.session, PORT, limit=1000, seconds=0.2, log=self.lines.append)
        self.cookie = [(b"cookie", self.session.cookie(PORT).partition(";")[0].encode())]

    async def change(self, request: Request) -> Response:
        identifier(request.path_params.get("run", "none"))
        self.reached.append(request.method)
        size = len(await request.body())
        return JSONResponse({"bytes": size}, headers={"access-control-allow-origin": "*", "x-frame-options": "ALLOW"})

    async def json(self, request: Request) -> Response:
        read = await read_json(request)
        return JSONResponse({"id": identifier(read.get("id"))})

    async def wrong(self, request: Request) -> Response:
        raise ConvscopeError("a network must have a layer. Got <img src=x onerror=alert(1)>.")

    async def broken(self, request: Request) -> Response:
        raise RuntimeError("secret details")

    async def socket(self, websocket: WebSocket) -> None:
        self.reached.append("socket")
        await websocket.accept()
        await websocket.close()

    def paths(self) -> list[str]:
        """An address for every route that the application has; a new route is among them by itself."""
        return sorted({str(getattr(route, "path", "")).replace("{run}", "digits-1") for route in self.app.routes})

    def ask(
        self,
        path: str = "/api/change",
        headers: Sequence[tuple[bytes, bytes]] = (),
        *,
        method: str = "GET",
        query: bytes = b"",
        raw: bytes | None = None,
        bodies: Sequence[bytes] = (b"",),
        slow: float = 0.0,
    ) -> Answer:
        """One request with exactly these headers. For method "SOCKET" the status is 101 or 403."""
        answer, waiting = Answer(), list(bodies)
        kind = "websocket" if method == "SOCKET" else "http"
        scope: dict[str, Any] = {"type": kind, "asgi": {"version": "3.0"}, "method": method, "path": path,
                 "raw_path": path.encode() if raw is None else raw, "query_string": query, "headers": list(headers),
                 "scheme": "http", "root_path": "",
                 "server": ("127.0.0.1", PORT), "client": ("127.0.0.1", 5)}  # fmt: skip

        async def receive() -> dict[str, Any]:
            if kind == "websocket":
                return {"type": "websocket.connect"}
            if not waiting:
                return {"type": "http.disconnect"}
            await asyncio.sleep(slow)
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message["headers"])
            elif message["type"] == "websocket.accept":
                answer.status, answer.headers = 101, list(message["headers"])
            elif message["type"] == "websocket.close":
                answer.status = answer.status or 403
            answer.body += message.get("body", b"")

        asyncio.run(self.guard(scope, receive, send))
        return answer


@pytest.fixture
def site(tmp_path: Path) -> Site:
    logging.getLogger("convscope.web").setLevel(logging.ERROR)
    return Site(tmp_path)
