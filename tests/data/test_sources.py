"""Known data sets: where they are looked for, and what is said of a file that is not what it should be.

The real MNIST is read where CONVSCOPE_DATA names it; CIFAR's real files could not be had here, so its format is tested
with small ones of the same make.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convscope.data import cifar, idx, known, places, sources, store
from convscope.data.known import KNOWN, KnownFile
from convscope.errors import ConvscopeError, RunFailed

SHARED = os.environ.get("CONVSCOPE_DATA", "")
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def idx_bytes(array: NDArray[Any]) -> bytes:
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """MNIST in the table is replaced by one of 40 and 20 pictures; its files by name."""
    rng = np.random.default_rng(0)
    contents: dict[str, bytes] = {}
    for prefix, n in (("train", 40), ("t10k", 20)):
        contents[f"{prefix}-images-idx3-ubyte"] = idx_bytes(rng.integers(0, 256, (n, 28, 28)))
        contents[f"{prefix}-labels-idx1-ubyte"] = idx_bytes(np.arange(n) % 10)
    files = tuple(
        KnownFile(name, "train", len(data), hashlib.sha256(data).hexdigest()) for name, data in contents.items()
    )
    monkeypatch.setitem(known.KNOWN, "mnist", replace(KNOWN["mnist"], files=files))
    return contents


@pytest.mark.skipif(not (Path(SHARED) / "mnist").is_dir(), reason="CONVSCOPE_DATA names no folder with mnist")
def test_the_real_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_DATA", SHARED)
    place = sources.where("mnist")
    assert place == Path(SHARED) / "mnist"
    for file in KNOWN["mnist"].files:
        data = idx.unpacked(place / f"{file.name}.gz", file.bytes)
        assert hashlib.md5(data, usedforsecurity=False).hexdigest() == MD5[file.name]
        assert hashlib.sha256(data).hexdigest() == file.sha256
    loaded = store.load("mnist[:1000]")
    assert loaded.split.counts() == {"train": 849, "validation": 151, "test": 10_000}
    assert loaded.train.names[0].startswith("train/")
    assert np.bincount(loaded.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.skipif(not Path("/usr/share/datasets/fashion-mnist").is_dir(), reason="dataset-fashion-mnist is not here")
def test_the_real_fashion_mnist() -> None:
    source = sources.find("fashion-mnist")
    assert source.root == Path("/usr/share/datasets/fashion-mnist")
    assert np.bincount(source.labels).tolist() == [7000] * 10


@pytest.mark.skipif(not (Path(SHARED) / "cifar10-jpeg.tar").is_file(), reason="CONVSCOPE_DATA has no cifar10-jpeg.tar")
def test_cifar10_jpeg_straight_from_the_tar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cifar10-jpeg" not in sources.names()
    with pytest.raises(
        ConvscopeError, match=r"cifar10-jpeg can't be downloaded: it is read where CONVSCOPE_DATA names"
    ):
        sources.find("cifar10-jpeg")
    monkeypatch.setenv("CONVSCOPE_DATA", SHARED)
    assert "cifar10-jpeg" in sources.names()
    source = sources.find("cifar10-jpeg[:100]")
    assert source.classes == known.CIFAR10_CLASSES
    assert (source.parts.count("train"), source.parts.count("test")) == (100, 10_000)
    assert np.bincount(source.labels[:100]).tolist() == [10] * 10
    assert source.files is not None
    with tarfile.open(Path(SHARED) / "cifar10-jpeg.tar") as tar:
        member = tar.extractfile(f"cifar10/{source.names[5]}")
        assert member is not None
        assert source.files.stream(5).read() == member.read()


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_packed_or_not(
    small_mnist: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    (tmp_path / "mnist").mkdir()
    for name, data in small_mnist.items():
        path = tmp_path / "mnist" / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data, 1) if packed else data)
    monkeypatch.setenv("CONVSCOPE_DATA", str(tmp_path))
    loaded = store.load("mnist", test=0.5)
    assert loaded.split.counts() == {"train": 30, "validation": 10, "test": 20}
    raw = np.frombuffer(small_mnist["t10k-images-idx3-ubyte"], np.uint8, offset=16).reshape(20, 1, 28, 28)
    assert (loaded.test.images == raw).all()
    assert loaded.test.names[:2] == ("test/0", "test/1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: gzip.compress(d)[:-20], "is truncated or damaged: .*convscope data get"),
        (lambda d: d[:-20], "must hold 31376 bytes when unpacked. It holds 31356: it is truncated, or another file"),
        (lambda d: gzip.compress(d + b"more"), "It holds more than 31376"),
        (lambda d: gzip.compress(d[:-1] + bytes([d[-1] ^ 1])), "must have 31376 bytes with the SHA-256 [0-9a-f]{64}"),
    ],
)
def test_a_wrong_idx_file_is_told(
    small_mnist: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: object, said: str
) -> None:
    (tmp_path / "mnist").mkdir()
    for name, data in small_mnist.items():
        (tmp_path / "mnist" / name).write_bytes(data)
    first = tmp_path / "mnist" / "train-images-idx3-ubyte"
    first.write_bytes(change(first.read_bytes()))  # type: ignore[operator]
    monkeypatch.setenv("CONVSCOPE_DATA", str(tmp_path))
    with pytest.raises(ConvscopeError, match=said):
        store.load("mnist")


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\x0d\x01\0\0\0\1\0", b"\0\0\x08\x01\0\0\0\5abc", b"\0\0\x08\x09" + bytes(40)]
)
def test_what_is_no_idx_file(data: bytes) -> None:
    with pytest.raises(ConvscopeError, match=r"must be an IDX file of bytes"):
        idx.parse(data, "x")


def cifar_files(label_bytes: int, classes: int) -> dict[str, bytes]:
    """Files of 20 training and 10 test records, the training ones in two files for CIFAR-10."""
    rng = np.random.default_rng(1)

    def records(n: int) -> bytes:
        labels = np.zeros((n, label_bytes), np.uint8)
        labels[:, -1] = np.arange(n) % classes
        return np.concatenate([labels, rng.integers(0, 256, (n, 3072), dtype=np.uint8)], axis=1).tobytes()

    if label_bytes == 1:
        return {"data_batch_1.bin": records(10), "data_batch_2.bin": records(10), "test_batch.bin": records(10)}
    return {"train.bin": records(100), "test.bin": records(100)}


def small_cifar(monkeypatch: pytest.MonkeyPatch, name: str) -> dict[str, bytes]:
    contents = cifar_files(2 if name == "cifar100" else 1, len(KNOWN[name].classes))
    files = tuple(
        KnownFile(n, "test" if n.startswith("test") else "train", len(data), hashlib.sha256(data).hexdigest())
        for n, data in contents.items()
    )
    monkeypatch.setitem(known.KNOWN, name, replace(KNOWN[name], files=files))
    return contents


def tar_of(contents: dict[str, bytes], inside: str = "cifar-10-batches-bin/") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in contents.items():
            member = tarfile.TarInfo(inside + name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("how", ["folder", "archive", "archive in its folder"])
def test_cifar_in_its_binary_form(name: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = small_cifar(monkeypatch, name)
    entry = KNOWN[name]
    folder = tmp_path / entry.folders[0 if how != "folder" else 1]
    folder.mkdir()
    if how == "folder":
        for file, data in contents.items():
            (folder / file).write_bytes(data)
    else:
        target = tmp_path if how == "archive" else folder
        (target / entry.archive).write_bytes(tar_of({**contents, "batches.meta.txt": b"airplane\n"}))
    monkeypatch.setenv("CONVSCOPE_DATA", str(tmp_path))
    source = sources.find(name)
    test = next(data for file, data in contents.items() if file.startswith("test"))
    label_bytes = 2 if name == "cifar100" else 1
    table = np.frombuffer(test, np.uint8).reshape(-1, 3072 + label_bytes)
    n = len(table)
    assert source.arrays is not None
    assert source.arrays.shape[1:] == (3, 32, 32)
    assert (source.arrays[-n:].reshape(n, -1) == table[:, label_bytes:]).all()
    assert (source.labels[-n:] == table[:, label_bytes - 1]).all()
    assert source.parts[-n:] == ("test",) * n
    assert sources.find(name).labels.tolist() == source.labels.tolist()  # from the cache, if it was an archive


def test_records_that_are_none() -> None:
    with pytest.raises(ConvscopeError, match=r"must hold records of 3073 bytes.* It holds 3000 bytes"):
        cifar.parse(bytes(3000), 1, 10, "x")
    with pytest.raises(ConvscopeError, match=r"must hold labels 0 to 9. Picture 1 has 10"):
        cifar.parse(bytes(3073) + b"\x0a" + bytes(3072), 1, 10, "x")


def evil(kind: str) -> bytes:
    """A .tar.gz that is not the archive it claims to be."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo({"absolute": "/etc/a.bin", "up": "../../a.bin"}.get(kind, "a.bin"))
        member.size = 10
        if kind in ("link", "hard link", "fifo", "device"):
            types = {"link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE}
            member.type, member.linkname = types.get(kind, tarfile.CHRTYPE), "/etc/passwd"
            member.size = 0
        if kind == "bomb":
            member.size = 1 << 28
            tar.addfile(member, io.BytesIO(bytes(1 << 28)))
        elif kind == "many":
            for i in range(1100):
                tar.addfile(tarfile.TarInfo(f"{i}"))
        elif kind == "other size":
            member.size = 11
            tar.addfile(member, io.BytesIO(bytes(11)))
        elif kind != "empty":
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    data = out.getvalue()
    return {"cut": data[: len(data) // 2], "text": b"<html>not found</html>"}.get(kind, data)


@pytest.mark.parametrize(
    "kind", ["link", "hard link", "fifo", "device", "bomb", "many", "other size", "empty", "cut", "text"]
)
def test_archives_that_are_refused(kind: str, tmp_path: Path) -> None:
    wanted = (KnownFile("a.bin", "train", 10, ""),)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConvscopeError, match=r"must hold|is truncated or damaged"):
        cifar.unpack(evil(kind), wanted, "x")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", ["absolute", "up"])
def test_a_path_in_an_archive_leads_nowhere(kind: str) -> None:
    assert cifar.unpack(evil(kind), (KnownFile("a.bin", "train", 10, ""),), "x") == {"a.bin": bytes(10)}


def test_the_table_is_whole() -> None:
    assert len(known.CIFAR100_CLASSES) == 100
    assert list(known.CIFAR100_CLASSES) == sorted(known.CIFAR100_CLASSES)
    for entry in KNOWN.values():
        assert all(host.startswith("https://") and host.endswith("/") for host in entry.hosts)
        assert len(entry.hosts) >= 2 or entry.format in ("embedded", "jpeg-tar")
        assert all(len(file.sha256) == 64 for file in entry.files)
        assert entry.licence
        assert entry.source
    for name, label_bytes in (("cifar10", 1), ("cifar100", 2)):
        assert sum(file.bytes for file in KNOWN[name].files) == 60_000 * (3072 + label_bytes)


def test_the_pages_say_how_much_a_download_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for name, word in (("mnist", "MNIST"), ("fashion-mnist", "Fashion-MNIST"), ("cifar10", "CIFAR-10")):
        assert f"{word} {round(KNOWN[name].packed_bytes / 1e6)} MB" in page
    assert all(entry.packed_bytes > 0 for entry in KNOWN.values() if entry.hosts)


def test_names_that_have_no_download() -> None:
    with pytest.raises(ConvscopeError, match=r"digits is part of convscope"):
        sources.get("digits")
    with pytest.raises(ConvscopeError, match=r"unknown data set 'cifar', did you mean 'cifar10'"):
        sources.where("cifar")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_cache_has_a_place_on_each_system(platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CONVSCOPE_CACHE")
    monkeypatch.setattr("sys.platform", platform)
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    folder = places.cache_folder()
    assert "convscope" in folder.parts
    assert (tmp_path in folder.parents) == (platform != "darwin")
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable)
    assert Path.home() in places.cache_folder().parents


def test_where_the_original_can_not_be_had_its_copy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CONVSCOPE_DATA", str(tmp_path))
    monkeypatch.setitem(known.KNOWN, "cifar10", replace(KNOWN["cifar10"], hosts=("https://127.0.0.1:9/",)))
    with pytest.raises(RunFailed, match=r"cifar10 could not be downloaded") as alone:
        sources.find("cifar10")
    assert "re-encoded" not in str(alone.value)
    (tmp_path / "cifar10-jpeg" / "train").mkdir(parents=True)
    sentence = r"\ncifar10-jpeg, a re-encoded copy, is here: convscope train cifar10-jpeg$"
    with pytest.raises(RunFailed, match=sentence):
        sources.find("cifar10")
