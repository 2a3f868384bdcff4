"""A drawing as plain data: boxes, lines, frames and letters, each with its place. Lengths are in points.

Knows no file format and no colour: roles and looks are named here, and `report` says what they are like.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Point = tuple[float, float]


@dataclass(frozen=True)
class Text:
    """One line of letters whose middle is at height y; `anchor` says which of its points is at x; turned reads up."""

    x: float
    y: float
    words: str
    size: float
    anchor: Literal["start", "middle", "end"] = "middle"
    look: Literal["plain", "strong", "quiet"] = "plain"
    turned: bool = False


@dataclass(frozen=True)
class Box:
    """Something with a place. `depth` is how far a slab goes to the back, right and up, inside width and height.

    `names` are the layers that it stands for. What is written in or under it is in `texts` of the drawing.
    """

    x: float
    y: float
    width: float
    height: float
    role: str
    look: Literal["box", "strip", "slab", "slice", "bar", "sum", "swatch", "mini"]
    names: tuple[str, ...] = ()
    depth: float = 0.0
    said: str = ""


@dataclass(frozen=True)
class Line:
    """A connector through points; the arrow's head is at the last. `side` is the way of training only."""

    points: tuple[Point, ...]
    arrow: bool = True
    side: bool = False


@dataclass(frozen=True)
class Frame:
    """What belongs together: a label's scope, turns that are folded, a region or a side classifier."""

    x: float
    y: float
    width: float
    height: float
    look: Literal["scope", "fold", "cell", "side"]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sketch:
    """A part of a drawing with a corner at (0, 0), entered at (axis, 0) and left at (axis, height).

    `open` says that a line goes on from where it is entered, so that no arrow's head belongs there.
    """

    width: float
    height: float
    axis: float
    boxes: tuple[Box, ...] = ()
    lines: tuple[Line, ...] = ()
    frames: tuple[Frame, ...] = ()
    texts: tuple[Text, ...] = ()
    open: bool = False

    def moved(self, x: float, y: float) -> Sketch:
        """The same, further right by x and down by y; width and height then reach from the old corner."""
        return Sketch(
            self.width + x,
            self.height + y,
            self.axis + x,
            tuple(replace(box, x=box.x + x, y=box.y + y) for box in self.boxes),
            tuple(replace(line, points=tuple((a + x, b + y) for a, b in line.points)) for line in self.lines),
            tuple(replace(frame, x=frame.x + x, y=frame.y + y) for frame in self.frames),
            tuple(replace(text, x=text.x + x, y=text.y + y) for text in self.texts),
            self.open,
        )

    def adding(
        self,
        others: Iterable[Sketch] = (),
        boxes: Iterable[Box] = (),
        lines: Iterable[Line] = (),
        frames: Iterable[Frame] = (),
        texts: Iterable[Text] = (),
    ) -> Sketch:
        """The same and more; frames stand behind, so those that are added come first."""
        others = list(others)
        return replace(
            self,
            boxes=(*self.boxes, *(box for other in others for box in other.boxes), *boxes),
            lines=(*self.lines, *(line for other in others for line in other.lines), *lines),
            frames=(*frames, *self.frames, *(frame for other in others for frame in other.frames)),
            texts=(*self.texts, *(text for other in others for text in other.texts), *texts),
        )


@dataclass(frozen=True)
class Drawing:
    """A whole figure: `sketch` on a canvas, what it is called and what a screen reader says of it."""

    width: float
    height: float
    sketch: Sketch
    title: str
    about: str
