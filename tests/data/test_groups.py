"""What belongs together: named by the user, or suspected and said."""

from __future__ import annotations

import io
import shlex
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from convscope.data import groups
from convscope.data.listing import Files, Source
from convscope.errors import ConvscopeError


def source(names: list[str], columns: dict[str, tuple[str, ...]] | None = None, files: bool = True) -> Source:
    labels = np.array([int(name.startswith("dog")) for name in names], np.int64)
    listed = Files("k", len(names), lambda i: io.BytesIO()) if files else None
    none = ("",) * len(names)
    return Source("x", "folder", None, ("cat", "dog"), labels, tuple(names), none, files=listed, columns=columns or {})


def no_times(n: int) -> NDArray[np.int64]:
    return np.full(n, -1, np.int64)


FILMS = [f"{kind}/film{k}/frame_{i:04d}.jpg" for kind in ("cat", "dog") for k in range(3) for i in range(10)]


def test_folder_pattern_and_column() -> None:
    films = source(FILMS, {"patient": tuple(f"p{i // 7}" for i in range(60))})
    assert groups.names(films, "") == ()
    assert set(groups.names(films, "folder")) == {f"{kind}/film{k}" for kind in ("cat", "dog") for k in range(3)}
    assert set(groups.names(films, r"(film\d)")) == {"film0", "film1", "film2"}
    assert set(groups.names(films, r"film\d")) == {"film0", "film1", "film2"}
    assert groups.names(films, "patient")[8] == "p1"
    assert groups.notes(films, "film0", groups.names(films, "film0")) == [
        "split.group = 'film0' keeps 20 pictures together in 1 groups; 40 pictures are in none and stand alone."
    ]


@pytest.mark.parametrize(
    ("names", "group", "said"),
    [
        (
            ["cat/1.jpg", "cat/2.jpg", "dog/3.jpg"],
            "folder",
            "needs several folders in each class folder.*lie in one: cat",
        ),
        (FILMS, "(film", r"'\(film' is none of these"),
        (FILMS, "patient", "'patient' must match some of the pictures' names, such as 'cat/film0/frame_0000.jpg'"),
    ],
)
def test_groups_that_are_none(names: list[str], group: str, said: str) -> None:
    with pytest.raises(ConvscopeError, match=said):
        groups.names(source(names), group)


def test_a_column_misspelt_and_a_data_set_without_folders() -> None:
    with pytest.raises(ConvscopeError, match=r"It is no column of the table either \(patient\)"):
        groups.names(source(FILMS, {"patient": ("p",) * 60}), "patiend")
    with pytest.raises(ConvscopeError, match=r"or a column of the table \(patient\)"):
        groups.names(source(FILMS, {"patient": ("p",) * 60}), "(pat")
    with pytest.raises(ConvscopeError, match=r"split.group goes with a folder or a .csv"):
        groups.names(source(FILMS, files=False), "folder")


@pytest.mark.parametrize(
    "names",
    [
        FILMS,
        [f"cat/video{k}-{i}.png" for k in range(2) for i in range(20)],
        [f"dog/00000IMG_0000{k}_BURST2019030412{k}_{i}.jpg" for k in range(4) for i in range(5)],
        [f"cat/photo{k}_jpg.rf.{i:032x}.jpg" for k in range(10) for i in range(3)],
        [f"dog/patient{k}_{i:03d}.png" for k in range(8) for i in range(6)],
    ],
)
def test_names_that_suggest_groups_name_the_flag(names: list[str]) -> None:
    said = groups.warning(source(names), no_times(len(names)))
    assert len(said) == 1
    assert "--group" in said[0]


def suggested(said: str) -> str:
    """What stands behind --group in a warning, as a shell hands it on."""
    return shlex.split(said[said.index("--group") : -1])[1]


