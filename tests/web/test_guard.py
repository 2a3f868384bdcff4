"""Who may ask: W1 to W5 over every route of an application."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable

import pytest

from convscope.errors import ConvscopeError
from convscope.web import HEADERS, Session, guard
from web_site import HOST, METHODS, Answer, Site

SAME = [(b"origin", b"http://127.0.0.1:8765"), (b"sec-fetch-site", b"same-origin")]
JSON = [(b"content-type", b"application/json")]


def sealed(answer: Answer) -> bool:
    """The headers that every answer has, once each, and none that opens it to another site."""
    opens = [key for key, _ in answer.headers if key.startswith(b"access-control-")]
    return not opens and all(answer[name] == [value] for name, value in HEADERS.items())


NAMES = [
    "evil.example",
    "evil.example:8765",
    "127.0.0.1",
    "localhost",
    "[::1]",
    "127.0.0.1:8766",
    "localhost:80",
    "127.0.0.1:08765",
    "127.0.0.1:8765.",
    "127.0.0.1.:8765",
    "localhost.:8765",
    "LOCALHOST:8765",
    "user@127.0.0.1:8765",
    "127.0.0.1:8765@evil.example",
    "http://127.0.0.1:8765",
    "//127.0.0.1:8765",
    "127.0.0.1:8765/",
    "127.0.0.1:8765?",
    "127.0.0.1:8765#x",
    "127.0.0.2:8765",
    "127.1:8765",
    "0.0.0.0:8765",
    "[::]:8765",
    "::1:8765",
    "[::ffff:127.0.0.1]:8765",
    "[::1%25lo]:8765",
    "0x7f000001:8765",
    "2130706433:8765",
    "0177.0.0.1:8765",
    "localhost.evil.example:8765",
    "evil-localhost:8765",
    "127.0.0.1.nip.io:8765",
    "192.168.0.1:8765",
    "localhost:8765,evil.example",
    "localhost:8765:8765",
    "localhost:+8765",
    "localhost%00:8765",
    "localhost:８765",
    "*",
    "null",
]
HOSTS = [[(b"host", name.encode())] for name in ["", " ", "127.0.0.1:8765 ", " 127.0.0.1:8765", *NAMES]]
HOSTS += [[], HOST + HOST, [*HOST, (b"host", b"evil.example")], [(b"host", b"evil.example"), *HOST]]
FORWARDED = ["x-forwarded-host", "x-forwarded-for", "x-forwarded-proto", "forwarded",
             "x-original-url", "x-rewrite-url", "x-host"]  # fmt: skip
HOSTS += [[*HOST, (name.encode(), b"127.0.0.1:8765")] for name in FORWARDED]


def test_a_host_that_is_not_ours_is_refused_on_every_route(site: Site) -> None:
    assert len(HOSTS) >= 40
    for path, headers in itertools.product([*site.paths(), "/-/open", "/-/doorstep.js", "/nothing"], HOSTS):
        for method in ("GET", "POST", "SOCKET"):
            answer = site.ask(path, [*headers, *SAME, *site.cookie], method=method)
            assert answer.status == 403, (path, headers, method)
            assert method == "SOCKET" or sealed(answer)
    assert site.reached == []


@pytest.mark.parametrize("name", [b"127.0.0.1:8765", b"localhost:8765", b"[::1]:8765"])
def test_our_own_hosts_are_not(site: Site, name: bytes) -> None:
    assert site.ask("/", [(b"host", name), *site.cookie]).status == 200


@pytest.mark.parametrize("raw", [b"http://127.0.0.1:8765/", b"http://evil.example/", b"*", b"//evil.example/", b""])
def test_an_absolute_address_is_refused(site: Site, raw: bytes) -> None:
    assert site.ask(raw.decode(), [*HOST, *site.cookie], raw=raw).status == 404
    assert site.reached == []


ORIGINS = [b"http://evil.example", b"null", b"", b"http://127.0.0.1:8766", b"http://127.0.0.1", b"http://localhost:8765",
           b"https://127.0.0.1:8765", b"http://a.127.0.0.1:8765", b"http://127.0.0.1:8765/", b"file://"]  # fmt: skip
SITES = [b"cross-site", b"same-site", b"Same-Origin", b""]
STRANGERS = [[(b"origin", o), *s] for o in ORIGINS for s in ([], [(b"sec-fetch-site", b"same-origin")])]
STRANGERS += [[*o, (b"sec-fetch-site", s)] for s in SITES for o in ([], [SAME[0]])] + [[SAME[0], SAME[0]]]


def test_another_site_changes_nothing(site: Site) -> None:
    cells = 0
    for path, method, headers in itertools.product(site.paths(), [*METHODS, "SOCKET"], STRANGERS):
        answer = site.ask(path, [*HOST, *headers, *site.cookie], method=method)
        assert answer.status == 403, (path, method, headers)
        assert method == "SOCKET" or sealed(answer)
        cells += 1
    assert site.reached == []
    assert cells >= 1800


@pytest.mark.parametrize("method", [*METHODS[2:], "SOCKET"])
def test_who_does_not_say_where_from_changes_nothing(site: Site, method: str) -> None:
    for path, headers in itertools.product(site.paths(), [[], [(b"sec-fetch-site", b"none")]]):
        assert site.ask(path, [*HOST, *headers, *site.cookie], method=method).status == 403
    assert site.reached == []


@pytest.mark.parametrize("method", METHODS)
def test_the_page_itself_may_ask(site: Site, method: str) -> None:
    answer = site.ask("/api/change", [*HOST, *SAME, *site.cookie], method=method)
    assert (answer.status, site.reached) == (200, [method])
    assert sealed(answer)  # though the route itself set two of them otherwise
    assert site.ask("/api/socket", [*HOST, SAME[0], *site.cookie], method="SOCKET").status == 101


def test_each_check_is_needed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [*SAME, *site.cookie]
    asked: dict[str, Callable[[], Answer]] = {
        "host": lambda: site.ask("/", [(b"host", b"evil.example:8765"), *site.cookie]),
        "forwarded": lambda: site.ask("/", [*HOST, (b"x-forwarded-host", b"a"), *site.cookie]),
        "path": lambda: site.ask("/", [*HOST, *ours], raw=b"http://evil.example/"),
        "origin": lambda: site.ask("/", [*HOST, (b"origin", b"null"), *site.cookie]),
    }
    checks = guard.CHECKS
    assert {check.__name__ for check in checks} == set(asked)
    for gone in checks:
        monkeypatch.setattr(guard, "CHECKS", tuple(check for check in checks if check is not gone))
        assert asked[gone.__name__]().status == 200, gone.__name__
    monkeypatch.setattr(guard, "CHECKS", checks)
    assert {ask().status for ask in asked.values()} == {403, 404}


def test_a_link_from_elsewhere_leads_to_the_doorstep(site: Site) -> None:
    fetch = [(b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")]
    answer = site.ask("/api/change", [*HOST, *fetch, *site.cookie])
    assert (answer.status, site.reached) == (200, [])
    assert b"/-/doorstep.js" in answer.body
    assert sealed(answer)
    assert b"location.replace" in site.ask("/-/doorstep.js", HOST).body
    for method in METHODS[1:]:
        assert site.ask("/", [*HOST, *fetch, *site.cookie], method=method).status == 403
    assert site.ask("/", [*HOST, *fetch[:2], (b"sec-fetch-dest", b"iframe"), *site.cookie]).status == 403


def test_without_the_cookie_nothing_is_reached(site: Site) -> None:
    name = site.session.name(8765).encode()
    wrong = [
        [],
        [(b"cookie", name + b"=" + b"0" * 64)],
        [(b"cookie", name + b"=")],
        [(b"cookie", b"x=" + site.session.token.encode())],
    ]
    for path, method, cookie in itertools.product([*site.paths(), "/nothing"], [*METHODS, "SOCKET"], wrong):
        answer = site.ask(path, [*HOST, SAME[0], *cookie], method=method)
        assert answer.status == (403 if method == "SOCKET" else 401)
    assert site.reached == []
    shown = site.ask("/", [*HOST, (b"accept", b"text/html")])
    assert shown[b"content-type"] == [b"text/html; charset=utf-8"]
    assert b"Run `convscope lab` in a terminal; it prints the link" in shown.body


def test_the_link_opens_once_and_leaves_no_trace(site: Site) -> None:
    query = site.session.link(8765).partition("?")[2].encode()
    assert site.ask("/-/open", HOST, method="HEAD", query=query).status == 401  # looking ahead doesn't use it up
    first = site.ask("/-/open", HOST, query=query)
    assert (first.status, first[b"location"]) == (303, [b"/"])
    assert first[b"set-cookie"] == [f"convscope-8765={site.session.token}; Path=/; HttpOnly; SameSite=Strict".encode()]
    second = site.ask("/-/open", HOST, query=query)
    assert (second.status, second[b"set-cookie"]) == (401, [])
    assert b"used already" in second.body
    assert site.ask("/-/open", [*HOST, *site.cookie], query=query).status == 303
    seen = b"".join([line.encode() for line in site.lines] + [first.body, second.body])
    assert site.session.token.encode() not in seen
    assert b"code=" not in seen
    assert site.session.token not in repr(site.session)
    assert site.session.token not in query.decode()


def test_a_code_must_be_whole_ours_and_of_this_session() -> None:
    old = Session()
    code = old.link(1).partition("code=")[2]
    assert not Session().spend(code)
    assert not Session(old.token).spend(code)  # the session began anew after it was made
    assert not any(old.spend(bad) for bad in ("", code[:-1], code + "0", "9" + code, code.replace(".", ":")))
    assert old.spend(code)
    assert not old.spend(code)
    with pytest.raises(ConvscopeError, match=r"a token must be 64 hexadecimal digits in lower case\. Got 3 signs"):
        Session("abc")


DOTS = [
    "..",
    "%2e%2e",
    "%2E.",
    ".%2e",
    "%252e%252e",
    "..%00",
    "%c0%ae%c0%ae",
    "....",
    "..;",
    ".",
    "\\..",
    "%5c..",
    "~/..",
]
BETWEEN = ["/", "//", "%2f", "%252f", "\\", "%5c"]
ENDS = ["canary.txt", "etc/passwd", "C:/canary.txt", "app.js%00", "canary.txt::$DATA"]
EVIL = [f"/{d}{b}{d}{b}{e}" for d in DOTS for b in BETWEEN for e in ENDS] + [
    r"/\\host\share\x",
    "/C:/x",
    "/file:///etc/passwd",
    "/a b",
]


def test_no_path_leads_out(site: Site) -> None:
    assert len(EVIL) >= 300
    for path, before in itertools.product(EVIL, ["", "/api/runs"]):
        answer = site.ask(before + path, [*HOST, *site.cookie], raw=(before + path).encode())
        assert answer.status == 404, path
        assert b"canary" not in answer.body
    assert site.reached == []


@pytest.mark.parametrize("word", ["", "A", "-a", "_a", "a.b", "a/b", "..", "a" * 65, "ä", "a\n", "a ", 7, None, ["a"]])
def test_an_id_is_a_short_plain_name(site: Site, word: object) -> None:
    body = json.dumps({"id": word}).encode()
    answer = site.ask("/api/json", [*HOST, *SAME, *JSON, *site.cookie], method="POST", bodies=[body])
    assert answer.status == 400
    assert json.loads(answer.body)["error"].startswith("an id must be 1 to 64 of a-z")


@pytest.mark.parametrize("body", [b"[1]", b"{", b'{"a": NaN}', b"\xff", b"[" * 900, b"7"])
def test_a_body_must_be_a_json_object(site: Site, body: bytes) -> None:
    answer = site.ask("/api/json", [*HOST, *SAME, *JSON, *site.cookie], method="POST", bodies=[body])
    assert (answer.status, json.loads(answer.body)) == (400, {"error": "the body must be a JSON object."})


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"]
)
def test_a_form_of_another_site_is_no_body(site: Site, kind: str) -> None:
    headers = [*HOST, *SAME, *site.cookie, *([(b"content-type", kind.encode())] if kind else [])]
    for declared in ([], [(b"content-length", b"3")]):
        assert site.ask("/api/change", [*headers, *declared], method="POST", bodies=[b"abc"]).status == 415
    packed = [*HOST, *SAME, *site.cookie, *JSON, (b"content-encoding", b"gzip")]
    assert site.ask("/api/change", packed, method="POST", bodies=[b"abc"]).status == 415
    assert site.reached == []


def test_a_body_has_an_end(site: Site) -> None:
    headers = [*HOST, *SAME, *JSON, *site.cookie]
    fits = site.ask("/api/change", headers, method="POST", bodies=[b"x" * 500] * 2)
    assert json.loads(fits.body) == {"bytes": 1000}
    site.reached.clear()
    for more, bodies in (
        ([], [b"x" * 500] * 3),
        ([(b"content-length", b"1001")], []),
        ([(b"content-length", b"9" * 30)], []),
    ):
        answer = site.ask("/api/change", [*headers, *more], method="POST", bodies=bodies)
        assert answer.status == 413
        assert b"a body must be at most" in answer.body
        assert answer[b"connection"] == ([b"close"] if more else [])
    slow = site.ask("/api/change", headers, method="POST", bodies=[b"x"] * 9, slow=0.1)
    assert slow.status == 408
    assert b"a body must come within 0.2 seconds" in slow.body
    assert site.ask("/", [*HOST, *site.cookie, (b"content-length", b"3")]).status == 400
    assert site.reached == []


def test_every_answer_is_sealed_and_errors_are_sentences(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "convscope.web")
    for path, method, accept in itertools.product([*site.paths(), "/nothing"], METHODS, [b"text/html", b"*/*"]):
        answer = site.ask(path, [*HOST, *SAME, *site.cookie, (b"accept", accept)], method=method)
        assert sealed(answer), (path, method)
        assert answer[b"cache-control"] == [b"no-store"]
        assert b"secret details" not in answer.body
        assert b"<img" not in answer.body or accept == b"*/*"
        if answer.status >= 400 and method != "HEAD":
            html = answer[b"content-type"] == [b"text/html; charset=utf-8"]
            assert html == (accept == b"text/html")
            assert html or json.loads(answer.body)["error"]
    assert {line.split()[2] for line in site.lines} >= {"200", "400", "404", "405", "500"}
