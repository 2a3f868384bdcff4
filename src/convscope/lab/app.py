"""The addresses of the lab. What they answer is made elsewhere: docs/lab.md lists them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import ConvscopeError
from convscope.lab import judging, lesson_files, lessons, training, writing
from convscope.lab.following import Log
from convscope.lab.jobs import BUSY
from convscope.lab.looking import Looking
from convscope.lab.shelf import DEMO, Shelf
from convscope.report.text import json_line
from convscope.web import Refused, application, assets, identifier, read_json

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_LOOK = 0.2  # seconds between two looks at a log
_STATE = 1.0  # and at a run's state
_SIGN = 10.0  # seconds after which a silent stream says that it is still there


class Lab:
    """The lab's answers. folder: where runs lie and are put; given: the model that it opens with, None for its own;
    own_lessons: a folder with lessons beside those that come with the package. Raises ConvscopeError for a lesson that
    can't be used."""

    def __init__(self, folder: Path, given: Path | None = None, own_lessons: Path | None = None) -> None:
        self.shelf = Shelf(folder, given)
        self.looking = Looking(self.shelf)
        self.lessons = lesson_files.bundled()
        if own_lessons is not None:
            self.lessons |= lesson_files.read_folder(own_lessons)
        self.closing = False

    def open(self) -> None:
        """Begins to carry out trainings; the lab's own network is made where it is needed and isn't there."""
        import torch

        torch.set_num_threads(1)  # the cores are the children's
        if self.shelf.given is None:
            with contextlib.suppress(ConvscopeError):  # the page says that there is no network, and works
                training.demo(self.shelf)
        self.shelf.jobs.start()
        first = self.first()  # made ready now: it is the page's first question
        with contextlib.suppress(ConvscopeError):  # a model that isn't trained yet is asked for when it is
            self.shelf.classifier(first["model"])

    def close(self) -> list[Path]:
        """Ends streams and asks trainings to save and stop; the runs that were asked."""
        self.closing = True
        return self.shelf.jobs.close()

    def application(self) -> Starlette:
        """What a guard stands before."""
        from starlette.routing import Route

        def get(path: str, answer: Callable[[Request], Any]) -> Route:
            return Route(path, _asked(answer), methods=["GET"])

        def post(path: str, answer: Callable[[Request, dict[str, Any]], Any]) -> Route:
            return Route(path, _told(answer), methods=["POST"])

        look, shelf = self.looking, self.shelf
        return application(
            [
                *assets(Path(str(resources.files("convscope") / "lab" / "static"))),
                get("/api/start", lambda request: self.first()),
                get("/api/models", lambda request: shelf.models()),
                get("/api/models/{id}", lambda request: shelf.model(_id(request))),
                get("/api/models/{id}/judge", lambda request: judging.judge(shelf, _id(request))),
                post("/api/models/{id}/cell-pictures", lambda request, body: judging.cell_pictures(
                    shelf, _id(request), body.get("label"), body.get("said"))),
                post("/api/network", lambda request, body: writing.network(body)),
                post("/api/augmented", lambda request, body: writing.augmented(
                    body, shelf.dataset(body.get("data")))),
                post("/api/train", lambda request, body: shelf.model(training.train(shelf, body))),
                post("/api/runs/{id}/pause", lambda request, body: self._job(_id(request), shelf.jobs.pause)),
                post("/api/runs/{id}/continue", lambda request, body: self._job(_id(request), shelf.jobs.go_on)),
                post("/api/runs/{id}/end", lambda request, body: self._job(_id(request), shelf.jobs.end)),
                Route("/api/runs/{id}/events", self._events, methods=["GET"]),
                Route("/api/pictures", self._picture, methods=["POST"]),
                get("/api/test/{data}", self._test),
                post("/api/look", lambda request, body: look.look(body)),
                post("/api/cell", lambda request, body: look.cell(body)),
                post("/api/attribution", lambda request, body: look.attribution(body)),
                post("/api/kernels", lambda request, body: look.kernels(body)),
                get("/api/lessons/{id}", lambda request: self._lesson(_id(request)).to_json()),
                post("/api/lessons/{id}/check", self._check),
            ]
        )  # fmt: skip

    # ---- answers -----------------------------------------------------------------------------------------------------

    def first(self) -> dict[str, Any]:
        """What the page is told when it opens: what there is."""
        given = self.shelf.given
        own = next((id for id, path in self.shelf.paths().items() if given is not None and path == given), DEMO)
        return {
            "version": metadata.version("convscope"),
            "kinds": writing.kinds(), "zoo": writing.zoo_networks(), "data": self.shelf.data(),
            "model": own, "models": self.shelf.models(),
            "lessons": [{"id": lesson.id, "title": lesson.title} for lesson in self.lessons.values()],
        }  # fmt: skip

    def _job(self, id: str, ask: Callable[[Path], None]) -> dict[str, Any]:
        path = self.shelf.path(id)
        if path.is_file():
            raise ConvscopeError(f"{path.name} is a model file: there is no training to go on with.")
        ask(path)
        return self.shelf.model(id)

    def _test(self, request: Request) -> dict[str, Any]:
        from convscope.lab import pictures

        first, count = (_number(request, name, usual) for name, usual in (("from", 0), ("count", 40)))
        test = self.shelf.dataset(request.path_params["data"], request.query_params.get("of")).test
        rows = range(min(first, len(test)), min(first + min(count, 200), len(test)))
        return {
            "count": len(test),
            "pictures": [{"index": int(test.ids[row]), "label": int(test.labels[row]),
                          "picture": pictures.stored(test.images[row])} for row in rows],
        }  # fmt: skip

    def _lesson(self, id: str) -> lessons.Lesson:
        if id not in self.lessons:
            raise Refused(404, f"there is no lesson {id}. These exist: {', '.join(self.lessons)}.")
        return self.lessons[id]

    def _check(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        lesson = self._lesson(_id(request))
        text, input, classes = writing.asked(body)
        model = body.get("model")
        run = None if model in (None, DEMO) else self.shelf.run(model)  # the reader's own is asked for, not the lab's
        return lessons.check(lesson, identifier(body.get("task")), text, input, classes, run)

    async def _picture(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        name, picture = await run_in_threadpool(self.looking.brought.put, await request.body())
        return _json({"id": name, "picture": picture})

    # ---- a run as it goes on -----------------------------------------------------------------------------------------

    async def _events(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import StreamingResponse

        id = _id(request)
        path = await run_in_threadpool(self.shelf.path, id)
        if path.is_file():
            raise Refused(404, f"{path.name} is a model file: there is no training to follow.")
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdigit() and len(last) < 12 else 0
        return StreamingResponse(self._stream(id, path, after), media_type="text/event-stream")

    async def _stream(self, id: str, path: Path, after: int) -> AsyncIterator[str]:
        """The lines of a run's log after line `after`, its state at the start and whenever it changes, and an end where
        nothing is to come."""
        from starlette.concurrency import run_in_threadpool

        log, state, quiet = Log(path / "log.jsonl", after), "", 0
        loop = asyncio.get_running_loop()
        asked = said = -_SIGN
        while not self.closing:
            for number, line in await run_in_threadpool(log.news):
                yield f"id: {number}\nevent: record\ndata: {line}\n\n"
                said, quiet = loop.time(), 0
            if loop.time() - asked >= _STATE:
                asked = loop.time()
                model = await run_in_threadpool(self.shelf.model, id)
                now = json_line(model)
                if now != state:
                    state, said = now, loop.time()
                    yield f"event: state\ndata: {now}\n\n"
                quiet = 0 if model["state"] in BUSY else quiet + 1
                if quiet > 1:  # the last lines have had their time
                    yield "event: end\ndata:\n\n"
                    return
            if loop.time() - said >= _SIGN:
                said = loop.time()
                yield ": still here\n\n"
            await asyncio.sleep(_LOOK)


# ---- requests and answers --------------------------------------------------------------------------------------------


def _asked(answer: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        return _json(await run_in_threadpool(answer, request))

    return endpoint


def _told(answer: Callable[[Request, dict[str, Any]], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        body = await read_json(request) if await request.body() else {}
        return _json(await run_in_threadpool(answer, request, body))

    return endpoint


def _json(value: object) -> Response:
    from starlette.responses import Response

    return Response(json_line(value), media_type="application/json")


def _id(request: Request) -> str:
    return identifier(request.path_params["id"])


def _number(request: Request, name: str, usual: int) -> int:
    word = request.query_params.get(name, str(usual))
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise ConvscopeError(f"{name} must be a whole number from 0. Got {word!r:.40}.")
    return int(word)
