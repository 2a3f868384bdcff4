"""Where activations lie: the process keeps the memory that a step gives back, instead of asking the system for it anew.

glibc hands every large tensor back to the system when it is freed, and each next one is mapped and filled with zeros a
page at a time: a convolution whose output is 60 MB took twice as long for it. Set once by a command that trains, never
by import. Elsewhere (Windows, macOS, musl) nothing is set: those have no such switch, and training is as it was.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
_LARGEST = 2**31 - 1  # an int
_LARGEST_OF_OLD = 2**25  # what older versions take: half of a heap's size


def keep_freed() -> bool:
    """Tell glibc's malloc to keep what is freed; whether it was told. Holds for the process, costs microseconds."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    mallopt.argtypes, mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    kept = mallopt(_M_MMAP_THRESHOLD, _LARGEST) or mallopt(_M_MMAP_THRESHOLD, _LARGEST_OF_OLD)
    trimmed = mallopt(_M_TRIM_THRESHOLD, _LARGEST)
    return bool(kept) and bool(trimmed)
