"""Where data lies on this machine: the user's data folder and the cache.

Knows the environment variables CONVSCOPE_DATA and CONVSCOPE_CACHE and each system's cache folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

DATA_VARIABLE = "CONVSCOPE_DATA"
CACHE_VARIABLE = "CONVSCOPE_CACHE"


def data_folder() -> Path | None:
    """The folder of data sets that the user names in CONVSCOPE_DATA (it is only read), or None."""
    named = os.environ.get(DATA_VARIABLE, "").strip()
    return Path(named).expanduser() if named else None


def cache_folder() -> Path:
    """Where downloads and decoded pictures are kept; all of it may be deleted at any time.

    CONVSCOPE_CACHE where it is set, else the system's own place: %LOCALAPPDATA%\\convscope\\cache on Windows,
    ~/Library/Caches/convscope on macOS, $XDG_CACHE_HOME/convscope or ~/.cache/convscope elsewhere.
    """
    named = os.environ.get(CACHE_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", "").strip()
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "convscope" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "convscope"
    xdg = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(xdg) if xdg else Path.home() / ".cache") / "convscope"
