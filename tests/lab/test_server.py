"""The lab's answers: what the page is told, and what odd requests are told."""

from __future__ import annotations

import base64
import io
import itertools
import re
import struct
import zlib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from convscope import api
from convscope.evaluate.metrics import confusion, score
from convscope.evaluate.predictions import Predictions
from convscope.explain.maps import kernels, maps
from convscope.explain.trace import trace
from convscope.lab.app import Lab
from convscope.lab.shelf import id_of
from convscope.lab.writing import ABOUT
from convscope.network.build import Network
from convscope.notation.kinds import KINDS, STRUCTURE
from convscope.recipe import AugmentSettings
from convscope.web import HEADERS
from lab.conftest import NET, SAME, LabSite
from web.test_guard import HOSTS, STRANGERS
from web_site import HOST, METHODS

WRITTEN = NET.replace("maxpool 2", "maxpool 2x2")  # as the recipe has it, shortened
DATA = {"data": "digits", "index": 0}


def pixels(picture: Any) -> Any:
    shape = picture["height"], picture["width"], picture["channels"]
    return np.frombuffer(base64.b64decode(picture["pixels"]), np.uint8).reshape(shape)


def values(layer: Any) -> Any:
    """A layer's values as they were, to within half a step of a byte."""
    steps = np.frombuffer(base64.b64decode(layer["values"]), np.uint8).astype(np.float64)
    return (layer["low"] + steps * (layer["high"] - layer["low"]) / 255).reshape(layer["shape"])


def drawing(array: Any) -> dict[str, Any]:
    array = array[:, :, None] if array.ndim == 2 else array
    height, width, channels = array.shape
    text = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"height": height, "width": width, "channels": channels, "pixels": text}


def seven() -> Any:
    """A 7 as a mouse draws one: dark on light."""
    page = np.full((120, 120), 255, np.uint8)
    page[20:30, 30:90] = 0
    for row in range(30, 100):
        column = 85 - (row - 30) // 2
        page[row, column - 5 : column + 5] = 0
    return page


# ---- who may ask -----------------------------------------------------------------------------------------------------


def sealed(answer: Any) -> bool:
    opens = [key for key, _ in answer.headers if key.startswith(b"access-control-")]
    return not opens and all(answer[name] == [value] for name, value in HEADERS.items())


def test_every_route_is_asked_for(site: LabSite) -> None:
    api_routes = [path for path in site.paths() if path.startswith("/api/")]
    assert len(api_routes) >= 19
    assert "/api/runs/small/events" in api_routes


def test_a_host_that_is_not_ours_is_refused_on_every_route(site: LabSite) -> None:
    for path, headers in itertools.product(site.paths(), HOSTS):
        method = "GET" if len(path) % 2 else "POST"
        answer = site.ask(path, [*headers, *SAME, *site.cookie], method=method)
        assert answer.status == 403, (path, headers)
        assert sealed(answer)
    assert site.reached == []


def test_another_site_changes_nothing(site: LabSite) -> None:
    cells = 0
    for path, method, headers in itertools.product(site.paths(), [*METHODS, "SOCKET"], STRANGERS):
        answer = site.ask(path, [*HOST, *headers, *site.cookie], method=method)
        assert answer.status == 403, (path, method, headers)
        assert method == "SOCKET" or sealed(answer)
        cells += 1
    assert site.reached == []
    assert cells >= 4000


def test_without_the_cookie_nothing_is_reached(site: LabSite) -> None:
    for path, method in itertools.product(site.paths(), METHODS):
        assert site.ask(path, [*HOST, *SAME], method=method).status == 401
    assert site.reached == []


@pytest.mark.parametrize("word", ["..", "a.b", "A", "%2e%2e", "-a", "a" * 65])
def test_no_id_is_a_path(site: LabSite, word: str) -> None:
    for path in ("/api/models/X", "/api/models/X/judge", "/api/runs/X/events", "/api/test/X", "/api/lessons/X"):
        answer = site.ask(path.replace("X", word), [*HOST, *SAME, *site.cookie])
        assert answer.status in (400, 404), path
    body = {"model": f"../{word}", "where": DATA}
    assert site.post("/api/look", body)[1].startswith("an id must be 1 to 64 of a-z")


