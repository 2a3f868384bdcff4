"""Other processes: whether one still lives, though it is no child of ours any more, and how it is asked to stop.

A number alone names no process for ever: systems give it out again. With the time of its start it does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def began(pid: int) -> str:
    """When a process started, in the system's own words; "" where none of this number lives."""
    if pid <= 0:
        return ""
    if sys.platform == "win32":
        return _began_on_windows(pid)
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # the name in parentheses may hold anything: what follows the last one is state, parent, ...
            words = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if words[0] in "ZX" else words[19]
    words = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    try:
        done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except OSError:  # a system without ps tells nothing
        return ""
    state, _, when = done.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else when.strip()


def lives(pid: int, since: str) -> bool:
    """Whether the process that started `since` (as `began` says it) is still there."""
    return bool(since) and began(pid) == since


def ask_to_stop(pid: int) -> bool:
    """What Ctrl-C does; on Windows Ctrl-Break, which reaches a process group of the same console. Whether it was sent,
    or needn't be, since the process has gone."""
    number = getattr(signal, "CTRL_BREAK_EVENT") if sys.platform == "win32" else signal.SIGINT  # noqa: B009
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except OSError:  # on Windows a child of an earlier console is out of reach
        return not began(pid)
    return True


def on_its_own() -> dict[str, object]:
    """How `Popen` begins a process that the terminal's Ctrl-C doesn't reach, that stays when this one is killed, and
    that says what it says in UTF-8."""
    speaks = {"env": {**os.environ, "PYTHONIOENCODING": "utf-8"}}
    if sys.platform == "win32":
        return {**speaks, "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP")}  # noqa: B009
    return {**speaks, "start_new_session": True}


def _began_on_windows(pid: int) -> str:
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return ""
    try:
        times = [ctypes.c_ulonglong() for _ in range(4)]  # creation, exit, kernel, user
        known = kernel.GetProcessTimes(ctypes.c_void_p(handle), *(ctypes.byref(time) for time in times))
        return str(times[0].value) if known and not times[1].value else ""
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
