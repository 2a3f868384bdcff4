"""A model's file: what stands in it, and every check before any of it is used.

One safetensors file of tensors and JSON, nothing that runs. Its header holds a SHA-256 of all the rest, so a file that
was cut off or changed is found out. Knows no network and no picture.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from convscope.data.decode import format_of
from convscope.errors import ConvscopeError

FORMAT = 1
NOTATION = 1
_HEADER_LIMIT = 1 << 25  # two numbers for each value of a picture, and ten thousand layers; it is read before all else
_DTYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16,
           "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool}  # fmt: skip


class ModelError(ConvscopeError):
    """A model file that can't be trusted or doesn't fit: the message says what is wrong in it."""


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """The state of a network as it is written: on the processor, each tensor in memory of its own. Raises ModelError
    where one isn't finite, or of a type that isn't read again."""
    tensors: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, given in network.state_dict().items():
        tensor = given.detach().cpu().contiguous()
        if tensor.dtype not in _DTYPES.values():
            raise ModelError(f"a tensor must be {', '.join(_DTYPES)} to be saved. {name} is {tensor.dtype}.")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"weights must be finite to be saved. {name} has NaN or infinity in it.")
        memory = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.clone() if memory in taken else tensor  # weights that are tied are written twice
        taken.add(memory)
    return tensors


def pack(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> bytes:
    """The file's bytes; format, notation and versions (in `made_with`) join the header. Raises ModelError for a header
    that is too large."""
    versions = {"convscope": metadata.version("convscope"), "torch": torch.__version__}
    made_with = header.get("made_with", {}) | versions
    about = {"format": FORMAT, "notation": NOTATION, **header, "made_with": made_with}
    text = json.dumps(about, ensure_ascii=False, allow_nan=False, sort_keys=True)
    data = _in_order(safetensors.torch.save(dict(tensors), {"convscope": text, "sha256": _digest(text, tensors)}))
    if _header_length(data) > _HEADER_LIMIT:
        raise ModelError(f"a model's header must be at most {_HEADER_LIMIT} bytes. Got {_header_length(data)}.")
    return data


def _digest(header: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the header's text and every tensor's name, type, shape and bytes."""
    total = hashlib.sha256(header.encode("utf-8"))
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return total.hexdigest()


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a model file; what was written is what is read, or ModelError says what is wrong.

    The header has `network`, `input`, `classes`, `score` and `made_with` of the right types, and a `preprocess`.
    """
    data = _content(path)
    length = _header_length(data)
    try:
        table = json.loads(data[8 : 8 + length].decode("utf-8"), object_pairs_hook=_no_doubles)
        if not isinstance(table, dict):
            raise ValueError("not a table")
        about = table.pop("__metadata__", {})
        for name, entry in table.items():
            if entry["dtype"] not in _DTYPES:
                raise ModelError(f"{path}: tensor {name!r} must be {', '.join(_DTYPES)}. Got {entry['dtype']!r}.")
        header = json.loads(about["convscope"]) if "convscope" in about else None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(f"{path} is no model file: its header can't be read ({error}). Copy it anew.") from None
    if header is None:
        raise ModelError(
            f"{path} is a safetensors file without convscope's header, so nobody knows its network and preprocessing. "
            f"Give a file that convscope saved."
        )
    _check_format(path, header)
    try:
        tensors = safetensors.torch.load(data)
    except Exception as error:  # the library raises its own class for each fault of the format
        raise ModelError(f"{path} is truncated or damaged: {error}. Copy it anew.") from None
    found = _digest(about["convscope"], tensors)
    if found != about.get("sha256"):
        raise ModelError(
            f"{path} is damaged: its content has SHA-256 {found}, its header says {about.get('sha256')}. Copy it anew."
        )
    _check_header(path, header)
    return tensors, header


def _content(path: Path) -> bytes:
    """The file's bytes. What can't be a model by its first ones is not read whole: it may be larger than memory."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            head = file.read(64)
            _check_kind(path, head)
            if len(head) < 8:
                raise ModelError(f"{path} is no model file: it holds {size} bytes. Train or copy it anew.")
            length = _header_length(head)
            if length > min(_HEADER_LIMIT, size - 8):
                raise ModelError(
                    f"{path} is truncated or no model file: its header should be {length} bytes (at most "
                    f"{_HEADER_LIMIT}), and {size - 8} follow. Train or copy it anew."
                )
            file.seek(0)
            return file.read()
    except OSError as error:
        raise ModelError(f"a model file must be readable. {path} is not: {error.strerror or error}.") from error


