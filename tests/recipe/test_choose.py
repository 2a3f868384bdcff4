"""What a word of `convscope train` means, and the answer where it means nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from convscope.errors import ConvscopeError
from convscope.recipe import bundled, choose, folder_name, header


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name in ("photos", "mnist", "runs/old"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs/old/recipe.toml").write_text("", encoding="utf-8")
    (tmp_path / "mine.toml").write_text('data = "photos"\n[train]\nepochs = 1\n', encoding="utf-8")
    (tmp_path / "list.csv").write_text("path,label\n", encoding="utf-8")
    (tmp_path / "predictions.csv").write_text("name,label,part,hash\n", encoding="utf-8")
    (tmp_path / "predicted.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "seven.png").write_bytes(b"")
    return tmp_path


def test_a_bundled_name_is_that_recipe_even_beside_a_folder(here: Path) -> None:
    choice = choose("mnist", here)
    assert (choice.kind, choice.name, choice.recipe, choice.data) == ("recipe", "mnist", bundled()["mnist-medium"], "")
    assert choice.note == "mnist is the bundled recipe; what is here under that name is ./mnist."
    assert choice.load().data == "mnist"
    assert choose("digits", here).note == ""
    assert choose("mnist-long", here).recipe == bundled()["mnist-long"]


def test_with_a_dot_it_is_the_folder(here: Path) -> None:
    choice = choose("./mnist", here)
    assert (choice.kind, choice.name, choice.recipe) == ("data", "mnist", bundled()["folder"])
    assert choice.data == str((here / "mnist").resolve())


def test_a_recipe_file(here: Path) -> None:
    choice = choose("mine.toml", here)
    assert (choice.kind, choice.name, choice.data) == ("file", "mine", "")
    assert choice.load().data == str((here / "photos").resolve())


@pytest.mark.parametrize(("word", "name"), [("photos", "photos"), ("list.csv", "list")])
def test_a_folder_and_a_csv_are_data(here: Path, word: str, name: str) -> None:
    choice = choose(word, here)
    assert (choice.kind, choice.name, choice.recipe) == ("data", name, bundled()["folder"])
    assert choice.load().data == str((here / word).resolve())


def test_the_folder_that_one_stands_in(here: Path) -> None:
    assert choose(".", here / "photos").name == "photos"


def test_a_data_set_takes_its_own_recipe_or_the_folders(here: Path) -> None:
    choice = choose("mnist[:1000]", here)
    assert (choice.kind, choice.name, choice.recipe) == ("data", "mnist-1000", bundled()["mnist-medium"])
    assert choice.load().data == "mnist[:1000]"
    assert choose("fashion-mnist", here).recipe == bundled()["folder"]
    copy = choose("cifar10-jpeg", here)
    assert (copy.kind, copy.name, copy.recipe) == ("data", "cifar10-jpeg", bundled()["cifar10-medium"])
    original = choose("cifar10", here)
    assert (original.kind, original.name, original.data) == ("recipe", "cifar10", "")
    assert copy.load() == original.load().model_copy(update={"data": "cifar10-jpeg"})


def test_a_runs_folder_is_not_data(here: Path) -> None:
    sentence = (
        "runs/old is the folder of a run, not of pictures. Go on with it by `convscope train --resume runs/old`, "
        "or train its recipe anew by `convscope train runs/old/recipe.toml`."
    )
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        choose("runs/old", here)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "mnits",
            "folder here, did you mean the recipe 'mnist'? Bundled recipes: cifar10, cifar10-long, cifar10-medium, "
            "cifar10-short, digits, folder, lenet5, mnist, mnist-long,",
        ),
        ("cifar10_jpeg", "did you mean the data set 'cifar10-jpeg'?"),
        ("fashion_mnist", "did you mean the data set 'fashion-mnist'?"),
        ("photo", "did you mean the folder or file 'photos'?"),
        ("qqqqqq", "'qqqqqq' is no bundled recipe, no recipe file, no data set and no folder here. Bundled recipes:"),
        ("tutorial-a", "did you mean the recipe 'tutorial-a-drawn'?"),
        ("lis", "did you mean the folder or file 'list.csv'?"),
        ("predi", "'predi' is no bundled recipe, no recipe file, no data set and no folder here. Bundled"),
        ("mime.toml", "no recipe at "),
        ("seven.png", "seven.png must be a recipe (.toml), a folder of pictures or a .csv to be trained on."),
    ],
)
def test_words_that_mean_nothing(here: Path, word: str, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=re.escape(sentence)):
        choose(word, here)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("runs/odl", "there is no such folder or file: runs/odl, did you mean 'runs/old'?"),
        ("./foto", "there is no such folder or file: ./foto, did you mean 'photos'?"),
        ("run/old", "there is no such folder or file: run/old, did you mean 'runs'? There is no folder run either."),
        ("nowhere/x", "there is no such folder or file: nowhere/x. There is no folder nowhere either."),
        ("/qqq/x", "there is no such folder or file: /qqq/x. There is no folder /qqq either."),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths are shown with the system's own sign")
def test_a_path_where_nothing_is_names_what_lies_beside_it(here: Path, word: str, sentence: str) -> None:
    with pytest.raises(ConvscopeError, match=f"^{re.escape(sentence)}$"):
        choose(word, here)


@pytest.mark.skipif(os.name == "nt", reason="there a backslash parts folders")
def test_a_windows_path_elsewhere(here: Path) -> None:
    (here / "runs/lost").mkdir()
    with pytest.raises(ConvscopeError, match=r"runs\\lost, did you mean 'runs/lost'"):
        choose("runs\\lost", here)


def test_a_missing_recipe_names_the_nearest(here: Path) -> None:
    with pytest.raises(ConvscopeError, match=r"no recipe at .*mime.toml, did you mean .*mine.toml\?"):
        choose("mime.toml", here)


def test_folder_names_suit_every_file_system() -> None:
    assert folder_name("mnist[:1000]") == "mnist-1000"
    assert folder_name("my photos") == "my-photos"
    assert folder_name("猫") == "猫"
    assert folder_name("/") == "run"


def test_header() -> None:
    assert header("digits").startswith("digits: the demonstration, ")
    with pytest.raises(ConvscopeError, match=r"did you mean the recipe 'digits'"):
        header("digit")
