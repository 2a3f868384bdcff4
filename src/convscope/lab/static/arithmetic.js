/** One number forward: the cells that are read, what each is multiplied by, the sum, and what is made of it, in stops. */

import { button, el } from "./dom.js";
import { factor, formula, long, sig, sign, spot } from "./numbers.js";
import { server } from "./server_words.js";

const WINDOWS = new Set(["conv", "maxpool", "minpool", "avgpool", "gap", "gmp", "subsample"]);
const BY_TERM = 54; // products that are stepped through one by one; of more, whole maps
const MAPS = 4; // maps that are drawn before one asks for all
const LISTED = 12;
const MOST_LISTED = 256;
const WIDEST = 64;

/**
 * @typedef {{nodes: HTMLElement[], text: string}} Stop what is lit at a moment of the stepping, and its line
 * @typedef {{t: Function, lang: () => string, to: (label: string, place: number[]) => void, classes: string[]}} Tools
 */

/** Numbers as coloured cells. press: what a click on the nth does. */
export function grid(numbers, columns, { most, looks = [], titles = [], press = null, label = "" } = {}) {
  const largest = most || Math.max(...numbers.map(Math.abs).filter(Number.isFinite), 0) || 1;
  const size = columns > 16 ? "tiny" : columns > 7 ? "tight" : columns > 5 ? "small" : "";
  const cells = numbers.map((value, at) => {
    const about = { class: `num ${sign(value)} ${looks[at] || ""}`, title: titles[at] || long(value) };
    const text = columns > 7 ? "" : sig(value);
    const cell = press
      ? el("button", { type: "button", ...about, text, "aria-label": titles[at] || long(value), on: { click: () => press(at) } })
      : el("span", { ...about, text });
    cell.style.setProperty("--s", Math.min(1, Math.abs(value) / largest).toFixed(3));
    return cell;
  });
  const element = el("div", { class: `cells ${size}`, role: "group", "aria-label": label }, ...cells);
  element.style.setProperty("--columns", columns);
  return { element, cells };
}

/** The maps of a window: {map, source, terms, sum}. */
export function slices(trace) {
  const [maps, rows, columns] = trace.window;
  const found = [];
  for (let at = 0; at < maps; at++) {
    const terms = trace.terms.slice(at * rows * columns, (at + 1) * rows * columns);
    if (terms.length) found.push({ map: terms[0].place[0], source: terms[0].source, terms, sum: total(terms) });
  }
  return found;
}

const total = (terms) => terms.reduce((sum, term) => sum + term.product, 0);
const largestOf = (terms, of) => Math.max(...terms.map((term) => Math.abs(of(term) || 0)), 0);

/** Whether the terms of a trace are a window that is drawn. */
export function isWindow(trace) {
  const [, rows, columns] = trace.window;
  return WINDOWS.has(trace.kind) && rows * columns > 1 && Math.max(rows, columns) <= WIDEST;
}

/** @param {any} trace @param {Tools} tools @returns {{element: HTMLElement, stops: Stop[]}} */
export function forward(trace, tools) {
  const element = el("div", { class: "forward" });
  const stops = !trace.terms.length ? [] : isWindow(trace) ? windows(trace, tools, element)
    : trace.terms.length === 1 ? single(trace, tools, element) : list(trace, tools, element);
  stops.push(...steps(trace, tools, element));
  if (trace.notes.length) {
    element.append(el("ul", { class: "cell-notes" }, ...trace.notes.map((note) => el("li", { text: server(tools.lang(), note) }))));
  }
  return { element, stops };
}

function named(tools, term) {
  const beyond = term.inside ? "" : `, ${tools.t("cell.beyond")}`;
  return `${term.source}, ${spot(tools.t, term.place)}${beyond}: ${long(term.value)}`;
}

/** How a running sum, or a running largest, goes on. */
function running(trace, tools) {
  const word = { maxpool: "largest", gmp: "largest", minpool: "smallest" }[trace.kind] || "sofar";
  let sofar = null;
  return (terms) => {
    for (const { inside, value, product } of terms) {
      if (word === "sofar") sofar = (sofar ?? 0) + (trace.kind === "avgpool" || trace.kind === "gap" || trace.kind === "subsample" ? (inside ? value : 0) : product);
      else if (inside) sofar = sofar === null ? value : word === "largest" ? Math.max(sofar, value) : Math.min(sofar, value);
    }
    return tools.t(`cell.${word}`, { sum: sofar === null && word !== "sofar" ? "–" : sig(sofar ?? 0) });
  };
}

