"""How source is laid out: literals, folded rows of objects, calls that fit a line, comments."""

from __future__ import annotations

import pytest

from convscope.export.layout import WIDTH, call, comment, filled, folded, is_atom, is_call, literal, split, statement
from convscope.export.steps import Literal


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (0.5, "0.5"), (True, "True"), ("same", '"same"'), ("-inf", 'float("-inf")'), ((1, 2), "(1, 2)"),
     ((5,), "(5,)"), (((1, 2), (0, 0)), "((1, 2), (0, 0))")],
)  # fmt: skip
def test_literals(value: Literal, text: str) -> None:
    assert literal(value) == text


def test_equal_objects_and_such_as_count_up_are_folded() -> None:
    assert list(folded([("A", ["1"])])) == ["A(1)"]
    assert list(folded([("A", ["1"]), ("B", ["1"])])) == ["A(1)", "B(1)"]
    assert list(folded([("A", ["4"]), ("A", ["8"]), ("A", ["8"])])) == ["A(4)", "*(A(8) for _ in range(2))"]
    counted = [("A", ["3", str(n), "True"]) for n in (4, 6, 8)]
    assert list(folded(counted)) == ["A(3, 4, True)", "A(3, 6, True)", "A(3, 8, True)"], (
        "True may be a parameter's name"
    )
    growing = [("A", ["3", str(n)]) for n in (4, 6, 8, 10, 13)]
    assert list(folded(growing)) == ["*(A(3, n) for n in range(4, 12, 2))", "A(3, 13)"]
    falling = [("A", [str(n)]) for n in (8, 6, 4, 2)]
    assert list(folded(falling)) == ["*(A(n) for n in range(8, 0, -2))"]
    named = [("A", ["n", str(m)]) for m in (1, 2, 3, 4)]
    assert len(list(folded(named))) == 4, "a loop's n would hide the parameter"


def test_calls_break_where_they_are_long() -> None:
    assert call("    f(", ["a", "b"], ")") == ["    f(a, b)"]
    lines = call("    function(", ["a" * 38, "b" * 38], ")")
    assert lines == ["    function(", f"        {'a' * 38}, {'b' * 38}", "    )"]
    lines = call("    f(", ["a" * 50, "b" * 50], ")")
    assert lines == ["    f(", f"        {'a' * 50},", f"        {'b' * 50},", "    )"]


def test_statements() -> None:
    assert statement("x = ", "f(x)", "  # 3") == ["        x = f(x)  # 3"]
    assert statement("x = ", "f(" + "a" * 70 + ")", "  # 3 x 3 x 3") == [f"        x = f({'a' * 70})"]
    assert max(map(len, statement("return ", f"f(x, {'a' * 40}, {'b' * 40})", ""))) <= WIDTH
    assert statement("x = ", " + ".join(["a" * 30] * 3), "")[0] == "        x = ("


def test_expressions() -> None:
    assert is_call("f(x, g(y))")
    assert not is_call("f(x)[0]")
    assert not is_call("f(x) + g(x)")
    assert is_atom("f(x, 1).g(-1)")
    assert not is_atom("-f(x)")
    assert not is_atom("a * 2")
    assert split("x, (1, 2), f(a, b)") == ["x", "(1, 2)", "f(a, b)"]


def test_comments_go_on_after_a_comma_and_hold_no_control_signs() -> None:
    text = comment(["  " + ", ".join(f"conv 3x3 {n}" for n in range(20)), "", "a\x0cb\u202e\r"])
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("#   conv")
    assert lines[0].endswith(",")
    assert lines[1].startswith("#     conv")
    assert lines[-2:] == ["#", "# a\\x0cb\\u202e\\x0d"]


def test_words_fill_lines() -> None:
    assert list(filled(["a" * 50, "b" * 37, "c"])) == [f"{'a' * 50} {'b' * 37}", "c"]
