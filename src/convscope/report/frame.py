"""The frame of every page that is a file of its own: head, style sheets, policy and foot. No script, and no host."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from convscope.errors import ConvscopeError
from convscope.report.markup import Markup, tag

# Even if a name found a way to become an element, the browser would fetch nothing and run nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def check_name(path: str | Path) -> None:
    """Raises ConvscopeError for a page's file that ends in something else than .html: it may be that of a picture."""
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise ConvscopeError(f"a page's file must end in .html. Got {path}: use {Path(path).stem}.html.")


def page(title: str, *sections: object, styles: tuple[str, ...] = ()) -> str:
    """A whole HTML page. styles: the names of further style sheets of this room, after the one that all pages have."""
    room = resources.files("convscope.report")
    style = "\n".join(room.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", *styles))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{title} · convscope"),
        tag("style", Markup(style)),
    )
    foot = tag("footer", "Made by convscope. This page is whole in itself: it asks no other computer for anything.")
    body = tag("body", tag("main", *sections), foot)
    return "<!DOCTYPE html>\n" + tag("html", head, "\n", body, lang="en") + "\n"
