/** Maps on canvases: bytes to pixels, all maps of a layer as tiles on one canvas. */

export const GAP = 3;
const STILL = { willReadFrequently: true }; // pixels come from here, not from a graphics card

/** @param {string} text base64 @returns {Uint8Array} */
export function bytes(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

/** @param {Uint8Array} data */
export function base64(data) {
  if (data.toBase64) return data.toBase64();
  let text = "";
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
  return btoa(text);
}

let looks = null;

/** The colours of the theme that holds: of 0, of the largest and of the smallest number. */
function theme() {
  if (looks) return looks;
  const style = getComputedStyle(document.documentElement);
  const read = (name, usual) => (style.getPropertyValue(name).match(/\d+/g) || usual).slice(0, 3).map(Number);
  looks = {
    zero: read("--map-zero", [242, 244, 247]),
    plus: read("--map-plus", [20, 74, 180]),
    minus: read("--map-minus", [200, 66, 14]),
  };
  return looks;
}

/** Calls back where the page turns dark or light. @returns {() => void} which ends it */
export function onTheme(tell) {
  const turn = () => {
    looks = null;
    tell();
  };
  const watch = new MutationObserver(turn);
  watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", turn);
  return () => {
    watch.disconnect();
    system.removeEventListener("change", turn);
  };
}

const packed = (r, g, b) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

/** 256 colours of a layer's bytes: 0 is the ground, more is blue, less is orange; a picture's are grey. */
export function colours(low, high, grey = false) {
  const table = new Uint32Array(256);
  const { zero, plus, minus } = theme();
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  for (let i = 0; i < 256; i++) {
    if (grey) {
      table[i] = packed(i, i, i);
      continue;
    }
    const value = (low + ((high - low) * i) / 255) / most;
    const to = value < 0 ? minus : plus;
    const share = Math.abs(value) ** 0.75;
    table[i] = packed(...zero.map((from, at) => Math.round(from + (to[at] - from) * share)));
  }
  return table;
}

/**
 * How a layer's maps lie on one canvas. limit: CSS pixels; of the height where the strip runs sideways, else the width.
 * @param {number[]} shape maps, rows, columns, or units
 */
export function tiles(shape, limit, sideways) {
  const [maps, h, w] = shape.length === 3 ? shape : [shape[0], 1, 1];
  const single = h * w === 1;
  const k = single ? (maps > 300 ? 7 : 14) : Math.max(1, Math.ceil((sideways ? 34 : 21) / Math.max(h, w)));
  const gap = single ? 2 : GAP;
  const shrink = Math.min(1, (sideways ? 72 : 48) / (Math.max(h, w) * k)); // a large map is drawn whole, and shown smaller
  const fit = (size) => Math.max(1, Math.floor((limit + gap) / (size * k * shrink + gap)));
  const rows = sideways ? Math.min(maps, fit(h)) : Math.ceil(maps / fit(w));
  const columns = Math.ceil(maps / rows);
  return {
    maps, h, w, k, gap, rows, columns, shrink,
    width: columns * (w * k + gap) - gap, height: rows * (h * k + gap) - gap,
  };
}

/**
 * Draws all maps of a layer. values: bytes, maps first, then row by row.
 * @param {HTMLCanvasElement} canvas
 */
export function paint(canvas, values, lie, table) {
  const { maps, h, w, k, gap, columns, width, height } = lie;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const brush = canvas.getContext("2d", STILL);
  const image = brush.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  let at = 0;
  for (let map = 0; map < maps; map++) {
    const left = (map % columns) * (w * k + gap);
    let line = Math.floor(map / columns) * (h * k + gap) * width + left;
    for (let row = 0; row < h; row++) {
      let x = line;
      for (let column = 0; column < w; column++) {
        const colour = table[values[at++]];
        for (const end = x + k; x < end; x++) pixels[x] = colour;
      }
      for (let more = 1; more < k; more++) pixels.copyWithin(line + more * width, line, line + w * k);
      line += k * width;
    }
  }
  brush.putImageData(image, 0, 0);
}

/** All maps of a layer as tiles, as wide as a half of the page at most. layer: {shape, low, high, values: base64 or bytes} */
export function paintLayer(canvas, { shape, low, high, values }) {
  const lie = tiles(shape, 520, false);
  paint(canvas, typeof values === "string" ? bytes(values) : values, lie, colours(low, high));
  canvas.style.setProperty("--wide", `${Math.round(lie.width * lie.shrink)}px`);
}

/** Which map, row and column lie at a place of the canvas, in its own pixels; null in a gap. */
export function under(lie, x, y) {
  const { maps, h, w, k, gap, columns } = lie;
  const c = Math.floor(x / (w * k + gap));
  const r = Math.floor(y / (h * k + gap));
  const map = r * columns + c;
  const column = Math.floor((x - c * (w * k + gap)) / k);
  const row = Math.floor((y - r * (h * k + gap)) / k);
  if (x < 0 || y < 0 || c >= columns || map >= maps || row < 0 || row >= h || column < 0 || column >= w) return null;
  return [map, row, column];
}

/** Draws a picture of bytes, rows x columns x 1 or 3. k: pixels of the canvas for one of the picture's. */
export function paintPicture(canvas, picture, k = 1) {
  const { height, width, channels } = picture;
  const data = bytes(picture.pixels);
  canvas.width = width * k;
  canvas.height = height * k;
  const brush = canvas.getContext("2d", STILL);
  const image = brush.createImageData(width * k, height * k);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0, at = 0; row < height; row++) {
    const line = row * k * width * k;
    for (let column = 0; column < width; column++, at += channels) {
      const colour = channels === 1 ? packed(data[at], data[at], data[at]) : packed(data[at], data[at + 1], data[at + 2]);
      pixels.fill(colour, line + column * k, line + column * k + k);
    }
    for (let more = 1; more < k; more++) pixels.copyWithin(line + more * width * k, line, line + width * k);
  }
  brush.putImageData(image, 0, 0);
}

/** A picture's bytes as a layer of the strip: one map a channel. */
export function asLayer(picture) {
  const { height, width, channels } = picture;
  const data = bytes(picture.pixels);
  const values = new Uint8Array(data.length);
  for (let channel = 0, at = 0; channel < channels; channel++)
    for (let i = channel; i < data.length; i += channels) values[at++] = data[i];
  return { label: "input", kind: "input", text: "", shape: [channels, height, width], low: 0, high: 255, values };
}
