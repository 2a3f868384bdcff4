"""A model's file: what was saved is what is loaded, every fault has its sentence, and nothing in a file is executed."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from convscope.classifier import Classifier, ModelError, model_file
from convscope.data.preprocess import Preprocess
from convscope.network.build import Network

TEXT = "conv 3x3 4, bn, relu, maxpool 2, add( conv 1x1 4 | identity ), dense"
CLASSES = ("zwei", "猫 & <b>", "ein Vogel")
SCORE = {"k": 267, "n": 270, "low": 0.968, "high": 0.996}


def classifier(text: str = TEXT, size: tuple[int, int] = (8, 6), channels: int = 3) -> Classifier:
    network = Network(text, input=(*size, channels), classes=len(CLASSES), seed=3)
    network.train()(
        torch.randn(16, channels, *size, generator=torch.Generator().manual_seed(0))
    )  # statistics of its own
    preprocess = Preprocess(size, channels, "crop", mean=(0.5,) * channels, std=(0.25,) * channels)
    return Classifier(network, preprocess, CLASSES, dict(SCORE))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "模型.safetensors"
    classifier().save(path)
    return path


Header = dict[str, Any]


def rewritten(
    path: Path, header: Callable[[Header], Any] = lambda h: h, tensors: Callable[[dict[str, Tensor]], Any] = lambda t: t
) -> Path:
    """The same file with another header or other tensors, and the SHA-256 that goes with them: a hostile file's."""
    state, about = model_file.read(path)
    about = header(about) or about
    state = tensors(state) or state
    text = about if isinstance(about, str) else json.dumps(about)
    path.write_bytes(safetensors.torch.save(state, {"convscope": text, "sha256": model_file._digest(text, state)}))
    return path


