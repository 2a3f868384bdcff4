/** The panel of one map and one cell: made large, what it sees, and its arithmetic, stepped, played, both ways. */

import { forward } from "./arithmetic.js";
import { backward } from "./backward.js";
import { button, el, gently, newest } from "./dom.js";
import { frame, large } from "./large.js";
import { long, sig, sign, spot } from "./numbers.js";
import { player } from "./player.js";

const SETTLED = 160; // milliseconds without a new picture after which the arithmetic is asked for anew

/**
 * @param {any} context
 * @param {any} maps the strip
 */
export function panel(context, maps) {
  const { t, api, go } = context;
  const to = (label, place) => go({ layer: label, cell: place.join(",") });
  const map = large(context, (place) => to(label_, place));
  const seen = frame(context);
  const play = player(context);
  const title = el("h2");
  const text = el("code");
  const value = el("output", { class: "cell-value" });
  const fault = el("p", { class: "quiet", hidden: true });
  const content = el("div", { class: "cell-content" });
  const ways = ["forward", "backward"].map((way) => button(t(`cell.${way}`), () => turn(way), { "aria-pressed": "false" }));
  const target = el("select", { id: "cell-target", on: { change: () => ask() } });
  const wanted = el("label", { class: "target", for: "cell-target" }, el("span", { text: t("cell.target") }), target);
  const controls = el("div", { class: "cell-controls" }, el("div", { class: "ways", role: "group" }, ...ways), wanted);
  const worked = el("div", { class: "cell-worked" }, controls, play.element, content, fault);
  const element = el("section", { class: "cell", hidden: true, "aria-label": t("cell.forward") },
    el("div", { class: "cell-head" }, el("div", {}, title, el("p", {}, text)), value,
      button("×", () => go({ layer: "", cell: "" }), { class: "close", "aria-label": t("cell.close"), title: t("cell.close") })),
    el("div", { class: "cell-body" }, el("div", { class: "cell-side" }, map.element, seen.element), worked));

  let [label_, place_, way, body, look, trace, timer] = ["", [], "forward", null, null, null, 0];
  let asked = "";

  const question = newest((what) => api.post("/api/cell", what), (found, what) => {
    if (what.label === label_ && String(what.place) === String(place_)) show(found);
  }, (error) => {
    fault.hidden = false;
    fault.textContent = error.message;
    content.replaceChildren();
    play.of([]);
  });

  function whole() {
    const layer = maps.layer(label_)?.layer;
    return label_ === "loss" || (layer && place_.length === layer.shape.length);
  }

  function ask() {
    if (!body || !label_ || !whole()) return;
    asked = [label_, place_, body.model, body.moment].join(" ");
    question({ ...body, label: label_, place: place_, target: target.value === "" ? null : Number(target.value) });
  }

  function head() {
    const layer = maps.layer(label_)?.layer;
    const name = label_ === "loss" ? t("try.loss") : label_ === "input" ? t("try.picture") : label_;
    const where = whole() ? spot(t, place_) : place_.length ? t("try.map_of", { map: place_[0], label: name }) : "";
    title.textContent = whole() && where ? `${name} · ${where}` : where || name;
    text.textContent = layer?.text || "";
    map.show(maps.layer(label_), place_);
    worked.hidden = seen.element.hidden = !whole();
    if (!whole()) value.textContent = "";
    element.classList.toggle("alone", !whole());
  }

  function show(found) {
    const before = play.at();
    const same = trace && trace.label === found.label && String(trace.place) === String(found.place);
    trace = found;
    fault.hidden = true;
    value.textContent = sig(found.value);
    value.title = long(found.value);
    value.className = `cell-value ${sign(found.value)}`;
    seen.element.hidden = found.kind === "loss";
    if (look && found.kind !== "loss") seen.show(look.input, found);
    render(same ? before : null);
  }

  function render(at = null) {
    const tools = { t, lang: context.lang, to, classes: look?.classes || [] };
    ways.forEach((tab, turn_) => tab.setAttribute("aria-pressed", String((turn_ ? "backward" : "forward") === way)));
    wanted.hidden = way === "forward" && label_ !== "loss";
    const { element: shown, stops } = (way === "forward" ? forward : backward)(trace, tools);
    content.replaceChildren(shown);
    play.of(stops, at);
  }

  function turn(to_) {
    way = to_;
    if (trace) render();
  }

  function classes(found) {
    const list = found.classes;
    if (target.options.length === list.length && [...target.options].every((option, at) => option.textContent === list[at])) return;
    target.replaceChildren(...list.map((name, at) => el("option", { value: at, text: name })));
  }

  return {
    element,
    /** Which map or cell is open: "" and [] for none. */
    open(label, place) {
      const other = label !== label_ || String(place) !== String(place_);
      [label_, place_] = [label, place];
      element.hidden = !label || !(place.length || label === "loss");
      if (element.hidden || !look) return;
      head();
      if (other && body) {
        trace = whole() ? trace : null;
        ask();
      }
      if (other && element.getBoundingClientRect().top > innerHeight * 0.7) {
        element.scrollIntoView({ behavior: gently() });
      }
    },
    /** What is looked at now: the request, and its answer. */
    show(request, found) {
      const other = body !== request;
      [body, look] = [request, found];
      classes(found);
      if (other) {
        const own = found.label ? found.classes.indexOf(found.label) : -1;
        target.value = String(own >= 0 ? own : found.probabilities.indexOf(Math.max(...found.probabilities)));
      }
      element.hidden = !label_ || !(place_.length || label_ === "loss");
      if (element.hidden) return;
      head();
      clearTimeout(timer);
      if (!request.brief && (other || asked === "")) timer = setTimeout(ask, trace ? SETTLED : 0);
    },
    again() {
      map.draw();
      if (trace && look && trace.kind !== "loss") seen.show(look.input, trace);
    },
    stop() {
      clearTimeout(timer);
      play.stop();
    },
  };
}
