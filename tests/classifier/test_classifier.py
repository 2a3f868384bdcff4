"""The one inference path: every form of a picture gives one prediction, and training's cache the same bytes."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from convscope.classifier import Classifier, Prediction, pictures_in
from convscope.data import store
from convscope.data.decode import UnreadablePicture, decode
from convscope.data.preprocess import Preprocess
from convscope.errors import ConvscopeError
from convscope.network.build import Network
from data.odd_pictures import png, tiff

CLASSES = ("一", "two", "三", "4")
SIZE = (12, 10)


def classifier(channels: int = 3, text: str = "conv 3x3 6, bn, relu, maxpool 2, dense", fit: Any = "pad") -> Classifier:
    network = Network(text, input=(*SIZE, channels), classes=4, seed=1)
    with torch.no_grad():
        network.train()(torch.randn(32, channels, *SIZE, generator=torch.Generator().manual_seed(0)))
    preprocess = Preprocess(SIZE, channels, fit, mean=(0.4,) * channels, std=(0.3,) * channels)
    return Classifier(network.eval(), preprocess, CLASSES)


# Fifty odd pictures


def smooth(height: int, width: int, bands: int, seed: int) -> NDArray[np.uint8]:
    """(height, width, bands) of neighbours that are alike."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, bands), np.uint8)
    layers = [Image.fromarray(small[:, :, i]).resize((width, height)) for i in range(bands)]
    return np.stack([np.asarray(layer) for layer in layers], 2)


def odd_pictures() -> Iterator[tuple[str, bytes]]:
    """Name and file of every mode in every format that has it, in sizes of their own, some turned by their EXIF."""
    forms = {
        "png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), "jpg": ("L", "RGB", "CMYK", "YCbCr"),
        "gif": ("L", "P", "RGB"), "bmp": ("1", "L", "P", "RGB"), "webp": ("RGB", "RGBA"),
        "tif": ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "LAB"),
    }  # fmt: skip
    written = {"jpg": "JPEG", "tif": "TIFF"}
    turn = 0
    for form, modes in forms.items():
        for mode in modes:
            for height, width in ((9 + turn % 7, 31), (40, 5 + turn % 11)):
                turn += 1
                picture = of_mode(mode, height, width, turn)
                how: dict[str, Any] = {}
                if form in ("jpg", "webp", "png") and turn % 3 == 0:
                    exif = Image.Exif()
                    exif[0x0112] = 1 + turn % 8
                    how["exif"] = exif
                file = io.BytesIO()
                picture.save(file, written.get(form, form.upper()), **how)
                yield f"{turn:02} {mode.replace(';', '-')}.{form}", file.getvalue()
    yield "61 four bits.png", png(4, 3, 4, 0, [b"\x01\x8f", b"\xf0\x23", b"\x45\x67"])
    yield "62 big end.tif", tiff(3, 2, bytes(range(0, 240, 20)), bits=(16,), big_endian=True)
    yield "63 one pixel.png", png(1, 1, 8, 2, [b"\x01\x80\xff"])


