/** Watch: the trainings there are, and of the chosen one its curves, its kernels and maps as they form. */

import { chart, interval } from "./chart.js";
import { button, el, renew } from "./dom.js";
import { forming } from "./forming.js";

const BUSY = ["training", "waiting"];
const SHOWN = 8; // trainings in the list before the rest is asked for
const ASKS = { training: ["pause", "end"], waiting: ["end"], paused: ["continue", "end"], stopped: [], failed: ["continue", "end"], done: [] };

/** @param {any} context */
export function watch(context) {
  const { t, api, go } = context;
  const list = el("ul", { class: "runs" });
  const title = el("h2");
  const state = el("span", { class: "chip" });
  const score = el("p", { class: "score" });
  const why = el("p", { class: "fault", hidden: true });
  const doing = el("p", { class: "quiet doing" });
  const asks = el("div", { class: "row" });
  const loss = el("figure", { class: "curve" }), right = el("figure", { class: "curve" });
  const seen = forming(context);
  const element = el("section", { class: "watch", "aria-label": t("watch.title") },
    el("nav", { class: "runs-box", "aria-label": t("watch.runs") }, el("h3", { text: t("watch.runs") }), list),
    el("div", { class: "run" }, el("div", { class: "run-head" }, title, state, asks), score, doing, why,
      el("div", { class: "curves" }, loss, right), seen.element));
  let all = false, stream = null, followed = "", records = [], due = 0, refusal = {};

  // ---- the log of a run ----------------------------------------------------------------------------------------------

  /** Follows a run's log: to its end where the training has ended, and anew where it goes on again. */
  function follow(model) {
    const key = `${model.id} ${BUSY.includes(model.state)}`;
    if (document.hidden || followed === key || (stream && followed.startsWith(`${model.id} `))) return;
    leave();
    followed = key;
    records = [];
    if (model.file) return; // there is no training to follow
    const own = stream = new EventSource(`/api/runs/${model.id}/events`);
    own.addEventListener("record", (event) => {
      records.push(JSON.parse(event.data));
      soon();
    });
    own.addEventListener("state", () => context.refresh());
    own.addEventListener("end", () => {
      own.close();
      if (stream === own) stream = null;
    });
  }

  function leave() {
    stream?.close();
    stream = null;
    followed = "";
  }

  /** A browser keeps but six lines open to one server: those of hidden tabs are let go. */
  function turned() {
    if (document.hidden) leave();
    else update();
  }
  document.addEventListener("visibilitychange", turned);

  /** The records by their steps: where a resumed training begins anew at a step, what came after it before is gone. */
  function latest(found) {
    const kept = [];
    for (const record of found) {
      while (kept.length && kept.at(-1).step >= record.step) kept.pop();
      kept.push(record);
    }
    return kept;
  }

  function soon() {
    if (!due) due = requestAnimationFrame(() => { due = 0; curves(); });
  }

  function curves() {
    const of = (kind) => records.filter((record) => record.kind === kind);
    const epochs = latest(of("epoch")), forecast = of("forecast").at(-1), steps = latest(of("step")), now = context.model();
    const moment = now?.moments.find((each) => String(each.number) === context.state().moment);
    const about = { upto: now?.state === "training" && forecast ? forecast.epochs : 0, mark: moment ? moment.epoch : null };
    const spaced = steps.filter((step, at) => at % Math.ceil(steps.length / 400) === 0 || at === steps.length - 1);
    const perEpoch = forecast?.epochs ? forecast.steps / forecast.epochs : epochs.length ? epochs[0].step : 1;
    const lossLines = [
      { name: t("watch.step"), kind: "thin", points: spaced.map((step) => ({ x: step.step / perEpoch, y: step.loss })) },
      { name: t("watch.train"), kind: "train", points: epochs.map((each) => ({ x: each.step / perEpoch, y: each.train_loss })) },
      { name: t("watch.validation"), kind: "validation", points: epochs.filter((each) => each.validation_loss !== null).map((each) => ({ x: each.step / perEpoch, y: each.validation_loss })) },
    ];
    const share = (k, n) => { const [low, high] = interval(k, n); return { y: k / n, low, high }; };
    const rightLines = [
      { name: t("watch.train"), kind: "train", points: epochs.filter((each) => each.train_n).map((each) => ({ x: each.step / perEpoch, y: each.train_k / each.train_n })) },
      { name: t("watch.validation"), kind: "validation", points: epochs.filter((each) => each.validation_n).map((each) => ({ x: each.step / perEpoch, ...share(each.validation_k, each.validation_n) })) },
    ];
    show(loss, t("watch.loss"), lossLines, about);
    show(right, t("watch.accuracy"), rightLines, { ...about, percent: true });
    const last = epochs.at(-1), step = steps.at(-1);
    doing.textContent = now?.state === "training" && step
      ? t("watch.at", { epoch: step.epoch, left: step.left === null ? "?" : Math.ceil(step.left), pace: Math.round(step.images_per_second) })
      : last ? t("watch.took", { epochs: Number((last.step / perEpoch).toFixed(2)), seconds: last.elapsed.toFixed(1) }) : "";
  }

  function show(box, heading, lines, about) {
    const full = lines.filter((line) => line.points.length);
    box.hidden = !full.length;
    box.replaceChildren(el("figcaption", {}, el("h3", { text: heading }), el("span", { class: "keys" }, ...full.map((line) =>
      el("span", {}, el("i", { class: line.kind }), `${line.name} ${told(line, about)}`)))), chart(full, { ...about, label: heading }));
  }

  function told(line, { percent }) {
    const last = line.points.at(-1).y;
    return percent ? `${(100 * last).toFixed(1)} %` : last.toPrecision(3);
  }

  // ---- what there is -------------------------------------------------------------------------------------------------

  function ask(model, what) {
    return button(t(`watch.${what}`), async (event) => {
      const press = event.target;
      press.disabled = true;
      refusal = {};
      try {
        await api.post(`/api/runs/${model.id}/${what}`);
      } catch (error) {
        refusal = { id: model.id, sentence: error.message };
      }
      await context.refresh();
      press.disabled = false;
      update();
    });
  }

  function runs(models, chosen) {
    const shown = all ? models : models.filter((each, at) => at < SHOWN || each.id === chosen?.id);
    const lines = shown.map((each) => el("li", {}, el("a", {
      href: `#view=write&model=${each.id}`, "aria-current": each.id === chosen?.id ? "true" : null,
      on: { click: (event) => { event.preventDefault(); go({ model: each.id, moment: null, layer: null, cell: null }); } },
    }, el("b", { text: each.name }), el("span", { class: `chip ${each.state}`, text: each.state === "done" && each.score ? `${(100 * each.score.accuracy).toFixed(1)} %` : t(`state.${each.state}`) }),
    el("code", { text: each.text.replace(/\s+/g, " ") }))));
    if (shown.length < models.length) lines.push(el("li", {}, button(t("watch.more", { count: models.length - shown.length }), () => { all = true; update(); }, { class: "plain" })));
    renew(list, lines);
  }

  function update() {
    const models = context.models(), model = context.model();
    runs(models, model);
    if (!model) return;
    title.textContent = model.name;
    state.textContent = t(`state.${model.state}`);
    state.className = `chip ${model.state}`;
    const ahead = models.find((each) => each.state === "training");
    why.textContent = (refusal.id === model.id && refusal.sentence) || model.why;
    why.hidden = !why.textContent;
    score.hidden = !model.score;
    if (model.score) score.textContent = t("watch.score", { share: (100 * model.score.accuracy).toFixed(2), k: model.score.k, n: model.score.n, low: (100 * model.score.low).toFixed(1), high: (100 * model.score.high).toFixed(1) });
    const key = `${model.id} ${model.state}`;
    if (asks.dataset.of !== key) {
      asks.dataset.of = key;
      asks.replaceChildren(...ASKS[model.state].map((what) => ask(model, what)), button(t("watch.try"), () => go({ view: "try" }), { class: "plain" }));
    }
    follow(model);
    curves();
    if (model.state === "waiting") doing.textContent = ahead ? t("watch.behind", { name: ahead.name }) : t("watch.next");
    seen.update();
  }

  return { element, update, stop() {
    document.removeEventListener("visibilitychange", turned);
    leave();
    seen.stop();
    cancelAnimationFrame(due);
  } };
}
