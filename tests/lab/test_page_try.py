"""Try and the arithmetic of a cell, in Chromium, as a visitor uses them."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from PIL import Image, ImageDraw

from lab.page import Shown, needed, shown, until

pytestmark = needed

SEVEN = [[(0.28, 0.2), (0.7, 0.2), (0.45, 0.85)], [(0.38, 0.52), (0.68, 0.5)]]  # with the bar that the digits' have


def draw(page: Any, strokes: list[list[tuple[float, float]]]) -> None:
    """Strokes of a mouse on the square; places are parts of its side."""
    box = page.locator("canvas.pad").bounding_box()
    for stroke in strokes:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=12)
        page.mouse.up()
    page.wait_for_selector(".strip:not([aria-busy])")  # all of it is shown


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("(", "").replace(")", ""))


def press(page: Any, selector: str, across: float, down: float) -> None:
    """A click at a part of an element's width and height."""
    found = page.locator(selector).first
    found.scroll_into_view_if_needed()
    box = found.bounding_box()
    page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])


def test_a_seven_that_is_drawn_is_called_a_seven(lab_page: Shown) -> None:
    page = lab_page.open("view=try")
    page.wait_for_selector(".strip-layer")
    assert "#where=digits:" in lab_page.address.replace("view=try&", "")  # it begins with a test picture
    draw(page, SEVEN)
    until(lambda: page.locator(".said").inner_text() == "7")
    until(lambda: page.locator(".manner-steps li").count() == 5)  # they come when the pen rests
    link = lab_page.address
    assert "where=drawing:" in link
    share = page.locator(".bars .best .bar-share").inner_text()
    lab_page.open(link.partition("#")[2])  # a link opens the same drawing
    until(lambda: page.locator(".bars .best .bar-share").inner_text() == share)
    page.get_by_role("button", name="Undo").click()
    until(lambda: page.locator(".bars .best .bar-share").inner_text() != share)
    page.get_by_role("button", name="Clear").click()
    until(lambda: "No ink" in page.locator(".manner-steps").inner_text())
    draw(page, SEVEN)
    page.locator("label.switch").click()  # as it was drawn, without the data's manner
    until(lambda: page.locator(".manner-steps li").count() == 0)


def test_from_the_strip_to_a_map_to_a_cell_whose_numbers_are_the_traces(lab_page: Shown) -> None:
    page = lab_page.open("view=try&where=digits:8")
    labels = page.locator(".strip-layer figcaption b")
    page.wait_for_selector(".strip-layer")
    assert labels.first.inner_text() == "picture"
    press(page, "canvas.maps >> nth=1", 0.1, 0.05)
    page.wait_for_selector("canvas.map-large:visible")
    press(page, "canvas.map-large", 4.5 / 8, 3.5 / 8)
    page.wait_for_selector(".cell-worked .cells")
    assert "layer=conv1" in lab_page.address
    assert "cell=0,3,4" in lab_page.address
    body = {"model": "lab-digits", "moment": None, "where": {"data": "digits", "index": 8}}
    told = lab_page.api("/api/cell", {**body, "label": "conv1", "place": [0, 3, 4], "target": 8})
    shown_ = [
        [number(text) for text in each.locator(".num").all_inner_texts()] for each in page.locator(".cells").all()
    ]
    window, kernel, products = shown_
    for mine, theirs in ((window, "value"), (kernel, "weight"), (products, "product")):
        assert mine == pytest.approx([term[theirs] for term in told["terms"]], rel=1e-3, abs=1e-4)
    assert number(page.locator(".cell-value").inner_text()) == pytest.approx(told["value"], rel=1e-3)
    assert sum(term["product"] for term in told["terms"]) + told["bias"] == pytest.approx(told["value"], abs=1e-5)
    # stepping: one product after another, their running sum, the bias at last
    for _ in told["terms"]:
        page.get_by_role("button", name="Next step").click()
    total = math.fsum(term["product"] for term in told["terms"])
    assert number(page.locator(".step-told").inner_text().split("so far ")[1]) == pytest.approx(total, rel=1e-3)
    assert page.locator(".num.now").count() == 3
    # backward, for a class of one's choice
    page.get_by_role("button", name="Backward").click()
    page.get_by_label("The loss for the class").select_option("3")
    other = lab_page.api("/api/cell", {**body, "label": "conv1", "place": [0, 3, 4], "target": 3})["gradient"]
    until(lambda: number(page.locator(".gradient").inner_text()) == pytest.approx(other["value"], rel=1e-3))
    assert page.locator(".backward h4").all_inner_texts()[1:] == [
        "What it moves: dL/dweight",
        "What it hands on: dL/dinput",
    ]


