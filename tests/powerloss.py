"""What a power cut may leave on the disk (the model of ALICE, Pillai et al., OSDI 2014, section 2).

A recorder keeps every change that a save makes, in order. For each moment of that record, everything that was not
synced by then may be on the disk or not, in any combination: of a file's bytes none, half or all; of a folder's
entries (new, renamed, removed names) any subset, each whole. `states` makes each such disk, one after the other.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convscope.files import disk

Operation = tuple[Any, ...]


@contextmanager
def recorded() -> Iterator[list[Operation]]:
    """Within the block each change of the disk is kept: ("create" | "write" | "fsync" | "move" | ..., path, ...)."""
    log: list[Operation] = []
    opened: dict[int, Path] = {}
    real = {n: getattr(disk, n) for n in ("_open", "_write", "_fsync", "_replace", "_mkdir", "_rmdir", "_remove")}

    def open_(path: Path, flags: int) -> int:
        if flags & os.O_CREAT and not path.exists():
            log.append(("create", path))
        descriptor: int = real["_open"](path, flags)
        opened[descriptor] = path
        return descriptor

    def write(descriptor: int, data: Any) -> int:
        done: int = real["_write"](descriptor, data)
        log.append(("write", opened[descriptor], bytes(memoryview(data)[:done])))
        return done

    def fsync(descriptor: int) -> None:
        log.append(("fsync", opened[descriptor]))
        real["_fsync"](descriptor)

    def named(kind: str, name: str) -> Callable[..., None]:
        def call(*paths: Path) -> None:
            log.append((kind, *paths))
            real[name](*paths)

        return call

    fakes = {
        "_open": open_,
        "_write": write,
        "_fsync": fsync,
        "_replace": named("move", "_replace"),
        "_mkdir": named("mkdir", "_mkdir"),
        "_rmdir": named("remove", "_rmdir"),
        "_remove": named("remove", "_remove"),
    }
    for name, fake in fakes.items():
        setattr(disk, name, fake)
    try:
        yield log
    finally:
        for name, function in real.items():
            setattr(disk, name, function)


@dataclass
class File:
    durable: bytes = b""
    now: bytes = b""

    def choices(self) -> list[bytes]:
        rest = self.now[len(self.durable) :]
        return list(dict.fromkeys((self.durable, self.durable + rest[: len(rest) // 2], self.now)))


@dataclass
class Folder:
    durable: dict[str, File | Folder] = field(default_factory=dict)
    now: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[Callable[[dict[str, File | Folder]], None]] = field(default_factory=list)

    def change(self, operation: Callable[[dict[str, File | Folder]], None]) -> None:
        operation(self.now)
        self.pending.append(operation)

    def choices(self) -> list[dict[str, File | Folder]]:
        found = []
        for kept in itertools.product((False, True), repeat=len(self.pending)):
            entries = dict(self.durable)
            for operation in itertools.compress(self.pending, kept):
                operation(entries)
            found.append(entries)
        return found


def _put(name: str, node: File | Folder) -> Callable[[dict[str, File | Folder]], None]:
    return lambda entries: entries.__setitem__(name, node)


def _drop(name: str) -> Callable[[dict[str, File | Folder]], None]:
    def operation(entries: dict[str, File | Folder]) -> None:
        entries.pop(name, None)

    return operation


def _move(old: str, new: str, node: File | Folder) -> Callable[[dict[str, File | Folder]], None]:
    def operation(entries: dict[str, File | Folder]) -> None:
        entries.pop(old, None)
        entries[new] = node

    return operation


def _read(path: Path) -> File | Folder:
    if path.is_file():
        return File(path.read_bytes(), path.read_bytes())
    entries = {below.name: _read(below) for below in path.iterdir()}
    return Folder(dict(entries), dict(entries))


def _apply(root: Path, disk_now: Folder, operation: Operation) -> None:
    def at(path: Path) -> Any:
        node: Any = disk_now
        for name in path.relative_to(root).parts:
            node = node.now[name]
        return node

    kind, path = operation[0], operation[1]
    parent: Any = None if path == root else at(path.parent)
    match kind:
        case "create":
            parent.change(_put(path.name, File()))
        case "mkdir":
            parent.change(_put(path.name, Folder()))
        case "write":
            at(path).now += operation[2]
        case "remove":
            if path.name in parent.now:
                parent.change(_drop(path.name))
        case "move":
            assert operation[2].parent == path.parent, "a rename across folders is not in the model"
            parent.change(_move(path.name, operation[2].name, parent.now[path.name]))
        case "fsync":
            node = at(path)
            node.durable = node.now if isinstance(node, File) else dict(node.now)
            if isinstance(node, Folder):
                node.pending.clear()


def states(before: Path, root: Path, log: list[Operation], target: Path) -> Iterator[tuple[int, Path]]:
    """Each disk that a power cut may leave, as a folder at `target`, with the number of operations done before it.

    `before` is a copy of the folder `root` from before the recording; everything in it is on disk.
    """
    start = _read(before)
    assert isinstance(start, Folder)
    for done in range(len(log) + 1):
        if done:
            _apply(root, start, log[done - 1])
        nodes: list[File | Folder] = []
        _reach(start, nodes)
        for choice in itertools.product(*(node.choices() for node in nodes)):
            if target.exists():
                shutil.rmtree(target)
            _make(start, dict(zip(map(id, nodes), choice, strict=True)), target)
            yield done, target


def _reach(node: File | Folder, nodes: list[File | Folder]) -> None:
    """All nodes that may be on the disk: by a durable name, by the present one, or by one in between."""
    if any(node is known for known in nodes):
        return
    nodes.append(node)
    if isinstance(node, Folder):
        for entries in node.choices():
            for below in entries.values():
                _reach(below, nodes)


def _make(node: File | Folder, chosen: dict[int, Any], path: Path) -> None:
    content = chosen[id(node)]
    if isinstance(node, File):
        path.write_bytes(content)
        return
    path.mkdir()
    for name, below in content.items():
        _make(below, chosen, path / name)
