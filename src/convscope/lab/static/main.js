/** The page's frame: which view stands in it, what is after `#`, language, theme, and whether the server is there. */

import { Gone, api as server } from "./api.js";
import { button, el, renew } from "./dom.js";
import * as judge from "./judge.js";
import * as learn from "./learn.js";
import { states } from "./state.js";
import * as tried from "./try.js";
import { words } from "./words.js";
import { words as judgeWords } from "./words_judge.js";
import { words as learnWords } from "./words_learn.js";
import { words as tryWords } from "./words_try.js";
import { words as writeWords } from "./words_write.js";
import * as write from "./write.js";

const VIEWS = { write, try: tried, judge, learn };
const WORDS = { ...words, ...writeWords, ...tryWords, ...judgeWords, ...learnWords };
const THEMES = ["auto", "light", "dark"];
const BUSY = ["training", "waiting"];
const SOON = 1500, SELDOM = 10000, RETRY = 1000; // milliseconds until the models are asked for again

const at = (id) => document.getElementById(id);
const main = at("main");
let start = null, models = [], shown = null, view = null, timer = 0;
let retry = null, stranger = false; // the next try to reach the server; whether one that does not know this page answered

const place = states(() => draw());
const api = server(heard);
const context = {
  get start() { return start; },
  state: place.get,
  go: place.go,
  t, lang, api, announce,
  models: () => models,
  model: () => models.find((each) => each.id === chosen()),
  refresh,
};

const lessonOn = learn.ribbon(at("ribbon"), context);

function lang() {
  const asked = place.get().lang || kept("lang");
  return asked === "zh" || asked === "en" ? asked : navigator.language.startsWith("zh") ? "zh" : "en";
}

/** A word of the page in its language; {name} in it is put in from values. */
function t(key, values = {}) {
  const found = WORDS[key];
  if (!found) throw new Error(`no word ${key}`);
  return found[lang() === "zh" ? 1 : 0].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function announce(text) {
  at("told").textContent = text;
}

function kept(key) {
  try { return localStorage.getItem(`convscope-${key}`) || ""; } catch { return ""; }
}

function keep(key, value) {
  try { localStorage.setItem(`convscope-${key}`, value); } catch { /* a browser that keeps nothing */ }
}

/** The id of the model that is looked at. */
function chosen() {
  return place.get().model || start?.model || "";
}

// ---- the server -----------------------------------------------------------------------------------------------------

function heard(error) {
  at("gone").hidden = !error;
  if (!error) return;
  at("gone").textContent = error instanceof Gone ? t("gone") : error.message;
  if (!(error instanceof Gone)) stranger = true;
  retry ||= setTimeout(again, RETRY);
}

/** Asks until the server is there, and lets this browser in. A new server let the view's own lines go: it begins anew,
 *  with what is in the address. */
async function again() {
  retry = null;
  try {
    await load();
  } catch {
    retry ||= setTimeout(again, RETRY);
    return;
  }
  if (stranger) {
    stranger = false;
    shown = null;
    draw();
  }
}

async function load() {
  start = await api.get("/api/start");
  models = start.models;
  wait();
  draw();
}

/** Asks for the models anew: now, and then as often as they change. */
async function refresh() {
  try {
    const found = await api.get("/api/models");
    const changed = JSON.stringify(found) !== JSON.stringify(models);
    models = found;
    if (changed) draw();
  } catch { /* the banner says so */ }
  wait();
}

function wait() {
  clearTimeout(timer);
  timer = setTimeout(() => (document.hidden || !at("gone").hidden ? wait() : refresh()),
    models.some((each) => BUSY.includes(each.state)) ? SOON : SELDOM);
}

// ---- the frame ------------------------------------------------------------------------------------------------------

function draw() {
  const state = place.get();
  document.documentElement.lang = lang() === "zh" ? "zh-CN" : "en";
  dress();
  if (!start) return;
  if (state.model && !models.some((each) => each.id === state.model)) {
    at("missing").textContent = t("missing", { model: state.model });
    at("missing").hidden = false;
    return place.go({ model: null, moment: null });
  }
  const name = Object.hasOwn(VIEWS, state.view || "") ? state.view : "try";
  frame(name);
  lessonOn(state, name);
  const key = `${name} ${lang()}`;
  if (shown === key) return view?.update(state);
  const old = view;
  view = null;
  shown = key; // before the old view goes: what it leaves in the address comes back to this function
  old?.unmount();
  main.replaceChildren();
  main.className = `view-${name}`;
  document.title = `${t(`tab.${name}`)} · convscope lab`;
  view = VIEWS[name].mount(main, context);
}

/** The theme that was chosen; what watches it is told of a change alone. */
function dress() {
  const root = document.documentElement, wanted = kept("theme") || "auto";
  if (root.dataset.theme !== wanted) root.dataset.theme = wanted;
}

function frame(name) {
  at("skip").textContent = t("skip");
  at("tabs").setAttribute("aria-label", t("tabs"));
  const links = Object.keys(VIEWS).map((each) => el("a", {
    href: `#view=${each}`, text: t(`tab.${each}`), "aria-current": each === name ? "page" : null,
    on: { click: (event) => { event.preventDefault(); at("missing").hidden = true; place.go({ view: each }); } },
  }));
  renew(at("tabs"), links);
  renew(at("choices"), [choice(), theme(), button(lang() === "zh" ? "English" : "中文", () => {
    const next = lang() === "zh" ? "en" : "zh";
    keep("lang", next);
    place.go({ lang: next });
  }, { class: "plain", lang: lang() === "zh" ? "en" : "zh-CN" })]);
}

/** Which network is looked at. */
function choice() {
  const menu = el("select", { on: { change: (event) => place.go({ model: event.target.value, moment: null, layer: null, cell: null }) } },
    ...models.map((each) => el("option", { value: each.id, text: titled(each), selected: each.id === chosen() })));
  menu.value = chosen();
  return el("label", { class: "choice" }, el("span", { class: "unseen", text: t("model") }), menu);
}

function titled(model) {
  if (model.state !== "done") return `${model.name} · ${t(`state.${model.state}`)}`;
  return model.score ? `${model.name} · ${(100 * model.score.accuracy).toFixed(1)} %` : model.name;
}

function theme() {
  const now = THEMES.indexOf(kept("theme")) < 0 ? 0 : THEMES.indexOf(kept("theme"));
  return button(t(`theme.${THEMES[now]}`), () => {
    keep("theme", THEMES[(now + 1) % THEMES.length]);
    draw();
  }, { class: "plain", title: t("theme") });
}

at("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
dress();
load().catch((error) => {
  if (at("gone").hidden) main.replaceChildren(el("p", { class: "fault", text: error.message }));
});