def rewritten_bytes(path: Path, change: Callable[[str], str]) -> Path:
    """The same file with the text of its safetensors header changed."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    table = change(data[8 : 8 + length].decode("utf-8")).encode("utf-8")
    path.write_bytes(struct.pack("<Q", len(table)) + table + data[8 + length :])
    return path


def refused(path: Path, sentence: str, network: nn.Module | None = None) -> None:
    with pytest.raises(ModelError, match=re.escape(sentence)) as raised:
        Classifier.load(path, network)
    assert str(path) in str(raised.value)


# What was saved is what is loaded


def test_everything_comes_back(saved: Path) -> None:
    before, after = classifier(), Classifier.load(saved)
    one, two = before.network.state_dict(), after.network.state_dict()
    assert list(one) == list(two)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert isinstance(after.network, Network)
    assert isinstance(before.network, Network)
    assert after.network.text == before.network.text
    assert after.network.input == (8, 6, 3)
    assert not after.network.training
    assert (after.preprocess, after.classes, after.score) == (before.preprocess, CLASSES, SCORE)
    assert set(after.made_with) == {"convscope", "torch"}
    assert after.path == saved


def test_saving_again_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "again.safetensors"
    Classifier.load(saved).save(other)
    assert other.read_bytes() == saved.read_bytes()


def test_predictions_are_the_same_bits(saved: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 8, 6), np.uint8)
    assert (Classifier.load(saved).probabilities(images) == classifier().probabilities(images)).all()


def test_the_file_is_safetensors_that_others_read(saved: Path) -> None:
    tensors = safetensors.torch.load_file(saved)
    assert set(tensors) == set(classifier().network.state_dict())


def test_a_large_preprocessing_is_read_again(tmp_path: Path) -> None:
    """One mean for each of 3 x 120 x 120 values."""
    values = tuple(np.random.default_rng(0).random(3 * 120 * 120).tolist())
    network = Network("gap, dense", input=(120, 120, 3), classes=3)
    model = Classifier(network, Preprocess((120, 120), 3, mean=values, std=values), CLASSES)
    model.save(tmp_path / "m.safetensors")
    assert Classifier.load(tmp_path / "m.safetensors").preprocess == model.preprocess


def test_a_very_deep_network_is_read_again(tmp_path: Path) -> None:
    network = Network("1200 * ( bn ), gap, dense", input=(2, 2, 1), classes=3)  # 4 800 tensors and two
    Classifier(network, Preprocess((2, 2), 1), CLASSES).save(tmp_path / "m.safetensors")
    assert len(Classifier.load(tmp_path / "m.safetensors").network.state_dict()) == 4802


def test_what_is_handed_on_is_float32(tmp_path: Path) -> None:
    model = classifier()
    model.network.double()
    model.save(tmp_path / "m.safetensors")
    tensors = Classifier.load(tmp_path / "m.safetensors").network.state_dict()
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


# Saving what can't be


def test_weights_that_are_not_finite_are_not_saved(saved: Path) -> None:
    old = saved.read_bytes()
    model = classifier()
    with torch.no_grad():
        model.network.state_dict()["conv2.bias"][1] = torch.nan
    with pytest.raises(ModelError, match=r"weights must be finite to be saved\. conv2\.bias has NaN or infinity in it"):
        model.save(saved)
    assert saved.read_bytes() == old


def test_a_type_that_is_not_read_is_not_saved(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    module.register_buffer("phase", torch.zeros(2, dtype=torch.complex64))
    model = Classifier(module, Preprocess((4, 4), 3), CLASSES)
    with pytest.raises(ModelError, match=r"a tensor must be F32, .* to be saved\. phase is torch\.complex64\."):
        model.save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_header_that_would_not_be_read_is_not_saved(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "_HEADER_LIMIT", 100)
    with pytest.raises(ModelError, match=r"a model's header must be at most 100 bytes\. Got \d+\."):
        classifier().save(saved)


# Damage


def test_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.safetensors", "a model file must exist to be loaded. There is none at ")


def test_a_name_that_is_nearly_right(saved: Path) -> None:
    meant = re.escape(f"Did you mean {saved}?")
    with pytest.raises(ModelError, match=rf"There is none at .*\. {meant}$"):
        Classifier.load(saved.with_stem(saved.stem[:-1]))


def test_a_file_cut_off_anywhere(saved: Path) -> None:
    data = saved.read_bytes()
    for at in [*range(10), *np.linspace(10, len(data) - 1, 54, dtype=int).tolist()]:
        saved.write_bytes(data[:at])
        with pytest.raises(ModelError, match=r"is no model file: it holds \d bytes|is truncated or no model file: its "
                           r"header should be \d+ bytes|is truncated or damaged: ") as raised:  # fmt: skip
            Classifier.load(saved)
        assert str(raised.value).startswith(str(saved))


def test_any_flipped_bit_is_found(saved: Path) -> None:
    data = saved.read_bytes()
    rng = np.random.default_rng(0)
    header = 8 + struct.unpack("<Q", data[:8])[0]
    bits = [*range(64), *rng.integers(64, 8 * header, 200).tolist(), *rng.integers(8 * header, 8 * len(data), 100)]
    for bit in bits:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        saved.write_bytes(damaged)
        with pytest.raises(ModelError):
            Classifier.load(saved)


def test_bytes_behind_the_end(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"more")
    refused(saved, f"{saved} is truncated or damaged: ")


def test_a_changed_weight_is_named_by_its_hash(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    refused(saved, f"{saved} is damaged: its content has SHA-256 ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xd8\xff\xe0" + bytes(100), "is no model file but a picture (JPEG). The model comes first: convscope"),
        (b"path,label\na.png,7\n", "is no model file but a text. The model comes first"),
        ("\u732b\u732b\u732b".encode(), "is no model file but a text."),
    ],
)
def test_what_was_given_in_the_models_place(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "seven"
    path.write_bytes(content)
    refused(path, said)


@pytest.mark.parametrize("content", [b"", b"1234567", b"\x89PNG\r\n\x1a\n" + bytes(100), b"PK\x03\x04" + bytes(100)])
def test_what_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    refused(path, "no model file")


# Headers of strangers


def test_what_can_be_no_model_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size > 0
            return super().read(size)

    path = tmp_path / "disc.img"
    path.write_bytes(bytes(range(1, 129)))
    monkeypatch.setattr(Path, "open", lambda self, mode: Endless(bytes(range(1, 129))))
    refused(path, "is truncated or no model file: its header should be")


def test_a_file_that_can_not_be_opened(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    refused(saved, f"a model file must be readable. {saved} is not: Permission denied.")


def test_a_header_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 1 << 26))
        file.truncate((1 << 26) + 100)  # takes no room on the disk
    refused(path, "its header should be 67108864 bytes (at most 33554432), and 67108956 follow. Train or copy it anew.")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"conv1.bias":', '"conv1.weight":', "a name stands twice"),
        ('"__metadata__":{', '"__metadata__":{"sha256":"0",', "a name stands twice"),
        ('{"__metadata__"', '[{"__metadata__"', "Expecting"),
        ('"F32"', "F32", "Expecting value"),
        ('"dtype":"F32",', "", "'dtype'"),
        ('"dtype":"F32"', '"dtype":["F32"]', "unhashable"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read(saved: Path, old: str, new: str, why: str) -> None:
    rewritten_bytes(saved, lambda text: text.replace(old, new, 1))
    refused(saved, f"{saved} is no model file: its header can't be read ({why}")


def test_a_deep_table(saved: Path) -> None:
    rewritten_bytes(saved, lambda text: "[" * 100_000)
    refused(saved, f"{saved} is no model file: its header can't be read (")


@pytest.mark.parametrize("table", ["[]", "7", "null", '"text"', '{"__metadata__": 7}', '{"__metadata__": "convscope"}',
                                   '{"a": 7}', '{"__metadata__": {"convscope": 7}}'])  # fmt: skip
def test_a_table_of_another_sort(saved: Path, table: str) -> None:
    rewritten_bytes(saved, lambda text: table)
    refused(saved, f"{saved} is no model file: its header can't be read (")


def test_a_type_that_nobody_uses_here(saved: Path) -> None:
    rewritten_bytes(saved, lambda text: text.replace('"F32"', '"F8_E5M2"', 1))
    refused(saved, "must be F32, F64, F16, BF16, I64, I32, U8, BOOL. Got 'F8_E5M2'.")


def test_a_file_of_somebody_elses(saved: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(2)}, saved)
    refused(saved, f"{saved} is a safetensors file without convscope's header, so nobody knows its network and "
            "preprocessing. Give a file that convscope saved.")  # fmt: skip


@pytest.mark.parametrize("change", [{"format": 2}, {"notation": 2}, {"format": 2, "notation": 1, "network": None},
                                    {"format": 3, "made_with": {"convscope": "9.0"}}])  # fmt: skip
def test_a_newer_format_names_the_version_that_reads_it(saved: Path, change: Header) -> None:
    known = {"made_with": {"convscope": "9.0"}} | change
    rewritten(saved, lambda header: header | known)
    versions = f"format {known.get('format', 1)}, notation {known.get('notation', 1)}"
    refused(saved, f"{saved} has {versions}; this version reads 1 and 1. Use convscope 9.0 or newer.")


def test_a_newer_format_of_nobody(saved: Path) -> None:
    rewritten(saved, lambda header: header | {"format": 2, "made_with": 7})
    refused(saved, "Use convscope (newer) or newer.")


@pytest.mark.parametrize("change", [{"format": "1"}, {"format": 0}, {"format": True}, {"format": 1.0},
                                    {"notation": None}, {"notation": "1"}, {"notation": 0}])  # fmt: skip
def test_no_format(saved: Path, change: Header) -> None:
    rewritten(saved, lambda header: header | change)
    refused(saved, f"{saved} has a header without format and notation. Copy it anew.")


@pytest.mark.parametrize("text", ["[]", "7", '"format"'])
def test_a_header_of_another_sort(saved: Path, text: str) -> None:
    rewritten(saved, lambda header: text)
    refused(saved, f"{saved} has a header without format and notation. Copy it anew.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network", None), ("network", 7), ("classes", []), ("classes", "abc"), ("classes", [1, 2, 3]),
        ("classes", {"a": 1}), ("input", [8, 6]), ("input", [8, 6, 0]), ("input", [8, 6, 3.0]), ("input", [8, 6, True]),
        ("input", "8x6x3"), ("score", None), ("score", 0.9), ("made_with", None), ("made_with", {"torch": 2}),
    ],
)  # fmt: skip
def test_a_header_with_something_else_in_it(saved: Path, name: str, value: Any) -> None:
    rewritten(saved, lambda header: header | {name: value})
    refused(saved, f"{saved} lacks {name} in its header, or has something else there. Copy it anew.")


def test_all_that_is_wrong_is_named(saved: Path) -> None:
    rewritten(saved, lambda header: {"format": 1, "notation": 1})
    refused(saved, "lacks network, classes, input, score, made_with in its header")


def test_two_classes_of_one_name(saved: Path) -> None:
    rewritten(saved, lambda header: header | {"classes": ["a", "b", "a"]})
    refused(saved, f"{saved} has two classes of one name. Name them apart and train anew.")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"preprocess": None}, "the preprocessing must be an object with named values. Got NoneType."),
        ({"preprocess": {}}, "the preprocessing must have a size."),
        ({"preprocess": {"size": [8, 6], "channels": 3, "run": "rm"}}, "unknown value of the preprocessing 'run'"),
        ({"preprocess": {"size": [10**9, 6], "channels": 3}}, "size must be height and width"),
        ({"preprocess": {"size": [8, 7], "channels": 3}}, "its input and its preprocessing must be of one size."),
        ({"input": [8, 6, 1]}, "its input and its preprocessing must be of one size. Copy it anew."),
    ],
)
def test_a_preprocessing_that_cannot_be(saved: Path, change: Header, sentence: str) -> None:
    rewritten(saved, lambda header: header | change)
    refused(saved, f"{saved}: {sentence}")


# The tensors and the text must agree


def test_a_tensor_is_missing(saved: Path) -> None:
    rewritten(
        saved, tensors=lambda state: {n: t for n, t in state.items() if n not in ("conv2.bias", "bn1.running_var")}
    )
    refused(saved, "a model must have its network's tensors, all and no others. "
            f"{saved} lacks bn1.running_var, conv2.bias.")  # fmt: skip


def test_a_tensor_too_many(saved: Path) -> None:
    rewritten(saved, tensors=lambda state: state | {f"conv{i}.weight": torch.zeros(1) for i in range(10, 17)})
    refused(saved, f"{saved} has, beyond its network, conv10.weight, conv11.weight, conv12.weight, conv13.weight, "
            "conv14.weight ....")  # fmt: skip


def test_a_tensor_of_another_shape(saved: Path) -> None:
    rewritten(saved, tensors=lambda state: state | {"conv2.weight": torch.zeros(4, 4)})
    refused(saved, f"{saved}: tensor conv2.weight must be torch.float32 (4, 4, 1, 1). Got torch.float32 (4, 4). "
            "Train or copy it anew.")  # fmt: skip


def test_a_tensor_of_another_type(saved: Path) -> None:
    rewritten(saved, tensors=lambda state: state | {"conv2.bias": state["conv2.bias"].double()})
    refused(saved, f"{saved}: tensor conv2.bias must be torch.float32 (4,). Got torch.float64 (4,).")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_tensor_that_is_not_finite(saved: Path, value: float) -> None:
    rewritten(saved, tensors=lambda state: state | {"bn1.running_mean": torch.tensor([0, 0, value, 0])})
    refused(saved, f"{saved}: tensor bn1.running_mean has NaN or infinity in it. Train the model anew.")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("conv 3x3 4, maxpol 2, dense", "its network can't be built.\nline 1, column 13: unknown layer 'maxpol'"),
        ("conv {3x3,5x5} 4, dense", "its network can't be built.\n"),
        ("# nothing", "its network can't be built.\n"),
        ("conv 9x9 4 valid, dense", "its network can't be built.\nline 1, column 1: conv1 can't be built on 8x6x3"),
        ("dense 2", "its network can't be built.\n  dense1  8x6x3 -> 2\nline 1, column 1: a network must end in one "
         "number a class. dense1 gives 2 and there are 3 classes."),
        ("(" * 5000, "its network can't be built.\n"),
        ("9999 * ( 9999 * ( relu ) ), dense", "its network can't be built.\n"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_network(saved: Path, text: str, sentence: str) -> None:
    rewritten(saved, lambda header: header | {"network": text})
    refused(saved, f"{saved}: {sentence}")


@pytest.mark.parametrize("text", ["dense 999999999, dense", "conv 99x99 99999999 bias=no, gap, dense",
                                  "identity 999999999, bn scale=no shift=no, gap, dense",
                                  "9000 * ( conv 1x1 9999 ), gap, dense"])  # fmt: skip
def test_a_hostile_text_takes_no_memory(saved: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused by its shapes: no module is made. `dense 999999999` alone would ask for 570 GB."""

    def never(*given: object, **also: object) -> None:
        raise AssertionError("built before it was weighed")

    monkeypatch.setattr("convscope.classifier.Network", never)
    rewritten(saved, lambda header: header | {"network": text})
    refused(saved, "a model must have its network's tensors, all and no others.")


