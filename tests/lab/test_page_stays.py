"""The page in a browser: what was chosen and typed stays, what is refused is said, and the keyboard's place is kept."""

from __future__ import annotations

from typing import Any

from lab.page import Shown, needed, until

pytestmark = needed
DENSE = "dense 16, relu, dense 10"


def test_the_fields_of_a_training_stay_when_another_view_is_opened(lab_page: Shown) -> None:
    page = lab_page.open("view=write&data=digits")
    page.locator(".joined input").fill("7")
    page.get_by_label("Unit of the length").select_option("epochs")
    page.get_by_label("Seed").fill("5")
    page.locator("details.augment summary").click()
    page.get_by_label("Turn", exact=True).fill("20")
    page.get_by_role("link", name="Judge").click()
    page.wait_for_selector(".judge")
    page.get_by_role("link", name="Write").click()
    page.wait_for_selector(".write")
    assert page.locator(".joined input").input_value() == "7"
    assert page.get_by_label("Unit of the length").input_value() == "epochs"
    assert page.get_by_label("Seed").input_value() == "5"
    page.locator("details.augment summary").click()
    assert page.get_by_label("Turn", exact=True).input_value() == "20"


def test_enter_trains_and_a_network_without_convolutions_is_watched(lab_page: Shown) -> None:
    page = lab_page.open("view=write&data=digits")
    page.locator("textarea").fill(DENSE)
    page.get_by_label("Unit of the length").select_option("epochs")
    page.locator(".joined input").fill("3")
    before = page.locator(".run-head h2").inner_text()
    page.locator(".joined input").press("Enter")
    until(lambda: page.locator(".run-head h2").inner_text() not in ("", before))
    until(lambda: page.locator(".run-head .chip").inner_text() == "trained", 60)
    labels = page.locator(".scrub select option")
    until(lambda: labels.all_inner_texts() == ["dense1", "dense2"])
    shown, kernels = page.locator(".formed figure").nth(1), page.locator(".formed figure").first
    until(lambda: shown.is_visible() and "dense1" in (shown.locator("canvas.tiles").get_attribute("aria-label") or ""))
    assert kernels.is_hidden()
    name = page.locator(".run-head h2").inner_text()
    moments = next(each["moments"] for each in lab_page.api("/api/models") if each["name"] == name)
    scored = next(at for at, moment in enumerate(moments) if moment["accuracy"] is not None)  # at an epoch's end
    page.locator(".scrub input").fill(str(scored))
    until(lambda: "validation" in page.locator(".scrub output").inner_text())
    until(lambda: page.locator(".curve svg .mark").count() == 2)


def test_a_refusal_stays_and_can_be_tried_again(lab_page: Shown) -> None:
    page = lab_page.open("view=write&data=digits")
    made: Any = lab_page.api(
        "/api/train", {"text": DENSE, "data": "digits", "epochs": 3000, "seed": 2, "augment": None}
    )
    page = lab_page.open(f"view=write&model={made['id']}")
    until(lambda: page.locator(".run-head .chip").inner_text() == "training", 30)
    page.route("**/pause", lambda route: route.fulfill(status=400, json={"error": "not now, for a reason"}))
    page.get_by_role("button", name="Pause").click()
    until(lambda: page.locator(".run .fault").inner_text() == "not now, for a reason")
    page.wait_for_timeout(2500)  # in which the page asks for the models anew
    assert page.locator(".run .fault").inner_text() == "not now, for a reason"
    lab_page.errors.clear()  # the browser's own line of a status of 400
    page.unroute("**/pause")
    page.get_by_role("button", name="End", exact=True).click()
    until(lambda: page.locator(".run-head .chip").inner_text() == "stopped", 30)
    assert page.locator(".run .fault").is_hidden()


def test_judge_is_of_the_trained_network_whatever_moment_try_shows(lab_page: Shown) -> None:
    asked: list[Any] = []
    page = lab_page.open("view=write&data=digits")
    body = {"text": DENSE, "data": "digits", "epochs": 1, "seed": 3, "augment": None}
    other = lab_page.api("/api/train", body)["id"]  # to stand beside it
    until(lambda: lab_page.api(f"/api/models/{other}")["state"] == "done", 30)
    page.on("request", lambda request: asked.append(request.post_data_json)
            if request.url.endswith(("/api/look", "/api/attribution")) else None)  # fmt: skip
    lab_page.open("view=try&where=digits:8&moment=0&model=lab-digits")
    until(lambda: asked)
    assert asked[0]["moment"] == 0
    asked.clear()
    page.get_by_role("link", name="Judge").click()
    page.wait_for_selector(".why .checks li")
    until(lambda: len(asked) == 3)  # the attribution, and both networks on one picture
    assert {each["moment"] for each in asked} == {None}


def test_the_keyboard_stays_on_next(lab_page: Shown) -> None:
    page = lab_page.open("view=learn&lesson=kernel")
    page.wait_for_selector(".lesson h2")
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    until(lambda: "2 of 3" in page.locator(".turns").inner_text())
    focused = "document.activeElement.textContent"
    assert page.evaluate(focused) == "Next"
    page.keyboard.press("Enter")
    until(lambda: "3 of 3" in page.locator(".turns").inner_text())
    assert page.evaluate(focused) == "Back"  # there is no next one
    assert page.get_by_role("button", name="Look at it in Try").is_visible()
