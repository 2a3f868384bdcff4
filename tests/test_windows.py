"""The package on a system without POSIX: every module is imported where those names are missing.

What the package does there instead, each behind one function: folders are not synced (files.sync_folder), space for
large arrays is taken by writing zeros (files.large_array), a rename is tried again while a scanner holds the file
(files.disk), the processor's flags are "unknown" and all cores count (run.machine). The tests of those rooms try each.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import convscope

#: Modules, and names of modules, that CPython has on POSIX systems only (library reference, "Availability: Unix").
MODULES = ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog", "posix", "curses", "readline", "crypt")
NAMES = {
    "os": (
        "fork forkpty getuid geteuid getgid getegid setuid setgid setsid setpgid getpgid killpg kill chown lchown "
        "fchown fchmod mkfifo mknod chroot nice uname getloadavg sched_getaffinity sched_setaffinity posix_fallocate "
        "posix_fadvise posix_spawn pread pwrite preadv pwritev sendfile sync fdatasync wait3 wait4 statvfs fstatvfs "
        "openpty ttyname tcgetpgrp O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_SYNC O_DSYNC WNOHANG copy_file_range memfd_create"
    ),
    "signal": (
        "SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGALRM SIGCHLD SIGPIPE SIGSTOP SIGTSTP SIGCONT SIGTTIN SIGTTOU "
        "SIGWINCH SIGXFSZ SIGXCPU alarm setitimer pause pthread_kill pthread_sigmask sigwait sigpending"
    ),
    "time": "tzset clock_settime pthread_getcpuclockid",
    "socket": "AF_UNIX socketpair_unix send_fds recv_fds",
    "mmap": "MAP_SHARED MAP_PRIVATE MAP_ANONYMOUS PROT_READ PROT_WRITE",
    "select": "poll epoll kqueue",
}

#: Third parties are imported first, whole; then the names go, and only our own modules are imported without them.
PROGRAM = """
import importlib, sys
for name in {others!r}:
    importlib.import_module(name)
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (on Windows)", name=name)
sys.meta_path.insert(0, Missing())
for name in {modules!r}:
    sys.modules.pop(name, None)
for module, names in {names!r}.items():
    module = importlib.import_module(module)
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
bad = []
for name in {ours!r}:
    try:
        importlib.import_module(name)
    except Exception as error:
        bad.append(f"{{name}}: {{type(error).__name__}}: {{error}}")
print("\\n".join(bad))
"""

OTHERS = [
    *("torch", "numpy", "lark", "typer", "rich.live", "pydantic", "safetensors.torch", "PIL.Image", "pooch"),
    *("email.utils", "multiprocessing"),
]


def modules() -> list[str]:
    """Every module of the package, found by walking it, without importing any."""
    found = ["convscope"]
    for folder in convscope.__path__:
        for path in Path(folder).rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if parts and parts[-1] != "__main__":
                found.append(".".join(("convscope", *parts)))
    return sorted(found)


def run(ours: list[str], cwd: Path, others: list[str]) -> str:
    program = PROGRAM.format(others=others, modules=MODULES, names=NAMES, ours=ours)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_walk_finds_what_python_finds() -> None:
    known = {info.name for info in pkgutil.iter_modules(convscope.__path__, "convscope.")}
    assert known - {"convscope.__main__"} <= set(modules())
    assert "convscope.train.checkpoint" in modules()


@pytest.mark.slow
def test_every_module_is_imported_without_posix(tmp_path: Path) -> None:
    assert run(modules(), tmp_path, OTHERS) == ""


@pytest.mark.parametrize("line", ["import fcntl", "import os; os.fork", "import signal; signal.SIGKILL"])
def test_the_test_sees_what_it_looks_for(tmp_path: Path, line: str) -> None:
    """A module with such a line is reported."""
    (tmp_path / "posix_only_module.py").write_text(line, encoding="utf-8")
    assert run(["posix_only_module"], tmp_path, []).startswith("posix_only_module: ")


def test_no_file_has_a_colon_in_its_name() -> None:
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        pytest.skip("the sources are in no Git repository")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    forbidden = set('<>:"|?*\\')
    assert [name for name in listed.split("\0") if forbidden & set(name)] == []
    lower = [name.lower() for name in listed.split("\0")]
    assert len(lower) == len(set(lower)), "two names differ in case only"