# ---- what there is ---------------------------------------------------------------------------------------------------


def test_start(site: LabSite) -> None:
    told = site.get("/api/start")
    assert {kind["name"] for kind in told["kinds"]} == set(ABOUT) == {*KINDS, *STRUCTURE}
    assert all(kind["usage"] and kind["about"] for kind in told["kinds"])
    assert {"lenet5", "resnet20", "vgg16"} <= {network["name"] for network in told["zoo"]}
    assert told["model"] == "lab-digits"
    digits = next(data for data in told["data"] if data["name"] == "digits")
    assert (digits["here"], digits["size"], digits["channels"]) == (True, [8, 8], 1)
    assert not next(data for data in told["data"] if data["name"] == "cifar10")["here"]
    assert [model["id"] for model in told["models"]] == ["small"]
    assert len(told["lessons"]) >= 4
    assert set(told["lessons"][0]["title"]) == {"en", "zh"}


def test_a_model(site: LabSite, trained: Path) -> None:
    told, run = site.get("/api/models/small"), api.Run(trained / "small")
    assert (told["state"], told["text"], told["data"]) == ("done", WRITTEN, "digits")
    assert (told["input"], told["classes"], told["manner"]) == ([8, 8, 1], list("0123456789"), "digits")
    assert run.test is not None
    assert told["score"] == {"k": run.test.k, "n": run.test.n, "accuracy": run.test.k / run.test.n,
                             "low": run.test.low, "high": run.test.high}  # fmt: skip
    assert [moment["number"] for moment in told["moments"]] == [moment.step for moment in run.snapshots]
    ends = {epoch.step: epoch for epoch in run.epochs}
    for moment in told["moments"]:
        epoch = ends.get(moment["step"])
        k, n = (epoch.validation_k, epoch.validation_n) if epoch else (None, None)
        assert moment["accuracy"] == (k / n if k is not None and n else None)
    assert any(moment["accuracy"] for moment in told["moments"])
    assert site.get("/api/models/smal")[1].startswith("unknown model 'smal', did you mean 'small'?")


