"""Chromium for the tests: opens a page of ours, and tells every request, every word of its console, and how wide it is.

It is spoken to over two pipes in the browser's own protocol, so no further package is needed. Debian calls it
`chromium`; where none is, the tests that want it are skipped.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needed = pytest.mark.skipif(FOUND is None or os.name == "nt", reason="needs Chromium: apt-get install chromium")

_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-extensions", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip


@dataclass
class Opened:
    """What a page did while it was opened. wide: of its content, in CSS pixels; images: (drawn, all)."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    wide: int = 0
    high: int = 0
    images: tuple[int, int] = (0, 0)

    @property
    def outside(self) -> list[str]:
        """What it asked for beside itself and what stands in it."""
        return [url for url in self.requests[1:] if not url.startswith("data:")]


class Browser:
    """One browser with one tab."""

    def __init__(self, program: str, home: Path) -> None:
        there, self._in = os.pipe()
        self._out, back = os.pipe()
        words = " ".join(f"'{word}'" for word in (program, *_QUIET, f"--user-data-dir={home}"))
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", f"exec {words} 3<&{there} 4>&{back}"], pass_fds=(there, back),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(there)
        os.close(back)
        self._rest, self._count, self._events = b"", 0, list[dict[str, Any]]()
        self._session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for room in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{room}.enable")

    def close(self) -> None:
        """End the browser and all its children."""
        for pipe in (self._in, self._out):
            os.close(pipe)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer; events that come in between are kept."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": values}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._count:
                assert "error" not in said, f"{method}: {said['error']}"
                result: dict[str, Any] = said["result"]
                return result
            self._events.append(said)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._out, 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        said, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(said)
        return message

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def open(self, page: Path, width: int = 1000, dark: bool = False) -> Opened:
        """Open a file in a window of so many CSS pixels, and wait until it is whole."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self._events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._events.append(self._next())
        done = Opened()
        done.wide, done.high = self.evaluate("[document.documentElement.scrollWidth, document.body.scrollHeight]")
        drawn, every = self.evaluate(
            "(all => [all.filter(i => i.complete && i.naturalWidth).length, all.length])"
            "([...document.images].filter(i => i.loading != 'lazy'))"
        )
        done.images = (drawn, every)
        for event in self._events:
            values = event.get("params", {})
            if event.get("method") == "Network.requestWillBeSent":
                done.requests.append(values["request"]["url"])
            elif event.get("method") in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                done.console.append(json.dumps(values))
        return done

    def picture(self, top: int = 0, high: int = 0) -> bytes:
        """The page as PNG: all of it, or `high` pixels from `top` on."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": top, "width": size["width"], "height": high or size["height"], "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"])


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a home of its own, which is gone afterwards."""
    assert FOUND is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        opened = Browser(FOUND, Path(home))
        try:
            yield opened
        finally:
            opened.close()
