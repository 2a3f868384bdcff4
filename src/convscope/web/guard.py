"""The gate before the application: every request passes it, whatever its route and method, before anything is routed.

It reads the raw headers alone. What a framework makes of them (an address put together, a forwarded host) can be shaped
by who asks.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from convscope.web.answers import (
    DOORSTEP,
    DOORSTEP_SCRIPT,
    FAULT,
    HEADERS,
    Application,
    Message,
    Receive,
    Refused,
    Scope,
    Send,
    answer,
    doorstep,
    error,
    values,
)
from convscope.web.session import OPEN, Session

LIMIT = 10 * 2**20  # bytes of a body
RECEIPT = 10.0  # seconds in which a body must have come
TYPES = frozenset({"application/json", "application/octet-stream"})  # a form of another site can send neither
FORWARDED = (b"forwarded", b"x-forwarded-", b"x-original-", b"x-rewrite-", b"x-host", b"x-http-host-override")
_PATH = re.compile(rb"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*)?")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LOG = logging.getLogger("convscope.web")


def host(scope: Scope, port: int) -> None:
    """One Host, and it is this computer's own name with our port: a name that was bent to this address is refused."""
    names = ["localhost", "127.0.0.1", "[::1]"]
    allowed = {f"{name}:{port}".encode() for name in names} | {name.encode() for name in names if port == 80}
    given = values(scope, b"host")
    if len(given) != 1 or given[0] not in allowed:
        raise Refused(403, f"this page answers as 127.0.0.1:{port} and as localhost:{port} alone. Use that address.")


def forwarded(scope: Scope, port: int) -> None:
    """Nothing came through a proxy: it would speak for somebody who isn't at this computer."""
    if any(key.lower().startswith(FORWARDED) for key, _ in scope["headers"]):
        raise Refused(403, "this page isn't meant to stand behind a proxy. Forward the port itself, as ssh -L does.")


def path(scope: Scope, port: int) -> None:
    """A plain path: no percent signs, dots in front, backslashes, empty parts, and no other server's address."""
    raw = scope.get("raw_path") or scope["path"].encode()
    if len(raw) > 1000 or not _PATH.fullmatch(raw) or scope["path"].encode() != raw:
        raise Refused(404, "there is no such address here.")


def origin(scope: Scope, port: int) -> None:
    """Only this page itself asks, as far as the browser says who does; what may change something must say so."""
    origins, sites = values(scope, b"origin"), values(scope, b"sec-fetch-site")
    ours = origins == [b"http://" + values(scope, b"host")[0]]
    reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
    allowed = [[], [b"same-origin"], [b"none"]] if reads else [[], [b"same-origin"]]
    said = ours or (not origins and (reads or (sites == [b"same-origin"] and scope["type"] == "http")))
    if not said or sites not in allowed:
        raise Refused(403, "the request didn't come from this page itself. Other sites and programs can't ask here.")


CHECKS: tuple[Callable[[Scope, int], None], ...] = (host, forwarded, path, origin)


def from_a_link(scope: Scope) -> bool:
    """Whether a browser follows a link on another site, in a tab of its own: it is shown the doorstep, no more."""
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and not values(scope, b"origin")
        and values(scope, b"sec-fetch-site") in ([b"cross-site"], [b"same-site"])
        and values(scope, b"sec-fetch-mode") == [b"navigate"]
        and values(scope, b"sec-fetch-dest") == [b"document"]
    )