# One's own module


class Own(nn.Module):
    """Weights that are tied, statistics, a count that is no float, and a layer without weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 3, 3, padding=1)
        self.second.weight = self.first.weight
        self.head = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(torch.relu(self.norm(self.first(x))))
        out: Tensor = self.head(x.mean((2, 3)))
        return out


def own() -> Own:
    torch.manual_seed(0)
    module = Own()
    module.train()(torch.randn(8, 3, 8, 6))
    return module


@pytest.fixture
def own_saved(tmp_path: Path) -> Path:
    path = tmp_path / "own.safetensors"
    Classifier(own(), Preprocess((8, 6), 3), CLASSES, dict(SCORE)).save(path)
    return path


def test_ones_own_module_comes_back(own_saved: Path) -> None:
    module = Own()
    loaded = Classifier.load(own_saved, module)
    assert loaded.network is module
    assert loaded.classes == CLASSES
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 6), np.uint8)
    whole = Classifier(own(), Preprocess((8, 6), 3), CLASSES)
    assert (loaded.probabilities(images) == whole.probabilities(images)).all()
    assert int(module.norm.num_batches_tracked or 0) == 1


def test_ones_own_module_is_needed_again(own_saved: Path) -> None:
    refused(own_saved, f"{own_saved} holds weights of somebody's own nn.Module, and no text of a network. Load it in "
            f"Python with the module: convscope.load({str(own_saved)!r}, network=module).")  # fmt: skip


def test_another_module_does_not_fit(own_saved: Path) -> None:
    refused(own_saved, "lacks 1.bias, 1.weight.", nn.Sequential(nn.Flatten(), nn.Linear(144, 3)))
    larger = Own()
    larger.head = nn.Linear(3, 4)
    refused(own_saved, "tensor head.", larger)


# Nothing is executed

WATCHED = """
import sys
from convscope.classifier import Classifier
path = sys.argv[1]
Classifier.load(path)                  # imports and grammars are read once
seen = []
def watch(event, arguments):
    writes = event == "open" and (set(str(arguments[1])) & set("wax+") or arguments[2] & 3)
    if writes or event.startswith(("pickle.", "exec", "compile", "os.", "subprocess.", "socket.", "ctypes.", "shutil.",
                                   "marshal.", "import", "code.", "tempfile.", "builtins.")):
        seen.append((event, repr(arguments)[:200]))
sys.addaudithook(watch)
exec("1")                              # the watch sees
watched = len(seen)
loaded = Classifier.load(path)
print(watched > 0, seen[watched:], loaded.classes[0])
"""


def test_loading_executes_writes_and_calls_nothing(saved: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WATCHED, str(saved)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True [] zwei"