def _check_kind(path: Path, head: bytes) -> None:
    """That the file doesn't begin like a picture or a text, which were given in the model's place."""
    kind = format_of(head[:32])
    if kind is not None:
        raise ModelError(
            f"{path} is no model file but a picture ({kind}). The model comes first: convscope predict MODEL PICTURE, "
            "where MODEL is a run's folder or a .safetensors file."
        )
    # a model's first 8 bytes are a length, of which the higher ones are zero
    if len(head) >= 8 and all(byte >= 32 or byte in b"\t\n\r" for byte in head):
        raise ModelError(
            f"{path} is no model file but a text. The model comes first, and is a run's folder or a .safetensors file."
        )


def _in_order(data: bytes) -> bytes:
    """The same file with its header's keys in a fixed order, which the library leaves to chance: equal models are equal
    files."""
    length = _header_length(data)
    table = json.loads(data[8 : 8 + length])
    table["__metadata__"] = dict(sorted(table["__metadata__"].items()))
    header = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    header += b" " * (-len(header) % 8)  # tensors start at a multiple of 8
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def _header_length(data: bytes) -> int:
    """What the first 8 bytes of a safetensors file say: how many bytes of JSON follow."""
    length: int = struct.unpack("<Q", data[:8])[0]
    return length


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _check_format(path: Path, header: Any) -> None:
    """That this version reads the file: a newer one may have changed anything else in its header."""
    known = header if isinstance(header, dict) else {}
    version, notation = known.get("format"), known.get("notation")
    if not (type(version) is int and type(notation) is int and version >= 1 and notation >= 1):
        raise ModelError(f"{path} has a header without format and notation. Copy it anew.")
    if version > FORMAT or notation > NOTATION:
        made_with = known.get("made_with")
        newer = made_with.get("convscope") if isinstance(made_with, dict) else "(newer)"
        raise ModelError(
            f"{path} has format {version}, notation {notation}; this version reads {FORMAT} and {NOTATION}. "
            f"Use convscope {newer} or newer."
        )


def _check_header(path: Path, header: dict[str, Any]) -> None:
    classes, size, made_with = header.get("classes"), header.get("input"), header.get("made_with")
    good = {
        "network": isinstance(header.get("network"), str),
        "classes": isinstance(classes, list) and bool(classes) and all(isinstance(name, str) for name in classes),
        "input": isinstance(size, list) and len(size) == 3 and all(type(n) is int and n > 0 for n in size),
        "score": isinstance(header.get("score"), dict),
        "made_with": isinstance(made_with, dict) and all(isinstance(said, str) for said in made_with.values()),
    }
    wrong = [name for name, fine in good.items() if not fine]
    if wrong:
        raise ModelError(f"{path} lacks {', '.join(wrong)} in its header, or has something else there. Copy it anew.")
    if len(set(classes or ())) != len(classes or ()):
        raise ModelError(f"{path} has two classes of one name. Name them apart and train anew.")


def check_tensors(
    path: Path, wanted: Mapping[str, tuple[torch.dtype, tuple[int, ...]]], tensors: Mapping[str, Tensor]
) -> None:
    """A model has the tensors of its network, all and no others, of its types and shapes, and finite."""
    for what, names in (
        ("lacks", wanted.keys() - tensors.keys()),
        ("has, beyond its network,", tensors.keys() - wanted.keys()),
    ):
        if names:
            listed = ", ".join(sorted(names)[:5]) + (" ..." if len(names) > 5 else "")
            raise ModelError(f"a model must have its network's tensors, all and no others. {path} {what} {listed}.")
    for name, tensor in tensors.items():
        if (tensor.dtype, tuple(tensor.shape)) != wanted[name]:
            raise ModelError(
                f"{path}: tensor {name} must be {wanted[name][0]} {wanted[name][1]}. "
                f"Got {tensor.dtype} {tuple(tensor.shape)}. Train or copy it anew."
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{path}: tensor {name} has NaN or infinity in it. Train the model anew.")