def of_mode(mode: str, height: int, width: int, seed: int) -> Image.Image:
    bands = {"LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "YCbCr": 3, "LAB": 3, "P": 3}.get(mode, 1)
    values = smooth(height, width, bands, seed)
    if mode == "I;16":
        return Image.fromarray(values[:, :, 0].astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray((values[:, :, 0] / np.float32(255)).astype(np.float32))
    if mode == "1":
        return Image.fromarray(values[:, :, 0]).convert("1")
    if mode == "P":
        return Image.fromarray(values).quantize(16)
    if mode == "LAB":
        return Image.frombytes("LAB", (width, height), values.tobytes())
    layers = [Image.fromarray(values[:, :, i]) for i in range(bands)]
    return Image.merge(mode, layers) if bands > 1 else layers[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures in two class folders."""
    root = tmp_path_factory.mktemp("图片")
    for turn, (name, data) in enumerate(odd_pictures()):
        path = root / ("甲" if turn % 2 else "b") / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return root


def test_there_are_fifty(folder: Path) -> None:
    assert len(pictures_in(folder)) >= 50


def test_a_folder_holds_the_pictures_that_training_would_read(tmp_path: Path) -> None:
    for name in ("a/1.png", "a-b/2.png", ".git/3.png", "a/.4.png", "__MACOSX/5.png", "a/Thumbs.db"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(path, "PNG")
    assert [path.name for path in pictures_in(tmp_path / "data")] == ["1.png", "2.png"]
    try:
        (tmp_path / "data" / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    except OSError:
        pytest.skip("this system lets a user make no links")
    unreadable: list[str] = []
    model = classifier(1)
    said = list(model.predict_each(pictures_in(tmp_path / "data"), lambda name, why: unreadable.append(why.reason)))
    assert len(said) == 2
    assert unreadable == ["there is no such file"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_every_form_gives_the_same_prediction(folder: Path, channels: int, fit: str) -> None:
    """Path, string, Pillow picture, array and tensor; alone, in a list, in a folder; bytes and probabilities."""
    model = classifier(channels, fit=fit)
    by_name = {said.name: said for said in model.predict(folder)}
    assert len(by_name) >= 50
    for path in pictures_in(folder):
        stored = model.preprocess.read(path)
        upright = np.asarray(decode(path))  # (H, W) or (H, W, 3)
        planes = upright[None] if upright.ndim == 2 else upright.transpose(2, 0, 1)
        forms: list[Any] = [
            path, str(path), Image.open(path), upright, upright[:, :, None] if upright.ndim == 2 else upright,
            torch.from_numpy(planes.copy()), upright.astype(np.float32) / 255, upright / 255,
            torch.from_numpy(planes / 255),
        ]  # fmt: skip
        said = [model.predict(form) for form in forms]
        said += model.predict(forms)
        for form in forms:
            assert (model.fitted(form) == stored).all(), (path.name, type(form))
        told = by_name[str(path)]
        for one in said:
            assert one.label == told.label
            assert_allclose(list(one.probabilities.values()), list(told.probabilities.values()), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("channels", [1, 3])
def test_trainings_cache_holds_the_same_bytes(
    folder: Path, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path))
    model = classifier(channels)
    data = store.load(str(folder), base=Path(), size=SIZE, channels=channels, validation=0.15, test=0.15)
    seen = 0
    for part in (data.train, data.validation, data.test):
        cached = model.probabilities(part.images)
        for row, name in enumerate(part.names):
            assert (part.images[row] == model.preprocess.read(folder / name)).all(), name
            one = model.predict(folder / name)
            assert_allclose(list(one.probabilities.values()), cached[row], rtol=1e-5, atol=1e-7)
            seen += 1
    assert seen == len(pictures_in(folder))


# Batches


def batch(count: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 20, 17, channels), np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_is_its_pictures(channels: int) -> None:
    model = classifier(channels)
    array = batch(5, channels)
    one_by_one = [model.predict(picture) for picture in array]
    planes = torch.from_numpy(array.transpose(0, 3, 1, 2).copy())
    for form in (array, planes, array / 255, planes / 255, list(array), list(planes), iter(array)):
        said = model.predict(form)
        assert [one.label for one in said] == [one.label for one in one_by_one]
        for one, other in zip(said, one_by_one, strict=True):
            assert_allclose(list(one.probabilities.values()), list(other.probabilities.values()), rtol=1e-5)


def test_a_prediction() -> None:
    said = classifier().predict(batch(1)[0])
    assert isinstance(said, Prediction)
    assert tuple(said.probabilities) == CLASSES
    assert sum(said.probabilities.values()) == pytest.approx(1)
    assert said.probability == max(said.probabilities.values()) == said.probabilities[said.label]
    assert said.top(2)[0] == (said.label, said.probability)
    assert len(said.top(2)) == 2
    assert [p for _, p in said.top(9)] == sorted(said.probabilities.values(), reverse=True)
    assert said.name == ""


def test_no_pictures_no_predictions() -> None:
    model = classifier()
    assert model.predict([]) == []
    assert model.probabilities(np.zeros((0, 3, *SIZE), np.uint8)).shape == (0, 4)


def test_batch_normalisation_predicts_one_as_many() -> None:
    """Also while the network is being trained, and training goes on as it was."""
    model = classifier()
    model.network.train()
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    images = np.random.default_rng(0).integers(0, 256, (300, 3, *SIZE), np.uint8)
    many = model.probabilities(images)
    for i in (0, 1, 255, 256, 299):
        assert_allclose(model.probabilities(images[i : i + 1])[0], many[i], rtol=1e-5)
    assert all(module.training for module in model.network.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.network.state_dict().items())


def test_layers_that_were_kept_from_training_stay_so() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module.train()
    module[1].eval()
    Classifier(module, Preprocess(SIZE, 3), CLASSES).predict(batch(1)[0])
    assert [layer.training for layer in module] == [True, False, True, True]
    assert module.training


# Many files: in order, in threads, in bounded memory


def many(tmp_path: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i:04}.png" for i in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (6, 5), np.uint8)).save(path)
    return paths


def test_many_files_keep_their_order(tmp_path: Path) -> None:
    paths = many(tmp_path, 600)
    model = classifier(1)
    said = model.predict(tmp_path)
    assert [one.name for one in said] == [str(path) for path in paths]
    for i in (0, 255, 256, 599):
        assert_allclose(said[i].probability, model.predict(paths[i]).probability, rtol=1e-5)


def test_files_are_read_a_batch_ahead_and_no_more(tmp_path: Path) -> None:
    paths = many(tmp_path, 3) * 300
    asked = 0

    def counted() -> Iterator[Path]:
        nonlocal asked
        for path in paths:
            asked += 1
            yield path

    threads = threading.active_count()
    said = classifier(1).predict_each(counted())
    next(said)
    assert asked == 256
    said.close()  # type: ignore[attr-defined]
    assert threading.active_count() == threads


def test_one_pillow_picture_may_stand_twice(folder: Path) -> None:
    picture = Image.open(next(path for path in pictures_in(folder) if path.suffix == ".jpg"))
    said = classifier().predict([picture] * 20)
    assert len({one.probability for one in said}) == 1


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    paths = many(tmp_path, 4)
    paths[2].write_bytes(b"no picture")
    model = classifier(1)
    with pytest.raises(UnreadablePicture, match=re.escape(str(paths[2]))):
        model.predict(paths)
    told: list[tuple[str, UnreadablePicture]] = []
    said = list(model.predict_each(paths, lambda name, error: told.append((name, error))))
    assert [one.name for one in said] == [str(paths[i]) for i in (0, 1, 3)]
    assert [name for name, _ in told] == [str(paths[2])]
    assert list(model.predict_each(paths[2:3], lambda name, error: None)) == []


# What is no picture


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (7, "a picture must be a path, a PIL picture, an array or a tensor. Got int."),
        (None, "a picture must be a path, a PIL picture, an array or a tensor. Got NoneType."),
        ([None], "a picture must be a path, a PIL picture, an array or a tensor. Got NoneType."),
        ([[1, 2]], "a picture must be a path, a PIL picture, an array or a tensor. Got list."),
        (b"bytes", "a picture must be a path, a PIL picture, an array or a tensor. Got bytes."),
        ({}, "a picture must be a path, a PIL picture, an array or a tensor. Got dict."),
        ("none.png", "a picture must exist to be predicted. There is none at none.png."),
        (["none.png"], "a picture must exist to be predicted. There is none at none.png."),
        (["."], "a picture in a list must be a file. . is a folder: predict it by itself."),
        (np.zeros((4, 5, 2), np.uint8), "a picture must be (H, W), (H, W, 1 or 3) as an array or (1 or 3, H, W) as a "
         "tensor. Got shape (4, 5, 2)."),
        (np.zeros(4, np.uint8), "Got shape (4,)."),
        (np.zeros((0, 4), np.uint8), "Got shape (0, 4)."),
        (np.zeros((2, 3, 4, 5, 3), np.uint8), "Got shape (2, 3, 4, 5, 3)."),
        (torch.zeros(4, 5, 3), "Got shape (4, 5, 3)."),
        (np.zeros((4, 5), np.int64), "a picture must hold uint8 from 0 to 255, or floats from 0 to 1. Got int64;"),
        (np.full((4, 5), 1.5), "Got float64; scale it to one of these."),
        (np.full((4, 5), -0.1), "Got float64; scale it to one of these."),
        (np.full((4, 5), np.nan), "Got float64; scale it to one of these."),
        ([np.zeros((2, 4, 5, 3), np.uint8)], "a picture in a list must be one picture. Got a batch of 2."),
    ],
)  # fmt: skip
def test_what_is_no_picture(given: Any, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        classifier().predict(given)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"")
    with pytest.raises(ConvscopeError, match=r"a folder must hold pictures to be predicted\. .* holds none\."):
        classifier().predict(tmp_path)


class Odd(nn.Module):
    """Gives whatever it is told to."""

    def __init__(self, gives: Tensor) -> None:
        super().__init__()
        self.gives = gives

    def forward(self, x: Tensor) -> Tensor:
        return self.gives


def test_a_network_of_another_number_of_classes() -> None:
    model = Classifier(Odd(torch.zeros(1, 5)), Preprocess(SIZE, 3), CLASSES)
    with pytest.raises(ConvscopeError, match=r"must give one number a class: \(1, 4\)\. Got \(1, 5\)\."):
        model.predict(batch(1)[0])


def test_a_network_that_gives_nan() -> None:
    model = Classifier(Odd(torch.full((1, 4), torch.nan)), Preprocess(SIZE, 3), CLASSES)
    with pytest.raises(ConvscopeError, match=r"a prediction must be finite\. This network gives NaN or infinity"):
        model.predict(batch(1)[0])