# each: the names of one burst, film, patient or picture a list
TOGETHER = {
    "frames to tens": [[f"a/film{k}_frame{i:04d}.png" for i in range(40)] for k in "ab"],
    "frames in folders": [[f"{c}/film{k}/frame_{i:04d}.jpg" for i in range(40)] for c in ("cat", "dog") for k in "01"],
    "frames and dots": [[f"a/film 1.{k} frame{i}.png" for i in range(8, 112)] for k in range(3)],
    "videos": [[f"cat/video{k}-{i}.JPEG" for i in range(20)] for k in range(12)],
    "burst with a count behind": [
        [f"a/IMG_2019030{k}_120000_BURST{i:03d}{'_COVER' * (i == 1)}.jpg" for i in range(1, 13)] for k in range(3)
    ],
    "burst with counts before": [
        [f"a/{i:05d}IMG_{i:05d}_BURST2019030412000{k}{'_COVER' * (i == 1)}.jpg" for i in range(12)] for k in range(3)
    ],
    "copies": [
        [f"{c}/photo{k}.v2_jpg.rf.{i + 100 * k:032x}.jpg" for i in range(3) for c in ("cat",)] for k in range(10)
    ],
    "patients": [[f"{'cat' if i % 2 else 'dog'}/patient{k}_{i:03d}.png" for i in range(12)] for k in range(12)],
    "patients with a word": [[f"dog/p{k}-scan{i}.png" for i in range(12)] for k in range(12)],
}


@pytest.mark.parametrize("bursts", TOGETHER.values(), ids=TOGETHER)
def test_what_is_suggested_makes_a_group_of_each_burst(bursts: list[list[str]]) -> None:
    flat = source([name for burst in bursts for name in burst])
    (said,) = groups.warning(flat, no_times(len(flat)))
    found = groups.names(flat, suggested(said))
    assert all(found)
    of = dict(zip(flat.names, found, strict=True))
    made = [{of[name] for name in burst} for burst in bursts]
    assert [len(one) for one in made] == [1] * len(bursts)
    assert len(set.union(*made)) == len(bursts)


def test_what_is_suggested_of_bursts_by_the_clocks() -> None:
    scenes = [f"cat/scene{k // 5 + 1}/IMG_{k:04d}.jpg" for k in range(60)]
    times = np.array([1_000_000 + 3600 * (i // 5) + i % 5 for i in range(60)])
    (said,) = groups.warning(source(scenes), times)
    found = groups.names(source(scenes), suggested(said))
    assert found == tuple(name.rpartition("/")[0] for name in scenes)
    for mixed in ([f"cat/{k % 2}/IMG_{k:04d}.jpg" for k in range(60)], [f"cat/IMG_{k:04d}.jpg" for k in range(60)]):
        (said,) = groups.warning(source(mixed), times)
        assert said.endswith("--group folder, once each scene has a folder of its own below its class folder.")
    listed = replace(source(scenes), kind="csv")
    assert groups.warning(listed, times)[0].endswith("--group COLUMN, a column of the table that names the scene of "
                                                     "each picture.")  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [
        [f"cat/IMG_{i:04d}.jpg" for i in range(50)],
        [f"cat/{i:04d}.jpg" for i in range(50)],
        [f"cat/cat.{i}.jpg" for i in range(50)],
        [f"dog/n02099601_{i}.JPEG" for i in range(50)],
        [f"dog/IMG_202401{d:02d}_1200{i:02d}.jpg" for d in range(10) for i in range(5)],
        [f"dog/photo of a dog {i}.png" for i in range(50)],
    ],
)
def test_ordinary_names_bring_no_warning(names: list[str]) -> None:
    assert groups.warning(source(names), no_times(len(names))) == []


def test_times_that_suggest_bursts() -> None:
    names = [f"cat/IMG_{i:04d}.jpg" for i in range(60)]
    bursts = np.array([1_000_000 + 3600 * (i // 5) + i % 5 for i in range(60)])
    said = groups.warning(source(names), bursts)
    assert len(said) == 1
    assert "60 pictures were taken within 2 seconds of another" in said[0]
    assert "--group" in said[0]
    assert groups.warning(source(names), np.arange(60) * 60) == []
    assert groups.warning(source(names), np.full(60, 946_684_800)) == []  # a clock that nobody set
