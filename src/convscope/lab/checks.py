"""What a lesson's task asks of a network, as data: one line such as `receptive_field of conv2 >= 9`.

Knows how a line is read, and whether it holds, of both sides and of every layer that it names; says so in English and
Chinese. Knows no file of lessons and no page.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from convscope.errors import ConvscopeError, unknown
from convscope.lab.quantities import QUANTITIES, Quantity, Said, Sides, Subject, Untold
from convscope.notation.kinds import KINDS

RELATIONS: dict[str, tuple[Callable[[float, float], bool], str, str]] = {
    ">=": (operator.ge, "at least", "至少"),
    "<=": (operator.le, "at most", "至多"),
    "=": (operator.eq, "exactly", "正好"),
    ">": (operator.gt, "more than", "大于"),
    "<": (operator.lt, "less than", "小于"),
}

_LINE = re.compile(r"(?P<what>[A-Za-z][\w. ]*?)\s*(?P<relation>>=|<=|=|>|<)\s*(?P<value>.+)")
_VALUE = re.compile(
    r"(?:(?P<factor>half|\d+(?:\.\d+)?) of )?(?P<start>the start's)|(?P<number>\d+(?:\.\d+)?)\s*(?P<percent>%)?"
)


@dataclass(frozen=True)
class Check:
    """One line of a task. label: what follows `of`; of_start: whether `value` is a factor of what the lesson's own
    network has there."""

    line: str
    name: str
    label: str
    relation: str
    value: float
    of_start: bool

    @property
    def quantity(self) -> Quantity:
        return QUANTITIES[self.name]

    def _wanted(self, start: Subject | None, sides: int) -> Sides:
        """What is asked for of each side."""
        if not self.of_start:
            return (self.value,) * sides
        assert start is not None
        return tuple(self.value * side for side in self.quantity.measure(start, self.label)[0][1])

    def holds(self, subject: Subject, start: Subject | None) -> tuple[bool, Said]:
        """Whether the network does what is asked, and the numbers in words: those of the first layer that doesn't."""
        said: Said = {}
        try:
            for label, found in self.quantity.measure(subject, self.label):
                wanted = self._wanted(start, len(found))
                holds = self._compare(found, wanted)
                said = self._told(label, found, wanted)
                if not holds:
                    return False, said
        except Untold as untold:
            return False, untold.said
        return True, said

    def _compare(self, found: Sides, wanted: Sides) -> bool:
        compare = RELATIONS[self.relation][0]
        pairs = zip(found, wanted, strict=True)
        return all(compare(round(one, 9), round(other, 9)) for one, other in pairs)  # 0.98 of 50 pictures is 0.98

    def _told(self, label: str, found: Sides, wanted: Sides) -> Said:
        what, (_, en, zh) = self.quantity, RELATIONS[self.relation]
        here, there = (" x ".join(_written(side, what.share) for side in sides) for sides in (found, wanted))
        name = f"{what.en[0].upper()}{what.en[1:]}"
        if self.label.startswith("every ") and self._compare(found, wanted):  # said only where it holds of all
            kind = self.label.removeprefix("every ")
            return {"en": f"{name} of every {kind} is as asked for: {en} {there}.",
                    "zh": f"每个 {kind} 的{what.zh}都符合要求：{zh} {there}。"}  # fmt: skip
        of = (f" of {label}", f"{label} 的") if label else ("", "")
        return {
            "en": f"{name}{of[0]} is {here}; {en} {there} is asked for.",
            "zh": f"{of[1]}{what.zh}是 {here}；要求{zh} {there}。",
        }


def _written(number: float, share: bool) -> str:
    if share:
        return f"{100 * number:.2f}".rstrip("0").rstrip(".") + " %"
    if abs(number) < 1000 and number != round(number):
        return f"{number:.4g}"
    return f"{number:,.{0 if number == round(number) else 1}f}".replace(",", " ")


def read(line: str, where: str) -> Check:
    """A check out of its line. where: which file and task it stands in, for the sentence of a ConvscopeError."""
    found = _LINE.fullmatch(line.strip())
    if not found:
        raise ConvscopeError(
            f"{where}: a check must be a quantity, one of {' '.join(RELATIONS)} and a number, such as "
            f"'receptive_field of conv2 >= 9'. Got {line!r}."
        )
    name, label = found["what"], ""
    if name not in QUANTITIES:
        name, _, label = name.rpartition(" of ")
        name = f"{name} of" if f"{name} of" in QUANTITIES else name or label
    if name not in QUANTITIES:
        raise ConvscopeError(f"{where}: {unknown('quantity', name, QUANTITIES)}")
    quantity = QUANTITIES[name]
    if (quantity.of_layer is not None) != bool(label):
        must = f"is of one layer: write '{name} of conv1 ...'" if quantity.of_layer else "is of the whole network"
        raise ConvscopeError(f"{where}: {name} {must}. Got {line!r}.")
    _refuse_no_layer(label, line, where)
    value = _VALUE.fullmatch(found["value"].strip())
    if not value or (value["percent"] and not quantity.share):
        sort = "a number or a percentage" if quantity.share else "a number"
        raise ConvscopeError(
            f"{where}: what is asked for must be {sort}, or such as 'half of the start's'. "
            f"Got {found['value']!r} in {line!r}."
        )
    if value["start"]:
        if quantity.trained:
            raise ConvscopeError(
                f"{where}: the start is not trained, so {name} can't be compared with it. Write a number in {line!r}."
            )
        factor = 0.5 if value["factor"] == "half" else float(value["factor"] or 1)
        return Check(line, name, label, found["relation"], factor, True)
    number = float(value["number"]) / (100 if value["percent"] else 1)
    if quantity.share and number > 1:
        raise ConvscopeError(f"{where}: a share must be at most 1, or 100 %. Got {found['value']!r} in {line!r}.")
    return Check(line, name, label, found["relation"], number, False)


def _refuse_no_layer(label: str, line: str, where: str) -> None:
    """`of LABEL`, `of every KIND` and `of last KIND` name layers; KIND must be one that there is."""
    words = label.split(" ")
    if len(words) > 1 and (len(words) > 2 or words[0] not in ("every", "last")):
        raise ConvscopeError(
            f"{where}: a layer must be a label, or every or last and a kind: conv2, every conv, last conv. "
            f"Got {line!r}."
        )
    if len(words) == 2 and words[1] not in KINDS:
        raise ConvscopeError(f"{where}: {unknown('kind of layer', words[1], KINDS)}")
