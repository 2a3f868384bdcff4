"""One file, whole or not at all under every fault; lines that stay lines."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope import files
from convscope.errors import ConvscopeError, RunFailed
from convscope.files import disk
from faults import FAULTS, injected
from powerloss import recorded, states

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions, links and limits")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_bytes_text_and_json_come_back(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "a" / "b" / "c.bin", b"\x00\n\r\n\xff")
    assert files.read_bytes(tmp_path / "a" / "b" / "c.bin") == b"\x00\n\r\n\xff"
    files.write_text(tmp_path / "t.txt", "猫\nline\n")
    assert (tmp_path / "t.txt").read_bytes() == "猫\nline\n".encode()
    files.write_json(tmp_path / "j.json", {"名": [1, 0.1, None, True]})
    assert files.read_json(tmp_path / "j.json") == {"名": [1, 0.1, None, True]}
    assert "名" in files.read_text(tmp_path / "j.json")
    assert names(tmp_path) == ["a", "j.json", "t.txt"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_has_no_nan(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        files.write_json(tmp_path / "j.json", {"loss": value})
    assert names(tmp_path) == []


def test_writing_takes_what_needs_to_seek(tmp_path: Path) -> None:
    with files.writing(tmp_path / "a.npz") as file:
        np.savez(file, x=np.arange(5), y=np.ones((300, 300)))
    with np.load(tmp_path / "a.npz") as found:
        assert found["y"].sum() == 90_000
    with files.writing(tmp_path / "b") as file:
        file.write(b"hello")
        file.seek(1)
        file.write(b"a")
    assert files.read_bytes(tmp_path / "b") == b"hallo"


def _write_half(path: Path, error: BaseException) -> None:
    with files.writing(path) as file:
        file.write(b"half")
        raise error


def test_an_error_inside_leaves_the_old_file_and_passes_through(tmp_path: Path) -> None:
    files.write_text(tmp_path / "f", "old")
    for error in (KeyError("mine"), KeyboardInterrupt("mine")):
        with pytest.raises(type(error), match="mine"):
            _write_half(tmp_path / "f", error)
    with pytest.raises(FileNotFoundError, match=r"other\.txt"), files.writing(tmp_path / "f") as file:
        file.write((tmp_path / "other.txt").read_bytes())
    assert files.read_text(tmp_path / "f") == "old"
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("size", [3, 3 << 20])
@pytest.mark.parametrize("before", ["old", None])
def test_every_failing_call_leaves_the_old_or_the_new(tmp_path: Path, size: int, before: str | None) -> None:
    data = b"n" * size
    with injected(0, "eio") as counter:
        files.write_bytes(tmp_path / "count", data)
    (tmp_path / "count").unlink()
    outcomes: Counter[str] = Counter()
    for n, fault in itertools.product(range(1, len(counter.calls) + 1), FAULTS):
        path = tmp_path / "f"
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_text(before, encoding="utf-8")
        failure = None
        with injected(n, fault):
            try:
                files.write_bytes(path, data)
            except RunFailed as error:
                failure = error
        found = path.read_bytes() if path.exists() else None
        assert found in (data, before.encode() if before else None)
        assert failure or found == data
        assert failure is None or f"could not write {path}: " in str(failure)
        assert names(tmp_path) in (["f"], [])
        outcomes["new" if found == data else "old"] += 1
    assert min(outcomes["new"], outcomes["old"]) > 0


@pytest.mark.parametrize("before", [True, False])
def test_a_power_cut_leaves_the_old_or_the_new(tmp_path: Path, before: bool) -> None:
    root, copy = tmp_path / "root", tmp_path / "copy"
    root.mkdir()
    if before:
        files.write_text(root / "f", "the old text")
    shutil.copytree(root, copy)
    with recorded() as log:
        files.write_text(root / "f", "the new text!")
    seen = set()
    for done, found in states(copy, root, log, tmp_path / "found"):
        text = files.read_text(found / "f") if (found / "f").exists() else None
        assert text in ("the old text" if before else None, "the new text!")
        assert done < len(log) or text == "the new text!"
        seen.add(text)
    assert len(seen) == 2


def test_a_full_disk_in_words(tmp_path: Path) -> None:
    files.write_text(tmp_path / "f", "old")
    with (
        pytest.raises(
            RunFailed,
            match=r"could not write .*f: No space left on device\. The file that was there is whole\. Free some space",
        ) as caught,
        injected(2, "enospc"),
    ):
        files.write_text(tmp_path / "f", "new")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    with pytest.raises(RunFailed, match=r"Nothing was written\. Free some space"), injected(2, "enospc"):
        files.write_text(tmp_path / "g", "new")
    with pytest.raises(RunFailed, match=r"Input/output error.*Choose another place"), injected(2, "eio"):
        files.write_text(tmp_path / "g", "new")
    with injected(0, "eio") as counter:
        files.write_text(tmp_path / "f", "old")
    with pytest.raises(RunFailed, match="may not outlive a power cut"), injected(len(counter.calls), "eio"):
        files.write_text(tmp_path / "f", "new")


@posix
def test_a_real_limit_on_the_size_of_files(tmp_path: Path) -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from convscope import files; files.write_bytes(sys.argv[1], bytes(80_000))"
    )
    files.write_text(tmp_path / "f", "old")
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "f"], capture_output=True, text=True, check=False)
    assert "File too large. The file that was there is whole. Free some space" in done.stderr
    assert files.read_text(tmp_path / "f") == "old"
    assert names(tmp_path) == ["f"]


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_forbidden_folder_in_words(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunFailed, match="Choose a place that you may write to"):
            files.write_text(tmp_path / "f", "new")
    finally:
        tmp_path.chmod(0o700)


def test_a_forbidden_file_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(disk, "_open", refuse)
    with pytest.raises(RunFailed, match=r"Permission denied.*Choose a place that you may write to"):
        files.write_text(tmp_path / "f", "new")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match=r"a file is to be written at .*, but there is a folder"):
        files.write_text(tmp_path, "new")


@posix
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    files.write_text(tmp_path / "real" / "f", "old")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "f")
    files.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert files.read_text(tmp_path / "real" / "f") == "new"


@posix
def test_what_is_no_regular_file_is_written_straight(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    files.write_text(tmp_path / "pipe", "through")
    reader.join(5)
    assert got == [b"through"]


def test_a_temporary_file_is_never_anothers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_bytes(b"another writer's")
    monkeypatch.setattr(disk, "_temporary", lambda path: tmp_path / "taken")
    with pytest.raises(RunFailed, match="File exists"):
        files.write_text(tmp_path / "f", "new")
    assert (tmp_path / "taken").read_bytes() == b"another writer's"


def test_two_writers_of_one_file_leave_one_of_the_two(tmp_path: Path) -> None:
    contents = [bytes([number]) * 300_000 for number in range(8)]
    threads = [threading.Thread(target=files.write_bytes, args=(tmp_path / "f", c)) for c in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files.read_bytes(tmp_path / "f") in contents
    assert names(tmp_path) == ["f"]


def test_what_a_killed_writer_left_goes_after_a_day(tmp_path: Path) -> None:
    old, young, other = (tmp_path / f".{name}.part" for name in ("f[1].aaaa", "f[1].bbbb", "g.cccc"))
    for part in (old, young, other):
        part.write_bytes(b"litter")
    for part in (old, other):
        os.utime(part, (time.time() - 100_000, time.time() - 100_000))
    files.write_text(tmp_path / "f[1]", "new")
    assert names(tmp_path) == sorted([young.name, other.name, "f[1]"])


def test_a_file_held_open_is_tried_again_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for Windows, where a virus scanner holds new files for some milliseconds."""
    (tmp_path / "a").write_bytes(b"1")
    tries: list[int] = []
    real = Path.replace

    def held(self: Path, target: Path) -> Path:
        tries.append(1)
        if len(tries) < 3:
            raise PermissionError(errno.EACCES, "held")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", held)
    with pytest.raises(PermissionError):
        disk._replace(tmp_path / "a", tmp_path / "b")
    monkeypatch.setattr(sys, "platform", "win32")
    disk._replace(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"1"


def test_on_windows_a_folder_is_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with injected(0, "eio") as counter:
        files.sync_folder(tmp_path)
    assert counter.calls == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_syncs_no_folders_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = disk._fsync

    def fsync(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(disk, "_fsync", fsync)
    files.write_text(tmp_path / "f", "new")
    assert files.read_text(tmp_path / "f") == "new"


# Lines


def test_lines_come_back(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for number in range(3):
        files.append_line(path, {"n": number, "名": "猫\n"}, sync=number == 1)
    assert files.read_lines(path) == [{"n": n, "名": "猫\n"} for n in range(3)]
    assert path.read_bytes().count(b"\n") == 3


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=4))
def test_a_half_line_is_dropped(cuts: list[int]) -> None:
    """Writers killed one after the other, each somewhere in its line, also in the middle of a letter of three bytes."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "log.jsonl"
        expected: list[dict[str, object]] = []
        for number, cut in enumerate(cuts):
            line: dict[str, object] = {"n": number, "text": "猫" * 25}
            files.append_line(path, line)
            whole = path.read_bytes()
            path.write_bytes(whole[:-cut])
            assert files.read_lines(path) == expected
            # Without its newline alone a record is whole, and counts once another line follows.
            expected += [line] if cut == 1 else []
            files.append_line(path, {"n": "after"})
            expected.append({"n": "after"})
            assert files.read_lines(path) == expected


def test_a_very_long_half_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    files.append_line(path, {"n": 1})
    with path.open("ab") as file:
        file.write(b"x" * 10_000)
    files.append_line(path, {"n": 2})
    assert files.read_lines(path) == [{"n": 1}, {"n": 2}]
    path.write_bytes(b"y" * 10_000)
    files.append_line(path, {"n": 3})
    assert files.read_lines(path) == [{"n": 3}]


def test_a_failing_append_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    files.append_line(path, {"n": 0})
    with injected(0, "eio") as counter:
        files.append_line(path, {"n": 1}, sync=True)
    for n, fault in itertools.product(range(1, len(counter.calls) + 1), FAULTS):
        before = files.read_lines(path)
        failed = False
        with injected(n, fault):
            try:
                files.append_line(path, {"n": n, "long": "x" * 100}, sync=True)
            except RunFailed as error:
                failed = True
                words = str(error)
        found = files.read_lines(path)
        assert found in (before, [*before, {"n": n, "long": "x" * 100}])
        assert failed or len(found) == len(before) + 1
        if failed:
            assert "Its earlier lines are whole." in words


def test_lines_from_many_threads_stay_whole(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(100):
            files.append_line(tmp_path / "l", {"n": number, "x": "y" * 3000})

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(line["n"] for line in files.read_lines(tmp_path / "l")) == dict.fromkeys(range(4), 100)
