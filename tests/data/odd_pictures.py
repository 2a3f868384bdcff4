"""Picture files that Pillow doesn't write itself: PNG and TIFF, chunk by chunk and tag by tag."""

from __future__ import annotations

import struct
import zlib


def png(width: int, height: int, depth: int, colour: int, rows: list[bytes], *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of unfiltered rows. colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA. chunks come before them."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    every = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in every
    )


def tiff(
    width: int,
    height: int,
    pixels: bytes,
    *,
    bits: tuple[int, ...] = (8,),
    photometric: int = 1,
    compression: int = 1,
    sample_format: int = 1,
    big_endian: bool = False,
) -> bytes:
    """A TIFF of one strip, its tags before its pixels (as in a file that was made for streaming)."""
    order = ">" if big_endian else "<"
    # Tag, type (3: 16 bits, 4: 32 bits), values.
    tags: list[tuple[int, int, tuple[int, ...]]] = [
        (256, 4, (width,)),
        (257, 4, (height,)),
        (258, 3, bits),
        (259, 3, (compression,)),
        (262, 3, (photometric,)),
        (273, 4, (0,)),
        (277, 3, (len(bits),)),
        (278, 4, (height,)),
        (279, 4, (len(pixels),)),
        (339, 3, (sample_format,) * len(bits)),
    ]
    after = 8 + 2 + 12 * len(tags) + 4
    extra = b""
    entries = b""
    for tag, kind, values in tags:
        data = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(data) > 4:
            entries += struct.pack(f"{order}HHII", tag, kind, len(values), after + len(extra))
            extra += data
        else:
            entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    start = after + len(extra)
    where = struct.pack(f"{order}HHI", 273, 4, 1)
    entries = entries.replace(where + bytes(4), where + struct.pack(f"{order}I", start))
    head = (b"MM" if big_endian else b"II") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + extra + pixels
