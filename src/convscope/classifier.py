"""A trained network with its preprocessing and its classes: what predicts, is exported and is served.

The one inference path: the command line, evaluation and every export check call `probabilities` or `predict` here.
A file holds tensors and JSON, nothing that runs; it is checked whole before a weight is used.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from convscope import files
from convscope.data.decode import is_system_file
from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError
from convscope.network.build import Network
from convscope.network.shapes import check_end

FORMAT = 1
NOTATION = 1
_HEADER_LIMIT = 1 << 20
_TENSOR_LIMIT = 4096
_DTYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16,
           "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool}  # fmt: skip
_BATCH = 256

Picture = str | Path | Image.Image | NDArray[Any] | Tensor


class ModelError(ConvscopeError):
    """A model file that can't be trusted or doesn't fit: the message says what is wrong in it."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of one picture: its label, how sure, and the probability of every class."""

    label: str
    probability: float
    probabilities: dict[str, float]
    name: str = ""

    def top(self, k: int = 3) -> list[tuple[str, float]]:
        """The k most probable classes, best first."""
        return sorted(self.probabilities.items(), key=lambda pair: -pair[1])[:k]


@dataclass(eq=False)
class Classifier:
    """network: a `Network`, or any module from (N, C, H, W) float32 to logits (N, classes)."""

    network: nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...]
    score: dict[str, Any] = field(default_factory=dict)
    made_with: dict[str, str] = field(default_factory=dict)
    path: Path | None = None

    # ---- predict -----------------------------------------------------------------------------------------------

    def logits(self, images: NDArray[np.uint8]) -> Tensor:
        """images: (N, C, H, W) uint8, as `preprocess.fit` gives them, to logits (N, classes) float32."""
        device = next(iter(self.network.parameters()), torch.empty(0)).device
        training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode():
                x = self.preprocess.to_input(torch.from_numpy(np.ascontiguousarray(images)).to(device))
                out = self.network(x)
        finally:
            self.network.train(training)
        if out.shape != (len(images), len(self.classes)):
            raise ConvscopeError(
                f"a classifier's network must give one number a class: ({len(images)}, {len(self.classes)}). "
                f"Got {tuple(out.shape)}."
            )
        return torch.as_tensor(out, dtype=torch.float32).cpu()

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """images: (N, C, H, W) uint8 (a memory map too), to (N, classes) float32; each row sums to 1."""
        rows = [
            torch.softmax(self.logits(images[start : start + _BATCH]), 1).numpy()
            for start in range(0, len(images), _BATCH)
        ]
        out: NDArray[np.float32] = np.concatenate(rows) if rows else np.zeros((0, len(self.classes)), np.float32)
        if not np.isfinite(out).all():
            raise ConvscopeError("a prediction must be finite. This network gives NaN or infinity; train it anew.")
        return out

    def predict(self, picture: Any) -> Any:
        """One picture to a Prediction; a list, a folder or a batch to a list of Predictions.

        picture: a path, a folder, a PIL picture, an array (H, W), (H, W, 1|3) or (N, H, W, 1|3), a tensor (C, H, W)
        or (N, C, H, W); uint8, or floats in 0 to 1.
        """
        if isinstance(picture, str | Path) and Path(picture).is_dir():
            return list(self.predict_each(pictures_in(Path(picture))))
        if isinstance(picture, Tensor | np.ndarray):
            array = _as_pictures(picture)
            return list(self.predict_each(array)) if picture.ndim == 4 else next(self.predict_each(array))
        if isinstance(picture, str | Path | Image.Image):
            return next(self.predict_each([picture]))
        if isinstance(picture, Iterable):
            return list(self.predict_each(picture))
        raise ConvscopeError(
            f"a picture must be a path, a PIL picture, an array or a tensor. Got {type(picture).__name__}."
        )

    def predict_each(self, pictures: Iterable[Picture]) -> Iterator[Prediction]:
        """Predictions in the order of the pictures, in bounded memory."""
        names: list[str] = []
        batch: list[NDArray[np.uint8]] = []
        for picture in pictures:
            names.append(str(picture) if isinstance(picture, str | Path) else "")
            batch.append(self._fit(picture))
            if len(batch) == _BATCH:
                yield from self._label(names, batch)
                names, batch = [], []
        if batch:
            yield from self._label(names, batch)

    def _fit(self, picture: Picture) -> NDArray[np.uint8]:
        if isinstance(picture, str | Path):
            path = Path(picture)
            if not path.is_file():
                raise ConvscopeError(f"a picture must exist to be predicted. There is none at {path}.")
            return self.preprocess.read(path)
        if isinstance(picture, Tensor | np.ndarray):
            return self.preprocess.fit(_as_pictures(picture)[0])
        return self.preprocess.fit(picture)

    def _label(self, names: list[str], batch: list[NDArray[np.uint8]]) -> Iterator[Prediction]:
        for name, row in zip(names, self.probabilities(np.stack(batch)), strict=True):
            best = int(row.argmax())
            shares = {label: float(p) for label, p in zip(self.classes, row, strict=True)}
            yield Prediction(self.classes[best], float(row[best]), shares, name)

    # ---- save and load -----------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """One `.safetensors` file: weights, and in its header network, preprocessing, classes, score and versions.

        Raises ModelError where a weight isn't finite; the old file stays whole on any failure.
        """
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise ModelError(f"weights must be finite to be saved. {name} has NaN or infinity in it.")
        own = not isinstance(self.network, Network)
        header = {
            "format": FORMAT,
            "notation": NOTATION,
            "network": "" if own else self.network.text,
            "input": [*self.preprocess.input_size, self.preprocess.channels],
            "classes": list(self.classes),
            "preprocess": self.preprocess.to_json(),
            "score": self.score,
            "made_with": {"convscope": metadata.version("convscope"), "torch": torch.__version__},
        }
        text = json.dumps(header, ensure_ascii=False, allow_nan=False, sort_keys=True)
        digest = _digest(text, tensors)
        files.write_bytes(Path(path), safetensors.torch.save(tensors, {"convscope": text, "sha256": digest}))

    @classmethod
    def load(cls, path: Path, network: nn.Module | None = None) -> Classifier:
        """Read a model file; every name, shape and value is checked, and nothing in it is executed.

        network: the module again, for a model that was trained from one's own `nn.Module`. Raises ModelError.
        """
        path = Path(path)
        if not path.is_file():
            raise ModelError(f"a model file must exist to be loaded. There is none at {path}.")
        tensors, header = _read(path)
        preprocess = Preprocess.from_json(header["preprocess"])
        classes = tuple(header["classes"])
        if network is None:
            if not header["network"]:
                raise ModelError(
                    f"{path} holds weights of somebody's own nn.Module, and no text of a network. Load it in Python "
                    f"with the module: convscope.load({str(path)!r}, network=module)."
                )
            built = Network(header["network"], input=header["input"], classes=len(classes), seed=None)
            check_end(built.sizes, len(classes))
            network = built
        _check_tensors(path, network, tensors)
        network.load_state_dict(tensors, assign=False)
        network.eval()
        return cls(network, preprocess, classes, header["score"], header["made_with"], path)


def pictures_in(folder: Path) -> list[Path]:
    """Every file below a folder that may be a picture, in the order of names; raises ConvscopeError for none."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and not is_system_file(p.name))
    if not found:
        raise ConvscopeError(f"a folder must hold pictures to be predicted. {folder} holds none.")
    return found


