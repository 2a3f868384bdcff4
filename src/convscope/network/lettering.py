"""How wide a line of text will be: an estimate on the safe side, for the sans-serif fonts that a drawing asks for."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right

# Widths in thousandths of the type size: Arial's, Helvetica's and Liberation Sans' are equal.
_WIDTHS = {
    222: "ijl'|",
    278: " !,./:;I[]\\ft",
    334: "()-`r{}",
    389: '*"^',
    500: "cksvxyzJ",
    556: "#$0123456789?L_abdeghnopqu–",
    584: "+<=>~×",
    611: "FTZ",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    944: "W",
    1015: "%@",
}
_WIDTH = {sign: width for width, signs in _WIDTHS.items() for sign in signs}
_SAFE, _STRONG = 1.05, 1.2  # fonts that stand in for these are a little wider; bold letters are, too


def width(text: str, size: float, strong: bool = False) -> float:
    """The width of a text in letters `size` high; what the table lacks, Chinese above all, is a square."""
    safe = _STRONG if strong else _SAFE
    return safe * size * sum(_WIDTH.get(sign, 0 if unicodedata.combining(sign) else 1000) for sign in text) / 1000


def shortened(text: str, size: float, room: float, strong: bool = False) -> str:
    """The text, or as much of it as fits into `room` and an ellipsis."""
    if width(text, size, strong) <= room:
        return text
    fits = bisect_right(range(1, len(text)), room, key=lambda length: width(text[:length] + "…", size, strong))
    return text[:fits].rstrip() + "…"
