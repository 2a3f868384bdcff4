"""`convscope predict`: files, folders, tables, JSON, and pictures that are none."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from cli.conftest import Command


def test_files_and_folders(run_of_pictures: Path, pictures: Path, say: Command) -> None:
    one = pictures / "猫" / "照片 0.png"
    said = say("predict", run_of_pictures, one)
    assert said.code == 0
    assert str(one) in said.out
    assert "%" in said.out
    every = say("predict", run_of_pictures, pictures, one)
    assert every.code == 0
    assert sum("照片" in line for line in every.out.splitlines()) == 29


def test_json(run_of_pictures: Path, pictures: Path, say: Command) -> None:
    said = say("predict", run_of_pictures, pictures / "狗", "--json")
    assert said.code == 0
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert len(lines) == 14
    for line in lines:
        assert set(line["probabilities"]) == {"猫", "狗"}
        assert line["probability"] == max(line["probabilities"].values())
        assert line["probabilities"][line["label"]] == line["probability"]


def test_a_table(run_of_pictures: Path, pictures: Path, say: Command) -> None:
    said = say("predict", run_of_pictures, pictures, "--csv", "out.csv")
    assert said.code == 0
    assert said.out == "28 predictions are in out.csv\n"
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28
    assert set(rows[0]) == {"path", "label", "狗", "猫"}
    assert {row["label"] for row in rows} <= {"狗", "猫"}
    both = say("predict", run_of_pictures, pictures, "--csv", "out.csv", "--json")
    assert all(json.loads(line)["label"] for line in both.out.splitlines())
    assert "28 predictions are in out.csv" in both.err


def test_how_many_classes_are_named(run_of_digits: Path, say: Command) -> None:
    Image.new("L", (20, 20), 90).save("a.png")
    few, many = (say("predict", run_of_digits, "a.png", "--top", top).out for top in ("1", "5"))
    assert few.count("%") == 1
    assert many.count("%") == 5


def test_a_picture_that_is_none(run_of_digits: Path, say: Command) -> None:
    Path("words.png").write_text("no picture", encoding="utf-8")
    said = say("predict", run_of_digits, "words.png")
    assert said.code == 2
    assert said.err.startswith("unreadable: words.png: its first bytes are those of no picture format that is read")
    assert "error: every picture must be readable. 1 of 1 is not (listed above); nothing was predicted." in said.err
    Path("words.txt").write_text("no picture", encoding="utf-8")
    said = say("predict", run_of_digits, "words.txt", "words.png")  # named by hand: a picture was meant
    assert said.code == 2
    assert "2 of 2 are not (listed above); nothing was predicted." in said.err


def test_a_folder_with_files_that_are_no_pictures(run_of_digits: Path, say: Command) -> None:
    Path("some").mkdir()
    Image.new("L", (20, 20), 90).save("some/a.png")
    Image.new("L", (20, 20), 90).save("some/scan.dat", "PNG")
    Path("some/notes.txt").write_text("feed the cat", encoding="utf-8")
    Path("some/plan.pdf").write_bytes(b"%PDF-1.7 ...")
    said = say("predict", run_of_digits, "some", "--json")
    assert said.code == 0
    assert [Path(json.loads(line)["path"]).name for line in said.out.splitlines()] == ["a.png", "scan.dat"]
    notes, plan = Path("some/notes.txt"), Path("some/plan.pdf")
    assert said.err == f"note: 2 files that are no pictures, left out: {notes}, {plan}\n"
    Path("text").mkdir()
    Path("text/notes.txt").write_text("feed the cat", encoding="utf-8")
    said = say("predict", run_of_digits, "text")
    assert said.code == 2
    assert "note: 1 file that is no picture, left out: " in said.err
    assert "error: there must be a picture to be predicted. text holds none." in said.err


def test_patterns_that_no_shell_has_expanded(run_of_digits: Path, say: Command) -> None:
    for name in ("some/a.png", "some/b.png", "some/in/c.png", "some/d[1].png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20), 90).save(name)

    def names(*words: str | Path) -> list[str]:
        said = say("predict", run_of_digits, *words, "--json")
        assert said.code == 0, said.err
        return [Path(json.loads(line)["path"]).name for line in said.out.splitlines()]

    assert names("some/*.png") == ["a.png", "b.png", "d[1].png"]
    assert names("some/?.png") == ["a.png", "b.png"]
    assert names("some/**") == ["a.png", "b.png", "d[1].png", "c.png"]
    assert names("some/**/c*") == ["c.png"]
    assert names("so*") == ["a.png", "b.png", "d[1].png", "c.png"]
    assert names("some/d[1]*") == ["d[1].png"]
    assert names(Path("some/*.png").absolute()) == ["a.png", "b.png", "d[1].png"]
    said = say("predict", run_of_digits, "some/*.jpg")
    assert said.code == 2
    assert "a picture must exist to be predicted. No file fits the pattern some/*.jpg." in said.err


def test_the_model_behind_the_picture(run_of_digits: Path, say: Command) -> None:
    Image.new("L", (20, 20), 90).save("seven.png")
    said = say("predict", "seven.png", run_of_digits)
    assert said.code == 2
    assert (
        "seven.png is no model file but a picture (PNG). The model comes first: convscope predict MODEL PICTURE"
        in said.err
    )


def test_a_folder_with_one_bad_picture(run_of_digits: Path, say: Command) -> None:
    Path("some").mkdir()
    for name in ("a", "c"):
        Image.new("L", (20, 20), 90).save(f"some/{name}.png")
    noise = Image.effect_noise((40, 40), 60)
    noise.save("some/b.png")
    whole = Path("some/b.png").read_bytes()
    Path("some/b.png").write_bytes(whole[: len(whole) // 2])
    Path("some/.DS_Store").write_bytes(b"x")
    said = say("predict", run_of_digits, "some", "--json")
    assert said.code == 2
    assert [Path(json.loads(line)["path"]).name for line in said.out.splitlines()] == ["a.png", "c.png"]
    assert "unreadable: some" in said.err
    assert "1 of 3 is not (listed above); the other 2 were predicted." in said.err


def test_what_is_not_there(run_of_digits: Path, say: Command) -> None:
    said = say("predict", run_of_digits, "none.png")
    assert said.code == 2
    assert "a picture must exist to be predicted. There is none at none.png." in said.err
    Path("empty").mkdir()
    said = say("predict", run_of_digits, "empty")
    assert said.code == 2
    assert "a folder must hold pictures to be predicted. empty holds none." in said.err
    assert say("predict", "no-run", "none.png").code == 2


def drawn(name: str, *left: int) -> None:
    """A page with a seven at each of these places from the left."""
    page = Image.new("L", (400, 240), 235)
    for x in left:
        ImageDraw.Draw(page).line([(x, 40), (x + 90, 40), (x + 30, 200)], fill=30, width=14)
    page.save(name)


def test_what_was_noticed_of_a_page(run_of_digits: Path, say: Command) -> None:
    drawn("empty.png")
    drawn("two.png", 40, 240)
    drawn("one.png", 150)
    empty, several = "No ink was found: nothing stands out from the paper.", "There seem to be several figures"
    said = say("predict", run_of_digits, "empty.png", "two.png", "one.png")
    assert said.code == 0
    assert [line[:40] for line in said.err.splitlines()] == [
        f"note: empty.png: {empty}"[:40],
        f"note: two.png: {several}"[:40],
    ]
    lines = [
        json.loads(line) for line in say("predict", run_of_digits, "empty.png", "one.png", "--json").out.splitlines()
    ]
    assert lines[0]["note"] == empty
    assert "note" not in lines[1]
    assert say("predict", run_of_digits, "empty.png", "two.png", "--as-is").err == ""


def test_what_the_network_saw(run_of_digits: Path, say: Command) -> None:
    drawn("one.png", 150)
    assert say("predict", run_of_digits, "one.png", "--show-input", "seen.png").code == 0
    assert say("predict", run_of_digits, "one.png", "--as-is", "--show-input", "as it is.png").code == 0
    seen, as_is = (np.asarray(Image.open(name)) for name in ("seen.png", "as it is.png"))
    assert seen.shape == as_is.shape == (8, 8)
    assert seen[:, 0].max() == 0  # light on black, as high as the picture
    assert seen.max(1).min() > 100
    assert as_is[4, 0] > 200  # the paper
    again = say("predict", run_of_digits, "seen.png", "--json").out  # it is in the data's manner already
    first = say("predict", run_of_digits, "one.png", "--json").out
    assert json.loads(again)["probabilities"] == json.loads(first)["probabilities"]


def test_what_the_network_saw_goes_over_no_picture(run_of_digits: Path, say: Command) -> None:
    drawn("one.png", 150)
    before = Path("one.png").read_bytes()
    for words, message in (
        (
            ["one.png", "--show-input", "./one.png"],
            "--show-input must not name the picture itself. Got one.png for both",
        ),
        (["one.png", "one.png", "--show-input", "seen.png"], "--show-input must go with one picture. Got 2"),
        (["one.png", "--show-input", "seen.jpg"], "--show-input must name a .png file. Got seen.jpg."),
    ):
        said = say("predict", run_of_digits, *words)
        assert said.code == 2
        assert message in said.err
    assert Path("one.png").read_bytes() == before
    assert not Path("seen.png").exists()
