"""The split: by content, kept, and never torn."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from convscope.data import split
from convscope.errors import ConvscopeError

CLASSES = ("cat", "dog", "hen")


def content(words: list[str]) -> NDArray[np.uint8]:
    """A content hash for each word: (N, 32)."""
    return np.stack([np.frombuffer(hashlib.sha256(w.encode()).digest(), np.uint8) for w in words])


def some(n: int, prefix: str = "p") -> tuple[list[str], NDArray[np.int64], NDArray[np.uint8]]:
    names = [f"{prefix}{i}.png" for i in range(n)]
    return names, np.arange(n, dtype=np.int64) % 3, content(names)


def test_each_class_gives_its_share() -> None:
    names, labels, hashes = some(300)
    made = split.assign(names, labels, CLASSES, hashes)
    assert made.counts() == {"train": 210, "validation": 45, "test": 45}
    for part, n in (("train", 70), ("validation", 15), ("test", 15)):
        assert np.bincount(labels[made.rows(part)]).tolist() == [n, n, n]


def test_at_least_one_picture_of_a_class_in_each_part() -> None:
    names, labels, hashes = some(9)
    made = split.assign(names, labels, CLASSES, hashes, validation=0.01, test=0.01)
    assert made.counts() == {"train": 3, "validation": 3, "test": 3}
    crowded = split.assign(names, labels, CLASSES, hashes, validation=0.05, test=0.9)
    assert crowded.counts() == {"train": 3, "validation": 3, "test": 3}


def test_zero_is_none() -> None:
    names, labels, hashes = some(30)
    assert split.assign(names, labels, CLASSES, hashes, validation=0, test=0).counts()["train"] == 30
    assert split.assign(names, labels, CLASSES, hashes, validation=0).counts()["validation"] == 0


def test_the_seed_decides_and_the_order_of_files_does_not() -> None:
    names, labels, hashes = some(200)
    made = split.assign(names, labels, CLASSES, hashes, seed=3)
    order = np.random.default_rng(0).permutation(200)
    again = split.assign([names[i] for i in order], labels[order], CLASSES, hashes[order], seed=3)
    before = dict(zip(made.names, made.parts.tolist(), strict=True))
    assert before == dict(zip(again.names, again.parts.tolist(), strict=True))
    assert made.sha256 == again.sha256
    renamed = split.assign([f"x{n}" for n in names], labels, CLASSES, hashes, seed=3)
    assert (renamed.parts == made.parts).all()
    other = split.assign(names, labels, CLASSES, hashes, seed=4)
    assert (other.parts != made.parts).any()
    assert other.sha256 != made.sha256


def test_brought_parts_stay_and_validation_comes_out_of_training() -> None:
    names, labels, hashes = some(120)
    brought = ["test" if i % 4 == 0 else "train" for i in range(120)]
    made = split.assign(names, labels, CLASSES, hashes, brought=brought, validation=0.1, test=0.5)
    assert made.rows("test").tolist() == list(range(0, 120, 4))
    assert made.counts() == {"train": 81, "validation": 9, "test": 30}
    both = ["validation" if i % 4 == 1 else b for i, b in enumerate(brought)]
    assert split.assign(names, labels, CLASSES, hashes, brought=both).counts() == {
        "train": 60,
        "validation": 30,
        "test": 30,
    }


def test_a_saved_split_is_read_back(tmp_path: Path) -> None:
    names, labels, hashes = some(30)
    names[3] = 'odd, "name"\n照片.png'
    groups = ["g1" if i < 5 else "" for i in range(30)]
    made = split.assign(names, labels, CLASSES, hashes, groups=groups)
    made.save(tmp_path / "split.csv")
    read = split.load(tmp_path / "split.csv")
    assert (read.names, read.labels, read.groups) == (made.names, made.labels, made.groups)
    assert (read.parts == made.parts).all()
    assert (read.hashes == made.hashes).all()
    again = split.assign(names, labels, CLASSES, hashes, groups=groups, listed=read, seed=99)
    assert (again.parts == made.parts).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n", "must begin with the line name,label,part,hash,group"),
        ("name,label,part,hash,group\nx,cat,train,00\n", "line 2: a line must hold name, label, part"),
        (f"name,label,part,hash,group\nx,cat,trian,{'0' * 32},\n", "line 2: a line must hold"),
        ("name,label,part,hash,group\nx,cat,train,00ff,\n", "line 2: a line must hold"),
        ("name,label,part,hash,group\nx,cat,train,,\n", "line 2: a line must hold"),
    ],
)
def test_a_damaged_split_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "split.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConvscopeError, match=said):
        split.load(tmp_path / "split.csv")


def test_a_thousand_additions_move_no_listed_picture() -> None:
    names, labels, hashes = some(60)
    made = split.assign(names, labels, CLASSES, hashes)
    first = dict(zip(made.names, made.parts.tolist(), strict=True))
    rng = np.random.default_rng(1)
    for addition in range(100):  # ten pictures each: a thousand
        names = [*names, *(f"new{addition}-{i}.png" for i in range(10))]
        labels = np.concatenate([labels, rng.integers(0, 3, 10)])
        order = rng.permutation(len(names))
        names, labels = [names[i] for i in order], labels[order]
        before = made
        made = split.assign(names, labels, CLASSES, content(names), listed=made)
        now = dict(zip(made.names, made.parts.tolist(), strict=True))
        assert all(now[n] == p for n, p in zip(before.names, before.parts.tolist(), strict=True))
    assert all(now[n] == p for n, p in first.items())
    added = [p for n, p in now.items() if n not in first]
    assert 0.11 < added.count(2) / 1000 < 0.19
    assert 0.11 < added.count(1) / 1000 < 0.19


def test_later_pictures_fall_by_themselves_whoever_comes_with_them() -> None:
    names, labels, hashes = some(60)
    made = split.assign(names, labels, CLASSES, hashes)
    more = [f"later{i}" for i in range(50)]
    all_at_once = split.assign([*names, *more], np.zeros(110, np.int64), CLASSES, content([*names, *more]), listed=made)
    for i, name in enumerate(more):
        alone = split.assign([*names, name], np.zeros(61, np.int64), CLASSES, content([*names, name]), listed=made)
        assert alone.parts[-1] == all_at_once.parts[60 + i]


def test_an_edited_or_a_renamed_picture_stays() -> None:
    names, labels, hashes = some(60)
    made = split.assign(names, labels, CLASSES, hashes)
    edited = content(["edited", *names[1:]])
    assert (split.assign(names, labels, CLASSES, edited, listed=made).parts == made.parts).all()
    renamed = [f"new name {i}" for i in range(60)]
    assert (split.assign(renamed, labels, CLASSES, hashes, listed=made).parts == made.parts).all()
    swapped = names[::-1]  # names handed round: the content is the picture
    assert (split.assign(swapped, labels, CLASSES, hashes, listed=made).parts == made.parts).all()


def test_copies_stand_in_one_part_and_are_told() -> None:
    words = [f"w{i // 2}" for i in range(200)]
    names = [f"{i}.png" for i in range(200)]
    labels = np.array([(i // 2) % 3 for i in range(200)], np.int64)
    made = split.assign(names, labels, CLASSES, content(words))
    assert (made.parts[::2] == made.parts[1::2]).all()
    assert any("100 pictures are copies of another with the same content (such as " in n for n in made.notes)


def test_copies_across_brought_parts_are_told() -> None:
    names, labels, _ = some(60)
    words = ["same" if i in (0, 1) else f"w{i}" for i in range(60)]
    brought = ["test" if i % 2 else "train" for i in range(60)]
    made = split.assign(names, labels, CLASSES, content(words), brought=brought)
    assert any("1 picture stands in more than one part with the same content" in n for n in made.notes)


def test_one_picture_in_two_classes_is_told() -> None:
    names, labels, hashes = some(30)
    hashes[1] = hashes[0]  # a cat that is a dog too
    said = " ".join(split.assign(names, labels, CLASSES, hashes).notes)
    assert "1 picture stands in more than one class with the same content" in said
    hashes[4] = hashes[7]  # two dogs
    hashes[1] = content(["another"])[0]
    assert "more than one class" not in " ".join(split.assign(names, labels, CLASSES, hashes).notes)


def test_copies_across_brought_parts_stay_where_they_were_listed() -> None:
    """What a run trained on must still be training when its split is read again, though a later part has a copy."""
    names = ["train/a.png", "train/b.png", "val/a.png", "test/b.png"]
    brought = ["train", "train", "validation", "test"]
    hashes = content(["a", "b", "a", "b"])
    labels = np.array([0, 1, 0, 1])
    made = split.assign(names, labels, CLASSES, hashes, brought=brought)
    again = split.assign(names, labels, CLASSES, hashes, brought=brought, listed=made)
    assert made.parts.tolist() == again.parts.tolist() == [0, 0, 1, 2]


def test_groups_never_straddle() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        names, labels, hashes = some(300)
        groups = [f"g{g}" if g < 40 else "" for g in rng.integers(0, 50, 300).tolist()]
        made = split.assign(names, labels, CLASSES, hashes, groups=groups, seed=seed)
        parts: dict[str, set[int]] = {}
        for group, part in zip(groups, made.parts.tolist(), strict=True):
            parts.setdefault(group, set()).add(part)
        assert all(len(where) == 1 for group, where in parts.items() if group)
        assert 25 <= made.counts()["test"] <= 65
        more = [f"later{i}" for i in range(30)]
        joined = split.assign(
            [*names, *more],
            np.zeros(330, np.int64),
            CLASSES,
            content([*names, *more]),
            groups=[*groups, *groups[:15], *(f"new{i // 3}" for i in range(15))],
            listed=made,
        )
        for i in range(15):
            if groups[i]:
                assert joined.parts[300 + i] == made.parts[i]
        assert all(len(set(joined.parts[315 + 3 * i : 318 + 3 * i].tolist())) == 1 for i in range(5))


def test_a_listed_split_made_without_the_groups_is_refused() -> None:
    names, labels, hashes = some(60)
    made = split.assign(names, labels, CLASSES, hashes)
    with pytest.raises(ConvscopeError, match=r"the pictures of a group must stand in one part"):
        split.assign(names, labels, CLASSES, hashes, groups=["one"] * 60, listed=made)


def test_groups_torn_by_the_data_are_told() -> None:
    names, labels, hashes = some(60)
    brought = ["test" if i % 2 else "train" for i in range(60)]
    groups = [f"g{i // 20}" for i in range(60)]
    made = split.assign(names, labels, CLASSES, hashes, brought=brought, groups=groups, validation=0)
    assert any("3 group(s) stand in more than one part, as the data brings them: g0, g1, g2" in n for n in made.notes)


def test_a_class_too_small_is_told_and_a_part_left_empty_is_an_error() -> None:
    names, _, hashes = some(22)
    labels = np.array([0] * 10 + [1] * 11 + [2], np.int64)
    made = split.assign(names, labels, CLASSES, hashes)
    assert any("the test part has no picture of hen" in note for note in made.notes)
    with pytest.raises(ConvscopeError, match=r"the test part must get at least one picture|validation part must get"):
        split.assign(names, labels, CLASSES, hashes, groups=[str(i) for i in labels])


@pytest.mark.parametrize(
    ("validation", "test", "said"),
    [
        (1.0, 0.1, r"split.validation must be a fraction from 0 \(none\) to below 1. Got 1"),
        (0.1, -0.1, "split.test must be a fraction"),
        (0.5, 0.5, "must leave something to train on: their sum must be below 1. Got 0.5 [+] 0.5"),
        (0.1, float("nan"), "split.test must be a fraction"),
    ],
)
def test_fractions_that_leave_nothing(validation: float, test: float, said: str) -> None:
    with pytest.raises(ConvscopeError, match=said):
        split.check_fractions(validation, test)


def test_no_such_part() -> None:
    names, labels, hashes = some(30)
    with pytest.raises(ConvscopeError, match=r"unknown part 'trian', did you mean 'train'"):
        split.assign(names, labels, CLASSES, hashes).rows("trian")