function windows(trace, tools, element) {
  const { t } = tools;
  const [, , columns] = trace.window;
  const kernel = trace.kind === "conv";
  const all = slices(trace);
  const few = all.length <= MAPS + 1;
  const order = few ? all : [...all].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
  const byTerm = trace.terms.length <= BY_TERM && few;
  const most = [largestOf(trace.terms, (x) => x.value), largestOf(trace.terms, (x) => x.weight), largestOf(trace.terms, (x) => x.product)];
  const go = running(trace, tools);
  const stops = [];

  function row(slice) {
    const reads = grid(slice.terms.map((x) => x.value), columns, {
      most: most[0], label: t("cell.window"), titles: slice.terms.map((x) => named(tools, x)),
      looks: slice.terms.map((x) => `${x.inside ? "" : "beyond"} ${!kernel && /max|min|gmp/.test(trace.kind) ? (x.weight ? "wins" : "loses") : ""}`),
      press: (at) => slice.terms[at].inside && tools.to(slice.terms[at].source, slice.terms[at].place),
    });
    const parts = [titled(t("cell.window"), reads.element)];
    const grids = [reads];
    if (kernel) {
      const weights = grid(slice.terms.map((x) => x.weight), columns, { most: most[1], label: t("cell.kernel") });
      const products = grid(slice.terms.map((x) => x.product), columns, {
        most: most[2], label: t("cell.products"),
        titles: slice.terms.map((x) => `${long(x.value)} × ${long(x.weight)} = ${long(x.product)}`),
      });
      parts.push(el("span", { class: "sign", text: "×" }), titled(t("cell.kernel"), weights.element),
        el("span", { class: "sign", text: "=" }), titled(t("cell.products"), products.element));
      grids.push(weights, products);
    }
    const sum = kernel ? el("p", { class: "slice-sum" }, el("span", { class: "quiet", text: t("cell.sum") }), " ",
      el("b", { class: sign(slice.sum), text: sig(slice.sum), title: long(slice.sum) })) : null;
    const made = el("div", { class: "slice" }, el("p", { class: "which", text: t("cell.of_map", { map: slice.map, source: slice.source }) }),
      el("div", { class: "triple" }, ...parts, sum));
    if (byTerm) {
      slice.terms.forEach((term, at) => stops.push({
        nodes: grids.map((each) => each.cells[at]),
        text: `${kernel ? `${sig(term.value)} × ${factor(term.weight)} = ${sig(term.product)}` : sig(term.value)} · ${go([term])}`,
      }));
    }
    return made;
  }

  const shown = few ? order : order.slice(0, MAPS);
  for (const slice of shown) {
    const made = row(slice);
    element.append(made);
    if (!byTerm) stops.push({ nodes: [made], text: `${t("cell.of_map", { map: slice.map, source: slice.source })}: ${sig(slice.sum)} · ${go(slice.terms)}` });
  }
  const rest = order.slice(shown.length);
  if (rest.length) {
    const sum = rest.reduce((all_, slice) => all_ + slice.sum, 0);
    const text = t("cell.more_maps", { count: rest.length, sum: sig(sum) });
    const more = el("div", { class: "rest" }, el("span", { text }), button(t("cell.all"), () => {
      more.replaceChildren(...rest.slice(0, MOST_LISTED).map(row));
    }, { class: "quiet-button" }));
    element.append(more);
    stops.push({ nodes: [more], text: `${text} · ${go(rest.flatMap((slice) => slice.terms))}` });
  }
  return stops;
}

/** A grid below its name. */
export const titled = (text, element) => el("div", { class: "titled" }, el("span", { class: "caption", text }), element);

function single(trace, tools, element) {
  const [term] = trace.terms;
  const { element: cells, cells: [cell] } = grid([term.value], 1, {
    titles: [named(tools, term)], press: () => tools.to(term.source, term.place),
  });
  element.append(el("div", { class: "slice" }, el("p", { class: "which", text: `${term.source} · ${spot(tools.t, term.place)}` }), cells));
  return [{ nodes: [cell], text: named(tools, term) }];
}

