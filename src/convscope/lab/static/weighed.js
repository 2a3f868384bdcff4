/** What a network costs: the table of its layers and its drawing, as the server weighs the text. */

import { el } from "./dom.js";

const UNITS = ["", "k", "M", "G", "T"];

/** 79648 as 79.6 k. */
export function short(number) {
  let at = 0;
  let rest = number;
  while (rest >= 999.5 && at < UNITS.length - 1) {
    rest /= 1000;
    at++;
  }
  const text = at ? (rest < 100 ? rest.toPrecision(3) : rest.toFixed(0)) : String(number);
  return UNITS[at] ? `${text} ${UNITS[at]}` : text;
}

/** Thousands apart, so that digits can be counted. */
export const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");

const shape = (out) => (out.length === 3 ? `${out[0]} × ${out[1]} × ${out[2]}` : String(out[0]));

/** @param {any} context @returns the table and the drawing, with `show` */
export function weighed(context) {
  const { t } = context;
  const totals = el("dl", { class: "totals" });
  const body = el("tbody");
  const heads = ["layer", "out", "parameters", "macs", "seen"];
  const table = el("table", { class: "layers" }, el("caption", { class: "unseen", text: t("write.table") }),
    el("thead", {}, el("tr", {}, ...heads.map((key) => el("th", { scope: "col", text: t(`write.${key}`), title: t(`write.${key}_why`) })))), body);
  const figure = el("figure", { class: "figure" });
  const element = el("section", { class: "weighed", "aria-label": t("write.weighed") }, totals, figure,
    el("div", { class: "layers-box", tabindex: "0", role: "region", "aria-label": t("write.table") }, table));

  /** A receptive field, paler where it takes in the whole picture. */
  function seen([h, w], size) {
    const all = h >= size[0] && w >= size[1];
    return el("td", { class: all ? "whole" : null, title: all ? t("write.sees_all") : null, text: `${h} × ${w}` });
  }

  return {
    element,
    /** @param {any} found what /api/network answered, or null where the text is wrong: the last stays, dimmed
     *  @param {number[]} size height and width of the pictures */
    show(found, size) {
      element.classList.toggle("old", !found);
      if (!found) return;
      const { parameters, aside, macs, bytes } = found.totals;
      const learned = aside ? t("write.with_aside", { own: grouped(parameters), aside: grouped(aside) }) : grouped(parameters);
      totals.replaceChildren(...[["parameters", learned], ["macs", short(macs)], ["bytes", `${short(bytes)}B`],
        ["count", String(found.layers.length)]].flatMap(([key, value]) =>
        [el("div", {}, el("dt", { text: t(`write.${key}`) }), el("dd", { text: value }))]));
      const most = { parameters: 1, macs: 1 };
      for (const layer of found.layers) for (const key of Object.keys(most)) most[key] = Math.max(most[key], layer[key]);
      body.replaceChildren(...found.layers.map((layer) => el("tr", { class: layer.aux ? "aux" : null },
        el("th", { scope: "row" }, el("b", { text: layer.label }), " ", el("code", { text: layer.text })),
        el("td", { text: shape(layer.out) }), barred(layer.parameters, most.parameters), barred(layer.macs, most.macs),
        seen(layer.seen, size))));
      draw(figure, found.svg, t("write.figure"));
    },
  };
}

function barred(number, most) {
  const bar = el("i", { "aria-hidden": "true" });
  bar.style.setProperty("--share", String(number / most));
  return el("td", { class: "barred", title: grouped(number) }, bar, el("span", { text: number ? short(number) : "–" }));
}

/** The server's drawing, as elements; what isn't SVG is left out. */
function draw(box, text, label) {
  const read = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (read.nodeName !== "svg") return;
  const svg = document.importNode(read, true);
  const width = parseFloat(svg.getAttribute("width"));
  svg.style.setProperty("--natural", `${Math.round(width * 1.5)}px`);
  svg.setAttribute("aria-label", label);
  box.replaceChildren(svg);
}
