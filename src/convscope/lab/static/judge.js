/** Judge: what the network takes for what, its surest mistakes, why it says so, and another network on the same picture. */

import { answer } from "./answer.js";
import { attributing } from "./attribution.js";
import { button, el, gently, newest } from "./dom.js";
import { percent, weights } from "./numbers.js";
import { onTheme, paintLayer, paintPicture } from "./paint.js";
import { asWhere } from "./state.js";

/** @param {HTMLElement} root */
export function mount(root, context) {
  const { t, api, go } = context;
  const fault = el("p", { class: "fault", role: "alert", hidden: true });
  const score = el("div", { class: "judged" });
  const matrix = el("div", { class: "matrix-box", tabindex: "0", role: "region", "aria-label": t("judge.matrix") });
  const cell = el("section", { class: "cell-pictures", "aria-live": "polite" });
  const worst = el("div", { class: "shots" });
  const why = attributing(context);
  const beside = comparing(context);
  const page = el("div", { class: "judge" }, fault,
    el("div", { class: "judge-top" },
      el("section", { "aria-label": t("judge.matrix") }, score, el("h2", { text: t("judge.matrix") }), el("p", { class: "note", text: t("judge.matrix_why") }), matrix, cell),
      el("section", { "aria-label": t("judge.worst") }, el("h2", { text: t("judge.worst") }), el("p", { class: "note", text: t("judge.worst_why") }), worst)),
    why.element, beside.element);
  root.append(page);
  let shown = "", first = null;

  const ask = newest((id) => api.get(`/api/models/${id}/judge`), show, (error) => {
    fault.textContent = error.message;
    fault.hidden = false;
    page.classList.add("unscored");
    look();
  });

  function show(found) {
    fault.hidden = true;
    page.classList.remove("unscored");
    const total = found.matrix.flat().reduce((a, b) => a + b, 0), right = found.matrix.reduce((sum, row, at) => sum + row[at], 0);
    const model = context.model();
    score.replaceChildren(el("span", { class: "big", text: percent(right / total, 2) }), el("span", { class: "quiet", text: model?.score
      ? t("judge.score", { k: right, n: total, low: (100 * model.score.low).toFixed(1), high: (100 * model.score.high).toFixed(1) }) : `${right} / ${total}` }));
    matrix.replaceChildren(table(found));
    cell.replaceChildren();
    worst.replaceChildren(...found.worst.map((one) => shot(one, t("judge.took", { label: one.label, said: one.said }),
      el("span", {}, el("b", { text: one.said }), ` ${percent(one.probability, 0)}`), el("small", { text: t("judge.is", { label: one.label }) }))));
    if (!found.worst.length) worst.replaceChildren(el("p", { class: "quiet", text: t("judge.no_mistakes") }));
    first = found.worst[0]?.index ?? null;
    look();
  }

  function table({ classes, matrix: rows }) {
    const most = rows.map((row) => Math.max(1, row.reduce((a, b) => a + b, 0)));
    return el("table", { class: "matrix" }, el("caption", { class: "unseen", text: t("judge.matrix_why") }),
      el("thead", {}, el("tr", {}, el("td", { class: "corner", text: t("judge.corner") }), ...classes.map((name) => el("th", { scope: "col", text: name })))),
      el("tbody", {}, ...rows.map((row, label) => el("tr", {}, el("th", { scope: "row", text: classes[label] }), ...row.map((count, said) => {
        const share = count / most[label];
        const inner = count ? button(String(count), () => open(classes, label, said, count), { "aria-label": t("judge.cell", { count, label: classes[label], said: classes[said] }) }) : el("span", { text: "·" });
        inner.style.setProperty("--share", String(label === said ? share : Math.min(1, 0.25 + 4 * share)));
        return el("td", { class: label === said ? "on" : count ? "off" : "none" }, inner);
      })))));
  }

  async function open(classes, label, said, count) {
    const { id } = context.model();
    try {
      const found = await api.post(`/api/models/${id}/cell-pictures`, { label, said });
      cell.replaceChildren(el("h3", { text: t("judge.opened", { count: found.length < count ? `${found.length} / ${count}` : count, label: classes[label], said: classes[said] }) }),
        el("div", { class: "shots small" }, ...found.map((one) => shot(one, `${classes[said]} ${percent(one.probability)}`, el("span", { text: percent(one.probability, 0) })))));
      cell.scrollIntoView({ block: "nearest", behavior: gently() });
    } catch (error) {
      cell.replaceChildren(el("p", { class: "fault", text: error.message }));
    }
  }

  /** A picture that can be chosen. */
  function shot(one, label, ...captions) {
    const canvas = el("canvas", { "aria-hidden": "true" });
    paintPicture(canvas, one.picture);
    const made = button("", () => go({ where: `${context.model().data}:${one.index}` }), { class: "shot", "aria-label": label });
    made.dataset.index = one.index;
    made.append(canvas, ...captions);
    return made;
  }

  /** The picture that is asked about: the chosen one, else the surest mistake, else the first. */
  function look() {
    const state = context.state(), model = context.model();
    const where = state.where || (first !== null && model ? `${model.data}:${first}` : "");
    for (const each of page.querySelectorAll(".shot")) each.setAttribute("aria-current", String(where === `${model?.data}:${each.dataset.index}`));
    why.show(model, where);
    beside.show(model, where);
  }

  function update() {
    const model = context.model();
    if (!model) return;
    const key = `${model.id} ${model.state} ${model.score?.k}`;
    if (key === shown) return look();
    shown = key;
    first = null;
    ask(model.id);
  }

  update();
  return { update, unmount() { why.stop(); beside.stop(); page.remove(); } };
}