function list(trace, tools, element) {
  const { t } = tools;
  const loss = trace.kind === "loss" || trace.kind === "softmax";
  const terms = trace.terms.length <= LISTED + 4 ? trace.terms
    : [...trace.terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const weighted = terms.some((term) => term.weight !== null) && !["add", "concat"].includes(trace.kind);
  const most = largestOf(terms, (term) => term.product) || 1;
  const go = running(trace, tools);
  const body = el("tbody");
  const stops = [];

  function row(term) {
    const bar = el("i", { class: sign(term.product) });
    bar.style.setProperty("--s", (Math.abs(term.product) / most).toFixed(3));
    const name = loss && tools.classes[term.place[0]] !== undefined ? tools.classes[term.place[0]] : `${term.source} · ${spot(t, term.place)}`;
    return el("tr", {}, el("th", { scope: "row" }, button(name, () => tools.to(term.source, term.place), { class: "link", title: named(tools, term) })),
      el("td", { class: "amount", text: sig(term.value), title: long(term.value) }),
      weighted ? el("td", { class: "amount", text: `× ${factor(term.weight ?? 0)}`, title: long(term.weight ?? 0) }) : null,
      el("td", { class: `amount ${sign(term.product)}`, text: sig(term.product), title: long(term.product) }),
      el("td", { class: "reach" }, el("span", { class: "two-sided", "aria-hidden": "true" }, bar)));
  }

  const shown = terms.length <= LISTED + 4 ? terms : terms.slice(0, LISTED);
  for (const term of shown) {
    const made = row(term);
    body.append(made);
    const sum = weighted ? `${sig(term.value)} × ${factor(term.weight ?? 0)} = ${sig(term.product)}` : `${sig(term.value)} → ${sig(term.product)}`;
    stops.push({ nodes: [made], text: `${sum} · ${go([term])}` });
  }
  const rest = terms.slice(shown.length);
  if (rest.length) {
    const text = t("cell.rest", { count: rest.length, sum: sig(total(rest)) });
    const more = el("tr", { class: "rest" }, el("td", { colspan: 5 }, el("span", { text }), button(t("cell.all"), () => {
      more.replaceWith(...rest.slice(0, MOST_LISTED).map(row));
    }, { class: "quiet-button" })));
    body.append(more);
    stops.push({ nodes: [more], text: `${text} · ${go(rest)}` });
  }
  const product = loss ? t("cell.power") : t("cell.product");
  element.append(el("div", { class: "wide" }, el("table", { class: "terms" }, el("thead", {}, el("tr", {},
    el("th", { scope: "col", text: t("cell.reads") }), el("th", { scope: "col", class: "amount", text: t("cell.list_value") }),
    weighted ? el("th", { scope: "col", class: "amount", text: t("cell.list_weight") }) : null,
    el("th", { scope: "col", class: "amount", text: product }), el("td"))), body)));
  return stops;
}

/** The lines after the products, and what the layers that follow directly make of the number. */
function steps(trace, tools, element) {
  const { t } = tools;
  const lines = [...trace.steps.map((step) => [server(tools.lang(), step.name), step, false]), ...trace.after.map((step) => [step.name, step, true])];
  const made = lines.map(([name, step, after]) => {
    const label = after
      ? el("span", { class: "step-name" }, `${t("cell.then")} `, button(name, () => tools.to(name, trace.place), { class: "link" }))
      : el("span", { class: "step-name", text: name });
    return el("li", {}, label, el("code", { text: formula(step.formula) }));
  });
  const last = trace.steps.at(-1).value;
  const apart = Math.abs(last - trace.value);
  element.append(el("h4", { text: t("cell.steps_of") }), el("ol", { class: "cell-steps" }, ...made), el("p", { class: "exact quiet" },
    t("cell.exact", { sum: long(last), value: long(trace.value), apart: apart ? sig(apart, 2) : "0" })));
  return made.map((node, at) => ({ nodes: [node], text: formula(lines[at][1].formula) }));
}
