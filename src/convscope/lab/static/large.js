/** A map made large, to choose a cell from; and the picture with a frame around what that cell sees. */

import { el } from "./dom.js";
import { sig, spot } from "./numbers.js";
import { colours, paint, paintPicture } from "./paint.js";

const SIDE = 340;

/**
 * @param {any} context
 * @param {(place: number[]) => void} choose
 */
export function large(context, choose) {
  const { t } = context;
  const canvas = el("canvas", { class: "map-large", tabindex: 0, role: "application" });
  const hover = el("div", { class: "ring hover", hidden: true });
  const pick = el("div", { class: "ring held", hidden: true });
  const told = el("p", { class: "map-told", role: "status" });
  const caption = el("h4");
  const element = el("div", { class: "map-panel" }, caption, el("div", { class: "maps-box" }, canvas, hover, pick), told,
    el("p", { class: "quiet", text: t("try.choose") }));
  let [layer, values, map, at] = [null, null, 0, null];

  const size = () => (layer.shape.length === 3 ? layer.shape.slice(1) : [1, 1]);

  function mark(element_, [row, column]) {
    const [h, w] = size();
    const [tall, wide] = [canvas.clientHeight / h, canvas.clientWidth / w];
    element_.hidden = false;
    for (const [name, value] of Object.entries({ left: column * wide, top: row * tall, width: wide, height: tall }))
      element_.style.setProperty(name, `${value}px`);
  }

  function tell(row, column) {
    const [h, w] = size();
    const value = layer.low + ((layer.high - layer.low) * values[(map * h + row) * w + column]) / 255;
    const text = layer.kind === "input" ? String(Math.round(value)) : `≈ ${sig(value, 3)}`;
    told.textContent = `${spot(t, [map, row, column])} · ${text}`;
  }

  function under(event) {
    const box = canvas.getBoundingClientRect();
    const [h, w] = size();
    const clamp = (value, n) => Math.max(0, Math.min(n - 1, Math.floor(value * n)));
    return [clamp((event.clientY - box.top) / box.height, h), clamp((event.clientX - box.left) / box.width, w)];
  }

  canvas.addEventListener("pointermove", (event) => {
    if (!values) return;
    mark(hover, under(event));
    tell(...under(event));
  });
  canvas.addEventListener("pointerleave", () => {
    hover.hidden = true;
    if (at && values) tell(...at);
  });
  canvas.addEventListener("click", (event) => values && choose([map, ...under(event)]));
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0], Enter: [0, 0], " ": [0, 0] }[event.key];
    if (!by || !values) return;
    event.preventDefault();
    const [h, w] = size();
    const from = at || [0, 0];
    const inside = (value, n) => Math.max(0, Math.min(n - 1, value));
    choose(at ? [map, inside(from[0] + by[0], h), inside(from[1] + by[1], w)] : [map, 0, 0]);
  });

  function draw() {
    if (!values || element.hidden) return;
    const [h, w] = size();
    const k = Math.max(1, Math.floor(SIDE / Math.max(h, w)));
    const own = values.subarray(map * h * w, (map + 1) * h * w);
    paint(canvas, own, { maps: 1, h, w, k, gap: 0, columns: 1, width: w * k, height: h * k }, colours(layer.low, layer.high, layer.kind === "input"));
    pick.hidden = !at;
    if (at) mark(pick, at);
  }

  return {
    element,
    draw,
    focus: () => canvas.focus({ preventScroll: true }),
    /** @param {any} shown {layer, values} of the strip @param {number[]} place (map) or (map, row, column) */
    show(shown, place) {
      const none = !shown?.values || shown.layer.shape.length === 1 || shown.layer.shape[1] * shown.layer.shape[2] === 1;
      element.hidden = none || !place.length;
      if (element.hidden) return;
      ({ layer, values } = shown);
      map = Math.min(place[0], layer.shape[0] - 1);
      at = place.length === 3 ? place.slice(1) : null;
      const name = layer.label === "input" ? t("try.picture") : layer.label;
      caption.textContent = t("try.map_of", { map, label: name });
      canvas.setAttribute("aria-label", `${caption.textContent}. ${t("try.choose")}`);
      draw();
      if (at) tell(...at);
      else told.textContent = "";
    },
  };
}

/** The picture that the network is given, with a frame around a part that may lie partly beyond its edge. */
export function frame(context) {
  const { t } = context;
  const canvas = el("canvas", { class: "seen", role: "img" });
  const caption = el("p", { class: "quiet" });
  const element = el("div", { class: "seen-panel" }, el("h4", { text: t("cell.frame") }), canvas, caption);
  return {
    element,
    show(picture, trace) {
      const [top, left, bottom, right] = trace.seen;
      const [height, width] = trace.picture;
      const beyond = Math.min(Math.max(0, -top, -left, bottom - height, right - width), Math.ceil(Math.max(height, width) / 3));
      const k = Math.max(1, Math.floor(220 / (Math.max(height, width) + 2 * beyond)));
      const small = el("canvas");
      paintPicture(small, picture, Math.max(1, k));
      canvas.width = (width + 2 * beyond) * k;
      canvas.height = (height + 2 * beyond) * k;
      const brush = canvas.getContext("2d");
      const style = getComputedStyle(canvas);
      brush.drawImage(small, beyond * k, beyond * k, width * k, height * k);
      const clamp = (value, n) => Math.max(-beyond, Math.min(n + beyond, value));
      const [y, x, down, across] = [clamp(top, height), clamp(left, width), clamp(bottom, height), clamp(right, width)];
      const box = [(x + beyond) * k + 1.5, (y + beyond) * k + 1.5, (across - x) * k - 3, (down - y) * k - 3];
      brush.fillStyle = style.getPropertyValue("--frame-fill") || "rgb(255 170 60 / 0.16)";
      brush.fillRect(...box);
      brush.lineWidth = 3;
      brush.strokeStyle = style.getPropertyValue("--frame") || "#f0a020";
      brush.strokeRect(...box);
      const whole = top <= 0 && left <= 0 && bottom >= height && right >= width;
      caption.textContent = whole ? t("cell.whole") : t("cell.sees", { top: sig(top), bottom: sig(bottom - 1), left: sig(left), right: sig(right - 1) });
      canvas.setAttribute("aria-label", caption.textContent);
    },
  };
}