/** Two networks on the same picture: what each says, and the maps of a layer of each. */
function comparing(context) {
  const { t, api } = context;
  const choice = el("select", { "aria-label": t("judge.other"), on: { change: () => { other = choice.value; key = ""; show(...last); } } });
  const sides = [side(), side()];
  const element = el("section", { class: "beside", "aria-label": t("judge.beside") }, el("h2", { text: t("judge.beside") }), el("p", { class: "note", text: t("judge.beside_why") }),
    el("div", { class: "sides" }, ...sides.map((each) => each.element)));
  sides[1].head.append(choice);
  let other = "", key = "", last = [];

  function side() {
    const head = el("h3", {}), name = el("span", {});
    head.append(name);
    const bars = answer(context), fault = el("p", { class: "fault", hidden: true });
    const layer = el("select", { "aria-label": t("watch.layer"), on: { change: () => draw() } });
    const canvas = el("canvas", { class: "tiles", role: "img", "aria-label": t("watch.maps") });
    let found = null;
    function draw() {
      const own = found?.layers.find((each) => each.label === layer.value);
      canvas.hidden = !own?.values;
      if (!own?.values) return;
      paintLayer(canvas, own);
      canvas.setAttribute("aria-label", t("watch.maps_of", { label: own.label, shape: own.shape.join(" × ") }));
    }
    return {
      head, name, draw,
      element: el("div", { class: "side" }, head, fault, bars.element, el("label", { class: "field-line" }, t("watch.of"), layer), canvas),
      ask: newest((what) => api.post("/api/look", what), (look) => {
        fault.hidden = true;
        found = look;
        bars.show(look);
        const labels = look.layers.map((each) => each.label), was = layer.value;
        layer.replaceChildren(...labels.map((label) => el("option", { value: label, text: label })));
        layer.value = labels.includes(was) ? was : look.layers.find((each) => each.kind === "conv")?.label ?? labels[0];
        draw();
      }, (error) => { fault.textContent = error.message; fault.hidden = false; }),
    };
  }

  function show(model, where) {
    last = [model, where];
    const there = model ? asWhere(where) : null;
    const others = context.models().filter((each) => each.id !== model?.id && each.state === "done" && same(each, model));
    element.hidden = !there || !others.length;
    if (element.hidden) return;
    if (!others.some((each) => each.id === other)) other = others[0].id;
    if (choice.dataset.of !== others.map((each) => each.id).join()) {
      choice.dataset.of = others.map((each) => each.id).join();
      choice.replaceChildren(...others.map((each) => el("option", { value: each.id, text: `${each.name} · ${each.score ? percent(each.score.accuracy) : ""}` })));
    }
    choice.value = other;
    sides[0].name.textContent = model.name;
    const now = `${weights(model)} ${other} ${where}`;
    if (now === key) return;
    key = now;
    sides[0].ask({ model: model.id, moment: null, where: there, layers: null });
    sides[1].ask({ model: other, moment: null, where: there, layers: null });
  }

  const same = (one, two) => one.classes.join() === two.classes.join();
  const end = onTheme(() => sides.forEach((each) => each.draw()));
  return { element, show, stop: end };
}