def test_the_lab_opens_with_a_model_of_elsewhere(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "Mine, at last.safetensors"
    file.write_bytes((trained / "small" / "model.safetensors").read_bytes())
    site = LabSite(Lab(tmp_path / "runs", file))
    told = site.get("/api/start")
    (model,) = told["models"]
    assert told["model"] == model["id"]
    assert model["id"].startswith("mine-at-last-")
    assert (model["text"], model["state"], model["moments"]) == (WRITTEN, "done", [])
    assert site.post("/api/look", {"model": model["id"], "where": DATA})["probabilities"]
    assert site.post(f"/api/runs/{model['id']}/pause")[1].endswith("there is no training to go on with.")


@pytest.mark.parametrize("name", ["small", "Große Häuser", "a.b", "x" * 200, "..", "con 1"])
def test_every_folder_has_an_id(name: str, site: LabSite) -> None:
    from convscope.web import identifier

    assert identifier(id_of(name)) == id_of(name)
    assert (id_of(name) == name) == (name == "small")


def test_a_run_that_is_broken_hides_no_other(trained: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "runs"
    shutil.copytree(trained / "small", folder / "whole")
    shutil.copytree(trained / "small", folder / "broken")
    (folder / "broken" / "recipe.toml").write_text("no = [", encoding="utf-8")
    (folder / "broken" / "model.safetensors").write_bytes(b"no model")
    models = {model["id"]: model for model in LabSite(Lab(folder)).get("/api/models")}
    assert models["whole"]["state"] == "done"
    assert models["broken"]["state"] == "failed"
    assert "must be TOML" in models["broken"]["why"]


# ---- write -----------------------------------------------------------------------------------------------------------


def network(site: LabSite, text: str, input: Any = (8, 8, 1), classes: Any = 10) -> Any:
    return site.post("/api/network", {"text": text, "input": list(input), "classes": classes})


def test_a_network_is_weighed(site: LabSite) -> None:
    told = network(site, "conv 3x3 8,\n relu, maxpool 2, dense 10")
    assert told["ok"]
    first, _, pool, last = told["layers"]
    assert (first["label"], first["out"], first["parameters"], first["macs"]) == ("conv1", [8, 8, 8], 80, 4608)
    assert (first["seen"], pool["seen"], pool["line"], last["parameters"]) == ([3, 3], [4, 4], 2, 1290)
    assert told["totals"] == {"parameters": 1370, "aside": 0, "macs": 4608 + 1280, "bytes": 5480}
    assert told["svg"].startswith("<svg ")
    assert " style=" not in told["svg"]
    assert network(site, "lenet5", (32, 32, 1))["ok"]  # a word of the zoo


def test_both_sides_are_weighed_and_the_file_has_all(site: LabSite) -> None:
    """A side classifier and running statistics are in the file; only the first counts as parameters, apart."""
    told = network(site, "conv 1x5 4, bn, aux weight=0.3 ( gap, dense ), relu, dense")
    assert told["layers"][0]["seen"] == [1, 5]
    module = Network("conv 1x5 4, bn, aux weight=0.3 ( gap, dense ), relu, dense", input=(8, 8, 1), classes=10)
    whole = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    learned = sum(parameter.numel() for parameter in module.parameters())
    assert told["totals"]["bytes"] == whole
    assert told["totals"]["parameters"] + told["totals"]["aside"] == learned
    assert told["totals"]["aside"] == 4 * 10 + 10


@pytest.mark.parametrize(
    ("text", "line", "column", "sentence", "mended"),
    [
        ("conv 3x3 8,\nrelux, dense", 2, 1, "relux", "conv 3x3 8,\nrelu, dense"),
        ("conv 3x3 8, maxpool 16, dense", 1, 13, "can't be built on 8x8x8", "conv 3x3 8, maxpool 8x8, dense"),
        ("conv 3x3 8, dense 7", 1, 13, "7", "conv 3x3 8, dense"),
    ],
)
def test_a_mistake_is_shown(site: LabSite, text: str, line: int, column: int, sentence: str, mended: str) -> None:
    told = network(site, text)
    (fault,) = told["faults"]
    assert not told["ok"]
    assert (fault["line"], fault["column"]) == (line, column)
    assert sentence in fault["sentence"]
    assert fault["suggestion"]
    assert fault["mended"] == mended
    assert network(site, fault["mended"])["ok"]


def test_what_is_unwise_is_said_though_it_can_be_trained(site: LabSite) -> None:
    told = network(site, "conv 3x3 8,\nrelu, gap, dense 10, softmax")
    assert told["ok"]
    (note,) = told["notes"]
    assert (note["line"], note["column"], note["length"]) == (2, 22, 7)
    assert "the loss and predict take a softmax too" in note["sentence"]
    assert note["mended"] == "conv 3x3 8,\nrelu, gap, dense 10"
    assert network(site, note["mended"])["notes"] == []
    many = "conv 3x3 8, relu, relu, conv 3x3 8, relu, relu, conv 3x3 8, relu, relu, conv 3x3 8, relu, relu, gap, dense"
    assert len(network(site, many)["notes"]) == 4


@pytest.mark.parametrize("text", ["", "  ", ",", "conv", "conv 3x3 {8,16}, dense", "3 * (", "💥", "conv 3x3 8\x00",
                                  "/etc/passwd", "../x.net", "resnet", "<img src=x onerror=alert(1)>"])  # fmt: skip
def test_what_is_no_network_leaves_the_page_usable(site: LabSite, text: str) -> None:
    (fault,) = network(site, text)["faults"]
    assert fault["sentence"]
    assert fault["line"] >= 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"text": 7, "input": [8, 8, 1], "classes": 10}, "a network must be text of at most"),
        ({"text": "dense", "input": [8, 8], "classes": 10}, "input must be height, width and channels"),
        ({"text": "dense", "input": [8, 8, 10**9], "classes": 10}, "input must be height, width and channels"),
        ({"text": "dense", "input": [8, 8, 1], "classes": 0}, "classes must be a whole number from 1"),
        ({"text": "dense" * 30_000, "input": [8, 8, 1], "classes": 10}, "a network must be text of at most"),
    ],
)
def test_a_network_of_nothing(site: LabSite, body: Any, sentence: str) -> None:
    status, said = site.post("/api/network", body)
    assert status == 400
    assert said.startswith(sentence)


