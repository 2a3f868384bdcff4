/** Write: a network's text with its faults and costs while one types, how it is to be trained, and its training. */

import { augmenting } from "./augment.js";
import { button, el, gently, newest } from "./dom.js";
import { editor } from "./editor.js";
import { watch } from "./watch.js";
import { weighed } from "./weighed.js";
import { KINDS_ZH } from "./words_write.js";

const TYPING = 140, ADDRESS = 500; // milliseconds after a key until the text is weighed, and stands in the address

let fields = null; // how long, which seed, what augmentation: as they were left when another view was opened

/** @param {HTMLElement} root */
export function mount(root, context) {
  const { t, api, go, start } = context;
  const kinds = start.kinds.map((kind) => ({ ...kind, about: (context.lang() === "zh" && KINDS_ZH[kind.name]) || kind.about }));
  const code = editor({ kinds, label: t("write.text"), offered: t("write.offered") }, typed);
  const fault = el("div", { class: "faults", role: "status" });
  const costs = weighed(context);
  const data = el("select", { id: "write-data", on: { change: () => go({ data: data.value }) } }, ...start.data.map((each) =>
    el("option", { value: each.name, disabled: !each.here, text: each.here ? each.title : `${each.title} · ${t("write.far")}` })));
  const from = el("select", { on: { change: () => { begin(from.value); from.value = ""; } } });
  const amount = el("input", { type: "number", min: 1, max: 86400, value: "20", required: true });
  const unit = el("select", { "aria-label": t("write.unit") }, ...["seconds", "epochs"].map((each) => el("option", { value: each, text: t(`write.${each}`) })));
  const seed = el("input", { type: "number", min: 0, max: 2147483647, value: "0", required: true });
  const press = el("button", { type: "submit", class: "main", text: t("write.train") });
  const refused = el("p", { class: "fault", role: "alert", hidden: true });
  const augment = augmenting(context, () => source());
  const runs = watch(context);
  const page = el("div", { class: "write" },
    el("div", { class: "write-top" },
      el("section", { class: "write-text", "aria-label": t("write.text") },
        el("div", { class: "row" },
          el("label", { class: "field" }, t("write.data"), data), el("label", { class: "field" }, t("write.from"), from)),
        code.element, fault,
        el("form", { class: "row go", on: { submit: (event) => { event.preventDefault(); train(); } } },
          el("label", { class: "field" }, t("write.for"), el("span", { class: "joined" }, amount, unit)),
          el("label", { class: "field" }, t("write.seed"), seed), press),
        refused, augment.element),
      costs.element),
    runs.element);
  root.append(page);

  let typing = 0, address = 0, weighing = "";
  let dirty = false, seen = {}; // whether the editor holds what the address doesn't; net and model when it was last in step

  const source = () => start.data.find((each) => each.name === (context.state().data || context.model()?.data)) || start.data[0];

  const ask = newest((what) => api.post("/api/network", what), show, (error) => say([{ sentence: error.message }]));

  function typed(text) {
    clearTimeout(typing);
    clearTimeout(address);
    typing = setTimeout(weigh, TYPING);
    dirty = true;
    address = setTimeout(() => keep(text), ADDRESS);
  }

  /** Puts the editor's text into the address; an empty one has no place there, and stays in the editor. */
  function keep(text) {
    dirty = text === "";
    seen.net = text || undefined;
    go({ net: text });
  }

  function weigh() {
    const own = source();
    const what = { text: code.text(), input: [...own.size, own.channels], classes: own.classes.length };
    weighing = JSON.stringify(what);
    ask(what);
  }

  function show(found, what) {
    if (what.text !== code.text()) return;
    costs.show(found.ok ? found : null, source().size);
    code.faults(found.ok ? [] : found.faults);
    say(found.ok ? found.notes : found.faults, found.ok);
  }

  /** @param {any[]} faults @param {boolean} advice whether the network could be trained as it is */
  function say(faults, advice = false) {
    fault.replaceChildren(...faults.map((each) => el("p", { class: advice ? "fault advice" : "fault" },
      each.line ? el("b", { text: t("write.line", { line: each.line, column: each.column }) }) : null, each.line ? " " : null,
      el("span", { lang: "en", text: each.sentence }), each.suggestion ? el("span", { lang: "en", class: "quiet", text: ` ${each.suggestion}` }) : null,
      each.mended ? button(t("write.mend"), () => put(each.mended), { class: "mend" }) : null)));
  }

  function put(text) {
    code.set(text);
    clearTimeout(address);
    keep(text);
    weigh();
    code.focus();
  }

  function begin(value) {
    const [sort, name] = value.split(/:(.*)/s);
    if (sort === "zoo") put(start.zoo.find((each) => each.name === name).text);
    if (sort === "model") put(context.models().find((each) => each.id === name).text);
  }

  async function train() {
    refused.hidden = true;
    if (![amount, seed].every((field) => field.reportValidity())) return;
    press.disabled = true;
    try {
      const length = unit.value === "epochs" ? { epochs: Number(amount.value) } : { budget: Number(amount.value) };
      const made = await api.post("/api/train", { text: code.text(), data: source().name, ...length, seed: Number(seed.value), augment: augment.settings() });
      await context.refresh();
      context.announce(t(made.state === "waiting" ? "watch.queued" : "watch.begun", { name: made.name }));
      go({ model: made.id, moment: null, net: code.text(), layer: null, cell: null, where: null });
      runs.element.scrollIntoView({ block: "nearest", behavior: gently() });
    } catch (error) {
      refused.textContent = error.message;
      refused.hidden = false;
    }
    press.disabled = false;
  }

  function offerStarts() {
    const here = context.models().filter((each) => each.text);
    const key = here.map((each) => each.id).join(" ");
    if (from.dataset.of === key) return;
    from.dataset.of = key;
    from.replaceChildren(el("option", { value: "", text: t("write.choose") }),
      el("optgroup", { label: t("write.here") }, ...here.map((each) => el("option", { value: `model:${each.id}`, text: each.name }))),
      el("optgroup", { label: t("write.zoo") }, ...start.zoo.map((each) => el("option", { value: `zoo:${each.name}`, text: each.name }))));
  }

  /** What a lesson asks of the training goes into the fields once, and out of the address. */
  function asLessonSays({ epochs, budget, augment: changes }) {
    if (!epochs && !budget && !changes) return;
    unit.value = epochs ? "epochs" : "seconds";
    amount.value = epochs || budget || amount.value;
    augment.of(source());
    if (changes === "off") augment.off();
    go({ epochs: null, budget: null, augment: null });
  }

  function update(state) {
    asLessonSays(state);
    offerStarts();
    const own = source();
    if (data.value !== own.name) data.value = own.name;
    augment.of(own);
    const outside = state.net !== seen.net || context.model()?.id !== seen.model;
    seen = { net: state.net, model: context.model()?.id };
    if (outside || !dirty) {
      code.set(state.net ?? context.model()?.text ?? "");
      dirty = false;
    }
    const what = JSON.stringify({ text: code.text(), input: [...own.size, own.channels], classes: own.classes.length });
    if (what !== weighing) weigh();
    runs.update(state);
  }

  if (fields) {
    [amount.value, unit.value, seed.value] = fields.values;
    augment.put(fields.augment);
  }
  update(context.state());
  return {
    update,
    unmount() {
      fields = { values: [amount.value, unit.value, seed.value], augment: augment.kept() };
      clearTimeout(typing);
      clearTimeout(address);
      if (code.text() && context.state().net !== code.text() && code.text() !== context.model()?.text) go({ net: code.text() });
      runs.stop();
      page.remove();
    },
  };
}
