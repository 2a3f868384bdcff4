"""The lab as a visitor uses it, in Chromium: a network written with a mistake, trained and scrubbed through; a lesson;
links; languages; a server that is killed in the middle of a training."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from lab.page import Shown, needed, running, shown, until

pytestmark = needed

GOOD = "conv 3x3 16, bn, relu, maxpool 2, conv 3x3 32, bn, relu, dense 10"
VIEWS = {"write": ".code-box", "try": ".pad", "judge": ".matrix", "learn": ".lesson h2"}


def write(page: Any, text: str) -> None:
    page.locator("textarea").fill(text)


def train(page: Any, epochs: int, wait: bool = True) -> None:
    page.get_by_label("Unit of the length").select_option("epochs")
    page.locator(".joined input").fill(str(epochs))
    before = page.locator(".run-head h2").inner_text()
    page.get_by_role("button", name="Train", exact=True).click()
    until(lambda: page.locator(".run-head h2").inner_text() not in ("", before))
    if wait:
        until(lambda: page.locator(".run-head .chip").inner_text() == "trained", 90)


def test_a_network_is_written_mended_trained_and_scrubbed_through(lab_page: Shown) -> None:
    page = lab_page.open("view=write&data=digits")
    page.wait_for_selector(".layers tbody tr")
    write(page, "\n".join(["conv 3x3 16, bn, relu, maxpool 2", "conv 3x3 32, bn, rellu, dense 10"]))
    until(lambda: page.locator(".faults").inner_text())
    assert page.locator(".faults").inner_text().split("\n")[:3] == [
        "Line 2, column 18:", "unknown layer 'rellu'", "did you mean 'relu'?"]  # fmt: skip
    assert page.locator(".code-back .wrong").inner_text() == "rellu"
    assert page.locator(".weighed.old .layers tbody tr").count() > 0  # the last good one stays, dimmed
    page.get_by_role("button", name="Mend it").click()
    until(lambda: page.locator(".faults .fault:not(.advice)").count() == 0)
    assert page.locator("textarea").input_value().endswith("conv 3x3 32, bn, relu, dense 10")
    rows = until(lambda: [row for row in page.locator(".layers tbody th b").all_inner_texts() if row == "conv2"])
    assert rows == ["conv2"]
    assert page.locator(".figure svg").count() == 1
    train(page, 40)
    told = page.locator(".score").inner_text()
    share = float(re.search(r"([\d.]+) %", told).group(1))  # type: ignore[union-attr]
    assert share > 95, told
    assert page.locator(".curve svg .line.validation").count() == 2
    page.wait_for_timeout(500)  # until the last weights are drawn
    before = page.locator(".formed canvas.tiles").first.evaluate("c => c.toDataURL()")
    page.locator(".scrub input").fill("0")
    until(lambda: "moment=0" in lab_page.address)
    until(lambda: page.locator(".formed canvas.tiles").first.evaluate("c => c.toDataURL()") != before)
    assert page.locator(".scrub output").inner_text().startswith("epoch 0")
    page.locator(".scrub input").fill("999")
    until(lambda: page.locator(".formed canvas.tiles").first.evaluate("c => c.toDataURL()") == before)


def test_completion_by_keyboard(lab_page: Shown) -> None:
    page = lab_page.open("view=write&data=digits")
    write(page, "")
    page.locator("textarea").press_sequentially("conv 3x3 8, max")
    assert page.locator(".offers li code").all_inner_texts() == ["maxpool 2"]
    page.keyboard.press("Tab")
    page.keyboard.type(" 2, dense")
    assert page.locator("textarea").input_value() == "conv 3x3 8, maxpool 2, dense"
    until(lambda: page.locator(".layers tbody th b").all_inner_texts() == ["conv1", "pool1", "dense1"])
    until(lambda: "net=conv%203x3%208,%20maxpool%202,%20dense" in lab_page.address)


def test_augmentations_are_shown(lab_page: Shown) -> None:
    page = lab_page.open("view=write&data=digits")
    page.locator("details.augment summary").click()
    sample = page.locator(".sample canvas").nth(3)
    until(lambda: sample.evaluate("c => c.width") == 64)
    assert page.get_by_label("Shift").input_value() == "1"  # the recipe's own
    first = sample.evaluate("c => c.toDataURL()")
    page.get_by_label("Turn").fill("45")
    until(lambda: sample.evaluate("c => c.toDataURL()") != first)


def test_a_network_that_diverges_says_so(lab_page: Shown) -> None:
    page = lab_page.open("view=write&data=digits")
    write(page, "scale 1000000, conv 3x3 8, scale 1000000, conv 3x3 8, scale 1000000, dense 10")
    page.wait_for_timeout(300)
    train(page, 2, wait=False)
    chip = page.locator(".run-head .chip")
    until(lambda: chip.inner_text() in ("failed", "trained"), 60)
    if chip.inner_text() == "failed":
        assert page.locator(".run > .fault").inner_text()
    else:  # learned nothing, and the score says so
        assert "Test accuracy" in page.locator(".score").inner_text()


def test_two_that_train_at_once_queue(lab_page: Shown) -> None:
    page = lab_page.open("view=write&data=digits")
    write(page, GOOD)
    train(page, 5000, wait=False)
    until(lambda: page.locator(".run-head .chip").inner_text() == "training", 30)
    first = page.locator(".run-head h2").inner_text()
    page.locator(".joined input").fill("1")
    page.get_by_role("button", name="Train", exact=True).click()
    until(lambda: page.locator(".run-head .chip").inner_text() == "waiting")
    until(lambda: f"waits until {first} is done" in page.locator(".doing").inner_text())
    waits = page.locator(".run-head h2").inner_text()
    page.locator(".runs a", has_text=re.compile(f"^{first}")).first.click()
    until(lambda: page.locator(".run-head h2").inner_text() == first)
    page.get_by_role("button", name="End", exact=True).click()
    page.locator(".runs a", has_text=re.compile(f"^{waits}")).first.click()
    until(lambda: page.locator(".run-head .chip").inner_text() == "trained", 60)


def test_chinese_and_back(lab_page: Shown) -> None:
    page = lab_page.open("view=write&data=digits")
    page.get_by_role("button", name="中文").click()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    for view, mark in VIEWS.items():
        page.locator("nav#tabs a").nth(list(VIEWS).index(view)).click()
        page.wait_for_selector(mark)
        for text in page.locator("main h2:visible, main h3:visible").all_inner_texts():
            assert not text or re.search(r"[\u4e00-\u9fff]|digits|conv", text), (view, text)
    page.get_by_role("button", name="English").click()
    assert page.locator("nav#tabs a").all_inner_texts() == ["Write", "Try", "Judge", "Learn"]


def test_a_lesson_is_solved(lab_page: Shown) -> None:
    page = lab_page.open("view=learn&lesson=receptive-field")
    page.wait_for_selector(".lesson .task")
    page.get_by_role("button", name="Take this network to Write").click()
    page.wait_for_selector("#ribbon .task")
    assert "Give conv2 a receptive field of at least 9." in page.locator("#ribbon").inner_text()
    until(lambda: page.locator(".layers tbody th b").all_inner_texts()[:1] == ["conv1"])
    page.get_by_role("button", name="Check").click()
    until(lambda: "Not yet." in page.locator("#ribbon .result").inner_text())
    assert (
        "The receptive field of conv2 is 5 x 5; at least 9 x 9 is asked for."
        in page.locator("#ribbon .result").inner_text()
    )
    assert "Hint:" in page.locator("#ribbon .result").inner_text()
    write(page, "conv 5x5 16 same, relu, conv 5x5 32 same, relu, gmp, dense 10")
    page.locator("textarea").blur()
    until(lambda: "net=conv%205x5" in lab_page.address)
    page.get_by_role("button", name="Check").click()
    until(lambda: "Solved." in page.locator("#ribbon .result").inner_text())
    page.get_by_role("button", name="To the lesson").click()
    until(lambda: "1 solved" in page.locator(".lessons").inner_text())


def test_judge_names_the_classes_that_were_meant(lab_page: Shown) -> None:
    page = lab_page.page
    names = [str(number + 1) for number in range(10)]  # a name that is another class's number

    def named(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        told["classes"] = names
        for one in told["worst"]:
            one["label"], one["said"] = names[int(one["label"])], names[int(one["said"])]
        worst.extend(told["worst"])
        route.fulfill(response=answer, json=told)

    worst: list[dict[str, Any]] = []
    page.route("**/api/models/*/judge", named)
    lab_page.open("view=judge")
    page.wait_for_selector(".matrix")
    assert worst
    said = [shot.get_attribute("aria-label") for shot in page.locator(".judge-top .shot").all()]
    assert said == [f"{one['label']} taken for {one['said']}" for one in worst]


def test_an_emptied_editor_stays_empty(lab_page: Shown) -> None:
    page = lab_page.open("view=write")
    text = page.locator("textarea")
    until(lambda: text.input_value() != "")
    text.fill("")
    page.wait_for_timeout(800)
    page.evaluate("dispatchEvent(new HashChangeEvent('hashchange'))")  # as a refresh of the models does
    assert text.input_value() == ""
    text.press_sequentially("conv 3x3 4, relu, gap", delay=5)
    page.evaluate("dispatchEvent(new HashChangeEvent('hashchange'))")
    assert text.input_value() == "conv 3x3 4, relu, gap"
    until(lambda: "net=conv" in lab_page.address)


def test_judge_opens_pictures_and_explains_them(lab_page: Shown) -> None:
    page = lab_page.open("view=judge")
    page.wait_for_selector(".matrix")
    counts = [int(text) for text in page.locator(".matrix tbody button").all_inner_texts()]
    assert sum(counts) == 269
    page.locator(".matrix td.on button").nth(7).click()
    until(
        lambda: (
            page.locator(".cell-pictures .shot").count()
            == int(page.locator(".matrix td.on button").nth(7).inner_text())
        )
    )
    page.locator(".cell-pictures .shot").first.click()
    until(lambda: "where=digits:" in lab_page.address)
    page.get_by_label("Method").select_option("integrated-gradients")
    until(lambda: page.locator(".checks").inner_text().count("Completeness"), 20)
    assert page.locator(".checks .chart").count() == 2
    where = {"data": "digits", "index": int(lab_page.address.split("digits:")[1].split("&")[0])}
    asked = {"model": "lab-digits", "method": "integrated-gradients", "label": None, "target": None, "where": where}
    answer = lab_page.api("/api/attribution", asked)
    mark = page.locator(".mark").inner_text()
    assert mark == ("The map passes its checks." if answer["trusted"] else "The map fails a check: don't believe it.")
    page.get_by_role("button", name="Open in Try").click()
    page.wait_for_selector(".pad")


def test_a_link_opens_the_same_elsewhere(lab_page: Shown, lab_browser: Any, lab_child: Any, lab_cookie: Any) -> None:
    net = "conv%203x3%2012,%20relu,%20gap,%20dense"
    with shown(lab_browser, lab_child, lab_cookie, locale="en") as other:
        page = other.open(f"view=write&data=digits&net={net}&lang=zh")
        until(lambda: page.locator("textarea").input_value() == "conv 3x3 12, relu, gap, dense")
        assert page.locator("nav#tabs a").first.inner_text() == "编写"
        page = other.open("view=write&model=nobody-has-it&lang=en")
        until(
            lambda: (
                "names a network, nobody-has-it, that this lab doesn't have" in page.locator("#missing").inner_text()
            )
        )
    stranger = lab_browser.new_context()
    page = stranger.new_page()
    page.goto(f"{lab_child.origin}/#view=try")
    assert "convscope lab" in page.locator("body").inner_text()
    assert page.locator("nav#tabs").count() == 0
    stranger.close()


def test_what_a_screen_reader_is_told(lab_page: Shown) -> None:
    for view, mark in VIEWS.items():
        page = lab_page.open(f"view={view}")
        page.wait_for_selector(mark)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, a, input, select, textarea, canvas[role=img], [role=img]')]
                .filter((e) => e.checkVisibility() && !e.ariaLabel && !e.textContent.trim())
                .filter((e) => !e.labels?.length && !e.title)
                .map((e) => e.outerHTML.slice(0, 120))"""
        )
        assert nameless == [], view