def test_augmentation_is_shown_on_one_picture(site: LabSite) -> None:
    told = site.post("/api/augmented", {"data": "digits", "settings": {"shift": 2}, "seed": 3})
    original = pixels(told["original"])
    assert len(told["pictures"]) == 8
    assert len({pixels(one).tobytes() for one in told["pictures"]}) > 1
    padded = np.pad(original[:, :, 0], 2)
    windows = {padded[i : i + 8, j : j + 8].tobytes() for i in range(5) for j in range(5)}
    assert {pixels(one).tobytes() for one in told["pictures"]} <= windows
    still = site.post("/api/augmented", {"data": "digits", "settings": {}, "seed": 3})
    assert all((pixels(one) == original).all() for one in still["pictures"])
    every = {key: field.default for key, field in AugmentSettings.model_fields.items()}
    assert site.post("/api/augmented", {"data": "digits", "settings": {**every, "rotate": 20, "contrast": [0.5, 2]}})
    status, said = site.post("/api/augmented", {"data": "digits", "settings": {"rotat": 3}})
    assert (status, "rotate" in said) == (400, True)
    assert site.post("/api/augmented", {"data": "cifar10", "settings": {}})[1] == (
        "cifar10 isn't on this machine. Get it in a terminal, then come back: convscope data get cifar10"
    )


# ---- try -------------------------------------------------------------------------------------------------------------


def test_a_look_shows_what_the_network_computes(site: LabSite, trained: Path) -> None:
    told = site.post("/api/look", {"model": "small", "where": {"data": "digits", "index": 11}})
    classifier = api.load(trained / "small")
    picture = pixels(told["input"]).transpose(2, 0, 1)
    assert told["probabilities"] == pytest.approx(classifier.probabilities(picture[None])[0].tolist(), abs=1e-6)
    assert told["classes"] == list(classifier.classes)
    assert (told["steps"], told["note"]) == ([], "")
    assert isinstance(classifier.network, Network)
    real = maps(classifier.network, classifier.preprocess.to_input(picture[None].copy()))
    assert [layer["label"] for layer in told["layers"]] == list(real)
    for layer in told["layers"]:
        step = (layer["high"] - layer["low"]) / 255
        assert np.abs(values(layer) - real[layer["label"]]).max() <= step / 2 + 1e-6
    one = site.post("/api/look", {"model": "small", "where": DATA, "layers": ["conv2"]})
    assert [(layer["label"], layer["text"], layer["shape"]) for layer in one["layers"]] == [
        ("conv2", "conv 3x3 8 same", [8, 4, 4])
    ]


def test_a_moment_has_its_own_weights(site: LabSite, trained: Path) -> None:
    run = api.Run(trained / "small")
    first, last = run.snapshots[0], run.snapshots[-1]
    told = {
        step: site.post("/api/look", {"model": "small", "moment": step, "where": DATA})["probabilities"]
        for step in (first.step, last.step, None)
    }
    assert told[first.step] != told[last.step] == told[None]
    picture = api.data("digits").test.images[:1]
    index = int(api.data("digits").test.ids[0])
    early = site.post(
        "/api/look", {"model": "small", "moment": first.step, "where": {"data": "digits", "index": index}}
    )
    assert early["probabilities"] == pytest.approx(api.load(first.path).probabilities(picture)[0].tolist(), abs=1e-6)
    assert site.post("/api/look", {"model": "small", "moment": 7777, "where": DATA})[1].startswith(
        "a moment must be the step of a snapshot. Got 7777; these are: 0, "
    )


