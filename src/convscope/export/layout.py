"""How source is laid out: literals, calls and statements that fit a line, comments. Knows Python's text alone."""

from __future__ import annotations

from collections.abc import Iterator

from convscope.export.steps import Literal

WIDTH, COMMENT = 88, 100
"""Signs on a line, as formatters have it, and on a line of comments."""


def is_atom(now: str) -> bool:
    """Whether an expression may stand before a dot, a bracket or a sign."""
    depth = 0
    for sign in now:
        depth += (sign in "([") - (sign in ")]")
        if depth == 0 and sign in " -":
            return False
    return True


def is_call(expression: str) -> bool:
    """Whether an expression is one call: the bracket that opens first closes at the end."""
    depth = 0
    for at, sign in enumerate(expression):
        depth += (sign in "([") - (sign in ")]")
        if depth == 0 and sign == ")":
            return at == len(expression) - 1
        if depth == 0 and sign in " [":
            return False
    return False


def literal(value: Literal) -> str:
    """A number, word or tuple as source."""
    if value in ("inf", "-inf"):
        return f'float("{value}")'
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def folded(calls: list[tuple[str, list[str]]]) -> Iterator[str]:
    """Objects of one class in a row: equal ones, or such as count up by one step, are one expression."""
    at = 0
    while at < len(calls):
        name, args = calls[at]
        end = at
        while end + 1 < len(calls) and calls[end + 1] == calls[at]:
            end += 1
        if end > at:
            yield f"*({name}({', '.join(args)}) for _ in range({end - at + 1}))"
            at = end + 1
            continue
        counted = _counted(calls[at:])
        if counted:
            text, used = counted
            yield text
            at += used
            continue
        yield f"{name}({', '.join(args)})"
        at += 1


def _counted(calls: list[tuple[str, list[str]]]) -> tuple[str, int] | None:
    """Objects whose one differing number goes up evenly, as a loop; None for fewer than four."""
    name, args = calls[0]
    if len(calls) < 4 or calls[1][0] != name or not all(arg[0] in "(-0123456789" for arg in args):
        return None
    differ = [i for i, (one, two) in enumerate(zip(args, calls[1][1], strict=True)) if one != two]
    if len(differ) != 1 or not (args[differ[0]].isdigit() and calls[1][1][differ[0]].isdigit()):
        return None
    at = differ[0]
    start, step = int(args[at]), int(calls[1][1][at]) - int(args[at])
    used = 0
    for turn, (other, given) in enumerate(calls):
        if other != name or given != [*args[:at], str(start + turn * step), *args[at + 1 :]]:
            break
        used += 1
    if used < 4:
        return None
    inside = ", ".join([*args[:at], "n", *args[at + 1 :]])
    return f"*({name}({inside}) for n in range({start}, {start + used * step}, {step}))", used


def call(opens: str, args: list[str], closes: str, comma: bool = True) -> list[str]:
    """A call on one line, or on several where it is too long."""
    line = f"{opens}{', '.join(args)}{closes}"
    if len(line) <= WIDTH or not args:
        return [line]
    indent = " " * (len(opens) - len(opens.lstrip()) + 4)
    inside = f"{indent}{', '.join(args)}"
    if len(inside) <= WIDTH and not (len(args) == 1 and args[0].startswith("*(") and comma):
        return [opens, inside, f"{indent[:-4]}{closes}"]
    return [opens, *(f"{indent}{arg}{',' if comma else ''}" for arg in args), f"{indent[:-4]}{closes}"]


def split(text: str) -> list[str]:
    """Arguments apart, at the commas that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


def filled(words: list[str]) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > WIDTH:
            yield line
            line = ""
        line += f" {word}" if line else word
    yield line


def _escaped(sign: str) -> str:
    return f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}"


def comment(lines: list[str]) -> str:
    """Lines as comments; what isn't printable is written out, and a long line goes on after a comma."""
    done: list[str] = []
    for line in lines:
        line = "".join(sign if sign.isprintable() else _escaped(sign) for sign in line)
        while len(line) > COMMENT - 2:
            cut = line.rfind(", ", 1, COMMENT - 2) + 1 or line.rfind(" ", 4, COMMENT - 2)
            if cut < 4:
                break
            done.append(f"# {line[:cut]}".rstrip())
            line = f"    {line[cut:].lstrip()}" if line.startswith("  ") else line[cut:].lstrip()
        done.append(f"# {line}".rstrip())
    return "\n".join(done) + "\n"


def statement(begins: str, expression: str, comment: str) -> list[str]:
    """One statement of forward, on several lines where it is long; the comment where it fits."""
    line = f"        {begins}{expression}"
    if len(line) > WIDTH:
        if is_call(expression):
            head, _, rest = expression.partition("(")
            return call(f"        {begins}{head}(", split(rest[:-1]), ")")
        return call(f"        {begins}(", [expression], ")", comma=False)
    return [line + comment if len(line) + len(comment) <= WIDTH else line]