@pytest.mark.parametrize("wide", [360, 1280, 2560])
def test_nothing_is_wider_than_the_window(lab_page: Shown, wide: int) -> None:
    lab_page.page.set_viewport_size({"width": wide, "height": 900})
    for view, mark in VIEWS.items():
        page = lab_page.open(f"view={view}")
        page.wait_for_selector(mark)
        page.wait_for_timeout(400)
        assert page.evaluate("document.documentElement.scrollWidth") <= wide, view


def test_a_server_that_is_killed_while_it_trains(lab_browser: Any, tmp_path: Path) -> None:
    with running(tmp_path, "--port", "8911") as child, shown(lab_browser, child, locale="en") as found:
        page = found.open("view=write&data=digits")
        until(lambda: found.api("/api/models")[0]["state"] == "done", 60)
        write(page, GOOD)
        train(page, 5000, wait=False)
        until(lambda: page.locator(".run-head .chip").inner_text() == "training", 30)
        until(lambda: "Epoch" in page.locator(".doing").inner_text(), 30)
        name = page.locator(".run-head h2").inner_text()
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()
        until(lambda: page.locator("#gone").is_visible(), 15)
        assert "Start it again with: convscope lab" in page.locator("#gone").inner_text()
        log = tmp_path / "runs" / name / "log.jsonl"
        size = log.stat().st_size
        until(lambda: log.stat().st_size > size, 20)  # the training goes on without it
        found.errors.clear()  # what the browser said of the lost connection
        with running(tmp_path, "--port", "8911") as again:
            until(lambda: "convscope lab" in page.locator("#gone").inner_text() and page.locator("#gone").is_visible())
            other = page.context.new_page()  # a new server has a new cookie, which its link leaves in the browser
            other.goto(again.link)
            until(lambda: page.locator("#gone").is_hidden(), 15)  # the old page goes on by itself
            assert page.locator(".run-head h2").inner_text() == name
            found.errors.clear()
            until(lambda: page.locator(".run-head .chip").inner_text() == "training", 20)
            page.get_by_role("button", name="Pause").click()
            until(lambda: page.locator(".run-head .chip").inner_text() == "paused", 30)
            page.get_by_role("button", name="Go on").click()
            until(lambda: page.locator(".run-head .chip").inner_text() == "training", 30)
            page.get_by_role("button", name="End", exact=True).click()
            until(lambda: page.locator(".run-head .chip").inner_text() == "stopped", 30)
        assert found.outside == []


