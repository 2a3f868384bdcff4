"""A quick look at what a data set's pictures are like, before they are all decoded. Knows files, no splits."""

from __future__ import annotations

import io
import statistics
from dataclasses import dataclass

import numpy as np
from PIL import Image

from convscope.data.decode import UnreadablePicture, decode
from convscope.data.listing import Source

_LOOKED_AT = 24


@dataclass(frozen=True)
class Seen:
    """Of the pictures looked at: whether any is in colour, and the median of their shorter sides in pixels."""

    colour: bool
    side: int


def look(source: Source) -> Seen:
    """What some of a source's files are like, taken evenly from all; those that can't be read are passed over.

    A source without files, or with none that can be read: no colour, and 0 pixels.
    """
    sides, colour = [], False
    listed = source.files
    rows = np.unique(np.linspace(0, len(source) - 1, _LOOKED_AT).astype(int)) if listed is not None else ()
    for row in rows:
        assert listed is not None
        try:
            with listed.stream(int(row)) as stream:
                data = stream.read()
            with Image.open(io.BytesIO(data)) as picture:
                sides.append(min(picture.size))
            colour = colour or decode(data, target=(32, 32)).mode == "RGB"
        except (UnreadablePicture, OSError, ValueError, Image.DecompressionBombError):
            continue
    return Seen(colour, int(statistics.median(sides)) if sides else 0)
