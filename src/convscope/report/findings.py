"""What `check` prints: each finding with its reason, its mend and its page, and what the first batch showed.

Takes findings as they are and a first batch's record; knows nothing of how they were found.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Protocol

from convscope.report.first_batch import sentence
from convscope.report.numbers import plural
from convscope.run import Diagnosis

_WIDE = 110


class Found(Protocol):
    """A finding, as `preflight.Finding` is."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def level(self) -> str:
        """Error or warning."""

    @property
    def where(self) -> str:
        """A layer or a key."""

    @property
    def reason(self) -> str:
        """Why."""

    @property
    def fix(self) -> str:
        """The mend in words."""

    @property
    def table(self) -> str:
        """The layers up to the one at fault."""

    @property
    def page(self) -> str:
        """Where it is explained."""

    @property
    def changes(self) -> Sequence[str]:
        """The edits, a line each."""


def lines(findings: Iterable[Found], *, looked: int, first: Diagnosis | None = None) -> list[str]:
    """Errors first. looked: for how many kinds of findings was looked; first: the first batch, if there was one."""
    found = sorted(findings, key=lambda finding: finding.level != "error")
    out = []
    for finding in found:
        out += finding.table.rstrip("\n").splitlines()
        out.append(f"{finding.level}: {finding.where}: {finding.name}")
        out += textwrap.wrap(finding.reason, _WIDE, initial_indent="  ", subsequent_indent="  ")
        out += textwrap.wrap(f"mend: {finding.fix}", _WIDE, initial_indent="  ", subsequent_indent="        ")
        out += [f"        {change}" for change in finding.changes if change not in finding.fix]
        out += [f"  page: {finding.page}", ""]
    if first is not None:
        out.append(sentence(first))
    return [*out, _total(found, looked)]


def _total(found: Sequence[Found], looked: int) -> str:
    errors = sum(finding.level == "error" for finding in found)
    counts = [(errors, "error"), (len(found) - errors, "warning")]
    said = ", ".join(plural(count, word) for count, word in counts if count) or "nothing found"
    return f"{said}; looked for {looked} kinds of faults"