def test_a_drawing_is_brought_into_the_manner(site: LabSite, trained: Path) -> None:
    where = {"drawing": drawing(seven())}
    told = site.post("/api/look", {"model": "small", "where": where})
    fitted = api.load(trained / "small").fitted(Image.fromarray(seven()))
    assert (pixels(told["input"])[:, :, 0] == fitted[0]).all()
    assert len(told["steps"]) >= 4
    assert (pixels(told["steps"][-1]["picture"])[:, :, 0] == fitted[0]).all()
    assert (pixels(told["original"])[:, :, 0] == seven()).all()
    plain = site.post("/api/look", {"model": "small", "where": where, "manner": False})
    assert plain["steps"] == []
    assert (pixels(plain["input"]) != pixels(told["input"])).any()
    empty = site.post(
        "/api/look", {"model": "small", "where": {"drawing": drawing(np.full((90, 90, 3), 255, np.uint8))}}
    )
    assert empty["note"].startswith("No ink was found")


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (None, "where must have one of drawing, picture and data"),
        ({}, "where must have one of drawing, picture and data"),
        ({"data": "digits", "picture": "a"}, "where must have one of"),
        ({"data": "digits", "index": -1}, "a picture's index must be a row of the data, 0 to 1796. Got -1"),
        ({"data": "digits", "index": "0"}, "a picture's index must be a row of the data"),
        ({"data": "mnist", "index": 0}, "mnist isn't on this machine"),
        ({"data": "digit", "index": 0}, "unknown data set 'digit', did you mean 'digits'"),
        ({"picture": "picture-0"}, "the lab keeps the last 32 pictures"),
        ({"drawing": 7}, "a drawing must have height, width, channels and pixels"),
        ({"drawing": {"height": 2, "width": 2, "channels": 1, "pixels": "AAAA"}}, "a drawing of 2 x 2 x 1 must have 4"),
        ({"drawing": {"height": 2, "width": 2, "channels": 1, "pixels": "<>"}}, "a drawing's pixels must be base64"),
        ({"drawing": {"height": 10**9, "width": 2, "channels": 1, "pixels": ""}}, "a drawing must be 1 to 4096 pixels"),
        ({"drawing": {"height": 2, "width": 2, "channels": 4, "pixels": ""}}, "a drawing must be 1 to 4096 pixels"),
    ],
)
def test_nothing_to_look_at(site: LabSite, where: Any, sentence: str) -> None:
    status, said = site.post("/api/look", {"model": "small", "where": where})
    assert status in (400, 404)
    assert said.startswith(sentence)


def file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


