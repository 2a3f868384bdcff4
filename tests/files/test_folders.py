"""Folders that are never reused, that appear whole, and manifests that hold."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from convscope import files
from convscope.errors import ConvscopeError, RunFailed
from faults import injected

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions, links and limits")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_folder_is_never_an_old_one(tmp_path: Path) -> None:
    assert files.new_folder(tmp_path / "runs" / "m").name == "m"
    assert files.new_folder(tmp_path / "runs" / "m").name == "m-2"
    (tmp_path / "runs" / "m-3").write_bytes(b"a file")
    assert files.new_folder(tmp_path / "runs" / "m").name == "m-4"


def test_folders_made_at_the_same_time_differ(tmp_path: Path) -> None:
    got: list[Path] = []
    threads = [threading.Thread(target=lambda: got.append(files.new_folder(tmp_path / "m"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 16


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for make in (files.make_folder, files.new_folder):
        with pytest.raises(RunFailed, match=r"The folder could not be made"):
            make(tmp_path / "file" / "below")
    with pytest.raises(RunFailed, match=r"The folder could not be made\. Free some space"), injected(1, "enospc"):
        files.new_folder(tmp_path / "m")


@posix
def test_removing_a_folder_follows_no_link(tmp_path: Path) -> None:
    files.write_text(tmp_path / "keep" / "f", "precious")
    files.write_text(tmp_path / "go" / "below" / "f", "litter")
    (tmp_path / "go" / "link").symlink_to(tmp_path / "keep")
    (tmp_path / "whole").symlink_to(tmp_path / "keep")
    for name in ("go", "whole", "never"):
        files.remove_folder(tmp_path / name)
    assert names(tmp_path) == ["keep"]
    assert files.read_text(tmp_path / "keep" / "f") == "precious"


def test_removing_in_words(tmp_path: Path) -> None:
    files.write_text(tmp_path / "go" / "f", "x")
    with pytest.raises(RunFailed, match=r"could not remove .*go: Input/output error"), injected(1, "eio"):
        files.remove_folder(tmp_path / "go")
    with pytest.raises(RunFailed, match=r"could not remove .*f: Input/output error"), injected(1, "eio"):
        files.remove_file(tmp_path / "go" / "f")
    files.remove_file(tmp_path / "go" / "f")
    files.remove_file(tmp_path / "go" / "f")
    assert names(tmp_path / "go") == []


def test_a_whole_folder_does_not_replace_one(tmp_path: Path) -> None:
    files.write_folder(tmp_path / "f", {"a": b"1", "b": b""})
    with pytest.raises(RunFailed, match="File exists"):
        files.write_folder(tmp_path / "f", {"a": b"2"})
    assert files.read_bytes(tmp_path / "f" / "a") == b"1"
    assert names(tmp_path) == ["f"]


def test_a_manifest_says_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    files.write_folder(folder, {"a": b"A", "猫": b"B"})
    promised = files.read_manifest(folder)
    assert promised == {"a": (1, files.sha256_bytes(b"A")), "猫": (1, files.sha256_bytes(b"B"))}
    assert files.read_verified(folder, "猫", promised["猫"]) == b"B"
    files.write_text(folder / "a", "C")
    with pytest.raises(
        ConvscopeError,
        match=f"a is damaged: it must have 1 bytes with SHA-256 {files.sha256_bytes(b'A')}. It has 1 bytes with "
        f"SHA-256 {files.sha256_bytes(b'C')}.",
    ):
        files.read_verified(folder, "a", promised["a"])


ENTRY = {"bytes": 1, "sha256": "0" * 64}


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"format": 1},
        {"format": 1, "files": []},
        {"format": 1, "files": {"a": 3}},
        {"format": 1, "files": {"a": {"bytes": 1}}},
        {"format": 1, "files": {"a": {"bytes": True, "sha256": "0" * 64}}},
        {"format": 1, "files": {"a": {"bytes": 1, "sha256": "0"}}},
        {"format": 1, "files": {"../a": ENTRY}},
        {"format": 1, "files": {"/a": ENTRY}},
        {"format": 1, "files": {"c:a": ENTRY}},
        {"format": 1, "files": {"a\\b": ENTRY}},
    ],
)
def test_a_damaged_manifest_in_words(tmp_path: Path, value: object) -> None:
    files.write_json(tmp_path / "manifest.json", value)
    with pytest.raises(ConvscopeError, match=r"manifest\.json is damaged: it must list the size and SHA-256"):
        files.read_manifest(tmp_path)
