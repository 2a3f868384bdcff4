"""A lab over a folder with one small trained run, asked over ASGI behind its guard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")

from convscope import api
from convscope.lab.app import Lab
from convscope.web import Guard, Session
from lab import page
from web_site import HOST, PORT, Answer, Site

NET = "conv 3x3 8, relu, maxpool 2, conv 3x3 8, relu, gap, dense"
SAME = [(b"origin", b"http://127.0.0.1:8765"), (b"sec-fetch-site", b"same-origin")]


class LabSite(Site):
    """A lab in place of the small application; `reached` is what passed the guard."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.session = lab, Session()
        self.reached: list[str] = []
        self.lines: list[str] = []
        self.app = lab.application()

        async def noted(scope: Any, receive: Any, send: Any) -> None:
            self.reached.append(scope["path"])
            await self.app(scope, receive, send)

        self.guard = Guard(noted, self.session, PORT, log=self.lines.append)
        self.cookie = [(b"cookie", self.session.cookie(PORT).partition(";")[0].encode())]

    def paths(self) -> list[str]:
        """An address for every route; a new route is among them by itself."""
        found = {str(getattr(route, "path", "")) for route in self.app.routes}
        return sorted(path.replace("{id}", "small").replace("{data}", "digits") for path in found)

    def get(self, path: str, query: str = "") -> Any:
        """What a GET from the page is answered."""
        return self.told(self.ask(path, [*HOST, *SAME, *self.cookie], query=query.encode()))

    def post(self, path: str, body: object = None, raw: bytes = b"") -> Any:
        """What a POST from the page is answered."""
        kind = b"application/octet-stream" if raw else b"application/json"
        data = raw or (b"" if body is None else json.dumps(body).encode())
        headers = [*HOST, *SAME, *self.cookie, (b"content-type", kind)]
        return self.told(self.ask(path, headers, method="POST", bodies=[data]))

    def told(self, answer: Answer) -> Any:
        """The JSON of an answer; what isn't 200 is (status, sentence)."""
        value = json.loads(answer.body)
        return value if answer.status == 200 else (answer.status, value["error"])


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with one of them, `small`: two epochs on the digits, with snapshots."""
    folder = tmp_path_factory.mktemp("lab") / "runs"
    settings = {"train.epochs": 2, "train.snapshots": True}
    api.train("digits", network=NET, settings=settings, out=folder / "small", quiet=True, plain=True)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the user's cache or data."""
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CONVSCOPE_DATA", raising=False)


@pytest.fixture
def site(trained: Path) -> LabSite:
    """A lab that trains nothing by itself: its thread isn't started."""
    return LabSite(Lab(trained))


@pytest.fixture(scope="session")
def lab_child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[page.Child]:
    """`convscope lab` as a child, with its own network, trained on the digits by itself: a few seconds."""
    folder = tmp_path_factory.mktemp("page")
    with page.running(folder) as child:
        yield child


@pytest.fixture(scope="module")
def lab_browser() -> Iterator[Any]:
    """Chromium, one for the tests of a file: while Playwright is open, nothing else may run an event loop here."""
    with page.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def lab_cookie(lab_browser: Any, lab_child: page.Child) -> dict[str, Any]:
    """What lets a window in; the lab's own network is trained by then. Its link opens one browser, once: what it left
    there is kept for the next file's."""
    if lab_child.cookies is not None:
        return lab_child.cookies
    context = lab_browser.new_context()
    tab = context.new_page()
    tab.goto(lab_child.link)

    def trained() -> bool:
        models = tab.evaluate("async () => (await fetch('/api/models')).json()")
        return bool(models) and models[0]["state"] == "done"

    page.until(trained, 60)
    state: dict[str, Any] = context.storage_state()
    lab_child.cookies = state
    context.close()
    return state


@pytest.fixture
def lab_page(lab_browser: Any, lab_child: page.Child, lab_cookie: dict[str, Any]) -> Iterator[page.Shown]:
    """A window of the lab, 1280 x 900, English; without a word of complaint and a request elsewhere at the end."""
    with page.shown(lab_browser, lab_child, lab_cookie, viewport={"width": 1280, "height": 900}, locale="en") as found:
        yield found
        assert (found.errors, found.outside) == ([], [])
