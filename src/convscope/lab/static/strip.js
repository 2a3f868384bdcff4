/** Every layer's maps, from the picture to the answer: one canvas a layer. A click or Enter opens a map. */

import { button, el } from "./dom.js";
import { sig, spot } from "./numbers.js";
import { asLayer, bytes, colours, paint, tiles, under } from "./paint.js";

const HIGH = 268; // CSS pixels of a layer's maps where the strip runs sideways

/**
 * @param {{t: Function}} context
 * @param {(label: string, place: number[]) => void} open a map, or a unit, was chosen
 */
export function strip(context, open) {
  const { t } = context;
  const readout = el("p", { class: "strip-told", role: "status" });
  const track = el("div", { class: "strip-track" });
  const element = el("section", { class: "strip", "aria-label": t("try.strip") },
    el("div", { class: "strip-head" }, el("h2", { text: t("try.strip") }), el("div", { class: "strip-key" },
      el("i", { class: "minus" }), t("try.below"), el("i", { class: "zero" }), "0", el("i", { class: "plus" }), t("try.above")),
    readout), track);
  /** @type {Map<string, any>} */
  const shown = new Map();
  const narrow = matchMedia("(max-width: 720px)");
  let chosen = { label: "", place: [] };
  let room = 0;

  function limit() {
    return narrow.matches ? Math.max(200, room - 2) : HIGH;
  }

  function tell(each, place) {
    const [map, row, column] = place;
    const { layer, values } = each;
    const [, h, w] = layer.shape.length === 3 ? layer.shape : [0, 1, 1];
    const byte = values[(map * h + row) * w + column];
    const value = layer.low + ((layer.high - layer.low) * byte) / 255;
    const where = layer.shape.length === 3 ? place : [map];
    const size = layer.kind === "input" ? String(Math.round(value)) : `≈ ${sig(value, 3)}`;
    readout.textContent = `${name(layer.label)} · ${spot(t, where)} · ${size}`;
  }

  const name = (label) => (label === "input" ? t("try.picture") : label);

  function marked(mark, lie, canvas, place, whole) {
    const [map, row, column] = place;
    const scale = canvas.clientWidth / canvas.width || 1;
    const { h, w, k, gap, columns } = lie;
    const left = (map % columns) * (w * k + gap) + (whole ? 0 : column * k);
    const top = Math.floor(map / columns) * (h * k + gap) + (whole ? 0 : row * k);
    mark.hidden = false;
    mark.style.setProperty("left", `${left * scale}px`);
    mark.style.setProperty("top", `${top * scale}px`);
    mark.style.setProperty("width", `${(whole ? w * k : k) * scale}px`);
    mark.style.setProperty("height", `${(whole ? h * k : k) * scale}px`);
  }

  function made(layer) {
    const canvas = el("canvas", { class: "maps", tabindex: 0, role: "application" });
    const hover = el("div", { class: "ring hover", hidden: true });
    const pick = el("div", { class: "ring held", hidden: true });
    const shape = el("span", { class: "shape" });
    const text = el("span", { class: "what" });
    const figure = el("figure", { class: "strip-layer" },
      el("figcaption", {}, el("b", { text: name(layer.label) }), shape, text),
      el("div", { class: "maps-box" }, canvas, hover, pick));
    const each = { figure, canvas, hover, pick, shape, text, layer, values: null, lie: null, at: [0, 0, 0], size: layer.shape.join(" × "), near: false, stale: false };
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      const scale = canvas.width / box.width;
      return under(each.lie, (event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
    };
    const point = (where) => {
      each.at = where;
      marked(hover, each.lie, canvas, where, false);
      tell(each, where);
    };
    canvas.addEventListener("pointermove", (event) => {
      const where = each.lie && place(event);
      if (where) point(where);
    });
    canvas.addEventListener("pointerleave", () => (hover.hidden = true));
    canvas.addEventListener("focus", () => each.lie && point(each.at));
    canvas.addEventListener("blur", () => (hover.hidden = true));
    canvas.addEventListener("click", (event) => {
      const where = each.lie && place(event);
      if (where) opened(each, where);
    });
    canvas.addEventListener("keydown", (event) => {
      if (!each.lie) return;
      if (event.key === "Enter" || event.key === " ") opened(each, each.at);
      else if (!move(each, event)) return;
      else point(each.at);
      event.preventDefault();
    });
    return each;
  }

  function opened(each, [map]) {
    open(each.layer.label, [map]);
  }

  /** Arrow keys go from cell to cell, across to the neighbouring map at its edge; page keys go from map to map. */
  function move(each, event) {
    const { maps, h, w, columns } = each.lie;
    let [map, row, column] = each.at;
    const to = { PageUp: map - 1, PageDown: map + 1, Home: 0, End: maps - 1 }[event.key];
    if (to !== undefined) map = to;
    else if (event.key === "ArrowRight") (column += 1) >= w && ([map, column] = [map + 1, 0]);
    else if (event.key === "ArrowLeft") (column -= 1) < 0 && ([map, column] = [map - 1, w - 1]);
    else if (event.key === "ArrowDown") (row += 1) >= h && ([map, row] = [map + columns, 0]);
    else if (event.key === "ArrowUp") (row -= 1) < 0 && ([map, row] = [map - columns, h - 1]);
    else return false;
    if (map >= 0 && map < maps) each.at = [map, row, column];
    return true;
  }

  function draw(each) {
    const { layer, canvas } = each;
    each.stale = !each.near && each.lie !== null; // what is out of sight waits until it comes into view
    if (!each.values || each.stale) return;
    const lie = tiles(layer.shape, limit(), !narrow.matches);
    const grey = layer.kind === "input";
    paint(canvas, each.values, lie, colours(layer.low, layer.high, grey));
    if (!each.lie || each.lie.width !== lie.width || each.lie.shrink !== lie.shrink) {
      canvas.style.setProperty("width", `${lie.width * lie.shrink}px`);
    }
    each.lie = lie;
  }

  const sight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const each = [...shown.values()].find((one) => one.figure === target);
      if (!each) continue;
      each.near = isIntersecting;
      if (isIntersecting && each.stale) draw(each);
    }
  }, { rootMargin: "0px 120px" });

  function pickOut() {
    for (const [label, each] of shown) {
      const own = label === chosen.label && chosen.place.length && each.lie;
      each.figure.classList.toggle("chosen", label === chosen.label);
      each.pick.hidden = !own;
      if (own) marked(each.pick, each.lie, each.canvas, [chosen.place[0], 0, 0], true);
    }
  }

  function again() {
    for (const each of shown.values()) {
      each.lie = null;
      draw(each);
    }
    pickOut();
  }

  const watch = new ResizeObserver(() => {
    if (Math.abs(track.clientWidth - room) < 2) return;
    room = track.clientWidth;
    if (narrow.matches) again();
  });
  watch.observe(track);
  narrow.addEventListener("change", again);

  return {
    element,
    /** New values of the layers; the canvases stay as long as the network does. */
    show(layers, input) {
      const all = [asLayer(input), ...layers];
      const same = all.length === shown.size && all.every((layer) => shown.get(layer.label)?.size === layer.shape.join(" × "));
      if (!same) {
        shown.clear();
        sight.disconnect();
        track.replaceChildren(...all.map((layer) => {
          const each = made(layer);
          shown.set(layer.label, each);
          sight.observe(each.figure);
          return each.figure;
        }), el("div", { class: "strip-end" }, button(t("try.loss"), () => open("loss", []), { class: "quiet-button" })));
      }
      for (const layer of all) {
        const each = shown.get(layer.label);
        const values = typeof layer.values === "string" ? bytes(layer.values) : layer.values;
        const size = layer.shape.join(" × ");
        if (each.shape.textContent !== size) {
          each.shape.textContent = size;
          each.text.textContent = layer.text;
          each.text.title = layer.text;
          each.canvas.setAttribute("aria-label", t("try.maps_of", { label: name(layer.label), shape: size, text: layer.text }));
          each.at = [0, 0, 0];
        }
        Object.assign(each, { layer, values });
        each.figure.classList.toggle("without", !values);
        draw(each);
      }
      pickOut();
    },
    again,
    /** Marks a map, and brings it into view where it isn't. */
    select(label, place) {
      if (label === chosen.label && String(place) === String(chosen.place)) return;
      chosen = { label, place };
      pickOut();
    },
    /** A layer's latest values: {layer, values}, undefined where there is none. */
    layer: (label) => shown.get(label),
    stop() {
      watch.disconnect();
      sight.disconnect();
      narrow.removeEventListener("change", again);
    },
  };
}
