"""A trained network with its preprocessing and its classes: what predicts, is exported and is served.

The one inference path: the command line, evaluation and every export check call `probabilities` or `predict` here.
Knows what a model means; how its file is laid out and checked is `model_file`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from convscope import files
from convscope.classifier import model_file
from convscope.classifier.model_file import ModelError, check_tensors
from convscope.data.decode import UnreadablePicture
from convscope.data.folder import scan
from convscope.data.preprocess import Preprocess
from convscope.data.threads import usable_cores
from convscope.errors import ConvscopeError, RunFailed, nearest
from convscope.network.at_rest import at_rest
from convscope.network.build import Network
from convscope.network.cost import state
from convscope.network.shapes import check_end, resolve
from convscope.notation import parse, write_out
from convscope.run import Run

__all__ = ["Classifier", "ModelError", "Picture", "Prediction", "as_pictures", "pictures_in"]

_BATCH = 256
_NO_PICTURE = "a picture must be a path, a PIL picture, an array or a tensor."

Picture = str | Path | Image.Image | NDArray[Any] | Tensor


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of one picture: its label, how sure, and the probability of every class. note: what was
    noticed as the picture was brought into the data's manner, such as that it is empty; "" is nothing."""

    label: str
    probability: float
    probabilities: dict[str, float]
    name: str = ""
    note: str = ""

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

    def __repr__(self) -> str:
        size = "x".join(map(str, (*self.preprocess.input_size, self.preprocess.channels)))
        known = all(key in self.score for key in ("split", "k", "n"))
        scored = f", {self.score['split']} {self.score['k']} of {self.score['n']}" if known else ""
        return f"Classifier(input {size}, {len(self.classes)} classes{scored})"

    # ---- predict -----------------------------------------------------------------------------------------------

    def logits(self, images: NDArray[np.uint8]) -> Tensor:
        """images: (N, C, H, W) uint8, as `preprocess.fit` gives them, to logits (N, classes) float32."""
        device = next(iter(self.network.parameters()), torch.empty(0)).device
        with at_rest(self.network), torch.inference_mode():
            x = self.preprocess.to_input(torch.from_numpy(np.array(images)).to(device))  # a map may be read-only
            out = self.network(x)
        if out.shape != (len(images), len(self.classes)):
            raise ConvscopeError(
                f"a classifier's network must give one number a class: ({len(images)}, {len(self.classes)}). "
                f"Got {tuple(out.shape)}."
            )
        return torch.as_tensor(out, dtype=torch.float32).cpu()

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """images: (N, C, H, W) uint8 (a memory map too), to (N, classes) float32; each row sums to 1."""
        return self.judge(images)[0]

    def judge(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64] | None = None,
        progress: Callable[[int, int], None] | None = None,
        logits: Callable[[NDArray[np.uint8]], Tensor] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The probabilities, and with labels (N,) each picture's cross-entropy in nats, (N,) float32.

        progress: is called with how many are done, of how many. logits: in place of the method of this name, where
        something is made of several of its answers (`evaluate.views`). The loss comes from the logits, so that it is
        right where a probability is 0 in float32. Raises RunFailed where an output isn't finite.
        """
        shares, losses = [np.zeros((0, len(self.classes)), np.float32)], [np.zeros(0, np.float32)]
        for start in range(0, len(images), _BATCH):
            said = (logits or self.logits)(images[start : start + _BATCH])
            shares.append(torch.softmax(said, 1).numpy())
            if labels is not None:
                right = torch.from_numpy(labels[start : start + _BATCH])
                losses.append(cross_entropy(said, right, reduction="none").numpy())
            if progress is not None:
                progress(min(start + _BATCH, len(images)), len(images))
        out: NDArray[np.float32] = np.concatenate(shares)
        if not np.isfinite(out).all():
            raise RunFailed("a prediction must be finite. This network gives NaN or infinity; train it anew.")
        return out, np.concatenate(losses)

    def predict(self, picture: Any) -> Any:
        """One picture to a Prediction; a list, a folder or a batch to a list of Predictions.

        picture: a path, a folder, a PIL picture, an array (H, W), (H, W, 1|3) or (N, H, W, 1|3), a tensor (C, H, W)
        or (N, C, H, W); uint8, or floats in 0 to 1.
        """
        if isinstance(picture, str | Path) and Path(picture).is_dir():
            return list(self.predict_each(pictures_in(Path(picture))))
        if isinstance(picture, Tensor | np.ndarray):
            array = as_pictures(picture)
            return list(self.predict_each(array)) if picture.ndim == 4 else next(self.predict_each(array))
        if isinstance(picture, str | Path | Image.Image):
            return next(self.predict_each([picture]))
        if isinstance(picture, Iterable) and not isinstance(picture, bytes | Mapping):
            return list(self.predict_each(picture))
        raise ConvscopeError(_NO_PICTURE + f" Got {type(picture).__name__}.")

    def predict_each(
        self, pictures: Iterable[Picture], unreadable: Callable[[str, UnreadablePicture], None] | None = None
    ) -> Iterator[Prediction]:
        """Predictions in the order of the pictures, in bounded memory: several threads read a batch of files, which
        is then predicted at once.

        unreadable: is told the name of each file that can't be read, and why; the file is left out. Without it the
        first such file raises.
        """
        pictures = iter(pictures)
        with ThreadPoolExecutor(usable_cores(), thread_name_prefix="decode") as pool:
            while batch := list(islice(pictures, _BATCH)):
                # only files: a Pillow picture that stands twice in a list must not be read by two threads
                read = pool.map(self._read, [picture for picture in batch if isinstance(picture, str | Path)])
                names: list[tuple[str, str]] = []  # with the note
                fitted: list[NDArray[np.uint8]] = []
                for picture in batch:
                    name = str(picture) if isinstance(picture, str | Path) else ""
                    found = next(read) if isinstance(picture, str | Path) else self._fit(picture)
                    if not isinstance(found, UnreadablePicture):
                        names.append((name, found[1]))
                        fitted.append(found[0])
                    elif unreadable is not None:
                        unreadable(name, found)
                    else:
                        raise found
                if fitted:
                    yield from self._label(names, fitted)

    def fitted(self, picture: Picture) -> NDArray[np.uint8]:
        """One picture as it is stored for the network, uint8 (C, H, W): what `probabilities` takes a batch of."""
        return self._fit(picture)[0]

    def _read(self, path: str | Path) -> tuple[NDArray[np.uint8], str] | UnreadablePicture:
        try:
            return self._fit(path)
        except UnreadablePicture as error:
            return error

    def _fit(self, picture: Picture) -> tuple[NDArray[np.uint8], str]:
        """The picture as it is stored, and what was noticed."""
        if isinstance(picture, str | Path):
            path = Path(picture)
            if path.is_dir():
                raise ConvscopeError(f"a picture in a list must be a file. {path} is a folder: predict it by itself.")
            if not (path.is_file() or path.is_symlink()):  # a link to nowhere is there, and can't be read
                raise ConvscopeError(f"a picture must exist to be predicted. There is none at {path}.")
            return self.preprocess.read_noted(path)
        if isinstance(picture, Tensor | np.ndarray):
            array = as_pictures(picture)
            if len(array) != 1:
                raise ConvscopeError(f"a picture in a list must be one picture. Got a batch of {len(array)}.")
            return self.preprocess.fit_noted(array[0])
        if not isinstance(picture, Image.Image):
            raise ConvscopeError(_NO_PICTURE + f" Got {type(picture).__name__}.")
        return self.preprocess.fit_noted(picture)

    def _label(self, names: list[tuple[str, str]], batch: list[NDArray[np.uint8]]) -> Iterator[Prediction]:
        for (name, note), row in zip(names, self.probabilities(np.stack(batch)), strict=True):
            best = int(row.argmax())
            shares = {label: float(p) for label, p in zip(self.classes, row, strict=True)}
            yield Prediction(self.classes[best], float(row[best]), shares, name, note)

    # ---- save and load -----------------------------------------------------------------------------------------

    def save(self, path: Path, more: Mapping[str, Any] | None = None) -> None:
        """One `.safetensors` file: weights, and in its header network, preprocessing, classes, score and versions.

        more: what else stands in the header, as JSON. Raises ModelError where a weight isn't finite; the old file stays
        whole on any failure.
        """
        own = not isinstance(self.network, Network)
        tensors = model_file.tensors_of(self.network)
        if not own:  # what is handed on is float32, whatever it was trained or examined in
            tensors = {name: tensor.float() for name, tensor in tensors.items()}
        header = {
            "network": "" if own else self.network.text,
            "input": [*self.preprocess.input_size, self.preprocess.channels],
            "classes": list(self.classes),
            "preprocess": self.preprocess.to_json(),
            "score": self.score,
            "made_with": self.made_with,
            **(more or {}),
        }
        files.write_bytes(Path(path), model_file.pack(tensors, header))

    @classmethod
    def load(cls, path: Path, network: nn.Module | None = None) -> Classifier:
        """Read a model file, or that of a run's folder; every name, shape and value is checked, and nothing in it is
        executed.

        network: the module again, for a model that was trained from one's own `nn.Module`. Raises ModelError.
        """
        path = Path(path)
        if path.is_dir():
            path = _model_of(Run(path))
        if not path.is_file():
            raise ModelError(f"a model file must exist to be loaded. There is none at {path}.{_meant(path)}")
        tensors, header = model_file.read(path)
        classes = tuple(header["classes"])
        try:
            preprocess = Preprocess.from_json(header.get("preprocess"))
        except ConvscopeError as error:
            raise ModelError(f"{path}: {error}") from None
        if [*preprocess.input_size, preprocess.channels] != header["input"]:
            raise ModelError(f"{path}: its input and its preprocessing must be of one size. Copy it anew.")
        if network is None:
            network = _network(path, header, tensors)
        else:
            held = network.state_dict().items()
            check_tensors(path, {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in held}, tensors)
        network.load_state_dict(tensors)
        network.eval()
        return cls(network, preprocess, classes, header["score"], header["made_with"], path)


def _meant(path: Path) -> str:
    """Which run or model file beside it is called nearly so, as a sentence; "" where none is."""
    try:
        beside = [one.name for one in path.parent.iterdir() if one.is_dir() or one.suffix == path.suffix]
    except OSError:
        return ""
    close = nearest(path.name, beside)
    return f" Did you mean {path.parent / close}?" if close else ""


def _model_of(run: Run) -> Path:
    if not run.model_path.is_file():
        raise ModelError(
            f"{run.path} has no model yet: its training did not end. Go on with it: convscope train --resume {run.path}"
        )
    return run.model_path


def _network(path: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Network:
    """The network of a model's text, its weights still to be loaded. A stranger's text may ask for any amount of
    memory, so it must agree with the tensors that are there before anything is built."""
    if not header["network"]:
        raise ModelError(
            f"{path} holds weights of somebody's own nn.Module, and no text of a network. Load it in Python "
            f"with the module: convscope.load({str(path)!r}, network=module)."
        )
    height, width, channels = header["input"]
    count = len(header["classes"])
    try:
        sizes = resolve(write_out(parse(header["network"])), (height, width, channels), count)
        check_end(sizes, count)
        check_tensors(path, {name: (torch.float32, shape) for name, shape in state(sizes).items()}, tensors)
        return Network(header["network"], input=sizes.input, classes=count, seed=None)
    except ModelError:
        raise
    except ConvscopeError as error:
        raise ModelError(f"{path}: its network can't be built.\n{error}") from None


def pictures_in(folder: Path) -> list[Path]:
    """Every file below a folder that may be a picture, in the order of names: those that training would read of it.
    Raises ConvscopeError for none."""
    found = sorted(folder / entry.path for entry in scan(folder).entries)
    if not found:
        raise ConvscopeError(f"a folder must hold pictures to be predicted. {folder} holds none.")
    return found


def as_pictures(picture: NDArray[Any] | Tensor) -> NDArray[np.uint8]:
    """An array or tensor of one or many pictures to uint8 (N, H, W, C).

    An array whose channels can only come first, as in an image set's `images`, is taken as it is meant.
    """
    array: NDArray[Any] = picture.detach().cpu().numpy() if isinstance(picture, Tensor) else picture
    first = array.ndim >= 3 and array.shape[-3] in (1, 3) and array.shape[-1] not in (1, 3)
    if array.ndim >= 3 and (isinstance(picture, Tensor) or first):
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
