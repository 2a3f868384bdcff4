/** What a training picture goes through: sliders, and eight samples of one picture. */

import { button, el, newest } from "./dom.js";
import { paintPicture } from "./paint.js";

/** Settings of a recipe's [augment]: [key, least, most, step]. */
const SLIDERS = [
  ["shift", 0, 6, 1], ["crop", 0, 8, 1], ["rotate", 0, 45, 1], ["zoom", 0, 0.5, 0.05], ["elastic", 0, 4, 0.5],
  ["brightness", 0, 100, 5], ["cutout", 0, 16, 1],
];

/** @param {any} context @param {() => any} source the data set that is chosen */
export function augmenting(context, source) {
  const { t, api } = context;
  let own = "", settings = {}, touched = false, sample = 1;
  const flip = el("input", { type: "checkbox", on: { change: () => set("flip", flip.checked) } });
  const sliders = SLIDERS.map(([key, min, max, step]) => {
    const slider = el("input", { type: "range", min, max, step, "aria-label": t(`augment.${key}`) });
    const told = el("output", {});
    slider.addEventListener("input", () => set(key, Number(slider.value)));
    return { key, slider, told, line: el("label", { class: "slider", title: t(`augment.${key}_why`) }, el("span", { text: t(`augment.${key}`) }), slider, told) };
  });
  const canvases = Array.from({ length: 9 }, () => el("canvas", { "aria-hidden": "true" }));
  const samples = el("div", { class: "samples", role: "img", "aria-label": t("augment.samples") }, ...canvases.map((canvas, at) =>
    el("span", { class: at ? "sample" : "sample first" }, canvas, at ? null : el("small", { text: t("augment.original") }))));
  const fault = el("p", { class: "fault", hidden: true });
  const element = el("details", { class: "augment", on: { toggle: () => element.open && show() } },
    el("summary", { text: t("augment.title") }), el("p", { class: "note", text: t("augment.why") }),
    el("div", { class: "sliders" }, ...sliders.map((each) => each.line),
      el("label", { class: "slider" }, el("span", { text: t("augment.flip") }), flip)),
    samples, fault, el("div", { class: "row" }, button(t("augment.another"), () => { sample++; show(); }),
      button(t("augment.usual"), () => { touched = false; take(source()); show(); })));

  const ask = newest((what) => api.post("/api/augmented", what), ({ original, pictures }) => {
    fault.hidden = true;
    [original, ...pictures].forEach((picture, at) => paintPicture(canvases[at], picture, Math.max(1, Math.round(64 / picture.height))));
  }, (error) => {
    fault.textContent = error.message;
    fault.hidden = false;
  });

  function show() {
    if (element.open) ask({ data: source().name, settings: { ...settings, pad_mode: settings.pad_mode || "zero" }, seed: sample });
  }

  function set(key, value) {
    touched = true;
    settings = { ...settings, [key]: value };
    tell();
    show();
  }

  function tell() {
    for (const { key, slider, told } of sliders) {
      const value = Number(settings[key] || 0);
      slider.value = String(value);
      told.textContent = String(value);
    }
    flip.checked = Boolean(settings.flip);
  }

  function take(data) {
    own = data.name;
    settings = { ...data.augment };
    touched = false;
    tell();
  }

  return {
    element,
    /** The settings for a training; null where they are the recipe's own. */
    settings: () => (touched ? settings : null),
    of(data) {
      if (data.name === own) return;
      take(data);
      show();
    },
    /** Every one of them off. */
    off() {
      settings = Object.fromEntries([...SLIDERS.map(([key]) => [key, 0]), ["flip", false]]);
      touched = true;
      tell();
      show();
    },
    /** What `put` brings back: the settings, and the data set that they are for. */
    kept: () => ({ own, settings, touched }),
    put(kept) {
      ({ own, settings, touched } = kept);
      tell();
    },
  };
}
