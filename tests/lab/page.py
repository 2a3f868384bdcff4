"""The lab's page in a real Chromium: `convscope lab` as a child over a trained model, and a page that notes what it
says on its console and what it asks of others. For tests of the page: `from lab.page import needed`."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import browser

try:
    from playwright.sync_api import Browser, Page, sync_playwright
except ImportError:  # without it, the tests of the page are skipped
    sync_playwright = None  # type: ignore[assignment]

needed = [
    browser.needed,
    pytest.mark.slow,
    pytest.mark.skipif(sync_playwright is None, reason="needs Playwright: pip install playwright"),
]
"""Marks of every test of the page: `pytestmark = needed`."""


@dataclass
class Child:
    """A running lab. link: opens it in one browser, once; origin: its address; cookies: what it left there."""

    process: subprocess.Popen[str]
    link: str
    cookies: dict[str, Any] | None = None

    @property
    def origin(self) -> str:
        return self.link.partition("/-/")[0]


@contextlib.contextmanager
def running(folder: Path, *words: str) -> Iterator[Child]:
    """`convscope lab WORDS` over folder/runs, with a cache of its own, until the end of the with."""
    environment = {**os.environ, "CONVSCOPE_CACHE": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
    environment.pop("CONVSCOPE_DATA", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "convscope", "lab", *words, "--no-browser"], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://\S+/-/open\?code=\S+", line):
                break
        else:
            raise AssertionError("the lab didn't start: " + "".join(said))
        threading.Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop it
        yield Child(process, found.group())
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass
class Shown:
    """A page of the lab. errors: of its console and its scripts; outside: what it asked of any other address."""

    page: Page
    origin: str
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, state: str = "") -> Page:
        """The page with a state after #, once its first answer is there."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.origin}/#{state}")
        self.page.wait_for_selector("main > *")
        return self.page

    @property
    def address(self) -> str:
        """Where it is now. Playwright's own `page.url` stands still while nothing is asked of the page."""
        return str(self.page.evaluate("location.href"))

    def api(self, path: str, body: object = None) -> Any:
        """What the server answers the page itself: GET, or POST where there is a body."""
        return self.page.evaluate(
            """async ([path, body]) => (await fetch(path, body === null ? {} : {
                method: "POST", body: JSON.stringify(body), headers: {"Content-Type": "application/json"}})).json()""",
            [path, body],
        )


@contextlib.contextmanager
def shown(chromium: Browser, child: Child, state: dict[str, Any] | None = None, **settings: Any) -> Iterator[Shown]:
    """A window of its own. state: cookies as another window has them; settings: Playwright's, such as viewport."""
    context = chromium.new_context(storage_state=state, **settings)  # type: ignore[arg-type]
    page = context.new_page()
    found = Shown(page, child.origin)

    def asked(request: Any) -> None:
        if not request.url.startswith((f"{child.origin}/", "about:")):
            found.outside.append(request.url)

    page.on("request", asked)
    page.on("console", lambda said: found.errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    try:
        if state is None:
            page.goto(child.link)
        yield found
    finally:
        context.close()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=browser.FOUND, args=["--no-sandbox"])
        yield found
        found.close()


def until(what: Any, seconds: float = 10) -> Any:
    """The first answer that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := what():
            return answer
        time.sleep(0.03)
    raise AssertionError("it didn't come about in time")