ODD = {
    "grey": file(Image.fromarray(seven()), "PNG"),
    "one bit": file(Image.fromarray(seven()).convert("1"), "PNG"),
    "palette": file(Image.fromarray(seven()).convert("P"), "GIF"),
    "transparent": file(Image.fromarray(seven()).convert("RGBA"), "PNG"),
    "sixteen bits": file(Image.fromarray(seven().astype(np.uint16) * 257), "PNG"),
    "cmyk": file(Image.fromarray(seven()).convert("CMYK"), "JPEG"),
    "turned": file(
        Image.fromarray(seven()),
        "JPEG",
        exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
    ),
    "webp": file(Image.fromarray(seven()), "WEBP"),
    "tiff": file(Image.fromarray(seven()), "TIFF"),
    "one pixel": file(Image.new("L", (1, 1)), "PNG"),
    "thin": file(Image.new("L", (3000, 1), 255), "PNG"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_are_looked_at_as_predict_does(site: LabSite, trained: Path, name: str) -> None:
    told = site.post("/api/pictures", raw=ODD[name])
    look = site.post("/api/look", {"model": "small", "where": {"picture": told["id"]}})
    path = trained.parent / "odd picture"
    path.write_bytes(ODD[name])
    said = api.load(trained / "small").predict(path)
    assert look["probabilities"] == pytest.approx(list(said.probabilities.values()), abs=1e-6)
    assert max(told["picture"]["height"], told["picture"]["width"]) <= 512


def lying() -> bytes:
    """A PNG whose head says 40000 x 40000, in 100 bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<svg/>", "it is SVG, which is not read"),
        (b"hello", "its first bytes are those of no picture format"),
        (lying(), "a picture may have 200 megapixels. Got 40000 x 40000"),
        (ODD["grey"][:60], "the file is cut off or damaged"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 50, "the file is cut off or damaged"),
    ],
)
def test_what_is_no_picture(site: LabSite, data: bytes, sentence: str) -> None:
    status, said = site.post("/api/pictures", raw=data)
    assert status == 400
    assert said.startswith("can't read the picture")
    assert sentence in said


def test_a_picture_of_25_megapixels(site: LabSite) -> None:
    large = file(Image.fromarray(seven()).resize((5000, 5000)), "PNG")
    told = site.post("/api/pictures", raw=large)
    assert (told["picture"]["height"], told["picture"]["width"]) == (512, 512)
    assert len(site.post("/api/look", {"model": "small", "where": {"picture": told["id"]}})["steps"]) >= 4


def test_at_most_32_pictures_are_kept(site: LabSite) -> None:
    ids = [site.post("/api/pictures", raw=file(Image.new("L", (2, 2), n), "PNG"))["id"] for n in range(34)]
    assert len(set(ids)) == 34
    kept = [not isinstance(site.post("/api/look", {"model": "small", "where": {"picture": id}}), list | tuple)
            for id in ids]  # fmt: skip
    assert kept == [False] * 2 + [True] * 32


def test_a_cell_is_opened(site: LabSite, trained: Path) -> None:
    asked = {"model": "small", "where": DATA, "label": "conv2", "place": [3, 1, 2], "target": 4}
    told = site.post("/api/cell", asked)
    classifier = api.load(trained / "small")
    picture = pixels(site.post("/api/look", asked)["input"]).transpose(2, 0, 1)
    assert isinstance(classifier.network, Network)
    x = classifier.preprocess.to_input(torch.from_numpy(picture[None].copy()))
    real = trace(classifier.network, x, "conv2", (3, 1, 2), target=4)
    assert told["value"] == real.value
    assert [term["product"] for term in told["terms"]] == [term.product for term in real.terms]
    assert told["gradient"]["target"] == 4
    assert told["after"][0]["name"] == real.after[0].name
    assert sum(term["product"] for term in told["terms"]) + told["bias"] == pytest.approx(told["value"], abs=1e-5)
    loss = site.post("/api/cell", {**asked, "label": "loss"})
    assert (loss["label"], loss["value"]) == ("the loss", pytest.approx(loss["gradient"]["loss"]))
    best = site.post("/api/look", asked)["probabilities"]
    assert site.post("/api/cell", {**asked, "target": None})["gradient"]["target"] == int(np.argmax(best))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"label": "conv9"}, "unknown layer 'conv9', did you mean 'conv"),
        ({"label": 3}, "a layer must be named by its label"),
        ({"place": [9, 9, 9]}, "8"),
        ({"place": "3,4"}, "a place must be map, row and column"),
        ({"place": [True, 0, 0]}, "a place must be map, row and column"),
        ({"target": 10}, "a class must be a name or a number from 0 to 9. Got 10"),
        ({"target": "four"}, "a target must be a class's number"),
    ],
)
def test_a_cell_that_is_none(site: LabSite, change: Any, sentence: str) -> None:
    asked = {"model": "small", "where": DATA, "label": "conv2", "place": [0, 0, 0], **change}
    status, said = site.post("/api/cell", asked)
    assert status == 400
    assert sentence in said


def test_attribution_comes_with_its_checks(site: LabSite) -> None:
    told = site.post("/api/attribution", {"model": "small", "where": DATA, "method": "occlusion", "target": 3})
    assert (told["method"], told["target"], told["map"]["height"], told["map"]["width"]) == ("occlusion", 3, 8, 8)
    assert {check["name"] for check in told["checks"]} >= {"deletion", "insertion", "weight randomisation"}
    assert told["trusted"] == all(check["passed"] for check in told["checks"])
    assert bool(told["why_not"]) != told["trusted"]
    status, said = site.post("/api/attribution", {"model": "small", "where": DATA, "method": "magic"})
    assert status == 400
    assert "unknown method of attribution 'magic'" in said


def test_kernels(site: LabSite, trained: Path) -> None:
    told = site.post("/api/kernels", {"model": "small", "label": "conv2"})
    network = api.load(trained / "small").network
    assert isinstance(network, Network)
    real = kernels(network, "conv2")
    assert told["shape"] == [8, 8, 3, 3]
    assert np.abs(values(told) - real).max() <= (told["high"] - told["low"]) / 510 + 1e-6
    assert "these are: conv1, conv2" in site.post("/api/kernels", {"model": "small", "label": "relu1"})[1]


# ---- judge -----------------------------------------------------------------------------------------------------------


def test_judge(site: LabSite, trained: Path) -> None:
    told, said = site.get("/api/models/small/judge"), Predictions.load(trained / "small" / "predictions.npz")
    assert told["matrix"] == confusion(said).tolist()
    assert told["score"]["k"] == score(said).k
    assert told["worst"]
    sure = [one["probability"] for one in told["worst"]]
    assert sure == sorted(sure, reverse=True)
    for one in told["worst"][:3]:  # the picture that is shown is the one that was misread
        look = site.post("/api/look", {"model": "small", "where": {"data": "digits", "index": one["index"]}})
        assert (pixels(look["input"]) == pixels(one["picture"])).all()
        assert look["classes"][int(np.argmax(look["probabilities"]))] == one["said"]
        assert look["label"] == one["label"]
    worst = told["worst"][0]
    cell = site.post("/api/models/small/cell-pictures", {"label": worst["label"], "said": worst["said"]})
    assert cell[0]["index"] == worst["index"]
    row, column = (told["classes"].index(worst[name]) for name in ("label", "said"))
    assert len(cell) == told["matrix"][row][column]
    assert cell == site.post("/api/models/small/cell-pictures", {"label": row, "said": column})
    assert "unknown class" in site.post("/api/models/small/cell-pictures", {"label": "x", "said": "1"})[1]
    assert "must be a class" in site.post("/api/models/small/cell-pictures", {})[1]


def test_pictures_of_the_test_split(site: LabSite) -> None:
    test = api.data("digits").test
    told = site.get("/api/test/digits", "from=5&count=3")
    assert told["count"] == len(test)
    assert [one["index"] for one in told["pictures"]] == test.ids[5:8].tolist()
    assert (pixels(told["pictures"][0]["picture"])[:, :, 0] == test.images[5, 0]).all()
    assert site.get("/api/test/digits", "from=99999")["pictures"] == []
    assert site.get("/api/test/digits", "from=-1")[1].startswith("from must be a whole number from 0. Got '-1'")
    assert len(site.get("/api/test/digits", "count=999999999")["pictures"]) == 200


# ---- learn -----------------------------------------------------------------------------------------------------------


def test_lessons(site: LabSite) -> None:
    lesson = site.get("/api/start")["lessons"][0]
    told = site.get(f"/api/lessons/{lesson['id']}")
    assert told["title"] == lesson["title"]
    task = next(step["task"] for step in told["steps"] if step["task"])
    body = {"task": task["id"], "text": NET, "input": [8, 8, 1], "classes": 10, "model": None}
    judged = site.post(f"/api/lessons/{lesson['id']}/check", body)
    assert set(judged["sentence"]) == {"en", "zh"}
    assert site.get("/api/lessons/none")[1].startswith("there is no lesson none. These exist: ")
    assert "unknown task" in site.post(f"/api/lessons/{lesson['id']}/check", {**body, "task": "no-such"})[1]


FORBIDDEN = re.compile(
    r"(?<![\w.])eval\(|\binnerHTML\b|\bouterHTML\s*=(?!=)|\binsertAdjacentHTML\b|\bdocument\.write\b"
)


def test_what_is_forbidden_is_found() -> None:
    for text in ("x.innerHTML = y", "x.outerHTML = y", "x.insertAdjacentHTML(a, b)", "eval(x)", "document.write(x)"):
        assert FORBIDDEN.search(text), text
    assert not FORBIDDEN.search("one.outerHTML === two.outerHTML")


def test_the_pages_own_files_are_small() -> None:
    folder = Path(str(resources.files("convscope") / "lab" / "static"))
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert folder / "index.html" in found
    assert sum(path.stat().st_size for path in found) < 400_000
    for path in found:  # nothing that the content security policy forbids, and nothing of another host
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert not re.search(r"https?://", text), path
        assert not FORBIDDEN.search(text), path
    asked = re.findall(r'rel="modulepreload" href="(\w+\.js)"', (folder / "index.html").read_text(encoding="utf-8"))
    assert sorted([*asked, "main.js"]) == sorted(path.name for path in folder.glob("*.js"))  # all at once, no waterfall
    assert "style=" not in (folder / "index.html").read_text(encoding="utf-8")
