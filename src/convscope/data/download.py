"""Getting the files of known data sets: from several hosts, checked by content, whole or not at all.

Knows addresses' manners: https only, also after a redirect; 20 seconds without an answer, or with hardly any byte, and
the next host is tried; no more bytes than the file can have. The hash of the unpacked content decides, so any mirror
will do. What failed its check is never written.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from convscope import files
from convscope.data import cifar, idx, places
from convscope.data.known import Known, KnownFile
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError, RunFailed

PATIENCE = 20.0
"""Seconds without an answer, and the span in which at least `_DRIP` bytes must come."""
_DRIP = 64 << 10
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Refused(Exception):
    """Why this host's answer can't be used; the next one is tried."""


class _Broken(Refused):
    """The connection ended before the file did."""


def folder_of(entry: Known) -> Path:
    """Where downloads of this data set are kept."""
    return places.cache_folder() / "data" / entry.name


def file_of(folder: Path, name: str) -> Path | None:
    """The file of this name, plain or with .gz, or None."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def check(entry: Known, file: KnownFile, data: bytes, path: Path | str) -> None:
    """ConvscopeError unless `data` is the file's unpacked content."""
    digest = hashlib.sha256(data).hexdigest()
    if len(data) != file.bytes or (file.sha256 and digest != file.sha256):
        raise ConvscopeError(
            f"{path} must have {file.bytes} bytes with the SHA-256 {file.sha256} when unpacked. It has {len(data)} "
            f"with {digest}: it is damaged, or another file. Remove it and get it again with: "
            f"convscope data get {entry.name}"
        )


def get(entry: Known, progress: Progress | None = None) -> Path:
    """Downloads the data set into the cache; returns its folder. RunFailed says what to do by hand where all fail.

    Files that are there already and whole are not fetched again. progress: is told first, with 0 of 0, what will be
    downloaded and to where; then each file's bytes.
    """
    folder = folder_of(entry)
    if progress is not None:
        progress(announcement(entry), 0, 0)
    failures: list[str] = []
    if entry.archive:
        packed = _from_hosts(
            entry, entry.archive, lambda data, url: cifar.unpack(data, entry.files, url), failures, progress
        )
        if packed is None:
            raise RunFailed(_by_hand(entry, failures))
        _keep(entry, folder, packed)
        return folder
    for file in entry.files:
        path = folder / f"{file.name}.gz"
        if file_of(folder, file.name) is not None and _is_whole(entry, file, folder):
            continue
        fetched = _from_hosts(entry, f"{file.name}.gz", _one(entry, file), failures, progress)
        if fetched is None:
            raise RunFailed(_by_hand(entry, failures))
        files.write_bytes(path, fetched[file.name])
    return folder


def keep_archive(entry: Known, archive: Path) -> Path:
    """Unpacks an archive that the user brought into the cache; returns the folder."""
    folder = folder_of(entry)
    _keep(entry, folder, cifar.unpack(files.read_bytes(archive), entry.files, archive))
    return folder


def announcement(entry: Known) -> str:
    """The sentence before a download: how much comes, and where it will stay."""
    size = f"{max(1, round(entry.packed_bytes / 1e6))} MB"
    return f"{entry.name} is not on this machine: downloading {size}, once, into {folder_of(entry)}"


def _keep(entry: Known, folder: Path, contents: dict[str, bytes]) -> None:
    for file in entry.files:
        check(entry, file, contents[file.name], file.name)
    for file in entry.files:
        files.write_bytes(folder / file.name, contents[file.name])


def _one(entry: Known, file: KnownFile) -> Callable[[bytes, str], dict[str, bytes]]:
    """What checks one fetched file: the packed bytes by name, if what they unpack to is right."""

    def checked(data: bytes, url: str) -> dict[str, bytes]:
        check(entry, file, idx.unpacked_bytes(data, file.bytes, url), url)
        return {file.name: data}

    return checked


def _is_whole(entry: Known, file: KnownFile, folder: Path) -> bool:
    path = file_of(folder, file.name)
    assert path is not None
    try:
        check(entry, file, idx.unpacked(path, file.bytes), path)
    except ConvscopeError:
        return False
    return True


def _from_hosts(
    entry: Known,
    name: str,
    checked: Callable[[bytes, str], dict[str, bytes]],
    failures: list[str],
    progress: Progress | None,
) -> dict[str, bytes] | None:
    """The checked content of the first host that gives it; None where none does, with the reasons in `failures`."""
    most = 2 * sum(file.bytes for file in entry.files) + (1 << 20)
    for host in entry.hosts:
        url = host + name
        try:
            return checked(fetch(url, most, progress), url)
        except RunFailed:
            raise
        except (Refused, ConvscopeError) as error:
            failures.append(f"{url}: {error}")
    return None


