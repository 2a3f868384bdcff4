/** The editor of a network's text: colours, faults underlined where they are, completion of the words of the notation. */

import { el } from "./dom.js";

const WORD = /[A-Za-z][A-Za-z0-9]*$/;
const PARTS = /(#[^\n]*)|([A-Za-z_][A-Za-z0-9_]*)|(\/?\d+(?:\.\d+)?(?:x\d+)*)|([(){}|,;=*]+)/g;
const MOST = 8; // words offered at once

/**
 * @param {{kinds: {name: string, usage: string, about: string}[], label: string, offered: string}} words
 * @param {(text: string) => void} changed
 */
export function editor({ kinds, label, offered }, changed) {
  const known = new Set(kinds.map((kind) => kind.name));
  const back = el("pre", { class: "code-back", "aria-hidden": "true" });
  const list = el("ul", { class: "offers", role: "listbox", id: "offers", "aria-label": offered, hidden: true });
  const area = el("textarea", {
    class: "code-text", "aria-label": label, spellcheck: "false", autocapitalize: "off", autocomplete: "off", rows: 1,
    "aria-autocomplete": "list", "aria-controls": "offers",
    on: { input: typed, keydown: pressed, blur: () => setTimeout(close, 120), click: close },
  });
  const element = el("div", { class: "code-box" }, back, area, list);
  let faults = [], offers = [], chosen = 0;

  /** The text in colours, with what is wrong underlined and a mark at the caret, where completion opens. */
  function colour(caret = -1) {
    const text = area.value;
    const marks = faults.map((fault) => span(text, fault));
    const kindOf = new Array(text.length).fill("");
    for (const found of text.matchAll(PARTS)) {
      const kind = found[1] ? "remark" : found[2] ? (known.has(found[2]) ? "kind" : "name") : found[3] ? "number" : "sign";
      kindOf.fill(kind, found.index, found.index + found[0].length);
    }
    for (const [from, to] of marks) for (let i = from; i < to; i++) if (i < text.length) kindOf[i] += " wrong";
    const parts = [];
    for (let i = 0; i < text.length; ) {
      let end = i + 1;
      while (end < text.length && kindOf[end] === kindOf[i] && end !== caret) end++;
      if (i === caret) parts.push(el("span", { class: "caret" }));
      parts.push(el("span", { class: kindOf[i] || null, text: text.slice(i, end) }));
      i = end;
    }
    if (caret >= text.length) parts.push(el("span", { class: "caret" }));
    if (marks.some(([from]) => from >= text.length)) parts.push(el("span", { class: "wrong", text: "\u00a0" }));
    back.replaceChildren(...parts, "\n");
  }

  function typed() {
    faults = [];
    offer();
    changed(area.value);
  }

  function offer() {
    const caret = area.selectionStart;
    const word = area.value.slice(0, caret).match(WORD)?.[0] || "";
    const comment = area.value.slice(area.value.lastIndexOf("\n", caret - 1) + 1, caret).includes("#");
    offers = word && !comment ? kinds.filter((kind) => kind.name.startsWith(word) && kind.name !== word).slice(0, MOST) : [];
    chosen = 0;
    colour(offers.length ? caret - word.length : -1);
    showOffers();
  }

  function showOffers() {
    list.hidden = !offers.length;
    area.toggleAttribute("aria-activedescendant", false);
    if (!offers.length) return;
    list.replaceChildren(...offers.map((kind, at) => el("li", {
      role: "option", id: `offer-${at}`, "aria-selected": String(at === chosen),
      on: { mousedown: (event) => { event.preventDefault(); take(at); } },
    }, el("code", { text: kind.usage }), el("span", { text: kind.about }))));
    area.setAttribute("aria-activedescendant", `offer-${chosen}`);
    const mark = back.querySelector(".caret");
    list.style.setProperty("--left", `${Math.min(mark?.offsetLeft || 0, Math.max(0, element.clientWidth - 320))}px`);
    list.style.setProperty("--top", `${(mark?.offsetTop || 0) + 26}px`);
  }

  function close() {
    if (!offers.length) return;
    offers = [];
    list.hidden = true;
    area.removeAttribute("aria-activedescendant");
  }

  function take(at) {
    const caret = area.selectionStart;
    const word = area.value.slice(0, caret).match(WORD)?.[0] || "";
    area.setRangeText(offers[at].name, caret - word.length, caret, "end");
    close();
    colour();
    changed(area.value);
    area.focus();
  }

  function pressed(event) {
    if (!offers.length) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : offers.length - 1)) % offers.length;
      showOffers();
    } else if (event.key === "Tab" || event.key === "Enter") take(chosen);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  }

  return {
    element,
    text: () => area.value,
    focus: () => area.focus(),
    set(text) {
      if (text === area.value) return;
      area.value = text;
      faults = [];
      close();
      colour();
    },
    /** @param {{line: number, column: number, length: number}[]} found */
    faults(found) {
      faults = found;
      area.setAttribute("aria-invalid", String(found.length > 0));
      if (!offers.length) colour();
    },
  };
}

/** Where a fault stands in the text: [from, to) in UTF-16 units; the server counts lines and characters from 1. */
export function span(text, { line, column, length }) {
  const lines = text.split("\n");
  let from = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  const letters = [...(lines[line - 1] || "")];
  from += letters.slice(0, column - 1).join("").length;
  const long = [...text.slice(from)].slice(0, Math.max(1, length)).join("").length;
  return [from, from + Math.max(1, long)];
}
