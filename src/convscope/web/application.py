"""The application behind the gate: routes, errors as sentences, the page's own files, names that a client may send."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import ConvscopeError, RunFailed
from convscope.web.answers import FAULT, Refused, error

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute, Route

NEEDED = 'the local page needs an extra: pip install "convscope[serve]".'
ID = "[a-z0-9][a-z0-9_-]{0,63}"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_SENTENCES = {404: "there is no such address here.", 405: "this address doesn't take such a request."}


def identifier(text: object) -> str:
    """What a client may call a thing by: a short name that can't be a path or an address. Refused otherwise."""
    if not isinstance(text, str) or not re.fullmatch(ID, text):
        raise Refused(400, "an id must be 1 to 64 of a-z, 0-9, - and _, and begin with a letter or digit.")
    return text


def application(routes: Sequence[BaseRoute]) -> Starlette:
    """A Starlette application whose errors are sentences. It stands behind a `Guard`, which `run` puts before it.

    A route takes what it speaks of by id, `identifier(request.path_params["run"])`, never by path.
    `ConvscopeError`s are 400, `RunFailed` 500, `Refused` what it says.
    """
    try:
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
    except ImportError:
        raise ConvscopeError(NEEDED) from None

    handlers: dict[Any, Any] = {HTTPException: _http, ConvscopeError: _said, Exception: _fault}
    app = Starlette(routes=list(routes), exception_handlers=handlers)
    app.router.redirect_slashes = False  # it would put an address together from the Host
    return app


def assets(folder: Path, prefix: str = "") -> list[Route]:
    """A route for each file of the page's own folder, which is read now and never again.

    So a request opens no file, and what isn't in the folder at the start has no address. `index.html` is also `/`.
    """
    try:
        from starlette.routing import Route
    except ImportError:
        raise ConvscopeError(NEEDED) from None
    routes = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.suffix not in KINDS:
            continue
        name = path.relative_to(folder).as_posix()
        endpoint = _file(path.read_bytes(), KINDS[path.suffix])
        routes += [Route(f"{prefix}/{where}", endpoint) for where in ([name, ""] if name == "index.html" else [name])]
    return routes


def _file(content: bytes, kind: str) -> Any:
    from starlette.responses import Response

    async def file(request: Request) -> Response:
        return Response(content, media_type=kind)

    return file


async def read_json(request: Request) -> dict[str, Any]:
    """The JSON object of a request's body. NaN and what is nested without end are refused, like all that is no JSON."""

    def no_number(word: str) -> float:
        raise ValueError(word)

    try:
        read = json.loads(await request.body(), parse_constant=no_number)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise Refused(400, "the body must be a JSON object.")
    return read


def _answer(request: Request, status: int, sentence: str, headers: Any = None) -> Response:
    from starlette.responses import Response

    kind, body = error(request.scope, status, sentence)
    return Response(body, status, headers, kind.decode())


async def _http(request: Request, fault: Any) -> Response:
    sentence = _SENTENCES.get(fault.status_code, str(fault.detail))
    return _answer(request, fault.status_code, sentence, fault.headers)


async def _said(request: Request, fault: ConvscopeError) -> Response:
    status = fault.status if isinstance(fault, Refused) else 500 if isinstance(fault, RunFailed) else 400
    return _answer(request, status, str(fault))


async def _fault(request: Request, fault: Exception) -> Response:
    return _answer(request, 500, FAULT)
