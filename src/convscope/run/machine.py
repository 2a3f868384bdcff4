"""What a number depends on besides the recipe: this machine, its processor's abilities, the versions in use."""

from __future__ import annotations

import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from convscope import files
from convscope.data.threads import usable_cores

CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve")


def now() -> str:
    """The time, UTC, ISO 8601 without ":", so that it may stand in a file's name."""
    return time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime())


def environment() -> dict[str, Any]:
    """What a number depends on besides the recipe: machine, CPU flags, threads, versions, time, commit of the folder.

    Costs milliseconds: torch is asked for its threads only where it is loaded already.
    """
    torch = sys.modules.get("torch")
    processor, flags = _processor()
    return {
        "format": files.FORMAT,
        "time": now(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": processor,
        "cpu_flags": flags,
        "cores": usable_cores(),
        "threads": torch.get_num_threads() if torch is not None else None,
        "versions": {name: _version(name) for name in ("convscope", "torch", "numpy", "pillow", "safetensors")},
        "commit": commit(Path.cwd()),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> tuple[str, list[str] | str]:
    """The processor's name and the flags of interest, from Linux' /proc/cpuinfo; elsewhere "unknown"."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or "unknown", "unknown"
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    known = set((fields.get("flags") or fields.get("features") or "").split())
    name = fields.get("model name") or platform.processor() or "unknown"
    return name, [flag for flag in CPU_FLAGS if flag in known]


def commit(folder: Path) -> str | None:
    """The Git commit that the folder is at, read from .git without running git; None where it is in no repository."""
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        try:
            if git.is_file():  # a worktree: "gitdir: PATH"
                git = (parent / git.read_text(encoding="utf-8").partition(":")[2].strip()).resolve()
            if not (git / "HEAD").is_file():
                continue
            head = (git / "HEAD").read_text(encoding="utf-8").strip()
            if not head.startswith("ref: "):
                return head
            name = head.removeprefix("ref: ")
            shared = git / "commondir"
            root = (git / shared.read_text(encoding="utf-8").strip()).resolve() if shared.is_file() else git
            for place in (git, root):
                if (place / name).is_file():
                    return (place / name).read_text(encoding="utf-8").strip()
            packed = root / "packed-refs"
            for line in packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else ():
                if line.endswith(f" {name}"):
                    return line.split()[0]
        except (OSError, UnicodeDecodeError):
            return None
        return None
    return None
