/** Try: draw, bring or choose a picture, and look at everything that the network makes of it, down to one product. */

import { answer } from "./answer.js";
import { panel } from "./cell.js";
import { files, tests } from "./choose.js";
import { button, el, newest } from "./dom.js";
import { pad } from "./draw.js";
import { placed, weights } from "./numbers.js";
import { onTheme, paintPicture } from "./paint.js";
import { given } from "./given.js";
import { strip } from "./strip.js";

/** @param {HTMLElement} root */
export function mount(root, context) {
  const { t, api, go } = context;
  const fault = el("p", { class: "fault", role: "alert", hidden: true });
  const hint = el("span", { class: "pad-hint", text: t("try.hint") });
  const about = el("p", { class: "quiet", text: t("try.about_digits"), hidden: true });
  const drawing = pad(drawn, t("try.pad"));
  const bars = answer(context);
  const sees = given(context, () => look());
  const maps = strip(context, (label, place) => go({ layer: label, cell: opened(label, place) }));
  const cell = panel(context, maps);
  const grid = tests(context, (index) => go({ where: `${model()?.data}:${index}` }));
  const brought = files(root, context, (id) => go({ where: `picture:${id}` }), complain);
  const moments = el("div", { class: "moments" });
  const page = el("div", { class: "try" }, fault,
    el("div", { class: "try-top" },
      el("section", { class: "draw", "aria-label": t("try.draw") },
        el("div", { class: "pad-box" }, drawing.element, hint),
        el("div", { class: "pad-tools" }, button(t("try.undo"), undo), button(t("try.clear"), clear)), brought.element, about),
      sees.element, bars.element, grid.element),
    moments, maps.element, cell.element);
  root.append(page);

  let before = ""; // the model that was looked at
  let asked = ""; // what is shown or on its way: model, moment, picture
  let moves = 0; // of the pen, so far
  /** @type {{number: number, when: number}[]} those that no answer has shown yet */
  const pending = [];
  const model = () => context.model();

  const ask = newest(async (asks) => {
    const sent = { body: asks(), moves }; // made only now: of a pen's many movements the newest alone is sent
    return { sent, found: await api.post("/api/look", sent.body) };
  }, ({ sent, found }) => show(found, sent), (error) => {
    asked = ""; // the next change of the page asks again
    complain(error.message);
  });

  function body() {
    const state = context.state();
    const where = state.where || "";
    const [kind, ...rest] = where.split(":");
    const moment = state.moment === undefined || state.moment === "" || state.moment === null ? null : Number(state.moment);
    const place = kind === "drawing" ? { drawing: drawing.picture() }
      : kind === "picture" ? { picture: rest.join(":") } : { data: kind, index: Number(rest[0]) };
    return { model: model()?.id, moment: Number.isFinite(moment) ? moment : null, where: place, manner: sees.manner(), layers: null };
  }

  function look() {
    if (!model() || !context.state().where) return;
    asked = key(context.state().where);
    ask(body);
  }

  function drawn(when, finished) {
    hint.hidden = true;
    pending.push({ number: ++moves, when });
    maps.element.setAttribute("aria-busy", "true");
    ask(() => ({ ...body(), where: { drawing: drawing.picture() }, brief: drawing.busy() }));
    if (!finished) return;
    const where = `drawing:${drawing.text()}`;
    asked = key(where);
    go({ where });
  }

  function show(found, what) {
    fault.hidden = true;
    bars.show(found);
    sees.show(found);
    maps.show(found.layers, found.input);
    if (!("drawing" in what.body.where)) drawing.show(found.original);
    cell.show(what.body, found);
    while (pending.length && pending[0].number <= what.moves) measured(pending.shift().when);
    if (!pending.length) maps.element.removeAttribute("aria-busy");
    if (performance.getEntriesByName("stroke to maps").length > 2000) performance.clearMeasures("stroke to maps");
  }

  /** How long the pen's movement took to show: `performance.getEntriesByName("stroke to maps")`. */
  function measured(when) {
    performance.measure("stroke to maps", { start: when, end: performance.now() });
  }

  function opened(label, place) {
    const layer = maps.layer(label)?.layer;
    const single = layer && (layer.shape.length === 1 || layer.shape[1] * layer.shape[2] === 1);
    if (single) return layer.shape.length === 1 ? String(place[0]) : `${place[0]},0,0`;
    return place.join(",");
  }

  function complain(sentence) {
    fault.textContent = sentence;
    fault.hidden = false;
  }

  function undo() {
    if (drawing.empty()) return;
    drawing.undo();
    drawn(performance.now(), true);
  }

  function clear() {
    drawing.clear();
    drawn(performance.now(), true);
    hint.hidden = false;
  }

  function key(where) {
    const state = context.state();
    const own = model(), newest = own && !state.moment ? weights(own) : `${own?.id} ${state.moment}`; // what still changes
    return [newest, where, sees.manner()].join(" ");
  }

  function keys(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) {
      event.preventDefault();
      undo();
    }
  }
  document.addEventListener("keydown", keys);
  const endTheme = onTheme(() => {
    maps.again();
    cell.again();
  });

  async function begin(own) {
    const first = await grid.first(own.data, own.id);
    if (model()?.id === own.id) go({ where: first === null ? "drawing:" : `${own.data}:${first}` });
  }

  function update(state) {
    const own = model();
    page.classList.toggle("without", !own);
    if (!own) return complain(t("try.none"));
    if (own.state === "waiting" || (own.state === "training" && !own.moments.length)) return complain(t("try.waits"));
    const where = state.where || "";
    const [kind, rest = ""] = where.split(/:(.*)/s);
    const named = kind !== "drawing" && kind !== "picture";
    grid.show(own.data, own.classes, named && kind === own.data ? Number(rest) : null, own.id);
    sees.of(own, !named);
    about.hidden = own.data !== "digits";
    showMoments(own, state);
    const turned = before !== "" && before !== own.id;
    before = own.id;
    if (!where || (turned && named && kind !== own.data)) return void begin(own);
    if (kind === "drawing" && !drawing.busy()) drawing.load(rest);
    hint.hidden = kind === "drawing" && !drawing.empty();
    if (asked !== key(where) && !drawing.busy()) {
      look();
    }
    maps.select(state.layer || "", placed(state.cell));
    cell.open(state.layer || "", placed(state.cell));
  }

  /** A slider through the snapshots, where there are some. */
  function showMoments(own, state) {
    const all = own.moments || [];
    moments.hidden = all.length < 2;
    if (moments.hidden) return;
    const number = state.moment === undefined || state.moment === null || state.moment === "" ? null : Number(state.moment);
    const found = all.findIndex((each) => each.number === number);
    const at = found < 0 ? all.length : found;
    let slider = moments.querySelector("input");
    if (!slider || moments.dataset.of !== own.id) {
      moments.dataset.of = own.id;
      slider = el("input", { type: "range", min: 0, id: "try-moment" });
      slider.addEventListener("input", () => {
        const list = model()?.moments || [];
        const turn = Number(slider.value);
        go({ moment: turn >= list.length ? null : list[turn].number });
      });
      moments.replaceChildren(el("label", { for: "try-moment", text: t("try.moment") }), slider, el("output"));
    }
    slider.max = all.length;
    slider.value = at;
    const text = found < 0 ? t("try.trained") : t("try.epoch", { epoch: Number(all[found].epoch.toFixed(2)) });
    moments.querySelector("output").textContent = text;
    slider.setAttribute("aria-valuetext", text);
  }

  update(context.state());
  return {
    update,
    unmount() {
      document.removeEventListener("keydown", keys);
      endTheme();
      brought.stop();
      maps.stop();
      cell.stop();
      root.classList.remove("dropping");
      page.remove();
    },
  };
}
