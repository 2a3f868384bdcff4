/** Why: which part of a picture speaks for the answer, and the checks that say whether to believe it. */

import { chart } from "./chart.js";
import { button, el, newest } from "./dom.js";
import { asWhere } from "./state.js";
import { sig, weights } from "./numbers.js";
import { bytes, colours, onTheme, paintPicture } from "./paint.js";

const METHODS = ["gradcam", "integrated-gradients", "occlusion"];
const CURVES = ["deletion", "insertion"]; // whose curves are probabilities
const SIDE = 280; // CSS pixels of the picture

/** @param {any} context */
export function attributing(context) {
  const { t, api, go } = context;
  const method = el("select", { on: { change: () => { key = ""; show(...last); } } }, ...METHODS.map((each) => el("option", { value: each, text: t(`why.${each}`) })));
  const target = el("select", { on: { change: () => { key = ""; show(...last); } } });
  const picture = el("canvas", { role: "img", "aria-label": t("why.picture") }), map = el("canvas", { role: "img", "aria-label": t("why.map") });
  const mark = el("p", { class: "mark" }), layer = el("p", { class: "quiet" }), checks = el("ul", { class: "checks" }), fault = el("p", { class: "fault", hidden: true });
  const element = el("section", { class: "why", "aria-label": t("why.title"), hidden: true }, el("h2", { text: t("why.title") }), el("p", { class: "note", text: t("why.why") }),
    el("div", { class: "row" }, el("label", { class: "field" }, t("why.method"), method), el("label", { class: "field" }, t("why.class"), target),
      button(t("why.try"), () => go({ view: "try", where: last[1], moment: null }), { class: "plain" })), fault,
    el("div", { class: "why-body" }, el("figure", {}, picture, el("figcaption", { text: t("why.picture") })), el("figure", {}, map, el("figcaption", {}, t("why.map"), " ",
      el("span", { class: "key for", text: t("why.for") }), " ", el("span", { class: "key against", text: t("why.against") }))),
      el("div", { class: "verdict" }, mark, layer, checks)));
  let key = "", last = [], found = null;
  const ask = newest((what) => api.post("/api/attribution", what), (answer) => { found = answer; fault.hidden = true; element.classList.remove("asking"); draw(); tell(); },
    (error) => { fault.textContent = error.message; fault.hidden = false; element.classList.remove("asking"); });
  const end = onTheme(() => draw());

  function draw() {
    if (!found) return;
    const { input } = found, k = Math.max(1, Math.round(SIDE / Math.max(input.height, input.width)));
    paintPicture(picture, input, k);
    overlay(found, k);
  }

  /** The picture in grey, and over it what speaks for the class in blue and against it in orange. */
  function overlay({ input, map: { height, width, low, high, values } }, k) {
    paintPicture(map, input, k);
    const brush = map.getContext("2d"), image = brush.getImageData(0, 0, map.width, map.height);
    const share = bytes(values), table = new Uint8Array(colours(low, high).buffer), most = Math.max(Math.abs(low), Math.abs(high)) || 1;
    for (let y = 0, at = 0; y < map.height; y++) {
      for (let x = 0; x < map.width; x++, at += 4) {
        const value = share[Math.floor((y * height) / map.height) * width + Math.floor((x * width) / map.width)];
        const weight = 0.85 * Math.min(1, Math.abs(low + ((high - low) * value) / 255) / most) ** 0.6;
        const grey = (0.3 * image.data[at] + 0.59 * image.data[at + 1] + 0.11 * image.data[at + 2]) * 0.75;
        for (let c = 0; c < 3; c++) image.data[at + c] = grey * (1 - weight) + table[4 * value + c] * weight;
      }
    }
    brush.putImageData(image, 0, 0);
  }

  function tell() {
    const model = context.model();
    mark.className = `mark ${found.trusted ? "passes" : "fails"}`;
    mark.textContent = t(found.trusted ? "why.trusted" : "why.untrusted");
    layer.textContent = [t("why.said", { label: model?.classes[found.target] ?? found.target }), found.label ? t("why.layer", { label: found.label }) : ""].filter(Boolean).join(" ");
    checks.replaceChildren(...found.checks.map((check) => el("li", { class: check.passed ? "passes" : "fails" },
      el("span", { class: "check-name" }, el("b", { text: t(`check.${check.name}`) }), el("span", { class: "num", text: sig(check.value, 3) })),
      check.passed ? null : el("span", { class: "quiet", lang: "en", text: check.why_not || check.needed }),
      CURVES.includes(check.name) && check.curve?.length ? chart([
        { name: "", kind: "train", points: (check.random || []).map(([x, y]) => ({ x, y })) },
        { name: "", kind: "validation", points: check.curve.map(([x, y]) => ({ x, y })) }], { label: t("why.curve", { name: t(`check.${check.name}`) }), percent: true, upto: 1, share: true, small: true }) : null)));
  }

  function show(model, where) {
    last = [model, where];
    const there = model ? asWhere(where) : null;
    element.hidden = !there;
    if (!there) return;
    if (target.dataset.of !== model.classes.join()) {
      target.dataset.of = model.classes.join();
      target.replaceChildren(el("option", { value: "", text: t("why.its_own") }), ...model.classes.map((name, at) => el("option", { value: String(at), text: name })));
    }
    const now = [weights(model), where, method.value, target.value].join(" ");
    if (now === key) return;
    key = now;
    element.classList.add("asking");
    ask({ model: model.id, moment: null, where: there, method: method.value, label: null, target: target.value === "" ? null : Number(target.value) });
  }

  return { element, show, stop: end };
}
