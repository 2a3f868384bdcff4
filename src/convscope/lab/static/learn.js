/** Learn: lessons whose tasks the lab checks on the reader's own network. Where the reader works on one, a ribbon stays. */

import { button, el, renew } from "./dom.js";

const read = () => { try { return JSON.parse(localStorage.getItem("convscope-solved") || "[]"); } catch { return []; } };

function solve(key) {
  try { localStorage.setItem("convscope-solved", JSON.stringify([...new Set([...read(), key])])); } catch { /* a browser that keeps nothing */ }
}

const lessons = new Map(); // by id, as the server told them

async function lesson(api, id) {
  if (!lessons.has(id)) lessons.set(id, await api.get(`/api/lessons/${id}`));
  return lessons.get(id);
}

const said = (context, text) => text[context.lang()] || text.en;

/** The text of a step: paragraphs, and what stands in backquotes as code. */
function prose(text) {
  return text.split(/\n\s*\n/).map((part) => el("p", {}, ...part.replace(/\s*\n\s*/g, (_, at) => gap(part, at)).split(/(`[^`]+`)/)
    .map((piece) => (piece.startsWith("`") ? el("code", { text: piece.slice(1, -1) }) : piece))));
}

/** A line's end: a space between words, nothing between Chinese signs. */
const gap = (text, at) => (/[\u3000-\u9fff\uff00-\uffef]/.test(text[at - 1] || "") ? "" : " ");

/**
 * A task: its text, the button that checks it, and what the check found.
 * @param {any} context @param {any} found the lesson @param {number} number of the step, from 0
 */
function task(context, found, number, solved) {
  const { t, api } = context;
  const { task: asked } = found.steps[number];
  const result = el("div", { class: "result", role: "status" });
  const press = button(t("learn.check"), check, { class: "main" });
  const element = el("div", { class: "task" }, el("p", { class: "task-text" }, el("b", { text: t("learn.task") }), " ", said(context, asked.text)), el("div", { class: "row" }, press), result);

  async function check() {
    const state = context.state(), model = context.model();
    const data = context.start.data.find((each) => each.name === (state.data || model?.data)) || context.start.data[0];
    press.disabled = true;
    try {
      const answer = await api.post(`/api/lessons/${found.id}/check`, {
        task: asked.id, text: state.net ?? model?.text ?? "", input: [...data.size, data.channels], classes: data.classes.length,
        model: asked.kind === "trained" && model ? model.id : null,
      });
      const lines = answer.checks.length ? answer.checks : [answer];
      result.replaceChildren(
        el("p", { class: answer.passed ? "passed" : "not-yet", text: t(answer.passed ? "learn.passed" : "learn.not_yet") }),
        el("ul", {}, ...lines.map((line) => el("li", { class: line.passed ? "passed" : "not-yet", text: said(context, line.sentence) }))),
        !answer.passed && asked.hint ? el("p", { class: "quiet" }, el("b", { text: t("learn.hint") }), " ", said(context, asked.hint)) : "");
      if (answer.passed) {
        solve(`${found.id}/${asked.id}`);
        solved();
      }
    } catch (error) {
      result.replaceChildren(el("p", { class: "fault", text: error.message }));
    }
    press.disabled = false;
  }
  return element;
}

/** How a step's network is to be trained, for the fields of Write. */
const training = ({ epochs, budget, augment } = {}) => ({ epochs: epochs ?? null, budget: budget ?? null, augment: augment === false ? "off" : null });

/** @param {HTMLElement} root */
export function mount(root, context) {
  const { t, api, go, start } = context;
  const list = el("ol", { class: "lessons" });
  const body = el("article", { class: "lesson", "aria-live": "polite" });
  const page = el("div", { class: "learn" }, el("nav", { "aria-label": t("learn.lessons") }, el("h3", { text: t("learn.lessons") }), list), body);
  root.append(page);
  let shown = "";

  function menu(chosen) {
    const solved = read();
    renew(list, start.lessons.map((each) => el("li", {}, el("a", {
      href: `#view=learn&lesson=${each.id}`, "aria-current": each.id === chosen ? "true" : null,
      on: { click: (event) => { event.preventDefault(); go({ lesson: each.id, step: null }); } },
    }, el("span", { text: said(context, each.title) }), el("small", { class: "quiet", text: progress(each.id, solved) })))));
  }

  function progress(id, solved) {
    const count = solved.filter((key) => key.startsWith(`${id}/`)).length;
    return count ? t("learn.solved", { count }) : "";
  }

  async function show(id, number) {
    const key = `${id} ${number} ${context.lang()}`;
    if (shown === key) return;
    shown = key;
    let found;
    try {
      found = await lesson(api, id);
    } catch (error) {
      body.replaceChildren(el("p", { class: "fault", text: error.message }));
      return;
    }
    if (shown !== key) return;
    const at = Math.min(number, found.steps.length - 1), step = found.steps[at];
    const turned = document.activeElement?.dataset.turn;
    const actions = el("div", { class: "row" },
      step.start ? button(t("learn.load"), () => go({ view: "write", net: step.start.network, data: step.start.data, lesson: id, step: at, ...training(step.start.train) })) : null,
      step.look ? button(t("learn.look", { view: t(`tab.${step.look.view}`) }), () => go({ lesson: id, step: at, ...step.look, where: null })) : null);
    const turns = el("div", { class: "row turns" },
      button(t("learn.back"), () => go({ step: at - 1 }), { disabled: at === 0, "data-turn": "back" }),
      el("span", { class: "dots", "aria-hidden": "true" }, ...found.steps.map((_, i) => el("i", { class: i === at ? "here" : null }))),
      el("span", { class: "quiet", text: t("learn.step", { step: at + 1, count: found.steps.length }) }),
      button(t("learn.next"), () => go({ step: at + 1 }), { disabled: at === found.steps.length - 1, "data-turn": "next" }));
    body.replaceChildren(el("h2", { text: said(context, found.title) }), ...prose(said(context, step.text)),
      step.start ? el("pre", { class: "net" }, el("code", { text: step.start.network })) : "", actions,
      step.task ? task(context, found, at, () => menu(id)) : "", turns);
    if (turned) (turns.querySelector(`[data-turn=${turned}]:enabled`) || turns.querySelector("button:enabled"))?.focus();
  }

  function update(state) {
    const id = start.lessons.some((each) => each.id === state.lesson) ? state.lesson : start.lessons[0]?.id;
    menu(id);
    if (id) show(id, Math.max(0, Number(state.step) || 0));
  }

  update(context.state());
  return { update, unmount: () => page.remove() };
}

/** The task that the reader works on, above the other views. @param {HTMLElement} root */
export function ribbon(root, context) {
  const { t, api, go } = context;
  let shown = "";
  return async (state, view) => {
    const step = Number(state.step) || 0;
    const known = context.start.lessons.some((each) => each.id === state.lesson);
    const key = view === "learn" || !known ? "" : `${state.lesson} ${step} ${context.lang()}`;
    if (key === shown) return;
    shown = key;
    root.replaceChildren();
    root.hidden = true;
    if (!key) return;
    const found = await lesson(api, state.lesson).catch(() => null);
    if (shown !== key || !found?.steps[step]) return;
    root.hidden = false;
    root.append(el("div", { class: "ribbon-head" }, el("b", { text: said(context, found.title) }),
      button(t("learn.to_lesson"), () => go({ view: "learn" }), { class: "plain" }),
      button(t("learn.leave"), () => go({ lesson: null, step: null }), { class: "plain" })));
    if (found.steps[step].task) root.append(task(context, found, step, () => {}));
  };
}
