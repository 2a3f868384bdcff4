"""What every answer carries, and how an error is said: JSON for a script, a plain page for a person."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from convscope.errors import ConvscopeError
from convscope.report.markup import Markup, tag

FAULT = "this is a fault of convscope's own; the terminal says more. Please report it."

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: On each answer, errors too. The page loads from its own address alone: nothing inline, nothing evaluated, no frame.
HEADERS = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"x-frame-options": b"DENY",
}
DOORSTEP = "/-/doorstep.js"

#: A link on another site brings no cookie along (SameSite=Strict). The page goes on from here, as its own visitor; what
#: stands after `#` never reaches the server, so only a script can keep it.
DOORSTEP_SCRIPT = b"""const here = new URL(location.href);
if (!here.searchParams.has("again")) {
  here.searchParams.set("again", "1");
  location.replace(here);
}
"""


class Refused(ConvscopeError):
    """A request that is not carried out: the status that says so, and a sentence for who asked."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def values(scope: Scope, name: bytes) -> list[bytes]:
    """Every value of a header, as it came over the wire."""
    return [value for key, value in scope["headers"] if key.lower() == name]


def wants_page(scope: Scope) -> bool:
    """Whether a person looks at the answer: the browser goes to an address, rather than a script fetching it."""
    mode = values(scope, b"sec-fetch-mode")
    return mode == [b"navigate"] if mode else any(b"text/html" in value for value in values(scope, b"accept"))


def page(title: str, *body: object) -> bytes:
    """A plain page, in the browser's own dark or light colours."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
    )
    return ("<!doctype html>" + tag("html", head, tag("body", tag("h1", title), *body), lang="en")).encode()


def error(scope: Scope, status: int, sentence: str) -> tuple[bytes, bytes]:
    """Content type and body of an error."""
    if wants_page(scope):
        return b"text/html; charset=utf-8", page(f"convscope: {status}", tag("p", sentence))
    return b"application/json", json.dumps({"error": sentence}).encode()


def doorstep(path: str) -> bytes:
    """What a visitor sees who followed a link from elsewhere: nothing of the page, and a way on."""
    on: Markup = tag("a", "Go on to the page", href=f"{path}?again=1")
    return page("convscope", tag("p", "A link from another page led here. ", on), tag("script", src=DOORSTEP))


async def answer(
    send: Send, scope: Scope, status: int, kind: bytes, body: bytes, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send a whole answer; HEAD is told the length and sent no body."""
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
