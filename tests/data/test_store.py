"""From a folder, a table or a name to image sets that can be trained on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.data import cache, places, store
from convscope.data.images import DataSet
from convscope.errors import ConvscopeError

Maker = Callable[..., Path]


def everything(data: DataSet) -> dict[str, bytes]:
    """The stored bytes of each picture by name."""
    parts = (data.train, data.validation, data.test)
    return {name: image.tobytes() for part in parts for name, image in zip(part.names, part.images, strict=True)}


def test_digits_are_there_without_files() -> None:
    data = store.load("digits")
    assert data.train.images.shape == (1259, 1, 8, 8)
    assert data.split.counts() == {"train": 1259, "validation": 269, "test": 269}
    assert data.classes == tuple("0123456789")
    assert data.train.images.max() == 255
    ids = np.concatenate([data.train.ids, data.validation.ids, data.test.ids])
    assert sorted(ids.tolist()) == list(range(1797))
    assert data.root is None
    assert data.sha256 == store.load("digits", seed=5).sha256
    assert data.preprocess.mean == pytest.approx([data.train.images.mean() / 255])
    assert data.preprocess.std == pytest.approx([data.train.images.std() / 255])


def test_digits_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    from convscope.data import digits

    images, labels = digits.read()
    bunch = datasets.load_digits()
    assert (images[:, 0] == np.floor(bunch.images * 255 / 16 + 0.5)).all()
    assert (labels == bunch.target).all()


def test_statistics_are_of_the_training_part_or_as_given() -> None:
    given = store.load("digits", mean=(0.5,), std=(0.25,))
    assert (given.preprocess.mean, given.preprocess.std) == ((0.5,), (0.25,))
    whole = store.load("digits", validation=0, test=0, mean="position-range", std="position-range")
    assert len(whole.preprocess.mean) == 64
    assert whole.preprocess.std.count(1.0) >= 3  # the positions that never change
    assert store.load("digits", per_picture=True).preprocess.per_picture
    with pytest.raises(ConvscopeError, match=r"unknown value of input.mean 'trian', did you mean 'train'"):
        store.load("digits", mean="trian")  # type: ignore[arg-type]


def test_a_size_that_is_not_the_data_sets_own() -> None:
    data = store.load("digits[:50]", size=(12, 16), channels=3, fit="stretch")
    assert data.train.images.shape[1:] == (3, 12, 16)
    assert data.preprocess.size == (12, 16)


@pytest.mark.parametrize("spec", ["digits[:0]", "digits[:1798]"])
def test_a_slice_that_cannot_be(spec: str) -> None:
    with pytest.raises(ConvscopeError, match=r"must take 1 to 1797 pictures"):
        store.load(spec)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("mnits", "there is no folder and no .csv .*mnits. unknown data set 'mnits', did you mean 'mnist'"),
        ("nowhere/at all", "there is no folder and no .csv"),
        ("", "there is no folder and no .csv"),
    ],
)
def test_data_that_is_not_there(tmp_path: Path, spec: str, said: str) -> None:
    with pytest.raises(ConvscopeError, match=said):
        store.load(spec, base=tmp_path)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("x", encoding="utf-8")
    with pytest.raises(
        ConvscopeError, match=r"data must be a folder, a .csv or a data set's name. .*data.txt is another"
    ):
        store.load("data.txt", base=tmp_path)


def test_a_name_is_the_data_set_and_a_path_the_folder(folder_of: Maker, tmp_path: Path) -> None:
    folder_of(root="digits")
    assert len(store.load("digits", base=tmp_path).split) == 1797
    assert len(store.load("./digits", base=tmp_path).split) == 20


def test_a_folder_is_read_split_and_cached(folder_of: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder_of(("猫", "狗"), 20, root="a path with 中文")
    first = store.load(str(root))
    assert first.classes == ("狗", "猫")
    assert first.split.counts() == {"train": 28, "validation": 6, "test": 6}
    assert first.train.images.shape == (28, 3, 10, 12)  # all have this size: it is kept
    assert {name.split("/")[0] for name in first.test.names} == {"猫", "狗"}
    for part in (first.train, first.validation, first.test):
        for name, label in zip(part.names, part.labels.tolist(), strict=True):
            assert name.startswith(part.classes[label])
    monkeypatch.setattr(cache, "_build", lambda *_: pytest.fail("the cache was not used"))
    again = store.load(str(root))
    assert everything(again) == everything(first)
    assert again.sha256 == first.sha256
    assert again.split.sha256 == first.split.sha256
    assert again.preprocess == first.preprocess


def test_stored_pictures_are_what_the_one_preprocessing_gives(folder_of: Maker, picture: Callable[..., Path]) -> None:
    root = folder_of(n=4)
    picture(root / "cat" / "wide.jpg", 7, (300, 90))
    picture(root / "dog" / "grey.png", 8, (70, 80), grey=True)
    data = store.load(str(root), size=(20, 24), fit="crop", test=0.2)
    stored = everything(data)
    for name, raw in stored.items():
        assert raw == data.preprocess.read(root / name).tobytes()
    assert len(stored) == 10


def test_its_own_size_and_channels(folder_of: Maker, picture: Callable[..., Path]) -> None:
    grey = folder_of(root="grey", grey=True)
    assert store.load(str(grey)).train.images.shape[1:] == (1, 10, 12)
    picture(grey / "cat" / "colour.png", 77)
    assert store.load(str(grey)).train.images.shape[1:] == (3, 10, 12)
    mixed = folder_of(root="mixed")
    picture(mixed / "dog" / "zzz.png", 5, (13, 10))
    assert store.load(str(mixed)).train.images.shape[1:] == (3, 64, 64)
    large = folder_of(root="large", size=(80, 80), n=3)
    assert store.load(str(large)).train.images.shape[1:] == (3, 64, 64)
    assert store.load(str(large), size=(70, 70)).train.images.shape[1:] == (3, 70, 70)


def test_grey_pictures_are_stored_as_the_classifier_will_read_them(folder_of: Maker) -> None:
    root = folder_of(root="grey", grey=True, size=(100, 90))
    data = store.load(str(root))
    assert data.preprocess.channels == 1
    for name, raw in everything(data).items():
        assert raw == data.preprocess.read(root / name).tobytes()


def test_unreadable_pictures_are_listed_and_sums_add_up(folder_of: Maker) -> None:
    root = folder_of(n=10)
    whole = (root / "cat" / "000.png").read_bytes()
    (root / "cat" / "cut.png").write_bytes(whole[:100])
    (root / "dog" / "page.jpg").write_text("<html>", encoding="utf-8")
    (root / "dog" / "notes.txt").write_text("feed the dog", encoding="utf-8")
    (root / "dog" / "Thumbs.db").write_bytes(b"x")
    (root / "labels.csv").write_text("x", encoding="utf-8")
    for _ in range(2):  # the second time from the cache
        with pytest.raises(
            ConvscopeError, match=r"every picture in .* must be readable. 2 pictures can't be read"
        ) as error:
            store.load(str(root))
        said = str(error.value)
        assert "  cat/cut.png: the file is cut off or damaged" in said
        assert "  dog/page.jpg: it is HTML" in said
        assert "25 files found = 20 pictures + 2 unreadable + 2 others + 1 of the system." in said
    data = store.load(str(root), skip_unreadable=True)
    assert sum(data.split.counts().values()) == 20
    notes = "\n".join(data.notes)
    for wanted in (
        "cat/cut.png",
        "dog/page.jpg",
        "dog/notes.txt",
        "labels.csv: it is not in a class folder",
        "25 files",
    ):
        assert wanted in notes


def test_files_that_are_no_pictures_are_one_line(folder_of: Maker) -> None:
    root = folder_of(n=10)
    for i in range(5):
        (root / "cat" / f"{i}.txt").write_text("no picture", encoding="utf-8")
    (root / "dog" / "plan").write_bytes(b"%PDF-1.7")
    (root / "dog" / "read.me").write_text("", encoding="utf-8")
    assert store.load(str(root)).notes == (
        "7 files that are no pictures of a class, left out: cat/0.txt, cat/1.txt, cat/2.txt and 2 more: its first "
        "bytes are those of no picture format that is read; dog/plan: it is PDF, which is not read; "
        "dog/read.me: the file is empty",
        "27 files found = 20 pictures + 0 unreadable + 7 others + 0 of the system.",
    )


@pytest.mark.parametrize(("n", "said"), [(40, True), (30, False)])
def test_classes_of_very_different_sizes_name_the_setting(folder_of: Maker, n: int, said: bool) -> None:
    root = folder_of(("cat",), n=n)
    folder_of(("dog",), n=8, start=5000)
    notes = store.load(str(root), validation=0.25, test=0).notes
    assert notes == (
        (
            "cat has 30 training pictures, dog has 6: a network learns the small classes less. "
            "--set class_weights=balanced counts each class alike.",
        )
        if said
        else ()
    )


def test_a_class_without_a_readable_picture_and_none_at_all(folder_of: Maker) -> None:
    root = folder_of(n=3)
    (root / "hen").mkdir()
    (root / "hen" / "list.txt").write_text("hens", encoding="utf-8")
    with pytest.raises(ConvscopeError, match=r"must have at least one picture that can be read. hen: none"):
        store.load(str(root))
    for path in root.rglob("*.png"):
        path.unlink()
    (root / "cat" / "x.txt").write_text("x", encoding="utf-8")
    (root / "dog" / "x.txt").write_text("x", encoding="utf-8")
    with pytest.raises(ConvscopeError, match=r"must hold pictures. None of its files can be read as one"):
        store.load(str(root))


def test_odd_names_count_by_their_content(folder_of: Maker) -> None:
    root = folder_of(n=5)
    for i, name in enumerate(["no suffix", "IMG #1 (copy).JPG.bak", "x.dat", "ü è ñ.txt", "照片。png"]):
        shutil.copy(root / "cat" / f"00{i}.png", root / "dog" / name)
    assert sum(store.load(str(root)).split.counts().values()) == 15


def test_heic_without_its_package(folder_of: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    root = folder_of(n=3)
    (root / "cat" / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ConvscopeError, match=r"1 picture is HEIC, such as cat/a.heic.*pip install 'convscope\[heic\]'"):
        store.load(str(root))


def test_a_larger_set_is_laid_out_on_disk(folder_of: Maker) -> None:
    root = folder_of(n=20)
    small = store.load(str(root))
    large = store.load(str(root), in_memory=0)
    assert isinstance(large.train.images, np.memmap)
    assert everything(large) == everything(small)
    assert (large.train.labels == small.train.labels).all()
    other = store.load(str(root), in_memory=0, seed=1)
    assert everything(other) == everything(small)
    kept = list(places.cache_folder().glob("pictures/*/parts-*.npy"))
    assert len(kept) == 1  # of the last split alone


def test_a_changed_folder_is_read_anew_and_its_old_state_removed(
    folder_of: Maker, picture: Callable[..., Path]
) -> None:
    root = folder_of(n=5)
    store.load(str(root))
    picture(root / "cat" / "new.png", 99)
    assert sum(store.load(str(root)).split.counts().values()) == 11
    assert len(list(places.cache_folder().glob("pictures/*"))) == 1


@pytest.mark.parametrize("harm", ["truncate", "no json", "half json", "old version", "other dtype"])
def test_a_damaged_cache_is_made_anew(folder_of: Maker, harm: str) -> None:
    root = folder_of(n=5)
    whole = everything(store.load(str(root)))
    entry = next(places.cache_folder().glob("pictures/*"))
    meta = entry / "cache.json"
    if harm == "truncate":
        stored = entry / "images-3.npy"
        stored.write_bytes(stored.read_bytes()[:-100])
    elif harm == "no json":
        meta.unlink()
    elif harm == "half json":
        meta.write_text(meta.read_text(encoding="utf-8")[:50], encoding="utf-8")
    elif harm == "old version":
        meta.write_text(meta.read_text(encoding="utf-8").replace('"version": 1', '"version": 0'), encoding="utf-8")
    else:
        np.save(entry / "images-3.npy", np.zeros((10, 3, 10, 12), np.float32))
    assert everything(store.load(str(root))) == whole


def test_a_split_listed_keeps_every_picture(folder_of: Maker, picture: Callable[..., Path], tmp_path: Path) -> None:
    root = folder_of(n=20)
    before = store.load(str(root))
    before.split.save(tmp_path / "split.csv")
    for i in range(10):
        picture(root / "cat" / f"new{i}.png", 5000 + i)
    after = store.load(str(root), split_file=tmp_path / "split.csv", seed=123)
    for part in ("train", "validation", "test"):
        assert set(getattr(before, part).names) <= set(getattr(after, part).names)
    assert sum(after.split.counts().values()) == 50


def test_parts_of_a_folder_and_groups_reach_the_split(folder_of: Maker, tmp_path: Path) -> None:
    folder_of(n=10, root="d/train")
    folder_of(n=4, root="d/test", start=7000)
    data = store.load("d", base=tmp_path)
    assert data.split.counts() == {"train": 16, "validation": 4, "test": 8}
    folder_of(("cat/1", "cat/2", "cat/3", "cat/4", "dog/1", "dog/2", "dog/3"), 4, root="g")
    grouped = store.load("g", base=tmp_path, group="folder")
    for part in (grouped.train, grouped.validation, grouped.test):
        folders = [name.rpartition("/")[0] for name in part.names]
        assert all(folders.count(folder) == 4 for folder in folders)
    assert any("keeps 28 pictures together in 7 groups." in note for note in grouped.notes)


def test_a_table_is_read_with_its_split_and_group(folder_of: Maker, tmp_path: Path) -> None:
    folder_of(n=10)
    rows = [f"photos/{kind}/{i:03d}.png,{kind},p{i // 2}" for kind in ("cat", "dog") for i in range(10)]
    (tmp_path / "data.csv").write_text("\n".join(["path,label,patient", *rows]), encoding="utf-8")
    data = store.load("data.csv", base=tmp_path, group="patient")
    patients = {name: f"p{int(name[-7:-4]) // 2}" for name in data.split.names}
    parts = [{patients[name] for name in part.names} for part in (data.train, data.validation, data.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 5
    assert data.root == tmp_path / "data.csv"


def test_progress_is_told(folder_of: Maker) -> None:
    said: list[tuple[str, int, int]] = []
    store.load(str(folder_of(n=10)), progress=lambda *step: said.append(step))
    assert said[-1] == ("decoding pictures", 20, 20)


def test_the_order_in_which_a_file_system_lists_files_is_irrelevant(folder_of: Maker, tmp_path: Path) -> None:
    root = folder_of(n=10)
    first = store.load(str(root))
    for path in sorted(root.rglob("*.png"), reverse=True):
        copy = tmp_path / "copy" / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    second = store.load(str(tmp_path / "copy"))
    assert second.sha256 == first.sha256
    assert second.split.sha256 == first.split.sha256
    assert second.train.names == first.train.names


def test_times_of_taking_bring_a_warning(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        for i in range(12):
            exif = Image.Exif()
            exif.get_ifd(0x8769)[0x9003] = f"2024:05:06 10:0{i // 4}:0{i % 4}"
            picture = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
            picture.save(tmp_path / kind / f"IMG_{i:04d}.jpg", exif=exif)
    assert any("24 pictures were taken within 2 seconds" in note for note in store.load(str(tmp_path)).notes)
    assert not any("taken within" in note for note in store.load(str(tmp_path), group=r"(IMG_00\d\d)").notes)


def test_a_cache_that_cannot_be_written_names_the_variable(
    folder_of: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "taken"))
    with pytest.raises(
        ConvscopeError, match=r"could not write .* It was for the cache: CONVSCOPE_CACHE may name another"
    ):
        store.load(str(folder_of(n=3)))


def test_decoding_leaves_nothing_open_and_no_half_file_when_it_is_stopped(folder_of: Maker) -> None:
    root = folder_of(n=20)

    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.load(str(root), progress=stop)
    assert [path for path in places.cache_folder().rglob("*") if path.is_file()] == []
    assert sum(store.load(str(root)).split.counts().values()) == 40
