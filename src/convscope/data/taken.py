"""When a photograph was taken, by its EXIF block: a hint on bursts, nothing that the pixels depend on."""

from __future__ import annotations

import calendar
import time

from PIL import Image

_SEARCHED = 1 << 16  # JPEG's APP1 segment comes first and is at most 64 KiB long
_EXIF_IFD, _DATE_TIME_ORIGINAL = 0x8769, 0x9003


def seconds(data: bytes) -> int:
    """Seconds since 1970 by the camera's own clock (its zone unknown), or -1 where the file doesn't say.

    data: a picture file's bytes. Only JPEG-like EXIF blocks are looked for; a broken one is -1.
    """
    start = data.find(b"Exif\0\0", 0, _SEARCHED)
    if start < 0:
        return -1
    try:
        exif = Image.Exif()
        exif.load(data[start : start + _SEARCHED])
        text = exif.get_ifd(_EXIF_IFD).get(_DATE_TIME_ORIGINAL)
        return calendar.timegm(time.strptime(str(text)[:19], "%Y:%m:%d %H:%M:%S"))
    except Exception:  # a stranger's bytes: whatever is wrong with them, the picture itself may be good
        return -1