def test_every_layer_has_a_panel_and_the_loss_is_the_end(lab_page: Shown) -> None:
    page = lab_page.open("view=try&where=digits:8")
    page.wait_for_selector(".strip-layer")
    body = {"model": "lab-digits", "moment": None, "where": {"data": "digits", "index": 8}}
    layers = lab_page.api("/api/look", body)["layers"]
    for layer in layers:
        place = ",".join(str(size // 2) for size in layer["shape"])
        page.evaluate(
            "hash => { location.hash = hash; }", f"view=try&where=digits:8&layer={layer['label']}&cell={place}"
        )
        until(lambda layer=layer: page.locator(".cell h2").inner_text().startswith(f"{layer['label']} · "))
        until(lambda layer=layer: page.locator(".exact").is_visible())
    page.get_by_role("button", name="The loss").click()
    until(lambda: page.locator(".cell h2").inner_text() == "The loss")
    until(lambda: page.locator(".cell-steps li").count() == 4)
    page.get_by_role("button", name="Close").click()
    assert page.locator(".cell").is_hidden()


def test_the_keyboard_alone_reaches_a_cell(lab_page: Shown) -> None:
    page = lab_page.open("view=try&where=digits:8")
    page.wait_for_selector(".thumb")
    page.locator(".thumb").first.focus()
    before = lab_page.address
    page.keyboard.press("ArrowRight")
    until(lambda: lab_page.address != before)
    assert page.locator('.thumb[aria-selected="true"]').count() == 1
    page.locator("canvas.maps").nth(1).focus()
    page.keyboard.press("PageDown")
    assert "map 1" in page.locator(".strip-told").inner_text()
    page.keyboard.press("Enter")
    page.locator("canvas.map-large").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(".cell-worked .cells")
    assert "cell=1,1,0" in lab_page.address


def test_a_picture_is_brought_and_a_bad_one_is_refused_in_a_sentence(lab_page: Shown) -> None:
    page = lab_page.open("view=try&where=digits:8")
    page.wait_for_selector(".strip-layer")
    paper = Image.new("L", (300, 300), 235)
    ImageDraw.Draw(paper).line([(100, 60), (190, 60), (140, 240)], fill=20, width=18)
    ImageDraw.Draw(paper).line([(120, 150), (190, 145)], fill=20, width=18)
    held = io.BytesIO()
    paper.save(held, "PNG")
    page.set_input_files("input[type=file]", {"name": "x.png", "mimeType": "image/png", "buffer": held.getvalue()})
    until(lambda: "where=picture:" in lab_page.address)
    until(lambda: page.locator(".said").inner_text() == "7")
    page.set_input_files("input[type=file]", {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture at all"})
    until(lambda: page.locator(".try > .fault").is_visible())
    assert page.locator(".try > .fault").inner_text()
    lab_page.errors[:] = [text for text in lab_page.errors if "400" not in text]  # Chromium's own word for a refusal


def test_an_earlier_moment_is_looked_at(lab_page: Shown) -> None:
    page = lab_page.open("view=try&where=digits:8")
    slider = page.locator("#try-moment")
    slider.wait_for()
    page.wait_for_selector(".bars li")
    now = page.locator(".bars").inner_text()
    slider.focus()
    page.keyboard.press("Home")
    until(lambda: page.locator(".bars").inner_text() != now)
    assert "moment=0" in lab_page.address
    assert page.locator(".moments output").inner_text() == "epoch 0"


@pytest.mark.parametrize(("width", "lang"), [(360, "zh"), (1280, "en"), (2560, "zh")])
def test_it_fits_every_width_in_both_languages(
    lab_browser: Any, lab_child: Any, lab_cookie: Any, width: int, lang: str
) -> None:
    settings = {"viewport": {"width": width, "height": 900}, "color_scheme": "dark" if lang == "zh" else "light"}
    with shown(lab_browser, lab_child, lab_cookie, **settings) as window:
        page = window.open(f"view=try&where=digits:8&layer=conv2&cell=3,4,5&lang={lang}")
        page.wait_for_selector(".cell-worked .cells")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if lang == "zh":
            assert page.get_by_role("button", name="前向").is_visible()
        assert (window.errors, window.outside) == ([], [])