class Guard:
    """An ASGI application around another: nothing reaches `app` that isn't from the page itself, with its cookie.

    port: the one that the server listens on.
    limit: bytes of a body. types: its content types. seconds: how long it may take to come.
    log: is told one line a request: method, path, status, milliseconds. Neither query nor headers, ever.
    """

    def __init__(
        self,
        app: Application,
        session: Session,
        port: int,
        *,
        limit: int = LIMIT,
        types: frozenset[str] = TYPES,
        seconds: float = RECEIPT,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self.app, self.session, self.port = app, session, port
        self.limit, self.types, self.seconds, self.log = limit, types, seconds, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:  # the server itself: start and end
            await self.app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            for check in CHECKS:
                check(scope, self.port)
            self._cookie(scope)
        except Refused:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the server answers 403
            return
        await self.app(scope, receive, _sealed(send))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, statuses = time.perf_counter(), list[int]()
        shown = scope["path"]

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        sealed = _sealed(noted)
        try:
            try:
                await self._pass(scope, receive, sealed)
            except Refused as refused:
                if not _PATH.fullmatch(shown.encode()):
                    shown = "(no plain path)"  # whatever it held, the log doesn't
                # the rest of a body that nobody reads would be taken for the next request
                close = [(b"connection", b"close")] if _has_body(scope) else []
                kind, body = error(scope, refused.status, str(refused))
                await answer(sealed, scope, refused.status, kind, body, close)
        except Exception as fault:
            _LOG.error("%s %s failed", scope["method"], shown, exc_info=fault)
            if not statuses:
                await answer(sealed, scope, 500, *error(scope, 500, FAULT))
        finally:
            if self.log:
                method = scope["method"] if scope["method"] in _METHODS else "(other)"
                status = statuses[0] if statuses else "gone"
                self.log(f"{method} {shown} {status} {1000 * (time.perf_counter() - began):.0f} ms")

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        for check in CHECKS:
            if check is origin and from_a_link(scope):
                await answer(send, scope, 200, b"text/html; charset=utf-8", doorstep(scope["path"]))
                return
            check(scope, self.port)
        if scope["path"] == DOORSTEP and scope["method"] in ("GET", "HEAD"):
            await answer(send, scope, 200, b"text/javascript", DOORSTEP_SCRIPT)
            return
        if scope["path"] == OPEN and scope["method"] == "GET":
            await self._open(scope, send)
            return
        self._cookie(scope)
        await self.app(scope, await self._body(scope, receive), send)

    async def _open(self, scope: Scope, send: Send) -> None:
        codes = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=8).get("code", [])
        if len(codes) == 1 and self.session.spend(codes[0]):
            more = [(b"location", b"/"), (b"set-cookie", self.session.cookie(self.port).encode())]
            await answer(send, scope, 303, b"text/plain", b"", more)
        elif self.session.knows(values(scope, b"cookie"), self.port):  # a link that was opened twice does no harm
            await answer(send, scope, 303, b"text/plain", b"", [(b"location", b"/")])
        else:
            raise Refused(401, f"this link was used already, or is from an earlier start. {self._advice()}")

    def _cookie(self, scope: Scope) -> None:
        if not self.session.knows(values(scope, b"cookie"), self.port):
            raise Refused(401, f"this browser hasn't been let in yet. {self._advice()}")

    def _advice(self) -> str:
        return f"Run `{self.session.command}` in a terminal; it prints the link that opens this page."

    async def _body(self, scope: Scope, receive: Receive) -> Receive:
        """The body, read to its end or refused; what the application then receives."""
        if scope["method"] in ("GET", "HEAD"):
            if _has_body(scope):
                raise Refused(400, f"a {scope['method']} request has no body.")
            return receive
        lengths = values(scope, b"content-length")
        if any(not value.isdigit() or len(value) > 18 or int(value) > self.limit for value in lengths):
            raise self._too_much()
        if _has_body(scope):
            self._typed(scope)
        pieces, size, more = list[bytes](), 0, True
        try:
            async with asyncio.timeout(self.seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return _once(message, receive)
                    pieces.append(message.get("body", b""))
                    size, more = size + len(pieces[-1]), message.get("more_body", False)
                    if size > self.limit:
                        raise self._too_much()
        except TimeoutError:
            raise Refused(408, f"a body must come within {self.seconds:g} seconds. It didn't; send it again.") from None
        if size:
            self._typed(scope)
        return _once({"type": "http.request", "body": b"".join(pieces), "more_body": False}, receive)

    def _too_much(self) -> Refused:
        return Refused(
            413, f"a body must be at most {self.limit / 2**20:g} MiB. This one is larger; send a smaller one."
        )

    def _typed(self, scope: Scope) -> None:
        kinds = [value.partition(b";")[0].strip().lower().decode("latin-1") for value in values(scope, b"content-type")]
        if len(kinds) != 1 or kinds[0] not in self.types or values(scope, b"content-encoding"):
            raise Refused(415, f"a body must be one of {', '.join(sorted(self.types))}, and not compressed.")


def _has_body(scope: Scope) -> bool:
    return bool(values(scope, b"transfer-encoding")) or any(v.strip() != b"0" for v in values(scope, b"content-length"))


def _once(first: Message, rest: Receive) -> Receive:
    waiting = [first]

    async def receive() -> Message:
        return waiting.pop() if waiting else await rest()

    return receive


def _sealed(send: Send) -> Send:
    """Every answer's headers: ours in place of any of the same name, and none that lets another site read."""

    async def sealed(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            given = [(key.lower(), value) for key, value in message.get("headers", ())]
            kept = [(k, v) for k, v in given if k not in HEADERS and not k.startswith(b"access-control-")]
            if not any(key == b"cache-control" for key, _ in kept):
                kept.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*kept, *HEADERS.items()]}
        await send(message)

    return sealed
