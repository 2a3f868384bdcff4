"""A finding: what is wrong, where, why, and the edit that mends it. Plain data; knows no network and no recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from convscope.errors import ConvscopeError
from convscope.notation.source import plain


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A stretch of the network's text, `old` from `line` and `column` on (both from 1), becomes `new`."""

    line: int
    column: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Setting:
    """`--set key=value`."""

    key: str
    value: str


Edit = Rewrite | Setting
Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    name: stable, in kebab-case: a section of docs/check.md. level: an "error" can't be trained at all. where: a layer,
    or a key of the recipe. reason: why, with the numbers. fix: the mend in words; edits: the same, to be applied
    together. table: of a network that can't be built, the layers up to the one at fault.
    """

    name: str
    level: Level
    where: str
    reason: str
    fix: str
    edits: tuple[Edit, ...] = ()
    table: str = ""

    @property
    def page(self) -> str:
        """Where it is explained."""
        return f"docs/check.md#{self.name}"

    @property
    def changes(self) -> tuple[str, ...]:
        """The edits, a line each."""
        return tuple(
            f"line {edit.line}, column {edit.column}: {edit.old!r} -> {edit.new!r}"
            if isinstance(edit, Rewrite)
            else f"--set {edit.key}={edit.value}"
            for edit in self.edits
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        edits = [
            {"line": e.line, "column": e.column, "old": e.old, "new": e.new}
            if isinstance(e, Rewrite)
            else {"key": e.key, "value": e.value}
            for e in self.edits
        ]
        return {"name": self.name, "level": self.level, "where": self.where, "reason": self.reason, "fix": self.fix,
                "edits": edits, "table": self.table, "page": self.page}  # fmt: skip

    def mended(self, text: str) -> str:
        """The network's text with this finding's edits of it."""
        return rewritten(text, (edit for edit in self.edits if isinstance(edit, Rewrite)))

    @property
    def settings(self) -> dict[str, str]:
        """What it would `--set`."""
        return {edit.key: edit.value for edit in self.edits if isinstance(edit, Setting)}


def rewritten(text: str, edits: Iterable[Rewrite]) -> str:
    """The text after its edits. Raises ConvscopeError where one doesn't stand where it says: another text."""
    spans = sorted({(offset(text, edit.line, edit.column), edit.old, edit.new) for edit in edits}, reverse=True)
    for start, old, new in spans:
        if text[start : start + len(old)] != old:
            raise ConvscopeError(
                f"an edit must be of the text that was checked. There is no {old!r} at character {start} of this one."
            )
        text = text[:start] + new + text[start + len(old) :]
    return text


def offset(text: str, line: int, column: int) -> int:
    """The position in the text of a line and column, both from 1."""
    lines = plain(text).split("\n")
    return sum(len(each) + 1 for each in lines[: line - 1]) + column - 1