CONTRAST = """() => {
  const brush = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const read = (colour) => {
    brush.clearRect(0, 0, 1, 1); brush.fillStyle = colour; brush.fillRect(0, 0, 1, 1);
    return [...brush.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const over = (top, under) => top.slice(0, 3).map((v, i) => (v * top[3] + under[i] * (255 - top[3])) / 255);
  const ground = (e) => {
    const layers = [];
    for (; e; e = e.parentElement) {
      const colour = read(getComputedStyle(e).backgroundColor);
      layers.push(colour);
      if (colour[3] === 255) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (!text || !e.checkVisibility() || e.closest('svg, :disabled, .pad-box, .unseen, .code-text, option')) continue;
    let opacity = 1;
    for (let p = e; p; p = p.parentElement) opacity *= Number(getComputedStyle(p).opacity);
    if (opacity < 1) continue;
    const under = ground(e), letters = over(read(getComputedStyle(e).color), under);
    const [a, b] = [light(letters), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(`${e.tagName}.${e.className} ${text.slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return [...new Set(found)];
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(lab_page: Shown, theme: str) -> None:
    lab_page.open("view=learn")
    lab_page.page.evaluate("theme => localStorage.setItem('convscope-theme', theme)", theme)
    for view, mark in VIEWS.items():
        page = lab_page.open(f"view={view}" + ("&layer=conv2&cell=3,4,4" if view == "try" else ""))
        page.wait_for_selector(mark)
        page.wait_for_timeout(700)
        assert page.locator("html").get_attribute("data-theme") == theme
        assert page.evaluate(CONTRAST) == [], view
