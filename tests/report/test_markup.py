"""Nothing that isn't markup already becomes markup."""

from __future__ import annotations

from convscope.report.markup import Markup, escaped, join, tag


def test_content_and_attributes_are_escaped() -> None:
    hostile = """<img src=x onerror="a('b')">&"""
    safe = "&lt;img src=x onerror=&quot;a(&#x27;b&#x27;)&quot;&gt;&amp;"
    assert tag("td", hostile, title=hostile) == f'<td title="{safe}">{safe}</td>'
    assert join([hostile, Markup("<b>")], ", ") == f"{safe}, <b>"
    assert escaped(3) == "3"
    assert escaped(escaped(hostile)) == safe  # once is enough


def test_unseen_signs_are_written_out() -> None:
    assert escaped("a\x00\x1b\u202e\udcffb\n") == "a\\x00\\x1b\\u202e\\udcffb\n"


def test_attributes() -> None:
    assert tag("meta", http_equiv="a", class_="b", name="c") == '<meta http-equiv="a" class="b" name="c">'
    assert tag("td", class_=None, colspan=2) == '<td colspan="2"></td>'
    assert tag("p", tag("b", "<")) == "<p><b>&lt;</b></p>"