def _as_pictures(picture: NDArray[Any] | Tensor) -> NDArray[np.uint8]:
    """An array or tensor of one or many pictures to uint8 (N, H, W, C)."""
    array: NDArray[Any] = picture.detach().cpu().numpy() if isinstance(picture, Tensor) else picture
    if isinstance(picture, Tensor) and array.ndim >= 3:
        array = np.moveaxis(array, -3, -1)  # (..., C, H, W) to (..., H, W, C)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape:
        raise ConvscopeError(
            f"a picture must be (H, W), (H, W, 1 or 3) as an array or (1 or 3, H, W) as a tensor. "
            f"Got shape {tuple(picture.shape)}."
        )
    if array.dtype == np.uint8:
        return array
    if np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1:
        scaled: NDArray[np.uint8] = np.rint(array * 255).astype(np.uint8)
        return scaled
    raise ConvscopeError(
        f"a picture must hold uint8 from 0 to 255, or floats from 0 to 1. Got {array.dtype}; scale it to one of these."
    )


def _digest(header: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the header's text and every tensor's name, type, shape and bytes."""
    total = hashlib.sha256(header.encode("utf-8"))
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return total.hexdigest()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    data = path.read_bytes()
    if len(data) < 8:
        raise ModelError(f"{path} is no model file: it holds {len(data)} bytes. Train or copy it anew.")
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(_HEADER_LIMIT, len(data) - 8):
        raise ModelError(
            f"{path} is truncated or no model file: its header should be {length} bytes (at most {_HEADER_LIMIT}), "
            f"and {len(data) - 8} follow. Train or copy it anew."
        )
    try:
        table = json.loads(data[8 : 8 + length].decode("utf-8"), object_pairs_hook=_no_doubles)
        if not isinstance(table, dict):
            raise ValueError("not a table")
        about = table.pop("__metadata__", {})
        _check_table(path, table)
        header = json.loads(about["convscope"]) if "convscope" in about else None
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} is no model file: its header can't be read ({error}). Copy it anew.") from None
    if header is None:
        raise ModelError(
            f"{path} is a safetensors file without convscope's header, so nobody knows its network and preprocessing."
        )
    if not isinstance(header, dict) or not isinstance(header.get("format"), int) or header["format"] < 1:
        raise ModelError(f"{path} has a header without a format. Copy it anew.")
    if header["format"] > FORMAT or header.get("notation", 1) > NOTATION:
        raise ModelError(
            f"{path} has format {header['format']}, notation {header.get('notation')}; this version reads {FORMAT} and "
            f"{NOTATION}. Use convscope {header.get('made_with', {}).get('convscope', '(newer)')} or newer."
        )
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


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _check_table(path: Path, table: dict[str, Any]) -> None:
    if len(table) > _TENSOR_LIMIT:
        raise ModelError(f"{path} names {len(table)} tensors; a model has at most {_TENSOR_LIMIT}.")
    for name, entry in table.items():
        if not isinstance(entry, dict) or entry.get("dtype") not in _DTYPES:
            raise ModelError(f"{path}: tensor {name!r} has an unknown type. Known: {', '.join(_DTYPES)}.")


def _check_header(path: Path, header: dict[str, Any]) -> None:
    classes, size = header.get("classes"), header.get("input")
    good = (
        isinstance(header.get("network"), str)
        and isinstance(classes, list) and classes and all(isinstance(name, str) for name in classes)
        and isinstance(size, list) and len(size) == 3 and all(isinstance(n, int) and n > 0 for n in size)
        and isinstance(header.get("score"), dict) and isinstance(header.get("made_with"), dict)
        and isinstance(header.get("preprocess"), dict)
    )  # fmt: skip
    if not good:
        raise ModelError(f"{path} has a header that lacks network, input, classes, preprocess or score. Copy it anew.")


def _check_tensors(path: Path, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    wanted = network.state_dict()
    for what, names in (
        ("lacks", wanted.keys() - tensors.keys()),
        ("has, beyond its network,", tensors.keys() - wanted.keys()),
    ):
        if names:
            listed = ", ".join(sorted(names)[:5]) + (" ..." if len(names) > 5 else "")
            raise ModelError(f"a model must have its network's tensors, all and no others. {path} {what} {listed}.")
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape or tensor.dtype != wanted[name].dtype:
            raise ModelError(
                f"{path}: tensor {name} must be {wanted[name].dtype} {tuple(wanted[name].shape)}. "
                f"Got {tensor.dtype} {tuple(tensor.shape)}."
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{path}: tensor {name} has NaN or infinity in it. Train the model anew.")
