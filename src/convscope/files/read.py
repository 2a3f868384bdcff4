"""Reading: text, JSON, lines, formats and hashes, each failure in words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from convscope.errors import ConvscopeError

FORMAT = 1
BOM = b"\xef\xbb\xbf"


def read_bytes(path: Path | str) -> bytes:
    """The file's bytes. `ConvscopeError` where there is none, or it can't be read."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ConvscopeError(f"there is no file {path}.") from error
    except OSError as error:
        raise ConvscopeError(f"{path} can't be read: {error.strerror or error}.") from error


def read_text(path: Path | str) -> str:
    """The file's text: UTF-8, with or without the mark that Windows' editor puts first; lines end in "\\n"."""
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConvscopeError(
            f"{path} must be UTF-8 text. Byte 0x{data[error.start]:02x} in line {line} is not. Save it as UTF-8."
        ) from error
    return text.replace("\r\n", "\n")


def read_json(path: Path | str) -> Any:
    """The JSON value in the file."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ConvscopeError(
            f"{path} must be JSON. In line {error.lineno}, column {error.colno}: {error.msg}."
        ) from error


def read_lines(path: Path | str) -> list[dict[str, Any]]:
    """The JSON objects in a file of lines.

    A half line is dropped: at the end (its writer was killed, or is writing), or where an empty line follows it, which
    `append_line` puts after a half. Any other damage raises `ConvscopeError` with the line's number.
    """
    *lines, _ = read_bytes(path).removeprefix(BOM).split(b"\n")
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        half = number < len(lines) and not lines[number].strip()
        try:
            record = json.loads(line.decode("utf-8"))
        except ValueError as error:
            if half:
                continue
            raise ConvscopeError(f"{path} must hold one JSON object a line. Line {number}: {error}.") from error
        if not isinstance(record, dict):
            raise ConvscopeError(f"{path} must hold one JSON object a line. Line {number} is {record!r:.40}.")
        records.append(record)
    return records


def check_format(path: Path | str, found: object) -> None:
    """Refuses a file of a later format than this program knows; `found` is what its `format` says."""
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ConvscopeError(f"{path} must say format = {FORMAT}. It says {found!r}.")
    if found > FORMAT:
        raise ConvscopeError(
            f"{path} has format {found}, and this version of convscope reads formats up to {FORMAT}. "
            "A later version wrote it: update with pip install -U convscope."
        )


# Hashes


def sha256_bytes(data: bytes | bytearray | memoryview) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path | str) -> str:
    """SHA-256 of the file's content in hexadecimal; 1 MiB of memory, whatever its size."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ConvscopeError(f"there is no file {path}.") from error
    except OSError as error:
        raise ConvscopeError(f"{path} can't be read: {error.strerror or error}.") from error
