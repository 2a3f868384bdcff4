/** One number backward: where its gradient comes from, which weights it moves, what it hands on to what it read. */

import { grid, isWindow, slices, titled } from "./arithmetic.js";
import { button, el } from "./dom.js";
import { factor, long, sig, sign, spot } from "./numbers.js";

const LISTED = 12;
const MAPS = 4;

/** @param {any} trace @param {any} tools @returns {{element: HTMLElement, stops: any[]}} */
export function backward(trace, tools) {
  const { t } = tools;
  const own = trace.gradient;
  const element = el("div", { class: "backward" });
  if (!own) return { element, stops: [] };
  const stops = [];
  const value = el("output", { class: `gradient ${sign(own.value)}`, text: sig(own.value), title: long(own.value) });
  element.append(el("p", { class: "gradient-line" }, `${t("cell.grad")} `, value));
  if (trace.kind === "loss") {
    element.append(slopes(trace, tools));
    return { element, stops };
  }
  stops.push(...comes(own, tools, element));
  if (own.value !== 0) {
    stops.push(...moves(trace, tools, element));
    stops.push(...hands(trace, tools, element));
  }
  return { element, stops };
}

function head(element, title, why) {
  element.append(el("h4", { text: title }), el("p", { class: "quiet", text: why }));
}

function comes(own, tools, element) {
  const { t } = tools;
  head(element, t("cell.comes"), t("cell.comes_why"));
  if (!own.comes_from.length || own.comes_from.every((share) => share.product === 0)) {
    element.append(el("p", { class: "told", text: t("cell.nothing") }));
    if (!own.comes_from.length) return [];
  }
  const all = [...own.comes_from].sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const shown = all.slice(0, all.length <= LISTED + 2 ? all.length : LISTED);
  const rest = all.slice(shown.length);
  const stops = [];
  let sofar = 0;
  const body = el("tbody", {}, ...shown.map((share) => {
    const name = share.place.length ? `${share.label} · ${spot(t, share.place)}` : t("cell.is_loss");
    const line = el("tr", {}, el("th", { scope: "row" }, button(name, () => tools.to(share.place.length ? share.label : "loss", share.place), { class: "link" })),
      el("td", { class: "amount", text: sig(share.slope), title: long(share.slope) }),
      el("td", { class: "amount", text: `× ${factor(share.upstream)}`, title: long(share.upstream) }),
      el("td", { class: `amount ${sign(share.product)}`, text: sig(share.product), title: long(share.product) }));
    sofar += share.product;
    stops.push({ nodes: [line], text: `${sig(share.slope)} × ${factor(share.upstream)} = ${sig(share.product)} · ${t("cell.sofar", { sum: sig(sofar) })}` });
    return line;
  }));
  if (rest.length) {
    const sum = rest.reduce((total, share) => total + share.product, 0);
    const line = el("tr", { class: "rest" }, el("td", { colspan: 4, text: t("cell.rest", { count: rest.length, sum: sig(sum) }) }));
    body.append(line);
    stops.push({ nodes: [line], text: `${t("cell.rest", { count: rest.length, sum: sig(sum) })} · ${t("cell.sofar", { sum: sig(sofar + sum) })}` });
  }
  element.append(el("div", { class: "wide" }, el("table", { class: "terms" }, el("thead", {}, el("tr", {},
    el("th", { scope: "col", text: t("cell.reads") }), ...["slope", "upstream", "product"].map((word) => el("th", { scope: "col", class: "amount", text: t(`cell.${word}`) })))), body)));
  return stops;
}

