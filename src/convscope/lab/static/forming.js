/** Kernels and maps of a run at one of its moments, with a slider from the first weights to the last. */

import { button, el, newest } from "./dom.js";
import { weights } from "./numbers.js";
import { bytes, onTheme, paintLayer, paintPicture } from "./paint.js";

const MOST = 192; // kernels drawn at once
const BEAT = 220; // milliseconds a moment lasts while it plays

/** @param {any} context */
export function forming(context) {
  const { t, api, go } = context;
  const slider = el("input", { type: "range", min: 0, "aria-label": t("watch.moment"), on: { input: () => turn(Number(slider.value)) } });
  const told = el("output", {});
  const play = button(t("watch.play"), playing, { class: "play" });
  const layers = el("select", { "aria-label": t("watch.layer"), on: { change: () => { wanted = layers.value; key = ""; update(); } } });
  const kernels = el("canvas", { class: "tiles", role: "img", "aria-label": t("watch.kernels") });
  const maps = el("canvas", { class: "tiles", role: "img", "aria-label": t("watch.maps") });
  const picture = el("canvas", { class: "seen-picture", "aria-hidden": "true" });
  const kernelBox = el("figure", {}, el("figcaption", {}, el("h3", { text: t("watch.kernels") })), kernels);
  const mapBox = el("figure", {}, el("figcaption", { class: "row" }, el("h3", { text: t("watch.maps") }), picture), maps);
  const element = el("div", { class: "forming", hidden: true },
    el("div", { class: "row scrub" }, play, slider, told, el("label", { class: "field-line" }, t("watch.of"), layers)),
    el("div", { class: "formed" }, kernelBox, mapBox));
  let key = "", wanted = "", timer = 0, drawn = {};

  const askKernels = newest((what) => api.post("/api/kernels", what), (found, what) => took("kernels", found, what), quiet);
  const askMaps = newest((what) => api.post("/api/look", what), (found, what) => took("look", found, what), quiet);
  const endTheme = onTheme(() => draw());

  function quiet() { /* weights that aren't there yet: the next moment asks again */ }

  /** An answer counts as long as its question is the one that stands. */
  function took(part, found, { model, of }) {
    if (model !== drawn.model || of !== wanted) return;
    drawn[part] = found;
    draw();
  }

  function draw() {
    const { kernels: weighed, look } = drawn, layer = look?.layers[0];
    kernelBox.hidden = !weighed;
    if (weighed) {
      const { shape: [m, c, h, w], low, high, values } = weighed, count = Math.min(m * c, MOST);
      paintLayer(kernels, { shape: [count, h, w], low, high, values: bytes(values).subarray(0, count * h * w) });
      kernels.setAttribute("aria-label", t("watch.kernels_of", { label: wanted, count, all: m * c, shape: `${h} × ${w}` }));
    }
    mapBox.hidden = !layer?.values;
    if (layer?.values) {
      paintLayer(maps, layer);
      maps.setAttribute("aria-label", t("watch.maps_of", { label: layer.label, shape: layer.shape.join(" × ") }));
      paintPicture(picture, look.input, 1);
    }
  }

  function turn(at) {
    const { moments } = context.model();
    go({ moment: at >= moments.length ? null : moments[at].number });
  }

  function playing() {
    if (timer) return stopPlaying();
    play.textContent = t("watch.stop");
    let at = Number(slider.value) >= Number(slider.max) ? -1 : Number(slider.value);
    timer = setInterval(() => {
      at++;
      turn(at);
      if (at >= Number(slider.max)) stopPlaying();
    }, BEAT);
  }

  function stopPlaying() {
    clearInterval(timer);
    timer = 0;
    play.textContent = t("watch.play");
  }

  function update() {
    const model = context.model(), state = context.state();
    element.hidden = !model || (!model.moments.length && model.state !== "done");
    if (element.hidden) return;
    const at = model.moments.findIndex((each) => String(each.number) === state.moment);
    const ended = model.state === "done" || at < 0;
    slider.max = String(model.moments.length);
    slider.value = String(at < 0 ? model.moments.length : at);
    slider.parentElement.classList.toggle("single", model.moments.length < 2);
    const moment = model.moments[at];
    told.textContent = moment
      ? t(moment.accuracy === null ? "watch.epoch" : "watch.epoch_score", { epoch: Number(moment.epoch.toFixed(1)), share: (100 * moment.accuracy).toFixed(1) })
      : t(ended && model.state === "done" ? "watch.end_of" : "watch.newest");
    slider.setAttribute("aria-valuetext", told.textContent);
    ask(model, moment);
  }

  async function ask(model, moment) {
    const now = () => `${moment ? `${model.id} ${moment.number}` : weights(model)} ${wanted}`;
    if (now() === key) return;
    const mine = key = now();
    const all = await layersOf(model);
    if (key !== mine) return; // another was chosen meanwhile
    element.hidden = !all.length;
    if (!all.length) return;
    const labels = all.map((each) => each.label);
    if (!labels.includes(wanted)) wanted = labels[0];
    if (layers.dataset.of !== labels.join()) {
      layers.dataset.of = labels.join();
      layers.replaceChildren(...labels.map((label) => el("option", { value: label, text: label })));
    }
    layers.value = wanted;
    const asked = key = now();
    if (drawn.model !== model.id || drawn.of !== wanted) drawn = { model: model.id, of: wanted };
    const what = { model: model.id, moment: moment ? moment.number : null };
    if (all.find((each) => each.label === wanted).kind === "conv") askKernels({ ...what, label: wanted, of: wanted });
    const index = await firstPicture(model);
    if (index !== null && key === asked) askMaps({ ...what, where: { data: model.data, index }, layers: [wanted], of: wanted });
  }

  const known = new Map(), firsts = new Map();

  /** The convolutions of a model, out of its text; of one without, the layers that learn. */
  async function layersOf(model) {
    if (!known.has(model.id)) {
      const found = await api.post("/api/network", { text: model.text, input: model.input, classes: model.classes.length }).catch(() => null);
      if (!found?.ok) return [];
      const of = (holds) => found.layers.filter((layer) => !layer.aux && holds(layer));
      const convolutions = of((layer) => layer.kind === "conv");
      known.set(model.id, convolutions.length ? convolutions : of((layer) => layer.parameters));
    }
    return known.get(model.id);
  }

  /** The index of the first test picture of a model's data. */
  async function firstPicture(model) {
    if (!model.data) return null;
    if (!firsts.has(model.id)) {
      const found = await api.get(`/api/test/${model.data}?of=${model.id}&from=0&count=1`).catch(() => null);
      if (!found) return null;
      firsts.set(model.id, found.pictures[0]?.index ?? null);
    }
    return firsts.get(model.id);
  }

  return { element, update, stop() { stopPlaying(); endTheme(); } };
}
