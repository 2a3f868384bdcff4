"""From a file to a recipe: TOML's errors, encodings, formats and paths."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.errors import ConvscopeError
from convscope.recipe import load, parse

TRAIN = "[train]\nepochs = 1\n"


def write(folder: Path, text: str | bytes, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def test_the_designs_example() -> None:
    recipe = parse("""
    format = 1
    data = "mnist"
    network = "conv 5x5 32, relu, maxpool 2, dense"
    from = ""
    seed = 0
    [split]
    validation = 0.15
    test = 0.15
    group = ""
    [input]
    size = [28, 28]
    channels = 1
    fit = "pad"
    mean = "train"
    std = "train"
    [train]
    epochs = 3
    batch_size = 128
    loss = "auto"
    label_smoothing = 0.0
    precision = "auto"
    freeze = []
    [optimizer]
    name = "sgd"
    learning_rate = 0.1
    weight_decay = 5e-4
    [schedule]
    name = "one-cycle"
    [augment]
    crop = 2
    flip = false
    """)
    assert recipe.input.size == (28, 28)
    assert recipe.optimizer.weight_decay == 5e-4


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_windows_files(tmp_path: Path, start: bytes, end: str) -> None:
    text = f'data = "数字"\nnetwork = """\nconv 3x3 8\ndense"""\n{TRAIN}'.replace("\n", end)
    recipe = load(write(tmp_path, start + text.encode("utf-8")))
    assert recipe.data == "数字"
    assert recipe.network.replace("\r", "") == "conv 3x3 8\ndense"


def test_a_text_with_a_byte_order_mark() -> None:
    assert parse(f"\ufeff{TRAIN}").train.epochs == 1


def test_no_utf8(tmp_path: Path) -> None:
    path = write(tmp_path, f'data = "数字"\n{TRAIN}'.encode("gbk"))
    with pytest.raises(ConvscopeError, match=r"must be UTF-8 text. Got byte 0xca at offset 8. Save the file again"):
        load(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed = 1\nseed =", "x.toml: line 2, column 7: this is no TOML: Invalid value.\n  seed =\n        ^"),
        (
            "data = mnist",
            "line 1, column 8: this is no TOML: Invalid value.\n  data = mnist\n         ^\n"
            'Text must be in quotes: data = "mnist".',
        ),
        ('data = "C:\\photos"', "In double quotes a backslash must be doubled; a Windows path goes in single quotes"),
        ("seed = {1,2}", "A value with braces must be in quotes: '{0.1,0.2}'."),
        ("[train\nepochs = 1", "x.toml: line 1, column 7: this is no TOML"),
        ('data = "mnist', "x.toml: line 1, column 14: this is no TOML"),
        ("seed = 1\nseed = 2", "x.toml: line 2, column 9: this is no TOML: Cannot overwrite a value."),
        ("seed = 1\r\nseed =\r\n", "x.toml: line 2, column 7: this is no TOML"),
    ],
)
def test_no_toml(text: str, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        parse(text, "x.toml")


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[train]\nepochs = 0")
    with pytest.raises(ConvscopeError, match=re.escape(f"{path}: [train] epochs must be")):
        load(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match=r"nor any other .toml file in that folder. `convscope recipes` lists"):
        load(tmp_path / "mine.toml")
    with pytest.raises(ConvscopeError, match=r"nor any other .toml file in that folder"):
        load(tmp_path / "nowhere" / "mine.toml")
    write(tmp_path, TRAIN, "mime.toml")
    with pytest.raises(ConvscopeError, match=r"no recipe at .*mine.toml, did you mean .*mime.toml\?"):
        load(tmp_path / "mine.toml")
    with pytest.raises(ConvscopeError, match=r"no recipe at .*quite_other.toml. In that folder are: mime.toml."):
        load(tmp_path / "quite_other.toml")


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConvscopeError, match=r"can't be read: it is a folder. A recipe is a .toml file."):
        load(tmp_path)


def test_a_newer_format_names_the_version_that_reads_it() -> None:
    with pytest.raises(ConvscopeError, match=r"has format 2; this version reads formats up to 1.*a newer convscope"):
        parse(f"format = 2\nunheard_of = 1\n{TRAIN}")
    with pytest.raises(ConvscopeError, match=r"It is read by convscope 3.1.0, which wrote it. Install that: pip"):
        parse(f"# written by convscope 3.1.0\nformat = 2\n{TRAIN}")


@pytest.mark.parametrize("number", ["0", '"1"', "true", "1.0"])
def test_no_format(number: str) -> None:
    with pytest.raises(ConvscopeError, match=r"format must be 1. Got .*. Write format = 1."):
        parse(f"format = {number}\n{TRAIN}")


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    folder = tmp_path / "recipes"
    (folder / "cats").mkdir(parents=True)
    (folder / "mnist").mkdir()
    (folder / "run").mkdir()
    write(folder / "run", b"", "model.safetensors")

    def at(key: str, value: str) -> str:
        recipe = load(write(folder, f"{key} = '{value}'\n{TRAIN}"))
        return recipe.from_ if key == "from" else str(getattr(recipe, key))

    here = folder.resolve()
    assert at("data", "cats") == str(here / "cats")
    assert at("data", "./mnist") == str(here / "mnist")
    assert at("data", "mnist") == "mnist"
    assert at("data", "mnist[:1000]") == "mnist[:1000]"
    assert at("data", "../photos") == str(here.parent / "photos")
    assert at("data", "list.csv") == str(here / "list.csv")
    assert at("data", "unheard-of") == "unheard-of"
    assert at("network", "mine.net") == str(here / "mine.net")
    assert at("network", "conv 3x3 8 /2, dense") == "conv 3x3 8 /2, dense"
    assert at("network", "lenet5") == "lenet5"
    assert at("from", "run") == str(here / "run")
    assert at("from", "cats") == "cats"
    assert at("from", "a/model.safetensors") == str(here / "a" / "model.safetensors")
    absolute = str((tmp_path / "elsewhere").resolve())
    assert at("data", absolute) == absolute


def test_a_text_without_a_folder_keeps_its_paths() -> None:
    assert parse(f'data = "./x"\n{TRAIN}').data == "./x"


def test_importing_recipes_imports_neither_torch_nor_numpy() -> None:
    code = "import convscope.recipe, sys; print(*[m for m in ('torch', 'numpy', 'PIL', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