/** The weights: as grids where they are kernels, else the largest in a list. */
function moves(trace, tools, element) {
  const { t } = tools;
  const all = trace.gradient.moves;
  if (!all.length) return [];
  head(element, t("cell.moves"), t("cell.moves_why"));
  const stops = [];
  const kernels = all.filter((move) => move.tensor.endsWith(".weight"));
  if (trace.kind === "conv" && isWindow(trace)) {
    const found = slices(trace);
    const per = found[0].terms.length;
    const parts = found.map((slice, at) => ({ ...slice, own: kernels.slice(at * per, (at + 1) * per) }));
    parts.sort((a, b) => size(b.own) - size(a.own));
    const largest = [Math.max(...kernels.map((m) => Math.abs(m.part))), Math.max(...kernels.map((m) => Math.abs(m.total)))];
    for (const slice of parts.slice(0, found.length <= MAPS + 1 ? found.length : MAPS)) {
      const titles = slice.own.map((m) => `${m.tensor} [${m.at.join(", ")}] = ${long(m.value)}: ${long(m.slope)} × ${long(trace.gradient.value)} = ${long(m.part)}`);
      const columns = trace.window[2];
      const row = el("div", { class: "slice" }, el("p", { class: "which", text: t("cell.of_map", { map: slice.map, source: slice.source }) }),
        el("div", { class: "triple" },
          titled(t("cell.window"), grid(slice.terms.map((x) => x.value), columns, {}).element), el("span", { class: "sign", text: `× ${factor(trace.gradient.value)} =` }),
          titled(t("cell.part"), grid(slice.own.map((m) => m.part), columns, { most: largest[0], titles }).element),
          titled(t("cell.total"), grid(slice.own.map((m) => m.total), columns, { most: largest[1], looks: slice.own.map(() => "sum") }).element)));
      element.append(row);
      stops.push({ nodes: [row], text: `${t("cell.part")}, ${t("cell.of_map", { map: slice.map, source: slice.source })}` });
    }
  }
  const others = stops.length ? all.filter((move) => !move.tensor.endsWith(".weight")) : [...all].sort((a, b) => Math.abs(b.part) - Math.abs(a.part)).slice(0, LISTED);
  if (others.length) {
    const rows = others.map((move) => {
      const line = el("tr", {}, el("th", { scope: "row" }, el("code", { text: `${move.tensor} [${move.at.join(", ")}]` })),
        el("td", { class: "amount", text: `${sig(move.slope)} × ${factor(trace.gradient.value)}` }),
        el("td", { class: `amount ${sign(move.part)}`, text: sig(move.part), title: long(move.part) }),
        el("td", { class: `amount ${sign(move.total)}`, text: sig(move.total), title: long(move.total) }));
      stops.push({ nodes: [line], text: `${move.tensor} [${move.at.join(", ")}]: ${sig(move.slope)} × ${factor(trace.gradient.value)} = ${sig(move.part)}` });
      return line;
    });
    element.append(el("div", { class: "wide" }, el("table", { class: "terms" }, el("thead", {}, el("tr", {}, el("td"),
      el("th", { scope: "col", class: "amount", text: `${t("cell.slope")} × dL` }), el("th", { scope: "col", class: "amount", text: t("cell.part") }),
      el("th", { scope: "col", class: "amount", text: t("cell.total") }))), el("tbody", {}, ...rows))));
  }
  return stops;
}

const size = (moves_) => moves_.reduce((sum, move) => sum + Math.abs(move.part), 0);

/** What each cell that was read gets of this one: its slope times the gradient. */
function hands(trace, tools, element) {
  const { t } = tools;
  if (!trace.terms.length || !isWindow(trace)) return [];
  head(element, t("cell.hands"), t("cell.hands_why"));
  const found = slices(trace);
  const part = (term) => term.slope * trace.gradient.value;
  const reach = (slice) => slice.terms.reduce((sum, term) => sum + Math.abs(part(term)), 0);
  const most = Math.max(...trace.terms.map((term) => Math.abs(part(term))), 0);
  const shown = found.length <= MAPS + 1 ? found : [...found].sort((a, b) => reach(b) - reach(a)).slice(0, MAPS);
  return shown.map((slice) => {
    const columns = trace.window[2];
    const titles = slice.terms.map((term) => `${term.source}, ${spot(t, term.place)}: ${long(term.slope)} × ${long(trace.gradient.value)} = ${long(part(term))}`);
    const row = el("div", { class: "slice" }, el("p", { class: "which", text: t("cell.of_map", { map: slice.map, source: slice.source }) }),
      el("div", { class: "triple" }, titled(t("cell.slope"), grid(slice.terms.map((x) => x.slope), columns, {}).element),
        el("span", { class: "sign", text: `× ${factor(trace.gradient.value)} =` }),
        titled("dL/dinput", grid(slice.terms.map(part), columns, {
          most, titles, press: (at) => slice.terms[at].inside && tools.to(slice.terms[at].source, slice.terms[at].place),
        }).element)));
    element.append(row);
    return { nodes: [row], text: `dL/dinput, ${t("cell.of_map", { map: slice.map, source: slice.source })}` };
  });
}

/** At the loss: how it rises with each class's number, which is its probability, less 1 at the target. */
function slopes(trace, tools) {
  return el("table", { class: "terms" }, el("tbody", {}, ...trace.terms.map((term) => el("tr", {},
    el("th", { scope: "row" }, button(tools.classes[term.place[0]] ?? spot(tools.t, term.place), () => tools.to(term.source, term.place), { class: "link" })),
    el("td", { class: `amount ${sign(term.slope)}`, text: sig(term.slope), title: long(term.slope) })))));
}