def _by_hand(entry: Known, failures: list[str]) -> str:
    tried = "\n  ".join(failures)
    names = [entry.archive] if entry.archive else [f"{file.name}.gz" for file in entry.files]
    sizes = [entry.archive_bytes] if entry.archive else [file.bytes for file in entry.files]
    packing = "" if entry.archive else " unpacked"
    wanted = "\n  ".join(f"{n} ({size:,} bytes{packing})" for n, size in zip(names, sizes, strict=True))
    named = places.data_folder()
    where = (
        str(named / entry.folders[0]) if named else f"a folder {entry.folders[0]}, and name the one that holds it in "
    )
    where += "" if named else places.DATA_VARIABLE
    return (
        f"{entry.name} could not be downloaded:\n  {tried}\nGet these files by other means and put them into {where}:\n"
        f"  {wanted}"
    )


def fetch(url: str, most: int, progress: Progress | None = None) -> bytes:
    """The bytes at an https address: at most `most`. A download that broke off goes on where it was, as long as that
    brings it on. Raises `Refused` with the reason."""
    sink = _Sink(url, most, progress)
    while True:
        had = sink.size
        try:
            _ask(url, sink)
        except _Broken:
            if sink.size <= had or sink.packed:
                raise
            continue
        return sink.bytes.getvalue()


def _ask(url: str, sink: _Sink) -> None:
    """What is still missing in the sink, from the address."""
    import pooch  # type: ignore[import-untyped]
    import requests

    loopback = urlsplit(url).hostname in _LOOPBACK  # tests serve from this machine, without a certificate

    def looked_at(answer: requests.Response, *_: Any, **__: Any) -> None:
        target = urljoin(answer.url, answer.headers.get("location", "")) if answer.is_redirect else answer.url
        parts = urlsplit(target)
        if parts.scheme != "https" and not (loopback and parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise Refused(f"it leads to {target}, which is not https")
        sink.packed = bool(answer.headers.get("content-encoding"))
        if answer.status_code == 200:
            sink.restart()
        elif answer.status_code == 206 and not answer.headers.get("content-range", "").startswith(
            f"bytes {sink.size}-"
        ):
            raise Refused("it sends another part than was asked for")

    more = {"Range": f"bytes={sink.size}-", "Accept-Encoding": "identity"} if sink.size else {}
    downloader = pooch.HTTPDownloader(timeout=(PATIENCE, PATIENCE), hooks={"response": looked_at}, headers=more)
    try:
        downloader(url, sink, None)
    except requests.Timeout as error:
        raise Refused(f"no answer within {PATIENCE:g} s") from error
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else "an error"
        raise Refused(f"the server answers {code}") from error
    except requests.ConnectionError as error:
        if "timed out" in str(error):  # between two bytes: requests has no class of its own for it
            raise Refused(f"no answer within {PATIENCE:g} s") from error
        raise _Broken("no connection, or it broke off") from error
    except requests.exceptions.ChunkedEncodingError as error:  # fewer bytes than were promised
        raise _Broken(f"the download failed ({error})") from error
    except (requests.RequestException, OSError, ValueError) as error:
        raise Refused(f"the download failed ({error})") from error


class _Sink:
    """Takes a download's bytes, and stops one that is too long or hardly moves. packed: the server compresses what it
    sends, so that no place in it can be asked for."""

    def __init__(self, url: str, most: int, progress: Progress | None) -> None:
        self.bytes = io.BytesIO()
        self.packed = False
        self._name = url.rpartition("/")[2]
        self._most = most
        self._progress = progress
        self._since, self._then = time.monotonic(), 0

    @property
    def size(self) -> int:
        """How many bytes have come."""
        return self.bytes.tell()

    def restart(self) -> None:
        """Forget what came: the server begins anew."""
        self.bytes = io.BytesIO()
        self._since, self._then = time.monotonic(), 0

    def write(self, data: bytes) -> int:
        written = self.bytes.write(data)
        size = self.bytes.tell()
        if size > self._most:
            raise Refused(f"it sends more than {self._most:,} bytes: it is another file")
        now = time.monotonic()
        if now - self._since > PATIENCE:
            if size - self._then < _DRIP:
                raise Refused(f"fewer than {_DRIP:,} bytes came in {PATIENCE:g} s")
            self._since, self._then = now, size
        if self._progress is not None:
            self._progress(f"downloading {self._name}", size, 0)
        return written

    def flush(self) -> None:
        """Nothing waits."""
