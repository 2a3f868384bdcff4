"""Folders as people lay them out, and what is said where they aren't laid out as data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from convscope.data import folder
from convscope.data.listing import class_order
from convscope.errors import ConvscopeError


def put(root: Path, *paths: str) -> Path:
    """Files with their path as content; a path that ends in "/" is an empty folder."""
    for path in paths:
        target = root / path
        if path.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path, encoding="utf-8")
    return root


def test_class_folders_and_folders_below_them(tmp_path: Path) -> None:
    root = put(tmp_path / "my 照片", "猫/1.jpg", "猫/deep/er/2.jpg", "狗/3", "readme.txt")
    source = folder.find("x", root)
    assert source.classes == ("狗", "猫")
    assert source.names == ("狗/3", "猫/1.jpg", "猫/deep/er/2.jpg")
    assert source.labels.tolist() == [0, 1, 1]
    assert source.parts == ("", "", "")
    assert source.others == (("readme.txt", "it is not in a class folder"),)
    assert source.files is not None
    assert source.files.stream(2).read().decode() == "猫/deep/er/2.jpg"
    assert source.rows(source.labels.nonzero()[0]).files.stream(0).read().decode() == "猫/1.jpg"  # type: ignore[union-attr]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_parts_that_the_data_brings(tmp_path: Path, val: str) -> None:
    root = put(tmp_path, "train/a/1", "train/b/2", f"{val}/a/3", f"{val}/b/4", "test/a/5", "test/b/", "old/x/9")
    source = folder.find("x", root)
    assert source.classes == ("a", "b")
    assert dict(zip(source.names, source.parts, strict=True)) == {
        "train/a/1": "train",
        "train/b/2": "train",
        f"{val}/a/3": "validation",
        f"{val}/b/4": "validation",
        "test/a/5": "test",
    }
    assert source.others == (("old/x/9", f"it is not in {', '.join(sorted(['test', 'train', val]))}"),)


def test_a_train_folder_alone_is_a_part_and_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    assert folder.find("x", put(tmp_path / "1", "train/a/1", "train/b/2")).classes == ("a", "b")
    assert folder.find("x", put(tmp_path / "2", "train/1", "bus/2")).classes == ("bus", "train")
    assert folder.find("x", put(tmp_path / "3", "train/deep/1", "bus/2")).classes == ("bus", "train")


def test_system_and_hidden_files_are_counted_and_no_pictures(tmp_path: Path) -> None:
    root = put(tmp_path, "a/1", "b/2", "a/.DS_Store", "b/Thumbs.db", "a/._1", "__MACOSX/a/._1", ".git/x", "b/.hidden")
    source = folder.find("x", root)
    assert source.names == ("a/1", "b/2")
    assert source.classes == ("a", "b")
    assert source.system == 4


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    root = put(tmp_path / "data", "a/1", "b/2")
    put(tmp_path / "elsewhere", "3")
    try:
        (root / "a" / "more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (root / "b" / "round").symlink_to(root, target_is_directory=True)
    except OSError:
        pytest.skip("this system lets a user make no links")
    assert folder.find("x", root).names == ("a/1", "a/more/3", "b/2")


def test_a_link_to_nowhere_is_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    root = put(tmp_path / "data", "a/1", "b/2")
    try:
        (root / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    except OSError:
        pytest.skip("this system lets a user make no links")
    source = folder.find("x", root)
    assert source.names == ("a/1", "a/gone.png", "b/2")
    assert source.files is not None
    with pytest.raises(FileNotFoundError):
        source.files.stream(1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    root = put(tmp_path, "a/1", "b/2")
    os.mkfifo(root / "a" / "pipe.png")
    source = folder.find("x", root)
    assert source.names == ("a/1", "b/2")
    assert source.system == 1


def test_classes_that_are_numbers_are_ordered_by_value() -> None:
    assert class_order(["10", "2", "1"]) == ("1", "2", "10")
    assert class_order(["10", "2", "x"]) == ("10", "2", "x")


def test_the_key_changes_with_the_files(tmp_path: Path) -> None:
    root = put(tmp_path, "a/1", "b/2")
    first = folder.find("x", root).files
    again = folder.find("x", root).files
    put(root, "a/11")
    more = folder.find("x", root).files
    assert first is not None
    assert again is not None
    assert more is not None
    assert first.key == again.key != more.key


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ([], "must hold a folder for each class, with its pictures inside. It is empty."),
        (["1.jpg", "2.jpg"], "must hold a folder for each class.* It holds 2 files and no folder"),
        (["cat/1"], "must hold at least two classes, a folder for each. It holds one: cat"),
        (["all/cat/1", "all/dog/2"], "It holds one: all. Did you mean .*all"),
        (["cat/1", "dog/"], "must hold at least one picture. dog: empty"),
        (["train/a/1", "train/b/", "test/a/2", "test/b/3"], "must hold at least one picture. b: empty"),
        (
            ["train/a/1", "train/b/2", "test/a/3", "test/c/4"],
            "train/ and test/ must hold the same class folders. test/ lacks b; train/ lacks c",
        ),
        (["train/a/1", "train/b/2", "val/a/3"], "train/ and val/ must hold the same class folders. val/ lacks b"),
        (["train/a/1", "train/b/2", "test/3"], "test/ lacks a, b"),
        (["train/a/1", "train/b/2", "val/a/3", "valid/a/4"], "val and valid both mean the validation part"),
        (["train/a/1", "val/a/2"], "must hold at least two classes, a folder for each. It holds one: a"),
    ],
)
def test_what_is_no_data_set(tmp_path: Path, paths: list[str], said: str) -> None:
    with pytest.raises(ConvscopeError, match=said):
        folder.find("x", put(tmp_path, *paths))


def test_a_slice_takes_each_class_in_turn(folder_of: Callable[..., Path]) -> None:
    source = folder.find("x", folder_of(("a", "b", "c"), 5)).first(7)
    assert source.names == ("a/000.png", "a/001.png", "a/002.png", "b/000.png", "b/001.png", "c/000.png", "c/001.png")
    assert source.files is not None
    with pytest.raises(ConvscopeError, match=r"must take 1 to 7 pictures, as many as there are to train on. Got 8"):
        source.first(8)
