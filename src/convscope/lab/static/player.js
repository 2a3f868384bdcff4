/** Stops, one after another: by hand, by a slider, or playing. */

import { button, el } from "./dom.js";

const PACE = 750; // milliseconds of a stop while it plays

/** @param {any} context */
export function player(context) {
  const { t } = context;
  const quiet = matchMedia("(prefers-reduced-motion: reduce)");
  const slider = el("input", { type: "range", min: 0, "aria-label": t("cell.next"), on: { input: () => step(Number(slider.value) - 1) } });
  const control = (text, press, name) => button(text, press, { "aria-label": name, title: name });
  const first = control("«", () => step(-1), t("cell.first"));
  const back = control("‹", () => step(at - 1), t("cell.previous"));
  const run = control("▶", () => (timer ? pause() : start()), t("cell.play"));
  const next = control("›", () => step(at + 1), t("cell.next"));
  const count = el("span", { class: "quiet step-count" });
  const told = el("p", { class: "step-told", role: "status" });
  const element = el("div", { class: "player" }, el("div", { class: "player-row" }, first, back, run, next, slider, count), told);
  /** @type {{nodes: HTMLElement[], text: string}[]} */
  let stops = [];
  let [at, timer] = [-1, 0]; // -1: all of it is shown

  function step(to, byPlay = false) {
    if (!byPlay) pause();
    at = Math.max(-1, Math.min(stops.length - 1, to));
    stops.forEach(({ nodes }, turn) => {
      for (const node of nodes) {
        node.classList.toggle("now", turn === at);
        node.classList.toggle("ahead", at >= 0 && turn > at);
      }
    });
    slider.value = at + 1;
    told.textContent = at < 0 ? "" : stops[at].text;
    count.textContent = at < 0 ? t("cell.steps", { count: stops.length }) : t("cell.step", { at: at + 1, count: stops.length });
    slider.setAttribute("aria-valuetext", `${count.textContent}. ${told.textContent}`);
    first.disabled = back.disabled = at < 0;
    next.disabled = at >= stops.length - 1;
    if (at >= 0 && byPlay && !quiet.matches) stops[at].nodes[0].scrollIntoView({ block: "nearest" });
  }

  function start() {
    if (at >= stops.length - 1) step(-1);
    timer = setInterval(() => (at < stops.length - 1 ? step(at + 1, true) : pause()), PACE);
    step(at + 1, true);
    run.textContent = "⏸";
    run.title = t("cell.pause");
    run.setAttribute("aria-label", t("cell.pause"));
  }

  function pause() {
    clearInterval(timer);
    timer = 0;
    run.textContent = "▶";
    run.title = t("cell.play");
    run.setAttribute("aria-label", t("cell.play"));
  }

  return {
    element,
    at: () => at,
    /** New stops; at: where to stand among them, as before. */
    of(list, where = null) {
      stops = list;
      slider.max = list.length;
      element.hidden = list.length < 2;
      run.hidden = quiet.matches; // who wants no motion steps by hand
      if (where === null) step(-1);
      else step(where, timer !== 0);
    },
    stop: pause,
  };
}
