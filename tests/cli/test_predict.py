"""`convscope predict`: files, folders, tables, JSON, and pictures that are none."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from PIL import Image

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
    assert "unreadable: words.png: " in said.err
    assert (
        "error: every picture must be readable. 1 of 1 are not (listed above); the others were predicted." in said.err
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
    assert "1 of 3 are not" in said.err


def test_what_is_not_there(run_of_digits: Path, say: Command) -> None:
    said = say("predict", run_of_digits, "none.png")
    assert said.code == 2
    assert "a picture must exist to be predicted. There is none at none.png." in said.err
    Path("empty").mkdir()
    said = say("predict", run_of_digits, "empty")
    assert said.code == 2
    assert "a folder must hold pictures to be predicted. empty holds none." in said.err
    assert say("predict", "no-run", "none.png").code == 2
